//! Which endpoint gets a call: by hash, priority, locality and health.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::backend::Backend;
use crate::dubbo::Message;
use crate::running::{Running, Setup};

async fn backends() -> Vec<SocketAddr> {
    let mut backends = Vec::new();
    for name in ["a", "b", "c"] {
        backends.push(Backend::echoing(name).await);
    }
    backends
}

/// Who answers a call of `user`, over a connection of its own.
async fn server_of(proxy: &Running, user: &str) -> String {
    let mut client = proxy.client().await;
    let attachments = [("user", user)];
    let call = Message::request("org.demo.Hello", "hi", "x", &attachments).with_id(1);
    let value = client.call(&call).await.value();
    value.split(':').next().unwrap().to_owned()
}

async fn servers(proxy: &Running, calls: usize) -> BTreeMap<String, usize> {
    let mut servers = BTreeMap::new();
    for _ in 0..calls {
        let server = server_of(proxy, "somebody").await;
        *servers.entry(server).or_default() += 1;
    }
    servers
}

#[tokio::test]
async fn calls_with_the_same_metadata_go_to_the_same_endpoint_from_every_worker() {
    for policy in ["RING_HASH", "MAGLEV"] {
        let route = "{route: {cluster: main, hash_policy: [{metadata: {name: user}}]}}";
        let mut setup = Setup::one(backends().await).routes([route]);
        setup = setup.cluster(format!("lb_policy: {policy}"));
        setup.workers = 2;
        let proxy = setup.start().await;
        let mut seen = BTreeSet::new();
        for user in 0..20 {
            let user = format!("u{user}");
            let server = server_of(&proxy, &user).await;
            for _ in 0..4 {
                assert_eq!(server_of(&proxy, &user).await, server, "{policy} {user}");
            }
            seen.insert(server);
        }
        assert_eq!(seen.len(), 3, "{policy}");
    }
}

#[tokio::test]
async fn calls_of_one_address_go_to_one_endpoint() {
    let route =
        "{route: {cluster: main, hash_policy: [{connection_properties: {source_ip: true}}]}}";
    let setup = Setup::one(backends().await).routes([route]);
    let proxy = setup.cluster("lb_policy: MAGLEV").start().await;
    assert_eq!(servers(&proxy, 20).await.len(), 1);
}

#[tokio::test]
async fn lower_priorities_get_what_higher_ones_cannot_carry() {
    let setup = Setup::one(backends().await).each([
        "priority: 0, health_status: UNHEALTHY",
        "priority: 1",
        "priority: 2",
    ]);
    let proxy = setup.start().await;
    let servers = servers(&proxy, 10).await;
    assert_eq!(servers, BTreeMap::from([("b".to_owned(), 10)]));
    assert_eq!(proxy.metric("sabir_membership_healthy").await, 2);
    assert_eq!(proxy.metric("sabir_membership_size").await, 3);
    let (_, page) = proxy.admin("/clusters").await;
    assert!(page.contains("unhealthy  weight 1  connections"), "{page}");
    assert!(page.contains("weight 1  priority 2"), "{page}");
}

#[tokio::test]
async fn localities_get_their_shares() {
    let mut setup = Setup::one(backends().await)
        .each([
            "locality: {zone: x}",
            "locality: {zone: y}",
            "locality: {zone: y}",
        ])
        .cluster("common_lb_config: {locality_weighted_lb_config: {}}");
    setup.clusters[0].localities = "[{locality: {zone: x}, load_balancing_weight: 3}, {locality: {zone: y}, load_balancing_weight: 1}]";
    let servers = servers(&setup.start().await, 40).await;
    let expected = [("a", 30), ("b", 5), ("c", 5)];
    assert_eq!(
        servers,
        expected
            .map(|(name, count)| (name.to_owned(), count))
            .into()
    );
}

#[tokio::test]
async fn too_few_healthy_endpoints_are_panic_unless_it_is_switched_off() {
    let unhealthy = ["health_status: UNHEALTHY"; 2];
    let setup = Setup::one(backends().await).each(unhealthy);
    let proxy = setup.start().await;
    assert_eq!(servers(&proxy, 9).await.len(), 3);
    assert_eq!(proxy.metric("sabir_lb_healthy_panic_total").await, 9);
    let setup = Setup::one(backends().await).each(unhealthy);
    let line = "common_lb_config: {healthy_panic_threshold: {value: 0}}";
    let proxy = setup.cluster(line).start().await;
    let servers = servers(&proxy, 9).await;
    assert_eq!(servers, BTreeMap::from([("c".to_owned(), 9)]));
    assert_eq!(proxy.metric("sabir_lb_healthy_panic_total").await, 0);
}

#[tokio::test]
async fn every_policy_reaches_every_endpoint() {
    let policies = [
        "ROUND_ROBIN",
        "LEAST_REQUEST",
        "RANDOM",
        "PEAK_EWMA",
        "RING_HASH",
        "MAGLEV",
    ];
    for policy in policies {
        let setup = Setup::one(backends().await);
        let mut setup = setup.cluster(format!("lb_policy: {policy}"));
        if policy == "PEAK_EWMA" {
            // Who is slow once, as to connect is, is left alone until that has faded.
            setup = setup.cluster("peak_ewma_lb_config: {decay_time: 0.002s}");
        }
        let proxy = setup.start().await;
        let mut seen = BTreeSet::new();
        // By chance alone, an endpoint is passed over so often once in 10^17 runs.
        for _ in 0..100 {
            seen.insert(server_of(&proxy, "x").await);
            if seen.len() == 3 {
                break;
            }
        }
        assert_eq!(seen.len(), 3, "{policy}");
        let (_, page) = proxy.admin("/clusters").await;
        assert!(page.contains(policy), "{page}");
    }
}
