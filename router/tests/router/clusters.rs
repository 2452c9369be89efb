//! Subsets, their fallbacks, and what is refused.

use std::net::SocketAddr;

use sabir_router::balancer::{LoadBalancer, Pick};
use sabir_router::cluster::{Cluster, ClusterError, Endpoint, Fallback, Labels, SubsetId};
use sabir_router::policy::LbPolicy;
use sabir_router::slots::EndpointId;

use crate::scene::{LEAST_REQUEST, now};

/// No ports.
const NOBODY: [u16; 0] = [];

fn labels(pairs: &[(&str, &str)]) -> Labels {
    let pairs = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string()));
    pairs.collect()
}

fn address(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn endpoint(port: u16, pairs: &[(&str, &str)]) -> Endpoint {
    Endpoint {
        labels: labels(pairs),
        ..Endpoint::new(address(port))
    }
}

fn lanes() -> Cluster {
    let endpoints = vec![
        endpoint(1, &[("lane", "user"), ("version", "v1")]),
        endpoint(2, &[("lane", "user"), ("version", "v2")]),
        endpoint(3, &[("lane", "batch"), ("version", "v1")]),
    ];
    Cluster::new(endpoints, LbPolicy::RoundRobin).unwrap()
}

/// Ports of the next `picks`, none of them `down`.
fn ports(balancer: &mut LoadBalancer, subset: SubsetId, down: &[u16], picks: usize) -> Vec<u16> {
    let down: Vec<EndpointId> = down
        .iter()
        .filter_map(|p| balancer.id_of(address(*p)))
        .collect();
    let mut pick = || balancer.pick(Some(subset).into(), now(), |id| !down.contains(&id), || 0);
    let ids: Vec<_> = (0..picks).filter_map(|_| pick()).collect();
    ids.iter()
        .map(|&id| balancer.endpoint(id).unwrap().address.port())
        .collect()
}

#[test]
fn subsets_hold_the_endpoints_with_all_labels() {
    let mut cluster = lanes();
    let user = cluster.subset(labels(&[("lane", "user")]), None);
    let user_v2 = cluster.subset(labels(&[("version", "v2"), ("lane", "user")]), None);
    let everyone = cluster.subset(Labels::new(), None);
    assert_eq!(
        cluster.subset(labels(&[("lane", "user")]), Some(Fallback::NoFallback)),
        user
    );
    let mut balancer = LoadBalancer::new(&cluster, 0, now());
    assert_eq!(ports(&mut balancer, user, &[], 4), [1, 2, 1, 2]);
    assert_eq!(ports(&mut balancer, user_v2, &[], 2), [2, 2]);
    assert_eq!(ports(&mut balancer, everyone, &[], 3), [1, 2, 3]);
}

#[test]
fn fallbacks_do_what_they_say() {
    let mut cluster = lanes();
    cluster.set_fallback(Fallback::DefaultSubset, labels(&[("version", "v1")]));
    let v9 = labels(&[("version", "v9")]);
    let none = cluster.subset(v9.clone(), Some(Fallback::NoFallback));
    let any = cluster.subset(v9.clone(), Some(Fallback::AnyEndpoint));
    let default = cluster.subset(v9, None);
    let mut balancer = LoadBalancer::new(&cluster, 0, now());
    assert_eq!(ports(&mut balancer, none, &[], 1), NOBODY);
    assert_eq!(ports(&mut balancer, any, &[], 3), [1, 2, 3]);
    assert_eq!(ports(&mut balancer, default, &[], 3), [1, 3, 1]);
    assert_eq!(
        ports(&mut balancer, default, &[1, 3], 1),
        NOBODY,
        "then as no fallback"
    );
}

#[test]
fn a_default_subset_without_labels_is_any_endpoint() {
    let mut cluster = lanes();
    let subset = cluster.subset(labels(&[("lane", "x")]), Some(Fallback::DefaultSubset));
    let mut balancer = LoadBalancer::new(&cluster, 0, now());
    assert_eq!(ports(&mut balancer, subset, &[], 3), [1, 2, 3]);
}

#[test]
fn fallback_happens_when_no_member_is_usable() {
    let mut cluster = lanes();
    let batch = labels(&[("lane", "batch")]);
    let strict = cluster.subset(batch.clone(), Some(Fallback::NoFallback));
    let lenient = cluster.subset(batch, Some(Fallback::AnyEndpoint));
    let mut balancer = LoadBalancer::new(&cluster, 0, now());
    assert_eq!(
        ports(&mut balancer, strict, &[3], 1),
        NOBODY,
        "batch never reaches the users' endpoints"
    );
    assert_eq!(ports(&mut balancer, lenient, &[3], 2), [1, 2]);
    assert_eq!(ports(&mut balancer, lenient, &[], 1), [3]);
}

#[test]
fn subsets_keep_their_turn_and_follow_labels_over_updates() {
    let mut before = lanes();
    let user = before.subset(labels(&[("lane", "user")]), None);
    let mut balancer = LoadBalancer::new(&before, 0, now());
    assert_eq!(ports(&mut balancer, user, &[], 1), [1]);
    let mut after = lanes();
    after.subset(labels(&[("lane", "batch")]), None);
    let renumbered = after.subset(labels(&[("lane", "user")]), None);
    assert_ne!(user, renumbered);
    balancer.update(&after, now());
    assert_eq!(ports(&mut balancer, renumbered, &[], 2), [2, 1]);
    let moved = vec![
        endpoint(1, &[("lane", "batch")]),
        endpoint(2, &[("lane", "user")]),
    ];
    after.set_endpoints(moved).unwrap();
    balancer.update(&after, now());
    assert_eq!(ports(&mut balancer, renumbered, &[], 2), [2, 2]);
}

#[test]
fn a_subset_of_another_cluster_has_no_endpoint() {
    let stray = lanes().subset(labels(&[("lane", "user")]), Some(Fallback::AnyEndpoint));
    let mut balancer = LoadBalancer::new(&lanes(), 0, now());
    assert_eq!(
        balancer.pick(Pick::from(Some(stray)), now(), |_| true, || 0),
        None
    );
}

#[test]
fn bad_endpoints_are_refused_and_change_nothing() {
    let twice = vec![endpoint(1, &[]), endpoint(1, &[("lane", "x")])];
    let error = ClusterError::DuplicateAddress {
        address: address(1),
    };
    assert_eq!(
        Cluster::new(twice.clone(), LbPolicy::RoundRobin),
        Err(error)
    );
    let mut cluster = lanes();
    assert_eq!(cluster.set_endpoints(twice), Err(error));
    assert_eq!(cluster, lanes());
    for weight in [0, Endpoint::MAX_WEIGHT + 1] {
        let endpoints = vec![Endpoint {
            weight,
            ..endpoint(7, &[])
        }];
        let error = Cluster::new(endpoints, LEAST_REQUEST).unwrap_err();
        assert_eq!(
            error,
            ClusterError::Weight {
                address: address(7),
                weight
            }
        );
        assert!(
            error
                .to_string()
                .contains("127.0.0.1:7 is not from 1 to 65535"),
            "{error}"
        );
    }
}
