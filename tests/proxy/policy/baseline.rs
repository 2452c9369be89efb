//! What happens without a policy: answers pass as they are, and a route's timeout holds.

use std::time::Duration;

use sabir::core::outcome::{Code, Party};

use super::backend::{Act, Backend};
use super::dialect::{Ask, Dialect};
use super::{Stage, on_every_protocol};

on_every_protocol!(answers_pass_as_they_are, a_timeout_is_told);

async fn answers_pass_as_they_are(dialect: Dialect) {
    let slow = Act::Slow(Duration::from_millis(20));
    let script = [Act::Answer, Act::Business, Act::Fail(Code::Internal), slow];
    let backend = Backend::start(dialect, script).await;
    let stage = Stage::new(dialect, &[&backend], "timeout: 5s", &[]).await;
    let mut client = stage.client().await;
    let ask = Ask {
        timeout: Some(7_000),
        ..Ask::of("hi")
    };
    assert!(client.call(&ask).await.is_ok());
    let business = client.call(&ask).await;
    // Thrift has no exception that no interface declares, and HTTP no status for it but 500.
    if !matches!(dialect.name, "thrift" | "http1" | "http2") {
        assert_eq!(business.party, Party::Business, "{business:?}");
    }
    assert_eq!(client.call(&ask).await.code, Code::Internal);
    assert!(client.call(&ask).await.is_ok());
    let seen = backend.seen();
    assert_eq!(seen.len(), 4);
    let told = seen
        .iter()
        .all(|s| s.timeout == Some(Duration::from_secs(7)));
    assert!(told, "nobody changes what the caller says: {seen:?}");
    stage.proxy.assert_balanced().await;
}

async fn a_timeout_is_told(dialect: Dialect) {
    let backend = Backend::start(dialect, [Act::Hold]).await;
    let stage = Stage::new(dialect, &[&backend], "timeout: 0.5s", &[]).await;
    let mut client = stage.client().await;
    let late = client.call(&Ask::of("hi")).await;
    // Thrift has no word for it.
    let words = [Code::TimedOut, Code::Internal];
    assert!(words.contains(&late.code), "{late:?}");
    assert_eq!(stage.count("upstream_rq_timeout").await, 1);
    assert!(client.call(&Ask::of("hi")).await.is_ok());
    stage.proxy.assert_balanced().await;
}
