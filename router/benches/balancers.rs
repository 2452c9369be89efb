//! Choosing an endpoint, by policy and number of endpoints.

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sabir_router::balancer::{LoadBalancer, Pick};
use sabir_router::cluster::{Cluster, Endpoint};
use sabir_router::policy::{LbPolicy, LeastRequest, LoadBound, Maglev, PeakEwma, RingHash};

/// Endpoints of the weights 1 to 3 in turn.
fn cluster(size: u32, policy: LbPolicy) -> Cluster {
    let endpoint = |number: u32| Endpoint {
        weight: number % 3 + 1,
        ..Endpoint::new(SocketAddr::new(Ipv4Addr::from(number).into(), 20_880))
    };
    Cluster::new((0..size).map(endpoint).collect(), policy).unwrap()
}

fn policies() -> [(&'static str, LbPolicy); 8] {
    let biased = LeastRequest {
        active_request_bias: Some(1.0),
        ..LeastRequest::default()
    };
    let bounded = RingHash {
        bound: LoadBound(Some(150)),
        ..RingHash::default()
    };
    [
        ("round_robin", LbPolicy::RoundRobin),
        ("random", LbPolicy::Random),
        (
            "least_request",
            LbPolicy::LeastRequest(LeastRequest::default()),
        ),
        ("least_request_biased", LbPolicy::LeastRequest(biased)),
        ("peak_ewma", LbPolicy::PeakEwma(PeakEwma::default())),
        ("ring_hash", LbPolicy::RingHash(RingHash::default())),
        ("ring_hash_bounded", LbPolicy::RingHash(bounded)),
        ("maglev", LbPolicy::Maglev(Maglev::default())),
    ]
}

fn pick(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pick");
    group
        .measurement_time(Duration::from_secs(1))
        .warm_up_time(Duration::from_millis(300))
        .sample_size(20);
    let now = Instant::now();
    for (name, policy) in policies() {
        for size in [10, 1_000, 10_000] {
            let mut balancer = LoadBalancer::new(&cluster(size, policy), 7, now);
            let mut rng = fastrand::Rng::with_seed(7);
            group.bench_with_input(BenchmarkId::new(name, size), &(), |bencher, ()| {
                bencher.iter(|| {
                    let pick = Pick::default().hash(Some(rng.u64(..)));
                    let id = balancer.pick(pick, now, |_| true, || rng.u64(..)).unwrap();
                    balancer.acquire(id);
                    balancer.release(black_box(id));
                });
            });
        }
    }
    group.finish();
}

fn build(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("build");
    group
        .measurement_time(Duration::from_secs(1))
        .warm_up_time(Duration::from_millis(300))
        .sample_size(10);
    let now = Instant::now();
    for (name, policy) in policies() {
        let cluster = cluster(1_000, policy);
        group.bench_with_input(BenchmarkId::new(name, 1_000), &(), |bencher, ()| {
            bencher.iter(|| black_box(LoadBalancer::new(&cluster, 7, now)));
        });
    }
    group.finish();
}

criterion_group!(benches, pick, build);
criterion_main!(benches);
