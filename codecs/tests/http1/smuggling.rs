//! What two parsers could read differently is refused, and the connection with it.

use sabir_core::frame::Frame;
use sabir_core::protocol::Role;
use serde_json::{Value, json};

use crate::rig::{End, Proxy};

/// Feeds `text` to a server, answers what it refused, and returns the status it answered with;
/// `None` if it took the request.
fn status(options: Value, text: &[u8]) -> Option<u16> {
    let mut proxy = Proxy::new(options);
    proxy.client_says(text);
    let said = proxy.down.sent();
    let status = said.strip_prefix("HTTP/1.1 ")?;
    let status = status[..3].parse().ok().filter(|status| *status != 100)?;
    assert!(said.contains("connection: close\r\n"), "{said}");
    // Nothing that follows is looked at, however sound it is.
    proxy.client_says("GET /second HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(
        (proxy.up.sent(), proxy.down.sent()),
        (String::new(), String::new())
    );
    Some(status)
}

fn with_fields(fields: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n0\r\n\r\n")
}

#[test]
fn vectors_of_the_reference() {
    let p1 = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(status(Value::Null, p1.as_bytes()), Some(400));
    for (name, text) in [
        ("P2", with_fields("Content-Length: 5\r\nContent-Length: 6")),
        ("P3", with_fields("Transfer-Encoding : chunked")),
        ("P3", with_fields("Transfer-Encoding: xchunked")),
        ("P3", with_fields("Transfer-Encoding: identity")),
        ("P5", "GET / HTTP/1.1\r\n\r\n".to_owned()),
        (
            "P5",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".to_owned(),
        ),
        ("P5", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned()),
        (
            "P8",
            "GET / HTTP/1.1\r\nHost: a\r\n Folded: header\r\n\r\n".to_owned(),
        ),
        (
            "P12",
            "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        ),
    ] {
        assert_eq!(
            status(Value::Null, text.as_bytes()),
            Some(400),
            "{name} {text}"
        );
    }
}

#[test]
fn lengths_in_doubt_are_refused() {
    for fields in [
        "Content-Length: +5",
        "Content-Length: -1",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length:",
        "Content-Length: 18446744073709551616",
        "Content-Length: 5, 5",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\ncontent-length: 6",
        "Content-Length : 5",
        "Content-Length\t: 5",
        " Content-Length: 5",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding: chunked;a",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding:",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding\x00: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
    ] {
        let text = with_fields(fields);
        assert_eq!(
            status(Value::Null, text.as_bytes()),
            Some(400),
            "{fields:?}"
        );
    }
    let text = with_fields("Transfer-Encoding: gzip, chunked");
    assert_eq!(status(Value::Null, text.as_bytes()), Some(501));
    assert_eq!(
        status(
            Value::Null,
            with_fields("Transfer-Encoding: \tCHUNKED ").as_bytes()
        ),
        None
    );
}

#[test]
fn lines_in_doubt_are_refused() {
    for text in [
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\x07c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\x7f\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX y: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX\ty: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX(y): b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nnocolon\r\n\r\n",
        "GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\tx HTTP/1.1\r\nHost: a\r\n\r\n",
        " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
        "GET / http/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/11\r\nHost: a\r\n\r\n",
        "GET / x HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00",
    ] {
        assert_eq!(status(Value::Null, text.as_bytes()), Some(400), "{text:?}");
    }
    assert_eq!(
        status(Value::Null, b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        None
    );
    for version in ["2.0", "0.9", "1.2", "3.0"] {
        let text = format!("GET / HTTP/{version}\r\nHost: a\r\n\r\n");
        assert_eq!(status(Value::Null, text.as_bytes()), Some(505), "{version}");
    }
}

#[test]
fn targets_and_hosts_in_doubt_are_refused() {
    for (target, host) in [
        ("*", "a"),
        ("/a#b", "a"),
        ("a", "a"),
        ("", "a"),
        ("ftp://a/", "a"),
        ("http://u:p@a/", "a"),
        ("http://", "a"),
        ("/", ""),
        ("/", "u@a"),
        ("/", "a/b"),
        ("/", "a, b"),
        ("/", "a:b"),
        ("/", "[::1"),
    ] {
        let text = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(status(Value::Null, text.as_bytes()), Some(400), "{text}");
    }
    let raw = b"GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(status(Value::Null, raw), Some(400));
    assert_eq!(
        status(Value::Null, b"GET http://b/ HTTP/1.1\r\n\r\n"),
        Some(400),
        "no Host"
    );
    assert_eq!(
        status(Value::Null, b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
        None
    );
    assert_eq!(
        status(Value::Null, b"GET / HTTP/1.0\r\n\r\n"),
        None,
        "1.0 needs no Host"
    );
}

#[test]
fn policies_refuse_more() {
    let underscore = b"GET / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\n\r\n";
    assert_eq!(
        status(json!({"underscores": "reject"}), underscore),
        Some(400)
    );
    assert_eq!(status(Value::Null, underscore), None);
    let dots = b"GET /public/%2e%2e/admin HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(
        status(json!({"ambiguous_paths": "reject"}), dots),
        Some(400)
    );
    assert_eq!(status(Value::Null, dots), None);
    let connect = b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n";
    assert_eq!(status(Value::Null, connect), Some(405));
    for text in [
        "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
        "TRACE / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let options = json!({"connect": true});
        assert_eq!(status(options, text.as_bytes()), Some(400), "{text}");
    }
    let expect = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\nContent-Length: 1\r\n\r\n";
    assert_eq!(status(Value::Null, expect), Some(417));
}

#[test]
fn chunks_in_doubt_are_refused() {
    for chunk in [
        "ffffffffffffffff1\r\n",
        "10000000000000000\r\n",
        "-1\r\n",
        "+1\r\na\r\n",
        "0x5\r\n",
        "5 ;a\r\nhello\r\n",
        "5 \r\nhello\r\n",
        "5\nhello\r\n",
        "5\r\nhello\n",
        "5\r\nhelloo\r\n",
        "5\r\nhell\r\n0\r\n\r\n",
        "\r\n",
        ";a\r\n",
        "g\r\n",
        "1_0\r\n",
        "5;a\rb\r\nhello\r\n",
        "5;a\0\r\nhello\r\n",
        "0\r\nbad trailer\r\n\r\n",
        "0\r\nX : y\r\n\r\n",
        "0\r\nX: y\n\r\n",
        "0\n\n",
    ] {
        let text =
            format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}");
        let mut proxy = Proxy::new(Value::Null);
        let passed = proxy.client_says(&text);
        let said = proxy.down.sent();
        assert!(said.starts_with("HTTP/1.1 400 "), "{chunk:?}: {said}");
        assert!(said.contains("connection: close"), "{said}");
        assert!(!passed.contains("\r\n0\r\n"), "never a sound end: {passed}");
        assert!(
            proxy.up.conn.is_finished(),
            "the server sees the request cut short"
        );
    }
}

#[test]
fn chunk_extensions_are_bounded() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let long = format!("{head}1;{}\r\na\r\n", "x".repeat(5000));
    let many = format!(
        "{head}{}",
        format!("1;{}\r\na\r\n", "x".repeat(1000)).repeat(20)
    );
    for text in [long, many, format!("{head}{}", "0".repeat(5000))] {
        let mut server = End::server();
        server.feed(&text).unwrap();
        assert!(server.sent().starts_with("HTTP/1.1 400 "));
    }
}

#[test]
fn responses_in_doubt_are_refused() {
    for text in [
        "HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: y\rz\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: y\0\r\n\r\n",
        "HTTP/1.1 200 OK\nX: y\n\n",
        "HTTP/1.1 099 Odd\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "garbage\r\n\r\n",
    ] {
        let mut proxy = Proxy::new(Value::Null);
        proxy.client_says(crate::rig::GET);
        let said = proxy.server_says(text);
        assert!(said.starts_with("HTTP/1.1 502 "), "{text:?}: {said}");
        assert!(proxy.up.conn.is_finished(), "{text:?}");
    }
}

#[test]
fn interim_responses_are_bounded() {
    let mut client = End::client("GET");
    let flood = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(17);
    assert!(client.feed(flood).is_err());
    assert!(client.conn.is_finished());
}

/// RFC 9112 §9.2.
#[test]
fn bytes_that_nobody_asked_for_reach_nobody() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let mut idle = End::new(Role::Client, Value::Null);
    assert!(idle.feed(answer).is_err() && idle.conn.is_finished());
    let mut client = End::client("GET");
    assert!(client.feed([answer, answer].concat()).is_err());
    let frames = client.frames();
    assert_eq!(frames.len(), 2, "the first answer counts: {frames:?}");
    assert!(matches!(frames[1].1, Frame::Data { end: true, .. }));
    assert!(client.conn.is_finished());
}
