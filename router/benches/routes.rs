//! Looking up a route among many, by the index and in order.

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

#[path = "../tests/router/toy.rs"]
mod toy;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sabir_core::head::Head;
use sabir_core::name::Name;
use sabir_router::matcher::Matcher;
use sabir_router::table::RouteTable;
use sabir_router::value::{Case, Pattern, Sense, ValueMatcher};

/// Services of a large mesh: a tenth of the routes by prefix, some by regex, some that look at
/// attachments, most by service and method.
fn matcher(number: usize) -> Matcher {
    let service = service(number);
    let pattern = |pattern| ValueMatcher::new(pattern, Case::Sensitive, Sense::Positive).unwrap();
    let mut values = vec![(Name::new("service"), ValueMatcher::exact(service.clone()))];
    match number % 20 {
        0 | 1 => values[0].1 = pattern(Pattern::Prefix(service.into())),
        2 => {
            let regex = format!(r"{}\.\w+", service.replace('.', r"\."));
            values[0].1 = pattern(Pattern::Regex(regex));
        }
        3 | 4 => values.push((
            Name::new("tenant"),
            ValueMatcher::exact(format!("t{number}")),
        )),
        5..10 => {}
        _ => values.push((
            Name::new("method"),
            ValueMatcher::exact(format!("call{number}")),
        )),
    }
    Matcher::new(values, Vec::new(), None).unwrap()
}

/// Ten neighbours share a service, except where the routes are by prefix or regex.
fn service(number: usize) -> String {
    let group = if number % 20 < 3 { number } else { number / 10 };
    format!("com.example.team{}.Service{group}Facade", group % 97)
}

fn head(number: usize) -> Head {
    let method = format!("call{number}");
    let tenant = format!("t{number}");
    let pairs = [
        ("trace", "00-4bf92f3577b34da6"),
        ("tenant", tenant.as_str()),
    ];
    let suffix = if number % 20 < 3 { ".Impl" } else { "" };
    toy::request(&(service(number) + suffix), &method, &pairs)
}

fn table(size: usize) -> RouteTable<usize> {
    RouteTable::new((0..size).map(|number| (matcher(number), number)).collect())
}

/// Requests in random order over the whole table, so that it does not stay in the first cache.
fn heads(size: usize) -> Vec<Head> {
    let mut random = fastrand::Rng::with_seed(7);
    let count = size.min(20_000);
    let heads = (0..count).map(|_| head(random.usize(0..size)));
    heads.collect()
}

fn routes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("routes");
    group
        .measurement_time(Duration::from_secs(2))
        .sample_size(20);
    for size in [1_000, 10_000, 100_000] {
        let table = table(size);
        let heads = heads(size);
        let parsed = toy::parsed();
        let found = heads.iter().filter(|head| table.find(head).is_some());
        assert!(
            found.count() * 10 > heads.len() * 9,
            "most requests have a route"
        );
        let parsed = (toy::parsed() - parsed) as usize;
        assert!(
            parsed * 2 < heads.len(),
            "attachments are parsed where routes need them"
        );
        let mut next = heads.iter().cycle();
        group.bench_with_input(BenchmarkId::new("index", size), &(), |bencher, ()| {
            bencher.iter(|| black_box(next.next().and_then(|head| table.find(head))));
        });
        group.bench_with_input(BenchmarkId::new("linear", size), &(), |bencher, ()| {
            bencher.iter(|| black_box(next.next().and_then(|head| table.find_linear(head))));
        });
    }
    group.finish();
}

criterion_group!(benches, routes);
criterion_main!(benches);
