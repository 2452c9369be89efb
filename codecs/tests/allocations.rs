//! What the data path allocates, which for messages that nobody touches is nothing.

use bytes::Bytes;
use sabir_codecs::dubbo::Dubbo;
use sabir_core::bytes::Buf;
use sabir_core::frame::StreamId;
use sabir_core::head::Head;
use sabir_core::message::MessageCodec;
use sabir_core::name::Name;
use sabir_core::output::Output;

mod vectors;

const REQUEST: &str = "dabbc20000000000000000010000008805322e302e320e6f72672e64656d6f2e48656c6c6f05302e302e3002
    6869124c6a6176612f6c616e672f537472696e673b03626f624804706174680e6f72672e64656d6f2e48656c6c6f09696e7465
    72666163650e6f72672e64656d6f2e48656c6c6f0776657273696f6e05302e302e300567726f75700267310774696d656f7574
    04313030305a";
const RESPONSE: &str =
    "dabb02140000000000000001000000169406686920626f624805647562626f05322e302e325a";

/// Allocations of one pass through a warm codec.
fn allocations(hex: &str, work: impl Fn(&mut Head)) -> u64 {
    let codec = Dubbo::default();
    let wire: Bytes = vectors::bytes(hex).into();
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
    assert_eq!(allocations(REQUEST, |_| {}), 0);
    assert_eq!(allocations(RESPONSE, |_| {}), 0);
}

#[test]
fn what_is_known_at_decode_takes_none() {
    let method = Name::new("method");
    let looked =
        |head: &mut Head| assert!(head.get(&method).is_some() && !head.service().is_empty());
    assert_eq!(allocations(REQUEST, looked), 0);
}

#[test]
fn a_look_at_attachments_takes_a_list_of_them() {
    let group = Name::new("group");
    let looked = |head: &mut Head| assert_eq!(head.get(&group), Some(&b"g1"[..]));
    let count = allocations(REQUEST, looked);
    assert!((1..=4).contains(&count), "{count}");
}

#[test]
fn a_change_takes_few() {
    let trace = Name::new("x-trace");
    let count = allocations(REQUEST, |head| head.set(&trace, b"t1"));
    assert!((1..=16).contains(&count), "{count}");
}
