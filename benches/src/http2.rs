//! HTTP/2 and gRPC, on connections that have seen such calls before.

use bytes::Bytes;
use sabir_codecs::http2::NAME;
use sabir_codecs::http2::hpack::{FieldList, fields};
use sabir_core::frame::{Frame, StreamId};
use sabir_core::head::{Head, Kind};
use sabir_core::metadata::Metadata;
use sabir_core::name::Name;
use sabir_core::protocol::Role;

use crate::relay::{End, Relay, refusal};
use crate::wire::Frames;
use crate::{Operation, Work, length};

pub(crate) fn operations() -> Vec<Operation> {
    let mut all = Vec::new();
    // The largest fits the window that a stream starts with: nobody waits for more.
    for len in [128, 1024, 32_768] {
        for work in [
            Work::Nothing,
            Work::Look(Name::new("x-lane")),
            Work::Set(Name::new("x-trace"), b"4bf92f3577b3"),
        ] {
            all.push(calls("grpc", GRPC, len, work));
        }
    }
    for len in [128, 1024] {
        all.push(calls("post", POST, len, Work::Nothing));
    }
    all.push(Operation::new("http2, reply of our own", || {
        let mut chain = Chain::new(GRPC, 0);
        let refusal = refusal();
        Box::new(move || {
            let stream = chain.next();
            chain
                .relay
                .refuse(chain.request.on(stream.0 as u32), &refusal);
        })
    }));
    all
}

fn calls(kind: &str, call: Call, len: usize, work: Work) -> Operation {
    let name = format!("http2, {kind}, {}, {}", length(len), work.label());
    Operation::new(name, move || {
        let (mut chain, work) = (Chain::new(call, len), work.clone());
        Box::new(move || chain.exchange(&work))
    })
}

/// Fields of a call.
#[derive(Clone, Copy)]
struct Call {
    request: &'static [(&'static str, &'static str)],
    response: &'static [(&'static str, &'static str)],
    trailers: Option<&'static [(&'static str, &'static str)]>,
}

const GRPC: Call = Call {
    request: &[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/demo.Greeter/Hi"),
        (":authority", "greeter.example.com"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", "grpc-bench/1"),
        ("x-lane", "blue"),
    ],
    response: &[(":status", "200"), ("content-type", "application/grpc")],
    trailers: Some(&[("grpc-status", "0")]),
};

const POST: Call = Call {
    request: &[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/org.demo.Hello/hi?lane=a"),
        (":authority", "demo.example:8080"),
        ("user-agent", "bench/1.0"),
        ("accept", "*/*"),
        ("accept-encoding", "gzip, br"),
        ("content-type", "application/json"),
        ("x-request-id", "4bf92f3577b34da6"),
        ("authorization", "Bearer abcdefghijklmnop"),
    ],
    response: &[
        (":status", "200"),
        ("date", "Fri, 20 Nov 2026 15:00:00 GMT"),
        ("server", "bench"),
        ("content-type", "application/json"),
    ],
    trailers: None,
};

/// A relay, and what its peers send for each call once they know each other.
struct Chain {
    relay: Relay,
    calls: u64,
    request: Frames,
    response: Frames,
}

impl Chain {
    fn new(call: Call, len: usize) -> Self {
        let mut relay = Relay::new(NAME);
        let mut caller = End::new(NAME, Role::Client);
        let mut callee = End::new(NAME, Role::Server);
        let (mut request, mut response) = (Vec::new(), Vec::new());
        for number in 0..WARM {
            let stream = StreamId(2 * number + 1);
            caller.open(StreamId(number));
            caller.send(
                StreamId(number),
                Frame::Head(head(Kind::Request, call.request)),
            );
            caller.send(StreamId(number), data(len, true));
            request = caller.take();
            let (stream_here, _) = relay.request(&request, &Work::Nothing);
            assert_eq!(stream_here, stream);
            callee.read(&relay.up.take());
            drain(&mut callee);
            callee.send(stream, Frame::Head(head(Kind::Response, call.response)));
            callee.send(stream, data(len, call.trailers.is_none()));
            if let Some(trailers) = call.trailers {
                callee.send(stream, Frame::Trailers(head(Kind::Response, trailers)));
            }
            response = callee.take();
            relay.response(&response, stream);
            caller.read(&relay.down.take());
            drain(&mut caller);
        }
        Self {
            relay,
            calls: WARM,
            request: Frames::new(request).grant(len),
            response: Frames::new(response).grant(len),
        }
    }

    /// The number of the next stream, which both connections give it.
    fn next(&mut self) -> StreamId {
        let stream = StreamId(2 * self.calls + 1);
        self.calls += 1;
        assert!(stream.0 < 1 << 31, "a connection has so many and no more");
        stream
    }

    fn exchange(&mut self, work: &Work) {
        let number = self.next().0 as u32;
        let (request, response) = (self.request.on(number), self.response.on(number));
        self.relay.exchange(request, response, work);
    }
}

fn head(kind: Kind, pairs: &[(&str, &str)]) -> Head {
    let mut list = FieldList::new(1 << 16);
    for (name, value) in pairs {
        list.push(name.as_bytes(), value.as_bytes(), false);
    }
    let mut head = Head::new(NAME, kind, list.into_wire(), parse);
    head.end = false;
    head
}

fn parse(head: &Head, metadata: &mut Metadata) {
    for field in fields(head.wire()) {
        metadata.push(field.name_span(), field.value_span(), field.raw());
    }
}

fn data(len: usize, end: bool) -> Frame {
    let bytes = Bytes::from(vec![0; len]);
    Frame::Data { bytes, end }
}

fn drain(end: &mut End) {
    while let Some((stream, frame)) = end.next() {
        if let Frame::Data { bytes, .. } = frame {
            end.consumed(stream, bytes.len());
        }
    }
}

/// Calls after which every field that is worth it has its place in the tables.
const WARM: u64 = 8;
