//! What a call of gRPC costs HTTP/2: both connections of a proxy, head, body and trailers both ways.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use criterion::{Criterion, criterion_group, criterion_main};
use sabir_codecs::http2::hpack::{FieldList, fields};
use sabir_codecs::http2::{Http2Connection, Options};
use sabir_core::connection::{Connection, Event, EventKind, Turn};
use sabir_core::frame::{Frame, StreamId};
use sabir_core::head::{Head, Kind};
use sabir_core::metadata::Metadata;
use sabir_core::output::Output;
use sabir_core::protocol::{Limits, Role};

/// One side of a connection with its buffers.
struct Side {
    conn: Http2Connection,
    input: BytesMut,
    out: Output,
    events: VecDeque<Event>,
    now: Instant,
}

impl Side {
    fn new(role: Role) -> Self {
        let now = Instant::now();
        Self {
            conn: Http2Connection::new(Options::default(), role, &Limits::default(), now),
            input: BytesMut::with_capacity(64 << 10),
            out: Output::default(),
            events: VecDeque::new(),
            now,
        }
    }

    fn turn<R>(
        &mut self,
        f: impl FnOnce(&mut Http2Connection, &mut BytesMut, &mut Turn<'_>) -> R,
    ) -> R {
        let mut turn = Turn {
            now: self.now,
            events: &mut self.events,
            out: &mut self.out,
        };
        f(&mut self.conn, &mut self.input, &mut turn)
    }

    fn send(&mut self, stream: u64, frame: Frame) {
        let sent = self.turn(|conn, _, turn| conn.send(StreamId(stream), frame, turn));
        let _ = sent.expect("there is room");
    }

    /// Reads what `other` wrote.
    fn read(&mut self, other: &mut Self) {
        while other.out.has_remaining() {
            let chunk = other.out.chunk();
            let n = chunk.len();
            self.input.extend_from_slice(chunk);
            other.out.advance(n);
        }
        let read = self.turn(|conn, input, turn| conn.recv(input, turn));
        read.expect("frames are sound");
    }

    fn frame(&mut self) -> Option<Frame> {
        loop {
            match self.events.pop_front()?.kind {
                EventKind::Frame(frame) => return Some(frame),
                _ => continue,
            }
        }
    }
}

fn head(kind: Kind, pairs: &[(&str, &str)]) -> Head {
    let mut list = FieldList::new(1 << 16);
    for (name, value) in pairs {
        list.push(name.as_bytes(), value.as_bytes(), false);
    }
    let mut head = Head::new("http2", kind, list.into_wire(), parse);
    head.end = false;
    head
}

fn parse(head: &Head, metadata: &mut Metadata) {
    for field in fields(head.wire()) {
        metadata.push(field.name_span(), field.value_span(), field.raw());
    }
}

/// A caller and a callee with the two connections of a proxy between them.
struct Chain {
    caller: Side,
    down: Side,
    up: Side,
    callee: Side,
    calls: u64,
    request: Head,
    response: Head,
    trailers: Head,
    body: Bytes,
}

impl Chain {
    fn new(body: usize) -> Self {
        let request = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/demo.Greeter/Hi"),
            (":authority", "greeter.example.com"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", "grpc-bench/1"),
            ("x-lane", "blue"),
        ];
        let response = [(":status", "200"), ("content-type", "application/grpc")];
        Self {
            caller: Side::new(Role::Client),
            down: Side::new(Role::Server),
            up: Side::new(Role::Client),
            callee: Side::new(Role::Server),
            calls: 0,
            request: head(Kind::Request, &request),
            response: head(Kind::Response, &response),
            trailers: head(Kind::Response, &[("grpc-status", "0")]),
            body: vec![0; body].into(),
        }
    }

    fn call(&mut self) {
        let (stream, name) = (2 * self.calls + 1, self.calls);
        self.calls += 1;
        let data = |end| Frame::Data {
            bytes: self.body.clone(),
            end,
        };
        assert!(self.caller.conn.open(StreamId(name)) && self.up.conn.open(StreamId(name)));
        self.caller.send(name, Frame::Head(self.request.clone()));
        self.caller.send(name, data(true));
        let response = [
            Frame::Head(self.response.clone()),
            data(false),
            Frame::Trailers(self.trailers.clone()),
        ];
        self.down.read(&mut self.caller);
        forward(&mut self.down, stream, &mut self.up, name);
        self.callee.read(&mut self.up);
        drain(&mut self.callee, stream);
        for frame in response {
            self.callee.send(stream, frame);
        }
        self.up.read(&mut self.callee);
        forward(&mut self.up, name, &mut self.down, stream);
        self.caller.read(&mut self.down);
        drain(&mut self.caller, name);
    }
}

/// Passes on what arrived, as a driver does.
fn forward(from: &mut Side, stream: u64, to: &mut Side, name: u64) {
    while let Some(frame) = from.frame() {
        let body = match &frame {
            Frame::Head(head) => {
                black_box(head.service());
                0
            }
            Frame::Data { bytes, .. } => bytes.len(),
            _ => 0,
        };
        to.send(name, frame);
        from.turn(|conn, _, turn| conn.consumed(StreamId(stream), body, turn));
    }
}

fn drain(side: &mut Side, stream: u64) {
    while let Some(frame) = side.frame() {
        if let Frame::Data { bytes, .. } = frame {
            side.turn(|conn, _, turn| conn.consumed(StreamId(stream), bytes.len(), turn));
        }
    }
}

fn calls(criterion: &mut Criterion) {
    // The largest fits the window that a stream starts with: nobody waits for more.
    for body in [32, 4_096, 32_768] {
        let mut chain = Chain::new(body);
        criterion.bench_function(&format!("http2 call through a proxy, {body} bytes"), |b| {
            b.iter(|| {
                // A connection has so many streams and no more.
                if chain.calls == 1 << 29 {
                    chain = Chain::new(body);
                }
                chain.call();
            });
        });
    }
}

criterion_group!(benches, calls);
criterion_main!(benches);
