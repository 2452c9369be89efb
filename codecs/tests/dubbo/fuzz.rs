//! Whatever arrives, nothing panics, and what was not asked for does not change.

use bytes::Bytes;
use proptest::prelude::*;
use sabir_codecs::dubbo::Dubbo;
use sabir_core::connection::Written;
use sabir_core::message::MessageCodec;
use sabir_core::name::Name;

use crate::messages::{self, message};
use crate::{decode, encode};

/// Looks at everything in `wire`, changes what can be changed, and looks again.
fn exercise(wire: &Bytes) {
    let mut head = decode(wire);
    let id = u64::from_be_bytes(wire[4..12].try_into().expect("eight octets"));
    let _ = (head.metadata().iter().count(), head.fault());
    if matches!(head.kind, sabir_core::head::Kind::Ping) {
        return;
    }
    assert_eq!(encode(id, &head), (Written::Whole, wire.clone()));
    head.echo = decode(&messages::d1()).echo;
    for name in ["service", "version", "group", "method", "x-added"] {
        head.set(&Name::new(name), b"value");
    }
    head.remove(&Name::new("timeout"));
    let (written, changed) = encode(id, &head);
    match written {
        Written::Unmodified => assert_eq!(&changed, wire),
        Written::Whole => {
            let changed = decode(&changed);
            let value = changed
                .metadata()
                .iter()
                .find(|(key, _)| *key == b"x-added");
            assert_eq!(value, Some((&b"x-added"[..], &b"value"[..])));
        }
    }
}

/// Bytes of a real body, some of them changed, inserted or cut.
fn mutated() -> impl Strategy<Value = Bytes> {
    let samples = [messages::requests(), messages::responses()].concat();
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..5);
    (prop::sample::select(samples), edits).prop_map(|(sample, edits)| {
        let mut body = sample[16..].to_vec();
        for (index, byte, kind) in edits {
            if body.is_empty() {
                break;
            }
            let at = index.index(body.len());
            match kind {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                2 => body.truncate(at),
                _ => drop(body.remove(at)),
            }
        }
        message(sample[2], sample[3], 1, &body)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn mutated_messages_are_survived(wire in mutated()) {
        exercise(&wire);
    }

    #[test]
    fn arbitrary_bodies_are_survived(
        flags in prop::sample::select(vec![0xc2, 0xc6, 0xd6, 0xd7, 0x02, 0x06, 0x16, 0x17, 0x82, 0xe2, 0xf7]),
        body in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        exercise(&message(flags, 20, 1, &body));
    }

    #[test]
    fn arbitrary_bytes_are_survived(buf in prop::collection::vec(any::<u8>(), 0..64)) {
        let codec = Dubbo::default();
        let _ = codec.frame_len(&buf);
        let _ = codec.decode(buf.into());
    }
}
