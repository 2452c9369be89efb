//! Where bodies end, on both sides.

use sabir_core::frame::Frame;
use serde_json::{Value, json};

use crate::rig::{End, GET, Proxy, answered, describe, response};

const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

fn exchange(request: &str, response: &str) -> (String, String) {
    let mut proxy = Proxy::new(Value::Null);
    let up = proxy.client_says(request);
    (up, proxy.server_says(response))
}

#[test]
fn a_body_of_known_length_passes() {
    let (up, down) = exchange(
        "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    );
    assert_eq!(
        up,
        "POST /p HTTP/1.1\r\nHost: a\r\ncontent-length: 5\r\n\r\nhello"
    );
    assert_eq!(down, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc");
}

#[test]
fn chunks_pass_without_their_extensions() {
    let chunks = "3;a=\"b\"\r\nabc\r\n00d\r\n0123456789abc\r\n0;x\r\n\r\n";
    let (up, down) = exchange(
        &format!("{CHUNKED}{chunks}"),
        &format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n{chunks}"),
    );
    let want = "transfer-encoding: chunked\r\n\r\n10\r\nabc0123456789abc\r\n0\r\n\r\n";
    assert!(up.ends_with(want) && !up.contains("\"b\""), "{up}");
    assert!(down.ends_with(want), "{down}");
}

#[test]
fn trailers_pass_to_those_who_understand_them() {
    let body =
        "1\r\nx\r\n0\r\nX-Sum: 7\r\nContent-Length: 9\r\nHost: evil\r\nSet-Cookie: a\r\n\r\n";
    let request = format!("{CHUNKED}{body}");
    let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    let (up, down) = exchange(&request, &answer);
    assert!(up.ends_with("\r\n1\r\nx\r\n0\r\nX-Sum: 7\r\n\r\n"), "{up}");
    assert!(
        down.ends_with("\r\n1\r\nx\r\n0\r\n\r\n"),
        "not asked for: {down}"
    );
    let request = request.replace(
        "Host: a\r\n",
        "Host: a\r\nTE: trailers\r\nConnection: TE\r\n",
    );
    let (up, down) = exchange(&request, &answer);
    assert!(up.contains("connection: te\r\nte: trailers\r\n"), "{up}");
    assert!(
        down.ends_with("\r\n1\r\nx\r\n0\r\nX-Sum: 7\r\n\r\n"),
        "{down}"
    );
}

#[test]
fn trailers_do_not_change_how_the_exchange_ended() {
    let mut client = End::client("GET");
    let answer = "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: 1\r\n\r\n";
    client.feed(answer).unwrap();
    let Some((_, Frame::Trailers(trailers))) = client.frames().pop() else {
        panic!("no trailers");
    };
    assert_eq!(trailers.outcome.code, sabir_core::outcome::Code::Internal);
}

#[test]
fn a_body_until_close_passes_in_chunks() {
    let mut proxy = Proxy::new(Value::Null);
    proxy.client_says(GET);
    let down = proxy.server_says("HTTP/1.0 200 OK\r\nX: y\r\n\r\npart");
    assert_eq!(
        down,
        "HTTP/1.1 200 OK\r\nX: y\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n"
    );
    assert_eq!(proxy.server_closes(), "0\r\n\r\n");
    assert!(proxy.up.conn.is_finished() && !proxy.down.conn.is_finished());
}

#[test]
fn some_responses_have_no_body_whatever_they_say() {
    for (verb, answer, want) in [
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
            "content-length: 9\r\n",
        ),
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "",
        ),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
            "content-length: 9\r\n",
        ),
        (
            "GET",
            "HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n",
            "",
        ),
        (
            "GET",
            "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
            "",
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "content-length: 0\r\n",
        ),
    ] {
        let mut proxy = Proxy::new(Value::Null);
        proxy.client_says(GET.replace("GET", verb));
        let down = proxy.server_says(answer);
        let line = answer.split("\r\n").next().unwrap();
        assert_eq!(down, format!("{line}\r\n{want}\r\n"));
        // Both connections are ready for the next exchange.
        assert_eq!(proxy.client_says(GET), GET);
    }
}

#[test]
fn requests_say_that_they_have_no_body_where_that_means_something() {
    for (request, want) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\r\nHost: a\r\n\r\n"),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            "\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\nHost: a\r\n\r\n",
        ),
    ] {
        let mut proxy = Proxy::new(Value::Null);
        let up = proxy.client_says(request);
        assert!(up.ends_with(want), "{up}");
    }
}

#[test]
fn a_get_may_have_a_body() {
    let request = CHUNKED.replace("POST", "GET");
    let (up, _) = exchange(&format!("{request}2\r\nhi\r\n0\r\n\r\n"), "");
    assert!(up.contains("transfer-encoding: chunked"), "{up}");
    assert!(up.ends_with("2\r\nhi\r\n0\r\n\r\n"), "{up}");
}

#[test]
fn tiny_chunks_are_joined() {
    let mut server = End::server();
    server.feed(CHUNKED).unwrap();
    server.head();
    server.feed("1\r\na\r\n".repeat(1000)).unwrap();
    let frames = server.frames();
    assert_eq!(frames.len(), 1);
    assert!(matches!(&frames[0].1, Frame::Data { bytes, end: false } if bytes.len() == 1000));
}

#[test]
fn what_is_not_passed_on_stops_the_reading() {
    let mut server = End::server();
    server
        .feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
        .unwrap();
    let (stream, _) = server.head();
    server.feed(vec![b'x'; 65_535]).unwrap();
    assert!(server.conn.wants_read());
    server.feed("x").unwrap();
    assert!(!server.conn.wants_read());
    server.with(|conn, turn| conn.consumed(stream, 1, turn));
    assert!(server.conn.wants_read());
    let mut client = End::client("GET");
    client.feed("HTTP/1.1 200 OK\r\n\r\n").unwrap();
    let (stream, _) = client.head();
    client.feed(vec![b'x'; 70_000]).unwrap();
    assert!(!client.conn.wants_read());
    client.with(|conn, turn| conn.consumed(stream, 70_000, turn));
    assert!(client.conn.wants_read());
}

#[test]
fn a_response_cut_short_is_seen_to_be() {
    for (answer, begun) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab",
            "content-length: 9\r\n\r\nab",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
            "2\r\nab\r\n",
        ),
    ] {
        let mut proxy = Proxy::new(Value::Null);
        proxy.client_says(GET);
        let down = proxy.server_says(answer);
        assert!(down.ends_with(begun), "{down}");
        assert_eq!(proxy.server_closes(), "", "no last chunk, no second answer");
        assert!(proxy.down.conn.is_finished());
    }
    let mut proxy = Proxy::new(Value::Null);
    proxy.client_says(GET);
    assert!(proxy.server_closes().starts_with("HTTP/1.1 502 "));
    assert!(!proxy.down.conn.is_finished(), "the client may go on");
}

#[test]
fn a_body_longer_or_shorter_than_announced_ends_the_connection() {
    for piece in [("abcd", false), ("ab", true)] {
        let mut server = End::server();
        server.feed(GET).unwrap();
        let (stream, _) = server.head();
        let head = response("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
        let _ = server.send(stream, Frame::Head(head)).unwrap();
        let frame = Frame::Data {
            bytes: piece.0.into(),
            end: piece.1,
        };
        assert!(server.send(stream, frame).is_err());
        assert!(server.conn.is_finished());
    }
}

#[test]
fn bodies_have_a_limit_if_one_is_set() {
    let options = json!({"max_body_bytes": 4});
    let known = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    let mut proxy = Proxy::new(options.clone());
    assert_eq!(proxy.client_says(known), "");
    assert!(proxy.down.sent().starts_with("HTTP/1.1 413 "));
    let mut proxy = Proxy::new(options);
    proxy.client_says(format!("{CHUNKED}4\r\nabcd\r\n"));
    assert_eq!(proxy.down.sent(), "");
    let up = proxy.client_says("1\r\ne\r\n");
    assert!(!up.contains("0\r\n\r\n"), "{up}");
    assert!(proxy.down.sent().starts_with("HTTP/1.1 413 "));
    assert!(proxy.up.conn.is_finished());
}

#[test]
fn nothing_past_the_limit_is_passed_on() {
    let mut proxy = Proxy::new(json!({"max_body_bytes": 4}));
    let up = proxy.client_says(format!("{CHUNKED}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"));
    assert!(up.ends_with("3\r\nabc\r\n"), "{up}");
    assert!(proxy.down.sent().starts_with("HTTP/1.1 413 "));
}

#[test]
fn a_body_that_breaks_while_it_is_answered_ends_the_answer() {
    let mut proxy = Proxy::new(Value::Null);
    proxy.client_says(CHUNKED);
    let down = proxy.server_says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab");
    assert!(down.ends_with("\r\n\r\nab"), "{down}");
    proxy.client_says("zz\r\n");
    assert_eq!(proxy.down.sent(), "");
    assert!(proxy.down.conn.is_finished() && proxy.up.conn.is_finished());
    proxy.client_says("zz\r\n");
}

#[test]
fn http10_clients_get_bodies_until_close() {
    let old = "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n";
    let mut proxy = Proxy::new(Value::Null);
    assert_eq!(
        proxy.client_says(old),
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()
    );
    let down = proxy
        .server_says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n");
    assert_eq!(down, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nab");
    assert!(proxy.down.conn.is_finished());
}

#[test]
fn large_bodies_pass_within_the_window() {
    let mut proxy = Proxy::new(Value::Null);
    const LEN: usize = 4 << 20;
    proxy.client_says(format!(
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {LEN}\r\n\r\n"
    ));
    let mut passed = 0;
    for _ in 0..LEN / 32_768 {
        assert!(proxy.down.conn.wants_read());
        passed += proxy.client_says(vec![b'x'; 32_768]).len();
    }
    assert_eq!(passed, LEN);
    let down = proxy.server_says("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(down, "HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(proxy.client_says(GET), GET);
}

#[test]
fn filters_may_change_lengths_by_removing_the_length() {
    let mut head = response("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
    head.remove(&"content-length".into());
    let (_, text) = answered(GET, head);
    assert_eq!(
        text,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    );
}

#[test]
fn a_client_sees_frames_of_each_framing() {
    let mut client = End::client("GET");
    client
        .feed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX: 1\r\n\r\n")
        .unwrap();
    let seen = describe(&client.frames());
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert!(
        seen[1].ends_with("body \"ab\"") && seen[2].contains("[88]"),
        "{seen:?}"
    );
}

/// What is allocated is what the receiving buffers need to be shared, and where events are put.
#[test]
fn a_small_exchange_that_nobody_touches_allocates_next_to_nothing() {
    let mut proxy = Proxy::new(Value::Null);
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nok";
    let Proxy { down, up, .. } = &mut proxy;
    let mut counts = Vec::new();
    for n in 0..4 {
        let stream = sabir_core::frame::StreamId(n);
        let count = allocation_counter::measure(|| {
            down.feed(GET).unwrap();
            assert!(up.conn.open(stream));
            let request = down.events.pop_front().unwrap();
            let sabir_core::connection::EventKind::Frame(frame) = request.kind else {
                panic!("a frame");
            };
            let _ = up.send(stream, frame).unwrap();
            up.feed(answer).unwrap();
            while let Some(event) = up.events.pop_front() {
                let sabir_core::connection::EventKind::Frame(frame) = event.kind else {
                    continue;
                };
                let _ = down.send(request.stream, frame).unwrap();
            }
        });
        counts.push(count.count_total);
        down.sent();
        up.sent();
    }
    assert!(
        counts[3] <= 4,
        "two buffers, and to share each of them: {counts:?}"
    );
}
