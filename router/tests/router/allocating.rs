//! The data path allocates nothing.

use std::hint::black_box;

use allocation_counter::measure;
use sabir_core::name::Name;
use sabir_router::action::{ClusterId, Forward, Target};
use sabir_router::balancer::{LoadBalancer, Pick};
use sabir_router::cluster::{Cluster, Endpoint};
use sabir_router::matcher::Matcher;
use sabir_router::policy::LbPolicy;
use sabir_router::slots::EndpointId;
use sabir_router::split::WeightedSplit;
use sabir_router::table::RouteTable;
use sabir_router::value::{Case, Pattern, Sense, ValueMatcher};

use crate::scene::{LEAST_REQUEST, now};
use crate::toy;

/// Routes by service, by prefix, by regex, by attachment and in order.
fn routes() -> RouteTable<u32> {
    let service = |pattern| {
        let value = ValueMatcher::new(pattern, Case::Ignore, Sense::Positive).unwrap();
        (Name::new("service"), value)
    };
    let mut rows = Vec::new();
    for number in 0..200 {
        let text = format!("Service{}", number / 20);
        let values = match number % 4 {
            0 => vec![service(Pattern::Prefix(text.into()))],
            1 => vec![service(Pattern::Regex(format!("{text}[a-f]+")))],
            2 => vec![service(Pattern::Exact(text.into()))],
            _ => vec![service(Pattern::Contains(format!("{number}!").into()))],
        };
        let tenant = ValueMatcher::exact(number.to_string());
        let values = values.into_iter().chain([(Name::new("tenant"), tenant)]);
        rows.push((
            Matcher::new(values.collect(), Vec::new(), None).unwrap(),
            number,
        ));
    }
    RouteTable::new(rows)
}

#[test]
fn finding_a_route_and_a_target_allocates_nothing() {
    let routes = routes();
    let targets = [1, 2].map(|id| (Target::from(ClusterId(id)), 50)).to_vec();
    let forward = Forward::to(WeightedSplit::new(targets, vec![Name::new("tenant")]).unwrap());
    let requests = [
        ("service3", "62"),
        ("Service3abc", "61"),
        ("service3x", "60"),
        ("none", "1"),
    ];
    let heads = requests.map(|(service, tenant)| toy::request(service, "m", &[("tenant", tenant)]));
    let look_up = || {
        heads
            .each_ref()
            .map(|head| routes.find(head).map(|(_, number)| *number))
    };
    // Warms up the caches of the regular expressions, and looks often enough for the metadata to be
    // listed.
    for _ in 0..3 {
        assert_eq!(look_up(), [Some(62), Some(61), Some(60), None]);
    }
    let allocated = measure(|| {
        look_up();
        black_box(heads.each_ref().map(|head| forward.target(head, || 0)));
    });
    assert_eq!(allocated.count_total, 0);
}

#[test]
fn picking_an_endpoint_allocates_nothing() {
    for policy in [LbPolicy::RoundRobin, LEAST_REQUEST] {
        let endpoint = |port: u16| Endpoint {
            weight: u32::from(port),
            ..Endpoint::new(([127, 0, 0, 1], port).into())
        };
        let cluster = Cluster::new((1..100).map(endpoint).collect(), policy).unwrap();
        let mut balancer = LoadBalancer::new(&cluster, 0, now());
        let mut rng = fastrand::Rng::with_seed(1);
        let allocated = measure(|| {
            for down in 0..100 {
                let usable = |id: EndpointId| id.slot() >= down;
                let Some(id) = balancer.pick(Pick::default(), now(), usable, || rng.u64(..)) else {
                    assert_eq!(down, 99);
                    continue;
                };
                balancer.acquire(id);
                balancer.release(id);
            }
        });
        assert_eq!(allocated.count_total, 0, "{policy:?}");
    }
}
