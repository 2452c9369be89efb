//! One side of a connection with its buffers, and frames to script the other.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use sabir_codecs::http2::frame::{self, Head as FrameHead, Kind as FrameKind};
use sabir_codecs::http2::hpack::{Decoder, FieldList, fields};
use sabir_codecs::http2::{Http2Connection, Options};
use sabir_core::connection::{
    Connection, ConnectionError, Event, EventKind, SendError, Turn, Written,
};
use sabir_core::frame::{Frame, Reason, StreamId};
use sabir_core::head::{Head, Kind};
use sabir_core::metadata::Metadata;
use sabir_core::name::Name;
use sabir_core::outcome::Reply;
use sabir_core::output::Output;
use sabir_core::protocol::{Limits, Role};

pub(crate) struct Side {
    pub(crate) conn: Http2Connection,
    pub(crate) now: Instant,
    pub(crate) events: VecDeque<Event>,
    input: BytesMut,
    out: Output,
}

impl Side {
    pub(crate) fn new(role: Role, options: Options, limits: &Limits) -> Self {
        let now = Instant::now();
        Self {
            conn: Http2Connection::new(options, role, limits, now),
            now,
            events: VecDeque::new(),
            input: BytesMut::new(),
            out: Output::default(),
        }
    }

    pub(crate) fn server() -> Self {
        Self::new(Role::Server, Options::default(), &Limits::default())
    }

    pub(crate) fn client() -> Self {
        Self::new(Role::Client, Options::default(), &Limits::default())
    }

    /// A server that has exchanged settings with its peer.
    pub(crate) fn greeted_server() -> Self {
        Self::greeted(Options::default())
    }

    pub(crate) fn greeted(options: Options) -> Self {
        let mut side = Self::new(Role::Server, options, &Limits::default());
        side.feed(&greeting()).unwrap();
        side.feed(&raw(4, 1, 0, b"")).unwrap();
        side.written();
        side
    }

    /// A client that has a stream open, and has exchanged settings with its peer.
    pub(crate) fn greeted_client(request: Head) -> Self {
        let mut side = Self::client();
        side.feed(&raw(4, 0, 0, b"")).unwrap();
        side.feed(&raw(4, 1, 0, b"")).unwrap();
        side.request(7, request).unwrap();
        side.written();
        side
    }

    pub(crate) fn turn<R>(
        &mut self,
        f: impl FnOnce(&mut Http2Connection, &mut Turn<'_>) -> R,
    ) -> R {
        let mut turn = Turn {
            now: self.now,
            events: &mut self.events,
            out: &mut self.out,
        };
        f(&mut self.conn, &mut turn)
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), ConnectionError> {
        self.input.extend_from_slice(bytes);
        let mut input = std::mem::take(&mut self.input);
        let result = self.turn(|conn, turn| conn.recv(&mut input, turn));
        self.input = input;
        result
    }

    pub(crate) fn request(&mut self, name: u64, head: Head) -> Result<(), SendError> {
        let written = self.request_as_possible(name, head)?;
        assert_eq!(written, Written::Whole);
        Ok(())
    }

    pub(crate) fn request_as_possible(
        &mut self,
        name: u64,
        head: Head,
    ) -> Result<Written, SendError> {
        assert!(self.conn.open(StreamId(name)));
        let frame = Frame::Head(head);
        self.turn(|conn, turn| conn.send(StreamId(name), frame, turn))
    }

    pub(crate) fn send(&mut self, name: u64, frame: Frame) -> Result<(), SendError> {
        let written = self.turn(|conn, turn| conn.send(StreamId(name), frame, turn))?;
        assert_eq!(written, Written::Whole);
        Ok(())
    }

    pub(crate) fn data(&mut self, name: u64, bytes: &[u8], end: bool) -> Result<(), SendError> {
        let bytes = Bytes::copy_from_slice(bytes);
        self.send(name, Frame::Data { bytes, end })
    }

    pub(crate) fn consumed(&mut self, name: u64, bytes: usize) {
        self.turn(|conn, turn| conn.consumed(StreamId(name), bytes, turn));
    }

    pub(crate) fn reply(&mut self, name: u64, reply: &Reply) {
        let echo = Default::default();
        self.turn(|conn, turn| conn.reply(StreamId(name), echo, reply, turn));
    }

    /// Lets time pass, and does what is then due.
    pub(crate) fn wait(&mut self, time: Duration) -> Result<(), ConnectionError> {
        self.now += time;
        self.turn(|conn, turn| conn.handle_timeout(turn))
    }

    pub(crate) fn capacity(&self, name: u64) -> usize {
        self.conn.capacity(StreamId(name))
    }

    /// Bytes written since this was last asked.
    pub(crate) fn written(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out).to_vec()
    }

    /// Frames written since this was last asked.
    pub(crate) fn frames(&mut self) -> Vec<Seen> {
        frames(&self.written())
    }

    /// The codes of RST_STREAM and GOAWAY frames written since this was last asked.
    pub(crate) fn codes(&mut self) -> Vec<(FrameKind, u32, u32)> {
        let code = |at: usize, p: &[u8]| u32::from_be_bytes(p[at..at + 4].try_into().unwrap());
        let seen = self.frames();
        let codes = seen.iter().filter_map(|f| match f.head.kind {
            FrameKind::Reset => Some((f.head.kind, f.head.stream, code(0, &f.payload))),
            FrameKind::GoAway => Some((f.head.kind, code(0, &f.payload), code(4, &f.payload))),
            _ => None,
        });
        codes.collect()
    }

    /// What happened since this was last asked, as text; for faults ask [`faults`](Self::faults).
    pub(crate) fn seen(&mut self) -> Vec<String> {
        self.events
            .drain(..)
            .filter(|event| !matches!(event.kind, EventKind::Fault(_)))
            .map(|event| describe(&event))
            .collect()
    }

    /// Names of the faults among what happened since anything was last asked.
    pub(crate) fn faults(&mut self) -> Vec<&'static str> {
        let name = |event: Event| match event.kind {
            EventKind::Fault(name) => Some(name),
            _ => None,
        };
        self.events.drain(..).filter_map(name).collect()
    }

    /// The first head among what happened.
    pub(crate) fn head(&mut self) -> Head {
        let found = self.events.drain(..).find_map(|event| match event.kind {
            EventKind::Frame(Frame::Head(head) | Frame::Trailers(head)) => Some(head),
            _ => None,
        });
        found.expect("a head arrived")
    }
}

/// A frame as it was written.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) head: FrameHead,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn frames(mut wire: &[u8]) -> Vec<Seen> {
    if let Some(rest) = wire.strip_prefix(frame::PREFACE) {
        wire = rest;
    }
    let mut seen = Vec::new();
    while let Some(head) = FrameHead::load(wire) {
        let (frame, rest) = wire.split_at(frame::HEAD_LEN + head.len);
        let payload = frame[frame::HEAD_LEN..].to_vec();
        seen.push(Seen { head, payload });
        wire = rest;
    }
    assert!(wire.is_empty(), "only whole frames are written");
    seen
}

pub(crate) fn describe(event: &Event) -> String {
    let stream = event.stream.0;
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    match &event.kind {
        EventKind::Frame(Frame::Head(head)) => {
            let pairs = pairs(head);
            let end = if head.end { " end" } else { "" };
            format!("{stream} head{end} {}", pairs.join(" "))
        }
        EventKind::Frame(Frame::Data { bytes, end }) => {
            let end = if *end { " end" } else { "" };
            format!("{stream} data{end} {}", text(bytes))
        }
        EventKind::Frame(Frame::Trailers(head)) => {
            format!("{stream} trailers {}", pairs(head).join(" "))
        }
        EventKind::Frame(Frame::Reset(reason)) => format!("{stream} reset {reason:?}"),
        EventKind::Writable => format!("{stream} writable"),
        other => format!("{other:?}"),
    }
}

/// Pairs that are on the wire; parameters of the query are for matching alone.
pub(crate) fn pairs(head: &Head) -> Vec<String> {
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    let pairs = head.metadata().iter();
    let sent = pairs.filter(|(name, _)| !name.starts_with(b"query:"));
    sent.map(|(k, v)| format!("{}={}", text(k), text(v)))
        .collect()
}

pub(crate) fn value(head: &Head, name: &str) -> Option<String> {
    let name = Name::new(name);
    head.get(&name)
        .map(|v| String::from_utf8_lossy(v).into_owned())
}

/// A head of another protocol, with these pairs.
pub(crate) fn foreign(kind: Kind, end: bool, pairs: &[(&str, &str)]) -> Head {
    let mut list = FieldList::new(1 << 24);
    for (name, value) in pairs {
        list.push(name.as_bytes(), value.as_bytes(), false);
    }
    let mut head = Head::new("scripted", kind, list.into_wire(), parse);
    head.end = end;
    head
}

fn parse(head: &Head, metadata: &mut Metadata) {
    for field in fields(head.wire()) {
        metadata.push(field.name_span(), field.value_span(), field.raw());
    }
}

pub(crate) const GET: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/a?b=c"),
    (":authority", "example.com"),
];

pub(crate) const CALL: [(&str, &str); 6] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/demo.Greeter/Hi"),
    (":authority", "x"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
];

pub(crate) fn get(end: bool) -> Head {
    foreign(Kind::Request, end, &GET)
}

pub(crate) fn response(end: bool, status: &str) -> Head {
    foreign(Kind::Response, end, &[(":status", status)])
}

pub(crate) fn reset(reason: Reason) -> Frame {
    Frame::Reset(reason)
}

/// A frame of any content.
pub(crate) fn raw(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    let mut frame = vec![len[1], len[2], len[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A header block of literals that are in no table.
pub(crate) fn block(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in pairs {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127 + 128, "one octet more of length");
            if text.len() < 127 {
                block.push(text.len() as u8);
            } else {
                block.extend([127, (text.len() - 127) as u8]);
            }
            block.extend(text.as_bytes());
        }
    }
    block
}

pub(crate) fn headers(stream: u32, end: bool, pairs: &[(&str, &str)]) -> Vec<u8> {
    raw(1, 4 | u8::from(end), stream, &block(pairs))
}

pub(crate) fn data(stream: u32, end: bool, body: &[u8]) -> Vec<u8> {
    raw(0, u8::from(end), stream, body)
}

pub(crate) fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    raw(8, 0, stream, &increment.to_be_bytes())
}

pub(crate) fn rst(stream: u32, code: u32) -> Vec<u8> {
    raw(3, 0, stream, &code.to_be_bytes())
}

/// What a client says first.
pub(crate) fn greeting() -> Vec<u8> {
    [frame::PREFACE, &raw(4, 0, 0, b"")].concat()
}

/// The fields of the first header block among `seen`, decoded with `decoder`.
pub(crate) fn decoded(seen: &[Seen], decoder: &mut Decoder) -> Vec<String> {
    let mut list = FieldList::new(1 << 20);
    let headers = seen.iter().find(|f| f.head.kind == FrameKind::Headers);
    decoder
        .decode(&headers.expect("HEADERS").payload, &mut list)
        .unwrap();
    let wire = list.into_wire();
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    fields(&wire)
        .map(|f| format!("{}={}", text(f.name), text(f.value)))
        .collect()
}

/// Carries bytes between two sides until neither has any.
pub(crate) fn shuttle(a: &mut Side, b: &mut Side) {
    loop {
        let (from_a, from_b) = (a.written(), b.written());
        if from_a.is_empty() && from_b.is_empty() {
            return;
        }
        b.feed(&from_a).unwrap();
        a.feed(&from_b).unwrap();
    }
}
