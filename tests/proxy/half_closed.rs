//! Connections of which one side has ended and the other has not.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::backend::Backend;
use crate::dubbo::{Message, PATIENCE};
use crate::running::{Running, Setup};

const ASK: &[u8] =
    b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
const GRANT: &[u8] = b"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
const BODY: usize = 4 << 20;

/// Two sockets with the proxy between them.
struct Tunnel {
    running: Running,
    client: TcpStream,
    server: TcpStream,
}

impl Tunnel {
    /// Of raw bytes.
    async fn raw() -> Self {
        Self::of("tcp", "{route: {cluster: main}}").await
    }

    /// Of a connection that was upgraded.
    async fn upgraded() -> Self {
        let mut tunnel = Self::of("http1", "{route: {cluster: main, timeout: 0.2s}}").await;
        tunnel.server_hears(ASK).await;
        tunnel.server.write_all(GRANT).await.unwrap();
        tunnel.client_hears(GRANT).await;
        tunnel
    }

    async fn of(protocol: &'static str, route: &str) -> Self {
        Self::with(protocol, route, "{}").await
    }

    async fn with(protocol: &'static str, route: &str, options: &str) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let setup = Setup::one([socket.local_addr().unwrap()]).protocol(protocol);
        let setup = setup.listener(format!("protocol_options: {options}"));
        let running = setup.routes([route]).start().await;
        let mut client = TcpStream::connect(running.at("in")).await.unwrap();
        if protocol == "http1" {
            client.write_all(ASK).await.unwrap();
        }
        let (server, _) = timeout(PATIENCE, socket.accept()).await.unwrap().unwrap();
        Self {
            running,
            client,
            server,
        }
    }

    async fn server_hears(&mut self, bytes: &[u8]) {
        let heard = heard(&mut self.server, bytes.len()).await;
        assert_eq!(heard.len(), bytes.len());
        assert!(heard.starts_with(&bytes[..10]));
    }

    async fn client_hears(&mut self, bytes: &[u8]) {
        let heard = heard(&mut self.client, bytes.len()).await;
        assert_eq!(heard.len(), bytes.len());
        assert!(heard.starts_with(&bytes[..10]));
    }
}

async fn heard(socket: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let read = timeout(PATIENCE, socket.read_exact(&mut bytes)).await;
    read.expect("bytes in time").unwrap();
    bytes
}

async fn rest(socket: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, socket.read_to_end(&mut bytes)).await;
    read.expect("an end in time").unwrap();
    bytes
}

fn noise(seed: u8) -> Vec<u8> {
    let byte = |i: usize| (i % 251) as u8 ^ seed;
    (0..BODY).map(byte).collect()
}

/// One side says its last word; then the other says all of its own, and ends too.
async fn ends_alone(first: &mut TcpStream, second: &mut TcpStream) {
    let (one, other) = (noise(1), noise(2));
    let say = async {
        first.write_all(&one).await.unwrap();
        first.shutdown().await.unwrap();
    };
    let (heard, ()) = tokio::join!(rest(second), say);
    assert!(heard == one, "{} bytes of {BODY}", heard.len());
    let say = async {
        second.write_all(&other).await.unwrap();
        second.shutdown().await.unwrap();
    };
    let (heard, ()) = tokio::join!(rest(first), say);
    assert!(heard == other, "{} bytes of {BODY}", heard.len());
}

#[tokio::test]
async fn a_server_that_ends_first_hears_the_rest_of_its_client() {
    for mut tunnel in [Tunnel::raw().await, Tunnel::upgraded().await] {
        ends_alone(&mut tunnel.server, &mut tunnel.client).await;
        tunnel.running.assert_balanced().await;
        tunnel
            .running
            .until("sabir_upstream_cx_active", |n| n == 0)
            .await;
    }
}

#[tokio::test]
async fn a_client_that_ends_first_hears_the_rest_of_its_server() {
    for mut tunnel in [Tunnel::raw().await, Tunnel::upgraded().await] {
        ends_alone(&mut tunnel.client, &mut tunnel.server).await;
        tunnel.running.assert_balanced().await;
        tunnel
            .running
            .until("sabir_upstream_cx_active", |n| n == 0)
            .await;
    }
}

#[tokio::test]
async fn sides_that_end_at_once_lose_nothing() {
    for tunnel in [Tunnel::raw().await, Tunnel::upgraded().await] {
        let Tunnel {
            running,
            client,
            server,
        } = tunnel;
        let say_all = async |socket: TcpStream, bytes: Vec<u8>| {
            let (mut read, mut write) = socket.into_split();
            let say = async {
                write.write_all(&bytes).await.unwrap();
                write.shutdown().await.unwrap();
            };
            let mut heard = Vec::new();
            let (read, ()) = tokio::join!(read.read_to_end(&mut heard), say);
            read.unwrap();
            heard
        };
        let both = async { tokio::join!(say_all(client, noise(1)), say_all(server, noise(2))) };
        let (from_server, from_client) = timeout(PATIENCE, both).await.expect("an end in time");
        assert!(from_server == noise(2) && from_client == noise(1));
        running.assert_balanced().await;
    }
}

#[tokio::test]
async fn a_client_that_is_gone_ends_a_tunnel_whose_server_has_ended() {
    for tunnel in [Tunnel::raw().await, Tunnel::upgraded().await] {
        let Tunnel {
            running,
            mut client,
            mut server,
        } = tunnel;
        server.write_all(b"that is all").await.unwrap();
        server.shutdown().await.unwrap();
        assert_eq!(rest(&mut client).await, b"that is all");
        drop(client);
        assert_eq!(rest(&mut server).await, b"");
        running.assert_balanced().await;
    }
}

#[tokio::test]
async fn a_server_that_is_gone_ends_what_its_client_still_says() {
    for tunnel in [Tunnel::raw().await, Tunnel::upgraded().await] {
        let Tunnel {
            running,
            mut client,
            server,
        } = tunnel;
        drop(server);
        assert_eq!(rest(&mut client).await, b"");
        let chunk = noise(3);
        let writing = async { while client.write_all(&chunk).await.is_ok() {} };
        timeout(PATIENCE, writing).await.expect("an error in time");
        running.assert_balanced().await;
    }
}

/// The upgrade was granted in time: how long it is used is another matter.
#[tokio::test]
async fn the_deadline_of_a_tunnel_ends_when_it_stands() {
    let mut tunnel = Tunnel::upgraded().await;
    let timeouts = "sabir_upstream_rq_timeout_total";
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    tunnel.client.write_all(b"still here").await.unwrap();
    tunnel.server_hears(b"still here").await;
    assert_eq!(tunnel.running.metric(timeouts).await, 0);
}

/// A call of `name` and its answer, framed, in the binary protocol of Thrift.
fn thrift(kind: u8, name: &str, seqid: u8) -> Vec<u8> {
    let mut message = vec![0x80, 1, 0, kind, 0, 0, 0, name.len() as u8];
    message.extend_from_slice(name.as_bytes());
    message.extend_from_slice(&[0, 0, 0, seqid, 0]);
    [&[0, 0, 0, message.len() as u8], &message[..]].concat()
}

async fn start(protocol: &'static str) -> (Running, TcpListener) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = socket.local_addr().unwrap();
    let running = Setup::one([address]).protocol(protocol).start().await;
    (running, socket)
}

/// Says all `calls` at once and ends; what the client hears until the proxy ends too, while the
/// server answers one after the other.
async fn pipelined(protocol: &'static str, calls: &[Vec<u8>], answers: &[Vec<u8>]) -> Vec<u8> {
    let (running, socket) = start(protocol).await;
    let mut client = TcpStream::connect(running.at("in")).await.unwrap();
    client.write_all(&calls.concat()).await.unwrap();
    client.shutdown().await.unwrap();
    let (mut server, _) = timeout(PATIENCE, socket.accept()).await.unwrap().unwrap();
    for (call, answer) in calls.iter().zip(answers) {
        heard(&mut server, call.len()).await;
        server.write_all(answer).await.unwrap();
    }
    let all = rest(&mut client).await;
    assert_eq!(
        running
            .metric("sabir_downstream_cx_protocol_error_total")
            .await,
        0
    );
    running.assert_balanced().await;
    all
}

#[tokio::test]
async fn requests_sent_ahead_of_their_turn_are_answered_though_the_client_has_ended() {
    const CALLS: u8 = 5;
    let calls: Vec<_> = (0..CALLS).map(|i| thrift(1, "hi", i)).collect();
    let answers: Vec<_> = (0..CALLS).map(|i| thrift(2, "hi", i)).collect();
    assert_eq!(
        pipelined("thrift", &calls, &answers).await,
        answers.concat()
    );
    // More than the proxy holds of what is ahead of its turn.
    let filler = "x".repeat(40_000);
    let call =
        |i| format!("GET /{i} HTTP/1.1\r\nHost: a\r\nX-Filler: {filler}\r\n\r\n").into_bytes();
    let answer = |i| format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{i}").into_bytes();
    let calls: Vec<_> = (0..CALLS).map(call).collect();
    let answers: Vec<_> = (0..CALLS).map(answer).collect();
    assert_eq!(pipelined("http1", &calls, &answers).await, answers.concat());
}

#[tokio::test]
async fn a_request_cut_off_behind_others_costs_these_nothing() {
    let calls: Vec<_> = (0..3).map(|i| thrift(1, "hi", i)).collect();
    let (running, socket) = start("thrift").await;
    let mut client = TcpStream::connect(running.at("in")).await.unwrap();
    let mut said = calls.concat();
    said.truncate(said.len() - 1);
    client.write_all(&said).await.unwrap();
    client.shutdown().await.unwrap();
    let (mut server, _) = timeout(PATIENCE, socket.accept()).await.unwrap().unwrap();
    for (i, call) in calls[..2].iter().enumerate() {
        assert_eq!(&heard(&mut server, call.len()).await, call);
        server.write_all(&thrift(2, "hi", i as u8)).await.unwrap();
    }
    let all = rest(&mut client).await;
    assert_eq!(all, [thrift(2, "hi", 0), thrift(2, "hi", 1)].concat());
    let errors = "sabir_downstream_cx_protocol_error_total";
    assert_eq!(running.metric(errors).await, 1);
    running.assert_balanced().await;
}

/// With ids on the wire there are no turns, but there may be no room for all at once.
#[tokio::test]
async fn calls_for_which_there_was_no_room_are_answered_though_the_client_has_ended() {
    let backend = Backend::echoing("d").await;
    let running = Setup::one([backend])
        .listener("max_concurrent_streams: 2")
        .start()
        .await;
    let mut client = running.client().await;
    let calls: Vec<_> = (0..50).map(|id| Message::call(id, "hi", "bob")).collect();
    let bytes: Vec<u8> = calls.iter().flat_map(Message::bytes).collect();
    client.io.write_all(&bytes).await.unwrap();
    client.io.shutdown().await.unwrap();
    let mut answered = Vec::new();
    while let Some(answer) = client.next().await {
        assert_eq!(answer.value(), "d:bob");
        answered.push(answer.id);
    }
    answered.sort_unstable();
    assert_eq!(answered, (0..50).collect::<Vec<_>>());
    running.assert_balanced().await;
}

#[tokio::test]
async fn a_tunnel_that_nobody_uses_or_ends_is_closed() {
    const SHORT: &str = "{tunnel_timeout: 0.3}";
    let route = "{route: {cluster: main, timeout: 0s}}";
    let idle = "{route: {cluster: main, timeout: 0s, idle_timeout: 0.3s}}";
    for (route, options) in [(route, SHORT), (idle, "{}")] {
        for ended in [false, true] {
            let mut tunnel = Tunnel::with("tcp", route, options).await;
            tunnel
                .server
                .write_all(b"hello, and no more")
                .await
                .unwrap();
            tunnel.client_hears(b"hello, and no more").await;
            if ended {
                tunnel.server.shutdown().await.unwrap();
                assert_eq!(rest(&mut tunnel.client).await, b"");
            }
            tunnel.running.assert_balanced().await;
            let connections = "sabir_upstream_cx_active";
            tunnel.running.until(connections, |n| n == 0).await;
            let mut byte = [0];
            let end = timeout(PATIENCE, tunnel.server.read(&mut byte)).await;
            assert!(matches!(end.expect("in time"), Ok(0) | Err(_)));
        }
    }
}
