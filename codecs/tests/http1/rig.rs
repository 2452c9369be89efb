//! Connections without sockets: one end, and a proxy of two of them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sabir_codecs::http1;
use sabir_core::bytes::{Buf, BytesMut};
use sabir_core::connection::{
    Connection, ConnectionError, Event, EventKind, SendError, Turn, Written,
};
use sabir_core::frame::{Frame, StreamId};
use sabir_core::head::{Echo, Head, Stage};
use sabir_core::outcome::{Code, Executed, Outcome, Party, Reply};
use sabir_core::output::Output;
use sabir_core::protocol::{Limits, Role};
use sabir_core::pump::Pump;
use serde_json::Value;

/// One end of a connection with everything a driver holds.
pub(crate) struct End {
    pub(crate) conn: Box<dyn Connection>,
    pub(crate) events: VecDeque<Event>,
    pub(crate) out: Output,
    pub(crate) input: BytesMut,
    pub(crate) now: Instant,
}

impl End {
    pub(crate) fn new(role: Role, options: Value) -> Self {
        let protocol = http1::factory(&options).unwrap();
        let now = Instant::now();
        Self {
            conn: protocol.connection(role, &Limits::default(), now),
            events: VecDeque::new(),
            out: Output::default(),
            input: BytesMut::new(),
            now,
        }
    }

    pub(crate) fn server() -> Self {
        Self::new(Role::Server, Value::Null)
    }

    /// A client that has sent a request of `verb` on stream 7.
    pub(crate) fn client(verb: &str) -> Self {
        let mut client = Self::new(Role::Client, Value::Null);
        let request = request(&format!("{verb} / HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(client.conn.open(StreamId(7)));
        assert_eq!(
            client.send(StreamId(7), Frame::Head(request)),
            Ok(Written::Whole)
        );
        client.sent();
        client
    }

    pub(crate) fn with<R>(&mut self, f: impl FnOnce(&mut dyn Connection, &mut Turn<'_>) -> R) -> R {
        let mut turn = Turn {
            now: self.now,
            events: &mut self.events,
            out: &mut self.out,
        };
        f(&mut *self.conn, &mut turn)
    }

    pub(crate) fn feed(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), ConnectionError> {
        self.input.extend_from_slice(bytes.as_ref());
        self.again()
    }

    pub(crate) fn again(&mut self) -> Result<(), ConnectionError> {
        let mut input = std::mem::take(&mut self.input);
        let result = self.with(|conn, turn| conn.recv(&mut input, turn));
        self.input = input;
        result
    }

    pub(crate) fn eof(&mut self) -> Result<(), ConnectionError> {
        let mut input = std::mem::take(&mut self.input);
        self.with(|conn, turn| conn.recv_eof(&mut input, turn))
    }

    pub(crate) fn send(&mut self, stream: StreamId, frame: Frame) -> Result<Written, SendError> {
        self.with(|conn, turn| conn.send(stream, frame, turn))
    }

    pub(crate) fn reply(&mut self, stream: StreamId, code: Code) {
        let reply = Reply::refused(code, "sorry");
        self.with(|conn, turn| conn.reply(stream, Echo::default(), &reply, turn));
    }

    pub(crate) fn wait(&mut self, time: Duration) -> Result<(), ConnectionError> {
        self.now += time;
        self.with(|conn, turn| conn.handle_timeout(turn))
    }

    /// What was written since it was last asked.
    pub(crate) fn sent(&mut self) -> String {
        let bytes = self.out.to_vec();
        self.out.advance(bytes.len());
        String::from_utf8(bytes).unwrap()
    }

    pub(crate) fn frames(&mut self) -> Vec<(StreamId, Frame)> {
        let frame = |event: Event| match event.kind {
            EventKind::Frame(frame) => Some((event.stream, frame)),
            _ => None,
        };
        self.events.drain(..).filter_map(frame).collect()
    }

    /// The only head that arrived.
    pub(crate) fn head(&mut self) -> (StreamId, Head) {
        match self.frames().pop() {
            Some((stream, Frame::Head(head))) => (stream, head),
            other => panic!("not a head: {other:?}"),
        }
    }
}

/// A request as a server reads it.
pub(crate) fn request(text: &str) -> Head {
    request_by(Value::Null, text)
}

/// A request as a server with `options` reads it.
pub(crate) fn request_by(options: Value, text: &str) -> Head {
    let mut server = End::new(Role::Server, options);
    server.feed(text).unwrap();
    server.head().1
}

/// A response as a client reads it that has asked by GET.
pub(crate) fn response(text: &str) -> Head {
    let mut client = End::client("GET");
    client.feed(text).unwrap();
    let frames = client.frames();
    match frames.into_iter().next() {
        Some((_, Frame::Head(head))) => head,
        other => panic!("not a head: {other:?}"),
    }
}

/// `head` as a client forwards it.
pub(crate) fn forwarded(head: Head) -> (Written, String) {
    forwarded_by(Value::Null, head)
}

/// `head` as a client with `options` forwards it.
pub(crate) fn forwarded_by(options: Value, head: Head) -> (Written, String) {
    let mut client = End::new(Role::Client, options);
    assert!(client.conn.open(StreamId(1)));
    let written = client.send(StreamId(1), Frame::Head(head)).unwrap();
    (written, client.sent())
}

/// `head` as a server writes it in answer to `asked`.
pub(crate) fn answered(asked: &str, head: Head) -> (Written, String) {
    let mut server = End::server();
    server.feed(asked).unwrap();
    let (stream, _) = server.head();
    let written = server.send(stream, Frame::Head(head)).unwrap();
    (written, server.sent())
}

pub(crate) const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Frames in comparable form.
pub(crate) fn describe(frames: &[(StreamId, Frame)]) -> Vec<String> {
    let mut texts = Vec::new();
    let mut body: Option<(StreamId, Vec<u8>)> = None;
    for (stream, frame) in frames {
        if let Frame::Data { bytes, end } = frame {
            body.get_or_insert((*stream, Vec::new()))
                .1
                .extend_from_slice(bytes);
            if !end {
                continue;
            }
        }
        if let Some((stream, bytes)) = body.take() {
            texts.push(format!(
                "{stream:?} body {:?}",
                String::from_utf8_lossy(&bytes)
            ));
        }
        texts.push(match frame {
            Frame::Head(head) | Frame::Trailers(head) => {
                let pairs: Vec<_> = head.metadata().iter().collect();
                let known = (head.service(), head.method(), head.end, head.fault());
                format!("{stream:?} {known:?} {:?} {pairs:?}", head.outcome)
            }
            Frame::Data { .. } => format!("{stream:?} end"),
            Frame::Reset(reason) => format!("{stream:?} {reason:?}"),
        });
    }
    if let Some((stream, bytes)) = body {
        texts.push(format!(
            "{stream:?} so far {:?}",
            String::from_utf8_lossy(&bytes)
        ));
    }
    texts
}

/// The two sides of a proxy, joined as the driver joins them.
pub(crate) struct Proxy {
    pub(crate) down: End,
    pub(crate) up: End,
    requests: Pump,
    responses: Pump,
    /// Streams of the exchange: the client's, and ours towards the server.
    stream: Option<(StreamId, StreamId)>,
    /// Directions of the exchange that have to end before it has.
    awaited: u8,
    last: u64,
}

impl Proxy {
    pub(crate) fn new(options: Value) -> Self {
        Self {
            down: End::new(Role::Server, options.clone()),
            up: End::new(Role::Client, options),
            requests: Pump::default(),
            responses: Pump::default(),
            stream: None,
            awaited: 0,
            last: 100,
        }
    }

    /// The client sends `bytes`; returns what reaches the server.
    pub(crate) fn client_says(&mut self, bytes: impl AsRef<[u8]>) -> String {
        self.down.feed(bytes).unwrap();
        self.run();
        self.up.sent()
    }

    /// The server sends `bytes`; returns what reaches the client.
    pub(crate) fn server_says(&mut self, bytes: impl AsRef<[u8]>) -> String {
        let result = self.up.feed(bytes);
        self.run();
        if result.is_err() {
            self.lost();
        }
        self.down.sent()
    }

    /// The server closes; returns what reaches the client.
    pub(crate) fn server_closes(&mut self) -> String {
        let result = self.up.eof();
        self.run();
        if result.is_err() {
            self.lost();
        }
        self.down.sent()
    }

    /// What the driver does with exchanges of a connection that is gone.
    fn lost(&mut self) {
        let Some((stream, _)) = self.stream.take() else {
            return;
        };
        let outcome = Outcome::new(Party::Network, Executed::Maybe, Code::Unavailable);
        let reply = Reply::new(outcome, "lost");
        let reset = Frame::Reset(sabir_core::frame::Reason::Cancelled);
        self.down.with(|conn, turn| {
            conn.reply(stream, Echo::default(), &reply, turn);
            let _ = conn.send(stream, reset, turn);
        });
    }

    fn run(&mut self) {
        loop {
            for (stream, frame) in self.down.frames() {
                self.on_request(stream, frame);
            }
            self.pump();
            let frames = self.up.frames();
            let idle = frames.is_empty();
            for (_, frame) in frames {
                if matches!(&frame, Frame::Head(head) if head.stage == Stage::Tunnel) {
                    self.awaited += 1;
                }
                self.responses.push(frame);
            }
            self.pump();
            let unread = self.down.input.len();
            if unread > 0 && self.down.conn.wants_read() {
                self.down.again().unwrap();
            }
            if idle && self.down.events.is_empty() && unread == self.down.input.len() {
                break;
            }
        }
    }

    fn on_request(&mut self, stream: StreamId, frame: Frame) {
        match &frame {
            Frame::Head(head) if head.fault().is_some() => {
                return self.down.reply(stream, Code::BadRequest);
            }
            Frame::Head(_) => {
                self.last += 1;
                assert!(
                    self.up.conn.open(StreamId(self.last)),
                    "one exchange at a time"
                );
                self.stream = Some((stream, StreamId(self.last)));
                self.awaited = 1;
            }
            Frame::Reset(_) => {
                self.pump();
                if let Some((_, up)) = self.stream.take() {
                    let _ = self.up.send(up, frame).unwrap();
                }
                return;
            }
            _ => {}
        }
        self.requests.push(frame);
    }

    fn pump(&mut self) {
        let Some((down, up)) = self.stream else {
            return;
        };
        let Self {
            requests,
            responses,
            ..
        } = self;
        let asked = self
            .up
            .with(|conn, turn| requests.run(conn, up, usize::MAX, turn))
            .unwrap();
        self.down
            .with(|conn, turn| conn.consumed(down, asked.bytes, turn));
        let moved = self
            .down
            .with(|conn, turn| responses.run(conn, down, usize::MAX, turn))
            .unwrap();
        self.up
            .with(|conn, turn| conn.consumed(up, moved.bytes, turn));
        self.awaited -= u8::from(moved.ended) + u8::from(asked.ended && self.awaited > 1);
        if self.awaited == 0 {
            self.stream = None;
        }
    }
}
