//! What must be refused, and what merely cannot be read.

use bytes::Bytes;
use sabir_codecs::motan2::{Motan2, Options};
use sabir_core::connection::Written;
use sabir_core::message::MessageCodec;
use sabir_core::metadata::Malformed;

use crate::messages::{self, message, request};
use crate::vectors::bytes;
use crate::{decode, encode, head, without_motan1};

fn frame_len(buf: &[u8]) -> Result<Option<usize>, Malformed> {
    Motan2::default().frame_len(buf)
}

/// The part that makes `wire` a bad request; whatever it is, the message can be passed on.
fn fault(wire: &Bytes) -> Option<&'static str> {
    let (id, head) = decode(wire);
    assert_eq!(encode(id, &head), (Written::Whole, wire.clone()));
    head.fault().map(|fault| fault.part)
}

#[test]
fn a_wrong_magic_ends_the_connection_at_its_first_octet() {
    for (buf, at) in [
        (&b"\xf2"[..], 0),
        (b"\xf1\xf0", 1),
        (b"\xda\xbb", 0),
        (b"GET / HTTP/1.1\r\n\r\n", 0),
        (b"\x16\x03\x01", 0),
    ] {
        assert_eq!(
            frame_len(buf),
            Err(Malformed { part: "magic", at }),
            "{buf:?}"
        );
    }
    for buf in [&b""[..], b"\xf1", b"\xf1\xf1", b"\xf1\xf1\x00"] {
        assert_eq!(frame_len(buf), Ok(None));
    }
}

#[test]
fn an_unknown_version_ends_the_connection() {
    let refused = Err(Malformed {
        part: "version",
        at: 3,
    });
    for version in 2..32 {
        let mut wire = messages::m4a().to_vec();
        wire[3] = version << 3;
        assert_eq!(frame_len(&wire[..4]), refused, "{version}");
        assert_eq!(frame_len(&wire), refused, "{version}");
        assert!(Motan2::default().decode(wire.into()).is_err());
    }
    assert_eq!(without_motan1().frame_len(&messages::m6()), refused);
}

#[test]
fn lengths_are_known_once_both_have_arrived() {
    let m1 = messages::m1();
    let needed = 17 + 0x31 + 4;
    for len in 0..=m1.len() {
        let expected = (len >= needed).then_some(m1.len());
        assert_eq!(frame_len(&m1[..len]), Ok(expected), "{len}");
    }
}

#[test]
fn a_length_bomb_is_refused_at_once() {
    let mut wire = messages::m1().to_vec();
    wire[13..17].copy_from_slice(&[0xff; 4]);
    let refused = Err(Malformed {
        part: "metadata length",
        at: 13,
    });
    assert_eq!(frame_len(&wire[..17]), refused);
    for (len, is_refused) in [(1 << 20, false), ((1 << 20) + 1, true), (1 << 31, true)] {
        wire[13..17].copy_from_slice(&u32::to_be_bytes(len));
        assert_eq!(frame_len(&wire[..17]).is_err(), is_refused, "{len}");
    }
    let small = Motan2::new(Options {
        max_metadata_bytes: 0x30,
        ..Options::default()
    });
    assert_eq!(small.frame_len(&messages::m1()[..17]), refused);
    let mut wire = messages::m5().to_vec();
    wire[28] = 0x80;
    let refused = Err(Malformed {
        part: "body length",
        at: 28,
    });
    assert_eq!(frame_len(&wire), refused);
}

/// M5 with its metadata one octet short: the next four octets read as a body of 1.7 GB.
#[test]
fn a_body_of_gigabytes_is_known_to_be_one() {
    let mut wire = messages::m5().to_vec();
    wire[16] = 0x0a;
    assert_eq!(frame_len(&wire), Ok(Some(17 + 0x0a + 4 + 0x6600_0000)));
}

#[test]
fn a_heartbeat_is_short() {
    let some = [b'x'; 65];
    for wire in [
        message(0x10, 0, 1, &some[..64], b""),
        message(0x11, 0, 1, b"", &some[..64]),
    ] {
        assert_eq!(frame_len(&wire), Ok(Some(wire.len())));
    }
    let refused = |at| {
        Err(Malformed {
            part: "heartbeat",
            at,
        })
    };
    assert_eq!(
        frame_len(&message(0x10, 0, 1, &some, b"")[..17]),
        refused(13)
    );
    assert_eq!(
        frame_len(&message(0x12, 0, 6, b"", &some)[..21]),
        refused(17)
    );
}

#[test]
fn decode_takes_whole_messages_only() {
    for wire in [messages::m1(), messages::motan1_request()] {
        for len in 0..wire.len() {
            assert!(
                Motan2::default().decode(wire.slice(..len)).is_err(),
                "{len}"
            );
        }
        let longer = Bytes::from([&wire[..], b"x"].concat());
        assert!(Motan2::default().decode(longer).is_err());
    }
}

#[test]
fn metadata_that_are_no_pairs_make_a_bad_request() {
    for (metadata, part) in [
        ("M_p\nS\nM_m\nf\nodd", "metadata (key without value)"),
        ("M_p\nS\nM_m", "metadata (key without value)"),
        ("\nS\nM_p\nS\nM_m\nf", "metadata (empty key)"),
        ("M_p\nS\nM_m\nf\n\nv", "metadata (empty key)"),
        ("M_p\nS\nM_m\nf\n\n", "metadata (empty key)"),
        ("\n", "metadata (empty key)"),
        ("M_m\nf", "M_p"),
        ("M_p\nS", "M_m"),
        ("M_p\n\nM_m\nf", "M_p"),
        ("M_p\nS\nM_m\n", "M_m"),
        ("m_p\nS\nm_m\nf", "M_p"),
        ("", "M_p"),
    ] {
        assert_eq!(fault(&request(metadata)), Some(part), "{metadata:?}");
    }
}

#[test]
fn fields_are_text() {
    for (metadata, part) in [
        (&b"M_p\n\xff\nM_m\nf"[..], "M_p"),
        (b"M_p\nS\nM_m\n\xc3", "M_m"),
        (b"M_p\nS\nM_m\nf\nM_g\n\xff", "M_g"),
        (b"M_p\nS\nM_m\nf\nM_v\n\xff", "M_v"),
        (b"M_p\nS\nM_m\nf\nM_md\n\xff", "M_md"),
    ] {
        assert_eq!(fault(&message(0, 0, 6, metadata, b"")), Some(part));
        // A response has no fields.
        assert_eq!(fault(&message(1, 0, 6, metadata, b"")), None);
    }
}

#[test]
fn too_many_pairs_make_a_bad_request() {
    let pairs = |count: usize| "k\nv\n".repeat(count - 2) + "M_p\nS\nM_m\nf";
    assert_eq!(fault(&request(&pairs(512))), None);
    assert_eq!(
        fault(&request(&pairs(513))),
        Some("metadata (too many pairs)")
    );
}

#[test]
fn responses_that_make_no_sense_are_forwarded() {
    for metadata in ["odd", "\n", "a\nb\n\nc"] {
        let wire = messages::response(0, metadata);
        assert_eq!(fault(&wire), None);
        let looked = head(&wire);
        let _ = looked.metadata();
        assert!(looked.fault().is_some() && looked.outcome.is_ok());
    }
}

/// A body is nobody's business here, not even one that would inflate without end.
#[test]
fn bodies_are_never_looked_at() {
    for body in [&b""[..], b"\x1f\x8b not gzip", &[0xff; 100]] {
        assert_eq!(fault(&message(0x08, 0, 6, b"M_p\nS\nM_m\nf", body)), None);
    }
    let wire = message(0x08, 0, 6, b"M_p\nS\nM_m\nf", &bytes(messages::GZIPPED));
    assert_eq!(fault(&wire), None);
}
