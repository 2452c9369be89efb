//! HTTP/1.1 on one side and HTTP/2 on the other, as a proxy joins them.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::BytesMut;
use sabir_codecs::http1;
use sabir_core::connection::{Connection, EventKind, Turn, Written};
use sabir_core::frame::{Frame, StreamId};
use sabir_core::name::Name;
use sabir_core::output::Output;
use sabir_core::protocol::{Limits, Role};

use crate::side::{CALL, GET, Side, data, headers, shuttle};

/// A connection of HTTP/1.1 with its buffers.
struct Old {
    conn: Box<dyn Connection>,
    out: Output,
    events: VecDeque<sabir_core::connection::Event>,
}

impl Old {
    fn new(role: Role) -> Self {
        let protocol = http1::factory(&serde_json::Value::Null).unwrap();
        Self {
            conn: protocol.connection(role, &Limits::default(), Instant::now()),
            out: Output::default(),
            events: VecDeque::new(),
        }
    }

    fn turn<R>(&mut self, f: impl FnOnce(&mut dyn Connection, &mut Turn<'_>) -> R) -> R {
        let mut turn = Turn {
            now: Instant::now(),
            events: &mut self.events,
            out: &mut self.out,
        };
        f(&mut *self.conn, &mut turn)
    }

    fn feed(&mut self, text: &str) {
        let mut input = BytesMut::from(text);
        self.turn(|conn, turn| conn.recv(&mut input, turn)).unwrap();
    }

    fn text(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.out).to_vec()).unwrap()
    }
}

#[test]
fn an_old_client_and_a_new_server() {
    let (mut down, mut up, mut server) = (Old::new(Role::Server), Side::client(), Side::server());
    down.feed(
        "POST /a?b=c HTTP/1.1\r\nHost: h.example\r\nX-Lane: Blue\r\nConnection: x-hop\r\nX-Hop: 1\r\n\
         Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    );
    let stream = down.events[0].stream;
    assert!(up.conn.open(StreamId(9)));
    for event in std::mem::take(&mut down.events) {
        if let EventKind::Frame(frame) = event.kind {
            up.send(9, frame).unwrap();
        }
    }
    shuttle(&mut up, &mut server);
    let seen = server.seen();
    for field in [
        ":method=POST",
        ":path=/a?b=c",
        ":authority=h.example",
        ":scheme=http",
        "x-lane=Blue",
    ] {
        assert!(seen[0].contains(field), "{field}: {seen:?}");
    }
    for field in ["x-hop", "transfer-encoding", "connection", "host="] {
        assert!(!seen[0].contains(field), "{field}: {seen:?}");
    }
    assert_eq!(seen[1], "1 data hello");

    server.feed(&[]).unwrap();
    let head = crate::side::foreign(
        sabir_core::head::Kind::Response,
        false,
        &[(":status", "201"), ("content-length", "2"), ("x-new", "1")],
    );
    server.send(1, Frame::Head(head)).unwrap();
    server.data(1, b"ok", true).unwrap();
    shuttle(&mut up, &mut server);
    for event in std::mem::take(&mut up.events) {
        if let EventKind::Frame(frame) = event.kind {
            let written = down.turn(|conn, turn| conn.send(stream, frame, turn));
            written.map(|_| ()).unwrap();
        }
    }
    let text = down.text();
    assert!(text.starts_with("HTTP/1.1 201 "), "{text}");
    assert!(
        text.contains("\r\nx-new: 1\r\n") && text.ends_with("\r\n\r\nok"),
        "{text}"
    );
    assert!(!text.contains(":status"), "{text}");
}

#[test]
fn a_new_client_and_an_old_server() {
    let (mut down, mut up) = (Side::greeted_server(), Old::new(Role::Client));
    let mut post = GET;
    post[0].1 = "POST";
    let sent = [
        &post[..],
        &[("x-lane", "blue"), ("cookie", "a=1"), ("cookie", "b=2")],
    ]
    .concat();
    down.feed(&headers(1, false, &sent)).unwrap();
    down.feed(&data(1, true, b"hello")).unwrap();
    assert!(up.conn.open(StreamId(1)));
    for event in std::mem::take(&mut down.events) {
        if let EventKind::Frame(frame) = event.kind {
            let written = up.turn(|conn, turn| conn.send(StreamId(1), frame, turn));
            written.map(|_| ()).unwrap();
        }
    }
    let text = up.text();
    assert!(text.starts_with("POST /a?b=c HTTP/1.1\r\n"), "{text}");
    let lower = text.to_ascii_lowercase();
    for line in [
        "\r\nhost: example.com\r\n",
        "\r\nx-lane: blue\r\n",
        "\r\ncookie: a=1; b=2\r\n",
    ] {
        assert!(lower.contains(line), "{line:?}: {text}");
    }
    assert!(
        !lower.contains("query:") && !lower.contains(":path"),
        "{text}"
    );
    assert!(lower.contains("hello"), "{text}");
    up.feed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Old: 1\r\nKeep-Alive: 5\r\n\r\nok");
    down.written();
    for event in std::mem::take(&mut up.events) {
        if let EventKind::Frame(frame) = event.kind {
            down.send(1, frame).unwrap();
        }
    }
    let frames = down.frames();
    let fields = crate::side::decoded(&frames, &mut Default::default());
    assert_eq!(fields, [":status=200", "content-length=2", "x-old=1"]);
    assert_eq!(frames[1].payload, b"ok");
}

#[test]
fn calls_of_grpc_keep_their_host_in_front_of_an_old_server() {
    for (service, path) in [
        (None, "/demo.Greeter/Hi"),
        (Some("other.Greeter"), "/other.Greeter/Hi"),
    ] {
        let (mut down, mut up) = (Side::greeted_server(), Old::new(Role::Client));
        down.feed(&headers(1, true, &CALL)).unwrap();
        let mut head = down.head();
        if let Some(service) = service {
            head.set(&Name::new("service"), service.as_bytes());
        }
        assert!(up.conn.open(StreamId(1)));
        let sent = up.turn(|conn, turn| conn.send(StreamId(1), Frame::Head(head), turn));
        assert_eq!(sent, Ok(Written::Whole));
        let text = up.text();
        let wanted = format!("POST {path} HTTP/1.1\r\nhost: x\r\n");
        assert!(text.starts_with(&wanted), "{text}");
    }
}
