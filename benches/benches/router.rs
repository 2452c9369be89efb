//! What it costs to find a route, by the index and in order, and to choose an endpoint.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sabir_benches::routes::{self, Way};
use sabir_benches::{Operation, balancers};

fn router(criterion: &mut Criterion) {
    let sizes = [1_000, 10_000, 100_000];
    let routes = [Way::Index, Way::Linear].map(|way| routes::operations(&sizes, way));
    let balancers = balancers::every_policy();
    let all: Vec<Operation> = routes.into_iter().flatten().chain(balancers).collect();
    for operation in all {
        let mut group = criterion.benchmark_group("router");
        group
            .measurement_time(Duration::from_secs(2))
            .sample_size(10)
            .throughput(Throughput::Elements(operation.per_run.into()));
        let mut run = None;
        group.bench_function(&operation.name, |bencher| {
            let run = run.get_or_insert_with(&operation.prepare);
            bencher.iter(run);
        });
    }
}

criterion_group!(benches, router);
criterion_main!(benches);
