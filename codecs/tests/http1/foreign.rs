//! Heads that another protocol brought.

use sabir_core::bytes::Bytes;
use sabir_core::connection::{SendError, Written};
use sabir_core::frame::{Frame, StreamId};
use sabir_core::head::{Head, Kind};
use sabir_core::metadata::{Metadata, Span};
use sabir_core::name::Field;
use sabir_core::protocol::Role;
use serde_json::Value;

use crate::rig::{End, GET};

/// Pairs as another protocol lists them: `name value` lines.
fn list(head: &Head, metadata: &mut Metadata) {
    for line in head.wire().split(|&b| b == b'|') {
        let at = line.iter().position(|&b| b == b' ').unwrap();
        metadata.push_owned(&line[..at], &line[at + 1..], Span::default());
    }
}

fn head(kind: Kind, pairs: &str) -> Head {
    let mut head = Head::new(
        "http2",
        kind,
        Bytes::copy_from_slice(pairs.as_bytes()),
        list,
    );
    let find = |name: &str| pairs.split('|').find_map(|pair| pair.strip_prefix(name));
    if let Some(authority) = find(":authority ") {
        head.set_field_decoded(Field::Service, authority.as_bytes());
    }
    if let Some(path) = find(":path ") {
        let path = path.split('?').next().unwrap();
        head.set_field_decoded(Field::Method, path.as_bytes());
    }
    head
}

fn ask(head: Head) -> Result<(Written, String), SendError> {
    let mut client = End::new(Role::Client, Value::Null);
    assert!(client.conn.open(StreamId(1)));
    let written = client.send(StreamId(1), Frame::Head(head))?;
    Ok((written, client.sent()))
}

const START: &str = ":method POST|:scheme https|:authority b|:path /p?q";

#[test]
fn requests_are_written_from_their_pairs() {
    let pairs = format!(
        "{START}|host other|cookie a=1|x-a 1|cookie b=2|te trailers|content-length 3|connection x"
    );
    let mut request = head(Kind::Request, &pairs);
    request.end = false;
    let (_, up) = ask(request).unwrap();
    let want = "POST /p?q HTTP/1.1\r\nhost: b\r\nx-a: 1\r\ncookie: a=1; b=2\r\ncontent-length: 3\r\nconnection: te\r\nte: trailers\r\n\r\n";
    assert_eq!(up, want);
    let mut request = head(Kind::Request, START);
    request.end = false;
    let (_, up) = ask(request).unwrap();
    assert!(up.contains("transfer-encoding: chunked\r\n"), "{up}");
}

#[test]
fn changes_are_written_too() {
    let mut request = head(Kind::Request, START);
    request.set(&"method".into(), b"/new");
    request.set(&"service".into(), b"c");
    request.set(&"x-a".into(), b"1");
    let (_, up) = ask(request).unwrap();
    assert_eq!(
        up,
        "POST /new?q HTTP/1.1\r\nhost: c\r\nx-a: 1\r\ncontent-length: 0\r\n\r\n"
    );
}

/// Vector P13: what another protocol frames by length must not become lines of its own here.
#[test]
fn requests_in_disguise_are_refused() {
    for pairs in [
        format!("{START}|x-a a\r\nx: y"),
        format!("{START}|x-a a\0"),
        format!("{START}|x:a b"),
        format!("{START}|transfer-encoding chunked"),
        format!("{START}|content-length 1, 2"),
        START.replace("/p?q", "/p HTTP/1.1\r\nX:"),
        START.replace("/p?q", "no/slash"),
        START.replace("/p?q", "http://c/"),
        START.replace(" b|", " b\r\nx|"),
        START.replace("POST", "P ST"),
        START.replace("POST", "CONNECT"),
        START.replace(":method POST|", ""),
        START.replace("|:path /p?q", ""),
    ] {
        assert_eq!(
            ask(head(Kind::Request, &pairs)),
            Err(SendError::Unsupported),
            "{pairs:?}"
        );
    }
}

#[test]
fn a_connection_goes_on_after_a_request_it_could_not_write() {
    let mut client = End::new(Role::Client, Value::Null);
    assert!(client.conn.open(StreamId(1)));
    let bad = head(Kind::Request, &format!("{START}|x-a a\nb"));
    assert!(client.send(StreamId(1), Frame::Head(bad)).is_err());
    assert_eq!(client.sent(), "");
    assert!(!client.conn.is_finished() && client.conn.open(StreamId(2)));
}

#[test]
fn responses_are_written_from_their_pairs() {
    let mut server = End::server();
    server.feed(GET).unwrap();
    let (stream, _) = server.head();
    let mut answer = head(Kind::Response, ":status 201|x-a 1|content-length 2");
    answer.end = false;
    let _ = server.send(stream, Frame::Head(answer)).unwrap();
    let data = Frame::Data {
        bytes: "ok".into(),
        end: true,
    };
    let _ = server.send(stream, data).unwrap();
    assert_eq!(
        server.sent(),
        "HTTP/1.1 201 Created\r\nx-a: 1\r\ncontent-length: 2\r\n\r\nok"
    );
    server.feed(GET).unwrap();
    server.head();
}

#[test]
fn responses_in_disguise_become_502() {
    for pairs in [
        ":status 200|x-a b\r\nc: d",
        ":status 2x0",
        "x-a b",
        ":status 101",
        ":status 200|transfer-encoding chunked",
    ] {
        let mut server = End::server();
        server.feed(GET).unwrap();
        let (stream, _) = server.head();
        assert!(
            server
                .send(stream, Frame::Head(head(Kind::Response, pairs)))
                .is_err()
        );
        assert!(server.sent().starts_with("HTTP/1.1 502 "), "{pairs:?}");
    }
}
