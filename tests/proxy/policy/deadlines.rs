//! Deadlines: the route's, the caller's, and what the endpoint is told of them.

use std::time::{Duration, Instant};

use sabir::core::outcome::Code;

use super::backend::{Act, Backend};
use super::dialect::{Ask, Dialect};
use super::{Stage, on_every_protocol, on_protocols};

on_every_protocol!(
    the_stricter_of_two_deadlines_holds,
    a_deadline_of_the_callers_can_be_ignored,
    what_is_expired_is_sent_to_nobody,
    the_endpoint_is_told_how_much_is_left,
    an_attempt_is_told_its_own_time,
    a_deadline_ends_the_pause_before_a_retry,
);
on_protocols!(grpc_timeout_counts_without_being_asked_for: grpc);
on_protocols!(a_stream_that_stands_still_is_ended: http2 grpc http1);

fn ask(millis: u32) -> Ask<'static> {
    Ask {
        timeout: Some(millis),
        ..Ask::of("hi")
    }
}

async fn the_stricter_of_two_deadlines_holds(dialect: Dialect) {
    let backend = Backend::start(dialect, vec![Act::Hold; 3]).await;
    for (route, caller) in [("0.1s", 60_000), ("60s", 100), ("0s", 100)] {
        let route = format!("timeout: {route}, caller_deadline: READ");
        let stage = Stage::new(dialect, &[&backend], &route, &[]).await;
        let began = Instant::now();
        let late = stage.call(&ask(caller)).await;
        assert!(!late.is_ok(), "{late:?}");
        assert!(began.elapsed() < Duration::from_secs(5));
        assert_eq!(stage.count("upstream_rq_timeout").await, 1);
        stage.proxy.assert_balanced().await;
    }
}

async fn a_deadline_of_the_callers_can_be_ignored(dialect: Dialect) {
    let backend = Backend::start(dialect, []).await;
    let route = "timeout: 5s, caller_deadline: IGNORE";
    let stage = Stage::new(dialect, &[&backend], route, &[]).await;
    assert!(stage.call(&ask(0)).await.is_ok());
}

async fn grpc_timeout_counts_without_being_asked_for(dialect: Dialect) {
    let backend = Backend::start(dialect, [Act::Hold]).await;
    let stage = Stage::new(dialect, &[&backend], "timeout: 60s", &[]).await;
    assert_eq!(stage.call(&ask(50)).await.code, Code::TimedOut);
}

async fn what_is_expired_is_sent_to_nobody(dialect: Dialect) {
    let backend = Backend::start(dialect, []).await;
    let route = "timeout: 5s, caller_deadline: READ";
    let stage = Stage::new(dialect, &[&backend], route, &[]).await;
    let dead = stage.call(&ask(0)).await;
    // Thrift has no word for it.
    assert!(
        [Code::TimedOut, Code::Internal].contains(&dead.code),
        "{dead:?}"
    );
    assert!(backend.seen().is_empty());
    let expired = "sabir_downstream_rq_expired_total{listener=\"in\"}";
    assert_eq!(stage.proxy.metric(expired).await, 1);
    assert_eq!(stage.count("upstream_rq_timeout").await, 0);
    assert!(stage.call(&ask(5_000)).await.is_ok());
    stage.proxy.assert_balanced().await;
}

async fn the_endpoint_is_told_how_much_is_left(dialect: Dialect) {
    let backend = Backend::start(dialect, []).await;
    let route = "timeout: 2s, caller_deadline: READ, forward_deadline: true";
    let stage = Stage::new(dialect, &[&backend], route, &[]).await;
    for said in [60_000, 1_000] {
        assert!(stage.call(&ask(said)).await.is_ok());
    }
    let told: Vec<_> = backend.seen().iter().map(|seen| seen.timeout).collect();
    let at_most = [2, 1].map(Duration::from_secs);
    for (told, most) in told.into_iter().zip(at_most) {
        let told = told.expect("the endpoint is told");
        assert!(told <= most && told > most / 2, "{told:?}");
    }
}

async fn an_attempt_is_told_its_own_time(dialect: Dialect) {
    let backend = Backend::start(dialect, [Act::Hold]).await;
    let retry = "{retry_on: timed-out, idempotent: true, per_try_timeout: 0.5s}";
    let route = format!("timeout: 20s, forward_deadline: true, retry_policy: {retry}");
    let stage = Stage::new(dialect, &[&backend], &route, &[]).await;
    assert!(stage.call(&ask(60_000)).await.is_ok());
    let told: Vec<_> = backend
        .seen()
        .iter()
        .filter_map(|seen| seen.timeout)
        .collect();
    assert_eq!(told.len(), 2);
    assert!(
        told.iter().all(|t| *t <= Duration::from_millis(500)),
        "{told:?}"
    );
}

async fn a_deadline_ends_the_pause_before_a_retry(dialect: Dialect) {
    let backend = Backend::start(dialect, [Act::Fail(Code::Internal), Act::Hold]).await;
    let retry = "{retry_on: internal, idempotent: true, num_retries: 5}";
    let route = format!("timeout: 1s, retry_policy: {retry}");
    let stage = Stage::new(dialect, &[&backend], &route, &[]).await;
    assert!(!stage.call(&Ask::of("hi")).await.is_ok());
    assert_eq!(backend.seen().len(), 2);
    stage.proxy.assert_balanced().await;
}

async fn a_stream_that_stands_still_is_ended(dialect: Dialect) {
    let backend = Backend::start(dialect, [Act::Hold]).await;
    let route = "timeout: 0s, idle_timeout: 0.1s";
    let stage = Stage::new(dialect, &[&backend], route, &[]).await;
    let body = 10;
    let still = Ask {
        body,
        ..Ask::of("hi")
    };
    let end = stage.call(&still).await;
    assert!(!end.is_ok(), "{end:?}");
    let idle = "sabir_downstream_rq_idle_timeout_total{listener=\"in\"}";
    assert_eq!(stage.proxy.metric(idle).await, 1);
    stage.proxy.assert_balanced().await;
}
