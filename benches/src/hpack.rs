//! Header blocks by themselves.

use std::hint::black_box;

use sabir_codecs::http2::hpack::{Decoder, Encoder, FieldList, Representation};

use crate::Operation;

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("hpack, decode 8 coded literals", || {
            let block = encode(&mut Encoder::default(), Representation::Plain, Vec::new());
            let mut decoder = Decoder::default();
            Box::new(move || decode(&mut decoder, &block))
        }),
        Operation::new("hpack, decode 8 indexed fields", || {
            let (mut encoder, mut decoder) = <(Encoder, Decoder)>::default();
            let mut block = Vec::new();
            for _ in 0..WARM {
                block = encode(&mut encoder, Representation::Indexed, Vec::new());
                decode(&mut decoder, &block);
            }
            Box::new(move || decode(&mut decoder, &block))
        }),
        Operation::new("hpack, encode 8 literals", || {
            encodes(Representation::Plain)
        }),
        Operation::new("hpack, encode 8 indexed fields", || {
            encodes(Representation::Indexed)
        }),
    ]
}

fn encodes(how: Representation) -> crate::Run {
    let (mut encoder, mut block) = (Encoder::default(), Vec::new());
    Box::new(move || {
        block.clear();
        block = encode(&mut encoder, how, std::mem::take(&mut block));
        black_box(&block);
    })
}

fn encode(encoder: &mut Encoder, how: Representation, mut block: Vec<u8>) -> Vec<u8> {
    encoder.begin(&mut block);
    for (name, value) in FIELDS {
        encoder.encode(name.as_bytes(), value.as_bytes(), how, &mut block);
    }
    block
}

fn decode(decoder: &mut Decoder, block: &[u8]) {
    let mut list = FieldList::new(1 << 16);
    let decoded = decoder.decode(block, &mut list);
    decoded.expect("a sound block");
    black_box(list.into_wire());
}

const FIELDS: [(&str, &str); 8] = [
    (":path", "/org.demo.Hello/hi?page=12"),
    (":authority", "demo.example.com:8080"),
    ("user-agent", "grpc-java-netty/1.68.0"),
    ("content-type", "application/grpc+proto"),
    ("x-request-id", "4bf92f3577b34da6a3ce929d0e0e4736"),
    ("x-tenant", "tenant-blue-17"),
    ("grpc-timeout", "999873u"),
    ("accept-encoding", "gzip, deflate, br"),
];

const WARM: usize = 4;
