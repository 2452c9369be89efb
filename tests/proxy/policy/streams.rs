//! Retries and idle time of streams that are still under way, in a protocol of nothing but streams.

use std::time::Duration;

use tokio::net::TcpListener;

use crate::running::{Running, Setup};
use crate::tube::{self, TubePeer, WINDOW};

struct Server(TcpListener);

impl Server {
    async fn accept(&self) -> TubePeer {
        TubePeer::new(self.0.accept().await.unwrap().0)
    }
}

async fn start(route: &str) -> (Running, Server) {
    let server = Server(TcpListener::bind("127.0.0.1:0").await.unwrap());
    let setup = Setup::one([server.0.local_addr().unwrap()]).protocol("tube");
    let route = format!("{{route: {{cluster: main, {route}}}}}");
    let setup = setup.routes([&route]);
    let add = |options: &mut sabir::Options| {
        options.protocols.add("tube", tube::factory);
    };
    (setup.start_with(add).await, server)
}

const RETRY: &str = "retry_policy: {retry_on: reset, idempotent: true, num_retries: 2, \
    retry_back_off: {base_interval: 0.001s}}";

/// Takes one stream's body from `peer` until it ends, granting what came.
async fn body(peer: &mut TubePeer, granted: &mut usize) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let (kind, stream, payload) = peer.next_of_message().await.unwrap();
        body.extend_from_slice(&payload);
        peer.grant(stream, payload.len()).await;
        *granted += payload.len();
        if kind == b'E' {
            return body;
        }
    }
}

#[tokio::test]
async fn a_body_that_is_under_way_goes_on_to_another_connection() {
    let (proxy, server) = start(RETRY).await;
    let mut client = TubePeer::to(proxy.at("in")).await;
    let first = vec![1; 20_000];
    client.send(b'H', 9, b"q").await;
    client.send(b'D', 9, &first).await;
    let mut upstream = server.accept().await;
    let stream = upstream.next().await.unwrap().1;
    let mut got = 0;
    while got < first.len() {
        got += upstream.next().await.unwrap().2.len();
    }
    upstream.send(b'R', stream, b"").await;
    let (kind, again, _) = upstream.next_of_message().await.unwrap();
    assert!(kind == b'H' && again != stream);
    // The rest is more than a window holds: the caller is told of each byte once, and of all.
    let rest = vec![2; 2 * WINDOW];
    let mut credit = WINDOW - first.len();
    let mut sent = 0;
    let mut granted = 0;
    let all = tokio::spawn(async move { body(&mut upstream, &mut granted).await });
    while sent < rest.len() {
        let len = credit.min(rest.len() - sent);
        let kind = if sent + len == rest.len() { b'E' } else { b'D' };
        if len > 0 {
            client.send(kind, 9, &rest[sent..sent + len]).await;
            (sent, credit) = (sent + len, credit - len);
        }
        if sent < rest.len() {
            let (kind, _, payload) = client.next().await.unwrap();
            assert_eq!(kind, b'W');
            credit += u32::from_be_bytes(payload[..].try_into().unwrap()) as usize;
            assert!(credit <= WINDOW, "more was granted than was sent");
        }
    }
    assert!(all.await.unwrap() == [first, rest].concat());
    drop(client);
    proxy.assert_balanced().await;
}

#[tokio::test]
async fn an_answer_that_has_begun_is_the_answer() {
    let (proxy, server) = start(RETRY).await;
    let mut client = TubePeer::to(proxy.at("in")).await;
    client.send(b'H', 9, b"q").await;
    client.send(b'E', 9, b"all").await;
    let mut upstream = server.accept().await;
    let stream = upstream.next().await.unwrap().1;
    upstream.send(b'H', stream, b"r").await;
    upstream.send(b'D', stream, b"half").await;
    upstream.send(b'R', stream, b"").await;
    for expected in [b'H', b'D', b'R'] {
        assert_eq!(client.next_of_message().await.unwrap().0, expected);
    }
    proxy.assert_balanced().await;
}

#[tokio::test]
async fn a_response_that_stands_still_is_ended_and_a_slow_one_is_not() {
    let (proxy, server) = start("timeout: 0s, idle_timeout: 1s").await;
    let mut client = TubePeer::to(proxy.at("in")).await;
    client.send(b'H', 9, b"q").await;
    client.send(b'E', 9, b"").await;
    let mut upstream = server.accept().await;
    let stream = upstream.next().await.unwrap().1;
    upstream.send(b'H', stream, b"r").await;
    assert_eq!(client.next_of_message().await.unwrap().0, b'H');
    for _ in 0..4 {
        // A part of what is too long, which only time itself can show.
        tokio::time::sleep(Duration::from_millis(350)).await;
        upstream.send(b'D', stream, b"x").await;
        assert_eq!(client.next_of_message().await.unwrap().0, b'D');
    }
    assert_eq!(client.next_of_message().await.unwrap().0, b'R');
    proxy.assert_balanced().await;
}
