//! Times and numbers that connections and clusters are held to.

use std::time::Duration;

use tokio::time::Instant;

use crate::backend::Backend;
use crate::dubbo::Message;
use crate::running::{ClusterSetup, Setup};

#[tokio::test]
async fn a_connection_has_to_send_something_valid_in_time() {
    let backend = Backend::echoing("a").await;
    let proxy = Setup::one([backend])
        .listener("first_message_timeout: 0.3s")
        .start()
        .await;
    let (mut silent, mut half) = (proxy.client().await, proxy.client().await);
    let (mut calling, mut beating) = (proxy.client().await, proxy.client().await);
    let started = Instant::now();
    let bytes = &Message::call(1, "hi", "x").bytes()[..20];
    tokio::io::AsyncWriteExt::write_all(&mut half.io, bytes)
        .await
        .unwrap();
    calling.call(&Message::call(1, "hi", "x")).await;
    // A client may have nothing to ask for long: its heartbeats are valid.
    beating.assert_quiet(1).await;
    assert_eq!(silent.next().await, None);
    assert_eq!(half.next().await, None);
    assert!(started.elapsed() >= Duration::from_millis(290));
    let reason =
        "sabir_downstream_cx_destroy_total{listener=\"in\",reason=\"first_message_timeout\"}";
    proxy.until(reason, |n| n == 2).await;
    calling.assert_quiet(2).await;
    beating.assert_quiet(2).await;
}

#[tokio::test]
async fn idle_connections_are_closed_and_busy_ones_are_not() {
    let mut backend = Backend::start().await;
    let proxy = Setup::one([backend.address])
        .listener("idle_timeout: 0.4s")
        .start()
        .await;
    let (mut idle, mut busy) = (proxy.client().await, proxy.client().await);
    let mut beating = proxy.client().await;
    idle.assert_quiet(1).await;
    busy.send(&Message::call(1, "hi", "x")).await;
    let mut upstream = backend.accept().await;
    let asked = upstream.next().await.unwrap();
    let started = Instant::now();
    for id in 0..8 {
        beating.assert_quiet(id).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(idle.next().await, None);
    upstream.send(&Message::answer(asked.id, "done")).await;
    assert_eq!(busy.next().await.unwrap().value(), "done");
    let answered = Instant::now();
    // An answer is traffic: the time counts from here.
    assert_eq!(busy.next().await, None);
    assert!(answered.elapsed() > Duration::from_millis(300));
    assert!(started.elapsed() > Duration::from_millis(1_000));
    let reason = "sabir_downstream_cx_destroy_total{listener=\"in\",reason=\"idle_timeout\"}";
    proxy.until(reason, |n| n == 3).await;
}

#[tokio::test]
async fn idle_connections_to_endpoints_are_closed() {
    let mut backend = Backend::start().await;
    let proxy = Setup::one([backend.address])
        .cluster("idle_timeout: 0.2s")
        .cluster("keepalive_interval: 0.1s")
        .start()
        .await;
    let mut client = proxy.client().await;
    for id in 0..2 {
        client.send(&Message::call(id, "hi", "x")).await;
        let mut upstream = backend.accept().await;
        let asked = upstream.next().await.unwrap();
        upstream.send(&Message::answer(asked.id, "done")).await;
        assert_eq!(client.next().await.unwrap().value(), "done");
        // Heartbeats keep it alive, not in use.
        while let Some(message) = upstream.next().await {
            assert!(message.is_heartbeat());
            if upstream
                .try_send(&crate::backend::pong(&message))
                .await
                .is_err()
            {
                break;
            }
        }
    }
    proxy.until_closed("idle_timeout", 2).await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_at_once() {
    let backend = Backend::echoing("a").await;
    let proxy = Setup::one([backend])
        .listener("max_connections: 2")
        .start()
        .await;
    let (mut one, mut two) = (proxy.client().await, proxy.client().await);
    one.assert_quiet(1).await;
    two.assert_quiet(1).await;
    assert_eq!(proxy.client().await.next().await, None);
    assert_eq!(proxy.metric("sabir_downstream_cx_overflow_total").await, 1);
    drop(one);
    proxy.until("sabir_downstream_cx_active", |n| n == 1).await;
    let mut three = proxy.client().await;
    three.assert_quiet(1).await;
    two.assert_quiet(2).await;
}

#[tokio::test]
async fn requests_beyond_a_clusters_limit_are_refused_at_once() {
    let mut backend = Backend::start().await;
    let other = Backend::echoing("other").await;
    let proxy = Setup::one([backend.address])
        .cluster("circuit_breakers: {max_requests: 2}")
        .also(ClusterSetup::new("other", [other]))
        .routes([
            "{match: {metadata: {method: {exact: other}}}, route: {cluster: other}}",
            "{route: {cluster: main}}",
        ])
        .start()
        .await;
    let mut client = proxy.client().await;
    client.send(&Message::call(1, "hi", "x")).await;
    client.send(&Message::call(2, "hi", "x")).await;
    assert_eq!(client.call(&Message::call(3, "hi", "x")).await.status, 100);
    let answer = client.call(&Message::call(4, "other", "x")).await;
    assert_eq!(answer.value(), "other:x");
    let mut upstream = backend.accept().await;
    for _ in 0..2 {
        let asked = upstream.next().await.unwrap();
        upstream.send(&Message::answer(asked.id, "done")).await;
        assert_eq!(client.next().await.unwrap().value(), "done");
    }
    client.send(&Message::call(5, "hi", "again")).await;
    assert_eq!(upstream.next().await.unwrap().argument(), "again");
    assert_eq!(proxy.metric("sabir_upstream_rq_overflow_total").await, 1);
}
