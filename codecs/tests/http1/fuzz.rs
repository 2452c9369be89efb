//! Random bytes, and the judgement of another parser.

use httparse::{EMPTY_HEADER, Status};
use proptest::prelude::*;
use serde_json::Value;

use sabir_core::frame::{Frame, Reason, StreamId};
use sabir_core::outcome::Code;
use sabir_core::protocol::Role;

use crate::rig::{End, GET, Proxy, request, response};

/// Pieces of which requests and responses are made, sound and not.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "GET ",
        "POST ",
        "HEAD ",
        "CONNECT ",
        "/",
        "/a?b=c",
        "*",
        "http://a/",
        " HTTP/1.1",
        " HTTP/1.0",
        "\r\n",
        "\r\n\r\n",
        "\n",
        "\r",
        "Host: a",
        "Host: b",
        ":",
        " ",
        "\t",
        "Content-Length: ",
        "5",
        "0",
        "Transfer-Encoding: chunked",
        "Connection: close",
        "Connection: upgrade",
        "Upgrade: websocket",
        "Expect: 100-continue",
        "TE: trailers",
        "0\r\n\r\n",
        "5\r\nhello\r\n",
        "HTTP/1.1 200 OK",
        "HTTP/1.1 101 Switching",
        "HTTP/1.1 100 Continue",
        "HTTP/1.1 204 None",
        "hello",
        "\0",
        "\u{e9}",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ]);
    let word = words.prop_map(|word| word.as_bytes().to_vec());
    let noise = prop::collection::vec(any::<u8>(), 0..8);
    let piece = prop_oneof![8 => word, 1 => noise];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Sound requests with one thing done to them.
fn heads() -> impl Strategy<Value = Vec<u8>> {
    let field = prop::sample::select(vec![
        "X-A: b\r\n",
        "Accept: */*\r\n",
        "Cookie: a=b; c\r\n",
        "Empty:\r\n",
    ]);
    let fields = prop::collection::vec(field, 0..4);
    let target = prop::sample::select(vec!["/", "/a/b?c=d", "http://b/c", "/%20"]);
    (
        fields,
        target,
        any::<prop::sample::Index>(),
        any::<u8>(),
        any::<bool>(),
    )
        .prop_map(|(fields, target, at, byte, damage)| {
            let text = format!(
                "GET {target} HTTP/1.1\r\nHost: a\r\n{}\r\n",
                fields.concat()
            );
            let mut bytes = text.into_bytes();
            if damage {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever a client sends, nothing panics, and it gets nothing but whole answers.
    #[test]
    fn servers_take_anything(bytes in pieces(), cut in any::<prop::sample::Index>(), eof in any::<bool>()) {
        let mut server = End::server();
        let cut = cut.index(bytes.len() + 1);
        for part in [&bytes[..cut], &bytes[cut..]] {
            prop_assert!(server.feed(part).is_ok());
            for (stream, frame) in server.frames() {
                if let Frame::Head(head) = frame {
                    let _ = head.metadata();
                    server.reply(stream, Code::NotFound);
                }
            }
        }
        if eof {
            let _ = server.eof();
        }
        let out = server.out.to_vec();
        prop_assert!(out.is_empty() || out.starts_with(b"HTTP/1.1 "));
    }

    /// Whatever a server sends, nothing panics.
    #[test]
    fn clients_take_anything(bytes in pieces(), cut in any::<prop::sample::Index>()) {
        let mut client = End::client("GET");
        let cut = cut.index(bytes.len() + 1);
        let whole = client.feed(&bytes[..cut]).and_then(|()| client.feed(&bytes[cut..]));
        if whole.is_ok() {
            let _ = client.eof();
        }
        prop_assert!(client.frames().len() <= bytes.len() + 2);
    }

    /// Whatever a driver does in whatever order, nothing panics, and what is finished stays so.
    #[test]
    fn any_order_of_operations_is_survived(
        steps in prop::collection::vec((0..9_u8, 0..4_u64, pieces()), 0..24),
        is_server in any::<bool>(),
    ) {
        let role = if is_server { Role::Server } else { Role::Client };
        let mut end = End::new(role, Value::Null);
        let head = if is_server {
            response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        } else {
            request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
        };
        let mut dead = false;
        for (step, stream, bytes) in steps {
            let stream = StreamId(stream);
            match step {
                0..=2 if !dead => dead = end.feed(&bytes).is_err(),
                3 if !dead => {
                    dead = true;
                    let _ = end.eof();
                }
                4 => drop(end.conn.open(stream)),
                5 => drop(end.send(stream, Frame::Head(head.clone()))),
                6 => {
                    let last = bytes.len() % 2 == 0;
                    let _ = end.send(stream, Frame::Data { bytes: bytes.into(), end: last });
                }
                7 => end.reply(stream, Code::NotFound),
                8 => drop(end.send(stream, Frame::Reset(Reason::Cancelled))),
                _ => end.with(|conn, turn| conn.consumed(stream, bytes.len(), turn)),
            }
            let finished = end.conn.is_finished();
            let _ = end.wait(std::time::Duration::from_secs(1));
            prop_assert!(!finished || end.conn.is_finished());
        }
    }

    /// What passes through us is understood by ourselves as what it was.
    #[test]
    fn what_is_passed_on_is_sound(bytes in pieces(), answer in pieces()) {
        let mut proxy = Proxy::new(Value::Null);
        let up = proxy.client_says(&bytes);
        let mut behind = End::server();
        prop_assert!(behind.feed(&up).is_ok());
        for (_, frame) in behind.frames() {
            if let Frame::Head(head) = frame {
                prop_assert!(head.fault().is_none(), "{:?} became {up:?}", String::from_utf8_lossy(&bytes));
            }
        }
        let _ = proxy.up.feed(&answer);
    }

    /// We refuse what httparse refuses, and take of what it takes all but what we know we do not.
    #[test]
    fn heads_are_taken_as_httparse_takes_them(bytes in heads()) {
        let mut headers = [EMPTY_HEADER; 16];
        let mut theirs = httparse::Request::new(&mut headers);
        let parsed = theirs.parse(&bytes);
        let mut server = End::server();
        server.feed(&bytes).unwrap();
        let head = server.frames().into_iter().find_map(|(_, frame)| match frame {
            Frame::Head(head) => Some(head),
            _ => None,
        });
        let Some(head) = head.filter(|head| head.fault().is_none()) else {
            return Ok(());
        };
        prop_assert!(matches!(parsed, Ok(Status::Complete(len)) if len == head.wire().len()), "{parsed:?}");
        let ours: Vec<_> = head.metadata().iter().filter(|(name, _)| !name.contains(&b':')).collect();
        let hidden = ["connection", "te", "keep-alive", "upgrade", "proxy-connection", "transfer-encoding", "http2-settings"];
        let theirs: Vec<_> = theirs
            .headers
            .iter()
            .filter(|header| !hidden.contains(&&*header.name.to_ascii_lowercase()))
            .map(|header| (header.name.as_bytes(), header.value))
            .collect();
        prop_assert_eq!(ours, theirs);
    }
}

/// The other way round: sound requests are refused by neither.
#[test]
fn sound_requests_are_taken() {
    for text in [
        GET,
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: [::1]:80\r\nA:b\r\n\r\n",
    ] {
        let mut server = End::server();
        server.feed(text).unwrap();
        assert!(server.head().1.fault().is_none(), "{text}");
    }
}
