//! How endpoints are chosen: policies, priorities, localities, and what requests are sticky to.

use std::time::Duration;

use sabir_router::action::{Action, Forward};
use sabir_router::cluster::LocalityId;
use sabir_router::policy::{
    Balancing, LbPolicy, LeastRequest, LoadBound, Maglev, PeakEwma, RingHash, SlowStart,
};

use crate::toy::{BASE, check, errors, resolve, with};

fn balancing(settings: &str) -> Balancing {
    let snapshot = resolve(&with("- name: a", &format!("- name: a\n{settings}")));
    *snapshot.clusters[0].balancing.balancing()
}

#[test]
fn defaults_are_those_of_the_router() {
    assert_eq!(balancing(""), Balancing::default());
    let policies = [
        ("RANDOM", LbPolicy::Random),
        (
            "LEAST_REQUEST",
            LbPolicy::LeastRequest(LeastRequest::default()),
        ),
        ("PEAK_EWMA", LbPolicy::PeakEwma(PeakEwma::default())),
        ("RING_HASH", LbPolicy::RingHash(RingHash::default())),
        ("MAGLEV", LbPolicy::Maglev(Maglev::default())),
    ];
    for (name, policy) in policies {
        let settings = balancing(&format!("  lb_policy: {name}"));
        assert_eq!(settings, Balancing::from(policy));
    }
}

#[test]
fn settings_of_policies_are_read() {
    let settings = balancing(
        "  round_robin_lb_config:
    slow_start_config: {slow_start_window: 60s, aggression: 2, min_weight_percent: {value: 5}}
  common_lb_config: {healthy_panic_threshold: {value: 0}}",
    );
    let slow_start = SlowStart {
        window: Duration::from_secs(60),
        aggression: 2.0,
        min_weight_percent: 5.0,
    };
    assert_eq!(settings.slow_start, Some(slow_start));
    assert_eq!(settings.panic_threshold, 0);
    let settings = balancing(
        "  lb_policy: LEAST_REQUEST
  least_request_lb_config: {choice_count: 5, active_request_bias: 1.5, slow_start_config: {slow_start_window: 1s}}",
    );
    let policy = LeastRequest {
        choice_count: 5,
        active_request_bias: Some(1.5),
    };
    assert_eq!(settings.policy, LbPolicy::LeastRequest(policy));
    assert_eq!(
        settings.slow_start,
        Some(SlowStart::over(Duration::from_secs(1)))
    );
    let settings = balancing(
        "  lb_policy: PEAK_EWMA
  peak_ewma_lb_config: {decay_time: 1s, default_rtt: 0.002s, failure_penalty: 3s}",
    );
    let policy = PeakEwma {
        decay_time: Duration::from_secs(1),
        default_rtt: Duration::from_millis(2),
        failure_penalty: Duration::from_secs(3),
    };
    assert_eq!(settings.policy, LbPolicy::PeakEwma(policy));
}

#[test]
fn settings_of_hash_policies_are_read() {
    let bound = LoadBound(Some(125));
    let common = "common_lb_config: {consistent_hashing_lb_config: {hash_balance_factor: 125}}";
    let settings = balancing(&format!(
        "  lb_policy: RING_HASH
  ring_hash_lb_config: {{minimum_ring_size: 8, maximum_ring_size: 64}}
  {common}"
    ));
    let ring = RingHash {
        minimum_ring_size: 8,
        maximum_ring_size: 64,
        bound,
    };
    assert_eq!(settings.policy, LbPolicy::RingHash(ring));
    let settings = balancing(&format!(
        "  lb_policy: MAGLEV\n  maglev_lb_config: {{table_size: 251}}\n  {common}"
    ));
    let maglev = Maglev {
        table_size: 251,
        bound,
    };
    assert_eq!(settings.policy, LbPolicy::Maglev(maglev));
    let settings =
        balancing("  lb_policy: RING_HASH\n  ring_hash_lb_config: {maximum_ring_size: 64}");
    let ring = RingHash {
        minimum_ring_size: 64,
        maximum_ring_size: 64,
        ..RingHash::default()
    };
    assert_eq!(settings.policy, LbPolicy::RingHash(ring));
}

const ENDPOINTS: &str = "{endpoints: [{address: '10.0.0.1:80'}]}";

#[test]
fn priorities_and_localities_are_read() {
    let text = with(
        "- name: a",
        "- name: a\n  common_lb_config: {locality_weighted_lb_config: {}}",
    );
    let text = text.replace(
        ENDPOINTS,
        "
    policy: {overprovisioning_factor: 100}
    endpoints:
    - {address: '127.0.0.1:1', priority: 1}
    - {address: '127.0.0.1:2', locality: {region: eu, zone: a}}
    - {address: '127.0.0.1:3', locality: {region: eu, zone: b}, health_status: DEGRADED}
    - {address: '127.0.0.1:4', locality: {zone: a, region: eu}}
    localities:
    - {locality: {region: eu, zone: a}, load_balancing_weight: 3}
    - {locality: {region: eu, zone: b}, load_balancing_weight: 0}",
    );
    let snapshot = resolve(&text);
    let cluster = &snapshot.clusters[0].balancing;
    let read = cluster.endpoints().iter();
    let read: Vec<_> = read.map(|e| (e.priority, e.locality)).collect();
    let expected = [(1, 0), (0, 1), (0, 2), (0, 1)].map(|(p, l)| (p, LocalityId(l)));
    assert_eq!(read, expected);
    let weights = cluster.locality_weights().iter();
    let weights: Vec<_> = weights.map(|(id, weight)| (id.0, *weight)).collect();
    assert_eq!(weights, [(1, 3), (2, 0)]);
    assert_eq!(cluster.balancing().overprovisioning_factor, 100);
    assert!(cluster.balancing().locality_weighted);
}

#[test]
fn settings_that_cannot_be() {
    let rows = [
        (
            "lb_policy: RANDOM\n  ring_hash_lb_config: {}",
            "f:11:3: clusters[0].ring_hash_lb_config: lb_policy is RANDOM, which does not use it",
        ),
        (
            "common_lb_config: {consistent_hashing_lb_config: {hash_balance_factor: 99}}",
            "f:10:22: clusters[0].common_lb_config.consistent_hashing_lb_config: lb_policy is ROUND_ROBIN, which does not use it\nf:10:74: clusters[0].common_lb_config.consistent_hashing_lb_config.hash_balance_factor: 99 is out of range; it can be 100 or more",
        ),
        (
            "common_lb_config: {healthy_panic_threshold: {value: 101}}",
            "f:10:55: clusters[0].common_lb_config.healthy_panic_threshold.value: 101 is out of range; it can be from 0 to 100",
        ),
        (
            "lb_policy: MAGLEV\n  maglev_lb_config: {table_size: 65536}",
            "f:11:34: clusters[0].maglev_lb_config.table_size: 65536 is not a prime number",
        ),
        (
            "lb_policy: RING_HASH\n  ring_hash_lb_config: {minimum_ring_size: 9, maximum_ring_size: 8}",
            "f:11:44: clusters[0].ring_hash_lb_config.minimum_ring_size: 9 is out of range; it can be from 1 to 8",
        ),
        (
            "lb_policy: LEAST_REQUEST\n  least_request_lb_config: {choice_count: 1, active_request_bias: -1}",
            "f:11:43: clusters[0].least_request_lb_config.choice_count: 1 is out of range; it can be 2 or more\nf:11:67: clusters[0].least_request_lb_config.active_request_bias: -1 is out of range; it can be from 0 to 100",
        ),
        (
            "round_robin_lb_config: {slow_start_config: {aggression: 0}}",
            "f:10:27: clusters[0].round_robin_lb_config.slow_start_config.slow_start_window: required, but absent\nf:10:59: clusters[0].round_robin_lb_config.slow_start_config.aggression: 0 is out of range; it can be from 0.01 to 100",
        ),
        (
            "common_lb_config: {locality_weighted_lb_config: {}}",
            "f:11:3: clusters[0].load_assignment.localities: required, but absent",
        ),
    ];
    for (settings, expected) in rows {
        check(&[("- name: a", &format!("- name: a\n  {settings}"), expected)]);
    }
}

#[test]
fn localities_and_priorities_that_cannot_be() {
    let rows = [
        (
            "{endpoints: [{address: '127.0.0.1:1', priority: 128}]}",
            "128 is out of range; it can be from 0 to 127",
        ),
        (
            "{endpoints: [{address: '127.0.0.1:1'}], localities: [{locality: {}, load_balancing_weight: 1}]}",
            "common_lb_config has no locality_weighted_lb_config, which they are for",
        ),
    ];
    for (endpoints, expected) in rows {
        let error = errors(&BASE.replace(ENDPOINTS, endpoints));
        assert!(error.contains(expected), "{error}");
    }
    let weighted = with(
        "- name: a",
        "- name: a\n  common_lb_config: {locality_weighted_lb_config: {}}",
    );
    let rows = [
        (
            "{locality: {zone: x}, load_balancing_weight: 1}",
            "localities[0].locality: no endpoint is in this locality",
        ),
        (
            "{load_balancing_weight: 1}",
            "localities[0].locality: required, but absent",
        ),
        (
            "{locality: {}}",
            "localities[0].load_balancing_weight: required, but absent",
        ),
        (
            "{locality: {}, load_balancing_weight: 0}",
            "localities: the weights add up to zero",
        ),
        (
            "{locality: {}, load_balancing_weight: 1000001}",
            "1000001 is out of range; it can be from 0 to 1000000",
        ),
    ];
    for (locality, expected) in rows {
        let endpoints = "endpoints: [{address: '10.0.0.1:80'}]";
        let assignment = format!("{{{endpoints}, localities: [{locality}]}}");
        let text = weighted.replace(ENDPOINTS, &assignment);
        let error = errors(&text);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn hash_policies_are_read_and_refused() {
    let text = |policy: &str| {
        let route = format!("cluster: a, hash_policy: [{policy}]");
        with("cluster: a", &route)
    };
    let snapshot = resolve(&text(
        "{metadata: {name: user}, terminal: true}, {cookie: {name: sid}}, {connection_properties: {source_ip: true}}",
    ));
    let route = snapshot.listeners[0].routes.route(0).unwrap();
    let Action::Forward(Forward { hash_policy, .. }) = &route.rule.action else {
        panic!("it forwards");
    };
    assert!(!hash_policy.is_empty());
    let rows = [
        (
            "{}",
            "hash_policy[0]: one of metadata, cookie, connection_properties is required",
        ),
        (
            "{metadata: {}}",
            "hash_policy[0].metadata.name: required, but absent",
        ),
        (
            "{cookie: {}}",
            "hash_policy[0].cookie.name: required, but absent",
        ),
        (
            "{connection_properties: {}}",
            "hash_policy[0].connection_properties.source_ip: has to be true",
        ),
    ];
    for (policy, expected) in rows {
        let error = errors(&text(policy));
        assert!(error.contains(expected), "{error}");
    }
}
