//! However bytes arrive, they mean the same.

use sabir_core::frame::StreamId;

use crate::rig::{End, describe};

const REQUESTS: &[&str] = &[
    "GET /a/b?x=1&y=%20z HTTP/1.1\r\nHost: a.b:80\r\nX-A: 1\r\nx-a: 2\r\nConnection: x-b\r\nX-B: 3\r\n\r\n",
    "\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;e=f\r\nhello\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nT: 1\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nbad line\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
];

const RESPONSES: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nT: 1\r\nU: 2\r\n\r\n",
    "HTTP/1.0 500 Oh\r\nX: y\r\n\r\nuntil close",
];

fn seen(mut end: End, pieces: &[&[u8]]) -> (Vec<String>, Vec<u8>, bool) {
    let mut failed = false;
    for piece in pieces {
        failed |= end.feed(piece).is_err();
    }
    let frames = end.frames();
    (describe(&frames), end.out.to_vec(), failed)
}

fn every_split(make: impl Fn() -> End, text: &str) {
    let bytes = text.as_bytes();
    let whole = seen(make(), &[bytes]);
    assert!(!whole.0.is_empty(), "{text}");
    for cut in 1..bytes.len() {
        let split = seen(make(), &[&bytes[..cut], &bytes[cut..]]);
        assert_eq!(split, whole, "{text:?} cut at {cut}");
    }
    let single: Vec<_> = bytes.chunks(1).collect();
    assert_eq!(seen(make(), &single), whole, "{text:?} byte by byte");
}

#[test]
fn requests_mean_the_same_however_they_arrive() {
    for text in REQUESTS {
        every_split(End::server, text);
    }
}

#[test]
fn responses_mean_the_same_however_they_arrive() {
    for text in RESPONSES {
        every_split(|| End::client("GET"), text);
    }
}

#[test]
fn what_is_cut_short_waits() {
    for text in REQUESTS {
        let head = text.find("\r\n\r\n").unwrap() + 3;
        for cut in 0..head {
            let mut server = End::server();
            server.feed(&text[..cut]).unwrap();
            assert!(
                server.frames().is_empty() && server.out.is_empty(),
                "{text:?} {cut}"
            );
        }
    }
}

#[test]
fn streams_are_numbered() {
    let mut server = End::server();
    for id in 1..4 {
        server.feed(crate::rig::GET).unwrap();
        let (stream, _) = server.head();
        assert_eq!(stream, StreamId(id));
        server.reply(stream, sabir_core::outcome::Code::NotFound);
    }
}
