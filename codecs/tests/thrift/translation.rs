//! Clients and servers that do not speak the same.

use bytes::Bytes;
use sabir_codecs::thrift::{Choice, Options, Transport, Values};
use sabir_core::connection::{SendError, Written};
use sabir_core::frame::StreamId;
use sabir_core::head::Head;
use sabir_core::name::Name;
use sabir_core::outcome::Code;
use sabir_core::protocol::Role;

use crate::driven::Driven;
use crate::messages::*;
use crate::vectors::bytes;
use crate::{decode, get};

/// Options of a cluster whose servers get this transport and protocol.
fn cluster(transport: Transport, protocol: Values) -> Options {
    Options {
        transport: Choice::Only(transport),
        protocol: Choice::Only(protocol),
        ..Options::default()
    }
}

const TRANSPORTS: [Transport; 3] = [Transport::Unframed, Transport::Framed, Transport::Header];
const PROTOCOLS: [Values; 2] = [Values::Binary, Values::Compact];

/// A message in `transport`: `binary` or `compact`, which say the same.
fn message(transport: Transport, protocol: Values, binary: &str, compact: &str) -> Bytes {
    let (hex, id) = match protocol {
        Values::Binary => (binary, "0000"),
        Values::Compact => (compact, "0200"),
    };
    match transport {
        Transport::Unframed => unframed(hex),
        Transport::Framed => framed(hex),
        Transport::Header => header(1, id, &bytes(hex)),
    }
}

const ANSWER: &str = "80010002000000026869000000010b0000000000017800";
const COMPACT_ANSWER: &str = "82410102686908000178 00";

#[test]
fn each_side_gets_its_own_transport_and_protocol() {
    for from in TRANSPORTS {
        for spoken in PROTOCOLS {
            for to in TRANSPORTS {
                for understood in PROTOCOLS {
                    let mut server = Driven::server();
                    let mut client = Driven::new(Role::Client, &cluster(to, understood));
                    let (stream, head) = server.recv_one(&message(from, spoken, T1, T3));
                    assert_eq!(client.send(StreamId(9), head), Ok(Written::Whole));
                    assert_eq!(client.sent(), message(to, understood, T1, T3));
                    let answer = message(to, understood, ANSWER, COMPACT_ANSWER);
                    let (answered, head) = client.recv_one(&answer);
                    assert_eq!(answered, StreamId(9));
                    assert_eq!(server.send(stream, head), Ok(Written::Whole));
                    let wanted = message(from, spoken, ANSWER, COMPACT_ANSWER);
                    assert_eq!(
                        server.sent(),
                        wanted,
                        "{from:?} {spoken:?} {to:?} {understood:?}"
                    );
                }
            }
        }
    }
}

/// What a server gets of `wire`.
fn sent(wire: &Bytes, options: &Options, change: impl Fn(&mut Head)) -> (Written, Bytes) {
    let mut head = Driven::server().recv_one(wire).1;
    change(&mut head);
    let mut client = Driven::new(Role::Client, options);
    let written = client.send(StreamId(300), head).expect("a message to send");
    (written, client.sent())
}

#[test]
fn the_old_binary_protocol_is_read_by_all_but_header() {
    let binary = |transport| cluster(transport, Values::Binary);
    let same = |_: &mut Head| {};
    let (_, wire) = sent(&framed(T2), &binary(Transport::Framed), same);
    assert_eq!(wire, framed(T2));
    let (_, wire) = sent(&framed(T2), &binary(Transport::Unframed), same);
    assert_eq!(wire, unframed(T2));
    let (_, wire) = sent(&framed(T2), &binary(Transport::Header), same);
    assert_eq!(wire, header(1, "0000", &bytes(T1)));
    let (_, wire) = sent(
        &framed(T2),
        &cluster(Transport::Framed, Values::Compact),
        same,
    );
    assert_eq!(wire, framed(T3));
    // A client of old gets what it can read: its own again, where the protocol changes.
    let mut server = Driven::server();
    let (stream, _) = server.recv_one(&framed(T2));
    let _ = server.send(stream, decode(&unframed(COMPACT_ANSWER)));
    assert_eq!(
        server.sent(),
        framed("00000002686902000000010b0000000000017800")
    );
}

/// Writers differ in how they spell a bool; readers take what is not false for true, or not true for
/// false.
#[test]
fn values_are_the_same_however_they_are_spelt() {
    let binary = |body: &str| framed(&format!("8001000100000002686900000001{body}00"));
    let compact = |body: &str| framed(&format!("822101026869{body}00"));
    let to_compact = cluster(Transport::Framed, Values::Compact);
    let to_binary = cluster(Transport::Framed, Values::Binary);
    for (from, to) in [
        ("02000102", "11"),
        ("0f0001020000000301ff00", "1931010102"),
        (
            "10000100112233445566778899aabbccddeeff",
            "1d00112233445566778899aabbccddeeff",
        ),
        ("06fffeffff", "040301"),
    ] {
        let (_, wire) = sent(&binary(from), &to_compact, |_| {});
        assert_eq!(wire, compact(to), "{from}");
    }
    for (from, to) in [
        // The type of elements is that of true or that of false, and false is 2 or 0.
        ("1931010200", "0f00010200000003010000"),
        ("1a32010200", "0e00010200000003010000"),
        ("1b0111 0200", "0d0001020200000001 0000"),
        (
            "1d00112233445566778899aabbccddeeff",
            "10000100112233445566778899aabbccddeeff",
        ),
        // An id below the one before, and one far above.
        ("2309 03020a", "03000209 0300010a"),
        ("13090380020a", "03000109 030080 0a"),
    ] {
        let (_, wire) = sent(&compact(from), &to_binary, |_| {});
        assert_eq!(wire, binary(to), "{from}");
    }
}

#[test]
fn pairs_come_along_where_there_is_a_place_for_them() {
    let lane = |head: &mut Head| head.set(&Name::new("lane"), b"blue");
    let header_compact = cluster(Transport::Header, Values::Compact);
    let (written, wire) = sent(&framed(T1), &header_compact, lane);
    assert_eq!(written, Written::Whole);
    assert_eq!(
        wire,
        header(1, "0200 0101 046c616e6504626c7565", &bytes(T3))
    );
    let (written, wire) = sent(&unframed(T9), &header_compact, lane);
    assert_eq!(written, Written::Whole);
    let pairs = "0200 0102 016b0176 046c616e6504626c7565";
    assert_eq!(wire, header(1, pairs, &bytes(T3)), "without its transform");
    let removed = |head: &mut Head| head.remove(&Name::new("k"));
    let (_, wire) = sent(&unframed(T9), &header_compact, removed);
    assert_eq!(wire, header(1, "0200", &bytes(T3)));
    let framed_compact = cluster(Transport::Framed, Values::Compact);
    let (written, wire) = sent(&unframed(T9), &framed_compact, lane);
    assert_eq!((written, wire), (Written::Unmodified, framed(T3)));
    let (written, wire) = sent(&unframed(T9), &framed_compact, |_| {});
    assert_eq!((written, wire), (Written::Whole, framed(T3)));
}

#[test]
fn names_and_ids_are_rewritten_on_the_way() {
    let options = Options {
        multiplexing: true,
        ..cluster(Transport::Header, Values::Compact)
    };
    let method = |head: &mut Head| head.set(&Name::new("method"), b"sum");
    let (written, wire) = sent(&framed(T4), &options, method);
    assert_eq!(written, Written::Whole);
    let want = header(300, "0200", &bytes("8221ac020843616c633a73756d00"));
    assert_eq!(wire, want);
    let version = |head: &mut Head| head.set(&Name::new("version"), b"1");
    let (written, wire) = sent(&framed(T4), &options, version);
    assert_eq!(written, Written::Unmodified);
    assert_eq!(decode(&wire).service(), b"Calc");
}

#[test]
fn nothing_follows_a_message_out_of_its_frame() {
    let longer = framed(&format!("{T1}deadbeef"));
    for (transport, want) in [
        (Transport::Unframed, unframed(T1)),
        (Transport::Framed, longer.clone()),
    ] {
        let (_, wire) = sent(&longer, &cluster(transport, Values::Binary), |_| {});
        assert_eq!(wire, want);
    }
    let (_, wire) = sent(
        &longer,
        &cluster(Transport::Unframed, Values::Compact),
        |_| {},
    );
    assert_eq!(wire, unframed(T3));
}

#[test]
fn what_cannot_be_translated_is_not_sent() {
    let broken = framed(&T1[..T1.len() - 10]);
    for (transport, protocol) in [
        (Transport::Framed, Values::Compact),
        (Transport::Unframed, Values::Binary),
    ] {
        let head = Driven::server().recv_one(&broken).1;
        let mut client = Driven::new(Role::Client, &cluster(transport, protocol));
        let refused = client.send(StreamId(1), head);
        assert!(matches!(refused, Err(SendError::Unsupported)));
        assert_eq!(client.sent(), "");
        assert!(client.open(StreamId(2)), "nothing was written");
    }
    let mut server = Driven::server();
    let (stream, _) = server.recv_one(&framed(T1));
    let response = decode(&framed(&COMPACT_ANSWER[..18]));
    assert_eq!(server.send(stream, response), Ok(Written::Whole));
    let told = decode(&server.sent());
    assert_eq!(
        (told.method(), told.outcome.code),
        (&b"hi"[..], Code::Internal)
    );
    assert_eq!(get(&told, ":protocol").as_deref(), Some("binary"));
}
