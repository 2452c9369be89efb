//! Two connections joined as a driver joins them.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use sabir_codecs::registry::built_in;
use sabir_core::connection::{Connection, Event, EventKind, Turn};
use sabir_core::frame::{Frame, StreamId};
use sabir_core::head::Echo;
use sabir_core::outcome::Reply;
use sabir_core::output::Output;
use sabir_core::protocol::{Limits, Role};

use crate::{Operation, Work};

/// A connection towards a client and one towards a server.
pub(crate) struct Relay {
    pub(crate) down: End,
    pub(crate) up: End,
    names: u64,
}

/// One connection with its buffers.
pub(crate) struct End {
    conn: Box<dyn Connection>,
    input: BytesMut,
    out: Output,
    events: VecDeque<Event>,
    now: Instant,
}

impl End {
    pub(crate) fn new(protocol: &str, role: Role) -> Self {
        let now = Instant::now();
        let made = built_in().make(protocol, &serde_json::json!({}));
        let protocol = made.and_then(Result::ok).expect("a built-in protocol");
        Self {
            conn: protocol.connection(role, &Limits::default(), now),
            input: BytesMut::with_capacity(READ_BUFFER),
            out: Output::default(),
            events: VecDeque::new(),
            now,
        }
    }

    /// Reads `bytes`, which arrived at once.
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        if self.input.capacity() - self.input.len() < bytes.len() {
            self.input.reserve(READ_BUFFER.max(bytes.len()));
        }
        self.input.extend_from_slice(bytes);
        let mut input = std::mem::take(&mut self.input);
        let read = self.with(|conn, turn| conn.recv(&mut input, turn));
        read.expect("sound bytes");
        self.input = input;
    }

    pub(crate) fn open(&mut self, stream: StreamId) {
        assert!(self.conn.open(stream), "the peer is idle");
    }

    pub(crate) fn send(&mut self, stream: StreamId, frame: Frame) {
        let sent = self.with(|conn, turn| conn.send(stream, frame, turn));
        let _ = black_box(sent.expect("a sound frame"));
    }

    /// The next frame that was read.
    pub(crate) fn next(&mut self) -> Option<(StreamId, Frame)> {
        loop {
            let Event { stream, kind } = self.events.pop_front()?;
            if let EventKind::Frame(frame) = kind {
                return Some((stream, frame));
            }
        }
    }

    pub(crate) fn consumed(&mut self, stream: StreamId, bytes: usize) {
        self.with(|conn, turn| conn.consumed(stream, bytes, turn));
    }

    /// What was written, for a peer to read.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let written = self.out.to_vec();
        self.flush();
        written
    }

    fn with<R>(&mut self, f: impl FnOnce(&mut dyn Connection, &mut Turn<'_>) -> R) -> R {
        let mut turn = Turn {
            now: self.now,
            events: &mut self.events,
            out: &mut self.out,
        };
        f(&mut *self.conn, &mut turn)
    }

    fn flush(&mut self) {
        black_box(self.out.chunk());
        self.out.advance(self.out.remaining());
    }
}

impl Relay {
    pub(crate) fn new(protocol: &str) -> Self {
        Self {
            down: End::new(protocol, Role::Server),
            up: End::new(protocol, Role::Client),
            names: 0,
        }
    }

    /// Passes on a request that arrives as `bytes`; says on which stream, and its name upstream.
    pub(crate) fn request(&mut self, bytes: &[u8], work: &Work) -> (StreamId, StreamId) {
        let name = StreamId(self.names);
        self.names += 1;
        self.up.open(name);
        self.down.read(bytes);
        let mut from = StreamId(0);
        while let Some((stream, mut frame)) = self.down.next() {
            if let Frame::Head(head) = &mut frame {
                work.apply(head);
            }
            let len = body(&frame);
            self.up.send(name, frame);
            self.down.consumed(stream, len);
            from = stream;
        }
        (from, name)
    }

    /// Passes on the response that arrives as `bytes`.
    pub(crate) fn response(&mut self, bytes: &[u8], to: StreamId) {
        self.up.read(bytes);
        while let Some((name, frame)) = self.up.next() {
            let len = body(&frame);
            self.down.send(to, frame);
            self.up.consumed(name, len);
        }
    }

    /// One exchange, and what is written either way is gone.
    pub(crate) fn exchange(&mut self, request: &[u8], response: &[u8], work: &Work) {
        let (stream, _) = self.request(request, work);
        self.response(response, stream);
        self.down.flush();
        self.up.flush();
    }

    /// A request that is answered here.
    pub(crate) fn refuse(&mut self, request: &[u8], reply: &Reply) {
        self.down.read(request);
        let mut asked = None;
        while let Some((stream, frame)) = self.down.next() {
            if let Frame::Head(head) = &frame {
                asked = Some((stream, head.echo));
            }
            self.down.consumed(stream, body(&frame));
        }
        let (stream, echo): (StreamId, Echo) = asked.expect("a request");
        self.down
            .with(|conn, turn| conn.reply(stream, echo, reply, turn));
        self.down.flush();
    }
}

/// Exchanges of the same bytes in `protocol` again and again, with `work` done to each request.
pub(crate) fn exchanges(
    protocol: &'static str,
    what: &str,
    work: Work,
    request: Vec<u8>,
    response: Vec<u8>,
) -> Operation {
    let name = format!("{protocol}, {what}, {}", work.label());
    Operation::new(name, move || {
        let mut relay = Relay::new(protocol);
        let (request, response, work) = (request.clone(), response.clone(), work.clone());
        Box::new(move || relay.exchange(&request, &response, &work))
    })
}

/// Refusals of the same request again and again.
pub(crate) fn refusals(protocol: &'static str, request: Vec<u8>) -> Operation {
    Operation::new(format!("{protocol}, reply of our own"), move || {
        let mut relay = Relay::new(protocol);
        let (request, refusal) = (request.clone(), refusal());
        Box::new(move || relay.refuse(&request, &refusal))
    })
}

pub(crate) fn refusal() -> Reply {
    Reply::refused(sabir_core::outcome::Code::RateLimited, "rate limited")
}

fn body(frame: &Frame) -> usize {
    match frame {
        Frame::Data { bytes, .. } => bytes.len(),
        _ => 0,
    }
}

/// Size of a read buffer of the proxy's, in bytes.
const READ_BUFFER: usize = 64 << 10;
