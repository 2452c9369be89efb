//! Properties of the policies: shares over time, weights, and what slow start does to them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use sabir_router::balancer::{LoadBalancer, Pick};
use sabir_router::cluster::Cluster;
use sabir_router::policy::{Balancing, LbPolicy, LeastRequest, PeakEwma, SlowStart};

use crate::scene::{LEAST_REQUEST, address, now, weighted};

fn balancer(weights: &[u32], balancing: impl Into<Balancing>) -> LoadBalancer {
    let cluster = Cluster::new(weighted(weights), balancing).unwrap();
    LoadBalancer::new(&cluster, 0, now())
}

/// How often each port was picked.
fn counts(
    balancer: &mut LoadBalancer,
    rng: &mut fastrand::Rng,
    at: Instant,
    picks: u32,
) -> HashMap<u16, u32> {
    let mut counts = HashMap::new();
    for _ in 0..picks {
        let picked = balancer.pick(Pick::default(), at, |_| true, || rng.u64(..));
        let endpoint = balancer.endpoint(picked.unwrap()).unwrap();
        *counts.entry(endpoint.address.port()).or_default() += 1;
    }
    counts
}

/// The order in which earliest deadline first picks members of these weights, by trying all.
fn naive_turns(weights: &[u32], picks: usize) -> Vec<usize> {
    let mut passed = vec![0u64; weights.len()];
    let mut turn = || {
        let due = |at: usize| (2 * passed[at] + 1, u64::from(weights[at]));
        let earlier = |a: &usize, b: &usize| {
            let ((a_halves, a_weight), (b_halves, b_weight)) = (due(*a), due(*b));
            (a_halves * b_weight).cmp(&(b_halves * a_weight))
        };
        let next = (0..weights.len()).min_by(earlier).unwrap();
        passed[next] += 1;
        next
    };
    (0..picks).map(|_| turn()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn round_robin_is_earliest_deadline_first(
        weights in prop::collection::vec(1u32..200, 1..12),
    ) {
        let mut balancer = balancer(&weights, LbPolicy::RoundRobin);
        for expected in naive_turns(&weights, 400) {
            let picked = balancer.pick(Pick::default(), now(), |_| true, || 0).unwrap();
            let port = balancer.endpoint(picked).unwrap().address.port();
            prop_assert_eq!(usize::from(port), expected + 1);
        }
    }

    #[test]
    fn idle_endpoints_are_chosen_by_weight(
        weights in prop::collection::vec(1u32..20, 1..8),
        seed: u64,
    ) {
        let sum: u32 = weights.iter().sum();
        let biased = LeastRequest { active_request_bias: Some(1.0), ..LeastRequest::default() };
        let policies = [
            LbPolicy::RoundRobin,
            LbPolicy::Random,
            LEAST_REQUEST,
            LbPolicy::LeastRequest(biased),
        ];
        for policy in policies {
            let mut rng = fastrand::Rng::with_seed(seed);
            let counts = counts(&mut balancer(&weights, policy), &mut rng, now(), 4_000);
            for (port, weight) in (1..).zip(&weights) {
                let share = f64::from(counts.get(&port).copied().unwrap_or(0)) / 4_000.0;
                let expected = f64::from(*weight) / f64::from(sum);
                prop_assert!((share - expected).abs() < 0.05, "{policy:?} {share} {expected}");
            }
        }
    }

    #[test]
    fn slow_start_only_grows(
        window in 1u64..600,
        aggression in 0.1f64..10.0,
        least in 1.0f64..100.0,
        ages in prop::collection::vec(0u64..700_000, 2..20),
    ) {
        let slow_start = SlowStart {
            window: Duration::from_secs(window),
            aggression,
            min_weight_percent: least,
        };
        let mut ages = ages;
        ages.sort_unstable();
        let factors = ages.iter().map(|age| slow_start.factor(Duration::from_millis(*age)));
        let factors: Vec<_> = factors.collect();
        prop_assert!(factors.is_sorted());
        prop_assert!(factors.iter().all(|f| (least / 100.0..=1.0).contains(f)));
        prop_assert_eq!(slow_start.factor(slow_start.window), 1.0);
    }
}

#[test]
fn new_endpoints_start_slowly_under_every_policy() {
    let policies = [LbPolicy::RoundRobin, LbPolicy::Random, LEAST_REQUEST];
    for policy in policies {
        let balancing = Balancing {
            slow_start: Some(SlowStart::over(Duration::from_secs(100))),
            ..Balancing::from(policy)
        };
        let mut balancer = balancer(&[1, 1, 1], balancing);
        let later = now() + Duration::from_secs(500);
        let cluster = Cluster::new(weighted(&[1, 1, 1, 1]), balancing).unwrap();
        balancer.update(&cluster, later);
        let mut rng = fastrand::Rng::with_seed(1);
        let mut share = |age| {
            let at = later + Duration::from_secs(age);
            // The first turns were given when the endpoint was younger.
            counts(&mut balancer, &mut rng, at, 200);
            let counts = counts(&mut balancer, &mut rng, at, 20_000);
            f64::from(counts[&4]) / 20_000.0
        };
        for (age, weight) in [
            (1, 0.1),
            (20, 0.2),
            (50, 0.5),
            (80, 0.8),
            (100, 1.0),
            (900, 1.0),
        ] {
            let (share, expected) = (share(age), weight / (3.0 + weight));
            assert!(
                (share - expected).abs() < 0.015,
                "{policy:?} {age} s: {share}"
            );
        }
    }
}

#[test]
fn a_bias_of_zero_is_round_robin() {
    let policy = LeastRequest {
        active_request_bias: Some(0.0),
        ..LeastRequest::default()
    };
    let mut balancer = balancer(&[1, 3], LbPolicy::LeastRequest(policy));
    let busy = balancer.id_of(address(2)).unwrap();
    (0..100).for_each(|_| balancer.acquire(busy));
    let counts = counts(&mut balancer, &mut fastrand::Rng::with_seed(1), now(), 400);
    assert_eq!((counts[&1], counts[&2]), (100, 300));
}

#[test]
fn a_bias_divides_weights_by_requests_in_flight() {
    let policy = LeastRequest {
        active_request_bias: Some(1.0),
        ..LeastRequest::default()
    };
    let mut balancer = balancer(&[1, 2], LbPolicy::LeastRequest(policy));
    let busy = balancer.id_of(address(2)).unwrap();
    (0..4).for_each(|_| balancer.acquire(busy));
    let mut rng = fastrand::Rng::with_seed(1);
    counts(&mut balancer, &mut rng, now(), 10);
    // The documentation's example: 2 / (4 + 1) ^ 1 = 0.4, against 1.
    let counts = counts(&mut balancer, &mut rng, now(), 1_400);
    assert!(counts[&2].abs_diff(400) <= 2, "{counts:?}");
}

#[test]
fn more_choices_find_the_idle_ones_more_often() {
    let mut shares = Vec::new();
    for choice_count in [2, 4, 8] {
        let policy = LbPolicy::LeastRequest(LeastRequest {
            choice_count,
            active_request_bias: None,
        });
        let mut balancer = balancer(&[1; 10], policy);
        for port in 2..=10 {
            let busy = balancer.id_of(address(port)).unwrap();
            balancer.acquire(busy);
        }
        let mut rng = fastrand::Rng::with_seed(1);
        shares.push(counts(&mut balancer, &mut rng, now(), 10_000)[&1]);
    }
    assert!(shares.is_sorted() && shares[0] > 1_500, "{shares:?}");
    assert!(shares[2] > 2 * shares[0], "{shares:?}");
}

#[test]
fn peak_ewma_avoids_the_slow_and_forgives() {
    let policy = LbPolicy::PeakEwma(PeakEwma::default());
    let mut balancer = balancer(&[1, 1, 1], policy);
    let ids: Vec<_> = (1..=3)
        .map(|port| balancer.id_of(address(port)).unwrap())
        .collect();
    let mut rng = fastrand::Rng::with_seed(1);
    for id in &ids {
        balancer.observe(*id, now(), Duration::from_millis(10), false);
    }
    let even = counts(&mut balancer, &mut rng, now(), 3_000);
    assert!(
        even.values().all(|count| count.abs_diff(1_000) < 150),
        "{even:?}"
    );
    balancer.observe(ids[0], now(), Duration::from_millis(500), false);
    let slow = counts(&mut balancer, &mut rng, now(), 1_000);
    assert_eq!(slow.get(&1), None, "one peak is enough");
    (0..60).for_each(|_| ids[1..].iter().for_each(|id| balancer.acquire(*id)));
    let busy = counts(&mut balancer, &mut rng, now(), 1_000);
    assert!(
        busy[&1] > 600,
        "slow is better than queued behind sixty: {busy:?}"
    );
    (0..60).for_each(|_| ids[1..].iter().for_each(|id| balancer.release(*id)));
    let mut at = now();
    for _ in 0..60 {
        at += Duration::from_secs(1);
        for id in &ids[1..] {
            balancer.observe(*id, at, Duration::from_millis(10), false);
        }
    }
    let shares = counts(&mut balancer, &mut rng, at, 3_000);
    assert!(shares[&1] > 1_500, "it is tried again: {shares:?}");
    balancer.observe(ids[2], at, Duration::ZERO, true);
    let failed = counts(&mut balancer, &mut rng, at, 1_000);
    assert_eq!(failed.get(&3), None, "failing fast attracts nobody");
}
