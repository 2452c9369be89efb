//! Whatever arrives, nothing panics, and what was not asked for does not change.

use bytes::Bytes;
use proptest::prelude::*;
use sabir_codecs::thrift::{Choice, Codec, Options, Transport, Values};
use sabir_core::connection::{ConnectionError, Written};
use sabir_core::frame::StreamId;
use sabir_core::head::Kind;
use sabir_core::message::MessageCodec;
use sabir_core::name::Name;
use sabir_core::outcome::Code;
use sabir_core::output::Output;
use sabir_core::protocol::Role;

use crate::driven::Driven;
use crate::messages::*;
use crate::{LONGEST, encode};

fn samples() -> Vec<Bytes> {
    [
        all_unframed(&BINARY_CALLS),
        all_unframed(&COMPACT_CALLS),
        all_framed(&BINARY_CALLS),
        all_framed(&LAX_CALLS),
        all_framed(&COMPACT_ANSWERS),
        all_framed(&BINARY_ANSWERS),
        all_in_header("00", &BINARY_CALLS),
        all_in_header("02", &COMPACT_ANSWERS),
        all_deflated("00", &BINARY_CALLS),
        vec![unframed(T6), unframed(T7), unframed(T9), unframed(T10)],
    ]
    .concat()
}

/// Looks at everything in a whole message, changes what can be changed, and looks again.
fn exercise(wire: &Bytes) {
    let Ok(decoded) = Codec::default().decode(wire.clone()) else {
        return;
    };
    let (id, mut head) = (decoded.stream.0, decoded.head);
    let _ = head.metadata().iter().count();
    assert_eq!(encode(id, &head), (Written::Whole, wire.clone()));
    for name in ["service", "method", "x-added"] {
        head.set(&Name::new(name), b"value");
    }
    head.remove(&Name::new("k"));
    let (written, changed) = encode(id, &head);
    match written {
        Written::Unmodified => assert_eq!(&changed, wire),
        Written::Whole => {
            let changed = Codec::default().decode(changed).expect("what was written");
            let added = Name::new("x-added");
            assert_eq!(changed.head.get(&added), Some(&b"value"[..]));
            if head.fault().is_none() {
                assert_eq!(changed.head.method(), b"value");
            }
        }
    }
}

/// Bytes of a real message, some of them changed, inserted or cut.
fn mutated() -> impl Strategy<Value = Bytes> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..5);
    (prop::sample::select(samples()), edits).prop_map(|(sample, edits)| {
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

/// Lets `wire` arrive in pieces of `piece` bytes, refuses what is asked, and returns what arrived,
/// what was answered, and how it ended.
fn driven(
    wire: &[u8],
    piece: usize,
    role: Role,
    options: &Options,
) -> (Vec<Bytes>, Vec<u8>, Option<ConnectionError>) {
    let mut conn = Driven::new(role, options);
    let (mut seen, mut sent) = (Vec::new(), Vec::new());
    for bytes in wire.chunks(piece.max(1)) {
        let mut arrived = conn.recv_until_error(bytes);
        loop {
            let (heads, result) = arrived;
            for (stream, head) in &heads {
                seen.push(head.wire().clone());
                if head.kind == Kind::Request {
                    conn.refuse(*stream, Code::Internal);
                }
            }
            sent.extend_from_slice(&conn.sent());
            if let Err(error) = result {
                return (seen, sent, Some(error));
            }
            if heads.is_empty() {
                break;
            }
            arrived = conn.recv_until_error(b"");
        }
    }
    (seen, sent, None)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn mutated_messages_are_survived(wire in mutated()) {
        exercise(&wire);
    }

    #[test]
    fn arbitrary_bytes_are_survived(buf in prop::collection::vec(any::<u8>(), 0..64)) {
        let codec = Codec::new(Options::default(), LONGEST);
        let _ = codec.frame_len(&buf);
        exercise(&buf.into());
    }

    #[test]
    fn arbitrary_structs_are_survived(
        head in prop::sample::select(vec![&T1[..28], &T3[..12]]),
        body in prop::collection::vec(prop_oneof![any::<u8>(), 0..16_u8], 0..64),
    ) {
        let wire = [&crate::vectors::bytes(head)[..], &body].concat();
        for role in [Role::Server, Role::Client] {
            driven(&wire, wire.len(), role, &Options::default());
        }
        exercise(&wire.into());
    }

    #[test]
    fn pieces_arrive_as_the_whole(
        wires in prop::collection::vec(mutated(), 1..3),
        piece in 1..9_usize,
        validate in any::<bool>(),
        multiplexing in any::<bool>(),
    ) {
        let options = Options { validate, multiplexing, ..Options::default() };
        let wire = wires.concat();
        let whole = driven(&wire, wire.len(), Role::Server, &options);
        let pieces = driven(&wire, piece, Role::Server, &options);
        prop_assert_eq!(whole.0, pieces.0);
        prop_assert_eq!(whole.2, pieces.2);
        if !multiplexing {
            // Otherwise refusals of the connection itself overtake the driver's.
            prop_assert_eq!(whole.1, pieces.1);
        }
    }

    #[test]
    fn what_is_translated_is_sound(
        wire in mutated(),
        transport in prop::sample::select(vec![Transport::Unframed, Transport::Framed, Transport::Header]),
        protocol in prop::sample::select(vec![Values::Binary, Values::Compact]),
    ) {
        let options = Options {
            transport: Choice::Only(transport),
            protocol: Choice::Only(protocol),
            validate: true,
            ..Options::default()
        };
        let (heads, _) = Driven::server().recv_until_error(&wire);
        for (_, head) in heads {
            let (is_sound, is_unframed) = (head.fault().is_none(), transport == Transport::Unframed);
            let method = head.method().to_vec();
            let mut client = Driven::new(Role::Client, &options);
            if client.send(StreamId(1), head).is_err() || !is_sound {
                continue;
            }
            let (heads, result) = Driven::new(Role::Server, &options).recv_until_error(&client.sent());
            prop_assert_eq!((heads.len(), result), (1, Ok(())));
            prop_assert_eq!(heads[0].1.method(), method);
            // Frames that need no translation are not looked into.
            prop_assert!(!is_unframed || heads[0].1.fault().is_none());
        }
    }

    #[test]
    fn a_connection_writes_what_was_sent(seqid in any::<u32>(), id in 0..=i32::MAX as u64) {
        for wire in [framed(T1), framed(T2), unframed(T3), unframed(T7)] {
            let head = Codec::default().decode(wire).expect("sound").head;
            let mut out = Output::default();
            let _ = Codec::default().encode(StreamId(u64::from(seqid)), &head, &mut out);
            let moved = Codec::default().decode(out.to_vec().into()).expect("sound");
            prop_assert_eq!(moved.stream.0, u64::from(seqid));
            prop_assert_eq!(encode(id, &moved.head), encode(id, &head));
        }
    }
}
