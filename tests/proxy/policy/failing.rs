//! The filter `fault`.

use std::time::{Duration, Instant};

use sabir::core::outcome::Code;

use super::backend::Backend;
use super::dialect::{Ask, Dialect};
use super::{Stage, on_every_protocol, on_protocols};

on_every_protocol!(
    what_is_delayed_goes_on,
    what_is_aborted_never_arrives,
    a_delay_may_end_in_an_abort,
    a_deadline_holds_while_a_request_is_held,
    faults_end_with_their_exchanges,
    so_many_faults_at_once,
    a_share_of_none_is_let_alone,
);
on_protocols!(bodies_wait_with_their_request: http1 http2 grpc);

fn fault(name: &str, config: &str) -> String {
    format!("{{type: fault, name: {name}, config: {{{config}}}}}")
}

const DELAY: Duration = Duration::from_millis(200);

async fn what_is_delayed_goes_on(dialect: Dialect) {
    let backend = Backend::start(dialect, []).await;
    let delay = "delay: {fixed_delay: 0.2s}";
    let (first, then) = (fault("first", delay), fault("then", delay));
    let stage = Stage::filtering(dialect, &backend, &first, &then).await;
    let mut client = stage.client().await;
    let began = Instant::now();
    assert!(client.call(&Ask::of("hi")).await.is_ok());
    assert!(began.elapsed() >= 2 * DELAY, "{:?}", began.elapsed());
    assert_eq!(backend.seen().len(), 1);
    assert_eq!(stage.results("first", "delayed").await, 1);
    assert_eq!(stage.results("then", "delayed").await, 1);
    stage.proxy.assert_balanced().await;
}

async fn what_is_aborted_never_arrives(dialect: Dialect) {
    let backend = Backend::start(dialect, []).await;
    let abort = fault("abort", "abort: {status: unavailable}");
    let stage = Stage::filtering(dialect, &backend, &abort, "").await;
    let mut client = stage.client().await;
    for _ in 0..2 {
        let end = client.call(&Ask::of("hi")).await;
        assert!(!end.is_ok());
        // Thrift has no word for it.
        let words = [Code::Unavailable, Code::Internal];
        assert!(words.contains(&end.code), "{end:?}");
    }
    assert_eq!(backend.seen().len(), 0);
    assert_eq!(stage.results("abort", "aborted").await, 2);
    stage.proxy.assert_balanced().await;
}

async fn a_delay_may_end_in_an_abort(dialect: Dialect) {
    let backend = Backend::start(dialect, []).await;
    let both = fault(
        "both",
        "delay: {fixed_delay: 0.2s}, abort: {status: internal}",
    );
    let stage = Stage::filtering(dialect, &backend, "", &both).await;
    let began = Instant::now();
    let end = stage.call(&Ask::of("hi")).await;
    assert_eq!(end.code, Code::Internal);
    assert!(began.elapsed() >= DELAY, "{:?}", began.elapsed());
    assert_eq!(backend.seen().len(), 0);
    assert_eq!(stage.results("both", "delayed").await, 1);
    assert_eq!(stage.results("both", "aborted").await, 1);
    stage.proxy.assert_balanced().await;
}

async fn a_deadline_holds_while_a_request_is_held(dialect: Dialect) {
    let backend = Backend::start(dialect, []).await;
    let delay = fault("long", "delay: {fixed_delay: 3600s}");
    let stage = Stage::filtering_within(dialect, &backend, "0.3s", "", &delay).await;
    let mut client = stage.client().await;
    let began = Instant::now();
    let end = client.call(&Ask::of("hi")).await;
    // Thrift has no word for it.
    let words = [Code::TimedOut, Code::Internal];
    assert!(words.contains(&end.code), "{end:?}");
    assert!(began.elapsed() < Duration::from_secs(60));
    assert_eq!(backend.seen().len(), 0);
    stage.proxy.assert_balanced().await;
}

async fn faults_end_with_their_exchanges(dialect: Dialect) {
    let backend = Backend::start(dialect, []).await;
    let delay = "delay: {fixed_delay: 0.2s}, max_active_faults: 1";
    let stage = Stage::filtering(dialect, &backend, &fault("one", delay), "").await;
    let mut gone = stage.client().await;
    gone.send(&Ask::of("hi")).await;
    let active = "sabir_downstream_rq_active";
    stage.proxy.until(active, |n| n == 1).await;
    drop(gone);
    stage.proxy.until(active, |n| n == 0).await;
    assert!(stage.call(&Ask::of("hi")).await.is_ok());
    assert_eq!(
        stage.results("one", "delayed").await,
        2,
        "there is room again"
    );
    stage.proxy.assert_balanced().await;
}

async fn so_many_faults_at_once(dialect: Dialect) {
    let backend = Backend::start(dialect, []).await;
    let delay = fault("one", "delay: {fixed_delay: 3600s}, max_active_faults: 1");
    let stage = Stage::filtering_within(dialect, &backend, "2s", "", &delay).await;
    let mut held = stage.client().await;
    held.send(&Ask::of("hi")).await;
    let active = "sabir_downstream_rq_active";
    stage.proxy.until(active, |n| n == 1).await;
    assert!(stage.call(&Ask::of("hi")).await.is_ok());
    assert_eq!(backend.seen().len(), 1, "the other is held still");
    assert!(!held.answer().await.is_ok(), "its deadline came first");
    stage.proxy.assert_balanced().await;
    assert_eq!(stage.results("one", "overflow").await, 1);
    assert_eq!(stage.results("one", "delayed").await, 1);
}

async fn a_share_of_none_is_let_alone(dialect: Dialect) {
    let backend = Backend::start(dialect, []).await;
    let never = "abort: {status: internal, percentage: 0}, delay: {header_delay: {}}";
    let stage = Stage::filtering(dialect, &backend, &fault("never", never), "").await;
    let mut client = stage.client().await;
    for _ in 0..20 {
        assert!(client.call(&Ask::of("hi")).await.is_ok());
    }
    assert_eq!(backend.seen().len(), 20);
    assert_eq!(stage.results("never", "").await, 0);
}

async fn bodies_wait_with_their_request(dialect: Dialect) {
    let backend = Backend::start(dialect, []).await;
    let delay = fault("delay", "delay: {fixed_delay: 0.2s}");
    let stage = Stage::filtering(dialect, &backend, "", &delay).await;
    let ask = Ask {
        body: 60_000,
        ..Ask::of("hi")
    };
    let mut client = stage.client().await;
    for sent in 1..=2 {
        assert!(client.call(&ask).await.is_ok());
        let seen = backend.seen();
        assert_eq!((seen.len(), seen[sent - 1].body), (sent, 60_000));
    }
    stage.proxy.assert_balanced().await;
}
