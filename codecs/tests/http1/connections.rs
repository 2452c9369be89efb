//! Connections from the first request to the last.

use sabir_core::frame::{Frame, Reason, StreamId};
use sabir_core::outcome::Code;
use sabir_core::protocol::Role;
use serde_json::Value;

use crate::rig::{End, GET, Proxy, request, response};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn numbered(n: usize) -> String {
    format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n")
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut proxy = Proxy::new(Value::Null);
    let all: String = (0..3).map(numbered).collect();
    let mut up = proxy.client_says(&all);
    for n in 0..3 {
        assert_eq!(up, numbered(n), "one at a time");
        let down = proxy.server_says(OK.replace("ok", &format!("{n}.")));
        assert!(down.ends_with(&format!("\r\n\r\n{n}.")), "{down}");
        up = proxy.up.sent();
    }
    assert_eq!(up, "");
}

#[test]
fn what_is_sent_far_ahead_stays_in_the_socket() {
    let mut server = End::server();
    server.feed(GET).unwrap();
    server.feed(vec![b'x'; 65_535]).unwrap();
    assert!(server.conn.wants_read());
    server.feed("x").unwrap();
    assert!(!server.conn.wants_read());
}

#[test]
fn pipelined_requests_are_answered_after_the_client_closed_its_side() {
    let mut server = End::server();
    server.feed([numbered(0), numbered(1)].concat()).unwrap();
    let (first, _) = server.head();
    server.eof().unwrap();
    server.reply(first, Code::NotFound);
    let (second, head) = server.head();
    assert_eq!(head.method(), b"/1");
    server.reply(second, Code::NotFound);
    assert_eq!(server.sent().matches("HTTP/1.1 404 ").count(), 2);
    assert!(server.conn.is_finished());
}

#[test]
fn a_client_that_leaves_within_a_request_is_noticed() {
    for text in [
        "GET",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab",
    ] {
        let mut server = End::server();
        server.feed(text).unwrap();
        assert!(server.eof().is_err());
    }
    let mut server = End::server();
    assert_eq!(server.eof(), Ok(()));
}

#[test]
fn close_ends_the_connection_after_the_exchange() {
    let close = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n";
    let mut proxy = Proxy::new(Value::Null);
    assert_eq!(
        proxy.client_says(close),
        GET,
        "which is between the client and us"
    );
    let down = proxy.server_says(OK);
    assert!(down.contains("connection: close\r\n"), "{down}");
    assert!(proxy.down.conn.is_finished() && !proxy.up.conn.is_finished());
    for answer in [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    ] {
        let mut proxy = Proxy::new(Value::Null);
        proxy.client_says(GET);
        let down = proxy.server_says(answer);
        assert!(
            !down.contains("connection"),
            "which is between the server and us: {down}"
        );
        assert!(proxy.up.conn.is_finished() && !proxy.down.conn.is_finished());
    }
}

#[test]
fn draining_is_said_with_the_next_answer() {
    let mut server = End::server();
    server.feed(GET).unwrap();
    let (stream, _) = server.head();
    server.with(|conn, turn| conn.drain(turn));
    assert!(!server.conn.is_finished());
    let _ = server
        .send(
            stream,
            Frame::Head(response("HTTP/1.1 204 No Content\r\n\r\n")),
        )
        .unwrap();
    assert_eq!(
        server.sent(),
        "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"
    );
    assert!(server.conn.is_finished());
}

#[test]
fn a_server_is_asked_one_thing_at_a_time() {
    let mut client = End::new(Role::Client, Value::Null);
    assert!(client.conn.open(StreamId(1)));
    assert!(!client.conn.open(StreamId(2)));
    let wrong = client.send(StreamId(2), Frame::Head(request(GET)));
    assert!(wrong.is_err() && client.sent().is_empty());
    let _ = client.send(StreamId(1), Frame::Head(request(GET))).unwrap();
    client.feed(OK).unwrap();
    assert!(client.conn.open(StreamId(2)));
}

#[test]
fn a_request_that_is_given_up_takes_its_connection_along() {
    let mut client = End::client("GET");
    let cancel = || Frame::Reset(Reason::Cancelled);
    let _ = client.send(StreamId(7), cancel()).unwrap();
    assert!(client.conn.is_finished() && !client.conn.open(StreamId(8)));
    // Unless nothing of it was written.
    let mut client = End::new(Role::Client, Value::Null);
    assert!(client.conn.open(StreamId(1)));
    let _ = client.send(StreamId(1), cancel()).unwrap();
    assert!(!client.conn.is_finished() && client.conn.open(StreamId(2)));
}

#[test]
fn an_answer_before_the_end_of_the_request_ends_the_upstream_connection() {
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf";
    let mut proxy = Proxy::new(Value::Null);
    proxy.client_says(post);
    let down = proxy.server_says("HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n");
    assert!(down.starts_with("HTTP/1.1 413 No\r\n"), "{down}");
    assert!(proxy.up.conn.is_finished());
    // What is left of the body is thrown away, and the client may go on.
    proxy.up = End::new(Role::Client, Value::Null);
    assert_eq!(proxy.client_says("x".repeat(96)), "");
    assert_eq!(proxy.client_says(GET), GET);
}

#[test]
fn too_much_of_an_unwanted_body_ends_the_connection() {
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n";
    let mut server = End::server();
    server.feed(post).unwrap();
    let (stream, _) = server.head();
    server.reply(stream, Code::NotFound);
    assert!(server.sent().contains("connection: close\r\n"));
    // The client gets time to read the answer.
    assert!(server.conn.wants_shutdown() && !server.conn.is_finished());
    server.feed(vec![b'x'; 100_000]).unwrap();
    assert!(server.frames().is_empty());
    server.wait(std::time::Duration::from_secs(1)).unwrap();
    assert!(server.conn.is_finished());
    let mut proxy = Proxy::new(Value::Null);
    proxy.client_says(post);
    proxy.server_says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    proxy.client_says(vec![b'x'; 70_000]);
    proxy.down.wait(std::time::Duration::from_secs(1)).unwrap();
    assert!(proxy.down.conn.is_finished());
}

#[test]
fn a_little_of_an_unwanted_body_is_thrown_away() {
    let mut server = End::server();
    server
        .feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        .unwrap();
    let (stream, _) = match server.frames().swap_remove(0) {
        (stream, Frame::Head(head)) => (stream, head),
        other => panic!("{other:?}"),
    };
    server.reply(stream, Code::NotFound);
    assert!(!server.sent().contains("connection"));
    server.feed([b"halved", GET.as_bytes()].concat()).unwrap();
    assert!(server.head().1.fault().is_none());
}

#[test]
fn frames_of_finished_exchanges_are_refused() {
    let mut server = End::server();
    server.feed(GET).unwrap();
    let (stream, _) = server.head();
    let data = || Frame::Data {
        bytes: "x".into(),
        end: false,
    };
    assert!(server.send(stream, data()).is_err(), "before the head");
    server.reply(stream, Code::NotFound);
    server.sent();
    assert!(server.send(stream, data()).is_err());
    assert!(server.send(stream, Frame::Head(response(OK))).is_err());
    server.reply(stream, Code::NotFound);
    assert_eq!(server.sent(), "");
    let mut client = End::new(Role::Client, Value::Null);
    assert!(client.send(StreamId(1), data()).is_err());
}
