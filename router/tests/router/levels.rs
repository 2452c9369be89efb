//! Priorities, localities, degraded endpoints, panic, and endpoints that are not wanted.

use std::collections::HashMap;

use sabir_router::balancer::{LoadBalancer, Pick};
use sabir_router::cluster::{Cluster, Endpoint, Fallback, Health, Labels, LocalityId};
use sabir_router::policy::{Balancing, LbPolicy, Maglev, PeakEwma, RingHash};

use crate::scene::{LEAST_REQUEST, address, now, weighted};

fn policies() -> [LbPolicy; 6] {
    [
        LbPolicy::RoundRobin,
        LEAST_REQUEST,
        LbPolicy::Random,
        LbPolicy::PeakEwma(PeakEwma::default()),
        LbPolicy::RingHash(RingHash::default()),
        LbPolicy::Maglev(Maglev::default()),
    ]
}

/// Two levels of ten endpoints, the first at ports 1 to 10.
fn levels() -> Vec<Endpoint> {
    let mut endpoints = weighted(&[1; 20]);
    endpoints[10..].iter_mut().for_each(|e| e.priority = 1);
    endpoints
}

fn counts(balancer: &mut LoadBalancer, picks: u32) -> HashMap<u16, u32> {
    let mut rng = fastrand::Rng::with_seed(4);
    let mut counts = HashMap::new();
    for _ in 0..picks {
        let pick = Pick::default().hash(Some(rng.u64(..)));
        let id = balancer.pick(pick, now(), |_| true, || rng.u64(..));
        let port = balancer.endpoint(id.unwrap()).unwrap().address.port();
        *counts.entry(port).or_default() += 1;
    }
    counts
}

/// Share of the picks that went to these ports.
fn share(balancer: &mut LoadBalancer, ports: std::ops::RangeInclusive<u16>) -> f64 {
    let counts = counts(balancer, 10_000);
    let there = counts.iter().filter(|(port, _)| ports.contains(port));
    there.map(|(_, count)| f64::from(*count)).sum::<f64>() / 10_000.0
}

fn set(balancer: &mut LoadBalancer, ports: std::ops::RangeInclusive<u16>, health: Health) {
    for port in ports {
        let id = balancer.id_of(address(port)).unwrap();
        balancer.set_health(id, health, now());
    }
}

fn near(share: f64, expected: f64) -> bool {
    (share - expected).abs() < 0.02
}

#[test]
fn traffic_spills_to_the_next_priority_under_every_policy() {
    for policy in policies() {
        let cluster = Cluster::new(levels(), policy).unwrap();
        let mut balancer = LoadBalancer::new(&cluster, 0, now());
        let mut first = |unfit: u16| {
            set(&mut balancer, 1..=10, Health::Healthy);
            set(&mut balancer, 1..=unfit, Health::Unhealthy);
            let counts = counts(&mut balancer, 2_000);
            assert!(
                (1..=unfit).all(|port| !counts.contains_key(&port)),
                "{policy:?}"
            );
            share(&mut balancer, 1..=10)
        };
        for (unfit, expected) in [(0, 1.0), (2, 1.0), (5, 0.7), (8, 0.28), (10, 0.0)] {
            let share = first(unfit);
            assert!(near(share, expected), "{policy:?} {unfit}: {share}");
        }
    }
}

#[test]
fn all_unfit_is_panic_and_never_nobody() {
    for policy in policies() {
        let cluster = Cluster::new(weighted(&[1; 10]), policy).unwrap();
        let mut balancer = LoadBalancer::new(&cluster, 0, now());
        set(&mut balancer, 1..=4, Health::Unhealthy);
        assert!(near(share(&mut balancer, 5..=10), 1.0));
        assert_eq!((balancer.panics(), balancer.is_panicking()), (0, false));
        set(&mut balancer, 1..=6, Health::Unhealthy);
        assert!(near(share(&mut balancer, 1..=6), 0.6), "{policy:?}");
        assert_eq!((balancer.panics(), balancer.is_panicking()), (10_000, true));
        set(&mut balancer, 1..=10, Health::Unhealthy);
        assert!(near(share(&mut balancer, 1..=6), 0.6), "{policy:?}");
        set(&mut balancer, 1..=3, Health::Draining);
        assert_eq!(share(&mut balancer, 1..=3), 0.0, "not even then");
        set(&mut balancer, 1..=10, Health::Healthy);
        share(&mut balancer, 1..=10);
        assert!(!balancer.is_panicking());
    }
}

#[test]
fn without_a_threshold_there_is_no_panic() {
    let balancing = Balancing {
        panic_threshold: 0,
        ..Balancing::default()
    };
    let cluster = Cluster::new(weighted(&[1; 10]), balancing).unwrap();
    let mut balancer = LoadBalancer::new(&cluster, 0, now());
    set(&mut balancer, 1..=9, Health::Unhealthy);
    assert_eq!(share(&mut balancer, 10..=10), 1.0);
    set(&mut balancer, 10..=10, Health::Unhealthy);
    let picked = balancer.pick(Pick::default(), now(), |_| true, || 0);
    assert_eq!((picked, balancer.panics()), (None, 0));
}

#[test]
fn degraded_endpoints_take_what_healthy_ones_cannot() {
    for policy in policies() {
        let cluster = Cluster::new(weighted(&[1; 100]), policy).unwrap();
        let mut balancer = LoadBalancer::new(&cluster, 0, now());
        set(&mut balancer, 1..=65, Health::Degraded);
        set(&mut balancer, 66..=75, Health::Unhealthy);
        let (degraded, unfit) = (share(&mut balancer, 1..=65), share(&mut balancer, 66..=75));
        assert!(
            near(degraded, 0.65) && unfit == 0.0,
            "{policy:?} {degraded} {unfit}"
        );
    }
}

#[test]
fn localities_have_the_documented_shares() {
    for policy in policies() {
        let mut endpoints = weighted(&[1; 200]);
        endpoints[..100]
            .iter_mut()
            .for_each(|e| e.locality = LocalityId(1));
        endpoints[100..]
            .iter_mut()
            .for_each(|e| e.locality = LocalityId(2));
        let balancing = Balancing {
            locality_weighted: true,
            ..Balancing::from(policy)
        };
        let mut cluster = Cluster::new(endpoints, balancing).unwrap();
        cluster.set_locality_weights([(LocalityId(1), 1), (LocalityId(2), 2)]);
        let mut balancer = LoadBalancer::new(&cluster, 0, now());
        // Percentage of X that is healthy, and of the traffic to X.
        for (healthy, expected) in [(100, 33), (70, 33), (69, 32), (50, 26), (25, 15), (0, 0)] {
            set(&mut balancer, 1..=100, Health::Healthy);
            set(&mut balancer, 1..=100 - healthy, Health::Unhealthy);
            let share = share(&mut balancer, 1..=100);
            assert!(
                near(share, f64::from(expected) / 100.0),
                "{policy:?} {healthy}: {share}"
            );
        }
    }
}

#[test]
fn a_locality_without_weight_gets_nothing() {
    let mut endpoints = weighted(&[1; 2]);
    endpoints[1].locality = LocalityId(1);
    let balancing = Balancing {
        locality_weighted: true,
        ..Balancing::default()
    };
    let mut cluster = Cluster::new(endpoints, balancing).unwrap();
    cluster.set_locality_weights([(LocalityId(1), 5)]);
    let mut balancer = LoadBalancer::new(&cluster, 0, now());
    assert_eq!(share(&mut balancer, 2..=2), 1.0);
}

#[test]
fn endpoints_that_are_not_wanted_are_not_chosen() {
    for policy in policies() {
        let cluster = Cluster::new(levels(), policy).unwrap();
        let mut balancer = LoadBalancer::new(&cluster, 0, now());
        let mut failed = Vec::new();
        for attempt in 0..20 {
            let pick = Pick::default().hash(Some(77)).exclude(&failed);
            let id = balancer.pick(pick, now(), |_| true, || 5 << 60).unwrap();
            assert!(!failed.contains(&id), "{policy:?}");
            let priority = balancer.endpoint(id).unwrap().priority;
            assert_eq!(
                priority,
                attempt / 10,
                "the next level is better than nobody"
            );
            failed.push(id);
        }
        let pick = Pick::default().exclude(&failed);
        assert_eq!(balancer.pick(pick, now(), |_| true, || 0), None);
    }
}

#[test]
fn a_subset_that_is_down_falls_back_or_panics() {
    let mut endpoints = weighted(&[1; 4]);
    let batch = Labels::from([("lane".to_owned(), "batch".to_owned())]);
    endpoints[..2]
        .iter_mut()
        .for_each(|e| e.labels.clone_from(&batch));
    let mut cluster = Cluster::new(endpoints, LbPolicy::RoundRobin).unwrap();
    let strict = cluster.subset(batch.clone(), Some(Fallback::NoFallback));
    let lenient = cluster.subset(batch, Some(Fallback::AnyEndpoint));
    let mut balancer = LoadBalancer::new(&cluster, 0, now());
    set(&mut balancer, 1..=2, Health::Unhealthy);
    let mut ports = |subset| {
        let mut pick = || {
            balancer
                .pick(Some(subset).into(), now(), |_| true, || 0)
                .unwrap()
        };
        let mut ids = [pick(), pick()];
        ids.sort_by_key(|id| id.slot());
        ids.map(|id| balancer.endpoint(id).unwrap().address.port())
    };
    assert_eq!(ports(strict), [1, 2], "isolated, they are all there is");
    assert_eq!(ports(lenient), [3, 4], "others that are fit are better");
}

#[test]
fn a_priority_that_is_too_large_is_refused() {
    let mut endpoints = weighted(&[1]);
    endpoints[0].priority = Endpoint::MAX_PRIORITY + 1;
    let error = Cluster::new(endpoints, LbPolicy::RoundRobin).unwrap_err();
    assert_eq!(
        error.to_string(),
        "priority 128 of endpoint 127.0.0.1:1 is larger than 127"
    );
}
