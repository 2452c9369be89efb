//! What nobody should send: each case closes the connection, or is answered and loses nothing else.

use bytes::Bytes;
use sabir_codecs::thrift::{Choice, Options, Transport, Values};
use sabir_core::connection::ConnectionError;
use sabir_core::metadata::Malformed;
use sabir_core::outcome::Code;
use sabir_core::protocol::Role;

use crate::driven::Driven;
use crate::messages::*;
use crate::vectors::bytes;
use crate::{LONGEST, decode};

/// What is wrong with `wire`, if that ends the connection of a client that sends it.
fn closes(wire: &[u8]) -> Malformed {
    let mut server = Driven::server();
    match server.recv(wire) {
        Err(ConnectionError::Malformed(malformed)) => malformed,
        other => panic!("{wire:?} is {other:?}"),
    }
}

/// The exception type that answers `wire`, which the connection survives.
fn answered(server: &mut Driven, wire: &[u8]) -> String {
    let (stream, head) = server.recv_one(wire);
    assert!(head.fault().is_some(), "{wire:?} is sound");
    server.refuse(stream, Code::BadRequest);
    let sent = server.sent();
    let told = decode(&sent);
    assert_eq!(server.recv_one(&framed(T1)).1.fault(), None);
    // A binary exception ends in its type and the stop byte.
    assert!(told.kind == sabir_core::head::Kind::Response && sent.len() > 6);
    if sent[sent.len() - 5] == 0 {
        sent[sent.len() - 2].to_string()
    } else {
        (sent[sent.len() - 2] / 2).to_string()
    }
}

fn exception(wire: &[u8]) -> String {
    answered(&mut Driven::server(), wire)
}

fn validated(wire: &[u8]) -> String {
    let options = Options {
        validate: true,
        ..Options::default()
    };
    answered(&mut Driven::new(Role::Server, &options), wire)
}

/// `hex` with the first occurrence of `old` as `new`.
fn with(hex: &str, old: &str, new: &str) -> String {
    assert!(hex.contains(old));
    hex.replacen(old, new, 1)
}

#[test]
fn lengths_of_frames_that_no_message_has() {
    for hex in [
        "000000008001000100000000",
        "000000048001000100000000",
        "000000090fff0000",
    ] {
        assert_eq!(closes(&bytes(hex)).part, "frame length", "{hex}");
    }
    let bomb = Driven::server()
        .recv(&bytes("7fffffff80010001"))
        .unwrap_err();
    let (len, limit) = (0x8000_0003, LONGEST);
    assert_eq!(bomb, ConnectionError::TooLong { len, limit });
    // fbthrift's frames with a length of 64 bits.
    let big = Driven::server().recv(b"BIGF\0\0\0\0\0\x10\0\0");
    let (len, limit) = (0x4249_474a, LONGEST);
    assert_eq!(big.unwrap_err(), ConnectionError::TooLong { len, limit });
    let at_limit = (LONGEST as u32 - 4).to_be_bytes();
    let at_limit = [&at_limit[..], &[0x80, 1]].concat();
    assert_eq!(Driven::server().recv(&at_limit).unwrap().len(), 0);
}

#[test]
fn other_protocols_are_named() {
    for word in ["GET ", "POST", "HEAD", "PUT ", "DELE", "OPTI", "HTTP"] {
        assert_eq!(closes(word.as_bytes()).part, "transport (this is HTTP)");
    }
    for (hello, part) in [
        (&b"GET / HTTP/1.1"[..], "transport (this is HTTP)"),
        (b"PRI * HTTP/2.0", "transport (this is HTTP)"),
        (b"\0\0\0\x20\x10\0\0\0", "transport (Kitex TTHeader)"),
        (b"\0\0\0\x20\xda\xbc\0\0", "transport (dubbo-thrift)"),
        (b"\0\0\0\x20\xff\xff\0\0", "transport (unknown)"),
        (b"\0\0\0\x20\x82\x02\0\0", "transport (unknown)"),
        (b"\xda\xbb\xc2\0", "version"),
        (b"\x16\x03\x01\x02\0\x01\0\x01", "transport (unknown)"),
    ] {
        assert_eq!(closes(hello).part, part);
    }
}

#[test]
fn versions_that_do_not_exist() {
    for hex in [
        "80020001", "80000001", "81010001", "8222", "8220", "90", "ff",
    ] {
        assert_eq!(closes(&bytes(hex)).part, "version", "{hex}");
        let len = format!("00000020{hex}00");
        assert_eq!(closes(&bytes(&len)).part, "transport (unknown)", "{hex}");
    }
}

#[test]
fn message_types_that_do_not_exist_are_answered() {
    for kind in ["00", "05", "ff"] {
        let hex = with(T1, "8001000100", &format!("800100{kind}00"));
        assert_eq!(exception(&framed(&hex)), "2");
        assert_eq!(exception(&unframed(&hex)), "2");
    }
    for kind in ["01", "a1", "e1"] {
        assert_eq!(
            exception(&framed(&with(T3, "8221", &format!("82{kind}")))),
            "2"
        );
    }
    assert_eq!(exception(&framed("000000026869090000000100")), "2");
}

#[test]
fn names_that_are_too_long() {
    for len in ["ffffffff", "7fffffff", "00001001"] {
        let hex = with(T1, "00000002", len);
        assert_eq!(closes(&bytes(&hex)).part, "method name length");
        assert_eq!(closes(&framed(&hex)).part, "method name length");
    }
    let hex = with(T3, "822101026869", "8221018120");
    assert_eq!(closes(&bytes(&hex)).part, "method name length");
    for len in ["70000002", "00001001", "00000040"] {
        let frame = framed(&format!("{len}6869010000000100"));
        assert_eq!(closes(&frame).part, "transport (unknown)");
    }
}

/// Bodies that no struct has, of calls whose header is sound.
fn bodies() -> Vec<(String, &'static str)> {
    let nested = format!("8001000100000002686900000001{}", "0c0001".repeat(100));
    let compact_nested = format!("82210102 6869{}", "1c".repeat(100));
    vec![
        (with(T1, "0a00000002", "0a7fffffff"), "length"),
        (with(T1, "0a00000002", "0affffffff"), "length"),
        (with(T1, "0b000100000003", "0b00017fffffff"), "length"),
        (with(T1, "0b000100000003", "0b0001ffffffff"), "length"),
        (with(T1, "0b0800000001", "0b087fffffff"), "length"),
        (with(T1, "0a00000002", "0500000002"), "type"),
        (with(T1, "080002", "050002"), "type"),
        (with(T1, "080002", "800002"), "type"),
        (nested, "nesting"),
        (with(T3, "192602", "19f6ffffffff0f02"), "length"),
        (with(T3, "18", "10"), "type"),
        (with(T3, "18", "1f"), "type"),
        (with(T3, "192602", "192e02"), "type"),
        (with(T3, "1803", "18ffffffffff01"), "varint"),
        (with(T3, "1803", "18ffffffff0f"), "length"),
        (with(T3, "1509", "15ffffffffff0f"), "varint"),
        (compact_nested, "nesting"),
    ]
}

#[test]
fn bodies_that_are_no_struct_end_unframed_connections_with_a_word() {
    for (hex, part) in bodies() {
        let mut server = Driven::server();
        let error = server.recv(&bytes(&hex)).unwrap_err();
        assert!(error.to_string().contains(part), "{hex}: {error}");
        let told = decode(&server.sent());
        assert_eq!(told.outcome.code, Code::BadRequest, "{hex}");
        assert_eq!(told.method(), b"hi");
    }
}

#[test]
fn nobody_is_told_of_a_one_way_call_that_is_no_struct() {
    let broken = with(T1, "080002", "050002");
    let one_way = with(&broken, "80010001", "80010004");
    let names = ["hi".to_owned()].into_iter().collect();
    let by_name = Options {
        one_way: names,
        ..Options::default()
    };
    for (options, hex) in [(Options::default(), one_way), (by_name, broken)] {
        let mut server = Driven::new(Role::Server, &options);
        assert!(server.recv(&bytes(&hex)).is_err());
        assert!(server.sent().is_empty());
    }
}

#[test]
fn bodies_that_are_no_struct_are_refused_in_frames_on_demand() {
    for (hex, _) in bodies() {
        assert_eq!(validated(&framed(&hex)), "7", "{hex}");
        assert_eq!(Driven::server().recv_one(&framed(&hex)).1.fault(), None);
    }
    let t1 = unframed(T1);
    let cut = framed(&T1[..T1.len() - 2]);
    assert_eq!(validated(&cut), "7", "ends inside the message");
    let in_header = header(1, "0000", &t1[..t1.len() - 1]);
    assert_eq!(validated(&in_header), "7");
}

#[test]
fn sixty_four_levels_are_read() {
    for (level, stop, call) in [
        ("0c0001", "00", "8001000100000002686900000001"),
        ("1c", "00", "822101026869"),
    ] {
        let message = |depth| {
            let (open, close) = (level.repeat(depth), stop.repeat(depth + 1));
            unframed(&format!("{call}{open}{close}"))
        };
        assert_eq!(
            Driven::server().recv_one(&message(64)).1.wire(),
            &message(64)
        );
        assert!(Driven::server().recv(&message(65)).is_err());
    }
}

#[test]
fn every_kind_of_value_is_walked_over() {
    let binary = "020001ff 030002ff 060003ffff 080004ffffffff 0a0005ffffffffffffffff \
        040006ffffffffffffffff 0b000700000001ff 0c00080300017f00 10000900112233445566778899aabbccddeeff \
        13000aaabbccdd 0f000b0b000000020000000161 00000000 0e000c0c000000020000 \
        0d000d0b0f00000001000000016b0300000001ff 0d000e000000000000 0f000f0000000000 \
        0d00100308 0000000101aabbccdd 0f00110d 000000010803 000000010000000102";
    let compact = "11 12 13ff 14ffff03 15ffffffff0f 16ffffffffffffffffff01 17ffffffffffffffff \
        1801ff 1925fe0102 1a18 0161 1b00 1b0158 0001ff 1c11 00 1d00112233445566778899aabbccddeeff \
        19210101 19f20f010201020102010201020102010201 0c28 11 00 1b0113 0101";
    for (head, body) in [
        ("8001000100000002686900000001", binary),
        ("822101026869", compact),
    ] {
        let wire = unframed(&format!("{head}{body}00"));
        let mut server = Driven::server();
        let two = [&wire[..], &bytes(T1)].concat();
        assert_eq!(server.recv_one(&two).1.wire(), &wire);
        assert_eq!(server.unread(), bytes(T1).len());
    }
}

#[test]
fn a_varint_is_not_longer_than_its_type() {
    assert_eq!(closes(&bytes("8221ffffffffffff01")).part, "varint");
    assert_eq!(closes(&bytes("8221ffffffff1f")).part, "varint");
    assert_eq!(closes(&framed("8221018080808080 00")).part, "varint");
}

#[test]
fn frames_may_be_longer_than_their_message() {
    let longer = framed(&format!("{T1}ffff"));
    assert_eq!(Driven::server().recv_one(&longer).1.wire(), &longer);
    let options = Options {
        validate: true,
        ..Options::default()
    };
    let (_, head) = Driven::new(Role::Server, &options).recv_one(&longer);
    assert_eq!(head.fault(), None);
}

#[test]
fn frames_that_end_before_the_message_names_itself() {
    for hex in [
        "8001000100",
        "800100010000000268690000",
        "8221010268",
        "00000002686901",
    ] {
        let part = closes(&framed(hex)).part;
        assert_eq!(part, "message (ends inside a value)", "{hex}");
    }
}

#[test]
fn headers_that_do_not_fit() {
    for (hex, part) in [
        // Words past the frame; header data that end before the transforms; in them.
        (
            "000000150fff00000000000100ff0200000082210102686900",
            "header of THeader",
        ),
        ("0000000a0fff0000000000010000", "header of THeader"),
        ("0000000e0fff000000000001000100050101", "header of THeader"),
    ] {
        assert_eq!(closes(&bytes(hex)).part, part);
    }
    let t1 = bytes(T1);
    for data in [
        "0000 0101 7f6b0176",
        "0000 0102 016b0176",
        "0000 01ffffffff0f",
        "0000 0101 016bff",
    ] {
        assert_eq!(exception(&header(1, data, &t1)), "8", "{data}");
    }
    assert_eq!(
        exception(&header(1, "0100", b"[1,\"hi\",1,1,{}]")),
        "9",
        "JSON"
    );
    assert_eq!(
        exception(&header(1, "0200", &t1)),
        "9",
        "says compact, is binary"
    );
}

#[test]
fn transforms_that_are_not_known_are_answered() {
    for data in ["0001 02", "0001 03", "0001 05", "0002 0101", "0002 0103"] {
        assert_eq!(exception(&header(9, data, b"anything")), "8", "{data}");
    }
    let mut server = Driven::server();
    let (stream, _) = server.recv_one(&header(9, "0201 03", b"anything"));
    server.refuse(stream, Code::BadRequest);
    let told = header(9, "0200", &bytes("826109 00 18026e6f 151000"));
    assert_eq!(
        server.sent(),
        told,
        "by the id that can be read, without a name"
    );
}

#[test]
fn what_comes_out_of_zlib_is_bounded() {
    let zeros = vec![0; 16 << 20];
    let bomb = header(1, "0001 01", &deflate(&zeros));
    assert!(bomb.len() < LONGEST);
    let taken = allocation_counter::measure(|| {
        assert_eq!(exception(&bomb), "8");
    });
    assert!(taken.bytes_max < 1 << 20, "{} bytes", taken.bytes_max);
    // Behind a name that can be read.
    let call = [bytes(T1), vec![0; 2 * LONGEST]].concat();
    let mut server = Driven::server();
    let (stream, head) = server.recv_one(&header(1, "0001 01", &deflate(&call)));
    assert_eq!(head.method(), b"hi");
    assert_eq!(
        head.fault().unwrap().part,
        "zlib stream (longer than the longest message)"
    );
    server.refuse(stream, Code::BadRequest);
    assert_eq!(decode(&server.sent()).method(), b"hi");
}

#[test]
fn what_is_no_zlib_stream_is_answered() {
    let stream = deflate(&bytes(T1));
    let mut flipped = stream.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    for payload in [&b""[..], b"nonsense", &stream[..stream.len() - 1], &flipped] {
        assert_eq!(
            exception(&header(1, "0001 01", payload)),
            "8",
            "{payload:?}"
        );
    }
    let inside = header(1, "0001 01", &deflate(b"no message"));
    assert_eq!(exception(&inside), "7");
}

#[test]
fn a_transport_or_protocol_that_is_excluded_ends_the_connection() {
    let of = |transport, protocol| Options {
        transport,
        protocol,
        ..Options::default()
    };
    let samples = |transport: Transport| match transport {
        Transport::Unframed => [unframed(T1), unframed(T3)],
        Transport::Framed => [framed(T1), framed(T3)],
        Transport::Header => [unframed(T6), unframed(T7)],
    };
    let transports = [Transport::Unframed, Transport::Framed, Transport::Header];
    for wanted in transports {
        for sent in transports {
            let options = of(Choice::Only(wanted), Choice::Auto);
            for wire in samples(sent) {
                let got = Driven::new(Role::Server, &options).recv(&wire);
                assert_eq!(got.is_ok_and(|heads| heads.len() == 1), wanted == sent);
            }
        }
        for (protocol, taken) in [(Values::Binary, 0), (Values::Compact, 1)] {
            let options = of(Choice::Auto, Choice::Only(protocol));
            for (i, wire) in samples(wanted).iter().enumerate() {
                let got = Driven::new(Role::Server, &options).recv(wire);
                assert_eq!(got.is_ok(), i == taken, "{wire:?}");
            }
        }
    }
}

#[test]
fn a_message_without_frame_may_be_as_long_as_others() {
    let text = |len: usize| {
        let start = bytes("80010001000000026869000000010b0001");
        let len_word = (len as u32).to_be_bytes();
        Bytes::from([&start[..], &len_word, &vec![b'x'; len], &[0]].concat())
    };
    let longest = text(LONGEST - 22);
    assert_eq!(longest.len(), LONGEST);
    assert_eq!(Driven::server().recv_one(&longest).1.wire().len(), LONGEST);
    let longer = text(LONGEST - 21);
    assert!(
        Driven::server().recv(&longer[..64]).is_err(),
        "before it arrived"
    );
}
