//! Servers of hyper as endpoints and clients of hyper in front, in HTTP/1.1 and HTTP/2 with prior
//! knowledge, each with each.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::channel::{Channel, Sender};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::client::conn::{http1 as client1, http2 as client2};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::server::conn::{http1 as server1, http2 as server2};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, Notify};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::dubbo::PATIENCE;
use crate::running::{Running, Setup};

type Failure = Box<dyn Error + Send + Sync>;
type Body = BoxBody<Bytes, Failure>;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Version {
    Http1,
    Http2,
}
use Version::{Http1, Http2};

const EACH_WITH_EACH: [(Version, Version); 4] = [
    (Http1, Http1),
    (Http1, Http2),
    (Http2, Http1),
    (Http2, Http2),
];
/// Streams at once on one connection: what hyper's server allows.
const MANY: usize = 200;
/// Requests after which a server is under load.
const LOADED: usize = 400;

impl Version {
    fn protocol(self) -> &'static str {
        match self {
            Http1 => "http1",
            Http2 => "http2",
        }
    }
}

/// A server of hyper, until it is told to stop.
struct Server {
    address: SocketAddr,
    site: Arc<Site>,
    stop: Arc<Notify>,
    task: JoinHandle<()>,
}

/// What the connections of a server share.
struct Site {
    served: AtomicUsize,
    /// Told when [`LOADED`] requests have arrived.
    loaded: Notify,
    /// Where [`MANY`] requests meet before any is answered.
    meeting: Barrier,
}

impl Server {
    async fn start(version: Version) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let site = Arc::new(Site {
            served: AtomicUsize::new(0),
            loaded: Notify::new(),
            meeting: Barrier::new(MANY),
        });
        let stop = Arc::new(Notify::new());
        let task = tokio::spawn(serve(socket, version, site.clone(), stop.clone()));
        Self {
            address,
            site,
            stop,
            task,
        }
    }

    fn served(&self) -> usize {
        self.site.served.load(Ordering::Relaxed)
    }

    /// Takes no more connections, and says goodbye on those it has; until the last has ended.
    async fn stop(self) {
        self.stop.notify_one();
        let ended = timeout(PATIENCE, self.task).await;
        ended.expect("the server ends in time").unwrap();
    }
}

async fn serve(socket: TcpListener, version: Version, site: Arc<Site>, stop: Arc<Notify>) {
    let graceful = GracefulShutdown::new();
    loop {
        let io = tokio::select! {
            accepted = socket.accept() => TokioIo::new(accepted.unwrap().0),
            () = stop.notified() => break,
        };
        let (site, watcher) = (site.clone(), graceful.watcher());
        let service = service_fn(move |request| answer(site.clone(), request));
        tokio::spawn(async move {
            // A connection that a test breaks has failed, which is what that test is about.
            match version {
                Http1 => {
                    let conn = server1::Builder::new().serve_connection(io, service);
                    let _: hyper::Result<()> = watcher.watch(conn).await;
                }
                Http2 => {
                    let builder = server2::Builder::new(TokioExecutor::new());
                    let conn = builder.serve_connection(io, service);
                    let _: hyper::Result<()> = watcher.watch(conn).await;
                }
            }
        });
    }
    drop(socket);
    graceful.shutdown().await;
}

async fn answer(site: Arc<Site>, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
    if site.served.fetch_add(1, Ordering::Relaxed) + 1 == LOADED {
        site.loaded.notify_one();
    }
    let body = match request.uri().path() {
        "/hello" => full("hello"),
        "/echo" => request.into_body().map_err(Into::into).boxed(),
        "/meet" => {
            let waited = timeout(PATIENCE, site.meeting.wait()).await;
            full(if waited.is_ok() { "met" } else { "alone" })
        }
        "/refused" => return Err("not a word".into()),
        "/broken" => {
            let (mut sender, body) = Channel::<Bytes, Failure>::new(1);
            sender.send_data("half a".into()).await?;
            tokio::spawn(async move {
                // Not before the client has that half.
                let _: Result<_, hyper::Error> = request.into_body().collect().await;
                sender.abort("broken".into());
            });
            body.boxed()
        }
        _ => {
            let mut none = Response::new(empty());
            *none.status_mut() = StatusCode::NOT_FOUND;
            return Ok(none);
        }
    };
    let mut response = Response::new(body);
    // HTTP/1.1 sends no trailers that were not announced.
    let announced = HeaderValue::from_static("x-sum");
    response.headers_mut().insert("trailer", announced);
    Ok(response)
}

fn empty() -> Body {
    Empty::new().map_err(never).boxed()
}

fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(never).boxed()
}

fn never(none: Infallible) -> Failure {
    match none {}
}

/// A connection of hyper's client.
enum Client {
    Http1(client1::SendRequest<Body>),
    Http2(client2::SendRequest<Body>),
}

impl Client {
    async fn to(address: SocketAddr, version: Version) -> Self {
        let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
        match version {
            Http1 => {
                let (client, conn) = client1::handshake(io).await.unwrap();
                tokio::spawn(conn);
                Self::Http1(client)
            }
            Http2 => {
                let executor = TokioExecutor::new();
                let (client, conn) = client2::handshake(executor, io).await.unwrap();
                tokio::spawn(conn);
                Self::Http2(client)
            }
        }
    }

    /// Whether another request can be sent on this connection, as soon as there is room.
    async fn is_alive(&mut self) -> bool {
        match self {
            Self::Http1(client) => client.ready().await.is_ok(),
            Self::Http2(client) => client.ready().await.is_ok(),
        }
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Body,
    ) -> hyper::Result<Response<Incoming>> {
        assert!(self.is_alive().await, "the connection lives");
        let request = Request::builder().method(method).header("te", "trailers");
        match self {
            Self::Http1(client) => {
                let request = request.uri(path).header("host", "site.test");
                let request = request.header("trailer", "x-sum");
                client.send_request(request.body(body).unwrap()).await
            }
            Self::Http2(client) => {
                let request = request.uri(format!("http://site.test{path}"));
                client.send_request(request.body(body).unwrap()).await
            }
        }
    }

    /// Status and body of an answer that comes whole and in time.
    async fn whole(&mut self, method: Method, path: &str, body: Body) -> (u16, Bytes) {
        let answered = async {
            let response = self.ask(method, path, body).await.expect("a response");
            let status = response.status().as_u16();
            (status, response.collect().await.expect("a body").to_bytes())
        };
        let answered = timeout(PATIENCE, answered).await;
        answered.expect("an answer in time")
    }
}

/// A proxy with listener and cluster of these versions.
async fn between(front: Version, back: Version, servers: &[&Server]) -> Running {
    let servers: Vec<_> = servers.iter().map(|server| server.address).collect();
    let setup = Setup::one(servers).protocol(front.protocol());
    setup
        .cluster(format!("protocol: {}", back.protocol()))
        .start()
        .await
}

#[tokio::test]
async fn bodies_pass_both_ways() {
    for (front, back) in EACH_WITH_EACH {
        let server = Server::start(back).await;
        let running = between(front, back, &[&server]).await;
        let mut client = Client::to(running.at("in"), front).await;
        for len in [0, 1, 65_535, 65_536, 3 << 20] {
            let body: Bytes = (0..len).map(|at| at as u8).collect();
            let sent = full(body.clone());
            let (status, echoed) = client.whole(Method::POST, "/echo", sent).await;
            assert_eq!((status, echoed.len()), (200, len), "{front:?} {back:?}");
            assert!(echoed == body, "another body: {front:?} {back:?} {len}");
        }
        let (status, body) = client.whole(Method::GET, "/hello", empty()).await;
        assert_eq!((status, &body[..]), (200, &b"hello"[..]));
        let (status, _) = client.whole(Method::GET, "/nothing", empty()).await;
        assert_eq!(status, 404);
        assert_eq!(server.served(), 7, "{front:?} {back:?}");
        running.assert_balanced().await;
    }
}

#[tokio::test]
async fn each_chunk_comes_back_before_the_next_is_sent() {
    for (front, back) in EACH_WITH_EACH {
        let server = Server::start(back).await;
        let running = between(front, back, &[&server]).await;
        let mut client = Client::to(running.at("in"), front).await;
        let (mut sender, body): (Sender<Bytes, Failure>, _) = Channel::new(1);
        sender.send_data("chunk 0".into()).await.unwrap();
        let asked = client.ask(Method::POST, "/echo", body.boxed());
        let response = timeout(PATIENCE, asked).await.expect("a head in time");
        let mut body = response.unwrap().into_body();
        for turn in 0..20 {
            if turn > 0 {
                let chunk = format!("chunk {turn}");
                sender.send_data(chunk.into()).await.unwrap();
            }
            let frame = timeout(PATIENCE, body.frame()).await.expect("in time");
            let chunk = frame.unwrap().unwrap().into_data().expect("data");
            assert_eq!(chunk, format!("chunk {turn}"), "{front:?} {back:?}");
        }
        drop(sender);
        let end = timeout(PATIENCE, body.frame()).await.expect("in time");
        assert!(end.is_none() || body.is_end_stream(), "{front:?} {back:?}");
        running.assert_balanced().await;
    }
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    for (front, back) in EACH_WITH_EACH {
        let server = Server::start(back).await;
        let running = between(front, back, &[&server]).await;
        let mut client = Client::to(running.at("in"), front).await;
        let (mut sender, body): (Sender<Bytes, Failure>, _) = Channel::new(2);
        sender.send_data("body".into()).await.unwrap();
        let trailers = [("x-sum", "42")].map(|(name, value)| {
            let value = HeaderValue::from_static(value);
            (name.parse().unwrap(), value)
        });
        let trailers = HeaderMap::from_iter(trailers);
        sender.send_trailers(trailers).await.unwrap();
        drop(sender);
        let asked = client.ask(Method::POST, "/echo", body.boxed()).await;
        let collected = timeout(PATIENCE, asked.unwrap().collect()).await;
        let collected = collected.expect("in time").unwrap();
        let sum = collected.trailers().and_then(|all| all.get("x-sum"));
        assert_eq!(
            sum.map(|v| v.as_bytes()),
            Some(&b"42"[..]),
            "{front:?} {back:?}"
        );
        assert_eq!(collected.to_bytes(), "body");
        running.assert_balanced().await;
    }
}

#[tokio::test]
async fn many_streams_are_served_at_once_on_one_connection() {
    let server = Server::start(Http2).await;
    let running = between(Http2, Http2, &[&server]).await;
    let Client::Http2(client) = Client::to(running.at("in"), Http2).await else {
        panic!("a client of HTTP/2");
    };
    let mut calls = JoinSet::new();
    for _ in 0..MANY {
        let mut client = Client::Http2(client.clone());
        calls.spawn(async move { client.whole(Method::GET, "/meet", empty()).await });
    }
    for (status, body) in calls.join_all().await {
        assert_eq!((status, &body[..]), (200, &b"met"[..]));
    }
    assert_eq!(running.metric("sabir_downstream_cx_total").await, 1);
    assert_eq!(running.metric("sabir_upstream_cx_total").await, 1);
    running.assert_balanced().await;
}

#[tokio::test]
async fn an_answer_that_a_server_breaks_off_costs_itself_alone() {
    for (front, back) in EACH_WITH_EACH {
        let server = Server::start(back).await;
        let running = between(front, back, &[&server]).await;
        let mut client = Client::to(running.at("in"), front).await;
        let (sender, body): (Sender<Bytes, Failure>, _) = Channel::new(1);
        let asked = client.ask(Method::POST, "/broken", body.boxed()).await;
        let mut body = asked.unwrap().into_body();
        let frame = timeout(PATIENCE, body.frame()).await.expect("in time");
        assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), "half a");
        drop(sender);
        let end = timeout(PATIENCE, body.frame()).await.expect("in time");
        assert!(
            end.is_some_and(|frame| frame.is_err()),
            "{front:?} {back:?}"
        );
        if front == Http1 {
            // Its protocol has no other word for it than the end of the connection.
            assert!(!client.is_alive().await);
            client = Client::to(running.at("in"), front).await;
        }
        let (status, _) = client.whole(Method::GET, "/hello", empty()).await;
        assert_eq!(status, 200, "{front:?} {back:?}");
        running.assert_balanced().await;
    }
}

#[tokio::test]
async fn a_request_that_a_server_drops_is_answered() {
    for (front, back) in EACH_WITH_EACH {
        let server = Server::start(back).await;
        let running = between(front, back, &[&server]).await;
        let mut client = Client::to(running.at("in"), front).await;
        let asked = client.whole(Method::POST, "/refused", full("x")).await;
        assert_eq!(asked.0, 502, "{front:?} {back:?}");
        assert_eq!(server.served(), 1, "asked once: it may have been done");
        let (status, _) = client.whole(Method::GET, "/hello", empty()).await;
        assert_eq!(status, 200, "{front:?} {back:?}");
        running.assert_balanced().await;
    }
}

#[tokio::test]
async fn a_server_that_says_goodbye_under_load_costs_no_call() {
    const CALLS: usize = 120;
    for (front, back) in EACH_WITH_EACH {
        let (leaving, staying) = (Server::start(back).await, Server::start(back).await);
        let running = between(front, back, &[&leaving, &staying]).await;
        let mut load = JoinSet::new();
        for _ in 0..16 {
            let mut client = Client::to(running.at("in"), front).await;
            load.spawn(async move {
                for call in 0..CALLS {
                    // What is not idempotent may be lost with a connection of HTTP/1.1.
                    let (method, path, body, wanted) = match back {
                        Http1 => (Method::GET, "/hello", empty(), "hello".to_owned()),
                        Http2 => {
                            let text = format!("call {call}");
                            (Method::POST, "/echo", full(text.clone()), text)
                        }
                    };
                    let (status, body) = client.whole(method, path, body).await;
                    assert_eq!(status, 200, "{body:?}, {front:?} {back:?}");
                    assert_eq!(body, wanted, "{front:?} {back:?}");
                }
            });
        }
        let loaded = timeout(PATIENCE, leaving.site.loaded.notified()).await;
        loaded.expect("load in time");
        leaving.stop().await;
        let before = staying.served();
        load.join_all().await;
        assert!(staying.served() > before, "it ended with the load");
        running.assert_balanced().await;
    }
}
