//! Filters: their order, their answers, and that each exchange ends once for each of them.

use std::net::SocketAddr;

use crate::backend::{Backend, nobody};
use crate::dubbo::{Message, OK};
use crate::running::{ClusterSetup, Running, Setup};
use crate::tally::{self, configured};

/// A proxy whose listener has filters `a` and `b`, and its routes `c` and `d`.
async fn start(book: &str, does: [&str; 4], endpoints: Vec<SocketAddr>) -> Running {
    let filter = |i: usize| configured(book, ["a", "b", "c", "d"][i], does[i]);
    let route = |rest: &str| format!("{{{rest}, filters: [{}, {}]}}", filter(2), filter(3));
    let to = |method: &str, action: &str| {
        route(&format!(
            "match: {{metadata: {{method: {{exact: {method}}}}}}}, {action}"
        ))
    };
    let routes = [
        to("dead", "route: {cluster: dead}"),
        to("empty", "route: {cluster: empty}"),
        to("slow", "route: {cluster: main, timeout: 0.1s}"),
        to("hang", "route: {cluster: main, timeout: 0.1s}"),
        to("direct", "direct_response: {status: overloaded}"),
        to("hi", "route: {cluster: main}"),
    ];
    let mut setup = Setup::one(endpoints)
        .listener(format!("filters: [{}, {}]", filter(0), filter(1)))
        .also(ClusterSetup::new("empty", []))
        .also(ClusterSetup::new("dead", [nobody()]));
    setup.listeners[0].routes = routes.to_vec();
    setup.start_with(tally::register).await
}

#[tokio::test]
async fn requests_pass_in_order_and_responses_in_reverse() {
    for (book, does) in [("order", "go"), ("order-wait", "wait")] {
        let backend = Backend::echoing("x").await;
        let proxy = start(book, [does; 4], vec![backend]).await;
        let mut client = proxy.client().await;
        let answer = client.call(&Message::call(1, "hi", "x")).await;
        assert_eq!(answer.value(), "x:x");
        let noted = tally::take(book);
        let (on_way, ends) = noted.split_at(8);
        assert_eq!(on_way, ["a+", "b+", "c+", "d+", "d<", "c<", "b<", "a<"]);
        let mut ends = ends.to_vec();
        ends.sort();
        assert_eq!(ends, ["a=ok", "b=ok", "c=ok", "d=ok"]);
    }
}

#[tokio::test]
async fn an_answer_of_a_filter_ends_the_exchange_for_those_that_saw_it() {
    let cases = [
        ("deny-b", ["go", "deny", "go", "go"], "ab"),
        ("deny-b-later", ["go", "wait-deny", "go", "go"], "ab"),
        ("deny-c", ["go", "go", "deny", "go"], "abc"),
        ("deny-c-later", ["wait", "go", "wait-deny", "go"], "abc"),
    ];
    for (book, does, saw) in cases {
        let mut backend = Backend::start().await;
        let proxy = start(book, does, vec![backend.address]).await;
        let mut client = proxy.client().await;
        let answer = client.call(&Message::call(1, "hi", "x")).await;
        // A denial is an exception, which is not retried.
        assert_eq!((answer.status, answer.body[0]), (OK, 0x90));
        client.send(&Message::call(2, "hi", "x").one_way()).await;
        client.assert_quiet(3).await;
        proxy.assert_balanced().await;
        assert!(!backend.has_connection());
        for name in ["a", "b", "c", "d"] {
            let times = if saw.contains(name) { 2 } else { 0 };
            assert_eq!(tally::count(book, &format!("{name}+")), times, "{book}");
            assert_eq!(
                tally::count(book, &format!("{name}=denied")),
                times,
                "{book}"
            );
            assert_eq!(tally::count(book, &format!("{name}=")), times, "{book}");
            assert_eq!(tally::count(book, &format!("{name}<")), 0, "{book}");
        }
        drop(backend.accept());
    }
}

#[tokio::test]
async fn a_filter_may_replace_a_response() {
    let backend = Backend::echoing("x").await;
    let proxy = start("replace", ["go", "go", "replace", "go"], vec![backend]).await;
    let mut client = proxy.client().await;
    let answer = client.call(&Message::call(1, "hi", "x")).await;
    assert_eq!((answer.status, answer.error().as_str()), (80, "not this"));
    let noted = tally::take("replace");
    assert_eq!(noted[4..6], ["d<", "c<"]);
    assert_eq!(
        noted.iter().filter(|n| n.ends_with("=unavailable")).count(),
        4
    );
    assert_eq!(noted.len(), 10);
    client.assert_quiet(2).await;
}

#[tokio::test]
async fn every_exchange_ends_once_however_it_ends() {
    let book = "ends";
    let mut backend = Backend::start().await;
    let proxy = start(book, ["go", "go", "hang", "go"], vec![backend.address]).await;
    let mut client = proxy.client().await;
    let calls = [
        ("dead", 80, "unavailable"),
        ("empty", 80, "unavailable"),
        ("slow", 31, "timed_out"),
        ("hang", 31, "timed_out"),
        ("direct", 100, "overloaded"),
        ("nowhere", 60, "not_found"),
    ];
    for (id, (method, status, code)) in calls.into_iter().enumerate() {
        let answer = client.call(&Message::call(id as u64, method, "x")).await;
        assert_eq!(answer.status, status, "{method}");
        let noted = tally::take(book);
        let filters = match method {
            "nowhere" => 2,
            "hang" => 3,
            _ => 4,
        };
        let ends = noted.iter().filter(|n| n.ends_with(&format!("={code}")));
        assert_eq!(
            (noted.len(), ends.count()),
            (2 * filters, filters),
            "{noted:?}"
        );
    }
    // Lost with its endpoint.
    let mut upstream = backend.accept().await;
    upstream.next().await.unwrap();
    client.send(&Message::call(10, "hi", "x")).await;
    upstream.next().await.unwrap();
    drop(upstream);
    assert_eq!(client.next().await.unwrap().status, 80);
    let noted = tally::take(book);
    assert_eq!(
        (noted.len(), noted.last().unwrap().as_str()),
        (8, "b=unavailable")
    );
    // One-way.
    client.send(&Message::call(11, "hi", "x").one_way()).await;
    let mut upstream = backend.accept().await;
    upstream.next().await.unwrap();
    proxy.assert_balanced().await;
    assert_eq!(tally::take(book).len(), 8);
    // The caller goes away, with an exchange at an endpoint and one that a filter has.
    let mut gone = proxy.client().await;
    gone.send(&Message::call(1, "hi", "x")).await;
    upstream.next().await.unwrap();
    drop(gone);
    let mut gone = proxy.client().await;
    gone.send(&Message::call(1, "hang", "x")).await;
    drop(gone);
    client.assert_quiet(12).await;
    // A caller that has closed its side may still read: only its reset, or the answer, tells.
    upstream.send(&Message::answer(1, "unknown")).await;
    proxy.until("sabir_downstream_rq_active", |n| n <= 1).await;
    drop(upstream);
    proxy.assert_balanced().await;
    let noted = tally::take(book);
    let starts = noted.iter().filter(|n| n.ends_with('+')).count();
    let ends = noted.iter().filter(|n| n.contains('=')).count();
    assert_eq!((starts, ends), (7, 7), "{noted:?}");
}
