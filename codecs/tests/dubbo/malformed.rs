//! What must be refused, and what merely cannot be read.

use bytes::Bytes;
use sabir_codecs::dubbo::Dubbo;
use sabir_core::connection::{ConnectionError, Written};
use sabir_core::message::MessageCodec;
use sabir_core::metadata::Malformed;
use sabir_core::outcome::Code;
use sabir_core::output::Output;

use crate::messages::{self, message};
use crate::vectors::bytes;
use crate::{decode, encode, get};

fn frame_len(buf: &[u8]) -> Result<Option<usize>, Malformed> {
    Dubbo::default().frame_len(buf)
}

/// The part that makes `wire` a bad request, at decode or when someone looks at the attachments.
fn fault(wire: &Bytes) -> Option<&'static str> {
    let head = decode(wire);
    let at_decode = head.fault();
    if at_decode.is_none() {
        let _ = head.metadata();
    }
    let fault = head.fault();
    // Whatever is wrong with it, it can be passed on as it came.
    let id = u64::from_be_bytes(wire[4..12].try_into().expect("eight octets"));
    assert_eq!(encode(id, &head), (Written::Whole, wire.clone()));
    fault.map(|fault| fault.part)
}

#[test]
fn a_wrong_magic_ends_the_connection_at_its_first_octet() {
    for (buf, at) in [
        (&b"\xdb"[..], 0),
        (b"\xda\xbc", 1),
        (b"\xbb\xda", 0),
        (b"GET / HTTP/1.1\r\n\r\n", 0),
        (b"status\r\n", 0),
        (b"\x16\x03\x01", 0),
    ] {
        assert_eq!(
            frame_len(buf),
            Err(Malformed { part: "magic", at }),
            "{buf:?}"
        );
    }
    for buf in [&b""[..], b"\xda", b"\xda\xbb"] {
        assert_eq!(frame_len(buf), Ok(None));
    }
}

#[test]
fn lengths_are_known_from_sixteen_octets_on() {
    let d1 = messages::d1();
    for len in 0..16 {
        assert_eq!(frame_len(&d1[..len]), Ok(None), "{len}");
    }
    for len in 16..=d1.len() {
        assert_eq!(frame_len(&d1[..len]), Ok(Some(152)), "{len}");
    }
}

#[test]
fn a_negative_length_ends_the_connection() {
    let mut wire = messages::d1().to_vec();
    wire[12] = 0x80;
    assert_eq!(
        frame_len(&wire[..16]),
        Err(Malformed {
            part: "body length",
            at: 12
        })
    );
    wire[12] = 0x7f;
    assert_eq!(frame_len(&wire[..16]), Ok(Some(16 + 0x7f00_0088)));
}

#[test]
fn an_event_with_a_large_body_ends_the_connection() {
    let largest = message(0xe2, 0, 1, &[b'N'; 64]);
    assert_eq!(frame_len(&largest), Ok(Some(80)));
    let larger = message(0xe2, 0, 1, &[b'N'; 65]);
    assert_eq!(
        frame_len(&larger[..16]),
        Err(Malformed {
            part: "event length",
            at: 12
        })
    );
}

#[test]
fn decode_takes_whole_messages_only() {
    let d1 = messages::d1();
    for len in 0..d1.len() {
        assert!(Dubbo::default().decode(d1.slice(..len)).is_err(), "{len}");
    }
    let longer = Bytes::from([&d1[..], b"x"].concat());
    assert!(Dubbo::default().decode(longer).is_err());
}

#[test]
fn a_body_that_ends_early_is_a_bad_request() {
    let d1 = messages::d1();
    // 16 to 69 are strings and the argument; the map starts at 69 and ends at 152.
    for len in 16..152 {
        let short = message(0xc2, 0, 1, &d1[16..len]);
        assert!(fault(&short).is_some(), "{len}");
    }
    let without_end = message(0xc2, 0, 1, &d1[16..151]);
    assert_eq!(fault(&without_end), Some("body (ends inside a value)"));
    let d7 = messages::d7();
    for len in 16..d7.len() {
        let short = message(0xc2, 0, 1, &d7[16..len]);
        assert!(fault(&short).is_some(), "{len}");
    }
}

#[test]
fn what_needs_no_look_at_the_arguments_is_found_at_decode() {
    let d1 = messages::d1();
    for len in 16..65 {
        let short = message(0xc2, 0, 1, &d1[16..len]);
        assert!(decode(&short).fault().is_some(), "{len}");
    }
    let without_map = decode(&message(0xc2, 0, 1, &d1[16..69]));
    assert_eq!(without_map.fault(), None);
}

#[test]
fn a_malformed_descriptor_is_a_bad_request() {
    let mut wire = messages::d1().to_vec();
    assert_eq!(wire[64], b';');
    wire[64] = b'x';
    assert_eq!(fault(&wire.into()), Some("parameter descriptor"));
    let request = |descriptor: &str, arguments: &[u8]| {
        let strings = ["2.0.2", "a.B", "1", "hi", descriptor];
        message(
            0xc2,
            0,
            1,
            &messages::request_body(strings, arguments, b"N"),
        )
    };
    assert_eq!(fault(&request("Q", b"\x91")), Some("parameter descriptor"));
    let too_many = "parameter descriptor (more arguments than bytes)";
    assert_eq!(fault(&request("III", b"\x91")), Some(too_many));
    assert_eq!(fault(&request("[Ljava/util/Date", b"\x91")), None);
}

#[test]
fn a_descriptor_that_lies_is_a_bad_request() {
    let request = |descriptor: &str, arguments: &[u8]| {
        let strings = ["2.0.2", "a.B", "1", "hi", descriptor];
        message(
            0xc2,
            0,
            1,
            &messages::request_body(strings, arguments, b"HZ"),
        )
    };
    assert_eq!(fault(&request("I", b"\x91")), None);
    // Fewer than there are; more, so that the map is taken for an argument.
    assert_eq!(
        fault(&request("I", b"\x91\x91")),
        Some("attachments (no map)")
    );
    assert_eq!(
        fault(&request("II", b"\x91")),
        Some("body (ends inside a value)")
    );
    assert_eq!(
        fault(&request("", b"\x03bob")),
        Some("attachments (no map)")
    );
}

#[test]
fn hostile_arguments_are_bad_requests() {
    let request = |argument: &[u8]| {
        let strings = ["2.0.2", "a.B", "1", "hi", "Ljava/lang/Object;"];
        message(
            0xc2,
            0,
            1,
            &messages::request_body(strings, argument, b"HZ"),
        )
    };
    let nested = [vec![0x79; 100], vec![b'N']].concat();
    assert_eq!(fault(&request(&nested)), Some("nesting (too deep)"));
    for (hex, part) in [
        ("58 49 7fffffff", "declared count"),
        ("43 0141 49 7fffffff", "declared count"),
        ("58 49 ffffffff", "declared count"),
        ("60", "class index"),
        ("71 93", "type index"),
        ("40", "tag (reserved)"),
        ("45", "tag (reserved)"),
        ("47", "tag (reserved)"),
        ("50", "tag (reserved)"),
        ("5a", "value (end marker)"),
        ("04 61f09f988062", "string"),
        ("01 c328", "string"),
        ("52 0001 61 91", "chunk"),
    ] {
        assert_eq!(fault(&request(&bytes(hex))), Some(part), "{hex}");
    }
}

#[test]
fn a_key_that_is_no_string_makes_a_bad_request() {
    let wire = messages::plain("2.0.2", &bytes("48 0161 0162 91 0163 5a"));
    assert_eq!(fault(&wire), Some("value (no string)"));
    // What was read before is still there, and nothing can be changed.
    let mut head = decode(&wire);
    assert_eq!(get(&head, "a").as_deref(), Some("b"));
    head.set(&"x".into(), b"y");
    assert_eq!(encode(6, &head), (Written::Unmodified, wire));
}

#[test]
fn responses_that_make_no_sense_are_forwarded() {
    // D5 with status 20: its first value is a string.
    let mut wire = messages::d5().to_vec();
    wire[3] = 20;
    for wire in [
        Bytes::from(wire),
        message(0x02, 20, 1, b""),
        message(0x02, 20, 1, b"\x96"),
        message(0x02, 20, 1, b"\x8f"),
        message(0x02, 20, 1, b"N"),
    ] {
        let head = decode(&wire);
        assert_eq!(head.outcome.code, Code::BadResponse);
        assert_eq!(head.fault(), None);
        assert_eq!(encode(1, &head), (Written::Whole, wire));
    }
    // An error body that is not a string.
    let wire = message(0x02, 60, 1, b"\x91");
    let head = decode(&wire);
    assert_eq!(head.outcome.code, Code::NotFound);
    assert_eq!(encode(1, &head), (Written::Whole, wire));
}

#[test]
fn a_response_whose_attachments_are_broken_is_forwarded() {
    let wire = message(0x02, 20, 1, &bytes("94 0161 48 0162"));
    let mut head = decode(&wire);
    assert!(head.outcome.is_ok());
    head.set(&"x".into(), b"y");
    assert!(head.fault().is_some());
    assert_eq!(encode(1, &head), (Written::Unmodified, wire));
}

/// What the codec says of a message that is too long before the connection ends.
fn last_word(wire: &[u8]) -> Bytes {
    let error = ConnectionError::TooLong { len: 9, limit: 8 };
    let mut out = Output::default();
    Dubbo::default().last_word(wire, &error, &mut out);
    out.to_vec().into()
}

#[test]
fn a_two_way_request_that_is_too_long_is_answered() {
    let said = last_word(&messages::d1()[..16]);
    let answer = decode(&said);
    assert_eq!(answer.outcome.code, Code::BadRequest);
    assert_eq!((said[3], &said[4..12]), (40, &messages::d1()[4..12]));
    for silent in [
        &messages::d1()[..11],
        &messages::d2()[..],
        &messages::d3a(),
        &messages::d8(),
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        assert!(last_word(silent).is_empty());
    }
}
