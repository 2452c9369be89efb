//! What messages of each protocol cost: passed on untouched, looked into, changed, answered.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn codecs(criterion: &mut Criterion) {
    for operation in sabir_benches::codecs() {
        let mut group = criterion.benchmark_group("codecs");
        group.throughput(Throughput::Elements(operation.per_run.into()));
        let mut run = None;
        group.bench_function(&operation.name, |bencher| {
            let run = run.get_or_insert_with(&operation.prepare);
            bencher.iter(run);
        });
    }
}

criterion_group!(benches, codecs);
criterion_main!(benches);
