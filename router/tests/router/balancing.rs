//! Proportions of the policies, and what updates carry over.

use std::collections::HashMap;

use sabir_router::balancer::{LoadBalancer, Pick};
use sabir_router::cluster::{Cluster, Endpoint, Health};
use sabir_router::policy::LbPolicy;
use sabir_router::slots::EndpointId;

use crate::scene::{LEAST_REQUEST, now};

/// Endpoints at ports 1, 2, … of these weights.
fn weighted(weights: &[u32]) -> Vec<Endpoint> {
    let endpoints = weights.iter().zip(1u16..);
    let endpoint = |(&weight, port)| Endpoint {
        weight,
        ..Endpoint::new(([127, 0, 0, 1], port).into())
    };
    endpoints.map(endpoint).collect()
}

fn cluster(weights: &[u32], policy: LbPolicy) -> Cluster {
    Cluster::new(weighted(weights), policy).unwrap()
}

fn round_robin(weights: &[u32]) -> LoadBalancer {
    LoadBalancer::new(&cluster(weights, LbPolicy::RoundRobin), 0, now())
}

fn port(balancer: &LoadBalancer, id: EndpointId) -> u16 {
    balancer.endpoint(id).unwrap().address.port()
}

/// The port that is picked next, of those that are not `down`.
fn next(balancer: &mut LoadBalancer, down: &[u16]) -> Option<u16> {
    let ports: HashMap<_, _> = balancer
        .endpoints()
        .map(|(id, e)| (id, e.address.port()))
        .collect();
    let id = balancer.pick(
        Pick::default(),
        now(),
        |id| !down.contains(&ports[&id]),
        || 0,
    )?;
    Some(port(balancer, id))
}

fn turns(balancer: &mut LoadBalancer, down: &[u16], picks: usize) -> Vec<u16> {
    (0..picks).map(|_| next(balancer, down).unwrap()).collect()
}

fn count(ports: &[u16], port: u16) -> usize {
    ports.iter().filter(|p| **p == port).count()
}

/// Share of the picks each port gets, at random, with `active` requests on each that stay.
fn shares(balancer: &mut LoadBalancer, down: &[u16], picks: u32) -> HashMap<u16, f64> {
    let mut rng = fastrand::Rng::with_seed(5);
    let ports: HashMap<_, _> = balancer
        .endpoints()
        .map(|(id, e)| (id, e.address.port()))
        .collect();
    let mut shares = HashMap::new();
    for _ in 0..picks {
        let usable = |id| !down.contains(&ports[&id]);
        let id = balancer
            .pick(Pick::default(), now(), usable, || rng.u64(..))
            .unwrap();
        *shares.entry(ports[&id]).or_insert(0.0) += 1.0 / f64::from(picks);
    }
    shares
}

fn near(share: Option<&f64>, expected: f64) -> bool {
    (share.copied().unwrap_or_default() - expected).abs() < 0.02
}

#[test]
fn round_robin_takes_turns() {
    let mut balancer = round_robin(&[1, 1, 1]);
    assert_eq!(turns(&mut balancer, &[], 6), [1, 2, 3, 1, 2, 3]);
}

#[test]
fn round_robin_keeps_weights_exactly_and_spreads_them() {
    let weights = [5, 1, 3, 65_535];
    let mut balancer = round_robin(&weights);
    for _ in 0..2 {
        let ports = turns(&mut balancer, &[], weights.iter().sum::<u32>() as usize);
        for (weight, port) in weights.into_iter().zip(1..) {
            assert_eq!(count(&ports, port), weight as usize);
        }
    }
    let ports = turns(&mut round_robin(&[2, 1, 1]), &[], 4);
    assert_eq!(
        ports,
        [1, 2, 3, 1],
        "the heavier one does not get its picks at once"
    );
}

#[test]
fn seeds_start_at_different_endpoints() {
    let cluster = cluster(&[1, 1, 1], LbPolicy::RoundRobin);
    let first = |seed| next(&mut LoadBalancer::new(&cluster, seed, now()), &[]).unwrap();
    assert_eq!([first(0), first(1), first(2), first(3)], [1, 2, 3, 1]);
}

#[test]
fn unusable_endpoints_are_skipped_without_bias() {
    let mut balancer = round_robin(&[1, 65_535, 2, 1]);
    let ports = turns(&mut balancer, &[2], 400);
    assert_eq!(
        [1, 2, 3, 4].map(|port| count(&ports, port)),
        [100, 0, 200, 100]
    );
    let mut balancer = round_robin(&[1, 1, 1]);
    turns(&mut balancer, &[2], 100);
    let back = turns(&mut balancer, &[], 30);
    let counts = [1, 2, 3].map(|port| count(&back, port));
    assert!(
        counts.iter().all(|count| (9..=11).contains(count)),
        "nothing is made up for: {counts:?}"
    );
}

#[test]
fn nothing_usable_is_no_endpoint_and_no_turn() {
    for policy in [LbPolicy::RoundRobin, LEAST_REQUEST] {
        let mut balancer = LoadBalancer::new(&cluster(&[1, 2], policy), 0, now());
        assert_eq!(next(&mut balancer, &[1, 2]), None);
        assert!(next(&mut balancer, &[]).is_some());
        let mut empty = LoadBalancer::new(&cluster(&[], policy), 9, now());
        assert_eq!(next(&mut empty, &[]), None);
    }
    let mut balancer = round_robin(&[1, 1]);
    assert_eq!(turns(&mut balancer, &[], 1), [1]);
    assert_eq!(next(&mut balancer, &[1, 2]), None);
    assert_eq!(turns(&mut balancer, &[], 2), [2, 1]);
}

#[test]
fn unhealthy_and_draining_endpoints_are_not_chosen() {
    let mut endpoints = weighted(&[1, 1, 1, 1]);
    endpoints[0].health = Health::Unhealthy;
    endpoints[1].health = Health::Draining;
    endpoints[2].health = Health::Healthy;
    let cluster = Cluster::new(endpoints, LbPolicy::RoundRobin).unwrap();
    let mut balancer = LoadBalancer::new(&cluster, 0, now());
    assert_eq!(turns(&mut balancer, &[], 4), [3, 4, 3, 4]);
}

#[test]
fn least_request_spreads_by_weight_when_idle() {
    let mut balancer = LoadBalancer::new(&cluster(&[1, 2, 7], LEAST_REQUEST), 0, now());
    let shares = shares(&mut balancer, &[], 20_000);
    for (port, expected) in [(1, 0.1), (2, 0.2), (3, 0.7)] {
        assert!(near(shares.get(&port), expected), "{port}: {shares:?}");
    }
}

#[test]
fn least_request_skips_unusable_endpoints_without_bias() {
    let mut balancer = LoadBalancer::new(&cluster(&[1, 1000, 2, 1], LEAST_REQUEST), 0, now());
    let shares = shares(&mut balancer, &[2], 20_000);
    for (port, expected) in [(1, 0.25), (2, 0.0), (3, 0.5), (4, 0.25)] {
        assert!(near(shares.get(&port), expected), "{port}: {shares:?}");
    }
}

#[test]
fn least_request_takes_the_less_loaded_of_two() {
    let mut balancer = LoadBalancer::new(&cluster(&[1, 1, 1], LEAST_REQUEST), 0, now());
    let busy = balancer.id_of(([127, 0, 0, 1], 1).into()).unwrap();
    balancer.acquire(busy);
    let shares_now = shares(&mut balancer, &[], 5_000);
    assert_eq!(
        shares_now.get(&1),
        None,
        "it loses against either of the others"
    );
    assert!(
        near(shares(&mut balancer, &[2, 3], 10).get(&1), 1.0),
        "but is better than none"
    );
    balancer.release(busy);
    assert!(near(shares(&mut balancer, &[], 20_000).get(&1), 1.0 / 3.0));
}

#[test]
fn least_request_levels_what_is_in_flight_by_weight() {
    let mut balancer = LoadBalancer::new(&cluster(&[1, 3], LEAST_REQUEST), 0, now());
    let mut rng = fastrand::Rng::with_seed(3);
    for _ in 0..400 {
        let id = balancer
            .pick(Pick::default(), now(), |_| true, || rng.u64(..))
            .unwrap();
        balancer.acquire(id);
    }
    let active =
        |port: u16| balancer.active(balancer.id_of(([127, 0, 0, 1], port).into()).unwrap());
    assert!((98..=102).contains(&active(1)), "{}", active(1));
    assert_eq!(active(1) + active(2), 400);
}

#[test]
fn updates_keep_turns() {
    let mut balancer = round_robin(&[1, 1, 1]);
    assert_eq!(turns(&mut balancer, &[], 2), [1, 2]);
    balancer.update(&cluster(&[1, 1, 1, 1], LbPolicy::RoundRobin), now());
    assert_eq!(
        turns(&mut balancer, &[], 5),
        [3, 1, 2, 3, 4],
        "the new one comes next round"
    );
    let mut reversed = weighted(&[1, 1, 1, 1]);
    reversed.reverse();
    balancer.update(
        &Cluster::new(reversed, LbPolicy::RoundRobin).unwrap(),
        now(),
    );
    assert_eq!(
        turns(&mut balancer, &[], 4),
        [1, 2, 3, 4],
        "the order in the list means nothing"
    );
    balancer.update(&cluster(&[3, 1], LbPolicy::RoundRobin), now());
    let ports = turns(&mut balancer, &[], 400);
    assert_eq!([count(&ports, 1), count(&ports, 2)], [300, 100]);
}

#[test]
fn updates_keep_ids_and_requests_in_flight() {
    let mut balancer = round_robin(&[1, 1]);
    let [one, two] = [1, 2].map(|port| balancer.id_of(([127, 0, 0, 1], port).into()).unwrap());
    balancer.acquire(two);
    let changes = balancer.update(&cluster(&[5], LEAST_REQUEST), now());
    assert_eq!((changes.added, changes.removed), (vec![], vec![two]));
    assert_eq!(port(&balancer, one), 1);
    assert_eq!(balancer.endpoint(one).unwrap().weight, 5);
    assert_eq!(balancer.active(two), 1, "its request is still in flight");
    assert_eq!(turns(&mut balancer, &[], 3), [1, 1, 1]);
    let changes = balancer.update(&cluster(&[5, 1], LEAST_REQUEST), now());
    assert_eq!(
        (changes.added, changes.removed),
        (vec![two], vec![]),
        "back before its last request"
    );
    assert_eq!(balancer.active(two), 1);
    assert_eq!(
        balancer.update(&cluster(&[5, 1], LEAST_REQUEST), now()),
        Default::default()
    );
}

#[test]
fn ids_of_endpoints_that_are_gone_mean_nobody() {
    let mut balancer = round_robin(&[1, 1]);
    let two = balancer.id_of(([127, 0, 0, 1], 2).into()).unwrap();
    balancer.acquire(two);
    balancer.update(&cluster(&[1], LbPolicy::RoundRobin), now());
    balancer.release(two);
    assert_eq!(balancer.endpoint(two), None);
    let changes = balancer.update(&cluster(&[1, 1, 1], LbPolicy::RoundRobin), now());
    let new = changes.added.iter().find(|id| id.slot() == two.slot());
    let new = *new.expect("the slot is used again");
    assert_ne!(new, two);
    balancer.acquire(new);
    balancer.release(two);
    balancer.acquire(two);
    assert_eq!((balancer.active(new), balancer.active(two)), (1, 0));
    let all_replaced = Cluster::new(weighted(&[1; 9])[5..].to_vec(), LbPolicy::RoundRobin).unwrap();
    let changes = balancer.update(&all_replaced, now());
    assert_eq!((changes.added.len(), changes.removed.len()), (4, 3));
    assert_eq!(turns(&mut balancer, &[], 4), [6, 7, 8, 9]);
}
