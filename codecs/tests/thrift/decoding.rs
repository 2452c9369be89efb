//! What is found in messages of each kind.

use bytes::Bytes;
use sabir_codecs::thrift::{Choice, Options, Thrift, Transport, Values};
use sabir_core::head::{Head, Kind};
use sabir_core::message::MessageCodec;
use sabir_core::outcome::{Code, Executed, Outcome, Party};
use sabir_core::protocol::{Protocol, Sniff};

use crate::messages::*;
use crate::vectors::bytes;
use crate::{decode, get, only};

fn pseudo(head: &Head) -> [String; 4] {
    [":type", ":seqid", ":transport", ":protocol"]
        .map(|name| get(head, name).expect("the wire says so"))
}

#[test]
fn calls_name_their_method() {
    for (wire, want) in [
        (unframed(T1), ["call", "1", "unframed", "binary"]),
        (framed(T1), ["call", "1", "framed", "binary"]),
        (framed(T2), ["call", "1", "framed", "binary"]),
        (unframed(T3), ["call", "1", "unframed", "compact"]),
        (framed(T3), ["call", "1", "framed", "compact"]),
        (unframed(T6), ["call", "1", "header", "binary"]),
        (unframed(T7), ["call", "1", "header", "compact"]),
        (unframed(T9), ["call", "1", "header", "binary"]),
    ] {
        let head = decode(&wire);
        assert_eq!((head.kind, head.method()), (Kind::Request, &b"hi"[..]));
        assert_eq!((head.service(), head.fault()), (&b""[..], None));
        assert_eq!(get(&head, "service"), None);
        assert_eq!(pseudo(&head), want);
    }
}

#[test]
fn the_old_binary_protocol_is_read_without_frames_where_there_are_none() {
    let codec = only(Transport::Unframed, Values::Binary);
    let wire = unframed(T2);
    assert_eq!(codec.frame_len(&wire), Ok(Some(wire.len())));
    let head = codec.decode(wire).unwrap().head;
    assert_eq!(head.method(), b"hi");
    assert_eq!(pseudo(&head), ["call", "1", "unframed", "binary"]);
}

#[test]
fn a_multiplexed_name_is_service_and_method() {
    for wire in [framed(T4), unframed("8221070843616c633a61646400")] {
        let head = decode(&wire);
        assert_eq!((head.service(), head.method()), (&b"Calc"[..], &b"add"[..]));
    }
    let head = decode(&framed("8001000200000005613a622e630000000700"));
    assert_eq!((head.service(), head.method()), (&b""[..], &b"a:b.c"[..]));
    let deflated = header(7, "00 0101", &deflate(&bytes(T4)));
    let head = decode(&deflated);
    assert_eq!((head.service(), head.method()), (&b"Calc"[..], &b"add"[..]));
}

#[test]
fn one_way_calls_are_told_by_their_type() {
    let head = decode(&unframed(T3N));
    assert_eq!(head.kind, Kind::OneWay);
    assert_eq!(pseudo(&head), ["oneway", "-1", "unframed", "compact"]);
}

#[test]
fn pairs_are_those_of_all_blocks_in_order() {
    let wire = header(1, "00 00 0102 014b0176 036162630 0 0101 016b00", &bytes(T1));
    let head = decode(&wire);
    let pairs: Vec<_> = head.metadata().iter().skip(4).collect();
    let want: [(&[u8], &[u8]); 3] = [(b"K", b"v"), (b"abc", b""), (b"k", b"")];
    assert_eq!(pairs, want);
    assert_eq!(get(&head, "k").as_deref(), Some("v"));
    let unknown = header(1, "02 00 0101 016b0176 0901020304", &bytes(T3));
    assert_eq!(decode(&unknown).metadata().iter().count(), 5);
}

fn outcome_of(hex: &str) -> [Outcome; 3] {
    let deflated = |protocol: &str| header(7, protocol, &deflate(&bytes(hex)));
    let protocol = if hex.starts_with("82") {
        "02 0101"
    } else {
        "00 0101"
    };
    [
        framed(hex),
        header(7, &protocol.replace("0101", "00"), &bytes(hex)),
        deflated(protocol),
    ]
    .map(|wire: Bytes| {
        let head = decode(&wire);
        assert_eq!(head.kind, Kind::Response);
        head.outcome
    })
}

#[test]
fn how_a_call_ended_is_told_by_the_first_field() {
    let bad = Outcome::new(Party::Infrastructure, Executed::Yes, Code::BadResponse);
    for (hex, want) in [
        // Nothing; field 0; field 1, with the rest missing; a negative id.
        ("80010002000000036164640000000700", Outcome::OK),
        ("800100020000000361646400000007080000", Outcome::OK),
        (
            "8001000200000003616464000000070c0001",
            Outcome::BUSINESS_ERROR,
        ),
        (
            "8001000200000003616464000000070cffff",
            Outcome::BUSINESS_ERROR,
        ),
        ("80010002000000036164640000000708", bad),
        ("800100020000000361646400000007", bad),
        ("8241070361646400", Outcome::OK),
        ("824107036164640500", Outcome::OK),
        ("82410703616464 1c", Outcome::BUSINESS_ERROR),
        ("82410703616464 0c28", Outcome::BUSINESS_ERROR),
        ("82410703616464 10", bad),
        ("82410703616464 0c", bad),
        ("82410703616464", bad),
    ] {
        assert_eq!(outcome_of(hex), [want; 3], "{hex}");
    }
}

#[test]
fn an_exception_of_the_framework_says_what_it_is() {
    let internal = Outcome::new(Party::Infrastructure, Executed::Maybe, Code::Internal);
    let unknown = Outcome::new(Party::Infrastructure, Executed::No, Code::Unimplemented);
    let refused = Outcome::new(Party::Caller, Executed::No, Code::BadRequest);
    let result = Outcome::new(Party::Infrastructure, Executed::Yes, Code::BadResponse);
    let table = [
        (0, internal),
        (1, unknown),
        (2, refused),
        (3, result),
        (4, result),
        (5, result),
        (6, internal),
        (7, refused),
        (8, refused),
        (9, refused),
        (10, refused),
        (11, internal),
    ];
    for (kind, want) in table {
        let binary = "800100030000000361646400000007";
        for fields in [
            format!("0b000100000001 78 0800020000 00{kind:02x}00"),
            format!("0800020000 00{kind:02x}00"),
        ] {
            assert_eq!(
                outcome_of(&format!("{binary}{fields}")),
                [want; 3],
                "{kind}"
            );
        }
        for fields in [
            format!("180178 15{:02x}00", 2 * kind),
            format!("25{:02x}00", 2 * kind),
        ] {
            assert_eq!(
                outcome_of(&format!("82610703616464{fields}")),
                [want; 3],
                "{kind}"
            );
        }
    }
    for unreadable in ["00", "0b00017fffffff", "0800", "08000201000000", "0c000100"] {
        let hex = format!("800100030000000361646400000007{unreadable}");
        assert_eq!(outcome_of(&hex), [internal; 3], "{unreadable}");
    }
    for unreadable in ["00", "18ff", "15", "1501", "25ffffffffff"] {
        let hex = format!("82610703616464{unreadable}");
        assert_eq!(outcome_of(&hex), [internal; 3], "{unreadable}");
    }
}

#[test]
fn first_bytes_tell_thrift_from_others() {
    let sniff = |options: &Options, bytes: &[u8]| Thrift::new(options.clone()).sniff(bytes);
    let auto = Options::default();
    for wire in [
        unframed(T1),
        unframed(T3),
        framed(T1),
        framed(T2),
        framed(T3),
        unframed(T6),
        unframed(T7),
        unframed(T8),
        unframed(T9),
    ] {
        let told = (1..=wire.len()).map(|len| sniff(&auto, &wire[..len]));
        let told: Vec<_> = told.collect();
        let more = told.iter().position(|&sniff| sniff == Sniff::Yes);
        assert!(more.is_some_and(|more| more < 40), "{wire:?}");
        assert!(told[..more.unwrap_or(0)].iter().all(|&s| s == Sniff::More));
    }
    for other in [
        &b"\xda\xbb\xc2\x00\0\0\0\0"[..],
        b"\xf1\xf1\0\0\0\0\0\0",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\n",
        b"PATCH / HTTP/1.1\r\n",
        b"CONNECT a:1 HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"SSH-2.0-x\r\n",
        b"*1\r\n$4\r\nPING\r\n",
    ] {
        assert_eq!(sniff(&auto, other), Sniff::No, "{other:?}");
    }
    let unframed_only = Options {
        transport: Choice::Only(Transport::Unframed),
        ..auto
    };
    assert_ne!(sniff(&unframed_only, &framed(T1)), Sniff::Yes);
    assert_eq!(sniff(&unframed_only, &unframed(T2)), Sniff::Yes);
}
