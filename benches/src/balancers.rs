//! Choosing an endpoint.

use std::hint::black_box;

use sabir_router::balancer::{LoadBalancer, Pick};
use sabir_router::cluster::{Cluster, Endpoint, LbPolicy};

use crate::Operation;

/// Choices by each policy, with the count of what is in flight kept as a proxy keeps it.
pub fn operations() -> Vec<Operation> {
    let policies = [
        ("round robin", LbPolicy::RoundRobin),
        ("least request", LbPolicy::LeastRequest),
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

fn picks(name: String, policy: LbPolicy, weights: u32, count: u16) -> Operation {
    Operation {
        per_run: PICKS,
        ..Operation::new(name, move || {
            let endpoint = |port: u16| Endpoint {
                weight: 1 + u32::from(port) % weights,
                ..Endpoint::new(([127, 0, 0, 1], port).into())
            };
            let cluster = Cluster::new((1..=count).map(endpoint).collect(), policy);
            let mut balancer = LoadBalancer::new(&cluster.expect("distinct endpoints"), 0);
            let mut random = fastrand::Rng::with_seed(7);
            Box::new(move || {
                for _ in 0..PICKS {
                    let id = balancer.pick(Pick::default(), |_| true, || random.u64(..));
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
