//! Listeners and what counts for the whole process.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;
use std::time::Duration;

use sabir_proxy::config::resolved::Accept;
use serde_json::json;

use crate::toy::{BASE, check, resolve, with};

#[test]
fn defaults_are_those_of_the_schema() {
    let snapshot = resolve(BASE);
    assert_eq!(snapshot.drain_timeout, Duration::from_secs(30));
    assert_eq!(snapshot.startup.admin, None);
    assert_eq!(snapshot.startup.workers, available_parallelism().unwrap());
    let listener = &snapshot.listeners[0];
    assert_eq!(&*listener.name, "in");
    assert_eq!(listener.protocol.name(), "toy");
    assert_eq!(listener.protocol_options, json!({}));
    assert_eq!(listener.bounds.idle_timeout, Some(Duration::from_secs(300)));
    assert_eq!(
        listener.bounds.first_message_timeout,
        Some(Duration::from_secs(120))
    );
    assert_eq!(listener.bounds.limits.max_message_bytes, 8 << 20);
    assert_eq!(listener.bounds.limits.keepalive, None);
    assert_eq!(listener.bounds.max_connections, 65_536);
    assert_eq!(listener.bounds.max_streams, 1024);
    assert_eq!(listener.bounds.buffer_limit, 1 << 20);
    assert_eq!(listener.accept, Accept::ReusePort);
    assert!(listener.access_log.is_empty() && listener.filters.is_empty());
}

#[test]
fn what_is_given_counts() {
    let given = "protocol: toy
  protocol_options: {level: 3}
  idle_timeout: 0s
  first_message_timeout: 1.5s
  max_connections: 1
  max_concurrent_streams: 2
  max_message_bytes: 1024
  per_connection_buffer_limit_bytes: 2048
  accept_mode: ROUND_ROBIN
  access_log: [{path: /dev/stdout}, {path: b, json_format: {m: '%METADATA(method)%'}}]";
    let text = with("protocol: toy", given);
    let (listeners, clusters) = text.split_once("clusters:").unwrap();
    let bootstrap = "admin: {}\nworkers: 3\ndrain_timeout: 0s\nnode: {id: i, cluster: c}\n";
    let snapshot = resolve(&format!("{bootstrap}{listeners}clusters:{clusters}"));
    assert_eq!(snapshot.drain_timeout, Duration::ZERO);
    assert_eq!(snapshot.startup.admin, Some(([127, 0, 0, 1], 9901).into()));
    assert_eq!(snapshot.startup.workers, NonZeroUsize::new(3).unwrap());
    assert_eq!(&*snapshot.startup.node_id, "i");
    assert_eq!(&*snapshot.startup.node_cluster, "c");
    assert_eq!(
        serde_json::to_value(&snapshot.dump).unwrap()["listeners"][0]["idle_timeout"],
        json!("0s")
    );
    let listener = &snapshot.listeners[0];
    // A whole number, although free-form data has no integers.
    assert_eq!(listener.protocol_options, json!({"level": 3}));
    assert_eq!(listener.bounds.idle_timeout, None);
    assert_eq!(
        listener.bounds.first_message_timeout,
        Some(Duration::from_millis(1500))
    );
    assert_eq!(
        (listener.bounds.max_connections, listener.bounds.max_streams),
        (1, 2)
    );
    assert_eq!(listener.bounds.limits.max_message_bytes, 1024);
    assert_eq!(listener.bounds.buffer_limit, 2048);
    assert_eq!(listener.accept, Accept::RoundRobin);
    let paths = listener.access_log.iter().map(|log| &*log.path);
    assert!(paths.eq(["/dev/stdout", "b"]));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn listeners_that_cannot_be() {
    let address = "is not an IP address and port, such as 127.0.0.1:20880 or [::1]:20880; host names are not resolved";
    check(&[
        (
            "name: in",
            "name: ''",
            "f:2:9: listeners[0].name: required, but absent",
        ),
        (
            "name: in\n  ",
            "",
            "f:2:3: listeners[0].name: required, but absent",
        ),
        (
            "127.0.0.1:20880",
            "''",
            "f:3:12: listeners[0].address: required, but absent",
        ),
        (
            "127.0.0.1:20880",
            "localhost:1",
            &format!("f:3:12: listeners[0].address: \"localhost:1\" {address}"),
        ),
        (
            "127.0.0.1:20880",
            "127.0.0.1",
            &format!("f:3:12: listeners[0].address: \"127.0.0.1\" {address}"),
        ),
        (
            "  protocol: toy\n",
            "",
            "f:2:3: listeners[0].protocol: required, but absent",
        ),
        (
            "protocol: toy",
            "protocol: Toy",
            "f:4:13: listeners[0].protocol: there is no protocol `Toy`; did you mean `toy`?",
        ),
        (
            "protocol: toy",
            "protocol: grpc",
            "f:4:13: listeners[0].protocol: there is no protocol `grpc`; there are: dubbo, plain, toy",
        ),
        (
            "protocol: toy",
            "protocol: toy\n  protocol_options: {a: 1}",
            "f:5:3: listeners[0].protocol_options: unknown option a",
        ),
        (
            "protocol: toy",
            "protocol: toy\n  protocol_options: {level: 1.5}",
            "f:5:3: listeners[0].protocol_options: level: not a whole number",
        ),
        (
            "protocol: toy",
            "protocol: toy\n  max_connections: 0",
            "f:5:20: listeners[0].max_connections: 0 is out of range; it can be 1 or more",
        ),
        (
            "protocol: toy",
            "protocol: toy\n  maxConcurrentStreams: 0",
            "f:5:25: listeners[0].max_concurrent_streams: 0 is out of range; it can be 1 or more",
        ),
        (
            "protocol: toy",
            "protocol: toy\n  max_message_bytes: 1023",
            "f:5:22: listeners[0].max_message_bytes: 1023 is out of range; it can be from 1024 to 1073741824",
        ),
        (
            "protocol: toy",
            "protocol: toy\n  max_message_bytes: 1073741825",
            "f:5:22: listeners[0].max_message_bytes: 1073741825 is out of range; it can be from 1024 to 1073741824",
        ),
        (
            "protocol: toy",
            "protocol: toy\n  per_connection_buffer_limit_bytes: 1",
            "f:5:38: listeners[0].per_connection_buffer_limit_bytes: 1 is out of range; it can be 1024 or more",
        ),
        (
            "listeners:",
            "workers: 1025\nlisteners:",
            "f:1:10: workers: 1025 is out of range; it can be from 0 to 1024",
        ),
        (
            "listeners:",
            "admin: {address: nowhere}\nlisteners:",
            &format!("f:1:18: admin.address: \"nowhere\" {address}"),
        ),
        (
            "listeners:",
            "admin: {address: '127.0.0.1:20880'}\nlisteners:",
            "f:4:12: listeners[0].address: `127.0.0.1:20880` is already taken by admin",
        ),
    ]);
}

#[test]
fn access_logs_that_cannot_be() {
    check(&[
        (
            "protocol: toy",
            "protocol: toy\n  access_log: [{}]",
            "f:5:16: listeners[0].access_log[0].path: required, but absent",
        ),
        (
            "protocol: toy",
            "protocol: toy\n  access_log: [{path: a}, {path: b, format: 'x%NO%'}]",
            "f:5:45: listeners[0].access_log[1].format: unknown operator %NO% at offset 1",
        ),
        (
            "protocol: toy",
            "protocol: toy\n  access_log: [{path: b, json_format: {a: {b: '%'}}}]",
            "f:5:47: listeners[0].access_log[0].json_format.a.b: an operator that does not end with %; a percent sign itself is written %% at offset 0",
        ),
    ]);
}

#[test]
fn what_filters_refuse_has_its_path() {
    check(&[(
        "protocol: toy",
        "protocol: toy\n  filters: [{type: local_rate_limit, config: {token_bucket: {max_tokens: 0, fill_interval: 1s}}}]",
        "f:5:38: listeners[0].filters[0].config: token_bucket.max_tokens: at least 1",
    )]);
}

#[test]
fn filters_that_cannot_be() {
    let chain = |filters: &str| format!("protocol: toy\n  filters: {filters}");
    let each = |i| format!("{{type: example, name: n{i}}},");
    let many = format!("[{}]", (0..65).map(each).collect::<String>());
    check(&[
        (
            "protocol: toy",
            &chain("[{}]"),
            "f:5:13: listeners[0].filters[0].type: required, but absent",
        ),
        (
            "protocol: toy",
            &chain("[{type: metdata}]"),
            "f:5:20: listeners[0].filters[0].type: there is no filter type `metdata`; did you mean `metadata`?",
        ),
        (
            "protocol: toy",
            &chain("[{type: xyz}]"),
            "f:5:20: listeners[0].filters[0].type: there is no filter type `xyz`; there are: example, fault, local_rate_limit, metadata, rbac",
        ),
        (
            "protocol: toy",
            &chain("[{type: example}, {type: example}]"),
            "f:5:37: listeners[0].filters[1].type: `example` is already taken by listeners[0].filters[0]",
        ),
        (
            "protocol: toy",
            &chain("[{type: example, name: a}, {type: example, name: a}]"),
            "f:5:61: listeners[0].filters[1].name: `a` is already taken by listeners[0].filters[0]",
        ),
        (
            "protocol: toy",
            &chain("[{type: metadata, config: {request: {sett: {}}}}]"),
            "f:5:30: listeners[0].filters[0].config: unknown field `sett`, expected one of `set`, `add_if_absent`, `append`, `add`, `remove`",
        ),
        (
            "protocol: toy",
            &chain("[{type: metadata, config: {request: {set: {method: a}}}}]"),
            "f:5:30: listeners[0].filters[0].config: `toy` cannot change `method` on requests: of the well-known names, it can change service, version",
        ),
        (
            "protocol: toy",
            &chain("[{type: example, match: {metadata: {a: {}}}}]"),
            "f:5:48: listeners[0].filters[0].match.metadata.a: one of exact, prefix, suffix, contains, regex, range, present, one_of is required",
        ),
        (
            "protocol: toy",
            &chain(&many),
            "f:5:3: listeners[0].filters: 65 filters, those of the listener among them; there can be 64",
        ),
    ]);
}
