//! Rules as configuration gives them.

use std::net::SocketAddr;
use std::time::Instant;

use sabir_core::bytes::Bytes;
use sabir_core::head::Kind;
use sabir_core::name::Name;
use serde_json::json;

use super::*;

fn request(pairs: &[(&str, &str)]) -> Head {
    let mut head = Head::new("toy", Kind::Request, Bytes::new(), |_, _| {});
    for (name, value) in pairs {
        head.add(&Name::new(name), value.as_bytes());
    }
    head
}

fn context(peer: &str) -> Context {
    let peer = SocketAddr::new(peer.parse().unwrap(), 4711);
    Context::new(peer, "192.0.2.1:8080".parse().unwrap(), Instant::now())
}

/// Whether a request from `peer` passes, and what was counted.
fn ask(filter: &Arc<dyn Filter>, peer: &str, pairs: &[(&str, &str)]) -> (bool, Vec<&'static str>) {
    let mut cx = context(peer);
    let flow = filter.on_request(&mut request(pairs), &mut cx);
    let results = filter.results();
    let counted = cx.take_counted().map(|(_, at)| results[usize::from(at)]);
    let counted = counted.collect();
    match flow {
        Flow::Skip => (true, counted),
        Flow::Reply(reply) if reply.outcome.code == Code::Denied => (false, counted),
        other => panic!("{other:?}"),
    }
}

/// Whether a request passes a filter with a policy of these two.
fn passes(permission: &Value, principal: &Value, peer: &str, pairs: &[(&str, &str)]) -> bool {
    let policy = json!({"permissions": [permission], "principals": [principal]});
    let filter = factory(&json!({"rules": {"policies": {"p": policy}}})).unwrap();
    ask(&filter, peer, pairs).0
}

const A: &str = "10.0.0.1";

#[test]
fn permissions_are_about_what_is_called() {
    let any = json!({"any": true});
    let method = |prefix: &str| json!({"metadata": {"m": {"prefix": prefix}}});
    let both = json!([method("find"), {"destination_port": 8080}]);
    let no = json!({"destination_port": 1});
    for (permission, wanted) in [
        (any.clone(), true),
        (method("find"), true),
        (method("save"), false),
        (json!({"not_rule": method("find")}), false),
        (json!({"and_rules": {"rules": both}}), true),
        (json!({"and_rules": {"rules": [no, any]}}), false),
        (json!({"or_rules": {"rules": [no, any]}}), true),
        (json!({"or_rules": {"rules": [no, no]}}), false),
        (
            json!({"destination_port_range": {"start": 8080, "end": 8081}}),
            true,
        ),
        (
            json!({"destination_port_range": {"start": 8000, "end": 8080}}),
            false,
        ),
        (
            json!({"destination_ip": {"address_prefix": "192.0.2.0", "prefix_len": 24}}),
            true,
        ),
        (
            json!({"destination_ip": {"address_prefix": "10.0.0.0", "prefix_len": 8}}),
            false,
        ),
    ] {
        let is_allowed = passes(&permission, &any, A, &[("m", "findAll")]);
        assert_eq!(is_allowed, wanted, "{permission}");
    }
}

#[test]
fn principals_are_about_who_calls() {
    let any = json!({"any": true});
    let ten = json!({"direct_remote_ip": {"address_prefix": "10.0.0.0", "prefix_len": 8}});
    let six = json!({"direct_remote_ip": {"address_prefix": "2001:db8::", "prefix_len": 32}});
    let gold = json!({"metadata": {"tenant": {"one_of": {"values": ["gold", "silver"]}}}});
    for (principal, peer, wanted) in [
        (ten.clone(), A, true),
        (ten.clone(), "::ffff:10.0.0.1", true),
        (ten.clone(), "11.0.0.1", false),
        (six.clone(), "2001:db8::1", true),
        (six.clone(), A, false),
        (json!({"not_id": ten}), A, false),
        (json!({"and_ids": {"ids": [ten, gold]}}), A, true),
        (json!({"and_ids": {"ids": [six, gold]}}), A, false),
        (json!({"or_ids": {"ids": [six, gold]}}), A, true),
        (
            json!({"metadata": {"tenant": {"present": false}}}),
            A,
            false,
        ),
    ] {
        let is_allowed = passes(&any, &principal, peer, &[("tenant", "gold")]);
        assert_eq!(is_allowed, wanted, "{principal} {peer}");
    }
}

#[test]
fn the_action_says_what_policies_mean() {
    let rules = |action: &str, port: u16| {
        let policy = json!({
            "permissions": [{"destination_port": port}],
            "principals": [{"any": true}],
        });
        json!({"action": action, "policies": {"never": {
            "permissions": [{"destination_port": 1}], "principals": [{"any": true}],
        }, "p": policy}})
    };
    for (action, port, wanted) in [
        ("ALLOW", 8080, true),
        ("ALLOW", 80, false),
        ("DENY", 8080, false),
        ("DENY", 80, true),
    ] {
        let filter = factory(&json!({"rules": rules(action, port)})).unwrap();
        let result = if wanted { "allowed" } else { "denied" };
        assert_eq!(ask(&filter, A, &[]), (wanted, vec![result]), "{action}");
        let filter = factory(&json!({"shadow_rules": rules(action, port)})).unwrap();
        let result = if wanted {
            "shadow_allowed"
        } else {
            "shadow_denied"
        };
        assert_eq!(ask(&filter, A, &[]), (true, vec![result]), "{action}");
    }
    let nobody = factory(&json!({"rules": {}})).unwrap();
    assert_eq!(ask(&nobody, A, &[]), (false, vec!["denied"]));
}

#[test]
fn a_request_allocates_nothing() {
    let policy = json!({
        "permissions": [{"metadata": {"m": {"regex": "find.*"}}}],
        "principals": [
            {"direct_remote_ip": {"address_prefix": "10.0.0.0", "prefix_len": 8}},
        ],
    });
    let rules = json!({"policies": {"p": policy}});
    let filter = factory(&json!({"rules": rules, "shadow_rules": rules})).unwrap();
    let decide = |head: &mut Head, cx: &mut Context| {
        let _: Flow = filter.on_request(head, cx);
        assert_eq!(cx.take_counted().count(), 2);
    };
    for method in ["findAll", "save"] {
        let (mut head, mut cx) = (request(&[("m", method)]), context(A));
        // A regular expression makes its cache when it is first used.
        decide(&mut head, &mut cx);
        let allocations = allocation_counter::measure(|| decide(&mut head, &mut cx));
        assert_eq!(allocations.count_total, 0, "{method}");
    }
}

#[test]
fn what_is_wrong_has_its_path() {
    let refusal = |config: Value| factory(&config).err().unwrap().to_string();
    let of = |permission: Value, principal: Value| {
        let policy = json!({"permissions": permission, "principals": principal});
        refusal(json!({"rules": {"policies": {"p": policy}}}))
    };
    let any = || json!([{"any": true}]);
    assert!(refusal(json!({})).starts_with("nothing to decide"));
    assert!(of(json!([]), any()).starts_with("rules.policies.p.permissions: at least one"));
    assert!(of(any(), json!([])).starts_with("rules.policies.p.principals: at least one"));
    for (permission, wanted) in [
        (json!({"any": false}), ".any: only true means something"),
        (
            json!({"and_rules": {"rules": []}}),
            ".and_rules.rules: at least one",
        ),
        (json!({"metadata": {}}), ".metadata: at least one name"),
        (
            json!({"metadata": {"m": {"prefix": ""}}}),
            ".metadata.m: an empty prefix matches every value; use present instead",
        ),
        (
            json!({"metadata": {"m": {"exact": "a", "prefix": "b"}}}),
            ".metadata.m: give one of exact, prefix, suffix, contains, regex, range, present, \
             one_of",
        ),
        (
            json!({"destination_ip": {"address_prefix": "here"}}),
            ".destination_ip.address_prefix: `here` is no IP address",
        ),
        (
            json!({"destination_ip": {"address_prefix": "::", "prefix_len": 129}}),
            ".destination_ip.prefix_len: at most 128",
        ),
        (
            json!({"destination_port_range": {"start": 2, "end": 2}}),
            ".destination_port_range: start is less than end, end at most 65536",
        ),
    ] {
        let refused = of(json!([permission]), any());
        let wanted = format!("rules.policies.p.permissions[0]{wanted}");
        assert_eq!(refused, wanted);
    }
    let unknown = of(any(), json!([{"authenticated": {}}]));
    let wanted = "rules.policies.p.principals[0]";
    assert!(
        unknown.starts_with(wanted) && unknown.contains("`authenticated`"),
        "{unknown}"
    );
    let mut deep = json!({"any": true});
    for _ in 0..20 {
        deep = json!({"not_rule": deep});
    }
    assert!(of(json!([deep]), any()).contains("deeper than 16 levels"));
}
