//! What is malformed, as a peer sees it: RFC 9113 section 8 on the wire, in both roles.

use sabir_codecs::http2::Options;
use sabir_codecs::http2::frame::Kind as FrameKind;
use sabir_core::head::Stage;
use sabir_core::outcome::{Code, Party};

use crate::side::{GET, Side, data, foreign, get, headers, value};

const PROTOCOL: [(FrameKind, u32, u32); 1] = [(FrameKind::Reset, 1, 1)];

#[test]
fn p13_a_malformed_request_costs_its_stream_and_reaches_nobody() {
    for (name, bad) in [
        ("x", "a\r\nx: y"),
        ("transfer-encoding", "chunked"),
        ("Upper", "1"),
        ("te", "gzip"),
        (":late", "1"),
        ("host", "other.example"),
    ] {
        let mut server = Side::greeted_server();
        server
            .feed(&headers(1, true, &[&GET[..], &[(name, bad)]].concat()))
            .unwrap();
        assert_eq!(server.codes(), PROTOCOL, "{name}: {bad:?}");
        assert_eq!(server.seen(), [""; 0]);
        server.feed(&headers(3, true, &GET)).unwrap();
        assert_eq!(server.seen().len(), 1, "the connection lives on");
    }
}

#[test]
fn a_body_is_as_long_as_content_length_says() {
    let with = |length| [&GET[..], &[("content-length", length)]].concat();
    let cases: [(&str, &str, &[&[u8]], bool); 6] = [
        ("as long", "4", &[b"ab", b"cd"], true),
        ("too long", "3", &[b"ab", b"cd"], false),
        ("too short", "5", &[b"ab", b"cd"], false),
        ("nothing", "0", &[b""], true),
        ("too much of nothing", "0", &[b"a"], false),
        ("too little", "1", &[b""], false),
    ];
    for (what, length, body, sound) in cases {
        let mut server = Side::greeted_server();
        server.feed(&headers(1, false, &with(length))).unwrap();
        for (i, piece) in body.iter().enumerate() {
            server.feed(&data(1, i + 1 == body.len(), piece)).unwrap();
        }
        let codes = server.codes();
        let last = server.seen().pop().unwrap();
        if sound {
            assert_eq!(
                (codes.len(), last.contains("data end")),
                (0, true),
                "{what}"
            );
        } else {
            assert_eq!(
                (&codes[..], &*last),
                (&PROTOCOL[..], "1 reset Protocol"),
                "{what}"
            );
        }
    }
    let mut server = Side::greeted_server();
    server.feed(&headers(1, true, &with("1"))).unwrap();
    assert_eq!(server.codes(), PROTOCOL, "announced, and ended by the head");
    let mut server = Side::greeted_server();
    server.feed(&headers(1, false, &with("1"))).unwrap();
    server.feed(&headers(1, true, &[("x", "1")])).unwrap();
    assert_eq!(server.codes(), PROTOCOL, "announced, and ended by trailers");
}

#[test]
fn trailers_end_their_stream_and_have_no_pseudo_fields() {
    for (end, field) in [(false, "x"), (true, ":path")] {
        let mut server = Side::greeted_server();
        server.feed(&headers(1, false, &GET)).unwrap();
        server.feed(&headers(1, end, &[(field, "/")])).unwrap();
        assert_eq!(server.codes(), PROTOCOL, "{field}");
        assert_eq!(server.seen().last().unwrap(), "1 reset Protocol");
    }
}

#[test]
fn malformed_responses_are_resets_for_those_who_wait() {
    let wrong: [&[(&str, &str)]; 5] = [
        &[("x", "1")],
        &[(":status", "20")],
        &[(":status", "200"), (":path", "/")],
        &[(":status", "200"), ("connection", "close")],
        &[(":status", "200"), ("content-length", "1")],
    ];
    for fields in wrong {
        let mut client = Side::greeted_client(get(true));
        client.feed(&headers(1, true, fields)).unwrap();
        assert_eq!(client.seen(), ["7 reset Protocol"], "{fields:?}");
        assert_eq!(client.codes(), PROTOCOL);
    }
    let mut client = Side::greeted_client(get(true));
    client.feed(&data(1, false, b"early")).unwrap();
    assert_eq!(client.seen(), ["7 reset Protocol"], "DATA before a head");
    let mut client = Side::greeted_client(get(true));
    client
        .feed(&headers(1, true, &[(":status", "103")]))
        .unwrap();
    assert_eq!(
        client.seen(),
        ["7 reset Protocol"],
        "an interim response that ends"
    );
}

#[test]
fn interim_responses_are_marked_and_come_before_the_answer() {
    let mut client = Side::greeted_client(get(true));
    for status in ["100", "103"] {
        client
            .feed(&headers(1, false, &[(":status", status)]))
            .unwrap();
        let head = client.head();
        assert!(head.stage == Stage::Interim && !head.end, "{status}");
    }
    client
        .feed(&headers(1, true, &[(":status", "200")]))
        .unwrap();
    assert_eq!(client.head().stage, Stage::Final);
}

#[test]
fn answers_to_head_and_304_announce_a_body_that_does_not_come() {
    let announced = |status| [(":status", status), ("content-length", "5")];
    let head = foreign(
        sabir_core::head::Kind::Request,
        true,
        &[(":method", "HEAD"), (":path", "/"), (":authority", "h")],
    );
    let mut client = Side::greeted_client(head);
    client.feed(&headers(1, true, &announced("200"))).unwrap();
    assert_eq!(client.seen(), ["7 head end :status=200 content-length=5"]);
    let mut client = Side::greeted_client(get(true));
    client.feed(&headers(1, true, &announced("304"))).unwrap();
    assert_eq!(client.seen().len(), 1);
    let mut client = Side::greeted_client(get(true));
    client.feed(&headers(1, false, &announced("304"))).unwrap();
    client.feed(&data(1, true, b"hello")).unwrap();
    assert_eq!(client.seen().last().unwrap(), "7 reset Protocol");
}

#[test]
fn statuses_say_who_failed() {
    for (status, party, code) in [
        ("200", Party::Nobody, Code::Ok),
        ("404", Party::Business, Code::BusinessError),
        ("503", Party::Infrastructure, Code::Unavailable),
    ] {
        let mut client = Side::greeted_client(get(true));
        client
            .feed(&headers(1, true, &[(":status", status)]))
            .unwrap();
        let outcome = client.head().outcome;
        assert_eq!((outcome.party, outcome.code), (party, code), "{status}");
    }
}

#[test]
fn tunnels_are_refused_unless_allowed() {
    let connect = [(":method", "CONNECT"), (":authority", "db:5432")];
    let websocket = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", "/chat"),
        (":authority", "h"),
    ];
    let mut server = Side::greeted_server();
    server.feed(&headers(1, false, &connect)).unwrap();
    let fields = crate::side::decoded(&server.frames(), &mut Default::default());
    assert_eq!(fields[0], ":status=405");
    server.feed(&headers(3, false, &websocket)).unwrap();
    assert_eq!(server.codes(), [(FrameKind::Reset, 3, 1)]);
    assert_eq!(server.seen(), [""; 0]);

    let options = Options {
        connect: true,
        ..Options::default()
    };
    let mut server = Side::greeted(options);
    server.feed(&headers(1, false, &connect)).unwrap();
    let head = server.head();
    assert_eq!((head.service(), head.method()), (&b"db:5432"[..], &b""[..]));
    server.feed(&headers(3, false, &websocket)).unwrap();
    let head = server.head();
    assert_eq!(value(&head, ":protocol").as_deref(), Some("websocket"));
    let mut client = Side::client();
    client.feed(&crate::side::raw(4, 0, 0, b"")).unwrap();
    assert!(
        client.request(1, head.clone()).is_err(),
        "the server has not allowed it"
    );
    client
        .feed(&crate::side::raw(4, 0, 0, b"\0\x08\0\0\0\x01"))
        .unwrap();
    assert!(client.request(2, head).is_ok());
}

#[test]
fn replies_of_our_own_are_text_for_developers() {
    use sabir_core::outcome::Reply;
    let mut server = Side::greeted_server();
    server.feed(&headers(1, true, &GET)).unwrap();
    server.reply(1, &Reply::refused(Code::NotFound, "no route"));
    let frames = server.frames();
    let fields = crate::side::decoded(&frames, &mut Default::default());
    assert_eq!(
        fields,
        [
            ":status=404",
            "content-length=8",
            "content-type=text/plain; charset=utf-8"
        ]
    );
    assert_eq!(frames[1].payload, b"no route");
    // Without room for a text, and to HEAD, the status has to do.
    server
        .feed(&crate::side::raw(4, 0, 0, b"\0\x04\0\0\0\x01"))
        .unwrap();
    server.feed(&headers(3, true, &GET)).unwrap();
    server.written();
    server.reply(3, &Reply::refused(Code::NotFound, "no route"));
    assert_eq!(server.frames().len(), 1);
}
