//! Streams in both roles: states, numbers, and the collected vectors.

use sabir_codecs::http2::Options;
use sabir_codecs::http2::frame::Kind as FrameKind;
use sabir_core::connection::{Connection, SendError};
use sabir_core::frame::{Frame, Reason, StreamId};
use sabir_core::head::Kind;

use crate::side::{
    GET, Side, data, foreign, get, greeting, headers, raw, reset, response, rst, shuttle, value,
};

/// H2 of the collected vectors: a call.
const H2: &[u8] = b"\x00\x00\x48\x01\x04\x00\x00\x00\x01\x83\x86\x04\x10/demo.Greeter/Hi\x41\x01x\
    \x00\x02te\x08trailers\x0f\x10\x10application/grpc\x00\x0cgrpc-timeout\x021S";

#[test]
fn h1_to_h3_a_call_arrives() {
    let h1 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let mut server = Side::server();
    server.feed(h1).unwrap();
    server.feed(H2).unwrap();
    let head = server.head();
    assert_eq!(
        (head.service(), head.method()),
        (&b"demo.Greeter"[..], &b"Hi"[..])
    );
    assert_eq!(value(&head, "grpc-timeout").as_deref(), Some("1S"));
    assert_eq!(value(&head, ":path").as_deref(), Some("/demo.Greeter/Hi"));
    assert!(!head.end);
    server
        .feed(b"\0\0\x09\0\x01\0\0\0\x01\0\0\0\0\x04\x0a\x02hi")
        .unwrap();
    assert_eq!(server.seen(), ["1 data end \0\0\0\0\u{4}\n\u{2}hi"]);
}

#[test]
fn a_server_that_limits_nothing_takes_any_number_of_streams() {
    let mut client = Side::client();
    assert_eq!(client.conn.most_streams(), 100, "until it has spoken");
    client.feed(&raw(4, 0, 0, b"")).unwrap();
    for name in 0..1_000 {
        client.request(name, get(true)).unwrap();
    }
    let mut client = Side::client();
    client.feed(&raw(4, 0, 0, b"\0\x03\0\0\0\x02")).unwrap();
    assert_eq!(client.conn.most_streams(), 2);
    client.feed(&raw(4, 0, 0, b"")).unwrap();
    assert_eq!(client.conn.most_streams(), 2, "it said nothing new");
    client.request(0, get(true)).unwrap();
    client.request(1, get(true)).unwrap();
    assert!(!client.conn.open(StreamId(2)));
}

#[test]
fn every_cut_arrives_as_the_same_events() {
    let wire = [
        &greeting()[..],
        H2,
        &data(1, true, b"hello"),
        &headers(3, true, &GET),
        &rst(1, 8),
    ]
    .concat();
    let mut whole = Side::server();
    whole.feed(&wire).unwrap();
    let (seen, written) = (whole.seen(), whole.written());
    assert_eq!(seen.len(), 4);
    for cut in 1..wire.len() {
        let mut split = Side::server();
        split.feed(&wire[..cut]).unwrap();
        split.feed(&wire[cut..]).unwrap();
        assert_eq!(split.seen(), seen, "cut at {cut}");
        assert_eq!(split.written(), written, "cut at {cut}");
    }
}

#[test]
fn an_exchange_with_bodies_and_trailers_passes_both_roles() {
    let (mut client, mut server) = (Side::client(), Side::server());
    client
        .request(1 << 40, foreign(Kind::Request, false, &GET))
        .unwrap();
    shuttle(&mut client, &mut server);
    assert_eq!(
        server.seen(),
        ["1 head :method=GET :scheme=http :path=/a?b=c :authority=example.com"]
    );
    client.data(1 << 40, b"ping", false).unwrap();
    let trailers = foreign(Kind::Request, true, &[("x-sum", "1")]);
    client.send(1 << 40, Frame::Trailers(trailers)).unwrap();
    shuttle(&mut client, &mut server);
    assert_eq!(server.seen(), ["1 data ping", "1 trailers x-sum=1"]);
    server.send(1, Frame::Head(response(false, "103"))).unwrap();
    server.send(1, Frame::Head(response(false, "200"))).unwrap();
    server.data(1, b"pong", true).unwrap();
    shuttle(&mut client, &mut server);
    let name = 1u64 << 40;
    let want = ["head :status=103", "head :status=200", "data end pong"];
    assert_eq!(client.seen(), want.map(|what| format!("{name} {what}")));
    assert_eq!(client.data(name, b"", true), Err(SendError::Closed));
}

#[test]
fn heads_that_pass_through_keep_every_field_and_take_changes() {
    let mut server = Side::greeted_server();
    let sent = [
        &GET[..],
        &[("x-a", "1"), ("cookie", "a=b"), ("x-a", "2"), ("x-b", "3")],
    ]
    .concat();
    server.feed(&headers(1, true, &sent)).unwrap();
    let mut head = server.head();
    assert_eq!(
        (head.service(), head.method()),
        (&b"example.com"[..], &b"/a"[..])
    );

    let (mut client, mut upstream) = (Side::client(), Side::server());
    client.request(1, head.clone()).unwrap();
    shuttle(&mut client, &mut upstream);
    let all = sent.iter().map(|(k, v)| format!("{k}={v}"));
    let all = all.collect::<Vec<_>>().join(" ");
    assert_eq!(upstream.seen(), [format!("1 head end {all}")]);

    head.remove(&"x-a".into());
    head.set(&"x-new".into(), b"4");
    head.set(&"service".into(), b"other:80");
    head.set(&"method".into(), b"/z");
    client.request(2, head).unwrap();
    shuttle(&mut client, &mut upstream);
    let got = upstream.head();
    assert_eq!(value(&got, ":path").as_deref(), Some("/z?b=c"));
    assert_eq!(value(&got, ":authority").as_deref(), Some("other:80"));
    assert_eq!(value(&got, "x-a"), None);
    assert_eq!(value(&got, "x-new").as_deref(), Some("4"));
    assert_eq!(value(&got, "x-b").as_deref(), Some("3"));
}

#[test]
fn the_authority_is_changed_by_any_of_its_names() {
    for name in ["host", ":authority", "service"] {
        let mut server = Side::greeted_server();
        let sent = [&GET[..], &[("host", "example.com")]].concat();
        server.feed(&headers(1, true, &sent)).unwrap();
        let mut head = server.head();
        head.set(&name.into(), b"other.example");
        let (mut client, mut upstream) = (Side::client(), Side::server());
        client.request(1, head).unwrap();
        shuttle(&mut client, &mut upstream);
        let got = upstream.head();
        assert_eq!(got.service(), b"other.example", "{name}");
    }
}

#[test]
fn pseudo_header_fields_are_neither_doubled_nor_lost() {
    use sabir_core::connection::Written;
    for change in 0..3 {
        let mut server = Side::greeted_server();
        server.feed(&headers(1, true, &GET)).unwrap();
        let mut head = server.head();
        match change {
            0 => head.add(&":path".into(), b"/b"),
            1 => head.remove(&":method".into()),
            _ => head.set(&":authority".into(), b"a b"),
        }
        let mut client = Side::client();
        let written = client.request_as_possible(1, head);
        assert_eq!(written, Ok(Written::Unmodified), "{change}");
    }
    let mut server = Side::greeted_server();
    server.feed(&headers(1, true, &GET)).unwrap();
    let mut head = server.head();
    head.set(&":path".into(), b"/b");
    assert!(Side::client().request(1, head).is_ok());
}

#[test]
fn parameters_of_the_query_are_there_to_match() {
    let mut server = Side::greeted_server();
    let mut sent = GET;
    sent[2].1 = "/search?page=2&q=caf%C3%A9+au&flag";
    server.feed(&headers(1, true, &sent)).unwrap();
    let mut head = server.head();
    assert_eq!(value(&head, "query:page").as_deref(), Some("2"));
    assert_eq!(value(&head, "query:q").as_deref(), Some("caf\u{e9} au"));
    assert_eq!(value(&head, "query:flag").as_deref(), Some(""));
    assert_eq!(head.method(), b"/search");
    head.set(&"query:page".into(), b"3");
    let mut client = Side::client();
    let written = client.request_as_possible(1, head);
    assert_eq!(written, Ok(sabir_core::connection::Written::Unmodified));
}

#[test]
fn changes_that_cannot_be_written_leave_the_head_as_it_was() {
    use sabir_core::connection::Written;
    let mut server = Side::greeted_server();
    for (stream, name, bad) in [
        (1, "x", &b"a\r\nb: c"[..]),
        (3, "connection", b"close"),
        (5, "a b", b"c"),
        (7, "method", b"no slash"),
        (9, ":status", b"200"),
    ] {
        server.feed(&headers(stream, true, &GET)).unwrap();
        let mut head = server.head();
        head.set(&name.into(), bad);
        let (mut client, mut upstream) = (Side::client(), Side::server());
        let written = client.request_as_possible(1, head);
        assert_eq!(written, Ok(Written::Unmodified), "{name}");
        shuttle(&mut client, &mut upstream);
        let got = upstream.head();
        assert_eq!(value(&got, ":path").as_deref(), Some("/a?b=c"), "{name}");
        assert_eq!(crate::side::pairs(&got).len(), 4, "{name}");
    }
}

#[test]
fn fields_of_http1_stay_behind() {
    let pairs = [
        (":method", "GET"),
        (":path", "/"),
        ("Host", "h"),
        ("Connection", "close, X-Hop"),
        ("X-Hop", "1"),
        ("Keep-Alive", "5"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "h2c"),
        ("TE", "gzip"),
        ("X-Kept", "1"),
    ];
    let (mut client, mut server) = (Side::client(), Side::server());
    client
        .request(1, foreign(Kind::Request, true, &pairs))
        .unwrap();
    shuttle(&mut client, &mut server);
    assert_eq!(
        server.seen(),
        ["1 head end :method=GET :path=/ :authority=h :scheme=http x-kept=1"]
    );
}

#[test]
fn a_head_that_is_no_request_of_http_cannot_be_sent() {
    let mut client = Side::client();
    let head = foreign(Kind::Request, true, &[("service", "org.shop.Cart")]);
    assert_eq!(client.request(1, head), Err(SendError::Unsupported));
    assert!(
        client.request(2, get(true)).is_ok(),
        "the connection goes on"
    );
}

#[test]
fn the_peers_limit_of_streams_holds_and_gives_way() {
    let mut client = Side::client();
    client.feed(&raw(4, 0, 0, b"\0\x03\0\0\0\x02")).unwrap();
    client.request(10, get(true)).unwrap();
    client.request(11, get(true)).unwrap();
    assert!(!client.conn.open(StreamId(12)));
    client
        .feed(&headers(3, true, &[(":status", "204")]))
        .unwrap();
    assert_eq!(client.seen(), ["11 head end :status=204"]);
    assert!(client.conn.open(StreamId(12)));
    assert!(!client.conn.open(StreamId(13)));
    client.send(12, reset(Reason::Cancelled)).unwrap();
    assert!(
        client.conn.open(StreamId(13)),
        "a name that was given back makes room"
    );
}

#[test]
fn streams_beyond_our_limit_are_refused_one_by_one() {
    let options = Options {
        max_streams: 2,
        ..Options::default()
    };
    let mut server = Side::greeted(options);
    for stream in [1, 3, 5] {
        server.feed(&headers(stream, true, &GET)).unwrap();
    }
    assert_eq!(server.seen().len(), 2);
    assert_eq!(server.codes(), [(FrameKind::Reset, 5, 7)]);
    server.send(1, Frame::Head(response(true, "200"))).unwrap();
    server.feed(&headers(7, true, &GET)).unwrap();
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn resets_carry_their_reason_both_ways() {
    for (code, reason) in [
        (7, "Refused"),
        (8, "Cancelled"),
        (1, "Protocol"),
        (2, "Peer"),
        (0, "Peer"),
    ] {
        let mut client = Side::greeted_client(get(true));
        client.feed(&rst(1, code)).unwrap();
        assert_eq!(client.seen(), [format!("7 reset {reason}")]);
    }
    for (reason, code) in [
        (Reason::Refused, 7),
        (Reason::Cancelled, 8),
        (Reason::Protocol, 1),
        (Reason::Peer, 2),
    ] {
        let mut server = Side::greeted_server();
        server.feed(&headers(1, false, &GET)).unwrap();
        server.send(1, reset(reason)).unwrap();
        assert_eq!(server.codes(), [(FrameKind::Reset, 1, code)]);
        server.feed(&data(1, true, b"crossed it")).unwrap();
        assert_eq!(server.codes(), [], "what crossed the reset is ignored");
    }
    let mut server = Side::greeted_server();
    server.feed(&headers(1, true, &GET)).unwrap();
    server.send(1, Frame::Head(response(false, "200"))).unwrap();
    server.send(1, reset(Reason::Refused)).unwrap();
    let internal = (FrameKind::Reset, 1, 2);
    assert_eq!(
        server.codes(),
        [internal],
        "an answer has begun: it was not refused"
    );
}

#[test]
fn what_is_answered_early_is_stopped() {
    let mut server = Side::greeted_server();
    server.feed(&headers(1, false, &GET)).unwrap();
    server.send(1, Frame::Head(response(true, "413"))).unwrap();
    assert_eq!(server.codes(), [(FrameKind::Reset, 1, 0)]);
    let mut client = Side::greeted_client(get(false));
    client
        .feed(&headers(1, true, &[(":status", "413")]))
        .unwrap();
    assert_eq!(client.seen(), ["7 head end :status=413"]);
    assert_eq!(client.codes(), [(FrameKind::Reset, 1, 0)]);
}

#[test]
fn frames_out_of_place_end_the_connection() {
    let protocol = 1;
    let cases: [(&str, Vec<u8>, u32); 14] = [
        ("DATA on an idle stream", data(1, true, b""), protocol),
        ("RST_STREAM on an idle stream", rst(1, 8), protocol),
        (
            "WINDOW_UPDATE on an idle stream",
            raw(8, 0, 1, b"\0\0\0\x01"),
            protocol,
        ),
        ("an even number", headers(2, true, &GET), protocol),
        ("PUSH_PROMISE", raw(5, 4, 1, b"\0\0\0\x02"), protocol),
        ("CONTINUATION of nothing", raw(9, 4, 1, b""), protocol),
        (
            "interrupted block",
            [raw(1, 0, 1, b""), raw(6, 0, 0, &[0; 8])].concat(),
            protocol,
        ),
        ("SETTINGS of a wrong length", raw(4, 0, 0, b"12345"), 6),
        ("a frame that is too long", raw(0, 0, 1, &[0; 16_385]), 6),
        ("PING of a wrong length", raw(6, 0, 0, b"1"), 6),
        ("a window of 2^31", raw(4, 0, 0, b"\0\x04\x80\0\0\0"), 3),
        (
            "WINDOW_UPDATE of nothing",
            raw(8, 0, 0, b"\0\0\0\0"),
            protocol,
        ),
        (
            "WINDOW_UPDATE beyond 2^31 - 1",
            raw(8, 0, 0, b"\x7f\xff\xff\xff"),
            3,
        ),
        ("a block that cannot be read", raw(1, 5, 1, b"\x80"), 9),
    ];
    for (what, wire, code) in cases {
        let mut server = Side::greeted_server();
        assert!(server.feed(&wire).is_err(), "{what}");
        assert_eq!(server.codes(), [(FrameKind::GoAway, 0, code)], "{what}");
    }
}

#[test]
fn numbers_go_up() {
    let mut server = Side::greeted_server();
    server.feed(&headers(5, true, &GET)).unwrap();
    assert!(server.feed(&headers(3, true, &GET)).is_err());
    assert_eq!(server.codes(), [(FrameKind::GoAway, 5, 1)]);
}

#[test]
fn frames_after_the_end_cost_the_stream() {
    let mut server = Side::greeted_server();
    server.feed(&headers(1, true, &GET)).unwrap();
    server.seen();
    server.feed(&data(1, true, b"more")).unwrap();
    assert_eq!(server.codes(), [(FrameKind::Reset, 1, 5)]);
    assert_eq!(server.seen(), ["1 reset Protocol"]);
}

#[test]
fn the_preface_is_checked_octet_by_octet() {
    let mut server = Side::server();
    server.feed(b"PRI * H").unwrap();
    assert!(server.feed(b"X").is_err());
    assert_eq!(server.codes(), [(FrameKind::GoAway, 0, 1)]);
    let mut server = Side::server();
    server.feed(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    assert!(
        server.feed(&raw(6, 0, 0, &[0; 8])).is_err(),
        "SETTINGS come first"
    );
}

#[test]
fn a_client_that_hangs_up_leaves_nothing_behind() {
    let mut server = Side::greeted_server();
    server.feed(&headers(1, false, &GET)).unwrap();
    server.feed(&headers(3, true, &GET)).unwrap();
    server.seen();
    let eof = server.turn(|conn, turn| conn.recv_eof(&mut Default::default(), turn));
    assert_eq!(eof, Ok(()));
    assert_eq!(
        server.seen(),
        ["1 reset Lost"],
        "the other request is whole"
    );
    server.send(3, Frame::Head(response(true, "200"))).unwrap();
}

#[test]
fn unknown_frames_and_settings_are_ignored() {
    let mut server = Side::greeted_server();
    server.feed(&raw(0xfe, 0xff, 9, b"what")).unwrap();
    server.feed(&raw(4, 0, 0, b"\0\x99\0\0\0\x01")).unwrap();
    server.feed(&raw(2, 0, 9, b"\0\0\0\0\x10")).unwrap();
    server.feed(&headers(1, true, &GET)).unwrap();
    assert_eq!(server.seen().len(), 1);
    assert_eq!(server.codes(), []);
}
