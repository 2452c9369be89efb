//! What files are refused for, with the exact place of each fault.

use super::{ErrorKind, Errors, MAX_BYTES, MAX_DEPTH, MAX_NODES, parse, parse_message};
use crate::config::v1::{Bootstrap, Cluster, Match, cluster::LbPolicy};

fn read(text: &str) -> Bootstrap {
    parse("f", text.as_bytes()).expect("a good file").0
}

fn errors(text: &str) -> Errors {
    parse("f", text.as_bytes())
        .map(|_| ())
        .expect_err("a bad file")
}

/// The text has exactly these faults.
#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    let lines: Vec<String> = errors(text).iter().map(ToString::to_string).collect();
    assert_eq!(lines, expected);
}

#[test]
fn unknown_fields_are_refused_with_a_suggestion() {
    refused(
        "listeners:\n- name: a\n  max_conections: 5\n  zzz: 1\nClusters: []\n",
        &[
            "f:3:3: listeners[0].max_conections: unknown field of Listener; did you mean `max_connections`?",
            "f:4:3: listeners[0].zzz: unknown field of Listener",
            "f:5:1: Clusters: unknown field of Bootstrap; did you mean `clusters`?",
        ],
    );
}

#[test]
fn names_kept_for_later_are_refused_as_such() {
    refused(
        "clusters:\n- name: a\n  health_checks: {}\n",
        &["f:3:3: clusters[0].health_checks: not supported by this version of sabir"],
    );
    refused(
        "clusters: [{load_assignment: {endpoints: [{health_status: TIMEOUT}]}}]",
        &[
            "f:1:59: clusters[0].load_assignment.endpoints[0].health_status: \"TIMEOUT\" is none of \
             UNKNOWN, HEALTHY, UNHEALTHY, DRAINING, DEGRADED",
        ],
    );
}

#[test]
fn duplicate_keys_are_refused_in_messages_maps_and_free_form() {
    refused(
        "workers: 1\nworkers: 2\n",
        &["f:2:1: workers: duplicate key; first on line 1, column 1"],
    );
    refused(
        "listeners:\n- idle_timeout: 1s\n  idleTimeout: 2s\n",
        &["f:3:3: listeners[0].idle_timeout: duplicate key; first on line 2, column 3"],
    );
    refused(
        "clusters: [{load_assignment: {endpoints: [{labels: {a: x, \"a\": y}}]}}]",
        &[
            "f:1:59: clusters[0].load_assignment.endpoints[0].labels.a: \
           duplicate key; first on line 1, column 53",
        ],
    );
    refused(
        "listeners:\n- protocol_options:\n    a: {b: 1, b: 2}\n",
        &["f:3:15: listeners[0].protocol_options.a.b: duplicate key; first on line 3, column 9"],
    );
}

#[test]
fn wrong_types_are_refused() {
    refused(
        "node: 5\nadmin: [1]\nlisteners: {}\nworkers: [1]\n",
        &[
            "f:1:7: node: expected a mapping, found a number",
            "f:2:8: admin: expected a mapping, found a list",
            "f:3:12: listeners: expected a list, found a mapping",
            "f:4:10: workers: expected a whole number, found a list",
        ],
    );
    refused(
        "listeners:\n- name: 5\n  protocol: true\n  address: {}\n- null\n",
        &[
            "f:2:9: listeners[0].name: expected a string, found a number; put it in quotes",
            "f:3:13: listeners[0].protocol: expected a string, found a boolean; put it in quotes",
            "f:4:12: listeners[0].address: expected a string, found a mapping",
            "f:5:3: listeners[1]: expected a mapping, found null",
        ],
    );
}

#[test]
fn map_values_are_checked_and_placed() {
    refused(
        "route_configurations:\n- routes:\n  - match:\n      metadata:\n        org.x: {present: yes}\n        b: 7\n",
        &[
            "f:5:26: route_configurations[0].routes[0].match.metadata[\"org.x\"].present: \
             expected a boolean, found a string; write true or false, without quotes",
            "f:6:12: route_configurations[0].routes[0].match.metadata.b: \
             expected a mapping, found a number",
        ],
    );
    refused(
        "clusters: [{lb_subset_config: {default_subset: {a: , b: 1}}}]",
        &[
            "f:1:50: clusters[0].lb_subset_config.default_subset.a: expected a string, found null",
            "f:1:57: clusters[0].lb_subset_config.default_subset.b: \
             expected a string, found a number; put it in quotes",
        ],
    );
}

#[test]
fn numbers_out_of_range_are_refused() {
    refused(
        "workers: -1\nlisteners:\n- max_connections: 4294967296\n  max_message_bytes: 1.5\n",
        &[
            "f:1:10: workers: -1 is out of range; it can be from 0 to 4294967295",
            "f:3:20: listeners[0].max_connections: 4294967296 is out of range; it can be from 0 to 4294967295",
            "f:4:22: listeners[0].max_message_bytes: 1.5 is not a whole number",
        ],
    );
    let range =
        "{metadata: {n: {range: {start: \"-9223372036854775808\", end: 9223372036854775808}}}}";
    let error = parse_message::<Match>("f", range.as_bytes()).expect_err("the end is too large");
    assert_eq!(
        error.to_string(),
        "f:1:61: metadata.n.range.end: 9223372036854775808 is out of range; \
         it can be from -9223372036854775808 to 9223372036854775807"
    );
}

#[test]
fn free_form_numbers_are_exact_or_refused() {
    refused(
        "listeners: [{protocol_options: {a: 9007199254740993, b: [.nan]}}]",
        &[
            "f:1:36: listeners[0].protocol_options.a: 9007199254740993 cannot be kept exactly; \
             write it as a string",
            "f:1:58: listeners[0].protocol_options.b[0]: NaN cannot be kept exactly; write it as a string",
        ],
    );
}

#[test]
fn durations_are_refused_with_their_form() {
    refused(
        "drain_timeout: 5\nlisteners:\n- idle_timeout: 300ms\n  first_message_timeout: -1s\n",
        &[
            "f:1:16: drain_timeout: expected a duration, found a number; write seconds, with an s: \"1.5s\"",
            "f:3:17: listeners[0].idle_timeout: \"300ms\" is not a duration; write seconds, with an s: \"1.5s\"",
            "f:4:26: listeners[0].first_message_timeout: a duration cannot be negative",
        ],
    );
}

#[test]
fn one_member_of_a_oneof() {
    refused(
        "listeners:\n- route_configuration_name: a\n  route_configuration: {}\n",
        &[
            "f:3:3: listeners[0].route_configuration: `route_configuration_name` is already given on \
           line 2, column 3; only one of route_configuration_name, route_configuration can be",
        ],
    );
    // A null is no member, and optional fields are no oneofs.
    read(
        "listeners:\n- route_configuration_name: a\n  route_configuration: null\n  max_connections: 1\n  max_message_bytes: 1\n",
    );
}

#[test]
fn enum_values_go_by_name() {
    refused(
        "clusters:\n- lb_policy: round_robin\n- lb_policy: 1\n- connection_pool: {mode: X}\n",
        &[
            "f:2:14: clusters[0].lb_policy: \"round_robin\" is none of ROUND_ROBIN, LEAST_REQUEST, \
             RING_HASH, RANDOM, MAGLEV, PEAK_EWMA; \
             did you mean `ROUND_ROBIN`?",
            "f:3:14: clusters[1].lb_policy: expected a name, found a number",
            "f:4:27: clusters[2].connection_pool.mode: \"X\" is none of AUTO, MULTIPLEXED, EXCLUSIVE, BOUND",
        ],
    );
}

#[test]
fn text_that_is_not_yaml_is_refused_where_it_breaks() {
    let error = errors("listeners:\n- name: \"a\n")
        .into_iter()
        .next()
        .expect("one error");
    assert!(matches!(error.kind, ErrorKind::Syntax { .. }), "{error}");
    assert_eq!(errors("a: b: c\n").iter().count(), 1);
    refused(
        "a: *nobody\n",
        &["f:1:4: not valid YAML: while parsing node, found unknown anchor"],
    );
}

#[test]
fn bytes_that_are_not_utf8_are_refused_where_they_are() {
    let error = parse("f", b"# \xc3\xa9\nnode: {id: \xff}")
        .map(|_| ())
        .expect_err("not UTF-8");
    assert_eq!(error.to_string(), "f:2:12: not UTF-8");
}

#[test]
fn a_file_is_one_document_with_something_in_it() {
    let empty = "f:1:1: the file is empty; `{}` says that nothing is configured";
    for text in ["", "# nothing\n", "---\n", "null", "\u{feff}"] {
        refused(text, &[empty]);
    }
    refused(
        "workers: 1\n---\nworkers: 2\n",
        &["f:2:1: a second document begins here; a configuration is one document"],
    );
    refused("just text", &["f:1:1: expected a mapping, found a string"]);
    assert_eq!(read("{}"), Bootstrap::default());
    assert_eq!(read("\u{feff}workers: 3\n...\n").workers, 3);
}

#[test]
fn keys_are_strings() {
    refused(
        "? [a]\n: 1\n? {b: 1}\n: 2\n<<: {}\n!x c: 1\n",
        &[
            "f:1:3: a key is a string, but this is a list",
            "f:3:3: a key is a string, but this is a mapping",
            "f:5:1: merge keys are not part of YAML 1.2; give the whole value, or an alias of it",
            "f:6:1: the tag !x is not supported",
        ],
    );
}

#[test]
fn tags_say_what_a_value_is_or_are_refused() {
    assert_eq!(
        read("!!map {node: {id: !!str 5}}").node.expect("a node").id,
        "5"
    );
    refused(
        "node: {id: !!binary aGk=}\nadmin: !x {address: a}\nlisteners: !!set {}\n",
        &[
            "f:1:12: node.id: the tag !!binary is not supported",
            "f:2:8: admin: the tag !x is not supported",
            "f:3:12: listeners: the tag !!set is not supported",
        ],
    );
}

#[test]
fn aliases_stand_for_their_value() {
    let bootstrap = read(
        "clusters:\n- &a {name: x, connect_timeout: &t 1s}\n- *a\n- {name: y, connect_timeout: *t}\n",
    );
    assert_eq!(bootstrap.clusters[0], bootstrap.clusters[1]);
    assert_eq!(
        bootstrap.clusters[0].connect_timeout,
        bootstrap.clusters[2].connect_timeout
    );
    // The text at fault is where the anchor is; the paths say where it counts.
    refused(
        "clusters:\n- &a {nme: x}\n- *a\n",
        &[
            "f:2:7: clusters[0].nme: unknown field of Cluster; did you mean `name`?",
            "f:2:7: clusters[1].nme: unknown field of Cluster; did you mean `name`?",
        ],
    );
    refused(
        "node: &a {id: *a}\n",
        &["f:1:15: an alias of the value it is part of"],
    );
}

#[test]
fn a_billion_laughs_are_not_laughed() {
    let mut text =
        String::from("listeners: [{protocol_options: {a0: &a0 [x, x, x, x, x, x, x, x, x, x],\n");
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!(" a{level}: &a{level} [{aliases}],\n"));
    }
    text.push_str(" }}]\n");
    let error = errors(&text).into_iter().next().expect("one error");
    assert_eq!(error.kind, ErrorKind::TooManyNodes { limit: MAX_NODES });
}

#[test]
fn depth_is_bounded_also_through_aliases() {
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!("listeners: [{{protocol_options: {{a: {open}{close}}}}}]")
    };
    read(&nested(MAX_DEPTH - 4));
    let expected = format!(
        "f:1:{}: lists and mappings are nested more than 32 deep",
        36 + MAX_DEPTH - 4
    );
    refused(&nested(MAX_DEPTH - 3), &[&expected]);
    assert_eq!(errors(&nested(1_000_000)).iter().count(), 1);
    let half = "[".repeat(16) + &"]".repeat(16);
    let text = format!(
        "listeners: [{{protocol_options: {{a: &a {half}, b: [[[[[[[[[[[[[*a]]]]]]]]]]]]]}}}}]"
    );
    assert_eq!(
        errors(&text).into_iter().next().expect("one error").kind,
        ErrorKind::TooDeep { limit: 32 }
    );
}

#[test]
fn the_deepest_file_still_fits_the_wire_format() {
    let levels = MAX_DEPTH - 3;
    let (open, close) = ("{a: ".repeat(levels), "}".repeat(levels));
    read(&format!(
        "listeners: [{{protocol_options: {open}1{close}}}]"
    ));
    let levels = (MAX_DEPTH - 1) / 2;
    let (open, close) = ("{any_of: [".repeat(levels), "]}".repeat(levels));
    parse_message::<Match>("f", format!("{open}{{}}{close}").as_bytes()).expect("a deep match");
}

#[test]
fn size_is_bounded() {
    let error = parse("f", &vec![b'#'; MAX_BYTES + 1])
        .map(|_| ())
        .expect_err("too large");
    assert_eq!(
        error.to_string(),
        "f:1:1: the file has 67108865 bytes, more than 67108864"
    );
}

#[test]
fn errors_beyond_the_limit_are_counted() {
    let text = "listeners:\n".to_owned() + &"- 5\n".repeat(Errors::LIMIT + 7);
    let errors = errors(&text);
    assert_eq!(errors.iter().count(), Errors::LIMIT);
    assert_eq!(errors.omitted(), 7);
    assert!(errors.to_string().ends_with("\nand 7 more"));
}

#[test]
fn columns_count_characters() {
    refused(
        "node: {id: \"héé\", clustr: x}\r\nworkers: x\r\n",
        &[
            "f:1:19: node.clustr: unknown field of Node; did you mean `cluster`?",
            "f:2:10: workers: expected a whole number, found a string",
        ],
    );
}

#[test]
fn both_spellings_and_quoted_numbers_are_read() {
    let bootstrap =
        read("drainTimeout: 0.25s\nworkers: \"4\"\nroute_configurations: [{name: r}]\n");
    assert_eq!(bootstrap.drain_timeout.expect("given").nanos, 250_000_000);
    assert_eq!(bootstrap.workers, 4);
    assert_eq!(bootstrap.route_configurations[0].name, "r");
}

#[test]
fn a_single_message_is_read() {
    let (cluster, _) =
        parse_message::<Cluster>("f", b"{name: a, lb_policy: LEAST_REQUEST}").expect("good");
    assert_eq!(cluster.lb_policy(), LbPolicy::LeastRequest);
}

#[test]
fn positions_are_found_by_path() {
    let text = "listeners:\n- name: a\n  idleTimeout: 5s\n  filters:\n  - type: x\n  protocol_options:\n    a.b: {c: 1}\n";
    let (_, source) = parse("f", text.as_bytes()).expect("a good file");
    let places = [
        ("", "1:1"),
        ("listeners", "1:1"),
        ("listeners[0]", "2:3"),
        ("listeners[0].name", "2:9"),
        ("listeners[0].idle_timeout", "3:16"),
        ("listeners[0].filters", "4:3"),
        ("listeners[0].filters[0].type", "5:11"),
        ("listeners[0].protocol_options[\"a.b\"]", "7:5"),
        ("listeners[0].protocol_options[\"a.b\"].c", "7:14"),
        // Not there: the nearest parent is.
        ("listeners[0].address", "2:3"),
        ("listeners[0].filters[3].type", "4:3"),
        ("clusters[0].name", "1:1"),
    ];
    for (path, place) in places {
        assert_eq!(source.position(path).to_string(), place, "{path}");
    }
    assert_eq!(source.locate("listeners[0].name").to_string(), "f:2:9");
}
