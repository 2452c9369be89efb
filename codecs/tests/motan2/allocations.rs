//! What the data path allocates, which for messages that nobody touches is nothing.

use bytes::Bytes;
use sabir_codecs::motan2::Motan2;
use sabir_core::bytes::Buf;
use sabir_core::frame::StreamId;
use sabir_core::head::Head;
use sabir_core::message::MessageCodec;
use sabir_core::name::Name;
use sabir_core::output::Output;

use crate::messages;

/// Allocations of one pass through a warm codec.
fn allocations(wire: &Bytes, work: impl Fn(&mut Head)) -> u64 {
    let codec = Motan2::default();
    let mut out = Output::default();
    let mut pass = || {
        let mut head = codec.decode(wire.clone()).expect("a sound message").head;
        work(&mut head);
        let _ = codec.encode(StreamId(7), &head, &mut out);
        out.advance(out.remaining());
    };
    pass();
    allocation_counter::measure(pass).count_total
}

#[test]
fn untouched_messages_take_none() {
    let wires = [
        messages::m1(),
        messages::m2(),
        messages::m3(),
        messages::m5(),
        messages::motan1_request(),
        messages::m6r(),
    ];
    for wire in wires {
        assert_eq!(allocations(&wire, |_| {}), 0, "{wire:?}");
    }
}

#[test]
fn fields_take_none() {
    let names = ["service", "method", "group", "version"].map(Name::new);
    let looked = |head: &mut Head| assert!(names.iter().all(|name| head.get(name).is_some()));
    assert_eq!(allocations(&messages::m1(), looked), 0);
}

#[test]
fn one_look_at_pairs_takes_none_and_more_a_list_of_them() {
    let source = Name::new("M_s");
    let looked = |times: usize| {
        let source = &source;
        move |head: &mut Head| {
            for _ in 0..times {
                assert_eq!(head.get(source), Some(&b"app1"[..]));
            }
        }
    };
    assert_eq!(allocations(&messages::m1(), looked(1)), 0);
    let count = allocations(&messages::m1(), looked(5));
    assert!((1..=4).contains(&count), "{count}");
}

#[test]
fn a_change_takes_few() {
    let trace = Name::new("x-trace");
    let count = allocations(&messages::m1(), |head| head.set(&trace, b"t1"));
    assert!((1..=10).contains(&count), "{count}");
}
