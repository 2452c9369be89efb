//! The filter `local_rate_limit`.

use sabir::core::outcome::{Code, Outcome};

use super::backend::Backend;
use super::dialect::{Ask, Dialect};
use super::{Stage, on_every_protocol};

on_every_protocol!(
    what_is_over_the_limit_is_refused,
    a_route_has_a_limit_of_its_own,
    each_source_and_each_method_has_a_bucket,
    a_limit_in_shadow_only_counts,
);

/// A filter whose buckets do not fill again during a test.
fn limit(name: &str, config: &str) -> String {
    format!("{{type: local_rate_limit, name: {name}, config: {{{config}}}}}")
}

fn bucket(tokens: u32) -> String {
    format!("token_bucket: {{max_tokens: {tokens}, fill_interval: 3600s}}")
}

/// Whether a limit refused the call, in words of the protocol.
fn is_refused(dialect: Dialect, end: Outcome) -> bool {
    // HTTP and gRPC have a word for it; the others tell what comes nearest.
    match dialect.name {
        "http1" | "http2" | "grpc" => end.code == Code::RateLimited,
        _ => !end.is_ok(),
    }
}

async fn what_is_over_the_limit_is_refused(dialect: Dialect) {
    let backend = Backend::start(dialect, []).await;
    let stage = Stage::filtering(dialect, &backend, &limit("all", &bucket(2)), "").await;
    let mut client = stage.client().await;
    for _ in 0..2 {
        assert!(client.call(&Ask::of("hi")).await.is_ok());
    }
    for _ in 0..3 {
        let end = client.call(&Ask::of("hi")).await;
        assert!(is_refused(dialect, end), "{end:?}");
    }
    assert_eq!(backend.seen().len(), 2);
    assert_eq!(stage.results("all", "ok").await, 2);
    assert_eq!(stage.results("all", "rate_limited").await, 3);
    stage.proxy.assert_balanced().await;
}

async fn a_route_has_a_limit_of_its_own(dialect: Dialect) {
    let backend = Backend::start(dialect, []).await;
    let (all, route) = (limit("all", &bucket(9)), limit("route", &bucket(1)));
    let stage = Stage::filtering(dialect, &backend, &all, &route).await;
    assert!(stage.call(&Ask::of("hi")).await.is_ok());
    let end = stage.call(&Ask::of("hi")).await;
    assert!(is_refused(dialect, end), "{end:?}");
    assert_eq!(stage.results("all", "ok").await, 2);
    assert_eq!(stage.results("route", "ok").await, 1);
    assert_eq!(stage.results("route", "rate_limited").await, 1);
}

async fn each_source_and_each_method_has_a_bucket(dialect: Dialect) {
    let backend = Backend::start(dialect, []).await;
    // What HTTP calls is its path.
    let key = if dialect.is_http() {
        "\":path\""
    } else {
        "method"
    };
    let entries = format!("[{{key: remote_address}}, {{key: {key}}}]");
    let descriptors = format!("descriptors: [{{entries: {entries}, {}}}]", bucket(1));
    let stage = Stage::filtering(dialect, &backend, &limit("each", &descriptors), "").await;
    let mut one = stage.client_at([127, 0, 0, 1]).await;
    let mut other = stage.client_at([127, 0, 0, 2]).await;
    assert!(one.call(&Ask::of("find")).await.is_ok());
    assert!(one.call(&Ask::of("save")).await.is_ok());
    let end = one.call(&Ask::of("find")).await;
    assert!(is_refused(dialect, end), "{end:?}");
    assert!(other.call(&Ask::of("find")).await.is_ok());
    assert_eq!(stage.results("each", "ok").await, 3);
    assert_eq!(stage.results("each", "rate_limited").await, 1);
}

async fn a_limit_in_shadow_only_counts(dialect: Dialect) {
    let backend = Backend::start(dialect, []).await;
    let config = format!("{}, filter_enforced: 0", bucket(1));
    let stage = Stage::filtering(dialect, &backend, &limit("trial", &config), "").await;
    let mut client = stage.client().await;
    for _ in 0..3 {
        assert!(client.call(&Ask::of("hi")).await.is_ok());
    }
    assert_eq!(stage.results("trial", "ok").await, 1);
    assert_eq!(stage.results("trial", "shadow").await, 2);
}
