//! Calls and answers: who gets what, in which words.

use crate::backend::{Backend, nobody};
use crate::dubbo::{Message, OK};
use crate::running::{ClusterSetup, Setup};

#[tokio::test]
async fn what_is_not_looked_into_passes_byte_identical() {
    let mut backend = Backend::start().await;
    let proxy = Setup::one([backend.address]).start().await;
    let mut client = proxy.client().await;
    client.assert_quiet(1).await;
    // 3 is Java's own serialization, 30 none at all.
    let mut upstream = None;
    for (id, serialization) in [(5, 3), (u64::MAX, 30)] {
        let request = Message {
            flags: 0xc0 | serialization,
            status: 0,
            id,
            body: (0..200).collect(),
        };
        client.send(&request).await;
        if upstream.is_none() {
            upstream = Some(backend.accept().await);
        }
        let upstream = upstream.as_mut().unwrap();
        let arrived = upstream.next().await.unwrap();
        assert_eq!(arrived.clone().with_id(id), request);
        let answer = Message {
            flags: serialization,
            status: OK,
            id: arrived.id,
            body: vec![0xff; 100],
        };
        upstream.send(&answer).await;
        assert_eq!(client.next().await, Some(answer.with_id(id)));
    }
}

#[tokio::test]
async fn hessian_requests_and_answers_are_forwarded_as_they_are() {
    let mut backend = Backend::start().await;
    let proxy = Setup::one([backend.address]).start().await;
    let mut client = proxy.client().await;
    let request = Message::call(u64::MAX, "hi", "bob");
    client.send(&request).await;
    let mut upstream = backend.accept().await;
    let arrived = upstream.next().await.unwrap();
    assert_eq!(arrived.clone().with_id(u64::MAX), request);
    for status in [20, 25, 30, 31, 35, 40, 50, 60, 70, 80, 90, 100, 1] {
        let id = u64::from(status);
        client.send(&request.clone().with_id(id)).await;
        let arrived = upstream.next().await.unwrap();
        let answer = Message {
            status,
            body: b"\x02no".to_vec(),
            ..Message::answer(arrived.id, "")
        };
        upstream.send(&answer).await;
        assert_eq!(client.next().await, Some(answer.with_id(id)));
    }
    proxy.until("sabir_downstream_rq_active", |n| n == 1).await;
}

#[tokio::test]
async fn each_failure_has_its_status() {
    let backend = Backend::echoing("a").await;
    let silent = Backend::start().await;
    let proxy = Setup::one([backend])
        .also(ClusterSetup::new("empty", []))
        .also(ClusterSetup::new("dead", [nobody()]))
        .also(ClusterSetup::new("silent", [silent.address]))
        .routes([
            "{match: {metadata: {method: {exact: hi}}}, route: {cluster: main}}",
            "{match: {metadata: {method: {exact: empty}}}, route: {cluster: empty}}",
            "{match: {metadata: {method: {exact: dead}}}, route: {cluster: dead}}",
            "{match: {metadata: {method: {exact: slow}}}, route: {cluster: silent, timeout: 0.05s}}",
            "{match: {metadata: {method: {exact: deny}}}, direct_response: {status: denied, message: no}}",
            "{match: {metadata: {method: {exact: full}}}, direct_response: {status: overloaded}}",
            "{match: {metadata: {method: {exact: look}, x: {present: true}}}, route: {cluster: main}}",
        ])
        .start()
        .await;
    let mut client = proxy.client().await;
    let calls = [
        ("hi", OK),
        ("empty", 80),
        ("dead", 80),
        ("slow", 31),
        ("deny", OK),
        ("full", 100),
        ("nothing", 60),
        ("look", 60),
        ("hi", OK),
    ];
    for (id, (method, status)) in calls.into_iter().enumerate() {
        let answer = client.call(&Message::call(id as u64, method, "x")).await;
        assert_eq!(answer.status, status, "{method}: {answer:?}");
        assert_eq!(answer.flags, 2, "{method}");
        assert_ne!(answer.error().is_empty(), status != OK, "{method}");
    }
    // Attachments that cannot be read, which a route wants to see.
    let mut broken = Message::call(77, "look", "x");
    broken.body.pop();
    assert_eq!(client.call(&broken).await.status, 40);
    // The same, where nobody looks.
    let mut broken = Message::call(78, "hi", "x");
    broken.body.pop();
    assert_eq!(client.call(&broken).await.value(), "a:x");
    proxy.assert_balanced().await;
    drop(silent);
}

#[tokio::test]
async fn one_way_requests_are_never_answered() {
    let mut backend = Backend::start().await;
    let proxy = Setup::one([backend.address])
        .also(ClusterSetup::new("empty", []))
        .also(ClusterSetup::new("dead", [nobody()]))
        .routes([
            "{match: {metadata: {method: {exact: hi}}}, route: {cluster: main}}",
            "{match: {metadata: {method: {exact: empty}}}, route: {cluster: empty}}",
            "{match: {metadata: {method: {exact: dead}}}, route: {cluster: dead}}",
            "{match: {metadata: {method: {exact: deny}}}, direct_response: {status: denied}}",
            "{match: {metadata: {method: {exact: look}, x: {present: true}}}, route: {cluster: main}}",
        ])
        .start()
        .await;
    let mut client = proxy.client().await;
    for (id, method) in ["empty", "dead", "deny", "nothing", "hi"]
        .iter()
        .enumerate()
    {
        let request = Message::call(id as u64, method, "x").one_way();
        client.send(&request).await;
    }
    let mut broken = Message::call(9, "look", "x").one_way();
    broken.body.pop();
    client.send(&broken).await;
    let mut upstream = backend.accept().await;
    let arrived = upstream.next().await.unwrap();
    assert_eq!((arrived.flags, arrived.called().1.as_str()), (0x82, "hi"));
    // Java answers a broken one-way request all the same: nobody waits for it.
    upstream.send(&Message::answer(arrived.id, "stray")).await;
    proxy.until("sabir_downstream_rq_active", |n| n == 0).await;
    proxy
        .until("sabir_upstream_rs_unknown_id_total", |n| n == 1)
        .await;
    client.assert_quiet(100).await;
    assert_eq!(
        proxy
            .metric("sabir_downstream_rq_one_way_dropped_total")
            .await,
        5
    );
}

#[tokio::test]
async fn late_unknown_and_second_answers_reach_nobody() {
    let mut backend = Backend::start().await;
    let proxy = Setup::one([backend.address])
        .routes(["{route: {cluster: main, timeout: 0.1s}}"])
        .start()
        .await;
    let (mut one, mut two) = (proxy.client().await, proxy.client().await);
    assert_eq!(one.call(&Message::call(1, "hi", "slow")).await.status, 31);
    let mut upstream = backend.accept().await;
    let slow = upstream.next().await.unwrap();
    two.send(&Message::call(1, "hi", "quick")).await;
    let quick = upstream.next().await.unwrap();
    assert_ne!(slow.id, quick.id);
    for (id, text) in [
        (slow.id, "late"),
        (12345, "unknown"),
        (quick.id, "right"),
        (quick.id, "again"),
    ] {
        upstream.send(&Message::answer(id, text)).await;
    }
    assert_eq!(two.next().await.unwrap().value(), "right");
    proxy
        .until("sabir_upstream_rs_unknown_id_total", |n| n == 3)
        .await;
    one.assert_quiet(2).await;
    two.assert_quiet(2).await;
}

#[tokio::test]
async fn what_is_not_dubbo_ends_its_connection_alone() {
    let backend = Backend::echoing("a").await;
    let proxy = Setup::one([backend])
        .listener("max_message_bytes: 2048")
        .start()
        .await;
    let mut good = proxy.client().await;
    let long = Message::call(1, "hi", &"x".repeat(3000)).bytes();
    let mut negative = Message::call(1, "hi", "x").bytes();
    negative[12] = 0x80;
    let nonsense: [&[u8]; 4] = [b"GET / HTTP/1.1\r\n\r\n", &long, &negative, b"\xda\xbc"];
    for bytes in nonsense {
        let mut bad = proxy.client().await;
        tokio::io::AsyncWriteExt::write_all(&mut bad.io, bytes)
            .await
            .unwrap();
        while let Some(last) = bad.next().await {
            assert_ne!(last.status, OK);
        }
        assert_eq!(good.call(&Message::call(3, "hi", "x")).await.value(), "a:x");
    }
    proxy.until("sabir_downstream_cx_active", |n| n == 1).await;
}

#[tokio::test]
async fn an_endpoint_that_talks_nonsense_fails_its_calls_only() {
    let (mut bad, good) = (Backend::start().await, Backend::echoing("good").await);
    let proxy = Setup::one([bad.address])
        .also(ClusterSetup::new("good", [good]))
        .routes([
            "{match: {metadata: {method: {exact: good}}}, route: {cluster: good}}",
            "{route: {cluster: main}}",
        ])
        .start()
        .await;
    let mut client = proxy.client().await;
    client.send(&Message::call(1, "bad", "x")).await;
    let mut upstream = bad.accept().await;
    upstream.next().await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut upstream.io, b"HTTP/1.1 400 Bad Request\r\n\r\n")
        .await
        .unwrap();
    let failed = client.next().await.unwrap();
    assert_eq!((failed.id, failed.status), (1, 80));
    assert_eq!(
        client.call(&Message::call(2, "good", "x")).await.value(),
        "good:x"
    );
    assert_eq!(upstream.next().await, None);
}
