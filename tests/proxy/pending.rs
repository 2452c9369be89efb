//! Requests that wait for a connection, or for their turn on one.

use std::time::Duration;

use sabir::core::outcome::Code;
use tokio::net::TcpSocket;

use crate::backend::Backend;
use crate::dubbo::{Message, Peer};
use crate::running::Setup;

/// A server's address at which connections are neither accepted nor refused, as its queue is full.
struct Unreachable {
    address: std::net::SocketAddr,
    _queue: (tokio::net::TcpListener, Vec<tokio::net::TcpStream>),
}

impl Unreachable {
    async fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        let wait = Duration::from_millis(200);
        while let Ok(io) = tokio::time::timeout(wait, tokio::net::TcpStream::connect(address)).await
        {
            queue.push(io.unwrap());
        }
        Self {
            address,
            _queue: (listener, queue),
        }
    }
}

#[tokio::test]
async fn only_so_many_requests_wait_for_a_connection() {
    let endpoint = Unreachable::new().await;
    let proxy = Setup::one([endpoint.address])
        .cluster("circuit_breakers: {max_pending_requests: 2}")
        .cluster("connect_timeout: 0.8s")
        .start()
        .await;
    let mut client = proxy.client().await;
    client.send(&Message::call(1, "hi", "x")).await;
    client.send(&Message::call(2, "hi", "x")).await;
    let refused = client.call(&Message::call(3, "hi", "x")).await;
    assert_eq!(refused.status, 100, "{}", Code::Overloaded.as_str());
    assert_eq!(proxy.metric("sabir_upstream_rq_pending_active").await, 2);
    let (_, clusters) = proxy.admin("/clusters?format=json").await;
    assert!(clusters.contains("pending"), "{clusters}");
    for _ in 0..2 {
        assert_eq!(client.next().await.unwrap().status, 80);
    }
    proxy.assert_balanced().await;
    for (counter, value) in [
        ("sabir_upstream_rq_pending_overflow_total", 1),
        ("sabir_upstream_rq_pending_total", 2),
        ("sabir_upstream_rq_pending_failure_total", 2),
        ("sabir_upstream_cx_connect_timeout_total", 1),
    ] {
        assert_eq!(proxy.metric(counter).await, value, "{counter}");
    }
}

#[tokio::test]
async fn little_is_read_for_an_endpoint_that_is_not_connected() {
    let endpoint = Unreachable::new().await;
    let proxy = Setup::one([endpoint.address])
        .cluster("per_connection_buffer_limit_bytes: 65536")
        .cluster("connect_timeout: 0.2s")
        .start()
        .await;
    let mut client = proxy.client().await;
    let call = Message::call(0, "hi", &"x".repeat(60 << 10));
    let task = tokio::spawn(async move {
        for id in 0..200 {
            client.send(&call.clone().with_id(id)).await;
        }
        std::future::pending::<()>().await;
    });
    let timeouts = "sabir_upstream_cx_connect_timeout_total";
    proxy
        .until("sabir_upstream_cx_connecting", |n| n == 1)
        .await;
    while proxy.metric(timeouts).await == 0 {
        let pending = proxy.metric("sabir_upstream_rq_pending_active").await;
        assert!(pending < 20, "{pending} requests of 60 KiB in the proxy");
    }
    // Its caller is gone: those that wait end with it.
    task.abort();
    proxy.assert_balanced().await;
}

#[tokio::test]
async fn one_that_gives_up_waiting_makes_room_for_another() {
    let endpoint = Unreachable::new().await;
    let proxy = Setup::one([endpoint.address])
        .cluster("circuit_breakers: {max_pending_requests: 1}")
        .routes([
            "{match: {metadata: {method: {exact: hasty}}}, route: {cluster: main, timeout: 0.05s}}",
            "{route: {cluster: main}}",
        ])
        .start()
        .await;
    let mut client = proxy.client().await;
    for id in 0..3 {
        let late = client.call(&Message::call(id, "hasty", "x")).await;
        assert_eq!(late.status, 31);
    }
    let mut other = proxy.client().await;
    other.send(&Message::call(1, "hi", "x")).await;
    proxy
        .until("sabir_upstream_rq_pending_active", |n| n == 1)
        .await;
    assert_eq!(client.call(&Message::call(9, "hi", "x")).await.status, 100);
    drop(other);
}

#[tokio::test]
async fn connected_endpoints_let_nobody_wait() {
    let backend = Backend::echoing("a").await;
    let proxy = Setup::one([backend])
        .cluster("circuit_breakers: {max_pending_requests: 1}")
        .start()
        .await;
    let mut client = proxy.client().await;
    for id in 0..5 {
        let answer = client.call(&Message::call(id, "hi", "x")).await;
        assert_eq!(answer.value(), "a:x");
    }
    assert_eq!(proxy.metric("sabir_upstream_rq_pending_total").await, 1);
    proxy.assert_balanced().await;
}

#[tokio::test]
async fn calls_take_turns_on_exclusive_connections() {
    let mut backend = Backend::start().await;
    let proxy = Setup::one([backend.address])
        .cluster("connection_pool: {mode: EXCLUSIVE}")
        .cluster("circuit_breakers: {max_connections: 2, max_pending_requests: 3}")
        .start()
        .await;
    let mut client = proxy.client().await;
    let mut upstreams: Vec<Peer> = Vec::new();
    let mut asked = Vec::new();
    for id in 0..2 {
        client.send(&Message::call(id, "hi", &id.to_string())).await;
        let mut upstream = backend.accept().await;
        asked.push(upstream.next().await.unwrap());
        upstreams.push(upstream);
    }
    for id in 2..5 {
        client.send(&Message::call(id, "hi", &id.to_string())).await;
    }
    assert_eq!(client.call(&Message::call(5, "hi", "5")).await.status, 100);
    assert_eq!(proxy.metric("sabir_upstream_rq_pending_active").await, 3);
    for upstream in &mut upstreams {
        upstream.assert_quiet(77).await;
    }
    // Each answer lets the next one in line go.
    let mut served = 0;
    while served < 5 {
        for at in 0..2 {
            if asked.len() <= at || asked[at].argument().is_empty() {
                continue;
            }
            let (id, text) = (asked[at].id, asked[at].argument());
            upstreams[at].send(&Message::answer(id, &text)).await;
            let answer = client.next().await.unwrap();
            assert_eq!(answer.id.to_string(), text);
            assert_eq!(answer.value(), text);
            served += 1;
            let waiting = upstreams[at].next_of_two(78).await;
            asked[at] = waiting.unwrap_or_else(|| Message::call(0, "none", ""));
        }
    }
    assert!(!backend.has_connection());
    proxy.assert_balanced().await;
}

#[tokio::test]
async fn an_exclusive_connection_is_not_used_again_after_a_timeout() {
    let mut backend = Backend::start().await;
    let proxy = Setup::one([backend.address])
        .cluster("connection_pool: {mode: EXCLUSIVE}")
        .routes([
            "{match: {metadata: {method: {exact: hasty}}}, route: {cluster: main, timeout: 0.1s}}",
            "{route: {cluster: main}}",
        ])
        .start()
        .await;
    let mut client = proxy.client().await;
    client.send(&Message::call(1, "hasty", "x")).await;
    let mut stuck = backend.accept().await;
    let asked = stuck.next().await.unwrap();
    assert_eq!(client.next().await.unwrap().status, 31);
    client.send(&Message::call(2, "hi", "y")).await;
    let mut fresh = backend.accept().await;
    let next = fresh.next().await.unwrap();
    let _: Result<(), _> = stuck.try_send(&Message::answer(asked.id, "late")).await;
    assert_eq!(stuck.next().await, None);
    fresh.send(&Message::answer(next.id, "right")).await;
    assert_eq!(client.next().await.unwrap().value(), "right");
    proxy.until_closed("abandoned_exchange", 1).await;
}
