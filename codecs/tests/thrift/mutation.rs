//! Changes, and what they leave as it was.

use bytes::Bytes;
use sabir_core::connection::Written;
use sabir_core::head::Head;
use sabir_core::name::Name;

use crate::messages::*;
use crate::vectors::bytes;
use crate::{decode, encode, get};

/// `wire` with sequence id `id` and what `change` does to it.
fn changed(wire: &Bytes, id: u64, change: impl Fn(&mut Head)) -> (Written, Bytes) {
    let mut head = decode(wire);
    change(&mut head);
    encode(id, &head)
}

fn set(name: &str, value: &str) -> impl Fn(&mut Head) {
    move |head| head.set(&Name::new(name), value.as_bytes())
}

#[test]
fn a_method_is_rewritten_in_every_transport_and_protocol() {
    let method = set("method", "hello");
    for (wire, want) in [
        (
            unframed("80010001000000026869000000 0100"),
            unframed("800100010000000568656c6c6f0000000100"),
        ),
        (
            framed("80010001000000026869000000 0100"),
            framed("800100010000000568656c6c6f0000000100"),
        ),
        (
            framed("000000026869010000000100"),
            framed("0000000568656c6c6f010000000100"),
        ),
        (unframed("82210102686900"), unframed("8221010568656c6c6f00")),
        (framed("82210102686900"), framed("8221010568656c6c6f00")),
        (
            unframed(T7),
            header(1, "0200", &bytes("8221010568656c6c6f00")),
        ),
    ] {
        assert_eq!(changed(&wire, 1, &method), (Written::Whole, want));
    }
    let (written, wire) = changed(&unframed(T9), 1, &method);
    assert_eq!(written, Written::Whole);
    let head = decode(&wire);
    assert_eq!(
        (head.method(), get(&head, "k").as_deref()),
        (&b"hello"[..], Some("v"))
    );
}

#[test]
fn a_service_is_set_replaced_and_removed() {
    let (_, wire) = changed(&framed("82210102686900"), 1, set("service", "Calc"));
    assert_eq!(wire, framed("8221010743616c633a686900"));
    let (_, wire) = changed(&framed(T4), 7, set("service", "C"));
    assert_eq!(wire, framed("8001000100000005433a6164640000000700"));
    let removed = |head: &mut Head| head.remove(&Name::new("service"));
    let (_, wire) = changed(&framed(T4), 7, removed);
    assert_eq!(wire, framed("80010001000000036164640000000700"));
}

#[test]
fn names_that_no_call_can_have_leave_it_as_it_was() {
    let long = "x".repeat(4097);
    let changes: [&dyn Fn(&mut Head); 6] = [
        &|head| head.remove(&Name::new("method")),
        &set("method", ""),
        &set("method", &long),
        &set("version", "1"),
        &set("group", "g"),
        &set("signature", "s"),
    ];
    for change in changes {
        let wire = framed(T4);
        assert_eq!(changed(&wire, 7, change), (Written::Unmodified, wire));
    }
    let answer = framed(T5);
    let rewritten = changed(&answer, 7, set("method", "x"));
    assert_eq!(rewritten, (Written::Unmodified, answer));
}

#[test]
fn pairs_have_a_place_in_the_header_only() {
    for wire in [
        unframed(T1),
        framed(T1),
        framed(T2),
        unframed(T3),
        framed(T3),
        framed(T5),
    ] {
        let id = if wire == framed(T5) { 7 } else { 1 };
        assert_eq!(
            changed(&wire, id, set("k", "w")),
            (Written::Unmodified, wire.clone())
        );
        // The id is written all the same.
        let (written, moved) = changed(&wire, 3, set("k", "w"));
        assert_eq!(written, Written::Unmodified);
        assert_eq!(get(&decode(&moved), ":seqid").as_deref(), Some("3"));
    }
}

#[test]
fn pairs_are_added_replaced_and_removed() {
    let payload = bytes("800100010000000268690000000100");
    let (_, wire) = changed(&unframed(T6), 1, set("lane", "blue"));
    let want = header(1, "0000 0102 016b0176 046c616e6504626c7565", &payload);
    assert_eq!(wire, want);
    let (_, wire) = changed(&unframed(T6), 1, set("K", "w"));
    assert_eq!(
        wire,
        header(1, "0000 0101 016b0177", &payload),
        "spelled as it was"
    );
    let (_, wire) = changed(&unframed(T6), 1, |head| head.remove(&Name::new("k")));
    assert_eq!(wire, header(1, "0000", &payload));
    let (_, wire) = changed(&unframed(T7), 1, set("a", ""));
    assert_eq!(
        wire,
        header(1, "0200 0101 016100", &bytes("82210102686900"))
    );
}

#[test]
fn blocks_that_nobody_knows_are_kept() {
    let wire = header(1, "00 00 0101 016b0176 09010203", &bytes(T1));
    let (written, changed) = changed(&wire, 1, set("k", "w"));
    assert_eq!(written, Written::Whole);
    assert_eq!(
        changed,
        header(1, "00 00 0101 016b0177 09010203", &bytes(T1))
    );
}

#[test]
fn pairs_are_changed_whatever_the_payload_went_through() {
    let t9 = unframed(T9);
    let (written, wire) = changed(&t9, 1, set("k", "longer"));
    assert_eq!(written, Written::Whole);
    assert_eq!(
        wire,
        header(1, "00 0101 0101 016b 066c6f6e676572", &t9[26..])
    );
    let snappy = header(1, "00 0103 0101 016b0176", b"anything");
    let (written, wire) = changed(&snappy, 1, set("k", "w"));
    let want = header(1, "00 0103 0101 016b0177", b"anything");
    assert_eq!((written, wire), (Written::Whole, want));
}

#[test]
fn what_the_wire_says_of_itself_is_not_for_changing() {
    for name in [":seqid", ":type", ":transport", ":protocol"] {
        let wire = unframed(T6);
        assert_eq!(
            changed(&wire, 1, set(name, "x")),
            (Written::Unmodified, wire)
        );
    }
}

#[test]
fn a_header_that_grows_too_long_stays_as_it_was() {
    let wire = unframed(T6);
    let long = "x".repeat(70_000);
    assert_eq!(
        changed(&wire, 1, set("k", &long)),
        (Written::Unmodified, wire)
    );
}

#[test]
fn ids_of_any_length_take_the_place_of_others() {
    for id in [0, 127, 128, 20_000, 0x7fff_ffff] {
        for wire in [
            unframed(T3),
            framed(T3),
            unframed(T7),
            framed(T1),
            framed(T2),
        ] {
            let (written, moved) = changed(&wire, id, |_| {});
            assert_eq!(written, Written::Whole);
            let head = decode(&moved);
            assert_eq!(get(&head, ":seqid"), Some(id.to_string()));
            assert_eq!(encode(1, &head), (Written::Whole, wire));
        }
    }
}
