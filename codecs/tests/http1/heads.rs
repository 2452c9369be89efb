//! Heads: what is found in them, and what of them is passed on.

use sabir_core::connection::Written;
use sabir_core::head::Stage;
use sabir_core::name::Name;
use sabir_core::outcome::{Code, Party};
use sabir_core::protocol::{Protocol, Sniff};
use serde_json::{Value, json};

use crate::rig::{End, GET, Proxy, answered, forwarded, forwarded_by, request, response};

fn passed(fields: &str) -> String {
    let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let (written, up) = forwarded(request(&text));
    assert_eq!(written, Written::Whole);
    let rest = up.strip_prefix("GET / HTTP/1.1\r\nHost: a\r\n").unwrap();
    rest.strip_suffix("\r\n").unwrap().to_owned()
}

#[test]
fn metadata_is_found() {
    let head = request(
        "PUT /svc/do%20it?page=1&q=a%20b+c&empty&page=2 HTTP/1.1\r\nHost: a.b:80\r\nX-User: u\r\nCookie: c=1\r\n\r\n",
    );
    assert_eq!(
        (head.service(), head.method()),
        (&b"a.b:80"[..], &b"/svc/do%20it"[..])
    );
    for (name, value) in [
        (":method", "PUT"),
        (":scheme", "http"),
        (":authority", "a.b:80"),
        (":path", "/svc/do%20it?page=1&q=a%20b+c&empty&page=2"),
        ("query:page", "1"),
        ("query:q", "a b c"),
        ("query:empty", ""),
        ("x-user", "u"),
        ("HOST", "a.b:80"),
        ("cookie", "c=1"),
        ("protocol", "http1"),
        ("service", "a.b:80"),
    ] {
        let name = Name::new(name);
        assert_eq!(head.get(&name), Some(value.as_bytes()), "{name}");
    }
    assert!(head.any(&Name::new("query:page"), |value| value == b"2"));
    assert_eq!(head.get(&Name::new("query:none")), None);
    let head = response("HTTP/1.1 201 Created\r\nX-A: b\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(head.get(&Name::new(":status")), Some(&b"201"[..]));
    assert_eq!(head.get(&Name::new("x-a")), Some(&b"b"[..]));
}

#[test]
fn what_nobody_changed_is_passed_on_as_it_came() {
    let text = "GET /a?b HTTP/1.1\r\nhOsT: a\r\nX-A:  1\r\nX-a:2 \r\nEmpty:\r\nX-\u{e9}: \r\n\r\n";
    let text = text.replace("X-\u{e9}: ", "X-E: \u{e9}");
    assert_eq!(forwarded(request(&text)), (Written::Whole, text.clone()));
    let text = "HTTP/1.1 299 Why not\r\nA: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(
        answered(GET, response(text)),
        (Written::Whole, text.to_owned())
    );
}

#[test]
fn what_ends_at_this_hop_is_not_passed_on() {
    for fields in [
        "Connection: close\r\n",
        "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n",
        "Proxy-Connection: keep-alive\r\n",
        "Connection: close, X-Secret\r\nX-Secret: 1\r\n",
        "X-SECRET: 1\r\nConnection: x-other\r\nConnection: x-secret\r\nx-other: 2\r\n",
        "TE: gzip\r\n",
        "Upgrade: h2c\r\nHTTP2-Settings: AAMA\r\nConnection: Upgrade, HTTP2-Settings\r\n",
        "Upgrade: h2c\r\nHTTP2-Settings: AAMA\r\n",
        "Upgrade: unknown\r\nConnection: upgrade\r\n",
        "Upgrade: websocket\r\n",
        "Expect: 100-continue\r\n",
    ] {
        assert_eq!(passed(fields), "", "{fields}");
    }
    let answer = "HTTP/1.1 200 OK\r\nConnection: x-a\r\nKeep-Alive: 1\r\nX-A: 1\r\nX-B: 2\r\nProxy-Connection: close\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n";
    let (_, down) = answered(GET, response(answer));
    assert_eq!(
        down,
        "HTTP/1.1 200 OK\r\nX-B: 2\r\ncontent-length: 0\r\n\r\n"
    );
}

#[test]
fn connection_cannot_take_away_what_a_request_is() {
    let fields = "Connection: host, authorization, cookie, content-length\r\nAuthorization: x\r\nCookie: y\r\n";
    assert_eq!(passed(fields), "Authorization: x\r\nCookie: y\r\n");
}

#[test]
fn te_trailers_is_said_again() {
    assert_eq!(
        passed("TE: gzip, trailers\r\n"),
        "connection: te\r\nte: trailers\r\n"
    );
}

#[test]
fn hop_by_hop_fields_are_no_metadata() {
    let head = request(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: x-a\r\nX-A: 1\r\nKeep-Alive: 2\r\nUpgrade: h2c\r\nTE: gzip\r\n\r\n",
    );
    for name in ["connection", "x-a", "keep-alive", "upgrade", "te"] {
        assert_eq!(head.get(&Name::new(name)), None, "{name}");
    }
}

#[test]
fn absolute_targets_name_the_host() {
    for (text, want) in [
        (
            "GET http://b/p?q HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n",
            "GET /p?q HTTP/1.1\r\nhost: b\r\nX: 1\r\n\r\n",
        ),
        (
            "GET http://b HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: b\r\n\r\n",
        ),
        (
            "GET http://b?q HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /?q HTTP/1.1\r\nhost: b\r\n\r\n",
        ),
        (
            "OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nhost: b\r\n\r\n",
        ),
        (
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        (
            "GET /x HTTP/1.0\r\nX: 1\r\n\r\n",
            "GET /x HTTP/1.1\r\nhost: \r\nX: 1\r\n\r\n",
        ),
        (
            "GET /x HTTP/1.1\r\nhost: \r\nX: 1\r\n\r\n",
            "GET /x HTTP/1.1\r\nhost: \r\nX: 1\r\n\r\n",
        ),
    ] {
        let head = request(text);
        assert!(head.end);
        assert_eq!(forwarded(head), (Written::Whole, want.to_owned()));
    }
    let head = request("GET http://b?q HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((head.service(), head.method()), (&b"b"[..], &b"/"[..]));
    assert_eq!(head.get(&Name::new(":path")), Some(&b"/?q"[..]));
}

#[test]
fn our_own_version_is_sent() {
    let (_, down) = answered(
        GET,
        response("HTTP/1.0 404 No\r\nContent-Length: 0\r\n\r\n"),
    );
    assert_eq!(down, "HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n");
}

#[test]
fn options_add_what_proxies_say_of_themselves() {
    let options = json!({"via": "edge", "x_forwarded_proto": true, "underscores": "drop"});
    let text =
        "GET / HTTP/1.1\r\nHost: a\r\nVia: 1.0 b\r\nX-Forwarded-Proto: https\r\nX_Y: 1\r\n\r\n";
    let (_, up) = forwarded_by(options.clone(), request(text));
    let want = "GET / HTTP/1.1\r\nHost: a\r\nVia: 1.0 b\r\nvia: 1.1 edge\r\nx-forwarded-proto: http\r\n\r\n";
    assert_eq!(up, want);
    let mut proxy = Proxy::new(options);
    proxy.client_says(GET);
    let down = proxy.server_says("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert!(down.ends_with("via: 1.0 edge\r\n\r\n"), "{down}");
    assert!(
        passed("X-Forwarded-Proto: https\r\nX_Y: 1\r\n").contains("https"),
        "off by default"
    );
}

#[test]
fn max_forwards_counts_down() {
    let text =
        |verb: &str, n: &str| format!("{verb} / HTTP/1.1\r\nHost: a\r\nMax-Forwards: {n}\r\n\r\n");
    let (_, up) = forwarded(request(&text("OPTIONS", "5")));
    assert!(up.contains("max-forwards: 4\r\n"), "{up}");
    let (_, up) = forwarded(request(&text("GET", "5")));
    assert!(up.contains("Max-Forwards: 5\r\n"), "{up}");
    for (verb, want) in [("OPTIONS", "HTTP/1.1 200 "), ("TRACE", "HTTP/1.1 405 ")] {
        let mut server = End::server();
        server.feed(text(verb, "0")).unwrap();
        assert!(server.frames().is_empty());
        assert!(server.sent().starts_with(want));
        server.feed(GET).unwrap();
        assert!(server.head().1.fault().is_none());
    }
}

#[test]
fn statuses_say_how_the_exchange_ended() {
    for (status, party, code) in [
        (200, Party::Nobody, Code::Ok),
        (302, Party::Nobody, Code::Ok),
        (400, Party::Caller, Code::BadRequest),
        (403, Party::Business, Code::Denied),
        (404, Party::Business, Code::NotFound),
        (409, Party::Business, Code::BusinessError),
        (429, Party::Infrastructure, Code::RateLimited),
        (500, Party::Infrastructure, Code::Internal),
        (502, Party::Infrastructure, Code::BadResponse),
        (503, Party::Infrastructure, Code::Unavailable),
        (504, Party::Infrastructure, Code::TimedOut),
    ] {
        let head = response(&format!("HTTP/1.1 {status} X\r\n\r\n"));
        assert_eq!(
            (head.outcome.party, head.outcome.code),
            (party, code),
            "{status}"
        );
    }
}

#[test]
fn expectations_are_passed_on_and_answered_by_the_server() {
    let ask = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    let mut proxy = Proxy::new(Value::Null);
    let up = proxy.client_says(ask);
    assert!(up.contains("Expect: 100-continue\r\n"), "{up}");
    assert_eq!(
        proxy.server_says("HTTP/1.1 100 Continue\r\n\r\n"),
        "HTTP/1.1 100 Continue\r\n\r\n"
    );
    assert_eq!(proxy.client_says("ok"), "ok");
    let down = proxy.server_says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(down, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(proxy.client_says(GET), GET);
    // A client that did not wait has said everything.
    let mut proxy = Proxy::new(Value::Null);
    proxy.client_says([ask, "ok"].concat());
    let down = proxy.server_says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert!(!down.contains("connection"), "{down}");
    // A final answer instead: whether the body comes is anybody's guess.
    let mut proxy = Proxy::new(Value::Null);
    proxy.client_says(ask);
    let down = proxy.server_says("HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n");
    assert!(down.contains("connection: close\r\n"), "{down}");
    assert_eq!(proxy.client_says("ok"), "");
    assert!(proxy.up.conn.is_finished());
}

#[test]
fn interim_responses_are_passed_on_to_those_who_understand_them() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 3\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let mut proxy = Proxy::new(Value::Null);
    proxy.client_says(GET);
    let down = proxy.server_says([hints, "HTTP/1.1 100 Continue\r\n\r\n", last].concat());
    let want = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(
        down, want,
        "103 without its length, and no 100 that nobody expects"
    );
    let mut proxy = Proxy::new(Value::Null);
    proxy.client_says("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    let down = proxy.server_says([hints, last].concat());
    assert!(down.starts_with("HTTP/1.1 200 OK\r\n"), "{down}");
    let mut client = End::client("GET");
    client.feed(hints).unwrap();
    let (_, head) = client.head();
    assert!(head.stage == Stage::Interim && !head.end);
}

#[test]
fn requests_are_told_from_other_protocols() {
    let sniff = |first: &[u8]| sabir_codecs::http1::Http1::default().sniff(first);
    for text in [
        "GET / HTTP/1.1\r\n",
        "OPTIONS *",
        "M-SEARCH * ",
        "GET http://a/",
        "CONNECT [::1]:1",
    ] {
        assert_eq!(sniff(text.as_bytes()), Sniff::Yes, "{text}");
    }
    for text in ["", "G", "GET", "GET ", "PRI"] {
        assert_eq!(sniff(text.as_bytes()), Sniff::More, "{text}");
    }
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for other in [
        &preface[..],
        b"\xda\xbb\xc2",
        b"\x16\x03\x01",
        b"GET\t/",
        b"get /",
        b" GET /",
        b"GET  /",
        &[b'A'; 21],
    ] {
        assert_eq!(sniff(other), Sniff::No, "{other:?}");
    }
}
