//! What of a request decides where hash policies send it.

use std::net::SocketAddr;

use sabir_core::head::Head;
use sabir_core::name::Name;
use sabir_router::hash_policy::{HashPolicy, Source, Then};

use crate::toy;

fn peer(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn metadata(name: &str) -> Source {
    Source::Metadata(Name::new(name))
}

fn cookie(name: &str) -> Source {
    Source::Cookie {
        metadata: Name::new("cookie"),
        name: name.as_bytes().into(),
    }
}

fn hash(sources: &[(Source, Then)], pairs: &[(&str, &str)]) -> Option<u64> {
    let policy = HashPolicy::new(sources.to_vec());
    policy.hash(&head(pairs), peer("10.0.0.1:5"))
}

fn head(pairs: &[(&str, &str)]) -> Head {
    toy::request("s", "m", pairs)
}

#[test]
fn sources_that_a_request_lacks_are_passed_over() {
    let both = [
        (metadata("tenant"), Then::Continue),
        (metadata("user"), Then::Continue),
    ];
    let user_alone = [(metadata("user"), Then::Continue)];
    assert_eq!(hash(&both, &[("other", "1")]), None);
    assert_eq!(
        hash(&both, &[("user", "1")]),
        hash(&user_alone, &[("user", "1")])
    );
    let full = hash(&both, &[("tenant", "t"), ("user", "1")]);
    assert!(full.is_some());
    assert_ne!(full, hash(&both, &[("user", "1")]));
    assert_ne!(
        full,
        hash(&both, &[("tenant", "1"), ("user", "t")]),
        "order counts"
    );
    assert_eq!(hash(&[], &[("user", "1")]), None);
}

#[test]
fn a_source_may_be_the_last_word() {
    let sources = [
        (metadata("tenant"), Then::Stop),
        (metadata("user"), Then::Continue),
    ];
    let tenant = hash(&sources, &[("tenant", "t")]);
    assert_eq!(hash(&sources, &[("tenant", "t"), ("user", "1")]), tenant);
    assert_ne!(
        hash(&sources, &[("user", "1")]),
        None,
        "the others are for those without"
    );
}

#[test]
fn every_value_of_a_name_counts() {
    let user = [(metadata("user"), Then::Continue)];
    let one = hash(&user, &[("user", "ab")]);
    assert_ne!(hash(&user, &[("user", "a"), ("user", "b")]), one);
    assert_eq!(hash(&user, &[("USER", "ab")]), one);
    let service = [(metadata("service"), Then::Continue)];
    assert!(hash(&service, &[]).is_some());
}

#[test]
fn cookies_are_found_among_others() {
    let sid = [(cookie("sid"), Then::Continue)];
    let value = hash(&sid, &[("cookie", "sid=42")]);
    assert!(value.is_some());
    let same = ["a=1; sid=42; b=2", "a=1;sid=42", "asid=1; sid=\"42\""];
    for pairs in same {
        assert_eq!(hash(&sid, &[("cookie", pairs)]), value, "{pairs}");
    }
    assert_eq!(
        hash(&sid, &[("cookie", "a=1"), ("cookie", "sid=42")]),
        value
    );
    assert_ne!(hash(&sid, &[("cookie", "sid=43")]), value);
    for pairs in ["a=1", "sid", "SID=42", "xsid=42", ""] {
        assert_eq!(hash(&sid, &[("cookie", pairs)]), None, "{pairs}");
    }
}

#[test]
fn callers_are_told_apart_by_address_without_port() {
    let policy = HashPolicy::new(vec![(Source::SourceIp, Then::Continue)]);
    let hash = |from| policy.hash(&head(&[]), peer(from));
    assert_eq!(hash("10.0.0.1:1"), hash("10.0.0.1:2"));
    assert_eq!(hash("10.0.0.1:1"), hash("[::ffff:10.0.0.1]:1"));
    assert_ne!(hash("10.0.0.1:1"), hash("10.0.0.2:1"));
    assert_ne!(hash("[::1]:1"), hash("[::2]:1"));
}
