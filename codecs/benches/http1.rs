//! What an HTTP/1.1 exchange costs: passed on untouched, looked into, changed, with bodies, answered.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sabir_codecs::http1::Http1;
use sabir_core::connection::{Connection, EventKind, Turn};
use sabir_core::frame::{Frame, StreamId};
use sabir_core::head::Head;
use sabir_core::name::Name;
use sabir_core::outcome::{Code, Reply};
use sabir_core::output::Output;
use sabir_core::protocol::{Limits, Protocol, Role};

/// Two connections joined by hand, as a driver joins them.
struct Pair {
    down: Box<dyn Connection>,
    up: Box<dyn Connection>,
    out: Output,
    now: Instant,
}

impl Pair {
    fn new() -> Self {
        let now = Instant::now();
        let make = |role| Http1::default().connection(role, &Limits::default(), now);
        Self {
            down: make(Role::Server),
            up: make(Role::Client),
            out: Output::default(),
            now,
        }
    }

    fn frames(&mut self, role: Role, bytes: &BytesMut) -> VecDeque<(StreamId, Frame)> {
        let mut input = bytes.clone();
        let mut events = VecDeque::with_capacity(4);
        let (now, out) = (self.now, &mut self.out);
        let mut turn = Turn {
            now,
            events: &mut events,
            out,
        };
        let conn = match role {
            Role::Server => &mut self.down,
            Role::Client => &mut self.up,
        };
        conn.recv(&mut input, &mut turn).expect("sound bytes");
        let frame = |event: sabir_core::connection::Event| match event.kind {
            EventKind::Frame(frame) => Some((event.stream, frame)),
            _ => None,
        };
        events.into_iter().filter_map(frame).collect()
    }

    /// One exchange: request in and out, response in and out, `work` done to the request's head.
    fn exchange(&mut self, request: &BytesMut, response: &BytesMut, work: impl Fn(&mut Head)) {
        let up_stream = StreamId(1);
        assert!(self.up.open(up_stream));
        let mut events = VecDeque::new();
        let mut stream = StreamId(0);
        for (from, frame) in self.frames(Role::Server, request) {
            stream = from;
            let frame = match frame {
                Frame::Head(mut head) => {
                    work(&mut head);
                    Frame::Head(head)
                }
                frame => frame,
            };
            let mut turn = Turn {
                now: self.now,
                events: &mut events,
                out: &mut self.out,
            };
            let _ = self
                .up
                .send(up_stream, frame, &mut turn)
                .expect("a sound frame");
        }
        for (_, frame) in self.frames(Role::Client, response) {
            let mut turn = Turn {
                now: self.now,
                events: &mut events,
                out: &mut self.out,
            };
            let _ = self
                .down
                .send(stream, frame, &mut turn)
                .expect("a sound frame");
        }
        black_box(self.out.len());
        self.out.advance(self.out.remaining());
    }
}

/// A request as browsers and services send it, with a body of `len` bytes.
fn request(len: usize) -> BytesMut {
    let head = format!(
        "POST /org.demo.Hello/hi?lane=a HTTP/1.1\r\nHost: demo.example:8080\r\n\
         User-Agent: bench/1.0\r\nAccept: */*\r\nAccept-Encoding: gzip, br\r\n\
         Content-Type: application/json\r\nX-Request-Id: 4bf92f3577b34da6\r\n\
         Authorization: Bearer abcdefghijklmnop\r\nContent-Length: {len}\r\n\r\n"
    );
    BytesMut::from(&[head.as_bytes(), &vec![b'x'; len]].concat()[..])
}

fn response(len: usize) -> BytesMut {
    let head = format!(
        "HTTP/1.1 200 OK\r\nDate: Fri, 20 Nov 2026 15:00:00 GMT\r\nServer: bench\r\n\
         Content-Type: application/json\r\nContent-Length: {len}\r\n\r\n"
    );
    BytesMut::from(&[head.as_bytes(), &vec![b'x'; len]].concat()[..])
}

/// A response in chunks of 1 KiB.
fn chunked(len: usize) -> BytesMut {
    let chunk = [&b"400\r\n"[..], &[b'x'; 1024], b"\r\n"].concat();
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    BytesMut::from(&[head, chunk.repeat(len / 1024), b"0\r\n\r\n".to_vec()].concat()[..])
}

fn http1(criterion: &mut Criterion) {
    let (lane, trace) = (Name::new("x-request-id"), Name::new("x-trace"));
    for len in [16, 1024, 65_536] {
        let (request, response) = (request(len), response(len));
        let mut bench = criterion.benchmark_group(format!("http1/{len}B"));
        bench.throughput(Throughput::Elements(1));
        let mut pair = Pair::new();
        bench.bench_function("exchange untouched", |b| {
            b.iter(|| pair.exchange(&request, &response, |_| {}));
        });
        bench.bench_function("exchange, one look", |b| {
            b.iter(|| {
                pair.exchange(&request, &response, |head| {
                    black_box(head.get(&lane));
                });
            });
        });
        bench.bench_function("exchange, one change", |b| {
            b.iter(|| {
                pair.exchange(&request, &response, |head| {
                    head.set(&trace, b"4bf92f3577b3")
                })
            });
        });
        bench.finish();
    }
    let (ask, answer) = (request(16), chunked(65_536));
    let mut pair = Pair::new();
    criterion.bench_function("http1/64KiB in chunks", |b| {
        b.iter(|| pair.exchange(&ask, &answer, |_| {}));
    });
    let refusal = Reply::refused(Code::RateLimited, "rate limited");
    criterion.bench_function("http1/reply", |b| {
        b.iter(|| {
            let frames = pair.frames(Role::Server, &ask);
            let mut events = VecDeque::new();
            let mut turn = Turn {
                now: pair.now,
                events: &mut events,
                out: &mut pair.out,
            };
            pair.down.reply(frames[0].0, [0; 8], &refusal, &mut turn);
            pair.out.advance(pair.out.remaining());
        });
    });
}

criterion_group!(benches, http1);
criterion_main!(benches);
