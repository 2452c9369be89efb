//! Peers that do anything at any time: every request gets one answer, and its own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::{sleep, timeout};

use crate::backend::{Backend, nobody, pong};
use crate::dubbo::{Message, OK, PATIENCE, Peer};
use crate::running::{ClusterSetup, Setup};

/// A server that answers late, twice, under wrong ids or not at all, and drops connections.
async fn unreliable(seed: u64) -> SocketAddr {
    let mut backend = Backend::start().await;
    let address = backend.address;
    let mut rng = Rng::with_seed(seed);
    tokio::spawn(async move {
        loop {
            let Ok(peer) = timeout(Duration::from_secs(60), backend.accept()).await else {
                return;
            };
            tokio::spawn(misbehave(peer, rng.fork()));
        }
    });
    address
}

async fn misbehave(mut peer: Peer, mut rng: Rng) {
    let mut held: Vec<Message> = Vec::new();
    while let Some(request) = peer.next_unhurried().await {
        if request.is_heartbeat() {
            if peer.try_send(&pong(&request)).await.is_err() {
                return;
            }
            continue;
        }
        if !request.is_request() {
            continue;
        }
        held.push(request);
        let mut answers = Vec::new();
        match rng.u32(..100) {
            0..2 => return,
            2..5 => answers.push(Message::answer(rng.u64(..), "stranger")),
            5..8 => answers.push(Message::read_only()),
            8..11 => answers.push(Message::writeable()),
            11..16 => sleep(Duration::from_millis(rng.u64(..20))).await,
            16..30 => continue,
            _ => {}
        }
        rng.shuffle(&mut held);
        let keep = if rng.u32(..10) == 0 { 1 } else { 0 };
        while held.len() > keep {
            let request = held.remove(0);
            let answer = Message::answer(request.id, &request.argument());
            if rng.u32(..20) == 0 {
                answers.push(answer.clone());
            }
            answers.push(answer);
        }
        for answer in answers {
            if peer.try_send(&answer).await.is_err() {
                return;
            }
        }
    }
}

#[derive(Debug, Default)]
struct Seen {
    ok: usize,
    failed: usize,
    left: usize,
}

/// Calls in bursts and checks every answer; now and then leaves without waiting for them.
async fn client(address: SocketAddr, name: usize, mut rng: Rng) -> Seen {
    let mut seen = Seen::default();
    let mut next_id = rng.u64(..);
    for _ in 0..6 {
        let mut peer = Peer::to(address).await;
        let mut open = HashMap::new();
        for _ in 0..rng.usize(1..40) {
            let text = format!("{name}/{next_id}");
            let method = ["hi", "hasty", "one"][rng.usize(..3)];
            let call = Message::call(next_id, method, &text);
            if rng.u32(..8) == 0 {
                peer.send(&call.one_way()).await;
            } else {
                peer.send(&call).await;
                open.insert(next_id, text);
            }
            next_id = next_id.wrapping_add(1);
            if rng.u32(..3) == 0 {
                take(&mut peer, &mut open, &mut seen).await;
            }
        }
        if rng.u32(..4) == 0 {
            seen.left += open.len();
            continue;
        }
        while !open.is_empty() {
            take(&mut peer, &mut open, &mut seen).await;
        }
        peer.assert_quiet(u64::MAX).await;
    }
    seen
}

async fn take(peer: &mut Peer, open: &mut HashMap<u64, String>, seen: &mut Seen) {
    if open.is_empty() {
        return;
    }
    let answer = peer.next().await.expect("an answer");
    let text = open.remove(&answer.id).expect("an answer to an open call");
    if answer.status == OK {
        assert_eq!(answer.value(), text);
        seen.ok += 1;
    } else {
        assert!([31, 80, 100].contains(&answer.status), "{answer:?}");
        seen.failed += 1;
    }
}

async fn storm(seed: u64, workers: usize, more: &str) {
    let mut rng = Rng::with_seed(seed);
    let (a, b) = (unreliable(rng.u64(..)).await, unreliable(rng.u64(..)).await);
    let one = unreliable(rng.u64(..)).await;
    let mut setup = Setup::one([a, nobody(), b])
        .cluster("connect_timeout: 1s")
        .cluster("lb_policy: LEAST_REQUEST")
        .also(ClusterSetup::new("one", [one]).with(more))
        .routes([
            "{match: {metadata: {method: {exact: hasty}}}, route: {cluster: main, timeout: 0.01s}}",
            "{match: {metadata: {method: {exact: one}}}, route: {cluster: one, timeout: 0.2s}}",
            "{route: {cluster: main, timeout: 0.3s}}",
        ])
        .listener("max_concurrent_streams: 16");
    setup.workers = workers;
    let mut proxy = setup.start().await;
    let clients = (0..8).map(|name| tokio::spawn(client(proxy.at("in"), name, rng.fork())));
    let clients: Vec<_> = clients.collect();
    let mut all = Seen::default();
    for client in clients {
        let seen = timeout(2 * PATIENCE, client).await.unwrap().unwrap();
        all.ok += seen.ok;
        all.failed += seen.failed;
        all.left += seen.left;
    }
    assert!(all.ok > 30, "{all:?} with seed {seed}");
    proxy.assert_balanced().await;
    proxy.until("sabir_downstream_cx_active", |n| n == 0).await;
    let total = proxy.metric("sabir_downstream_rq_total").await as usize;
    let one_way = proxy.metric("sabir_downstream_rq_one_way_total").await as usize;
    // A client that leaves may do so before its requests are read.
    assert!(total - one_way <= all.ok + all.failed + all.left, "{all:?}");
    assert!(total - one_way >= all.ok + all.failed, "{all:?}");
    proxy.stop();
    proxy.ended().await;
}

#[tokio::test]
async fn the_books_balance_on_shared_connections() {
    for seed in 1..4 {
        storm(
            seed,
            1,
            "connection_pool: {mode: MULTIPLEXED, connections_per_endpoint: 2}",
        )
        .await;
    }
}

#[tokio::test]
async fn the_books_balance_on_exclusive_connections() {
    for seed in 11..14 {
        let more = "connection_pool: {mode: EXCLUSIVE}\n  circuit_breakers: {max_connections: 3}";
        storm(seed, 1, more).await;
    }
}

#[tokio::test]
async fn the_books_balance_on_bound_connections_and_many_workers() {
    for seed in 21..24 {
        storm(seed, 2, "connect_timeout: 1s").await;
    }
}
