//! Answers of our own.

use sabir_core::frame::Frame;
use sabir_core::outcome::{Code, Executed, Outcome, Party, Reply};

use crate::rig::{End, GET};

fn answer(request: &str, reply: &Reply) -> String {
    let mut server = End::server();
    server.feed(request).unwrap();
    let (stream, _) = server.head();
    server.with(|conn, turn| conn.reply(stream, Default::default(), reply, turn));
    server.sent()
}

#[test]
fn codes_become_statuses() {
    for (code, status) in [
        (Code::BadRequest, 400),
        (Code::Denied, 403),
        (Code::NotFound, 404),
        (Code::RateLimited, 429),
        (Code::BusinessError, 500),
        (Code::Internal, 500),
        (Code::Unimplemented, 501),
        (Code::BadResponse, 502),
        (Code::Unavailable, 503),
        (Code::Overloaded, 503),
        (Code::Cancelled, 503),
        (Code::TimedOut, 504),
    ] {
        let said = answer(GET, &Reply::refused(code, "why"));
        assert!(
            said.starts_with(&format!("HTTP/1.1 {status} ")),
            "{code:?}: {said}"
        );
        assert!(said.ends_with("\r\n\r\nwhy") && said.contains("\r\ncontent-length: 3\r\n"));
        assert!(!said.contains("connection: close"), "the client may go on");
        assert_eq!(
            said.contains("retry-after: 1\r\n"),
            matches!(status, 429 | 503)
        );
        // What we say, we understand.
        let mut client = End::client("GET");
        client.feed(&said).unwrap();
        let Some((_, Frame::Head(head))) = client.frames().into_iter().next() else {
            panic!("no head");
        };
        assert!(!head.outcome.is_ok(), "{code:?}");
    }
    let lost = Outcome::new(Party::Network, Executed::Maybe, Code::Unavailable);
    assert!(answer(GET, &Reply::new(lost, "why")).starts_with("HTTP/1.1 502 Bad Gateway\r\n"));
    assert!(answer(GET, &Reply::new(Outcome::OK, "hello")).starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn text_is_told_in_octets_and_not_to_head() {
    let reply = Reply::refused(Code::NotFound, "caf\u{e9}");
    let said = answer(GET, &reply);
    assert!(
        said.contains("content-length: 5\r\n") && said.ends_with("\r\n\r\ncaf\u{e9}"),
        "{said}"
    );
    let said = answer(&GET.replace("GET", "HEAD"), &reply);
    assert!(
        said.contains("content-length: 5\r\n") && said.ends_with("\r\n\r\n"),
        "{said}"
    );
    let said = answer("GET / HTTP/1.0\r\n\r\n", &reply);
    assert!(said.contains("connection: close\r\n"), "{said}");
}

#[test]
fn limits_have_statuses_of_their_own() {
    let long = |field: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n");
    for (text, status) in [
        (
            format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(9000)),
            414,
        ),
        (format!("GET /{}", "x".repeat(9000)), 414),
        (long("X: 1\r\n".repeat(100).as_str()), 431),
        (long(format!("X: {}\r\n", "x".repeat(70_000)).as_str()), 431),
    ] {
        let mut server = End::server();
        server.feed(text).unwrap();
        let (stream, head) = server.head();
        assert!(head.fault().is_some());
        server.reply(stream, Code::BadRequest);
        let said = server.sent();
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{said}");
        assert!(said.contains("connection: close\r\n"));
    }
    let mut server = End::server();
    server.feed(long("X: 1\r\n".repeat(99).as_str())).unwrap();
    assert!(server.head().1.fault().is_none());
}
