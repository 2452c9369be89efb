//! The filter `rbac`.

use sabir::core::outcome::{Code, Outcome};

use super::backend::Backend;
use super::dialect::{Ask, Dialect};
use super::{Stage, on_every_protocol};

on_every_protocol!(
    who_calls_decides,
    what_is_called_decides,
    rules_in_shadow_only_count,
    a_route_has_rules_of_its_own,
);

fn rbac(name: &str, config: &str) -> String {
    format!("{{type: rbac, name: {name}, config: {{{config}}}}}")
}

fn policy(what: &str, who: &str) -> String {
    format!("policies: {{one: {{permissions: [{what}], principals: [{who}]}}}}")
}

const ANY: &str = "{any: true}";
const SECOND: &str = "{direct_remote_ip: {address_prefix: 127.0.0.2, prefix_len: 32}}";

/// Whether the call was refused, in words of the protocol.
fn is_denied(dialect: Dialect, end: Outcome) -> bool {
    // HTTP and gRPC have a word for it; the others tell what comes nearest.
    match dialect.name {
        "http1" | "http2" | "grpc" => end.code == Code::Denied,
        _ => !end.is_ok(),
    }
}

async fn who_calls_decides(dialect: Dialect) {
    for (action, allowed) in [("ALLOW", [127, 0, 0, 2]), ("DENY", [127, 0, 0, 1])] {
        let backend = Backend::start(dialect, []).await;
        let rules = format!("rules: {{action: {action}, {}}}", policy(ANY, SECOND));
        let stage = Stage::filtering(dialect, &backend, &rbac("who", &rules), "").await;
        for address in [[127, 0, 0, 1], [127, 0, 0, 2]] {
            let end = stage.client_at(address).await.call(&Ask::of("hi")).await;
            match address == allowed {
                true => assert!(end.is_ok(), "{end:?}"),
                false => assert!(is_denied(dialect, end), "{end:?}"),
            }
        }
        assert_eq!(backend.seen().len(), 1);
        assert_eq!(stage.results("who", "allowed").await, 1);
        assert_eq!(stage.results("who", "denied").await, 1);
        stage.proxy.assert_balanced().await;
    }
}

async fn what_is_called_decides(dialect: Dialect) {
    let backend = Backend::start(dialect, []).await;
    // What HTTP calls is its path.
    let (name, find) = match dialect.is_http() {
        true => ("\":path\"", "/find"),
        false => ("method", "find"),
    };
    let what = format!("{{metadata: {{{name}: {{prefix: {find}}}}}}}");
    let rules = format!("rules: {{{}}}", policy(&what, ANY));
    let stage = Stage::filtering(dialect, &backend, &rbac("what", &rules), "").await;
    let mut client = stage.client().await;
    assert!(client.call(&Ask::of("findAll")).await.is_ok());
    let end = client.call(&Ask::of("save")).await;
    assert!(is_denied(dialect, end), "{end:?}");
    assert!(client.call(&Ask::of("find")).await.is_ok());
    assert_eq!(backend.seen().len(), 2);
}

async fn rules_in_shadow_only_count(dialect: Dialect) {
    let backend = Backend::start(dialect, []).await;
    let shadow = format!("shadow_rules: {{{}}}", policy(ANY, SECOND));
    let stage = Stage::filtering(dialect, &backend, &rbac("trial", &shadow), "").await;
    for address in [[127, 0, 0, 1], [127, 0, 0, 2], [127, 0, 0, 1]] {
        let end = stage.client_at(address).await.call(&Ask::of("hi")).await;
        assert!(end.is_ok(), "{end:?}");
    }
    assert_eq!(stage.results("trial", "shadow_allowed").await, 1);
    assert_eq!(stage.results("trial", "shadow_denied").await, 2);
}

async fn a_route_has_rules_of_its_own(dialect: Dialect) {
    let backend = Backend::start(dialect, []).await;
    let all = format!("rules: {{{}}}", policy(ANY, ANY));
    let some = format!("rules: {{{}}}", policy(ANY, SECOND));
    let (all, some) = (rbac("all", &all), rbac("some", &some));
    let stage = Stage::filtering(dialect, &backend, &all, &some).await;
    let end = stage.call(&Ask::of("hi")).await;
    assert!(is_denied(dialect, end), "{end:?}");
    assert_eq!(stage.results("all", "allowed").await, 1);
    assert_eq!(stage.results("some", "denied").await, 1);
    assert_eq!(backend.seen().len(), 0);
}
