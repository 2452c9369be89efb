//! Faults as configuration gives them.

use std::net::SocketAddr;
use std::time::Instant;

use sabir_core::bytes::Bytes;
use sabir_core::head::Kind;
use serde_json::json;

use super::*;

fn filter(config: &Value) -> Arc<dyn Filter> {
    factory(config).unwrap()
}

fn context(random: fn() -> u64) -> Context {
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    let mut cx = Context::new(peer, peer, Instant::now());
    cx.random = random;
    cx
}

/// Delay and abort of a request that has these pairs, and what was counted.
fn ask(
    filter: &Arc<dyn Filter>,
    random: fn() -> u64,
    pairs: &[(&str, &str)],
) -> (Option<Duration>, Option<Code>, Vec<&'static str>) {
    let mut head = Head::new("toy", Kind::Request, Bytes::new(), |_, _| {});
    for (name, value) in pairs {
        head.add(&Name::new(name), value.as_bytes());
    }
    let mut cx = context(random);
    let flow = filter.on_request(&mut head, &mut cx);
    let results = filter.results();
    let counted = cx.take_counted().map(|(_, at)| results[usize::from(at)]);
    let counted = counted.collect();
    match flow {
        Flow::Skip => (None, None, counted),
        Flow::Reply(reply) => (None, Some(reply.outcome.code), counted),
        Flow::Delay(delay, then) => (Some(delay), then.map(|r| r.outcome.code), counted),
        other => panic!("{other:?}"),
    }
}

const HALF_SECOND: Duration = Duration::from_millis(500);

#[test]
fn a_share_of_requests_is_delayed_and_aborted() {
    let filter = filter(&json!({
        "delay": {"fixed_delay": "0.5s", "percentage": 50},
        "abort": {"status": "unavailable", "percentage": 25},
    }));
    let both = ask(&filter, || 0, &[]);
    let counted = vec!["aborted", "delayed"];
    assert_eq!(both, (Some(HALF_SECOND), Some(Code::Unavailable), counted));
    let delayed = ask(&filter, || u64::MAX / 3, &[]);
    assert_eq!(delayed, (Some(HALF_SECOND), None, vec!["delayed"]));
    assert_eq!(ask(&filter, || u64::MAX, &[]), (None, None, Vec::new()));
}

#[test]
fn callers_ask_for_faults() {
    let filter = filter(&json!({
        "delay": {"header_delay": {"max_delay": "2s"}},
        "abort": {"header_abort": {"name": "x-fail", "percentage_name": "x-fail-share"}},
    }));
    let delay = |text: &str| ask(&filter, || 0, &[("X-Envoy-Fault-Delay-Request", text)]).0;
    assert_eq!(delay("500"), Some(HALF_SECOND));
    assert_eq!(delay("500000"), Some(Duration::from_secs(2)));
    for unread in ["0", "-1", "soon", ""] {
        assert_eq!(delay(unread), None, "{unread}");
    }
    let abort = |text: &str| ask(&filter, || 0, &[("x-fail", text)]).1;
    assert_eq!(abort("denied"), Some(Code::Denied));
    assert_eq!(abort("503"), Some(Code::Unavailable));
    for unread in ["ok", "200", "nonsense"] {
        assert_eq!(abort(unread), None, "{unread}");
    }
    let share = |text: &str| {
        let pairs = [("x-fail", "503"), ("x-fail-share", text)];
        ask(&filter, || u64::MAX / 2, &pairs).1
    };
    assert_eq!(share("60"), Some(Code::Unavailable));
    assert_eq!(share("40"), None);
    assert_eq!(share("400"), None);
}

#[test]
fn callers_only_lessen_the_share() {
    let filter = filter(&json!({"abort": {"header_abort": {}, "percentage": 10}}));
    let pairs = [
        ("x-envoy-fault-abort-request", "500"),
        ("x-envoy-fault-abort-request-percentage", "100"),
    ];
    assert_eq!(ask(&filter, || u64::MAX / 2, &pairs).1, None);
    assert_eq!(ask(&filter, || 0, &pairs).1, Some(Code::Internal));
}

#[test]
fn so_many_faults_at_once_and_no_more() {
    let filter = filter(&json!({
        "delay": {"fixed_delay": "0.5s"},
        "max_active_faults": 2,
    }));
    for _ in 0..2 {
        assert_eq!(ask(&filter, || 0, &[]).0, Some(HALF_SECOND));
    }
    assert_eq!(ask(&filter, || 0, &[]), (None, None, vec!["overflow"]));
    filter.on_end(Outcome::OK, &mut context(|| 0));
    assert_eq!(ask(&filter, || 0, &[]).0, Some(HALF_SECOND));
}

#[test]
fn a_request_that_is_let_alone_allocates_nothing() {
    let filter = filter(&json!({
        "delay": {"header_delay": {}},
        "abort": {"status": "internal", "percentage": 0},
    }));
    let mut head = Head::new("toy", Kind::Request, Bytes::new(), |_, _| {});
    head.add(&Name::new("a"), b"b");
    let mut cx = context(|| 0);
    let allocations = allocation_counter::measure(|| {
        let flow = filter.on_request(&mut head, &mut cx);
        assert!(matches!(flow, Flow::Skip));
    });
    assert_eq!(allocations.count_total, 0);
}

#[test]
fn what_is_wrong_has_its_path() {
    let refusal = |config: Value| factory(&config).err().unwrap().to_string();
    for (config, wanted) in [
        (json!({}), "nothing to do: give delay or abort"),
        (
            json!({"delay": {}}),
            "delay: give one of fixed_delay and header_delay",
        ),
        (
            json!({"abort": {"status": "internal", "header_abort": {}}}),
            "abort: give one of status and header_abort",
        ),
        (
            json!({"delay": {"fixed_delay": "0s"}}),
            "delay.fixed_delay: more than zero",
        ),
        (
            json!({"delay": {"header_delay": {"max_delay": "4000s"}}}),
            "delay.header_delay.max_delay: at most 3600s",
        ),
        (
            json!({"abort": {"header_abort": {"name": ""}}}),
            "abort.header_abort.name: an empty name",
        ),
    ] {
        assert_eq!(refusal(config), wanted);
    }
    let share = refusal(json!({"abort": {"status": "internal", "percentage": 101}}));
    assert!(
        share.starts_with("abort.percentage: a percentage"),
        "{share}"
    );
}
