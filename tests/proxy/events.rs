//! Heartbeats, read-only and writeable events, on both sides.

use std::time::Duration;

use tokio::time::Instant;

use crate::backend::{Backend, pong};
use crate::dubbo::Message;
use crate::running::Setup;

#[tokio::test]
async fn heartbeats_of_clients_are_answered_hop_by_hop() {
    let mut backend = Backend::start().await;
    let proxy = Setup::one([backend.address]).start().await;
    let mut client = proxy.client().await;
    client.send(&Message::call(1, "hi", "x")).await;
    let mut upstream = backend.accept().await;
    let asked = upstream.next().await.unwrap();
    client.assert_quiet(u64::MAX).await;
    // One that wants no answer gets none.
    let ping = Message {
        flags: 0xa2,
        ..Message::ping(3)
    };
    client.send(&ping).await;
    client.assert_quiet(4).await;
    upstream.send(&Message::answer(asked.id, "done")).await;
    assert_eq!(client.next().await.unwrap().value(), "done");
    // Nothing of it went upstream.
    client.send(&Message::call(5, "hi", "next")).await;
    assert_eq!(upstream.next().await.unwrap().argument(), "next");
}

#[tokio::test]
async fn idle_endpoints_get_heartbeats_and_silent_ones_are_given_up() {
    let mut backend = Backend::start().await;
    let proxy = Setup::one([backend.address])
        .cluster("keepalive_interval: 0.1s")
        .start()
        .await;
    let mut client = proxy.client().await;
    client.send(&Message::call(1, "hi", "x")).await;
    let mut upstream = backend.accept().await;
    let asked = upstream.next().await.unwrap();
    // As long as it answers, it lives: longer than it would stay if it did not.
    let until = Instant::now() + Duration::from_millis(600);
    while Instant::now() < until {
        let ping = upstream.next().await.unwrap();
        assert!(ping.is_heartbeat(), "{ping:?}");
        upstream.send(&pong(&ping)).await;
    }
    upstream.send(&Message::answer(asked.id, "done")).await;
    assert_eq!(client.next().await.unwrap().value(), "done");
    // Heartbeats of the server's are answered, and no request.
    upstream.send(&Message::ping(99)).await;
    loop {
        let message = upstream.next().await.unwrap();
        if message.is_heartbeat() {
            upstream.send(&pong(&message)).await;
            continue;
        }
        assert_eq!((message.flags, message.id), (0x22, 99));
        break;
    }
    let started = Instant::now();
    let failed = client.call(&Message::call(2, "hi", "x")).await;
    assert_eq!(failed.status, 80);
    let took = started.elapsed();
    proxy.until_closed("heartbeat_timeout", 1).await;
    assert!(
        took > Duration::from_millis(150) && took < Duration::from_secs(2),
        "{took:?}"
    );
}

#[tokio::test]
async fn a_read_only_endpoint_gets_no_new_requests_until_it_is_writeable() {
    let mut a = Backend::start().await;
    let b = Backend::echoing("b").await;
    let proxy = Setup::one([a.address, b]).start().await;
    let mut client = proxy.client().await;
    client.send(&Message::call(1, "hi", "x")).await;
    client.send(&Message::call(2, "hi", "x")).await;
    let mut upstream = a.accept().await;
    let asked = upstream.next().await.unwrap();
    assert_eq!(client.next().await.unwrap().value(), "b:x");
    upstream.send(&Message::read_only()).await;
    proxy
        .until("sabir_upstream_cx_endpoint_drain_total", |n| n == 1)
        .await;
    for id in 10..20 {
        let answer = client.call(&Message::call(id, "hi", "x")).await;
        assert_eq!(answer.value(), "b:x");
    }
    // What it has is still answered.
    upstream.send(&Message::answer(asked.id, "last")).await;
    assert_eq!(client.next().await.unwrap().value(), "last");
    upstream.send(&Message::writeable()).await;
    proxy
        .until("sabir_upstream_cx_endpoint_resume_total", |n| n == 1)
        .await;
    client.send(&Message::call(20, "hi", "x")).await;
    client.send(&Message::call(21, "hi", "x")).await;
    let back = upstream.next().await.unwrap();
    assert!(back.is_request());
    assert!(!a.has_connection(), "the connection is the same");
}

#[tokio::test]
async fn clients_are_told_when_the_proxy_drains() {
    let mut backend = Backend::start().await;
    let mut proxy = Setup::one([backend.address]).start().await;
    let (mut busy, mut idle) = (proxy.client().await, proxy.client().await);
    busy.send(&Message::call(1, "hi", "x")).await;
    let mut upstream = backend.accept().await;
    let asked = upstream.next().await.unwrap();
    idle.assert_quiet(1).await;
    proxy.stop();
    assert!(busy.next().await.unwrap().is_read_only());
    assert!(idle.next().await.unwrap().is_read_only());
    // A request that crossed the notice is still served.
    idle.send(&Message::call(2, "hi", "crossed")).await;
    let crossed = upstream.next().await.unwrap();
    upstream.send(&Message::answer(crossed.id, "served")).await;
    assert_eq!(idle.next().await.unwrap().value(), "served");
    assert_eq!(idle.next().await, None);
    upstream.send(&Message::answer(asked.id, "done")).await;
    assert_eq!(busy.next().await.unwrap().value(), "done");
    assert_eq!(busy.next().await, None);
    proxy.ended().await;
}

#[tokio::test]
async fn a_drain_ends_in_time_and_answers_what_is_in_flight() {
    let mut backend = Backend::start().await;
    let mut setup = Setup::one([backend.address]);
    setup.drain_timeout = "0.3s";
    let mut proxy = setup.start().await;
    let mut client = proxy.client().await;
    client.send(&Message::call(1, "hi", "x")).await;
    let mut upstream = backend.accept().await;
    upstream.next().await.unwrap();
    proxy.stop();
    assert!(client.next().await.unwrap().is_read_only());
    let answer = client.next().await.unwrap();
    assert_eq!((answer.id, answer.status), (1, 100));
    assert_eq!(client.next().await, None);
    proxy.ended().await;
    assert_eq!(upstream.next().await, None);
}
