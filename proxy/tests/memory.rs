//! What a configuration takes in memory once it is in force.

use std::fmt::Write as _;

use sabir_proto::yaml;
use sabir_proxy::config::lower::{Registries, lower};
use sabir_proxy::config::resolved::Snapshot;

/// Routes by service and method to one cluster.
fn configuration(routes: usize) -> String {
    let mut text = "\
clusters: [{name: echo, load_assignment: {endpoints: [{address: 127.0.0.1:1}]}}]
listeners:
- name: bench
  address: 127.0.0.1:0
  protocol: dubbo
  route_configuration:
    routes:
"
    .to_owned();
    for i in 0..routes {
        writeln!(
            text,
            "    - {{name: r{i}, match: {{metadata: {{service: {{exact: com.example.bench.EchoService{i:06}}}, \
             method: {{exact: echo}}}}}}, route: {{cluster: echo}}}}"
        )
        .expect("a string takes any text");
    }
    text
}

/// Bytes of the heap that the configuration takes when all else is gone, and at most meanwhile.
fn taken(routes: usize) -> (i64, u64) {
    let text = configuration(routes);
    let (bootstrap, _) = yaml::parse("sabir.yaml", text.as_bytes()).expect("follows the schema");
    let registries = Registries {
        protocols: &sabir_codecs::registry::built_in(),
        filters: &sabir_filters::registry(),
    };
    let mut kept: Option<Snapshot> = None;
    let taken = allocation_counter::measure(|| {
        kept = Some(lower(&bootstrap, &registries, None).expect("can work"));
    });
    (taken.bytes_current, taken.bytes_max)
}

#[test]
fn a_route_takes_little_memory() {
    const ROUTES: usize = 10_000;
    let (few, _) = taken(10);
    let (many, most) = taken(10 + ROUTES);
    let each = (many - few) / ROUTES as i64;
    let meanwhile = (most as i64 - few) / ROUTES as i64;
    assert!(
        each < 1000,
        "{each} bytes a route, {meanwhile} while it is loaded"
    );
    assert!(
        meanwhile < 1600,
        "{meanwhile} bytes a route while it is loaded"
    );
}
