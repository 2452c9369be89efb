//! Bodies in pieces, within windows, in both directions at once.

use std::sync::atomic::{AtomicBool, Ordering};

use sabir::core::filter::{Context, Filter, Flow};
use sabir::core::head::Head;
use tokio::net::TcpListener;

use crate::running::{Running, Setup};
use crate::tube::{self, TubePeer, WINDOW};

const MIB: usize = 1 << 20;

struct Server(TcpListener);

impl Server {
    async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    async fn accept(&self) -> TubePeer {
        TubePeer::new(self.0.accept().await.unwrap().0)
    }
}

async fn start(server: &Server, change: impl FnOnce(Setup) -> Setup) -> Running {
    let setup = Setup::one([server.0.local_addr().unwrap()]).protocol("tube");
    change(setup)
        .start_with(|options| {
            options.protocols.add("tube", tube::factory);
            options
                .filters
                .add("gate", |_| Ok(std::sync::Arc::new(Gate)));
        })
        .await
}

/// One end of a stream that sends a body and takes one.
struct End {
    stream: u32,
    body: Vec<u8>,
    sent: usize,
    credit: usize,
    got: Vec<u8>,
    grants: bool,
    ended: bool,
    /// Its end would end the exchange: it comes after the other's.
    is_server: bool,
}

impl End {
    fn new(stream: u32, body: Vec<u8>) -> Self {
        Self {
            stream,
            body,
            sent: 0,
            credit: WINDOW,
            got: Vec::new(),
            grants: true,
            ended: false,
            is_server: stream >= 1 << 20,
        }
    }

    fn stalled(self) -> Self {
        Self {
            grants: false,
            ..self
        }
    }

    /// Sends what the credit allows.
    async fn send(&mut self, peer: &mut TubePeer) {
        while self.credit > 0 && self.sent < self.body.len() {
            let len = self.credit.min(self.body.len() - self.sent).min(10_000);
            let end = self.sent + len == self.body.len();
            if end && self.is_server && !self.ended {
                return;
            }
            let kind = if end { b'E' } else { b'D' };
            let chunk = &self.body[self.sent..self.sent + len];
            peer.send(kind, self.stream, chunk).await;
            self.sent += len;
            self.credit -= len;
        }
    }

    async fn take(&mut self, peer: &mut TubePeer) {
        let (kind, stream, payload) = peer.next().await.unwrap();
        assert!(stream == self.stream || kind == b'W');
        match kind {
            _ if stream != self.stream => {}
            b'W' => self.credit += u32::from_be_bytes(payload[..].try_into().unwrap()) as usize,
            b'D' | b'E' => {
                self.got.extend_from_slice(&payload);
                self.ended |= kind == b'E';
                if self.grants {
                    peer.grant(stream, payload.len()).await;
                }
            }
            _ => panic!("{}", kind as char),
        }
    }

    /// Sends and takes until both bodies are through.
    async fn finish(&mut self, peer: &mut TubePeer) {
        while self.sent < self.body.len() || !self.ended {
            self.send(peer).await;
            if self.sent < self.body.len() || !self.ended {
                self.take(peer).await;
            }
        }
    }
}

fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| rng.u8(..)).take(len).collect()
}

/// A whole exchange without a body to speak of, behind whatever was sent before.
async fn round_trip(client: &mut TubePeer, upstream: &mut TubePeer, stream: u32) {
    client.send(b'H', stream, b"q").await;
    client.send(b'E', stream, b"").await;
    let (kind, up, _) = upstream.next_of_message().await.unwrap();
    assert_eq!(kind, b'H');
    assert_eq!(upstream.next_of_message().await.unwrap().0, b'E');
    upstream.send(b'H', up, b"r").await;
    upstream.send(b'E', up, b"done").await;
    let head = client.next_of_message().await.unwrap();
    assert_eq!((head.0, head.1), (b'H', stream));
    assert_eq!(client.next_of_message().await.unwrap().2, b"done");
}

#[tokio::test]
async fn a_mebibyte_each_way_at_once() {
    let server = Server::start().await;
    let proxy = start(&server, |s| s.listener("max_concurrent_streams: 1")).await;
    let mut client = TubePeer::to(proxy.at("in")).await;
    client.send(b'H', 9, b"q").await;
    let mut upstream = server.accept().await;
    let (kind, stream, head) = upstream.next().await.unwrap();
    assert_eq!((kind, head.as_slice()), (b'H', b"q".as_slice()));
    upstream.send(b'H', stream, b"r").await;
    assert_eq!(client.next().await, Some((b'H', 9, b"r".to_vec())));
    let (up, down) = (noise(MIB, 1), noise(MIB, 2));
    let (mut one, mut other) = (End::new(9, up.clone()), End::new(stream, down.clone()));
    let both = async { tokio::join!(one.finish(&mut client), other.finish(&mut upstream)) };
    both.await;
    assert!(one.got == down && other.got == up);
    proxy.assert_balanced().await;
}

#[tokio::test]
async fn a_server_that_stalls_stops_its_client_within_two_windows() {
    let server = Server::start().await;
    let proxy = start(&server, |s| s).await;
    let mut client = TubePeer::to(proxy.at("in")).await;
    client.send(b'H', 9, b"q").await;
    let mut upstream = server.accept().await;
    let stream = upstream.next().await.unwrap().1;
    let up = noise(MIB, 3);
    let mut one = End::new(9, up.clone());
    let mut other = End::new(stream, b"end".to_vec()).stalled();
    one.send(&mut client).await;
    while other.got.len() < WINDOW {
        other.take(&mut upstream).await;
    }
    while one.credit == 0 {
        one.take(&mut client).await;
    }
    while one.sent < 2 * WINDOW {
        one.send(&mut client).await;
        if one.sent < 2 * WINDOW {
            one.take(&mut client).await;
        }
    }
    // What came after it is through: no more of this has moved, and nothing more may be sent.
    upstream.send(b'H', stream, b"r").await;
    assert_eq!(client.next().await, Some((b'H', 9, b"r".to_vec())));
    assert_eq!((one.credit, other.got.len()), (0, WINDOW));
    other.grants = true;
    upstream.grant(stream, WINDOW).await;
    let both = async { tokio::join!(one.finish(&mut client), other.finish(&mut upstream)) };
    both.await;
    assert!(other.got == up && one.got == b"end");
    proxy.assert_balanced().await;
}

#[tokio::test]
async fn a_client_that_stalls_stops_its_server_within_two_windows() {
    let server = Server::start().await;
    let proxy = start(&server, |s| s).await;
    let mut client = TubePeer::to(proxy.at("in")).await;
    client.send(b'H', 9, b"q").await;
    client.send(b'E', 9, b"").await;
    let mut upstream = server.accept().await;
    let stream = upstream.next().await.unwrap().1;
    assert_eq!(upstream.next().await, Some((b'E', stream, Vec::new())));
    upstream.send(b'H', stream, b"r").await;
    assert_eq!(client.next().await, Some((b'H', 9, b"r".to_vec())));
    let down = noise(MIB, 4);
    let mut other = End::new(stream, down.clone());
    let mut one = End::new(9, Vec::new()).stalled();
    other.ended = true;
    while other.sent < 2 * WINDOW {
        other.send(&mut upstream).await;
        if other.sent < 2 * WINDOW {
            other.take(&mut upstream).await;
        }
    }
    while one.got.len() < WINDOW {
        one.take(&mut client).await;
    }
    // Others on the same connections are not in the way.
    round_trip(&mut client, &mut upstream, 11).await;
    assert_eq!((other.credit, one.got.len()), (0, WINDOW));
    one.grants = true;
    client.grant(9, WINDOW).await;
    let both = async { tokio::join!(one.finish(&mut client), other.finish(&mut upstream)) };
    both.await;
    assert!(one.got == down);
    proxy.assert_balanced().await;
}

#[tokio::test]
async fn a_response_may_end_before_its_request() {
    let server = Server::start().await;
    let proxy = start(&server, |s| s).await;
    let mut client = TubePeer::to(proxy.at("in")).await;
    client.send(b'H', 9, b"q").await;
    let mut upstream = server.accept().await;
    let stream = upstream.next().await.unwrap().1;
    let mut one = End::new(9, noise(MIB, 5));
    // The server takes no more than a window, the proxy holds another.
    while one.sent < 2 * WINDOW {
        one.send(&mut client).await;
        if one.sent < 2 * WINDOW {
            one.take(&mut client).await;
        }
    }
    upstream.send(b'H', stream, b"r").await;
    upstream.send(b'E', stream, b"enough").await;
    // The rest of the body goes nowhere, and its sender is not left waiting.
    assert_eq!(client.next_of_message().await.unwrap().2, b"r");
    let done = client.next_of_message().await.unwrap();
    assert_eq!((done.0, done.2.as_slice()), (b'E', b"enough".as_slice()));
    one.ended = true;
    one.credit = 0;
    one.finish(&mut client).await;
    let mut got = 0;
    while got < WINDOW {
        let (kind, _, payload) = upstream.next().await.unwrap();
        assert_eq!(kind, b'D');
        got += payload.len();
    }
    // The server is told that nobody sends the rest.
    assert_eq!(upstream.next().await, Some((b'R', stream, Vec::new())));
    round_trip(&mut client, &mut upstream, 11).await;
    proxy.assert_balanced().await;
}

#[tokio::test]
async fn resets_pass_both_ways() {
    let server = Server::start().await;
    let proxy = start(&server, |s| s).await;
    let mut client = TubePeer::to(proxy.at("in")).await;
    client.send(b'H', 9, b"q").await;
    client.send(b'D', 9, b"some").await;
    let mut upstream = server.accept().await;
    let stream = upstream.next().await.unwrap().1;
    assert_eq!(upstream.next().await.unwrap().2, b"some");
    client.send(b'R', 9, b"").await;
    assert_eq!(
        upstream.next_of_message().await,
        Some((b'R', stream, Vec::new()))
    );
    proxy.assert_balanced().await;
    // What still comes for it reaches nobody, and its window is given back.
    upstream.send(b'H', stream, b"r").await;
    upstream.send(b'D', stream, b"late").await;
    // The server resets before it has answered, and after.
    for begun in [false, true] {
        let name = if begun { 13 } else { 11 };
        client.send(b'H', name, b"q").await;
        let stream = loop {
            let arrived = upstream.next().await.unwrap();
            if arrived.0 == b'H' {
                break arrived.1;
            }
        };
        if begun {
            upstream.send(b'H', stream, b"r").await;
            assert_eq!(client.next_of_message().await.unwrap().2, b"r");
        }
        upstream.send(b'R', stream, b"").await;
        let answer = client.next_of_message().await.unwrap();
        if begun {
            assert_eq!(answer, (b'R', name, Vec::new()));
        } else {
            assert_eq!(answer, (b'H', name, b"r!".to_vec()));
            let text = client.next_of_message().await.unwrap().2;
            assert_eq!(text, b"unavailable");
        }
    }
    proxy.assert_balanced().await;
}

#[tokio::test]
async fn a_lost_server_ends_what_it_had_begun() {
    let server = Server::start().await;
    let proxy = start(&server, |s| s).await;
    let mut client = TubePeer::to(proxy.at("in")).await;
    client.send(b'H', 9, b"q").await;
    let mut upstream = server.accept().await;
    let stream = upstream.next().await.unwrap().1;
    upstream.send(b'H', stream, b"r").await;
    upstream.send(b'D', stream, b"half").await;
    assert_eq!(client.next().await.unwrap().2, b"r");
    assert_eq!(client.next().await.unwrap().2, b"half");
    client.send(b'H', 11, b"q").await;
    assert_eq!(upstream.next_of_message().await.unwrap().0, b'H');
    drop(upstream);
    let mut kinds = Vec::new();
    for _ in 0..3 {
        let (kind, stream, _) = client.next_of_message().await.unwrap();
        kinds.push((stream, kind));
    }
    kinds.sort_unstable();
    assert_eq!(kinds, [(9, b'R'), (11, b'E'), (11, b'H')]);
    proxy.assert_balanced().await;
}

#[tokio::test]
async fn a_deadline_ends_a_response_that_has_begun() {
    let server = Server::start().await;
    let proxy = start(&server, |s| {
        s.routes(["{route: {cluster: main, timeout: 0.1s}}"])
    })
    .await;
    let mut client = TubePeer::to(proxy.at("in")).await;
    client.send(b'H', 9, b"q").await;
    let mut upstream = server.accept().await;
    let stream = upstream.next().await.unwrap().1;
    upstream.send(b'H', stream, b"r").await;
    assert_eq!(client.next().await.unwrap().2, b"r");
    assert_eq!(client.next().await, Some((b'R', 9, Vec::new())));
    assert_eq!(upstream.next().await, Some((b'R', stream, Vec::new())));
    proxy.assert_balanced().await;
}

#[tokio::test]
async fn bodies_wait_with_their_request_for_room() {
    let server = Server::start().await;
    let proxy = start(&server, |s| s.listener("protocol_options: {streams: 1}")).await;
    let mut client = TubePeer::to(proxy.at("in")).await;
    client.send(b'H', 9, b"q").await;
    let mut upstream = server.accept().await;
    let first = upstream.next().await.unwrap().1;
    client.send(b'H', 11, b"q").await;
    client.send(b'D', 11, b"body").await;
    client.send(b'E', 11, b"end").await;
    client.send(b'E', 9, b"first").await;
    assert_eq!(
        upstream.next().await,
        Some((b'E', first, b"first".to_vec()))
    );
    upstream.send(b'H', first, b"r").await;
    upstream.send(b'E', first, b"").await;
    let (kind, second, _) = upstream.next_of_message().await.unwrap();
    assert_eq!(kind, b'H');
    let mut body = Vec::new();
    loop {
        let (kind, stream, payload) = upstream.next_of_message().await.unwrap();
        assert_eq!(stream, second);
        body.extend_from_slice(&payload);
        if kind == b'E' {
            break;
        }
    }
    assert_eq!(body, b"bodyend");
    upstream.send(b'H', second, b"r").await;
    upstream.send(b'E', second, b"").await;
    for stream in [9, 9, 11, 11] {
        assert_eq!(client.next_of_message().await.unwrap().1, stream);
    }
    proxy.assert_balanced().await;
}

#[tokio::test]
async fn streams_beyond_the_limit_are_refused() {
    let server = Server::start().await;
    let proxy = start(&server, |s| s.listener("max_concurrent_streams: 1")).await;
    let mut client = TubePeer::to(proxy.at("in")).await;
    client.send(b'H', 9, b"q").await;
    let mut upstream = server.accept().await;
    let first = upstream.next().await.unwrap().1;
    client.send(b'H', 11, b"q").await;
    client.send(b'D', 11, b"body").await;
    assert_eq!(
        client.next_of_message().await,
        Some((b'H', 11, b"r!".to_vec()))
    );
    assert_eq!(client.next_of_message().await.unwrap().2, b"overloaded");
    client.send(b'E', 9, b"go on").await;
    assert_eq!(upstream.next().await.unwrap().2, b"go on");
    upstream.send(b'H', first, b"r").await;
    upstream.send(b'E', first, b"").await;
    assert_eq!(client.next_of_message().await.unwrap().1, 9);
    assert_eq!(client.next_of_message().await.unwrap().1, 9);
    proxy.assert_balanced().await;
}

static OPEN: AtomicBool = AtomicBool::new(false);

/// Lets nothing pass until it is open.
struct Gate;

impl Filter for Gate {
    fn on_request(&self, _: &mut Head, _: &mut Context) -> Flow {
        Flow::Wait(Box::pin(async {
            while !OPEN.load(Ordering::Relaxed) {
                tokio::task::yield_now().await;
            }
            Flow::Continue
        }))
    }
}

#[tokio::test]
async fn bodies_wait_while_a_filter_decides() {
    let server = Server::start().await;
    let proxy = start(&server, |s| s.listener("filters: [{type: gate}]")).await;
    let mut client = TubePeer::to(proxy.at("in")).await;
    client.send(b'H', 9, b"q").await;
    client.send(b'D', 9, &noise(WINDOW, 6)).await;
    proxy
        .until("sabir_downstream_cx_rx_bytes_total", |n| n > WINDOW as u64)
        .await;
    OPEN.store(true, Ordering::Relaxed);
    let mut upstream = server.accept().await;
    let stream = upstream.next().await.unwrap().1;
    let mut other = End::new(stream, b"end".to_vec());
    while other.got.len() < WINDOW {
        other.take(&mut upstream).await;
    }
    assert!(other.got == noise(WINDOW, 6));
    client.send(b'E', 9, b"").await;
    upstream.send(b'H', stream, b"r").await;
    while !other.ended {
        other.take(&mut upstream).await;
    }
    other.finish(&mut upstream).await;
    assert_eq!(client.next_of_message().await.unwrap().2, b"r");
    assert_eq!(client.next_of_message().await.unwrap().2, b"end");
    proxy.assert_balanced().await;
}
