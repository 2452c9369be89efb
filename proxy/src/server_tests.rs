//! The data path over loopback sockets, with a toy protocol that has ids:
//! `len(u8) id(u8) kind(u8: q, o, r, e, R) service \0 key=value,…`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use bytes::Bytes;
use sabir_core::connection::Written;
use sabir_core::filter::{Chain, Context, Filter, Flow};
use sabir_core::frame::StreamId;
use sabir_core::head::{Echo, Head, Kind};
use sabir_core::message::{Decoded, MessageCodec, MessageProtocol};
use sabir_core::metadata::{Malformed, Metadata, Span};
use sabir_core::name::{Field, Name};
use sabir_core::outcome::{Code, Outcome, Reply};
use sabir_core::output::Output;
use sabir_core::protocol::{Capabilities, Limits, Protocol};
use sabir_proto::config::v1;
use sabir_proto::json::Document;
use sabir_router::action::{Action, ClusterId, Forward, Route as Rule, Target};
use sabir_router::cluster::{Cluster as Balancing, Endpoint};
use sabir_router::limits::{CircuitBreaker, Limits as BreakerLimits};
use sabir_router::matcher::Matcher;
use sabir_router::policy::LbPolicy;
use sabir_router::table::RouteTable;
use sabir_router::value::ValueMatcher;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;
use crate::config::resolved::{Bounds, Cluster, PoolMode, Route, Startup};
use crate::telemetry::access_log::{Totals, Writer};

struct Toy;

impl MessageCodec for Toy {
    const NAME: &'static str = "toy";
    const MAX_ID: u64 = u64::MAX;
    const CAPABILITIES: Capabilities = Capabilities {
        request_metadata: false,
        response_metadata: false,
        rewritable: &[],
        multiplexed: true,
    };

    fn frame_len(&self, buf: &[u8]) -> Result<Option<usize>, Malformed> {
        match buf.first() {
            Some(0..=9) => Err(Malformed {
                part: "length",
                at: 0,
            }),
            first => Ok(first.map(|&n| n as usize)),
        }
    }

    fn decode(&self, wire: Bytes) -> Result<Decoded, Malformed> {
        let id = u64::from_be_bytes(wire[1..9].try_into().unwrap());
        let kind = match wire[9] {
            b'q' => Kind::Request,
            b'o' => Kind::OneWay,
            b'R' => Kind::Drain,
            _ => Kind::Response,
        };
        let failed = wire[9] == b'e';
        let end = wire
            .iter()
            .skip(10)
            .position(|&b| b == 0)
            .map_or(wire.len(), |n| n + 10);
        let mut head = Head::new("toy", kind, wire, parse);
        head.set_field_span(Field::Service, Span::new(10, end));
        if failed {
            head.outcome = Outcome::BUSINESS_ERROR;
        }
        Ok(Decoded {
            stream: StreamId(id),
            head,
        })
    }

    fn encode(&self, stream: StreamId, head: &Head, out: &mut Output) -> Written {
        out.put(&head.wire()[..1]);
        out.put(&stream.0.to_be_bytes());
        out.put(&head.wire()[9..]);
        Written::Whole
    }

    fn reply(&self, stream: StreamId, _: Echo, reply: &Reply, out: &mut Output) {
        out.put(&message(stream.0, b'x', reply.outcome.code.as_str()));
    }

    fn drain(&self, out: &mut Output) {
        out.put(&message(0, b'R', ""));
    }
}

fn parse(head: &Head, metadata: &mut Metadata) {
    let wire = head.wire();
    let Some(nul) = wire.iter().skip(10).position(|&b| b == 0) else {
        return;
    };
    let mut at = 11 + nul;
    for pair in wire[at..].split(|&b| b == b',') {
        let eq = pair.iter().position(|&b| b == b'=').unwrap();
        let span = |from, to| Span::new(at + from, at + to);
        metadata.push(span(0, eq), span(eq + 1, pair.len()), span(0, pair.len()));
        at += pair.len() + 1;
    }
}

fn message(id: u64, kind: u8, text: &str) -> Vec<u8> {
    let mut bytes = vec![10 + text.len() as u8];
    bytes.extend_from_slice(&id.to_be_bytes());
    bytes.push(kind);
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// A connection that speaks the toy protocol.
struct Peer(TcpStream);

impl Peer {
    async fn to(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    async fn send(&mut self, id: u64, kind: u8, text: &str) {
        self.0.write_all(&message(id, kind, text)).await.unwrap();
    }

    /// The next message; `None` at the end of the connection.
    async fn next(&mut self) -> Option<(u64, u8, String)> {
        let len = self.0.read_u8().await.ok()?;
        let mut rest = vec![0; len as usize - 1];
        self.0.read_exact(&mut rest).await.ok()?;
        let id = u64::from_be_bytes(rest[..8].try_into().unwrap());
        let text = String::from_utf8(rest[9..].to_vec()).unwrap();
        Some((id, rest[8], text))
    }

    async fn call(&mut self, id: u64, text: &str) -> (u8, String) {
        self.send(id, b'q', text).await;
        let (got, kind, text) = self.next().await.unwrap();
        assert_eq!(got, id);
        (kind, text)
    }
}

/// A server whose connections are handed to the test.
struct Backend {
    address: SocketAddr,
    connections: mpsc::UnboundedReceiver<Peer>,
}

impl Backend {
    async fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (send, connections) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((io, _)) = socket.accept().await {
                if send.send(Peer(io)).is_err() {
                    return;
                }
            }
        });
        Self {
            address,
            connections,
        }
    }

    /// One that answers every request with `name` and what was asked.
    async fn echoing(name: &'static str) -> SocketAddr {
        let mut backend = Self::start().await;
        let address = backend.address;
        tokio::spawn(async move {
            while let Some(mut peer) = backend.connections.recv().await {
                tokio::spawn(async move {
                    while let Some((id, _, text)) = peer.next().await {
                        peer.send(id, b'r', &format!("{name}:{text}")).await;
                    }
                });
            }
        });
        address
    }

    async fn accept(&mut self) -> Peer {
        self.connections.recv().await.unwrap()
    }
}

/// What a test configures.
struct Setup {
    clusters: Vec<(&'static str, Vec<SocketAddr>)>,
    routes: Vec<(Matcher, &'static str)>,
    filters: Vec<Arc<dyn Filter>>,
    timeout: Duration,
    breaker: BreakerLimits,
    pool: PoolMode,
    max_streams: usize,
}

impl Setup {
    fn one(endpoints: Vec<SocketAddr>) -> Self {
        Self {
            clusters: vec![("main", endpoints)],
            routes: vec![(Matcher::any(), "main")],
            filters: Vec::new(),
            timeout: Duration::from_secs(10),
            breaker: BreakerLimits::default(),
            pool: PoolMode::Multiplexed,
            max_streams: 100,
        }
    }

    fn snapshot(self) -> Arc<Snapshot> {
        let position = |name| self.clusters.iter().position(|(n, _)| *n == name).unwrap();
        let route = |(matcher, cluster): &(Matcher, &'static str)| {
            let target = Target::from(ClusterId(position(*cluster) as u32));
            let mut forward = Forward::to(target);
            forward.timeout = Some(self.timeout);
            let rule = Rule::new(*cluster, Action::Forward(forward));
            (
                matcher.clone(),
                Route {
                    rule,
                    filters: Chain::default(),
                },
            )
        };
        let routes = RouteTable::new(self.routes.iter().map(route).collect());
        let clusters = self.clusters.iter().map(|c| self.cluster(c)).collect();
        let listener = Listener {
            name: "in".into(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            protocol: toy(),
            protocol_options: serde_json::Value::Null,
            bounds: Bounds {
                limits: Limits::default(),
                idle_timeout: None,
                first_message_timeout: None,
                max_connections: 100,
                max_streams: self.max_streams,
                buffer_limit: 1 << 20,
                stall_timeout: Duration::from_secs(60),
            },
            filters: Chain::new(self.filters, 0),
            routes,
            connections: Arc::new(AtomicU32::new(0)),
            access_log: Vec::new(),
            accept: Accept::ReusePort,
        };
        Arc::new(Snapshot {
            listeners: vec![Arc::new(listener)],
            clusters,
            drain_timeout: Duration::from_secs(5),
            startup: Startup {
                node_id: "".into(),
                node_cluster: "".into(),
                admin: None,
                workers: NonZeroUsize::MIN,
            },
            dump: Document::new(&v1::Bootstrap::default()).expect("has a JSON form"),
        })
    }

    fn cluster(&self, (name, endpoints): &(&'static str, Vec<SocketAddr>)) -> Arc<Cluster> {
        let endpoints = endpoints.iter().map(|&a| Endpoint::new(a)).collect();
        Arc::new(Cluster {
            name: (*name).into(),
            protocol: toy(),
            protocol_options: serde_json::Value::Null,
            balancing: Balancing::new(endpoints, LbPolicy::RoundRobin).unwrap(),
            limits: Limits::default(),
            connect_timeout: Duration::from_secs(5),
            pool: self.pool,
            connections_per_endpoint: 1,
            breaker: Arc::new(CircuitBreaker::new(self.breaker)),
            breaker_limits: self.breaker,
            idle_timeout: None,
            buffer_limit: 1 << 20,
        })
    }

    async fn start(self) -> (Server, SocketAddr) {
        let writer = Writer::spawn(Arc::new(Totals::default()), 1 << 20).unwrap();
        let workers = NonZeroUsize::MIN;
        let mut server = Server::start(workers, &writer.handle()).unwrap();
        server.apply(self.snapshot()).await.unwrap();
        let address = server.address("in").unwrap();
        (server, address)
    }
}

fn toy() -> Arc<dyn Protocol> {
    Arc::new(MessageProtocol::new(Toy))
}

fn service(name: &str) -> Matcher {
    Matcher::on(Name::new("service"), ValueMatcher::exact(name.to_owned()))
}

fn text(kind: u8, text: &str) -> (u8, String) {
    (kind, text.to_owned())
}

#[tokio::test]
async fn calls_are_routed_and_their_ids_restored() {
    let (a, b) = (Backend::echoing("a").await, Backend::echoing("b").await);
    let mut setup = Setup::one(vec![a]);
    setup.clusters.push(("other", vec![b]));
    setup.routes = vec![(service("two"), "other"), (service("one"), "main")];
    let (_server, address) = setup.start().await;
    let mut client = Peer::to(address).await;
    assert_eq!(client.call(7, "one").await, text(b'r', "a:one"));
    assert_eq!(client.call(u64::MAX, "two").await, text(b'r', "b:two"));
    assert_eq!(client.call(7, "three").await, text(b'x', "not_found"));
}

#[tokio::test]
async fn answers_find_their_callers_in_any_order() {
    let mut backend = Backend::start().await;
    let (_server, address) = Setup::one(vec![backend.address]).start().await;
    let (mut one, mut two) = (Peer::to(address).await, Peer::to(address).await);
    one.send(5, b'q', "from-one").await;
    let mut upstream = backend.accept().await;
    let first = upstream.next().await.unwrap();
    two.send(5, b'q', "from-two").await;
    let second = upstream.next().await.unwrap();
    assert_ne!(
        first.0, second.0,
        "both share a connection, so their ids differ on it"
    );
    upstream.send(second.0, b'r', "to-two").await;
    upstream.send(first.0, b'e', "to-one").await;
    assert_eq!(two.next().await, Some((5, b'r', "to-two".into())));
    assert_eq!(one.next().await, Some((5, b'e', "to-one".into())));
    // Nobody waits for this: it is dropped, and the connection lives on.
    upstream.send(first.0, b'r', "late").await;
    one.send(6, b'q', "more").await;
    let third = upstream.next().await.unwrap();
    upstream.send(third.0, b'r', "again").await;
    assert_eq!(one.next().await, Some((6, b'r', "again".into())));
}

#[tokio::test]
async fn a_deadline_answers_and_the_late_answer_reaches_nobody() {
    let mut backend = Backend::start().await;
    let mut setup = Setup::one(vec![backend.address]);
    setup.timeout = Duration::from_millis(50);
    let (_server, address) = setup.start().await;
    let mut client = Peer::to(address).await;
    assert_eq!(client.call(1, "slow").await, text(b'x', "timed_out"));
    let mut upstream = backend.accept().await;
    let slow = upstream.next().await.unwrap();
    upstream.send(slow.0, b'r', "late").await;
    client.send(2, b'q', "quick").await;
    let quick = upstream.next().await.unwrap();
    upstream.send(quick.0, b'r', "in time").await;
    assert_eq!(client.next().await, Some((2, b'r', "in time".into())));
}

#[tokio::test]
async fn a_lost_connection_fails_only_what_was_in_flight_on_it() {
    let (mut a, mut b) = (Backend::start().await, Backend::start().await);
    let (_server, address) = Setup::one(vec![a.address, b.address]).start().await;
    let mut client = Peer::to(address).await;
    client.send(1, b'q', "x").await;
    client.send(2, b'q', "y").await;
    let (mut to_a, mut to_b) = (a.accept().await, b.accept().await);
    let on_a = to_a.next().await.unwrap();
    let on_b = to_b.next().await.unwrap();
    drop((to_a, a));
    let failed = client.next().await.unwrap();
    assert_eq!((failed.1, &*failed.2), (b'x', "unavailable"));
    to_b.send(on_b.0, b'r', "fine").await;
    assert_eq!(client.next().await.unwrap().1, b'r');
    assert_ne!(on_a.2, on_b.2);
}

#[tokio::test]
async fn what_was_never_sent_goes_to_another_endpoint() {
    let dead = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap()
    };
    let alive = Backend::echoing("b").await;
    let (_server, address) = Setup::one(vec![dead, alive]).start().await;
    let mut client = Peer::to(address).await;
    for id in 0..6 {
        assert_eq!(client.call(id, "x").await, text(b'r', "b:x"));
    }
    let (_server, address) = Setup::one(vec![dead]).start().await;
    let mut client = Peer::to(address).await;
    assert_eq!(client.call(1, "x").await, text(b'x', "unavailable"));
}

#[tokio::test]
async fn one_way_requests_arrive_and_are_not_answered() {
    let mut backend = Backend::start().await;
    let (_server, address) = Setup::one(vec![backend.address]).start().await;
    let mut client = Peer::to(address).await;
    client.send(1, b'o', "fire").await;
    let mut upstream = backend.accept().await;
    assert_eq!(upstream.next().await.unwrap().2, "fire");
    client.send(2, b'q', "ask").await;
    let asked = upstream.next().await.unwrap();
    upstream.send(asked.0, b'r', "answer").await;
    assert_eq!(client.next().await, Some((2, b'r', "answer".into())));
}

#[tokio::test]
async fn an_endpoint_that_says_farewell_gets_no_new_requests() {
    let mut a = Backend::start().await;
    let (_server, address) = Setup::one(vec![a.address, Backend::echoing("b").await])
        .start()
        .await;
    let mut client = Peer::to(address).await;
    client.send(1, b'q', "x").await;
    client.send(2, b'q', "y").await;
    let mut to_a = a.accept().await;
    let on_a = to_a.next().await.unwrap();
    to_a.send(0, b'R', "").await;
    to_a.send(on_a.0, b'r', "last").await;
    let (first, second) = (client.next().await.unwrap(), client.next().await.unwrap());
    assert!([&first.2, &second.2].contains(&&"last".to_owned()));
    for id in 10..20 {
        assert_eq!(client.call(id, "x").await, text(b'r', "b:x"));
    }
}

#[tokio::test]
async fn configuration_changes_without_touching_connections() {
    let (a, b) = (Backend::echoing("a").await, Backend::echoing("b").await);
    let (mut server, address) = Setup::one(vec![a]).start().await;
    let mut client = Peer::to(address).await;
    assert_eq!(client.call(1, "x").await, text(b'r', "a:x"));
    let mut next = Setup::one(vec![b]);
    next.routes = vec![(service("x"), "main")];
    server.apply(next.snapshot()).await.unwrap();
    assert_eq!(client.call(2, "x").await, text(b'r', "b:x"));
    assert_eq!(client.call(3, "y").await, text(b'x', "not_found"));
}

#[tokio::test]
async fn shutdown_tells_clients_and_finishes_what_is_in_flight() {
    let mut backend = Backend::start().await;
    let (server, address) = Setup::one(vec![backend.address]).start().await;
    let mut client = Peer::to(address).await;
    client.send(1, b'q', "x").await;
    let mut upstream = backend.accept().await;
    let asked = upstream.next().await.unwrap();
    let ending = tokio::spawn(server.shutdown(Duration::from_secs(30)));
    assert_eq!(client.next().await, Some((0, b'R', String::new())));
    // Nothing new is accepted, as soon as the socket is closed.
    while TcpStream::connect(address).await.is_ok() {}
    upstream.send(asked.0, b'r', "done").await;
    assert_eq!(client.next().await, Some((1, b'r', "done".into())));
    assert_eq!(client.next().await, None);
    ending.await.unwrap();
}

#[tokio::test]
async fn limits_refuse_at_once() {
    let mut backend = Backend::start().await;
    let mut setup = Setup::one(vec![backend.address]);
    setup.breaker.max_requests = Some(1);
    let (_server, address) = setup.start().await;
    let mut client = Peer::to(address).await;
    client.send(1, b'q', "x").await;
    assert_eq!(client.call(2, "y").await, text(b'x', "overloaded"));
    let mut upstream = backend.accept().await;
    let asked = upstream.next().await.unwrap();
    upstream.send(asked.0, b'r', "x").await;
    assert_eq!(client.next().await, Some((1, b'r', "x".into())));
    client.send(3, b'q', "z").await;
    assert_eq!(upstream.next().await.unwrap().2, "z");
}

#[tokio::test]
async fn exclusive_connections_carry_one_call_at_a_time() {
    let mut backend = Backend::start().await;
    let mut setup = Setup::one(vec![backend.address]);
    setup.pool = PoolMode::Exclusive;
    let (_server, address) = setup.start().await;
    let mut client = Peer::to(address).await;
    client.send(1, b'q', "x").await;
    client.send(2, b'q', "y").await;
    let (mut first, mut second) = (backend.accept().await, backend.accept().await);
    let (x, y) = (first.next().await.unwrap(), second.next().await.unwrap());
    first.send(x.0, b'r', "1").await;
    assert_eq!(client.next().await.unwrap().2, "1");
    client.send(3, b'q', "z").await;
    assert_eq!(
        first.next().await.unwrap().2,
        "z",
        "the idle one is used again"
    );
    second.send(y.0, b'r', "2").await;
    assert_eq!(client.next().await.unwrap().2, "2");
}

/// Lets requests pass that a waiting decision allows.
struct Gate(tokio::sync::watch::Receiver<bool>);

impl Filter for Gate {
    fn on_request(&self, _: &mut Head, _: &mut Context) -> Flow {
        let mut open = self.0.clone();
        Flow::Wait(Box::pin(async move {
            match open.wait_for(|open| *open).await {
                Ok(_) => Flow::Continue,
                Err(_) => Flow::Reply(Reply::refused(Code::Denied, "gate is gone")),
            }
        }))
    }
}

#[tokio::test]
async fn filters_may_wait() {
    let (open, gate) = tokio::sync::watch::channel(false);
    let mut setup = Setup::one(vec![Backend::echoing("a").await]);
    setup.filters = vec![Arc::new(Gate(gate))];
    let (_server, address) = setup.start().await;
    let mut client = Peer::to(address).await;
    client.send(1, b'q', "x").await;
    open.send(true).unwrap();
    assert_eq!(client.next().await, Some((1, b'r', "a:x".into())));
    drop(open);
}

#[tokio::test]
async fn nonsense_ends_its_connection_and_no_other() {
    let (_server, address) = Setup::one(vec![Backend::echoing("a").await]).start().await;
    let (mut good, mut bad) = (Peer::to(address).await, Peer::to(address).await);
    assert_eq!(good.call(1, "x").await, text(b'r', "a:x"));
    bad.0.write_all(&[3, 1, 2]).await.unwrap();
    assert_eq!(bad.next().await, None);
    assert_eq!(good.call(2, "x").await, text(b'r', "a:x"));
}
