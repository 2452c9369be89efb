//! What operators see: pages, and a line for each call.

use std::path::Path;

use tokio::time::{Instant, sleep};

use crate::backend::Backend;
use crate::dubbo::{Message, PATIENCE};
use crate::running::{ClusterSetup, LOOK_AGAIN, Setup};

/// Lines of `file`, once there are `count`.
async fn lines(file: &Path, count: usize) -> Vec<String> {
    let end = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        if lines.len() >= count {
            assert_eq!(lines.len(), count, "{text}");
            return lines;
        }
        assert!(Instant::now() < end, "{text}");
        sleep(LOOK_AGAIN).await;
    }
}

#[tokio::test]
async fn every_call_has_a_line_also_after_the_file_was_renamed() {
    let directory = tempfile::tempdir().unwrap();
    let (log, old) = (directory.path().join("log"), directory.path().join("log.1"));
    let backend = Backend::echoing("a").await;
    let format = "%METADATA(method)% %RESPONSE_CODE% %UPSTREAM_CLUSTER%";
    let mut proxy = Setup::one([backend])
        .listener(format!(
            "access_log: [{{path: \"{}\", format: \"{format}\"}}]",
            log.display()
        ))
        .also(ClusterSetup::new("empty", []))
        .routes([
            "{match: {metadata: {method: {exact: hi}}}, route: {cluster: main}}",
            "{match: {metadata: {method: {exact: empty}}}, route: {cluster: empty}}",
            "{match: {metadata: {method: {exact: deny}}}, direct_response: {status: denied}}",
        ])
        .start()
        .await;
    let mut client = proxy.client().await;
    for (id, method) in ["hi", "empty", "deny", "nothing"].iter().enumerate() {
        client.call(&Message::call(id as u64, method, "x")).await;
    }
    client.send(&Message::call(5, "empty", "x").one_way()).await;
    let found = lines(&log, 5).await;
    assert_eq!(
        found,
        [
            "hi ok main",
            "empty unavailable empty",
            "deny denied -",
            "nothing not_found -",
            "empty unavailable empty",
        ]
    );
    std::fs::rename(&log, &old).unwrap();
    proxy.control.reopen_logs();
    // The order is obeyed before the file's name is there again.
    let end = Instant::now() + PATIENCE;
    while !log.exists() {
        assert!(Instant::now() < end);
        client.call(&Message::call(6, "hi", "x")).await;
        sleep(LOOK_AGAIN).await;
    }
    // The last lines of a proxy that ends are not lost.
    client.call(&Message::call(7, "deny", "x")).await;
    proxy.stop();
    while client.next().await.is_some() {}
    proxy.ended().await;
    let text = std::fs::read_to_string(&log).unwrap();
    assert_eq!(text.lines().last(), Some("deny denied -"));
}

#[tokio::test]
async fn pages_tell_what_there_is() {
    let mut backend = Backend::start().await;
    let mut proxy = Setup::one([backend.address]).start().await;
    let mut client = proxy.client().await;
    client.send(&Message::call(1, "hi", "x")).await;
    let mut upstream = backend.accept().await;
    let asked = upstream.next().await.unwrap();
    assert_eq!(proxy.admin("/live").await.0, 200);
    assert_eq!(proxy.admin("/ready").await.0, 200);
    assert_eq!(proxy.admin("/nowhere").await.0, 404);
    let (status, clusters) = proxy.admin("/clusters").await;
    assert_eq!(status, 200);
    assert!(
        clusters.contains(&backend.address.to_string()),
        "{clusters}"
    );
    let (status, listeners) = proxy.admin("/listeners").await;
    assert_eq!(status, 200);
    assert!(
        listeners.contains(&proxy.at("in").to_string()),
        "{listeners}"
    );
    let (status, dump) = proxy.admin("/config_dump").await;
    assert_eq!(status, 200);
    assert!(
        dump.contains("route_configuration") && dump.contains("main"),
        "{dump}"
    );
    assert_eq!(proxy.admin("/stats").await.0, 200);
    assert_eq!(proxy.metric("sabir_upstream_rq_active").await, 1);
    proxy.stop();
    assert!(client.next().await.unwrap().is_read_only());
    assert_eq!(proxy.admin("/ready").await.0, 503);
    assert_eq!(proxy.admin("/live").await.0, 200);
    assert_eq!(proxy.metric("sabir_downstream_rq_active").await, 1);
    upstream.send(&Message::answer(asked.id, "done")).await;
    assert_eq!(client.next().await.unwrap().value(), "done");
    assert_eq!(client.next().await, None);
    proxy.ended().await;
}
