//! What a message says.

use bytes::Bytes;
use sabir_codecs::dubbo::Dubbo;
use sabir_core::connection::Written;
use sabir_core::frame::StreamId;
use sabir_core::head::{Head, Kind};
use sabir_core::message::MessageCodec;
use sabir_core::outcome::{Code, Executed, Outcome, Party};
use sabir_core::output::Output;

use crate::messages::{self, message};
use crate::vectors::bytes;
use crate::{decode, encode, get};

/// The values that routing usually looks at.
fn target(head: &Head) -> [Option<String>; 5] {
    ["service", "version", "method", "signature", "group"].map(|name| get(head, name))
}

fn some<const N: usize>(texts: [&str; N]) -> [Option<String>; N] {
    texts.map(|text| (text != "-").then(|| text.to_owned()))
}

#[test]
fn requests_say_who_is_called() {
    let head = decode(&messages::d1());
    assert_eq!(head.kind, Kind::Request);
    assert_eq!(
        target(&head),
        some(["org.demo.Hello", "0.0.0", "hi", "Ljava/lang/String;", "g1"])
    );
    assert_eq!(get(&head, "protocol").as_deref(), Some("dubbo"));
    assert_eq!(get(&head, "timeout").as_deref(), Some("1000"));
    assert_eq!(get(&head, "Interface").as_deref(), Some("org.demo.Hello"));
    assert_eq!(get(&head, "absent"), None);
    assert_eq!(head.fault(), None);
    assert!(!head.is_modified() && !head.bound);
    let stream = Dubbo::default()
        .decode(messages::d1())
        .map(|decoded| decoded.stream);
    assert_eq!(stream, Ok(StreamId(1)));
}

#[test]
fn attachments_are_found_behind_any_arguments() {
    let head = decode(&messages::d7());
    let signature = "[Ljava/lang/String;Lorg/demo/P;Ljava/util/List;";
    assert_eq!(
        target(&head),
        some(["org.demo.Hello", "-", "mix", signature, "g1"])
    );
    assert_eq!(get(&head, "_TO").as_deref(), Some("250"));
    assert_eq!(get(&head, "path").as_deref(), Some("org.demo.Hello"));
    let stream = Dubbo::default()
        .decode(messages::d7())
        .map(|decoded| decoded.stream);
    assert_eq!(stream, Ok(StreamId(u64::MAX - 1)));
    let large = decode(&messages::large(0x8000));
    assert_eq!(get(&large, "group").as_deref(), Some("g1"));
}

#[test]
fn a_version_that_only_the_attachments_have_is_found_there() {
    let body = [
        &messages::request_body(["2.0.2", "a.B", "", "hi", ""], b"", b"")[..],
        b"",
    ]
    .concat();
    // The empty version becomes null.
    let at = 6 + 4;
    let body = [
        &body[..at],
        b"N",
        &body[at + 1..],
        &messages::map(&[("version", "1.2")]),
    ]
    .concat();
    let head = decode(&message(0xc2, 0, 1, &body));
    assert_eq!(target(&head), some(["a.B", "1.2", "hi", "", "-"]));
}

#[test]
fn one_way_requests_expect_no_answer() {
    let head = decode(&messages::d8());
    assert_eq!(head.kind, Kind::OneWay);
    assert_eq!(
        target(&head),
        some(["org.demo.Hello", "0.0.0", "fire", "", "-"])
    );
}

#[test]
fn generic_calls_show_the_real_method() {
    for method in ["$invoke", "$invokeAsync"] {
        let head = decode(&messages::generic(method, "sayHello"));
        assert_eq!(
            get(&head, "method").as_deref(),
            Some("sayHello"),
            "{method}"
        );
        assert_eq!(get(&head, "generic").as_deref(), Some("true"), "{method}");
    }
    // Other methods of these names, and the echo service, are what they seem.
    let strings = ["2.0.2", "a.B", "1", "$invoke", "I"];
    let body = messages::request_body(strings, b"\x91", b"N");
    assert_eq!(
        get(&decode(&message(0xc2, 0, 1, &body)), "method").as_deref(),
        Some("$invoke")
    );
    let strings = ["2.0.2", "a.B", "1", "$echo", "Ljava/lang/Object;"];
    let body = messages::request_body(strings, b"\x02ok", b"N");
    assert_eq!(
        get(&decode(&message(0xc2, 0, 1, &body)), "method").as_deref(),
        Some("$echo")
    );
}

#[test]
fn attachments_may_be_absent() {
    for attachments in [&b"N"[..], b"\x00", b"HZ"] {
        let head = decode(&messages::plain("2.0.2", attachments));
        assert_eq!(head.metadata().iter().count(), 0);
        assert_eq!(head.fault(), None);
    }
}

#[test]
fn attachments_without_text_are_there_and_empty() {
    let body = bytes("48 0161 48 0162 0163 5a 0164 4e 0165 0166 5a");
    let head = decode(&messages::plain("2.0.2", &body));
    for (name, value) in [
        ("a", Some("")),
        ("d", Some("")),
        ("e", Some("f")),
        ("b", None),
    ] {
        assert_eq!(get(&head, name).as_deref(), value, "{name}");
    }
}

#[test]
fn callbacks_bind_the_connection() {
    assert!(decode(&messages::with_callback()).bound);
    assert!(!decode(&messages::d7()).bound);
    // The words alone, in an argument, do not.
    let strings = ["2.0.2", "a.B", "1", "hi", "Lorg/demo/P;"];
    let body = messages::request_body(strings, b"\x12sys_callback_arg-0", b"HZ");
    assert!(!decode(&message(0xc2, 0, 1, &body)).bound);
}

#[test]
fn heartbeats_are_answered_in_kind() {
    for (ping, pong) in [
        (messages::d3a(), messages::d3b()),
        (message(0xe2, 0, 2, b"NN"), messages::d3b()),
        (
            message(0xf7, 0, 2, &bytes("00000001af")),
            message(0x37, 20, 2, &bytes("00000001af")),
        ),
        (
            message(0xf6, 0, 2, &bytes("030a0148")),
            message(0x36, 20, 2, &bytes("030a0148")),
        ),
        (message(0xe8, 0, 2, b"\x00"), message(0x28, 20, 2, b"\x00")),
    ] {
        let head = decode(&ping);
        assert_eq!(head.kind, Kind::Ping);
        assert_eq!(encode(2, &head), (Written::Whole, pong));
    }
}

#[test]
fn events_are_told_apart() {
    for (event, kind) in [
        (messages::d3b(), Kind::Pong),
        (message(0x22, 70, 2, b"N"), Kind::Pong),
        (messages::d4(), Kind::Drain),
        (message(0xa2, 0, 3, b"\x01W"), Kind::Resume),
        (message(0xb7, 0, 3, &bytes("000000024a52")), Kind::Drain),
        (message(0xa2, 0, 2, b"N"), Kind::Pong),
        (message(0xa2, 0, 2, b"\x03huh"), Kind::Pong),
        (message(0xa2, 0, 2, b""), Kind::Pong),
        (message(0xe2, 0, 2, b""), Kind::Ping),
    ] {
        assert_eq!(decode(&event).kind, kind, "{event:?}");
    }
}

#[test]
fn sabir_pings_and_drains_in_dubbos_words() {
    let (codec, mut out) = (Dubbo::default(), Output::default());
    assert!(codec.ping(StreamId(2), &mut out));
    assert_eq!(out.to_vec(), messages::d3a());
    let mut out = Output::default();
    codec.drain(&mut out);
    assert_eq!(out.to_vec(), message(0xa2, 0, 0, b"\x01R"));
}

#[test]
fn responses_say_how_the_call_ended() {
    let outcome = |wire: Bytes| {
        let head = decode(&wire);
        assert_eq!((head.kind, head.fault()), (Kind::Response, None));
        head.outcome
    };
    let ok = |body: &str| outcome(message(0x02, 20, 1, &bytes(body)));
    for body in [
        "91 0161",
        "92",
        "94 0161 485a",
        "95 485a",
        "49 00000001 0161",
    ] {
        assert_eq!(ok(body), Outcome::OK, "{body}");
    }
    for body in ["90 4e", "93 4e 485a"] {
        assert_eq!(ok(body), Outcome::BUSINESS_ERROR, "{body}");
    }
    assert_eq!(outcome(messages::d6()), Outcome::BUSINESS_ERROR);
    for (status, party, executed, code) in [
        (25, Party::Infrastructure, Executed::Yes, Code::BadResponse),
        (30, Party::Infrastructure, Executed::Maybe, Code::TimedOut),
        (31, Party::Infrastructure, Executed::Maybe, Code::TimedOut),
        (35, Party::Network, Executed::Maybe, Code::Unavailable),
        (40, Party::Caller, Executed::No, Code::BadRequest),
        (50, Party::Infrastructure, Executed::Yes, Code::BadResponse),
        (60, Party::Infrastructure, Executed::No, Code::NotFound),
        (70, Party::Infrastructure, Executed::Maybe, Code::Internal),
        (
            80,
            Party::Infrastructure,
            Executed::Maybe,
            Code::Unavailable,
        ),
        (
            90,
            Party::Infrastructure,
            Executed::Maybe,
            Code::BadResponse,
        ),
        (100, Party::Infrastructure, Executed::No, Code::Overloaded),
        (0, Party::Infrastructure, Executed::Maybe, Code::Internal),
        (255, Party::Infrastructure, Executed::Maybe, Code::Internal),
    ] {
        let expected = Outcome::new(party, executed, code);
        assert_eq!(
            outcome(message(0x02, status, 1, b"\x02no")),
            expected,
            "{status}"
        );
    }
}

#[test]
fn responses_have_attachments_too() {
    for wire in [messages::d2(), messages::d6()] {
        assert_eq!(get(&decode(&wire), "dubbo").as_deref(), Some("2.0.2"));
    }
    let without = decode(&message(
        0x02,
        20,
        1,
        &bytes("91 0161 4805647562626f05322e302e325a"),
    ));
    assert_eq!(get(&without, "dubbo"), None);
    assert_eq!(get(&decode(&messages::d5()), "dubbo"), None);
}

#[test]
fn requests_of_the_server_side_are_requests() {
    // A provider calls back: direction is a flag, not a side.
    let strings = [
        "2.0.2",
        "org.demo.Listener",
        "",
        "changed",
        "Ljava/lang/String;",
    ];
    let attachments = messages::map(&[("callback.service.instid", "12345")]);
    let body = messages::request_body(strings, b"\x01x", &attachments);
    let head = decode(&message(0x82, 0, 3, &body));
    assert_eq!(
        (head.kind, head.service()),
        (Kind::OneWay, &b"org.demo.Listener"[..])
    );
    assert_eq!(
        get(&head, "callback.service.instid").as_deref(),
        Some("12345")
    );
}

#[test]
fn unknown_serializations_pass() {
    for id in [0, 3, 8, 21, 31] {
        let wire = message(0xc0 | id, 0, 1, b"\xff\x00anything");
        let head = decode(&wire);
        assert_eq!((head.kind, head.fault()), (Kind::Request, None));
        assert_eq!(target(&head), some(["-", "-", "-", "-", "-"]));
        assert_eq!(encode(1, &head), (Written::Whole, wire));
    }
}
