//! Retry policies.

use std::time::{Duration, Instant};

use sabir::core::outcome::Code;

use super::backend::{Act, Backend};
use super::dialect::{Ask, Dialect};
use super::{Stage, on_every_protocol, on_protocols};
use crate::backend::nobody;

on_every_protocol!(
    what_failed_goes_to_another_endpoint,
    business_errors_are_answers,
    what_may_have_been_done_is_not_repeated,
    methods_may_be_repeated,
    retries_have_an_end,
    lost_connections_are_retried,
    attempts_have_a_time_of_their_own,
    retries_stop_with_the_deadline,
    a_budget_bounds_retries,
    one_endpoint_is_retried_after_a_pause,
    unreachable_endpoints_are_retried,
    statistics_and_log_tell_of_retries,
);
on_protocols!(bodies_are_sent_again_as_a_whole: http1 http2 grpc);
on_protocols!(an_endpoint_says_when_to_ask_again: http1 http2);

fn policy(text: &str) -> String {
    format!("timeout: 5s, retry_policy: {{retry_back_off: {{base_interval: 0.001s}}, {text}}}")
}

const FAIL: Act = Act::Fail(Code::Internal);

async fn what_failed_goes_to_another_endpoint(dialect: Dialect) {
    let bad = Backend::start(dialect, vec![FAIL; 8]).await;
    let good = Backend::start(dialect, []).await;
    let route = policy("retry_on: internal, idempotent: true");
    let stage = Stage::new(dialect, &[&bad, &good], &route, &[]).await;
    let mut client = stage.client().await;
    for _ in 0..4 {
        let end = client.call(&Ask::of("hi")).await;
        assert!(end.is_ok(), "{end:?}");
    }
    let retried = bad.seen().len() as u64;
    assert!((1..=4).contains(&retried), "{retried}");
    assert_eq!(good.seen().len(), 4);
    assert_eq!(stage.count("upstream_rq_retry").await, retried);
    assert_eq!(stage.count("upstream_rq_retry_success").await, retried);
    stage.proxy.assert_balanced().await;
}

async fn business_errors_are_answers(dialect: Dialect) {
    if matches!(dialect.name, "thrift" | "http1" | "http2") {
        return; // they have no reply of the proxy's own that says so
    }
    let backend = Backend::start(dialect, [Act::Business]).await;
    let everything = "\"5xx,reset,refused-stream,rate-limited,cancelled,not-found\"";
    let route = policy(&format!("retry_on: {everything}, idempotent: true"));
    let stage = Stage::new(dialect, &[&backend], &route, &[]).await;
    assert!(!stage.call(&Ask::of("hi")).await.is_ok());
    assert_eq!(backend.seen().len(), 1);
}

async fn what_may_have_been_done_is_not_repeated(dialect: Dialect) {
    let backend = Backend::start(dialect, [FAIL, Act::Close]).await;
    let route = policy("retry_on: 5xx");
    let stage = Stage::new(dialect, &[&backend], &route, &[]).await;
    for sent in 1..=2 {
        assert!(!stage.call(&Ask::of("hi")).await.is_ok());
        assert_eq!(backend.seen().len(), sent);
    }
    stage.proxy.assert_balanced().await;
}

async fn methods_may_be_repeated(dialect: Dialect) {
    let backend = Backend::start(dialect, [FAIL, Act::Answer, FAIL]).await;
    let route = policy("retry_on: internal, idempotent_methods: [find, /find]");
    let stage = Stage::new(dialect, &[&backend], &route, &[]).await;
    assert!(stage.call(&Ask::of("find")).await.is_ok());
    assert!(!stage.call(&Ask::of("save")).await.is_ok());
    assert_eq!(backend.seen().len(), 3);
}

async fn retries_have_an_end(dialect: Dialect) {
    let backend = Backend::start(dialect, vec![FAIL; 10]).await;
    let route = policy("retry_on: 5xx, num_retries: 3, idempotent: true");
    let stage = Stage::new(dialect, &[&backend], &route, &[]).await;
    let end = stage.call(&Ask::of("hi")).await;
    assert_eq!(end.code, Code::Internal);
    assert_eq!(backend.seen().len(), 4);
    assert_eq!(stage.count("upstream_rq_retry_limit_exceeded").await, 1);
    assert_eq!(stage.count("upstream_rq_retry_success").await, 0);
    stage.proxy.assert_balanced().await;
}

async fn lost_connections_are_retried(dialect: Dialect) {
    let backend = Backend::start(dialect, [Act::Close, Act::Close]).await;
    let route = policy("retry_on: reset, num_retries: 2, idempotent: true");
    let stage = Stage::new(dialect, &[&backend], &route, &[]).await;
    assert!(stage.call(&Ask::of("hi")).await.is_ok());
    assert_eq!(backend.seen().len(), 3);
    stage.proxy.assert_balanced().await;
}

async fn attempts_have_a_time_of_their_own(dialect: Dialect) {
    let script = [
        Act::Hold,
        Act::AnswerHeld,
        Act::Hold,
        Act::Hold,
        Act::AnswerHeld,
    ];
    let backend = Backend::start(dialect, script).await;
    let route = policy("retry_on: timed-out, per_try_timeout: 0.5s, idempotent: true");
    let stage = Stage::new(dialect, &[&backend], &route, &[]).await;
    let mut client = stage.client().await;
    assert!(client.call(&Ask::of("hi")).await.is_ok());
    assert!(!client.call(&Ask::of("hi")).await.is_ok());
    assert_eq!(backend.seen().len(), 4);
    assert_eq!(stage.count("upstream_rq_per_try_timeout").await, 3);
    assert!(client.call(&Ask::of("hi")).await.is_ok(), "not a late one");
    assert_eq!(backend.seen().len(), 5);
    stage.proxy.assert_balanced().await;
}

async fn retries_stop_with_the_deadline(dialect: Dialect) {
    let backend = Backend::start(dialect, vec![FAIL; 1000]).await;
    let text = "retry_on: internal, num_retries: 1000, idempotent: true, \
        retry_back_off: {base_interval: 0.2s, max_interval: 0.2s}";
    let route = format!("timeout: 0.2s, retry_policy: {{{text}}}");
    let stage = Stage::new(dialect, &[&backend], &route, &[]).await;
    let began = Instant::now();
    // Nobody waits for a retry that comes too late: what the endpoint said last is the answer.
    let end = stage.call(&Ask::of("hi")).await;
    assert!(!end.is_ok());
    assert!(began.elapsed() < Duration::from_secs(2));
    stage.proxy.assert_balanced().await;
}

async fn a_budget_bounds_retries(dialect: Dialect) {
    let backend = Backend::start(dialect, vec![FAIL; 3]).await;
    let route = policy("retry_on: internal, num_retries: 5, idempotent: true");
    let none = ["circuit_breakers: {max_retries: 0}"];
    let stage = Stage::new(dialect, &[&backend], &route, &none).await;
    assert!(!stage.call(&Ask::of("hi")).await.is_ok());
    assert_eq!(backend.seen().len(), 1);
    assert_eq!(stage.count("upstream_rq_retry_overflow").await, 1);
    let share =
        ["circuit_breakers: {retry_budget: {budget_percent: 100, min_retry_concurrency: 0}}"];
    let stage = Stage::new(dialect, &[&backend], &route, &share).await;
    assert!(stage.call(&Ask::of("hi")).await.is_ok());
    assert_eq!(backend.seen().len(), 4);
}

async fn one_endpoint_is_retried_after_a_pause(dialect: Dialect) {
    let backend = Backend::start(dialect, [FAIL, FAIL]).await;
    let route = policy("retry_on: 5xx, num_retries: 2, idempotent: true");
    let stage = Stage::new(dialect, &[&backend], &route, &[]).await;
    let mut client = stage.client().await;
    assert!(client.call(&Ask::of("hi")).await.is_ok());
    assert!(client.call(&Ask::of("hi")).await.is_ok());
    assert_eq!(backend.seen().len(), 4);
    stage.proxy.assert_balanced().await;
}

async fn unreachable_endpoints_are_retried(dialect: Dialect) {
    let route = policy("retry_on: connect-failure, num_retries: 4");
    let stage = Stage::at(dialect, vec![nobody()], &route, &[]).await;
    assert!(!stage.call(&Ask::of("hi")).await.is_ok());
    assert_eq!(stage.count("upstream_rq_retry").await, 4);
    stage.proxy.assert_balanced().await;
}

async fn statistics_and_log_tell_of_retries(dialect: Dialect) {
    let backend = Backend::start(dialect, [FAIL]).await;
    let route = policy("retry_on: internal, idempotent: true");
    let stage = Stage::logging(
        dialect,
        &backend,
        &route,
        "%UPSTREAM_REQUEST_ATTEMPT_COUNT% %RESPONSE_CODE%",
    )
    .await;
    assert!(stage.call(&Ask::of("hi")).await.is_ok());
    assert_eq!(stage.logged().await, "2 ok\n");
}

async fn bodies_are_sent_again_as_a_whole(dialect: Dialect) {
    let backend = Backend::start(dialect, [FAIL, Act::Close]).await;
    let route = policy("retry_on: 5xx, num_retries: 2, idempotent: true");
    let stage = Stage::new(dialect, &[&backend], &route, &[]).await;
    let body = 60_000;
    let ask = Ask {
        body,
        ..Ask::of("hi")
    };
    let mut client = stage.client().await;
    assert!(client.call(&ask).await.is_ok());
    let bodies: Vec<_> = backend.seen().iter().map(|seen| seen.body).collect();
    assert_eq!(bodies, [body; 3]);
    assert!(client.call(&ask).await.is_ok(), "windows are as they were");
    stage.proxy.assert_balanced().await;
}

async fn an_endpoint_says_when_to_ask_again(dialect: Dialect) {
    let backend = Backend::start(dialect, [Act::NotBefore(1), Act::NotBefore(60)]).await;
    let route = policy("retry_on: rate-limited");
    let stage = Stage::new(dialect, &[&backend], &route, &[]).await;
    let began = Instant::now();
    assert!(
        !stage.call(&Ask::of("hi")).await.is_ok(),
        "the second answer"
    );
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(backend.seen().len(), 2);
}
