//! HTTP/1.1 through the driver: what takes both the protocol and the sockets to go right.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::dubbo::PATIENCE;
use crate::running::{Running, Setup};

/// A socket that waits for texts.
struct Wire(TcpStream, String);

impl Wire {
    async fn to(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap(), String::new())
    }

    async fn says(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Everything up to `end`, which arrives in time.
    async fn hears(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.1.find(end) {
                let rest = self.1.split_off(at + end.len());
                return std::mem::replace(&mut self.1, rest);
            }
            assert!(self.more().await, "closed after {:?}", self.1);
        }
    }

    /// Everything until the other side closes.
    async fn hears_all(&mut self) -> String {
        while self.more().await {}
        std::mem::take(&mut self.1)
    }

    async fn more(&mut self) -> bool {
        let mut bytes = vec![0; 1 << 16];
        let read = timeout(PATIENCE, self.0.read(&mut bytes)).await;
        let n = read.expect("an answer in time").unwrap_or(0);
        self.1.push_str(std::str::from_utf8(&bytes[..n]).unwrap());
        n > 0
    }
}

struct Upstream(TcpListener);

impl Upstream {
    async fn accept(&self) -> Wire {
        let accepted = timeout(PATIENCE, self.0.accept()).await;
        Wire(accepted.expect("a connection").unwrap().0, String::new())
    }
}

async fn start(change: impl FnOnce(Setup) -> Setup) -> (Running, Upstream) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let setup = Setup::one([socket.local_addr().unwrap()]).protocol("http1");
    (change(setup).start().await, Upstream(socket))
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_by_whoever_answers() {
    let (running, upstream) = start(|setup| {
        setup.routes([
            "{match: {metadata: {method: {exact: /no}}}, direct_response: {status: denied}}",
            "{route: {cluster: main}}",
        ])
    })
    .await;
    let mut client = Wire::to(running.at("in")).await;
    let all = ["/no", "/no", "/1", "/no", "/2"].map(get).concat();
    client.says(&all).await;
    // Nothing follows: the last requests are answered all the same.
    client.0.shutdown().await.unwrap();
    let mut server = upstream.accept().await;
    for path in ["/1", "/2"] {
        assert_eq!(server.hears("\r\n\r\n").await, get(path));
        server.says(OK).await;
    }
    let heard = client.hears_all().await;
    let statuses: Vec<_> = heard.split("HTTP/1.1 ").skip(1).map(|a| &a[..3]).collect();
    assert_eq!(statuses, ["403", "403", "200", "403", "200"]);
    running.assert_balanced().await;
}

#[tokio::test]
async fn connections_to_endpoints_are_used_again_and_not_after_close() {
    let (running, upstream) = start(|setup| setup).await;
    let mut client = Wire::to(running.at("in")).await;
    let mut server = upstream.accept_after(&mut client, "/1").await;
    server.says(OK).await;
    client.hears("ok").await;
    client.says(&get("/2")).await;
    assert_eq!(server.hears("\r\n\r\n").await, get("/2"));
    server
        .says(&OK.replace("OK\r\n", "OK\r\nConnection: close\r\n"))
        .await;
    client.hears("ok").await;
    assert_eq!(server.hears_all().await, "");
    let mut server = upstream.accept_after(&mut client, "/3").await;
    server.says(OK).await;
    client.hears("ok").await;
    running.assert_balanced().await;
}

impl Upstream {
    /// The connection on which the client's request for `path` arrives.
    async fn accept_after(&self, client: &mut Wire, path: &str) -> Wire {
        client.says(&get(path)).await;
        let mut server = self.accept().await;
        assert_eq!(server.hears("\r\n\r\n").await, get(path));
        server
    }
}

#[tokio::test]
async fn servers_are_told_who_called() {
    let (running, upstream) = start(|setup| {
        setup
            .listener("protocol_options: {via: edge}")
            .routes(["{route: {cluster: main}, request_mutation: \
                {append: {x-forwarded-for: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%'}, \
                set: {x-forwarded-host: '%REQ(:authority)%', x-forwarded-proto: '%REQ(:scheme)%'}}}"])
    })
    .await;
    let mut client = Wire::to(running.at("in")).await;
    client
        .says("GET / HTTP/1.1\r\nHost: a:80\r\nX-Forwarded-For: 10.1.1.1\r\nX-Forwarded-Host: forged\r\nX-Forwarded-For: 10.2.2.2\r\n\r\n")
        .await;
    let mut server = upstream.accept().await;
    let head = server.hears("\r\n\r\n").await.to_ascii_lowercase();
    let mut lines: Vec<_> = head.trim_end().split("\r\n").skip(1).collect();
    lines.sort_unstable();
    let wanted = [
        "host: a:80",
        "via: 1.1 edge",
        "x-forwarded-for: 10.1.1.1, 10.2.2.2, 127.0.0.1",
        "x-forwarded-host: a:80",
        "x-forwarded-proto: http",
    ];
    assert_eq!(lines, wanted);
    server.says(OK).await;
    assert!(client.hears("ok").await.contains("via: 1.1 edge\r\n"));
}

#[tokio::test]
async fn an_interim_response_is_no_answer_yet() {
    let (running, upstream) = start(|setup| setup).await;
    let mut client = Wire::to(running.at("in")).await;
    let mut server = upstream.accept_after(&mut client, "/").await;
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    server.says(hints).await;
    assert_eq!(client.hears("\r\n\r\n").await, hints);
    drop(server);
    assert!(client.hears("\r\n").await.starts_with("HTTP/1.1 502 "));
    running.assert_balanced().await;
}

#[tokio::test]
async fn a_response_that_breaks_off_is_seen_to() {
    let (running, upstream) = start(|setup| setup).await;
    let mut client = Wire::to(running.at("in")).await;
    let mut server = upstream.accept_after(&mut client, "/").await;
    server
        .says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        .await;
    client.hears("2\r\nab\r\n").await;
    drop(server);
    assert_eq!(client.hears_all().await, "", "no last chunk");
    running.assert_balanced().await;
}

#[tokio::test]
async fn what_is_no_request_is_answered_and_closed() {
    let (running, upstream) = start(|setup| setup).await;
    let mut client = Wire::to(running.at("in")).await;
    client.says("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").await;
    client.says(&get("/smuggled")).await;
    let heard = client.hears_all().await;
    assert!(heard.starts_with("HTTP/1.1 400 "), "{heard}");
    assert_eq!(heard.matches("HTTP/1.1").count(), 1);
    let reached = timeout(Duration::from_millis(50), upstream.0.accept()).await;
    assert!(reached.is_err(), "nothing reaches the endpoint");
    running.assert_balanced().await;
}

#[tokio::test]
async fn a_websocket_is_a_tunnel_whose_sides_end_alone() {
    let (running, upstream) = start(|setup| setup).await;
    let mut client = Wire::to(running.at("in")).await;
    let ask = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    client.says(ask).await;
    client.says("early").await;
    let mut server = upstream.accept().await;
    assert!(
        server
            .hears("\r\n\r\n")
            .await
            .contains("upgrade: websocket\r\n")
    );
    server
        .says("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello")
        .await;
    assert_eq!(server.hears("early").await, "early");
    assert!(client.hears("hello").await.starts_with("HTTP/1.1 101 "));
    client.says("last").await;
    client.0.shutdown().await.unwrap();
    assert_eq!(server.hears_all().await, "last");
    server.says("the rest").await;
    drop(server);
    assert_eq!(client.hears_all().await, "the rest");
    running.assert_balanced().await;
}

#[tokio::test]
async fn a_reader_that_stalls_holds_back_the_writer() {
    const LEN: usize = 64 << 20;
    let (running, upstream) =
        start(|setup| setup.routes(["{route: {cluster: main, timeout: 0s}}"])).await;
    let mut client = Wire::to(running.at("in")).await;
    let mut server = upstream.accept_after(&mut client, "/").await;
    server
        .says(&format!("HTTP/1.1 200 OK\r\nContent-Length: {LEN}\r\n\r\n"))
        .await;
    let chunk = "x".repeat(1 << 16);
    let mut sent = 0;
    while let Ok(()) = timeout(Duration::from_millis(200), server.says(&chunk)).await {
        sent += chunk.len();
        assert!(
            sent < LEN,
            "everything was taken from a server whose client reads nothing"
        );
    }
    drop(client);
    running.assert_balanced().await;
}
