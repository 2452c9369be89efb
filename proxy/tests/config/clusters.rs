//! Clusters.

use std::time::Duration;

use sabir_proxy::config::resolved::PoolMode;
use sabir_router::cluster::Health;
use sabir_router::limits::Resource;
use sabir_router::policy::{LbPolicy, LeastRequest};
use serde_json::json;

use crate::toy::{BASE, check, resolve, with};

#[test]
fn defaults_are_those_of_the_schema() {
    let snapshot = resolve(BASE);
    let cluster = &snapshot.clusters[0];
    assert_eq!(&*cluster.name, "a");
    assert_eq!(cluster.protocol.name(), "toy");
    assert_eq!(cluster.connect_timeout, Duration::from_secs(5));
    assert_eq!(cluster.idle_timeout, Some(Duration::from_secs(3600)));
    assert_eq!(cluster.limits.keepalive, Some(Duration::from_secs(60)));
    assert_eq!(cluster.limits.max_message_bytes, 8 << 20);
    assert_eq!(cluster.pool, PoolMode::Auto);
    assert_eq!(cluster.connections_per_endpoint, 1);
    assert_eq!(cluster.buffer_limit, 1 << 20);
    assert_eq!(cluster.balancing.policy(), LbPolicy::RoundRobin);
    let endpoint = &cluster.balancing.endpoints()[0];
    assert_eq!((endpoint.weight, endpoint.health), (1, Health::Unknown));
}

#[test]
fn what_is_given_counts() {
    let snapshot = resolve(&with(
        "- name: a",
        "- name: a
  lb_policy: LEAST_REQUEST
  connect_timeout: 0.5s
  idle_timeout: 0s
  keepalive_interval: 0s
  connection_pool: {mode: BOUND, connections_per_endpoint: 1024}
  circuit_breakers: {max_connections: 1, max_pending_requests: 0, max_requests: 4294967295}
  protocol_options: {level: 7}",
    ));
    let cluster = &snapshot.clusters[0];
    assert_eq!(
        cluster.balancing.policy(),
        LbPolicy::LeastRequest(LeastRequest::default())
    );
    assert_eq!(cluster.connect_timeout, Duration::from_millis(500));
    assert_eq!(
        (cluster.idle_timeout, cluster.limits.keepalive),
        (None, None)
    );
    assert_eq!(cluster.pool, PoolMode::Bound);
    assert_eq!(cluster.connections_per_endpoint, 1024);
    assert_eq!(cluster.protocol_options, json!({"level": 7}));
    assert!(!cluster.breaker.is_open(Resource::Connections));
    assert!(cluster.breaker.is_open(Resource::PendingRequests));
}

#[test]
fn how_connections_are_used_is_left_to_the_protocol() {
    let text = BASE.replace("toy", "plain");
    assert_eq!(resolve(&text).clusters[0].pool, PoolMode::Auto);
}

#[test]
fn clusters_that_cannot_be() {
    check(&[
        (
            "- name: a",
            "- name: ''",
            "f:7:24: listeners[0].route_configuration.routes[0].route.cluster: there is no cluster `a`\nf:9:9: clusters[0].name: required, but absent",
        ),
        (
            "- name: a",
            "- name: a\n  connect_timeout: 0s",
            "f:10:20: clusters[0].connect_timeout: more than 0s is required",
        ),
        (
            "- name: a",
            "- name: a\n  keepalive_interval: 0.05s",
            "f:10:23: clusters[0].keepalive_interval: 50ms is too short; it is at least 100ms, or 0s",
        ),
        (
            "- name: a",
            "- name: a\n  connection_pool: {connections_per_endpoint: 0}",
            "f:10:47: clusters[0].connection_pool.connections_per_endpoint: 0 is out of range; it can be from 1 to 1024",
        ),
        (
            "- name: a",
            "- name: a\n  circuit_breakers: {max_connections: 0, max_requests: 0}",
            "f:10:39: clusters[0].circuit_breakers.max_connections: 0 is out of range; it can be 1 or more\nf:10:56: clusters[0].circuit_breakers.max_requests: 0 is out of range; it can be 1 or more",
        ),
        (
            "- name: a",
            "- name: a\n  max_message_bytes: 1",
            "f:10:22: clusters[0].max_message_bytes: 1 is out of range; it can be from 1024 to 1073741824",
        ),
        (
            "- name: a",
            "- name: a\n  per_connection_buffer_limit_bytes: 1",
            "f:10:38: clusters[0].per_connection_buffer_limit_bytes: 1 is out of range; it can be 1024 or more",
        ),
        (
            "- name: a",
            "- name: a\n  protocol: tyo",
            "f:10:13: clusters[0].protocol: the endpoints speak `tyo`, but listeners[0], whose routes lead here, speaks `toy`; sabir does not translate one into the other",
        ),
        (
            "- name: a",
            "- name: a\n  protocol: plain",
            "f:10:13: clusters[0].protocol: the endpoints speak `plain`, but listeners[0], whose routes lead here, speaks `toy`; sabir does not translate one into the other",
        ),
        (
            "- name: a",
            "- name: a\n  protocol_options: {x: 1}",
            "f:10:3: clusters[0].protocol_options: unknown option x",
        ),
        (
            "- name: a",
            "- {name: b, protocol: tyo}\n- name: a",
            "f:9:23: clusters[0].protocol: there is no protocol `tyo`; did you mean `toy`?",
        ),
    ]);
}

#[test]
fn a_protocol_without_request_ids_cannot_share_connections() {
    let text =
        "listeners: [{name: in, address: '[::1]:1', protocol: plain, route_configuration: {}}]
clusters: [{name: a, connection_pool: {mode: MULTIPLEXED}}]";
    assert_eq!(
        crate::toy::errors(text),
        "f:2:46: clusters[0].connection_pool.mode: `plain` has no request ids, so that calls cannot share a connection"
    );
}

#[test]
fn endpoints_that_cannot_be() {
    let one = "{address: '10.0.0.1:80'}";
    check(&[
        (
            one,
            "{}",
            "f:10:33: clusters[0].load_assignment.endpoints[0].address: required, but absent",
        ),
        (
            one,
            "{address: '10.0.0.1:0'}",
            "f:10:43: clusters[0].load_assignment.endpoints[0].address: an endpoint has a port other than 0",
        ),
        (
            one,
            "{address: 'db.internal:80'}",
            "f:10:43: clusters[0].load_assignment.endpoints[0].address: \"db.internal:80\" is not an IP address and port, such as 127.0.0.1:20880 or [::1]:20880; host names are not resolved",
        ),
        (
            one,
            "{address: '10.0.0.1:80', weight: 0}",
            "f:10:66: clusters[0].load_assignment.endpoints[0].weight: 0 is out of range; it can be from 1 to 65535",
        ),
        (
            one,
            "{address: '10.0.0.1:80', weight: 65536}",
            "f:10:66: clusters[0].load_assignment.endpoints[0].weight: 65536 is out of range; it can be from 1 to 65535",
        ),
        (
            one,
            "{address: '[::1]:80'}, {address: '[0::1]:80'}",
            "f:10:66: clusters[0].load_assignment.endpoints[1].address: `[::1]:80` is already taken by clusters[0].load_assignment.endpoints[0]",
        ),
    ]);
}
