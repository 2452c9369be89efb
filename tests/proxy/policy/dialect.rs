//! The protocols, as far as cases tell them apart.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use sabir::codecs::registry;
use sabir::core::connection::{Connection, EventKind, Turn, Written};
use sabir::core::frame::{Frame, StreamId};
use sabir::core::output::Output;
use sabir::core::protocol::{Limits, Protocol, Role};

use crate::dubbo::Message;

/// A protocol, and how calls are written in it.
#[derive(Clone, Copy)]
pub(super) struct Dialect {
    pub(super) name: &'static str,
    /// Name of the codec.
    pub(super) protocol: &'static str,
    /// Codec that reads what `write` writes.
    source: &'static str,
    write: fn(&Ask<'_>) -> Vec<u8>,
}

/// A call.
#[derive(Clone, Copy, Default)]
pub(super) struct Ask<'a> {
    /// Method; of HTTP the path.
    pub(super) method: &'a str,
    /// It may be done twice, as far as the protocol can say so.
    pub(super) idempotent: bool,
    /// Milliseconds that the caller waits, in the protocol's words.
    pub(super) timeout: Option<u32>,
    /// Bytes of a body, where the protocol streams it.
    pub(super) body: usize,
}

impl<'a> Ask<'a> {
    pub(super) fn of(method: &'a str) -> Self {
        Self {
            method,
            ..Self::default()
        }
    }
}

impl Dialect {
    pub(super) fn codec(&self) -> Arc<dyn Protocol> {
        codec(self.protocol)
    }

    /// Whether heads of requests say which may be done twice.
    pub(super) fn is_http(&self) -> bool {
        matches!(self.name, "http1" | "http2")
    }

    /// The frames of a request.
    pub(super) fn request(&self, ask: &Ask<'_>) -> Vec<Frame> {
        let conn = codec(self.source).connection(Role::Server, &Limits::default(), Instant::now());
        frames(conn, Vec::new(), &(self.write)(ask))
    }

    /// A response of HTTP without a body: its status line from the status on, and its fields.
    pub(super) fn response(&self, lines: &str) -> Frame {
        let conn = codec(self.source).connection(Role::Client, &Limits::default(), Instant::now());
        let request = self.request(&Ask::of("hi"));
        let text = format!("HTTP/1.1 {lines}\r\ncontent-length: 0\r\n\r\n");
        frames(conn, request, text.as_bytes()).remove(0)
    }
}

/// What `conn` reads in `bytes` after it was given `first` to send.
fn frames(mut conn: Box<dyn Connection>, first: Vec<Frame>, bytes: &[u8]) -> Vec<Frame> {
    let (mut events, mut out) = (VecDeque::new(), Output::default());
    let mut turn = Turn {
        now: Instant::now(),
        events: &mut events,
        out: &mut out,
    };
    if !first.is_empty() {
        assert!(conn.open(StreamId(1)));
    }
    for frame in first {
        let sent = conn.send(StreamId(1), frame, &mut turn);
        assert_eq!(sent, Ok(Written::Whole));
    }
    let mut input = BytesMut::from(bytes);
    conn.recv(&mut input, &mut turn).unwrap();
    assert!(input.is_empty());
    let frames = events.into_iter().map(|event| match event.kind {
        EventKind::Frame(frame) => frame,
        other => panic!("{other:?}"),
    });
    frames.collect()
}

fn codec(name: &str) -> Arc<dyn Protocol> {
    let made = registry::built_in().make(name, &serde_json::json!({}));
    made.unwrap().unwrap()
}

pub(super) fn dubbo() -> Dialect {
    let write = |ask: &Ask<'_>| {
        let millis = ask.timeout.map(|millis| millis.to_string());
        let timeout = millis.as_deref().map(|millis| ("timeout", millis));
        let pairs: Vec<_> = timeout.into_iter().collect();
        let request = Message::request("demo.Service", ask.method, "x", &pairs);
        request.with_id(7).bytes()
    };
    named("dubbo", "dubbo", "dubbo", write)
}

/// THeader, strict binary.
pub(super) fn thrift() -> Dialect {
    let write = |ask: &Ask<'_>| {
        let mut message = vec![0x80, 1, 0, 1];
        message.extend((ask.method.len() as u32).to_be_bytes());
        message.extend(ask.method.as_bytes());
        message.extend([0, 0, 0, 7, 0]);
        let mut header = vec![0, 0];
        if let Some(millis) = ask.timeout {
            let millis = millis.to_string();
            header.extend([1, 1]);
            for text in ["client_timeout", &millis] {
                header.push(text.len() as u8);
                header.extend(text.as_bytes());
            }
        }
        header.resize(header.len().next_multiple_of(4), 0);
        let words = (header.len() / 4) as u16;
        let mut frame = vec![0x0f, 0xff, 0, 0, 0, 0, 0, 7];
        frame.extend(words.to_be_bytes());
        frame.extend(header);
        frame.extend(message);
        [&(frame.len() as u32).to_be_bytes()[..], &frame].concat()
    };
    named("thrift", "thrift", "thrift", write)
}

pub(super) fn motan2() -> Dialect {
    let write = |ask: &Ask<'_>| {
        let mut metadata = format!("M_p\ndemo.Service\nM_m\n{}", ask.method);
        if let Some(millis) = ask.timeout {
            write!(metadata, "\nM_tmo\n{millis}").unwrap();
        }
        let mut bytes = vec![0xf1, 0xf1, 0, 0x08, 0x30];
        bytes.extend(7u64.to_be_bytes());
        bytes.extend((metadata.len() as u32).to_be_bytes());
        bytes.extend(metadata.as_bytes());
        bytes.extend(0u32.to_be_bytes());
        bytes
    };
    named("motan2", "motan2", "motan2", write)
}

pub(super) fn http1() -> Dialect {
    named("http1", "http1", "http1", write_http)
}

pub(super) fn http2() -> Dialect {
    named("http2", "http2", "http1", write_http)
}

pub(super) fn grpc() -> Dialect {
    let write = |ask: &Ask<'_>| {
        let timeout = ask
            .timeout
            .map(|millis| format!("grpc-timeout: {millis}m\r\n"));
        let more = format!(
            "content-type: application/grpc\r\nte: trailers\r\n{}",
            timeout.unwrap_or_default()
        );
        let path = format!("/demo.Service/{}", ask.method);
        http("POST", &path, &more, ask.body.max(5))
    };
    named("grpc", "http2", "http1", write)
}

fn named(
    name: &'static str,
    protocol: &'static str,
    source: &'static str,
    write: fn(&Ask<'_>) -> Vec<u8>,
) -> Dialect {
    Dialect {
        name,
        protocol,
        source,
        write,
    }
}

fn write_http(ask: &Ask<'_>) -> Vec<u8> {
    let timeout = ask
        .timeout
        .map(|millis| format!("x-request-timeout: {millis}ms\r\n"));
    let verb = if ask.idempotent { "PUT" } else { "POST" };
    let path = format!("/{}", ask.method);
    http(verb, &path, &timeout.unwrap_or_default(), ask.body)
}

fn http(verb: &str, path: &str, more: &str, body: usize) -> Vec<u8> {
    let head = format!("{verb} {path} HTTP/1.1\r\nhost: a\r\n{more}content-length: {body}\r\n\r\n");
    let mut bytes = head.into_bytes();
    bytes.resize(bytes.len() + body, b'x');
    bytes
}
