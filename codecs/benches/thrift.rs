//! What a Thrift message costs: passed on untouched, looked into, changed, answered; and to find
//! its end where nothing says it.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sabir_codecs::thrift::Codec;
use sabir_core::bytes::Buf;
use sabir_core::frame::StreamId;
use sabir_core::head::Head;
use sabir_core::message::MessageCodec;
use sabir_core::name::Name;
use sabir_core::outcome::{Code, Reply};
use sabir_core::output::Output;

/// Call of `Echo:say` in strict binary with a string of `len` bytes and a list of structs.
fn binary(len: usize) -> Vec<u8> {
    let mut call = b"\x80\x01\0\x01\0\0\0\x08Echo:say\0\0\0\x01".to_vec();
    call.extend_from_slice(b"\x0b\0\x01");
    call.extend_from_slice(&(len as u32).to_be_bytes());
    call.resize(call.len() + len, b'x');
    call.extend_from_slice(b"\x0f\0\x02\x0c\0\0\0\x08");
    call.extend_from_slice(&b"\x08\0\x01\0\0\0\x07\x0b\0\x02\0\0\0\x02ab\0".repeat(8));
    call.push(0);
    call
}

/// The same in the compact protocol.
fn compact(len: usize) -> Vec<u8> {
    let mut call = b"\x82\x21\x01\x08Echo:say\x18".to_vec();
    let mut left = len;
    while left >= 0x80 {
        call.push(left as u8 | 0x80);
        left >>= 7;
    }
    call.push(left as u8);
    call.resize(call.len() + len, b'x');
    call.extend_from_slice(b"\x19\x8c");
    call.extend_from_slice(&b"\x15\x0e\x18\x02ab\0".repeat(8));
    call.push(0);
    call
}

fn framed(message: &[u8]) -> Bytes {
    let len = (message.len() as u32).to_be_bytes();
    [&len, message].concat().into()
}

/// The message in THeader with two pairs.
fn header(message: &[u8]) -> Bytes {
    let rest = b"\x0f\xff\0\0\0\0\0\x01\0\x07\0\0\x01\x02\x06client\x03abc\x04lane\x04blue\0\0\0";
    framed(&[rest, message].concat())
}

/// Finds the end of `wire`, decodes it, does `work` to it and encodes it with another id.
fn pass(codec: &Codec, wire: &Bytes, out: &mut Output, work: impl FnOnce(&mut Head)) {
    let len = codec.frame_len(black_box(wire));
    assert_eq!(len, Ok(Some(wire.len())));
    let decoded = codec.decode(wire.clone());
    let mut head = decoded.expect("a sound message").head;
    work(&mut head);
    let _ = black_box(codec.encode(StreamId(7), &head, out));
    out.advance(out.remaining());
}

fn thrift(criterion: &mut Criterion) {
    let codec = Codec::default();
    let (lane, method) = (Name::new("lane"), Name::new("method"));
    for len in [16, 1024, 65_536] {
        let mut bench = criterion.benchmark_group(format!("thrift/{len}B"));
        bench.throughput(Throughput::Elements(1));
        let mut out = Output::default();
        for (name, wire) in [
            ("framed binary", framed(&binary(len))),
            ("framed compact", framed(&compact(len))),
            ("unframed binary", binary(len).into()),
            ("unframed compact", compact(len).into()),
            ("header binary", header(&binary(len))),
        ] {
            bench.bench_function(format!("{name} untouched"), |b| {
                b.iter(|| pass(&codec, &wire, &mut out, |_| {}));
            });
        }
        let (framed, header) = (framed(&binary(len)), header(&binary(len)));
        bench.bench_function("framed binary, another method", |b| {
            b.iter(|| pass(&codec, &framed, &mut out, |head| head.set(&method, b"tell")));
        });
        bench.bench_function("header binary, one look", |b| {
            b.iter(|| {
                pass(&codec, &header, &mut out, |head| {
                    black_box(head.get(&lane));
                });
            });
        });
        bench.bench_function("header binary, one change", |b| {
            b.iter(|| pass(&codec, &header, &mut out, |head| head.set(&lane, b"green")));
        });
        bench.finish();
    }
    let wire = framed(&binary(16));
    let echo = codec.decode(wire).expect("a sound message").head.echo;
    let refusal = Reply::refused(Code::RateLimited, "rate limited");
    let mut out = Output::default();
    criterion.bench_function("thrift/reply", |b| {
        b.iter(|| {
            codec.reply(StreamId(7), black_box(echo), &refusal, &mut out);
            out.advance(out.remaining());
        });
    });
}

criterion_group!(benches, thrift);
criterion_main!(benches);
