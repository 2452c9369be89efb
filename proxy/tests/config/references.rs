//! Names that refer to something, and what a cluster learns from those who refer to it.

use serde_json::json;

use crate::toy::{BASE, errors, resolve};

fn listener(name: &str, port: u16, protocol: &str, rest: &str) -> String {
    format!("- {{name: {name}, address: '127.0.0.1:{port}', protocol: {protocol}, {rest}}}\n")
}

const TO_A: &str = "route_configuration: {routes: [{route: {cluster: a}}]}";

#[test]
fn names_and_addresses_are_unique() {
    let text = "listeners:
- {name: in, address: 127.0.0.1:1, protocol: toy, route_configuration_name: r}
- {name: in, address: 127.0.0.1:1, protocol: toy, route_configuration_name: r}
route_configurations:
- {name: r, routes: [{name: x, route: {cluster: a}}, {name: x, route: {cluster: a}}]}
- {name: r, routes: [{route: {cluster: b}}]}
- {}
clusters:
- {name: a}
- {name: a}
";
    assert_eq!(
        errors(text),
        "f:3:10: listeners[1].name: `in` is already taken by listeners[0]
f:3:23: listeners[1].address: `127.0.0.1:1` is already taken by listeners[0]
f:5:61: route_configurations[0].routes[1].name: `x` is already taken by route_configurations[0].routes[0]
f:6:10: route_configurations[1].name: `r` is already taken by route_configurations[0]
f:6:40: route_configurations[1].routes[0].route.cluster: there is no cluster `b`; did you mean `a`?
f:7:3: route_configurations[2].name: required, but absent
f:10:10: clusters[1].name: `a` is already taken by clusters[0]"
    );
}

#[test]
fn port_0_is_another_one_each_time() {
    let a = listener("a", 0, "toy", TO_A);
    let b = listener("b", 0, "toy", TO_A);
    let snapshot = resolve(&format!("listeners:\n{a}{b}clusters: [{{name: a}}]"));
    assert_eq!(snapshot.listeners.len(), 2);
}

#[test]
fn routes_have_to_be_somewhere() {
    let text = "listeners:
- {name: a, address: 127.0.0.1:1, protocol: toy}
- {name: b, address: 127.0.0.1:2, protocol: toy, route_configuration_name: userz}
route_configurations: [{name: users}, {name: orders}]";
    assert_eq!(
        errors(text),
        "f:2:3: listeners[0]: one of route_configuration_name, route_configuration is required
f:3:76: listeners[1].route_configuration_name: there is no route configuration `userz`; did you mean `users`?"
    );
}

#[test]
fn a_table_that_several_listeners_use_has_its_problems_once() {
    let text = "listeners:
- {name: a, address: 127.0.0.1:1, protocol: toy, route_configuration_name: r}
- {name: b, address: 127.0.0.1:2, protocol: plain, route_configuration_name: r}
route_configurations:
- name: r
  routes:
  - route: {cluster: none}
    request_mutation: {set: {x: '1'}}";
    assert_eq!(
        errors(text),
        "f:7:22: route_configurations[0].routes[0].route.cluster: there is no cluster `none`
f:8:33: route_configurations[0].routes[0].request_mutation.set.x: `plain` cannot change `x` on requests: these carry no metadata of this kind"
    );
}

#[test]
fn a_table_that_nobody_uses_is_checked_too() {
    let text = "route_configurations: [{name: r, routes: [{}]}]";
    assert_eq!(
        errors(text),
        "f:1:43: route_configurations[0].routes[0]: one of route, direct_response is required"
    );
}

#[test]
fn a_cluster_speaks_what_the_listeners_do_that_lead_to_it() {
    let text = format!(
        "listeners:\n{}{}clusters: [{{name: b, protocol: plain}}, {{name: a}}]",
        listener(
            "p",
            1,
            "plain",
            "route_configuration: {routes: [{route: {cluster: b}}]}"
        ),
        listener(
            "t",
            2,
            "toy",
            &format!("protocol_options: {{level: 4}}, {TO_A}")
        ),
    );
    let snapshot = resolve(&text);
    let names = snapshot.clusters.iter().map(|c| c.protocol.name());
    assert!(names.eq(["plain", "toy"]));
    assert_eq!(snapshot.clusters[1].protocol_options, json!({"level": 4}));
}

#[test]
fn listeners_that_lead_to_a_cluster_agree_on_what_it_speaks() {
    let first = listener(
        "x",
        1,
        "toy",
        &format!("protocol_options: {{level: 4}}, {TO_A}"),
    );
    let plain = listener("y", 2, "plain", TO_A);
    let toy = listener("y", 2, "toy", TO_A);
    assert_eq!(
        errors(&format!("listeners:\n{first}{plain}clusters:\n- name: a")),
        "f:5:3: clusters[0].protocol: the endpoints speak `toy`, but listeners[1], whose routes lead here, speaks `plain`; sabir does not translate one into the other"
    );
    assert_eq!(
        errors(&format!("listeners:\n{first}{toy}clusters:\n- name: a")),
        "f:5:3: clusters[0].protocol_options: required, because listeners[0] and listeners[1], whose routes lead here, have different protocol_options"
    );
    let text = format!("listeners:\n{first}{toy}clusters: [{{name: a, protocol_options: {{}}}}]");
    assert_eq!(resolve(&text).clusters[0].protocol_options, json!({}));
}

#[test]
fn a_cluster_that_no_route_leads_to_speaks_what_all_listeners_do() {
    let spare = format!("{BASE}- name: spare\n");
    assert_eq!(resolve(&spare).clusters[1].protocol.name(), "toy");
    let plain = listener("p", 1, "plain", "route_configuration: {}");
    let two = spare.replace("listeners:\n", &format!("listeners:\n{plain}"));
    assert_eq!(
        errors(&two),
        "f:12:3: clusters[1].protocol: required, because no route leads here and the listeners do not all speak the same protocol"
    );
    let said = resolve(&format!("{two}  protocol: plain\n"));
    assert_eq!(said.clusters[1].protocol.name(), "plain");
}

#[test]
fn what_a_wrong_listener_would_have_said_is_not_held_against_its_cluster() {
    let text = BASE.replace("protocol: toy", "protocol: grpc");
    assert_eq!(errors(&text).lines().count(), 1, "{}", errors(&text));
}
