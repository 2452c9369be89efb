//! Limits as configuration gives them.

use std::net::SocketAddr;

use sabir_core::bytes::Bytes;
use sabir_core::head::Kind;
use serde_json::json;

use super::*;

/// A filter, and a clock of its own.
struct Limited {
    filter: Arc<dyn Filter>,
    start: Instant,
    now: Duration,
    random: fn() -> u64,
}

impl Limited {
    fn new(config: &Value) -> Self {
        Self {
            filter: factory(config).unwrap(),
            start: Instant::now(),
            now: Duration::ZERO,
            random: || 0,
        }
    }

    fn request(pairs: &[(&str, &str)]) -> Head {
        let mut head = Head::new("toy", Kind::Request, Bytes::new(), |_, _| {});
        for (name, value) in pairs {
            head.add(&Name::new(name), value.as_bytes());
        }
        head
    }

    /// The result of a request from `peer`.
    fn ask(&self, peer: &str, pairs: &[(&str, &str)]) -> &'static str {
        let peer = SocketAddr::new(peer.parse().unwrap(), 1);
        let mut cx = Context::new(peer, peer, self.start + self.now);
        cx.random = self.random;
        let flow = self.filter.on_request(&mut Self::request(pairs), &mut cx);
        let counted: Vec<_> = cx.take_counted().collect();
        let Some(&(_, result)) = counted.first() else {
            return "";
        };
        let result = self.filter.results()[usize::from(result)];
        let is_refused = matches!(flow, Flow::Reply(_));
        assert_eq!(is_refused, result == "rate_limited", "{flow:?}");
        result
    }

    /// How many of 100 requests pass.
    fn pass(&self, peer: &str, pairs: &[(&str, &str)]) -> usize {
        let asked = (0..100).map(|_| self.ask(peer, pairs));
        asked.filter(|&result| result == "ok").count()
    }
}

const A: &str = "10.0.0.1";
const B: &str = "10.0.0.2";

fn bucket(tokens: u32) -> Value {
    json!({"max_tokens": tokens, "tokens_per_fill": 2, "fill_interval": "0.5s"})
}

#[test]
fn a_bucket_empties_and_fills() {
    let mut limited = Limited::new(&json!({"token_bucket": bucket(5)}));
    assert_eq!(limited.pass(A, &[]), 5);
    limited.now = Duration::from_millis(499);
    assert_eq!(limited.pass(B, &[]), 0, "the bucket is everybody's");
    limited.now = Duration::from_millis(500);
    assert_eq!(limited.pass(A, &[]), 2);
    limited.now = Duration::from_secs(60);
    assert_eq!(limited.pass(A, &[]), 5);
}

#[test]
fn each_source_has_a_bucket() {
    let limited = Limited::new(&json!({
        "descriptors": [{"entries": [{"key": "remote_address"}], "token_bucket": bucket(3)}],
    }));
    assert_eq!(limited.pass(A, &[]), 3);
    assert_eq!(limited.pass(B, &[]), 3);
    assert_eq!(limited.pass("::ffff:10.0.0.1", &[]), 0, "the same caller");
}

#[test]
fn descriptors_hold_for_those_that_have_them() {
    let limited = Limited::new(&json!({
        "token_bucket": bucket(50),
        "descriptors": [
            {"entries": [{"key": "tenant", "value": "a"}], "token_bucket": bucket(4)},
            {"entries": [{"key": "user"}, {"key": "remote_address", "value": "10.0.0.1/32"}],
             "token_bucket": bucket(7)},
        ],
    }));
    assert_eq!(limited.pass(A, &[("tenant", "a")]), 4);
    assert_eq!(limited.pass(A, &[("user", "u")]), 7);
    assert_eq!(limited.pass(A, &[("user", "v")]), 7);
    // What is refused for one bucket has taken nothing from the others.
    assert_eq!(limited.pass(A, &[("tenant", "a"), ("user", "w")]), 0);
    assert_eq!(limited.pass(A, &[("user", "w")]), 7);
    assert_eq!(limited.pass(B, &[("user", "w")]), 50 - 4 - 3 * 7);
}

#[test]
fn the_general_bucket_may_be_for_the_others() {
    let limited = Limited::new(&json!({
        "token_bucket": bucket(2),
        "always_consume_default_token_bucket": false,
        "descriptors": [{"entries": [{"key": "t", "value": "a"}], "token_bucket": bucket(9)}],
    }));
    assert_eq!(limited.pass(A, &[("t", "a")]), 9);
    assert_eq!(limited.pass(A, &[("t", "b")]), 2);
}

#[test]
fn a_share_is_looked_at_and_a_share_enforced() {
    let mut limited = Limited::new(&json!({"token_bucket": bucket(1), "filter_enforced": 0}));
    assert_eq!(limited.ask(A, &[]), "ok");
    assert_eq!(limited.ask(A, &[]), "shadow");
    limited = Limited::new(&json!({"token_bucket": bucket(1), "filter_enabled": 50}));
    limited.random = || u64::MAX;
    assert_eq!(limited.ask(A, &[]), "");
    limited.random = || 1;
    assert_eq!(limited.ask(A, &[]), "ok");
    assert_eq!(limited.ask(A, &[]), "rate_limited");
}

#[test]
fn the_answer_is_as_configured() {
    for (config, code) in [
        (json!({"token_bucket": bucket(1)}), Code::RateLimited),
        (
            json!({"token_bucket": bucket(1), "status": "overloaded"}),
            Code::Overloaded,
        ),
    ] {
        let limited = Limited::new(&config);
        limited.ask(A, &[]);
        let peer = SocketAddr::new(A.parse().unwrap(), 1);
        let mut cx = Context::new(peer, peer, limited.start);
        let mut request = Limited::request(&[]);
        let Flow::Reply(reply) = limited.filter.on_request(&mut request, &mut cx) else {
            panic!("the bucket is empty")
        };
        assert_eq!(reply.outcome.code, code);
    }
}

#[test]
fn a_request_allocates_nothing() {
    let limited = Limited::new(&json!({
        "token_bucket": bucket(50),
        "descriptors": [
            {"entries": [{"key": "remote_address"}, {"key": "tenant"}], "token_bucket": bucket(9)},
        ],
    }));
    let mut request = Limited::request(&[("tenant", "a")]);
    let peer = SocketAddr::new(A.parse().unwrap(), 1);
    let mut cx = Context::new(peer, peer, limited.start);
    let allocations = allocation_counter::measure(|| {
        for _ in 0..100 {
            let _: Flow = limited.filter.on_request(&mut request, &mut cx);
            assert_eq!(cx.take_counted().count(), 1);
        }
    });
    assert_eq!(allocations.count_total, 0);
}

#[test]
fn what_is_wrong_has_its_path() {
    let refusal = |config: Value| factory(&config).err().unwrap().to_string();
    assert!(refusal(json!({})).starts_with("token_bucket: required"));
    let bucket = |max: u32, fill: u32, every: &str| {
        json!({"token_bucket": {
            "max_tokens": max, "tokens_per_fill": fill, "fill_interval": every,
        }})
    };
    for (config, wanted) in [
        (bucket(0, 1, "1s"), "token_bucket.max_tokens: at least 1"),
        (
            bucket(1, 0, "1s"),
            "token_bucket.tokens_per_fill: at least 1",
        ),
        (
            bucket(1, 1, "0s"),
            "token_bucket.fill_interval: at least 0.001s",
        ),
        (
            bucket(1, 1, "1m"),
            "token_bucket.fill_interval: invalid value: string \"1m\", expected a duration in \
             seconds, as 1s or 0.25s",
        ),
    ] {
        assert_eq!(refusal(config), wanted);
    }
    let descriptor = |entries: Value| {
        let bucket = json!({"max_tokens": 1, "fill_interval": "1s"});
        json!({"descriptors": [{"entries": entries, "token_bucket": bucket}]})
    };
    assert_eq!(
        refusal(descriptor(json!([]))),
        "descriptors[0].entries: at least one"
    );
    let address = json!([{"key": "a"}, {"key": "remote_address", "value": "here"}]);
    let refused = refusal(descriptor(address));
    assert!(
        refused.starts_with("descriptors[0].entries[1].value: an address"),
        "{refused}"
    );
    let mut keys = descriptor(json!([{"key": "a"}]));
    keys["max_dynamic_descriptors"] = json!(0);
    assert!(refusal(keys).starts_with("max_dynamic_descriptors: 0 is not"));
    let status = refusal(json!({"status": "ok"}));
    assert!(status.starts_with("status: invalid value"), "{status}");
}
