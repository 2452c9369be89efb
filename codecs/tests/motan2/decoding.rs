//! What is found in messages.

use sabir_codecs::motan2::{Motan2, Options};
use sabir_core::head::Kind;
use sabir_core::message::MessageCodec;
use sabir_core::name::Field;
use sabir_core::outcome::{Code, Outcome, Reply};
use sabir_core::output::Output;

use crate::messages::{self, message, request};
use crate::vectors::bytes;
use crate::{decode, get, head};

#[test]
fn a_request_says_who_is_called() {
    let (id, m1) = decode(&messages::m1());
    assert_eq!((id, m1.kind, m1.fault()), (1, Kind::Request, None));
    assert_eq!(
        (m1.service(), m1.method()),
        (&b"com.demo.Hello"[..], &b"hi"[..])
    );
    let named = [
        "group",
        "version",
        "M_s",
        "m_p",
        "signature",
        "protocol",
        "x",
    ];
    let values = named.map(|name| get(&m1, name));
    let values = values.each_ref().map(Option::as_deref);
    let expected = [
        Some("g1"),
        Some("1.0"),
        Some("app1"),
        Some("com.demo.Hello"),
        None,
        Some("motan2"),
        None,
    ];
    assert_eq!(values, expected);
    assert_eq!(m1.metadata().iter().count(), 5);
    assert_eq!(
        get(&head(&messages::m1_traced()), "X-Trace").as_deref(),
        Some("t1")
    );
    let described = head(&request("M_p\nS\nM_m\nf\nM_md\njava.lang.String"));
    assert_eq!(
        described.field(Field::Signature),
        Some(&b"java.lang.String"[..])
    );
}

#[test]
fn a_one_way_request_awaits_nothing() {
    let (id, m5) = decode(&messages::m5());
    assert_eq!((id, m5.kind), (3, Kind::OneWay));
    assert_eq!((m5.service(), m5.method()), (&b"S"[..], &b"f"[..]));
    for (flags, kind) in [
        (0x00, Kind::Request),
        (0x02, Kind::Request),
        (0x08, Kind::Request),
        (0x0a, Kind::Request),
        (0x04, Kind::OneWay),
        (0x06, Kind::OneWay),
        (0x0c, Kind::OneWay),
        (0x01, Kind::Response),
        (0x03, Kind::Response),
        (0x09, Kind::Response),
        (0x0b, Kind::Response),
        // What motan-go's server says to a one-way request.
        (0x05, Kind::Response),
        (0x10, Kind::Ping),
        (0x12, Kind::Ping),
        (0x11, Kind::Pong),
        (0x13, Kind::Pong),
    ] {
        let wire = message(flags, 0, 6, b"M_p\nS\nM_m\nf", b"");
        assert_eq!(head(&wire).kind, kind, "{flags:#x}");
    }
}

#[test]
fn one_way_requests_are_answered_where_wanted() {
    let codec = Motan2::new(Options {
        answer_one_way: true,
        ..Options::default()
    });
    let decoded = codec.decode(messages::m5()).expect("a sound request");
    assert_eq!(decoded.head.kind, Kind::Request);
    let reply = Reply::refused(Code::TimedOut, "slow");
    let mut out = Output::default();
    codec.reply(decoded.stream, decoded.head.echo, &reply, &mut out);
    let (id, answer) = decode(&out.to_vec().into());
    assert_eq!(
        (id, answer.kind, answer.outcome.code),
        (3, Kind::Response, Code::TimedOut)
    );
}

#[test]
fn heartbeats_are_recognised() {
    for (wire, kind) in [
        (messages::m4a(), Kind::Ping),
        (messages::m4b(), Kind::Pong),
        (messages::m4c(), Kind::Ping),
    ] {
        let (id, head) = decode(&wire);
        assert_eq!((id, head.kind), (2, kind));
    }
}

#[test]
fn responses_say_how_it_ended() {
    let (id, m2) = decode(&messages::m2());
    assert_eq!((id, m2.kind, m2.outcome), (1, Kind::Response, Outcome::OK));
    assert_eq!(get(&m2, "M_pt").as_deref(), Some("3"));
    assert!(!head(&messages::m3()).outcome.is_ok());
}

#[test]
fn a_compressed_body_is_as_readable_as_any() {
    let wire = message(
        0x08,
        0,
        6,
        b"M_p\nS\nM_m\nf\nk\nv",
        &bytes(messages::GZIPPED),
    );
    let head = head(&wire);
    assert_eq!(
        (head.service(), get(&head, "k").as_deref()),
        (&b"S"[..], Some("v"))
    );
}

#[test]
fn a_trailing_newline_ends_the_last_value() {
    let head = head(&request("M_p\nS\nM_m\nf\n"));
    assert_eq!((head.fault(), head.method()), (None, &b"f"[..]));
    assert_eq!(head.metadata().iter().count(), 2);
}

#[test]
fn a_value_may_be_empty() {
    let last = head(&request("M_p\nS\nM_m\nf\nlast\n"));
    assert_eq!(
        (last.fault(), get(&last, "last").as_deref()),
        (None, Some(""))
    );
    let middle = head(&request("M_p\nS\nempty\n\nM_m\nf"));
    assert_eq!(
        (middle.method(), get(&middle, "empty").as_deref()),
        (&b"f"[..], Some(""))
    );
}

#[test]
fn the_last_pair_of_a_key_counts() {
    let head = head(&request("M_p\nold\nx\n1\nM_p\nS\nM_m\nf\nx\n2\nX\n3"));
    assert_eq!(head.service(), b"S");
    assert!(!head.any(&"x".into(), |value| value == b"1"));
    // Keys of peers know case.
    let values: Vec<_> = head.metadata().iter().map(|(_, value)| value).collect();
    assert_eq!(values, [&b"S"[..], b"f", b"2", b"3"]);
}

#[test]
fn values_are_exact_octets() {
    let wire = message(0, 0, 6, b"M_p\nS\nM_m\nf\nraw\n\xff\x00\xfe", b"");
    let head = head(&wire);
    assert_eq!(head.fault(), None);
    assert_eq!(head.get(&"raw".into()), Some(&b"\xff\x00\xfe"[..]));
}

/// Java clients say the version, and the group too, in attachments without the prefix.
#[test]
fn group_and_version_may_stand_under_names_of_their_own() {
    for (metadata, group, version) in [
        ("group\na\nversion\n1", Some("a"), Some("1")),
        ("M_g\na\ngroup\nb\nversion\n1\nM_v\n2", Some("a"), Some("2")),
        ("group\nb\nM_g\n\nM_v\n\nversion\n1", Some("b"), Some("1")),
        (
            "group\nb\ngroup\nc\nversion\n1\nversion\n",
            Some("c"),
            Some("1"),
        ),
        ("Group\nb\nm_v\n1", None, None),
    ] {
        let head = head(&request(&format!("M_p\nS\nM_m\nf\n{metadata}")));
        let values = ["group", "version"].map(|name| get(&head, name));
        let values = values.each_ref().map(Option::as_deref);
        assert_eq!(values, [group, version], "{metadata:?}");
    }
}
