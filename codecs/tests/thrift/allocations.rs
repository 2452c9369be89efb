//! What passing messages on allocates.

use bytes::Bytes;
use sabir_codecs::thrift::Codec;
use sabir_core::bytes::Buf;
use sabir_core::frame::StreamId;
use sabir_core::message::MessageCodec;
use sabir_core::name::Name;
use sabir_core::output::Output;

use crate::messages::*;

/// Allocations of decoding `wire`, changing it, and writing it with another id of the same length.
fn allocations(wire: &Bytes, change: impl Fn(&mut sabir_core::head::Head)) -> u64 {
    let codec = Codec::default();
    let mut out = Output::default();
    let mut pass = || {
        let wire = wire.clone();
        assert_eq!(codec.frame_len(&wire), Ok(Some(wire.len())));
        let mut head = codec.decode(wire).expect("a sound message").head;
        change(&mut head);
        let _ = codec.encode(StreamId(7), &head, &mut out);
        out.advance(out.remaining());
    };
    pass();
    allocation_counter::measure(pass).count_total
}

#[test]
fn messages_that_nobody_changes_take_none() {
    for wire in [
        unframed(T1),
        unframed(T3),
        framed(T1),
        framed(T2),
        framed(T3),
        unframed(T6),
        unframed(T7),
    ] {
        assert_eq!(allocations(&wire, |_| {}), 0, "{wire:?}");
    }
}

#[test]
fn another_method_takes_few() {
    let method = Name::new("method");
    let taken = allocations(&framed(T1), |head| head.set(&method, b"hello"));
    assert!(taken <= 8, "{taken}");
}

#[test]
fn a_changed_pair_takes_few() {
    let name = Name::new("k");
    let taken = allocations(&unframed(T6), |head| head.set(&name, b"w"));
    assert!(taken <= 24, "{taken}");
}
