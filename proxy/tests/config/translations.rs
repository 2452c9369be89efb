//! Clusters that speak otherwise than the listeners that lead to them, with the protocols there are.

use sabir_proxy::config::load;
use sabir_proxy::config::lower::Registries;
use sabir_proxy::config::resolved::Snapshot;
use serde_json::{Value, json};

/// A listener with these fields that leads to a cluster with those, by a route with others.
fn text(listener: &str, route: &str, cluster: &str) -> String {
    format!(
        "listeners:
- name: in
  address: 127.0.0.1:1
  route_configuration: {{routes: [{{route: {{cluster: a}}{route}}}]}}
  {listener}
clusters:
- name: a
  {cluster}
"
    )
}

fn load(text: &str) -> Result<Snapshot, String> {
    let protocols = sabir_codecs::registry::built_in();
    let filters = sabir_filters::registry();
    let registries = Registries {
        protocols: &protocols,
        filters: &filters,
    };
    let loaded = load::parse("f", text.as_bytes(), &registries, None);
    loaded.map_err(|error| error.to_string())
}

/// What the cluster speaks, and with which options.
fn spoken(listener: &str, cluster: &str) -> (&'static str, Value) {
    let loaded = load(&text(listener, "", cluster));
    let snapshot = loaded.unwrap_or_else(|errors| panic!("{errors}"));
    let cluster = &snapshot.clusters[0];
    (cluster.protocol.name(), cluster.protocol_options.clone())
}

#[test]
fn a_cluster_of_thrift_may_have_a_transport_and_protocol_of_its_own() {
    let framed = json!({"transport": "framed", "protocol": "compact"});
    for (listener, own) in [
        ("protocol: thrift".to_owned(), json!({})),
        (
            format!("protocol: thrift\n  protocol_options: {framed}"),
            framed,
        ),
    ] {
        assert_eq!(spoken(&listener, ""), ("thrift", own));
        for transport in ["auto", "unframed", "framed", "header"] {
            for protocol in ["auto", "binary", "compact"] {
                let options = json!({"transport": transport, "protocol": protocol});
                let cluster = format!("protocol_options: {options}");
                assert_eq!(spoken(&listener, &cluster), ("thrift", options));
            }
        }
    }
}

#[test]
fn http_of_one_version_is_translated_into_the_other() {
    for (from, to) in [("http1", "http2"), ("http2", "http1")] {
        let cluster = format!("protocol: {to}");
        assert_eq!(
            spoken(&format!("protocol: {from}"), &cluster),
            (to, json!({}))
        );
    }
}

#[test]
fn what_nobody_translates_is_refused() {
    for (from, to) in [
        ("thrift", "dubbo"),
        ("dubbo", "thrift"),
        ("thrift", "motan2"),
        ("thrift", "http2"),
        ("http1", "thrift"),
        ("thrift", "tcp"),
        ("tcp", "thrift"),
    ] {
        let text = text(&format!("protocol: {from}"), "", &format!("protocol: {to}"));
        let expected = format!(
            "f:8:13: clusters[0].protocol: the endpoints speak `{to}`, but listeners[0], whose routes lead here, speaks `{from}`; sabir does not translate one into the other"
        );
        assert_eq!(load(&text).err(), Some(expected));
    }
}

#[test]
fn a_transport_of_thrift_that_does_not_exist_is_refused_where_it_stands() {
    for (options, problem) in [
        (
            "{transport: http}",
            "transport: not one of auto, framed, unframed, header",
        ),
        (
            "{protocol: json}",
            "protocol: not one of auto, binary, compact",
        ),
        ("{one_way: note}", "one_way: not a list of names"),
    ] {
        let options = format!("protocol_options: {options}");
        let of_cluster = load(&text("protocol: thrift", "", &options)).err();
        let expected = format!("f:8:3: clusters[0].protocol_options: {problem}");
        assert_eq!(of_cluster, Some(expected));
        let of_listener = format!("protocol: thrift\n  {options}");
        let of_listener = load(&text(&of_listener, "", "")).err();
        let expected = format!("f:6:3: listeners[0].protocol_options: {problem}");
        assert_eq!(of_listener, Some(expected));
    }
}

#[test]
fn pairs_are_changed_where_the_transport_of_the_listener_has_a_place_for_them() {
    let lane = ", request_mutation: {set: {lane: blue}}";
    let method = ", request_mutation: {set: {service: Demo, method: touch}}";
    for (transport, has_pairs) in [
        ("auto", true),
        ("header", true),
        ("framed", false),
        ("unframed", false),
    ] {
        let listener = format!("protocol: thrift\n  protocol_options: {{transport: {transport}}}");
        let renamed = load(&text(&listener, method, ""));
        assert!(renamed.is_ok(), "{transport}: {:?}", renamed.err());
        let changed = load(&text(&listener, lane, "")).err();
        assert_eq!(changed.is_none(), has_pairs, "{transport}: {changed:?}");
        assert!(changed.is_none_or(|errors| errors.contains("lane")));
    }
}

#[test]
fn pairs_are_changed_where_the_transport_of_the_cluster_has_a_place_for_them() {
    let lane = "{set: {lane: blue}}";
    let of_route = (
        format!(", request_mutation: {lane}"),
        "f:4:56: listeners[0].route_configuration.routes[0].request_mutation",
    );
    let of_filter = (
        format!(", filters: [{{type: metadata, config: {{request: {lane}}}}}]"),
        "f:4:83: listeners[0].route_configuration.routes[0].filters[0].config",
    );
    for (change, place) in [of_route, of_filter] {
        for (transport, has_pairs) in [
            ("auto", true),
            ("header", true),
            ("framed", false),
            ("unframed", false),
        ] {
            for listener in ["", "\n  protocol_options: {transport: header}"] {
                let listener = format!("protocol: thrift{listener}");
                let cluster = format!("protocol_options: {{transport: {transport}}}");
                let refused = load(&text(&listener, &change, &cluster)).err();
                let expected = (!has_pairs).then(|| {
                    format!("{place}: `thrift`, as the endpoints of `a` speak it, cannot change `lane` on requests: these carry no metadata of this kind")
                });
                assert_eq!(refused, expected, "{transport}");
            }
        }
    }
    let method = ", request_mutation: {set: {service: Demo, method: touch}}";
    let framed = "protocol_options: {transport: framed}";
    let renamed = load(&text("protocol: thrift", method, framed));
    assert!(renamed.is_ok(), "{:?}", renamed.err());
}

#[test]
fn a_change_that_neither_side_can_make_is_a_problem_once() {
    let framed = "protocol_options: {transport: framed}";
    let lane = ", request_mutation: {set: {lane: blue}}";
    let listener = format!("protocol: thrift\n  {framed}");
    let refused = load(&text(&listener, lane, framed)).err();
    let refused = refused.expect("no place for it");
    assert_eq!(refused.lines().count(), 1, "{refused}");
}

#[test]
fn a_filter_of_the_listener_may_change_what_routes_alone_look_at() {
    let filter = "filters: [{type: metadata, config: {request: {set: {lane: blue}}}}]";
    let listener = format!("protocol: thrift\n  {filter}");
    let framed = "protocol_options: {transport: framed}";
    let loaded = load(&text(&listener, "", framed));
    assert!(loaded.is_ok(), "{:?}", loaded.err());
}
