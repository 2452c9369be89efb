//! Properties of the hash policies: stickiness, disruption, weights, and bounds.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use sabir_router::balancer::{LoadBalancer, Pick};
use sabir_router::cluster::{Cluster, Health};
use sabir_router::policy::{LbPolicy, LoadBound, Maglev, PolicyError, RingHash};

use crate::scene::{address, now, weighted};

const RING: LbPolicy = LbPolicy::RingHash(RingHash {
    minimum_ring_size: 16_384,
    maximum_ring_size: RingHash::MAX_SIZE,
    bound: LoadBound(None),
});

const MAGLEV: LbPolicy = LbPolicy::Maglev(Maglev {
    table_size: 65_537,
    bound: LoadBound(None),
});

fn bounded(percent: u32) -> [LbPolicy; 2] {
    let bound = LoadBound(Some(percent));
    let ring = RingHash {
        bound,
        ..RingHash::default()
    };
    let maglev = Maglev {
        bound,
        table_size: 1021,
    };
    [LbPolicy::RingHash(ring), LbPolicy::Maglev(maglev)]
}

fn balancer(weights: &[u32], policy: LbPolicy) -> LoadBalancer {
    let cluster = Cluster::new(weighted(weights), policy).unwrap();
    LoadBalancer::new(&cluster, fastrand::u64(..), now())
}

fn pick(balancer: &mut LoadBalancer, hash: u64) -> u16 {
    let pick = Pick::default().hash(Some(hash));
    let id = balancer.pick(pick, now(), |_| true, || 0).unwrap();
    balancer.endpoint(id).unwrap().address.port()
}

/// Where each of some keys goes.
fn keys(balancer: &mut LoadBalancer) -> Vec<u16> {
    let mut rng = fastrand::Rng::with_seed(11);
    (0..KEYS).map(|_| pick(balancer, rng.u64(..))).collect()
}

fn share(keys: &[u16], port: u16) -> f64 {
    keys.iter().filter(|p| **p == port).count() as f64 / KEYS as f64
}

const KEYS: usize = 20_000;

#[test]
fn keys_are_spread_by_weight() {
    for policy in [RING, MAGLEV] {
        let keys = keys(&mut balancer(&[1, 2, 3, 4], policy));
        for port in 1..=4 {
            let (share, expected) = (share(&keys, port), f64::from(port) / 10.0);
            assert!(
                (share - expected).abs() < 0.02,
                "{policy:?} {port}: {share}"
            );
        }
    }
}

#[test]
fn every_worker_and_every_order_agrees() {
    for policy in [RING, MAGLEV] {
        let weights = [1, 1, 2, 1, 7];
        let first = keys(&mut balancer(&weights, policy));
        let mut endpoints = weighted(&weights);
        endpoints.reverse();
        let mut other = balancer(&[9; 12], policy);
        other.update(&Cluster::new(endpoints, policy).unwrap(), now());
        assert_eq!(keys(&mut other), first, "whatever was there before");
    }
}

/// Changing these would send every sticky caller elsewhere.
#[test]
fn keys_go_where_they_went_in_earlier_versions() {
    let port = |policy| {
        let mut balancer = balancer(&[1; 100], policy);
        [1u64 << 60, 1 << 61, 1 << 62, 1 << 63, 12_345].map(|hash| pick(&mut balancer, hash))
    };
    assert_eq!(port(RING), GOLDEN_RING);
    assert_eq!(port(MAGLEV), GOLDEN_MAGLEV);
}

const GOLDEN_RING: [u16; 5] = [43, 72, 52, 8, 83];
const GOLDEN_MAGLEV: [u16; 5] = [24, 56, 53, 75, 25];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn coming_and_going_moves_the_keys_of_who_does(
        size in 9usize..16,
        leaves in any::<prop::sample::Index>(),
    ) {
        // On the ring nobody else's: within these sizes, everybody has 2048 points.
        for (policy, slack) in [(RING, 0.0), (MAGLEV, 0.05)] {
            let mut endpoints = weighted(&vec![1; size]);
            let mut balancer = balancer(&vec![1; size], policy);
            let before = keys(&mut balancer);
            let gone = endpoints.remove(leaves.index(size)).address.port();
            balancer.update(&Cluster::new(endpoints, policy).unwrap(), now());
            let after = keys(&mut balancer);
            let moved = before.iter().zip(&after).filter(|(b, a)| b != a && **b != gone);
            let moved = moved.count() as f64 / KEYS as f64;
            prop_assert!(moved <= slack, "{policy:?} {moved}");
            let all = Cluster::new(weighted(&vec![1; size]), policy).unwrap();
            balancer.update(&all, now());
            prop_assert_eq!(keys(&mut balancer), before, "who comes back takes no others");
        }
    }

    #[test]
    fn only_the_keys_of_the_unfit_move_and_they_come_back(
        size in 3usize..20,
        unfit in any::<prop::sample::Index>(),
    ) {
        let unfit = unfit.index(size) as u16 + 1;
        for policy in [RING, MAGLEV] {
            let mut balancer = balancer(&vec![1; size], policy);
            let before = keys(&mut balancer);
            let id = balancer.id_of(address(unfit)).unwrap();
            balancer.set_health(id, Health::Unhealthy, now());
            let during = keys(&mut balancer);
            let stays = before.iter().zip(&during).all(|(b, d)| *b == unfit || b == d);
            prop_assert!(stays, "{policy:?}");
            prop_assert_eq!(share(&during, unfit), 0.0);
            let heirs: HashMap<_, usize> = before.iter().zip(&during)
                .filter(|(b, _)| **b == unfit)
                .fold(HashMap::new(), |mut heirs, (_, d)| {
                    *heirs.entry(*d).or_default() += 1;
                    heirs
                });
            prop_assert_eq!(heirs.len(), size - 1, "its keys are spread over all others");
            balancer.set_health(id, Health::Healthy, now() + Duration::from_secs(1));
            prop_assert_eq!(keys(&mut balancer), before);
        }
    }

    #[test]
    fn nobody_has_more_in_flight_than_the_bound(
        weights in prop::collection::vec(1u32..4, 1..12),
        percent in 100u32..300,
        hashes in prop::collection::vec(0u64..5, 1..300),
    ) {
        for policy in bounded(percent) {
            let mut balancer = balancer(&weights, policy);
            for (sent, hash) in (1u64..).zip(&hashes) {
                let pick = Pick::default().hash(Some(hash << 60));
                let id = balancer.pick(pick, now(), |_| true, || 0).unwrap();
                balancer.acquire(id);
                let weight = u64::from(balancer.endpoint(id).unwrap().weight);
                let sum: u32 = weights.iter().sum();
                let most = (sent * u64::from(percent) * weight).div_ceil(100 * u64::from(sum));
                prop_assert!(u64::from(balancer.active(id)) <= most);
            }
        }
    }
}

#[test]
fn a_bound_sends_a_hot_key_elsewhere_and_back() {
    for policy in bounded(125) {
        let mut balancer = balancer(&[1; 10], policy);
        let home = pick(&mut balancer, 42);
        let home = balancer.id_of(address(home)).unwrap();
        balancer.acquire(home);
        let other = pick(&mut balancer, 42);
        assert_ne!(balancer.id_of(address(other)), Some(home));
        assert_eq!(pick(&mut balancer, 42), other, "also then always the same");
        balancer.release(home);
        let back = pick(&mut balancer, 42);
        assert_eq!(balancer.id_of(address(back)), Some(home));
    }
}

#[test]
fn requests_without_a_hash_go_anywhere() {
    for policy in [RING, MAGLEV] {
        let mut balancer = balancer(&[1; 4], policy);
        let mut rng = fastrand::Rng::with_seed(3);
        let mut seen = [false; 5];
        for _ in 0..200 {
            let id = balancer.pick(Pick::default(), now(), |_| true, || rng.u64(..));
            let port = balancer.endpoint(id.unwrap()).unwrap().address.port();
            seen[usize::from(port)] = true;
        }
        assert_eq!(seen, [false, true, true, true, true]);
    }
}

#[test]
fn more_endpoints_than_entries_still_have_one_for_every_hash() {
    let maglev = LbPolicy::Maglev(Maglev {
        table_size: 3,
        ..Maglev::default()
    });
    let ring = LbPolicy::RingHash(RingHash {
        minimum_ring_size: 1,
        maximum_ring_size: 2,
        ..RingHash::default()
    });
    for policy in [maglev, ring] {
        let mut balancer = balancer(&[1, 9, 1, 1, 1], policy);
        (0..200).for_each(|hash| {
            assert!((1..=5).contains(&pick(&mut balancer, hash << 56)));
        });
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let refused = |policy| Cluster::new(Vec::new(), policy).unwrap_err().to_string();
    let maglev = |table_size| {
        refused(LbPolicy::Maglev(Maglev {
            table_size,
            ..Maglev::default()
        }))
    };
    assert_eq!(maglev(65_536), PolicyError::NotPrime(65_536).to_string());
    assert_eq!(maglev(1), "table_size is 1, not from 2 to 5000011");
    assert_eq!(
        maglev(6_000_011),
        "table_size is 6000011, not from 2 to 5000011"
    );
    let ring = RingHash {
        minimum_ring_size: 2048,
        maximum_ring_size: 1024,
        ..RingHash::default()
    };
    let message = "minimum_ring_size is 2048, not from 1 to 1024";
    assert_eq!(refused(LbPolicy::RingHash(ring)), message);
    let message = "hash_balance_factor is 99, not from 100 to 4294967295";
    assert!(
        bounded(99)
            .into_iter()
            .all(|policy| refused(policy) == message)
    );
}
