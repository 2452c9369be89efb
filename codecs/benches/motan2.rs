//! What a Motan2 message costs: passed on untouched, looked into, changed, answered.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sabir_codecs::motan2::Motan2;
use sabir_core::bytes::Buf;
use sabir_core::frame::StreamId;
use sabir_core::head::Head;
use sabir_core::message::MessageCodec;
use sabir_core::name::Name;
use sabir_core::outcome::{Code, Reply};
use sabir_core::output::Output;

/// A call of `hi` of `org.demo.Hello` with seven pairs and a body of `len` bytes.
fn request(len: usize) -> Bytes {
    let pairs = [
        "M_p",
        "org.demo.Hello",
        "M_m",
        "hi",
        "M_md",
        "java.lang.String",
        "M_g",
        "g1",
        "M_v",
        "1.0",
        "M_s",
        "app1",
        "x-user",
        "42",
    ];
    framed(0x00, &pairs.join("\n"), len)
}

/// A response with a pair and a body of `len` bytes.
fn response(len: usize) -> Bytes {
    framed(0x01, "M_pt\n3", len)
}

fn framed(flags: u8, metadata: &str, body_len: usize) -> Bytes {
    let length = |len: usize| (len as u32).to_be_bytes();
    [
        &[0xf1, 0xf1, flags, 0x08, 0x30][..],
        &1_u64.to_be_bytes(),
        &length(metadata.len()),
        metadata.as_bytes(),
        &length(body_len),
        &vec![b'x'; body_len],
    ]
    .concat()
    .into()
}

/// Decodes `wire`, does `work` to it and encodes it under another id.
fn pass(codec: &Motan2, wire: &Bytes, out: &mut Output, work: impl FnOnce(&mut Head)) {
    let mut decoded = codec
        .decode(black_box(wire).clone())
        .expect("a sound message");
    work(&mut decoded.head);
    let _ = black_box(codec.encode(StreamId(7), &decoded.head, out));
    out.advance(out.remaining());
}

fn motan2(criterion: &mut Criterion) {
    let codec = Motan2::default();
    let (user, trace) = (Name::new("x-user"), Name::new("x-trace"));
    for len in [16, 1024, 65_536] {
        let (request, response) = (request(len), response(len));
        let mut bench = criterion.benchmark_group(format!("motan2/{len}B"));
        bench.throughput(Throughput::Elements(1));
        let mut out = Output::default();
        bench.bench_function("request untouched", |b| {
            b.iter(|| pass(&codec, &request, &mut out, |_| {}));
        });
        bench.bench_function("request, one look", |b| {
            b.iter(|| {
                pass(&codec, &request, &mut out, |head| {
                    black_box(head.get(&user));
                });
            });
        });
        bench.bench_function("request, one change", |b| {
            b.iter(|| {
                pass(&codec, &request, &mut out, |head| {
                    head.set(&trace, b"4bf92f3577b34da6");
                });
            });
        });
        bench.bench_function("response untouched", |b| {
            b.iter(|| pass(&codec, &response, &mut out, |_| {}));
        });
        bench.finish();
    }
    let decoded = codec.decode(request(16)).expect("a sound message");
    let echo = decoded.head.echo;
    let refusal = Reply::refused(Code::RateLimited, "rate limited");
    let mut out = Output::default();
    criterion.bench_function("motan2/reply", |b| {
        b.iter(|| {
            codec.reply(StreamId(7), black_box(echo), &refusal, &mut out);
            out.advance(out.remaining());
        });
    });
}

criterion_group!(benches, motan2);
criterion_main!(benches);
