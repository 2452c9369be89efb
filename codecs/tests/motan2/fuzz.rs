//! Whatever arrives, nothing panics, and what was not asked for does not change.

use bytes::Bytes;
use proptest::prelude::*;
use sabir_codecs::motan2::Motan2;
use sabir_core::connection::Written;
use sabir_core::head::Kind;
use sabir_core::message::MessageCodec;
use sabir_core::name::Name;

use crate::encode;
use crate::messages::{self, message};

/// Looks at everything in `wire`, changes what can be changed, and looks again.
fn exercise(wire: &Bytes) {
    let codec = Motan2::default();
    let len = codec.frame_len(wire);
    let Ok(decoded) = codec.decode(wire.clone()) else {
        return;
    };
    assert_eq!(len, Ok(Some(wire.len())));
    let (id, mut head) = (decoded.stream.0, decoded.head);
    let _ = (head.metadata().iter().count(), head.fault());
    if matches!(head.kind, Kind::Ping | Kind::Pong) {
        return;
    }
    let (written, same) = encode(id, &head);
    assert_eq!((written, same.len()), (Written::Whole, wire.len()));
    if wire[3] >> 3 == 1 {
        assert_eq!(&same, wire);
    }
    for name in ["service", "version", "group", "method", "x-added"] {
        head.set(&Name::new(name), b"value");
    }
    head.remove(&Name::new("m_s"));
    let (written, changed) = encode(id, &head);
    if written == Written::Unmodified {
        return assert_eq!(changed, same);
    }
    let changed = crate::head(&changed);
    assert_eq!((changed.fault(), changed.service()), (None, &b"value"[..]));
    assert_eq!(changed.get(&Name::new("x-added")), Some(&b"value"[..]));
    assert_eq!(changed.get(&Name::new("m_s")), None);
}

/// A real message, some of its bytes changed, inserted or cut.
fn mutated() -> impl Strategy<Value = Bytes> {
    let samples = [
        messages::requests(),
        messages::responses(),
        messages::heartbeats(),
    ]
    .concat();
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..5);
    (prop::sample::select(samples), edits).prop_map(|(sample, edits)| {
        let mut wire = sample.to_vec();
        for (index, byte, kind) in edits {
            if wire.is_empty() {
                break;
            }
            let at = index.index(wire.len());
            match kind {
                0 => wire[at] = byte,
                1 => wire.insert(at, byte),
                2 => wire.truncate(at),
                _ => drop(wire.remove(at)),
            }
        }
        wire.into()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn mutated_messages_are_survived(wire in mutated()) {
        exercise(&wire);
    }

    #[test]
    fn arbitrary_metadata_are_survived(
        flags in 0..32_u8,
        metadata in prop::collection::vec(
            prop::sample::select(vec![b'\n', b'\n', b'M', b'_', b'p', b'm', b'x', 0xff]), 0..48),
    ) {
        exercise(&message(flags, flags & 7, 6, &metadata, b"body"));
    }

    #[test]
    fn metadata_with_names_are_survived(
        metadata in prop::collection::vec(
            prop::sample::select(vec!["M_p", "M_m", "M_s", "M_g", "x", "", "\n"]), 0..16),
    ) {
        exercise(&message(0, 0, 6, metadata.join("\n").as_bytes(), b"body"));
    }

    #[test]
    fn arbitrary_object_streams_are_survived(
        variant in 1..3_u8,
        flag in 0..8_u8,
        octets in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let stream = messages::stream(&octets);
        exercise(&messages::motan1(0, variant, flag, &stream));
        exercise(&messages::motan1(1, variant, flag, &stream));
    }

    #[test]
    fn arbitrary_bytes_are_survived(buf in prop::collection::vec(any::<u8>(), 0..64)) {
        let buf = [&[0xf1, 0xf1], &buf[..]].concat();
        exercise(&buf.into());
    }
}
