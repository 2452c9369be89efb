//! What a Dubbo message costs: passed on untouched, looked into, changed, answered.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sabir_codecs::dubbo::Dubbo;
use sabir_core::bytes::Buf;
use sabir_core::frame::StreamId;
use sabir_core::head::Head;
use sabir_core::message::MessageCodec;
use sabir_core::name::Name;
use sabir_core::outcome::{Code, Reply};
use sabir_core::output::Output;

/// `hi(String)` of `org.demo.Hello` with an argument of `len` characters and five attachments.
fn request(len: usize) -> Bytes {
    let mut body = Vec::new();
    for text in [
        "2.0.2",
        "org.demo.Hello",
        "0.0.0",
        "hi",
        "Ljava/lang/String;",
    ] {
        push(text, &mut body);
    }
    push(&"x".repeat(len), &mut body);
    body.push(b'H');
    for (key, value) in [
        ("path", "org.demo.Hello"),
        ("interface", "org.demo.Hello"),
        ("version", "0.0.0"),
        ("group", "g1"),
        ("timeout", "1000"),
    ] {
        push(key, &mut body);
        push(value, &mut body);
    }
    body.push(b'Z');
    framed(0xc2, 0, &body)
}

/// A response with a string of `len` characters and an attachment.
fn response(len: usize) -> Bytes {
    let mut body = vec![0x94];
    push(&"x".repeat(len), &mut body);
    body.push(b'H');
    push("dubbo", &mut body);
    push("2.0.2", &mut body);
    body.push(b'Z');
    framed(0x02, 20, &body)
}

fn push(text: &str, body: &mut Vec<u8>) {
    sabir_codecs::dubbo::hessian2::write_string(text, body);
}

fn framed(flags: u8, status: u8, body: &[u8]) -> Bytes {
    let header = [&[0xda, 0xbb, flags, status][..], &1_u64.to_be_bytes()].concat();
    [&header, &(body.len() as u32).to_be_bytes()[..], body]
        .concat()
        .into()
}

/// Decodes `wire`, does `work` to it and encodes it under another id.
fn pass(codec: &Dubbo, wire: &Bytes, out: &mut Output, work: impl FnOnce(&mut Head)) {
    let mut decoded = codec
        .decode(black_box(wire).clone())
        .expect("a sound message");
    work(&mut decoded.head);
    let _ = black_box(codec.encode(StreamId(7), &decoded.head, out));
    out.advance(out.remaining());
}

fn dubbo(criterion: &mut Criterion) {
    let codec = Dubbo::default();
    let (group, trace) = (Name::new("group"), Name::new("x-trace"));
    for len in [16, 1024, 65_536] {
        let (request, response) = (request(len), response(len));
        let mut bench = criterion.benchmark_group(format!("dubbo/{len}B"));
        bench.throughput(Throughput::Elements(1));
        let mut out = Output::default();
        bench.bench_function("request untouched", |b| {
            b.iter(|| pass(&codec, &request, &mut out, |_| {}))
        });
        bench.bench_function("request, one look", |b| {
            b.iter(|| {
                pass(&codec, &request, &mut out, |head| {
                    black_box(head.get(&group));
                });
            });
        });
        bench.bench_function("request, one change", |b| {
            b.iter(|| {
                pass(&codec, &request, &mut out, |head| {
                    head.set(&trace, b"4bf92f3577b34da6")
                })
            });
        });
        bench.bench_function("response untouched", |b| {
            b.iter(|| pass(&codec, &response, &mut out, |_| {}));
        });
        bench.finish();
    }
    let echo = codec
        .decode(request(16))
        .expect("a sound message")
        .head
        .echo;
    let refusal = Reply::refused(Code::RateLimited, "rate limited");
    let mut out = Output::default();
    criterion.bench_function("dubbo/reply", |b| {
        b.iter(|| {
            codec.reply(StreamId(7), black_box(echo), &refusal, &mut out);
            out.advance(out.remaining());
        });
    });
}

criterion_group!(benches, dubbo);
criterion_main!(benches);
