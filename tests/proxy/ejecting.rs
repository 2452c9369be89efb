//! Endpoints that fail are taken out, and come back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::{Instant, sleep};

use crate::backend::{Backend, nobody};
use crate::dubbo::{Message, OK, PATIENCE, Peer};
use crate::running::{LOOK_AGAIN, Running, Setup};

/// What Dubbo calls a failure of the server.
const SERVER_ERROR: u8 = 80;

/// Fails as long as `sick` says so.
async fn moody(sick: &Arc<AtomicBool>) -> SocketAddr {
    let sick = sick.clone();
    Backend::answering(move |request| {
        if !sick.load(Ordering::SeqCst) {
            return Some(Message::answer(request.id, "moody"));
        }
        let mut answer = Message::answer(request.id, "");
        answer.status = SERVER_ERROR;
        answer.body = b"\x02no".to_vec();
        Some(answer)
    })
    .await
}

fn sick() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(true))
}

async fn status(client: &mut Peer) -> u8 {
    client.call(&Message::call(1, "hi", "x")).await.status
}

/// How many of some calls fail.
async fn failures(client: &mut Peer, calls: usize) -> usize {
    let mut failures = 0;
    for _ in 0..calls {
        failures += usize::from(status(client).await != OK);
    }
    failures
}

async fn enforced(proxy: &Running, cause: &str) -> u64 {
    let family = "sabir_outlier_detection_ejections_enforced_total";
    let series = format!("{family}{{cluster=\"main\",type=\"{cause}\"}}");
    proxy.metric(&series).await
}

#[tokio::test]
async fn failures_in_a_row_take_an_endpoint_out() {
    let good = Backend::echoing("good").await;
    let bad = moody(&sick()).await;
    let proxy = Setup::one([good, bad])
        .cluster("outlier_detection: {consecutive_failure: 3, max_ejection_percent: 50}")
        .start()
        .await;
    let mut client = proxy.client().await;
    assert_eq!(failures(&mut client, 6).await, 3);
    assert_eq!(failures(&mut client, 20).await, 0);
    assert_eq!(enforced(&proxy, "consecutive_failure").await, 1);
    let active = proxy
        .metric("sabir_outlier_detection_ejections_active")
        .await;
    assert_eq!(
        (active, proxy.metric("sabir_membership_healthy").await),
        (1, 1)
    );
    let (_, page) = proxy.admin("/clusters").await;
    assert!(
        page.contains(&format!("{bad}  unhealthy  ejected")),
        "{page}"
    );
}

#[tokio::test]
async fn errors_of_business_logic_never_count() {
    // 0x90: an exception, with nothing of Hessian behind that matters here.
    let throws = Backend::answering(|request| {
        let mut answer = Message::answer(request.id, "oops");
        answer.body[0] = 0x90;
        Some(answer)
    });
    let proxy = Setup::one([throws.await])
        .cluster("outlier_detection: {consecutive_failure: 1, max_ejection_percent: 100}")
        .start()
        .await;
    let mut client = proxy.client().await;
    assert_eq!(
        failures(&mut client, 10).await,
        0,
        "an exception is an answer"
    );
    let detected = "sabir_outlier_detection_ejections_detected_total";
    assert_eq!(proxy.metric(detected).await, 0);
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_is_taken_out() {
    let good = Backend::echoing("good").await;
    let proxy = Setup::one([nobody(), good])
        .cluster("outlier_detection: {split_external_local_origin_errors: true, consecutive_local_origin_failure: 1}")
        .start()
        .await;
    let mut client = proxy.client().await;
    assert_eq!(failures(&mut client, 10).await, 0);
    let cause = "consecutive_local_origin_failure";
    assert_eq!(enforced(&proxy, cause).await, 1);
}

#[tokio::test]
async fn when_all_are_out_all_are_asked() {
    let [one, two] = [sick(), sick()];
    let endpoints = [moody(&one).await, moody(&two).await];
    let proxy = Setup::one(endpoints)
        .cluster("outlier_detection: {consecutive_failure: 1, max_ejection_percent: 100}")
        .start()
        .await;
    let mut client = proxy.client().await;
    assert_eq!(failures(&mut client, 2).await, 2);
    let active = "sabir_outlier_detection_ejections_active";
    assert_eq!(proxy.metric(active).await, 2);
    assert_eq!(
        status(&mut client).await,
        SERVER_ERROR,
        "the endpoint's own word"
    );
    two.store(false, Ordering::SeqCst);
    assert_eq!(failures(&mut client, 10).await, 5, "both are asked in turn");
    assert!(proxy.metric("sabir_lb_healthy_panic_total").await >= 11);
    assert_eq!(
        proxy.metric("sabir_upstream_cx_none_healthy_total").await,
        0
    );
}

#[tokio::test]
async fn an_endpoint_comes_back_by_way_of_probation() {
    let good = Backend::echoing("good").await;
    let sick = sick();
    let bad = moody(&sick).await;
    let proxy = Setup::one([good, bad])
        .cluster("outlier_detection: {consecutive_failure: 2, interval: 0.02s, base_ejection_time: 0.02s, max_ejection_time: 0.02s, max_ejection_percent: 50, half_open_requests: 1}")
        .start()
        .await;
    let mut client = proxy.client().await;
    assert_eq!(failures(&mut client, 4).await, 2);
    let end = Instant::now() + PATIENCE;
    while enforced(&proxy, "probation").await == 0 {
        assert!(Instant::now() < end, "it is tried, and fails");
        failures(&mut client, 4).await;
        sleep(LOOK_AGAIN).await;
    }
    sick.store(false, Ordering::SeqCst);
    let mut in_a_row = 0;
    while in_a_row < 10 {
        assert!(Instant::now() < end, "it has its share again");
        let answer = client.call(&Message::call(1, "hi", "x")).await.value();
        let other = client.call(&Message::call(2, "hi", "x")).await.value();
        in_a_row = if answer != other { in_a_row + 1 } else { 0 };
    }
}

#[tokio::test]
async fn who_is_out_stays_out_when_the_configuration_changes() {
    let good = Backend::echoing("good").await;
    let bad = moody(&sick()).await;
    let setup = Setup::one([good, bad])
        .cluster("outlier_detection: {consecutive_failure: 1, max_ejection_percent: 50}");
    let proxy = setup.clone().start().await;
    let mut client = proxy.client().await;
    assert_eq!(failures(&mut client, 10).await, 1);
    proxy.change(&setup.cluster("idle_timeout: 7s")).await;
    assert_eq!(failures(&mut client, 10).await, 0);
    assert_eq!(enforced(&proxy, "consecutive_failure").await, 1);
}

#[tokio::test]
async fn attempts_that_are_repeated_elsewhere_count_too() {
    let good = Backend::echoing("good").await;
    let bad = moody(&sick()).await;
    let route = "{route: {cluster: main, retry_policy: {retry_on: 5xx, idempotent: true}}}";
    let proxy = Setup::one([good, bad])
        .routes([route])
        .cluster("outlier_detection: {consecutive_failure: 3, max_ejection_percent: 50}")
        .start()
        .await;
    let mut client = proxy.client().await;
    assert_eq!(failures(&mut client, 20).await, 0);
    assert_eq!(enforced(&proxy, "consecutive_failure").await, 1);
    let retries = "sabir_upstream_rq_retry_total";
    assert_eq!(proxy.metric(retries).await, 3, "the caller noticed nothing");
}
