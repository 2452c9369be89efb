//! Conditions that cannot be, and errors as a whole.

use std::path::Path;

use sabir_core::{filter, protocol};
use sabir_proxy::config::load::{self, LoadError};
use sabir_proxy::config::lower::Registries;

use crate::toy::{check, errors, with};

const ROUTE: &str = "route: {cluster: a}";

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn conditions_that_cannot_be() {
    let path = "listeners[0].route_configuration.routes[0].match";
    let on =
        |condition: &str| format!("{{{ROUTE}, match: {{metadata: {{service: {condition}}}}}}}");
    check(&[
        (
            ROUTE,
            &on("{}"),
            &format!(
                "f:7:48: {path}.metadata.service: one of exact, prefix, suffix, contains, regex, range, present, one_of is required"
            ),
        ),
        (
            ROUTE,
            &on("{prefix: ''}"),
            &format!(
                "f:7:66: {path}.metadata.service.prefix: an empty prefix matches every value; use present instead"
            ),
        ),
        (
            ROUTE,
            &on("{regex: 'a('}"),
            &format!(
                "f:7:65: {path}.metadata.service.regex: invalid regular expression: unclosed group"
            ),
        ),
        (
            ROUTE,
            &on("{regex: '(\\w{1000}){1000}'}"),
            &format!(
                "f:7:65: {path}.metadata.service.regex: invalid regular expression: Compiled regex exceeds size limit of 1048576 bytes."
            ),
        ),
        (
            ROUTE,
            &on("{range: {start: 5, end: 5}}"),
            &format!(
                "f:7:58: {path}.metadata.service.range: the range from 5 up to, but not including, 5 is empty"
            ),
        ),
        (
            ROUTE,
            &on("{one_of: {}}"),
            &format!("f:7:58: {path}.metadata.service.one_of: one_of needs at least one value"),
        ),
        (
            ROUTE,
            &on("{range: {end: 5}, ignore_case: true}"),
            &format!(
                "f:7:88: {path}.metadata.service.ignore_case: ignore_case has no meaning with range"
            ),
        ),
        (
            ROUTE,
            &on("{present: true, invert: true}"),
            &format!("f:7:81: {path}.metadata.service.invert: invert has no meaning with present"),
        ),
        (
            ROUTE,
            &format!("{{{ROUTE}, match: {{metadata: {{'': {{present: true}}}}}}}}"),
            &format!("f:7:48: {path}.metadata[\"\"]: required, but absent"),
        ),
    ]);
}

#[test]
fn conditions_nest_16_deep_and_no_deeper() {
    let nested = |levels: usize| {
        let (open, close) = ("not: {".repeat(levels - 1), "}".repeat(levels - 1));
        with(ROUTE, &format!("{{{ROUTE}, match: {{{open}{close}}}}}"))
    };
    crate::toy::resolve(&nested(16));
    let found = errors(&nested(17));
    let not = ".not".repeat(16);
    let expected = format!(
        "f:7:{}: listeners[0].route_configuration.routes[0].match{not}: conditions nest deeper than 16 levels",
        37 + 15 * "not: {".len()
    );
    assert_eq!(found, expected);
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_the_text() {
    let text = "clusters:
- name: a
  connect_timeout: 0s
  load_assignment: {endpoints: [{address: x}, {address: '10.0.0.1:1', weight: 0}]}
listeners:
- address: 127.0.0.1:1
  protocol: toy
  route_configuration:
    routes:
    - match:
        any_of:
        - metadata: {a: {regex: '['}, b: {exact: b}, c: {suffix: ''}}
        - not: {metadata: {d: {}}}
      route: {weighted_clusters: {clusters: [{name: b, weight: 0}]}, timeout: 1s}
      request_mutation: {set: {method: m}}
      filters: [{type: f}]
workers: 5000
";
    assert_eq!(
        errors(text),
        "f:3:20: clusters[0].connect_timeout: more than 0s is required
f:4:43: clusters[0].load_assignment.endpoints[0].address: \"x\" is not an IP address and port, such as 127.0.0.1:20880 or [::1]:20880; host names are not resolved
f:4:79: clusters[0].load_assignment.endpoints[1].weight: 0 is out of range; it can be from 1 to 65535
f:6:3: listeners[0].name: required, but absent
f:12:33: listeners[0].route_configuration.routes[0].match.any_of[0].metadata.a.regex: invalid regular expression: unclosed character class
f:12:66: listeners[0].route_configuration.routes[0].match.any_of[0].metadata.c.suffix: an empty suffix matches every value; use present instead
f:13:28: listeners[0].route_configuration.routes[0].match.any_of[1].not.metadata.d: one of exact, prefix, suffix, contains, regex, range, present, one_of is required
f:14:35: listeners[0].route_configuration.routes[0].route.weighted_clusters.clusters: the weights add up to zero
f:14:53: listeners[0].route_configuration.routes[0].route.weighted_clusters.clusters[0].name: there is no cluster `b`; did you mean `a`?
f:15:40: listeners[0].route_configuration.routes[0].request_mutation.set.method: `toy` cannot change `method` on requests: of the well-known names, it can change service, version
f:16:24: listeners[0].route_configuration.routes[0].filters[0].type: there is no filter type `f`; there are: example, fault, local_rate_limit, metadata, rbac
f:17:10: workers: 5000 is out of range; it can be from 0 to 1024"
    );
}

#[test]
fn the_schema_has_its_say_first() {
    assert_eq!(
        errors("listeners: [{nam: x, address: nowhere}]"),
        "f:1:14: listeners[0].nam: unknown field of Listener; did you mean `name`?"
    );
}

#[test]
fn a_file_that_is_not_there() {
    let registries = Registries {
        protocols: &protocol::Registry::default(),
        filters: &filter::Registry::default(),
    };
    let error = load::load(Path::new("/no/such.yaml"), &registries, None);
    let error = error.expect_err("there is no such file");
    assert!(matches!(error, LoadError::Read { .. }), "{error:?}");
    assert!(error.to_string().starts_with("/no/such.yaml: "), "{error}");
}

#[test]
fn a_flood_of_errors_is_cut() {
    let routes = "    - {}\n".repeat(2500);
    let text = format!(
        "listeners:\n- name: a\n  address: 127.0.0.1:1\n  protocol: toy\n  route_configuration:\n    routes:\n{routes}"
    );
    let found = errors(&text);
    assert_eq!(found.lines().count(), 1001);
    assert!(found.ends_with("\nand 1500 more"), "{found}");
}

#[test]
fn a_flood_of_wrong_names_takes_no_longer_than_it_must() {
    let clusters = (0..2000).map(|i| format!("- {{name: c{i}, protocol: toy}}\n"));
    let routes = (0..2000).map(|i| format!("  - route: {{cluster: d{i}}}\n"));
    let (clusters, routes) = (clusters.collect::<String>(), routes.collect::<String>());
    let found = errors(&format!(
        "clusters:\n{clusters}route_configurations:\n- name: r\n  routes:\n{routes}"
    ));
    let suggested = found.lines().filter(|line| line.contains("did you mean"));
    assert_eq!(suggested.count(), 100, "{found}");
}
