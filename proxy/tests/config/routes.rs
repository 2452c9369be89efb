//! Routes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sabir_core::bytes::Bytes;
use sabir_core::filter::{Context, Step};
use sabir_core::head::{Head, Kind};
use sabir_core::name::Name;
use sabir_core::outcome::Code;
use sabir_proxy::config::resolved::Snapshot;
use sabir_router::action::{Action, Forward};
use sabir_router::cluster::{Fallback, Subset};

use crate::toy::{BASE, check, resolve, with};

const ROUTE: &str = "route: {cluster: a}";

/// A request that carries these pairs.
fn request(pairs: &[(&str, &str)]) -> Head {
    let mut head = Head::new("toy", Kind::Request, Bytes::new(), |_, _| {});
    for (name, value) in pairs {
        head.add(&Name::new(name), value.as_bytes());
    }
    head
}

fn action(snapshot: &Snapshot, position: usize) -> &Action {
    let route = snapshot.listeners[0].routes.route(position);
    &route.expect("there are that many routes").rule.action
}

fn forward(snapshot: &Snapshot, position: usize) -> &Forward {
    match action(snapshot, position) {
        Action::Forward(forward) => forward,
        other => panic!("{other:?} forwards nothing"),
    }
}

#[test]
fn timeouts() {
    for (given, expected) in [
        ("", Some(15_000)),
        (", timeout: 2.5s", Some(2500)),
        (", timeout: 0s", None),
    ] {
        let snapshot = resolve(&with(ROUTE, &format!("route: {{cluster: a{given}}}")));
        let expected = expected.map(Duration::from_millis);
        assert_eq!(forward(&snapshot, 0).timeout, expected, "{given}");
    }
}

#[test]
fn requests_are_matched_and_changed() {
    let text = with(
        "- route: {cluster: a}",
        "- name: batch
      match: {metadata: {X-Job: {exact: 'YES', ignore_case: true}}}
      route: {cluster: a}
      request_mutation: {set: {Lane: batch}, remove: [x-debug]}
      response_mutation: {add: {by: sabir}}
    - direct_response: {status: denied}",
    );
    let snapshot = resolve(&text);
    let routes = &snapshot.listeners[0].routes;
    let (at, route) = routes.find(&request(&[("x-job", "yes")])).unwrap();
    assert_eq!((at, &*route.rule.name), (0, "batch"));
    let mut head = request(&[("x-debug", "1"), ("lane", "user")]);
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    let cx = Context::new(peer, peer, Instant::now());
    route.rule.request.apply(&mut head, &cx);
    assert_eq!(head.get(&Name::new("lane")), Some(&b"batch"[..]));
    assert_eq!(head.get(&Name::new("x-debug")), None);
    assert!(!route.rule.response.is_empty());
    assert_eq!(routes.find(&request(&[])).map(|(at, _)| at), Some(1));
}

#[test]
fn direct_responses_say_something() {
    for (given, code, message) in [
        ("{status: rate_limited}", Code::RateLimited, "rate limited"),
        (
            "{status: denied, message: go away}",
            Code::Denied,
            "go away",
        ),
    ] {
        let snapshot = resolve(&with(ROUTE, &format!("direct_response: {given}")));
        let Action::DirectResponse(reply) = action(&snapshot, 0) else {
            panic!("{given} is a direct response");
        };
        assert_eq!((reply.outcome.code, &*reply.message), (code, message));
    }
}

#[test]
fn the_nearest_fallback_counts_and_labels_add_up() {
    let text = with(
        "- route: {cluster: a}",
        "- route: {cluster: a, metadata_match: {lane: b}}
    - route: {cluster: a, metadata_match: {lane: b}, fallback_policy: ANY_ENDPOINT}
    - route:
        metadata_match: {lane: b, version: v1}
        fallback_policy: ANY_ENDPOINT
        weighted_clusters:
          clusters:
          - {name: a, weight: 0}
          - {name: a, weight: 1, metadata_match: {version: v2}, fallback_policy: NO_FALLBACK}",
    );
    let lb = "- name: a
  lb_subset_config: {fallback_policy: DEFAULT_SUBSET, default_subset: {lane: user}}";
    let snapshot = resolve(&text.replace("- name: a", lb));
    let balancing = &snapshot.clusters[0].balancing;
    assert_eq!(balancing.default_subset()["lane"], "user");
    let routes = (0..3).flat_map(|at| forward(&snapshot, at).targets().collect::<Vec<_>>());
    let ids: Vec<_> = routes.map(|target| target.subset.unwrap()).collect();
    let subset = |labels: &[(&str, &str)], fallback| {
        let labels = labels.iter().map(|&(k, v)| (k.to_owned(), v.to_owned()));
        let labels = labels.collect();
        Subset { labels, fallback }
    };
    let expected = [
        subset(&[("lane", "b")], Fallback::DefaultSubset),
        subset(&[("lane", "b")], Fallback::AnyEndpoint),
        subset(&[("lane", "b"), ("version", "v1")], Fallback::AnyEndpoint),
        subset(&[("lane", "b"), ("version", "v2")], Fallback::NoFallback),
    ];
    assert_eq!(balancing.subsets(), expected);
    let mut asked = balancing.clone();
    let known = expected.map(|s| asked.subset(s.labels, Some(s.fallback)));
    assert_eq!(ids, known);
}

#[test]
fn without_labels_any_endpoint_will_do() {
    let snapshot = resolve(BASE);
    let targets: Vec<_> = forward(&snapshot, 0).targets().collect();
    assert_eq!(targets.len(), 1);
    assert_eq!(targets[0].subset, None);
}

#[test]
fn a_filter_with_a_condition_sees_only_what_matches() {
    let filters = "protocol: toy
  filters:
  - type: metadata
    match: {metadata: {job: {present: true}}}
    config: {request: {set: {seen: '1'}}, response: {set: {seen: '1'}}}";
    let snapshot = resolve(&with("protocol: toy", filters));
    let chain = &snapshot.listeners[0].filters;
    for (pairs, seen) in [(&[][..], None), (&[("job", "")][..], Some(&b"1"[..]))] {
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut cx = Context::new(peer, peer, Instant::now());
        let mut head = request(pairs);
        let step = chain.on_request(0, &mut head, &mut cx);
        assert!(matches!(step, Step::Done), "{step:?}");
        assert_eq!(head.get(&Name::new("seen")), seen);
        let mut response = Head::new("toy", Kind::Response, Bytes::new(), |_, _| {});
        assert!(chain.on_response(1, &mut response, &mut cx).is_none());
        assert_eq!(response.get(&Name::new("seen")), seen);
    }
}

#[test]
fn routes_that_cannot_be() {
    check(&[
        (
            ROUTE,
            "{}",
            "f:7:7: listeners[0].route_configuration.routes[0]: one of route, direct_response is required",
        ),
        (
            ROUTE,
            "route: {}",
            "f:7:7: listeners[0].route_configuration.routes[0].route: one of cluster, weighted_clusters is required",
        ),
        (
            ROUTE,
            "route: {cluster: ''}",
            "f:7:24: listeners[0].route_configuration.routes[0].route.cluster: required, but absent",
        ),
        (
            ROUTE,
            "route: {cluster: A}",
            "f:7:24: listeners[0].route_configuration.routes[0].route.cluster: there is no cluster `A`; did you mean `a`?",
        ),
        (
            ROUTE,
            "direct_response: {}",
            "f:7:7: listeners[0].route_configuration.routes[0].direct_response.status: required, but absent",
        ),
        (
            ROUTE,
            "direct_response: {status: ok}",
            "f:7:33: listeners[0].route_configuration.routes[0].direct_response.status: `ok` cannot be: sabir has no answer of its own to give to a call that succeeded",
        ),
        (
            ROUTE,
            "direct_response: {status: deny}",
            "f:7:33: listeners[0].route_configuration.routes[0].direct_response.status: there is no status `deny`; there are: business_error, bad_request, not_found, unimplemented, unavailable, timed_out, overloaded, rate_limited, denied, cancelled, bad_response, internal",
        ),
        (
            ROUTE,
            "direct_response: {status: timedout}",
            "f:7:33: listeners[0].route_configuration.routes[0].direct_response.status: there is no status `timedout`; did you mean `timed_out`?",
        ),
        (
            ROUTE,
            "{direct_response: {status: denied}, filters: [{type: a}]}",
            "f:7:60: listeners[0].route_configuration.routes[0].filters[0].type: there is no filter type `a`; there are: example, fault, local_rate_limit, metadata, rbac",
        ),
    ]);
    let long = format!(
        "direct_response: {{status: denied, message: {}}}",
        "x".repeat(4097)
    );
    check(&[(
        ROUTE,
        &long,
        "f:7:50: listeners[0].route_configuration.routes[0].direct_response.message: 4097 bytes, more than 4096",
    )]);
}

#[test]
fn splits_that_cannot_be() {
    let split = |clusters: &str| format!("route: {{weighted_clusters: {{clusters: {clusters}}}}}");
    let path = "listeners[0].route_configuration.routes[0].route.weighted_clusters";
    check(&[
        (
            ROUTE,
            "route: {weighted_clusters: {}}",
            &format!("f:7:15: {path}.clusters: at least one is required"),
        ),
        (
            ROUTE,
            &split("[{name: a, weight: 0}]"),
            &format!("f:7:35: {path}.clusters: the weights add up to zero"),
        ),
        (
            ROUTE,
            &split("[{name: a, weight: 4294967295}, {name: a, weight: 1}]"),
            &format!(
                "f:7:35: {path}.clusters: the weights add up to 4294967296, more than 4294967295"
            ),
        ),
        (
            ROUTE,
            &split("[{name: a}, {weight: 1}, {name: aa, weight: 1}]"),
            &format!(
                "f:7:46: {path}.clusters[0].weight: required, but absent\nf:7:57: {path}.clusters[1].name: required, but absent\nf:7:77: {path}.clusters[2].name: there is no cluster `aa`; did you mean `a`?"
            ),
        ),
        (
            ROUTE,
            "route: {weighted_clusters: {clusters: [{name: a, weight: 1}], hash_key: ['']}}",
            &format!("f:7:80: {path}.hash_key[0]: required, but absent"),
        ),
    ]);
}

#[test]
fn values_with_operators_that_cannot_be_understood() {
    let path = "listeners[0].route_configuration.routes[0]";
    let set = |field: &str, changes: &str| format!("{{{ROUTE}, {field}: {{{changes}}}}}");
    check(&[
        (
            ROUTE,
            &set("request_mutation", "append: {x: 'a %NOPE%'}"),
            &format!(
                "f:7:60: {path}.request_mutation.append.x: unknown operator %NOPE% at offset 2"
            ),
        ),
        (
            ROUTE,
            &set("response_mutation", "set: {x: '%REQ(a)%'}"),
            &format!(
                "f:7:58: {path}.response_mutation.set.x: %REQ% says nothing of responses at offset 0"
            ),
        ),
    ]);
}

#[test]
fn changes_that_the_protocol_cannot_make() {
    let path = "listeners[0].route_configuration.routes[0]";
    let set = |field: &str, changes: &str| format!("{{{ROUTE}, {field}: {{{changes}}}}}");
    let request = |changes: &str| set("request_mutation", changes);
    let response = |changes: &str| set("response_mutation", changes);
    check(&[
        (
            ROUTE,
            &request("set: {method: x}"),
            &format!(
                "f:7:62: {path}.request_mutation.set.method: `toy` cannot change `method` on requests: of the well-known names, it can change service, version"
            ),
        ),
        (
            ROUTE,
            &request("add: {Protocol: x}"),
            &format!(
                "f:7:64: {path}.request_mutation.add.Protocol: `toy` cannot change `protocol` on requests: it is the name of the codec itself"
            ),
        ),
        (
            ROUTE,
            &request("remove: [a, group]"),
            &format!(
                "f:7:60: {path}.request_mutation.remove[1]: `toy` cannot change `group` on requests: of the well-known names, it can change service, version"
            ),
        ),
        (
            ROUTE,
            &response("add_if_absent: {service: x}"),
            &format!(
                "f:7:74: {path}.response_mutation.add_if_absent.service: `toy` cannot change `service` on responses: these have no service, method and the like"
            ),
        ),
        (
            ROUTE,
            &request("set: {x: '1', X: '2'}"),
            &format!(
                "f:7:57: {path}.request_mutation.set.x: `x` is already taken by {path}.request_mutation.set.X"
            ),
        ),
        (
            ROUTE,
            &request("remove: ['']"),
            &format!("f:7:57: {path}.request_mutation.remove[0]: required, but absent"),
        ),
    ]);
    let plain = BASE
        .replace("toy", "plain")
        .replace(ROUTE, &response("set: {x: '1'}"));
    let expected = format!(
        "f:7:58: {path}.response_mutation.set.x: `plain` cannot change `x` on responses: these carry no metadata of this kind"
    );
    assert_eq!(crate::toy::errors(&plain), expected);
}

#[test]
fn filters_of_routes_count_with_those_of_their_listener() {
    let chain = |count: usize| {
        let filters = (0..count).map(|i| format!("{{type: example, name: n{i}}},"));
        format!("filters: [{}]", filters.collect::<String>())
    };
    let text = |of_route| {
        with("protocol: toy", &format!("protocol: toy\n  {}", chain(60)))
            .replace(ROUTE, &format!("{ROUTE}\n      {}", chain(of_route)))
    };
    let snapshot = resolve(&text(4));
    let routes = &snapshot.listeners[0].routes;
    assert_eq!(routes.route(0).map(|route| route.filters.len()), Some(4));
    assert_eq!(
        crate::toy::errors(&text(5)),
        "f:9:7: listeners[0].route_configuration.routes[0].filters: 65 filters, those of the listener among them; there can be 64"
    );
}
