//! Configuration that changes while the proxy works.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::backend::{Backend, nobody};
use crate::dubbo::{Message, OK, PATIENCE, Peer};
use crate::running::{ClusterSetup, LOOK_AGAIN, ListenerSetup, Setup};

/// Clients that call without a pause until they are stopped.
struct Load {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    tasks: Vec<tokio::task::JoinHandle<HashMap<String, usize>>>,
}

impl Load {
    async fn start(address: SocketAddr) -> Self {
        let (stop, served) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let mut tasks = Vec::new();
        for _ in 0..4 {
            let (stop, served) = (stop.clone(), served.clone());
            let mut client = Peer::to(address).await;
            tasks.push(tokio::spawn(async move {
                let mut by = HashMap::new();
                for id in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let answer = client.call(&Message::call(id, "hi", "x")).await;
                    assert_eq!(answer.status, OK, "{}", answer.error());
                    *by.entry(answer.value()).or_default() += 1;
                    served.fetch_add(1, Ordering::Relaxed);
                }
                by
            }));
        }
        Self {
            stop,
            served,
            tasks,
        }
    }

    /// Waits for some more calls.
    async fn go_on(&self) {
        let enough = self.served.load(Ordering::Relaxed) + 50;
        while self.served.load(Ordering::Relaxed) < enough {
            assert!(!self.tasks.iter().any(|t| t.is_finished()), "a call failed");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Who served how many calls.
    async fn end(self) -> HashMap<String, usize> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = HashMap::new();
        for task in self.tasks {
            for (who, count) in task.await.unwrap() {
                *all.entry(who).or_default() += count;
            }
        }
        all
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_routes_clusters_and_endpoints_change() {
    let (a, b) = (Backend::echoing("a").await, Backend::echoing("b").await);
    let c = Backend::echoing("c").await;
    let mut setup = Setup::one([a]);
    setup.workers = 2;
    let proxy = setup.clone().start().await;
    let load = Load::start(proxy.at("in")).await;
    load.go_on().await;
    // Endpoint added, then the first one removed.
    setup.clusters[0].endpoints = vec![a, b];
    proxy.change(&setup).await;
    load.go_on().await;
    setup.clusters[0].endpoints = vec![b];
    proxy.change(&setup).await;
    load.go_on().await;
    // Cluster added with a share of the calls, then given all of them, then the other one removed.
    let setup = setup.also(ClusterSetup::new("other", [c]));
    for weight in [10, 50, 100] {
        let route = format!(
            "{{route: {{weighted_clusters: {{clusters: [{{name: main, weight: {}}}, {{name: other, weight: {weight}}}]}}}}}}",
            100 - weight
        );
        let setup = setup.clone().routes([&route]);
        proxy.change(&setup).await;
        load.go_on().await;
    }
    let mut setup = setup.routes(["{route: {cluster: other}}"]);
    setup.clusters.remove(0);
    proxy.change(&setup).await;
    load.go_on().await;
    // The cluster's own limits and times.
    setup.clusters[0] = ClusterSetup::new("other", [c])
        .with("circuit_breakers: {max_requests: 100, max_connections: 10}")
        .with("connect_timeout: 1s");
    proxy.change(&setup).await;
    load.go_on().await;
    let by = load.end().await;
    assert!(
        ["a:x", "b:x", "c:x"]
            .iter()
            .all(|who| by.contains_key(*who)),
        "{by:?}"
    );
    proxy.assert_balanced().await;
    proxy
        .until("sabir_upstream_cx_active{cluster=\"main\"", |n| n == 0)
        .await;
    assert_eq!(proxy.metric("sabir_downstream_cx_total").await, 4);
}

/// Waits until nobody listens.
async fn refuses(address: SocketAddr) {
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    timeout(PATIENCE, refused).await.expect("closed in time");
}

#[tokio::test]
async fn a_bad_file_changes_nothing() {
    let backend = Backend::echoing("a").await;
    let setup = Setup::one([backend]);
    let proxy = setup.clone().start().await;
    let mut client = proxy.client().await;
    let rejected = "sabir_config_updates_total{result=\"rejected\"}";
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut in_use = setup.clone();
    in_use.listeners.push(ListenerSetup {
        name: "other",
        address: taken.local_addr().unwrap().to_string(),
        ..setup.listeners[0].clone()
    });
    let files = [
        "nonsense: [".to_owned(),
        setup.clone().routes(["{route: {cluster: nowhere}}"]).yaml(),
        in_use.yaml(),
        String::new(),
    ];
    for (i, file) in files.iter().enumerate() {
        proxy.write(file);
        proxy.until(rejected, |n| n == i as u64 + 1).await;
        let answer = client.call(&Message::call(i as u64, "hi", "x")).await;
        assert_eq!(answer.value(), "a:x");
    }
}

#[tokio::test]
async fn limits_of_a_refused_configuration_do_not_hold() {
    let mut backend = Backend::start().await;
    let setup = Setup::one([backend.address]);
    let proxy = setup.clone().start().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut refused = setup.clone().cluster("circuit_breakers: {max_requests: 1}");
    refused.listeners.push(ListenerSetup {
        name: "other",
        address: taken.local_addr().unwrap().to_string(),
        ..setup.listeners[0].clone()
    });
    proxy.write(&refused.yaml());
    let rejected = "sabir_config_updates_total{result=\"rejected\"}";
    proxy.until(rejected, |n| n == 1).await;
    let mut client = proxy.client().await;
    client.send(&Message::call(1, "hi", "x")).await;
    client.send(&Message::call(2, "hi", "x")).await;
    let mut upstream = backend.accept().await;
    for _ in 0..2 {
        assert!(upstream.next().await.unwrap().is_request());
    }
    // Once it can be put in force, it does.
    refused.listeners.truncate(1);
    proxy.change(&refused).await;
    assert_eq!(client.call(&Message::call(3, "hi", "x")).await.status, 100);
}

#[tokio::test]
async fn listeners_come_and_go() {
    let mut backend = Backend::start().await;
    let setup = Setup::one([backend.address]);
    let proxy = setup.clone().start().await;
    let mut stays = proxy.client().await;
    stays.assert_quiet(1).await;
    let address = nobody();
    let mut two = setup.clone();
    two.listeners.push(ListenerSetup {
        name: "two",
        address: address.to_string(),
        ..setup.listeners[0].clone()
    });
    proxy.change(&two).await;
    let (mut busy, mut idle) = (Peer::to(address).await, Peer::to(address).await);
    busy.send(&Message::call(1, "hi", "x")).await;
    idle.assert_quiet(1).await;
    let mut upstream = backend.accept().await;
    let asked = upstream.next().await.unwrap();
    let (_, page) = proxy.admin("/listeners").await;
    assert!(page.contains(&address.to_string()), "{page}");
    proxy.change(&setup).await;
    assert!(busy.next().await.unwrap().is_read_only());
    assert!(idle.next().await.unwrap().is_read_only());
    refuses(address).await;
    assert_eq!(idle.next().await, None);
    upstream.send(&Message::answer(asked.id, "done")).await;
    assert_eq!(busy.next().await.unwrap().value(), "done");
    assert_eq!(busy.next().await, None);
    stays.assert_quiet(2).await;
    let (_, page) = proxy.admin("/listeners").await;
    assert!(!page.contains(&address.to_string()), "{page}");
}

#[tokio::test]
async fn a_changed_address_keeps_connections_and_changed_options_do_not() {
    let mut setup = Setup::one([Backend::echoing("a").await]);
    let (first, second) = (nobody(), nobody());
    setup.listeners[0].address = first.to_string();
    let proxy = setup.clone().start().await;
    let mut old = Peer::to(first).await;
    old.assert_quiet(1).await;
    setup.listeners[0].address = second.to_string();
    proxy.change(&setup).await;
    let mut new = Peer::to(second).await;
    for client in [&mut old, &mut new] {
        let answer = client.call(&Message::call(1, "hi", "x")).await;
        assert_eq!(answer.value(), "a:x");
    }
    refuses(first).await;
    let setup = setup.listener("protocol_options: {callbacks: false}");
    proxy.change(&setup).await;
    for client in [&mut old, &mut new] {
        assert!(client.next().await.unwrap().is_read_only());
        assert_eq!(client.next().await, None);
    }
    let mut again = Peer::to(second).await;
    let answer = again.call(&Message::call(1, "hi", "x")).await;
    assert_eq!(answer.value(), "a:x");
    proxy.until("sabir_downstream_cx_active", |n| n == 1).await;
}

/// How many of eight clients each of two workers serves.
async fn spread(address: SocketAddr, backend: &mut Backend) -> [usize; 2] {
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = Peer::to(address).await;
        client.send(&Message::call(2, "hi", "x")).await;
        clients.push(client);
    }
    // Each worker has a connection of its own.
    let mut upstreams = [backend.accept().await, backend.accept().await];
    let mut counts = [0, 0];
    while counts.iter().sum::<usize>() < 8 {
        for (upstream, count) in upstreams.iter_mut().zip(&mut counts) {
            upstream.send(&Message::ping(9)).await;
            loop {
                let message = upstream.next().await.unwrap();
                if !message.is_request() {
                    break;
                }
                *count += 1;
            }
        }
    }
    counts
}

#[tokio::test]
async fn connections_go_to_the_workers_in_turn() {
    let mut backend = Backend::start().await;
    let mut setup = Setup::one([backend.address]).listener("accept_mode: ROUND_ROBIN");
    setup.workers = 2;
    let proxy = setup.start().await;
    assert_eq!(spread(proxy.at("in"), &mut backend).await, [4, 4]);
}

#[tokio::test]
async fn the_way_to_accept_may_change() {
    let mut setup = Setup::one([Backend::echoing("a").await]);
    setup.workers = 2;
    let first = nobody();
    setup.listeners[0].address = first.to_string();
    let proxy = setup.clone().start().await;
    let mut before = Vec::new();
    for _ in 0..4 {
        before.push(Peer::to(first).await);
    }
    let second = nobody();
    setup.listeners[0].address = second.to_string();
    let mut setup = setup.listener("accept_mode: ROUND_ROBIN");
    proxy.change(&setup).await;
    refuses(first).await;
    before.push(Peer::to(second).await);
    setup.listeners[0].more.clear();
    proxy.change(&setup).await;
    before.push(Peer::to(second).await);
    for client in &mut before {
        let answer = client.call(&Message::call(1, "hi", "x")).await;
        assert_eq!(answer.value(), "a:x");
    }
}
