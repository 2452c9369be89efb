//! Choosing an endpoint.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use sabir_router::balancer::{LoadBalancer, Pick};
use sabir_router::cluster::{Cluster, Endpoint};
use sabir_router::policy::{LbPolicy, LeastRequest, LoadBound, Maglev, PeakEwma, RingHash};

use crate::Operation;

/// Choices by the common policies, with the count of what is in flight kept as a proxy keeps it.
pub fn operations() -> Vec<Operation> {
    let policies = [
        ("round robin", LbPolicy::RoundRobin),
        (
            "least request",
            LbPolicy::LeastRequest(LeastRequest::default()),
        ),
    ];
    let mut all = Vec::new();
    for (name, policy) in policies {
        for (what, weights) in [("equal weights", 1), ("weights of 1 to 5", 5)] {
            for count in [10, 1_000] {
                let name = format!("balancer, {name}, {count} endpoints, {what}");
                all.push(picks(name, policy, weights, count));
            }
        }
    }
    all
}

/// The same by every policy, with many endpoints too.
pub fn every_policy() -> Vec<Operation> {
    let biased = LeastRequest {
        active_request_bias: Some(1.0),
        ..LeastRequest::default()
    };
    let bounded = RingHash {
        bound: LoadBound(Some(150)),
        ..RingHash::default()
    };
    let least_request = LbPolicy::LeastRequest(LeastRequest::default());
    let policies = [
        ("round robin", LbPolicy::RoundRobin),
        ("random", LbPolicy::Random),
        ("least request", least_request),
        ("least request with a bias", LbPolicy::LeastRequest(biased)),
        ("peak EWMA", LbPolicy::PeakEwma(PeakEwma::default())),
        ("ring hash", LbPolicy::RingHash(RingHash::default())),
        ("ring hash with a bound", LbPolicy::RingHash(bounded)),
        ("maglev", LbPolicy::Maglev(Maglev::default())),
    ];
    let sizes = [10, 1_000, 10_000];
    let all = policies.iter().flat_map(|(name, policy)| {
        sizes.map(|count| {
            let name = format!("balancer, {name}, {count} endpoints, weights of 1 to 3");
            picks(name, *policy, 3, count)
        })
    });
    all.collect()
}

fn picks(name: String, policy: LbPolicy, weights: u32, count: u32) -> Operation {
    Operation {
        per_run: PICKS,
        ..Operation::new(name, move || {
            let endpoint = |number: u32| Endpoint {
                weight: 1 + number % weights,
                ..Endpoint::new(SocketAddr::new(Ipv4Addr::from(number).into(), 20_880))
            };
            let cluster = Cluster::new((1..=count).map(endpoint).collect(), policy);
            // Nothing that is measured depends on which moment it is.
            let now = Instant::now();
            let mut balancer = LoadBalancer::new(&cluster.expect("distinct endpoints"), 0, now);
            let mut random = fastrand::Rng::with_seed(7);
            Box::new(move || {
                for _ in 0..PICKS {
                    let pick = Pick::default().hash(policy.is_hash().then(|| random.u64(..)));
                    let id = balancer.pick(pick, now, |_| true, || random.u64(..));
                    let id = id.expect("all may be chosen");
                    balancer.acquire(id);
                    balancer.release(black_box(id));
                }
            })
        })
    }
}

/// Choices of one run: the least common multiple of what the schedules repeat after is near.
const PICKS: u32 = 3_000;
