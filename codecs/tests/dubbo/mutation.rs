//! Changes of metadata, spliced into what arrived.

use bytes::Bytes;
use sabir_core::connection::Written;
use sabir_core::head::Head;
use sabir_core::name::Name;

use crate::messages::{self, message};
use crate::vectors::bytes;
use crate::{decode, encode, get};

/// What `wire` becomes when `change` is made to it.
fn changed(wire: &Bytes, change: impl FnOnce(&mut Head)) -> (Written, Bytes) {
    let mut head = decode(wire);
    change(&mut head);
    let id = u64::from_be_bytes(wire[4..12].try_into().expect("eight octets"));
    encode(id, &head)
}

fn set(name: &str, value: &str) -> impl FnOnce(&mut Head) {
    move |head| head.set(&Name::new(name), value.as_bytes())
}

fn remove(name: &str) -> impl FnOnce(&mut Head) {
    move |head| head.remove(&Name::new(name))
}

/// The body of D1 with other strings and attachments.
fn d1_like(service: &str, version: &str, method: &str, attachments: &[(&str, &str)]) -> Bytes {
    let strings = ["2.0.2", service, version, method, "Ljava/lang/String;"];
    let map = messages::map(attachments);
    message(
        0xc2,
        0,
        1,
        &messages::request_body(strings, b"\x03bob", &map),
    )
}

const HELLO: &str = "org.demo.Hello";

#[test]
fn an_attachment_is_added_before_the_maps_end() {
    let traced = changed(&messages::d7(), set("x-trace", "t1"));
    assert_eq!(traced, (Written::Whole, messages::d7_traced()));
    let removed = changed(&messages::d7_traced(), remove("X-Trace"));
    assert_eq!(removed, (Written::Whole, messages::d7()));
}

#[test]
fn an_attachment_is_replaced_not_repeated() {
    let expected = [
        ("path", HELLO),
        ("interface", HELLO),
        ("version", "0.0.0"),
        ("group", "g1"),
        ("timeout", "250"),
    ];
    let expected = d1_like(HELLO, "0.0.0", "hi", &expected);
    assert_eq!(
        changed(&messages::d1(), set("timeout", "250")),
        (Written::Whole, expected)
    );
    // An Integer becomes a string.
    let (written, wire) = changed(&messages::d7(), set("_TO", "100"));
    assert_eq!(written, Written::Whole);
    let head = decode(&wire);
    assert_eq!(get(&head, "_TO").as_deref(), Some("100"));
    assert_eq!(head.metadata().iter().count(), 3);
}

#[test]
fn values_may_repeat_when_asked_for() {
    let (written, wire) = changed(&messages::d1(), |head| {
        head.add(&Name::new("timeout"), b"2")
    });
    assert_eq!(written, Written::Whole);
    let head = decode(&wire);
    let values: Vec<_> = head
        .metadata()
        .all(&Name::new("timeout"))
        .map(<[u8]>::to_vec)
        .collect();
    assert_eq!(values, [b"1000".to_vec(), b"2".to_vec()]);
}

#[test]
fn the_id_is_rewritten_along() {
    let mut head = decode(&messages::d7());
    head.set(&Name::new("x-trace"), b"t1");
    let (_, wire) = encode(0x0102_0304_0506_0708, &head);
    let expected = [
        &messages::d7_traced()[..4],
        &[1, 2, 3, 4, 5, 6, 7, 8],
        &messages::d7_traced()[12..],
    ];
    assert_eq!(wire, expected.concat());
}

#[test]
fn a_map_is_made_where_there_is_none() {
    let map = messages::map(&[("x", "y")]);
    for absent in [&b"N"[..], b"\x00"] {
        let with_trailer = [absent, b"N"].concat();
        for (before, after) in [
            (absent, map.clone()),
            (&with_trailer[..], [&map[..], b"N"].concat()),
        ] {
            let expected = (Written::Whole, messages::plain("2.0.2", &after));
            assert_eq!(
                changed(&messages::plain("2.0.2", before), set("x", "y")),
                expected
            );
        }
    }
    let nothing = changed(&messages::plain("2.0.2", b"N"), remove("x"));
    assert_eq!(nothing, (Written::Whole, messages::plain("2.0.2", b"N")));
}

#[test]
fn what_others_refer_to_stays() {
    let wire = messages::plain("2.0.2", &bytes("48 0161 48 0162 0163 5a 0164 0165 5a"));
    assert_eq!(
        changed(&wire, remove("a")),
        (Written::Unmodified, wire.clone())
    );
    assert_eq!(
        changed(&wire, set("a", "x")),
        (Written::Unmodified, wire.clone())
    );
    // All or nothing.
    let both = changed(&wire, |head| {
        head.set(&Name::new("x"), b"y");
        head.remove(&Name::new("a"));
    });
    assert_eq!(both, (Written::Unmodified, wire.clone()));
    let expected = messages::plain("2.0.2", &bytes("48 0161 48 0162 0163 5a 0178 0179 5a"));
    let other = changed(&wire, |head| {
        head.remove(&Name::new("d"));
        head.set(&Name::new("x"), b"y");
    });
    assert_eq!(other, (Written::Whole, expected));
}

#[test]
fn the_service_is_rewritten_in_every_place() {
    let attachments = [
        ("version", "0.0.0"),
        ("group", "g1"),
        ("timeout", "1000"),
        ("path", "org.demo.HelloV2"),
        ("interface", "org.demo.HelloV2"),
    ];
    let expected = d1_like("org.demo.HelloV2", "0.0.0", "hi", &attachments);
    let rewritten = changed(&messages::d1(), set("service", "org.demo.HelloV2"));
    assert_eq!(rewritten, (Written::Whole, expected));
    // `interface` was absent, and stays so.
    let (_, wire) = changed(&messages::d8(), set("service", "a.B"));
    let head = decode(&wire);
    assert_eq!(
        (head.service(), get(&head, "path").as_deref()),
        (&b"a.B"[..], Some("a.B"))
    );
    assert_eq!(get(&head, "interface"), None);
}

#[test]
fn the_version_is_rewritten_in_every_place() {
    let rest = [
        ("path", HELLO),
        ("interface", HELLO),
        ("group", "g1"),
        ("timeout", "1000"),
    ];
    let with = [&rest[..], &[("version", "2.0")]].concat();
    let expected = (Written::Whole, d1_like(HELLO, "2.0", "hi", &with));
    assert_eq!(changed(&messages::d1(), set("version", "2.0")), expected);
    let expected = (Written::Whole, d1_like(HELLO, "0.0.0", "hi", &rest));
    assert_eq!(changed(&messages::d1(), remove("version")), expected);
    // A null version becomes a string.
    let (written, wire) = changed(&messages::d7(), set("version", "1.0"));
    assert_eq!(written, Written::Whole);
    assert_eq!(get(&decode(&wire), "version").as_deref(), Some("1.0"));
}

#[test]
fn the_group_is_an_attachment() {
    let rest = [
        ("path", HELLO),
        ("interface", HELLO),
        ("version", "0.0.0"),
        ("timeout", "1000"),
    ];
    let with = [&rest[..], &[("group", "batch")]].concat();
    let expected = (Written::Whole, d1_like(HELLO, "0.0.0", "hi", &with));
    assert_eq!(changed(&messages::d1(), set("group", "batch")), expected);
    let expected = (Written::Whole, d1_like(HELLO, "0.0.0", "hi", &rest));
    assert_eq!(changed(&messages::d1(), remove("group")), expected);
    let expected = messages::plain("2.0.2", &messages::map(&[("group", "batch")]));
    let added = changed(&messages::plain("2.0.2", b"N"), set("group", "batch"));
    assert_eq!(added, (Written::Whole, expected));
}

#[test]
fn the_method_is_rewritten_where_it_stands() {
    let (written, wire) = changed(&messages::d1(), set("method", "hello"));
    assert_eq!(written, Written::Whole);
    let head = decode(&wire);
    assert_eq!(
        (head.method(), get(&head, "group").as_deref()),
        (&b"hello"[..], Some("g1"))
    );
    let (written, wire) = changed(
        &messages::generic("$invoke", "sayHello"),
        set("method", "hi"),
    );
    assert_eq!(
        (written, wire),
        (Written::Whole, messages::generic("$invoke", "hi"))
    );
}

#[test]
fn what_a_message_cannot_do_without_stays() {
    for name in ["service", "method"] {
        let wire = messages::d1();
        assert_eq!(
            changed(&wire, remove(name)),
            (Written::Unmodified, wire),
            "{name}"
        );
    }
    let wire = messages::d1();
    assert_eq!(
        changed(&wire, set("signature", "I")),
        (Written::Unmodified, wire)
    );
}

#[test]
fn an_attachment_set_by_its_own_name_wins_over_the_field() {
    let (_, wire) = changed(&messages::d1(), |head| {
        head.set(&Name::new("path"), b"ctx/a.B");
        head.set(&Name::new("service"), b"a.B");
    });
    let head = decode(&wire);
    let values = ["service", "path", "interface"].map(|name| get(&head, name));
    assert_eq!(
        values.each_ref().map(Option::as_deref),
        [Some("a.B"), Some("ctx/a.B"), Some("a.B")]
    );
}

#[test]
fn text_of_any_kind_can_be_written_and_nothing_else() {
    let long = "é😀".repeat(20_000);
    let (written, wire) = changed(&messages::d1(), set("x", &long));
    assert_eq!(written, Written::Whole);
    assert_eq!(get(&decode(&wire), "x").as_deref(), Some(&long[..]));
    let wire = messages::d1();
    let octets = changed(&wire, |head| head.set(&Name::new("x"), b"\xff\xfe"));
    assert_eq!(octets, (Written::Unmodified, wire));
}

#[test]
fn responses_with_attachments_are_spliced() {
    let expected = "94 06686920626f62 48 05647562626f 05322e302e32 0178 0179 5a";
    let expected = message(0x02, 20, 1, &bytes(expected));
    assert_eq!(
        changed(&messages::d2(), set("x", "y")),
        (Written::Whole, expected.clone())
    );
    assert_eq!(
        changed(&expected, remove("x")),
        (Written::Whole, messages::d2())
    );
    // What dubbo-go appends stays behind the map.
    let wire = message(0x02, 20, 1, &bytes("95 48 5a 4e"));
    let expected = message(0x02, 20, 1, &bytes("95 48 0178 0179 5a 4e"));
    assert_eq!(changed(&wire, set("x", "y")), (Written::Whole, expected));
    let removed = changed(&messages::d6(), remove("dubbo"));
    let body = [&messages::d6()[16..messages::d6().len() - 14], b"HZ"].concat();
    assert_eq!(removed, (Written::Whole, message(0x02, 20, 1, &body)));
}

#[test]
fn responses_gain_attachments_if_their_caller_reads_them() {
    let add = |body: &str, protocol: &str| {
        let request = decode(&messages::plain(protocol, b"N"));
        let wire = message(0x02, 20, 1, &bytes(body));
        changed(&wire, |head| {
            head.echo = request.echo;
            head.set(&Name::new("x"), b"y");
        })
    };
    for (before, after) in [
        ("90 43 0141 90 60", "93 43 0141 90 60 48 0178 0179 5a"),
        ("91 0161", "94 0161 48 0178 0179 5a"),
        ("91 0161 4e", "94 0161 48 0178 0179 5a 4e"),
        ("92", "95 48 0178 0179 5a"),
        ("92 4e", "95 48 0178 0179 5a 4e"),
    ] {
        let expected = message(0x02, 20, 1, &bytes(after));
        for protocol in ["2.0.2", "2.0.3", "2.0.99"] {
            assert_eq!(
                add(before, protocol),
                (Written::Whole, expected.clone()),
                "{before}"
            );
        }
        let unchanged = message(0x02, 20, 1, &bytes(before));
        for protocol in [
            "2.0.1", "2.0.0", "2.0.100", "2.5.3", "2.6.2", "3.0.0", "", "2.0.x",
        ] {
            assert_eq!(
                add(before, protocol),
                (Written::Unmodified, unchanged.clone()),
                "{protocol}"
            );
        }
    }
}

#[test]
fn errors_have_no_room_for_attachments() {
    let echo = decode(&messages::d1()).echo;
    let wire = messages::d5();
    let added = changed(&wire, |head| {
        head.echo = echo;
        head.set(&Name::new("x"), b"y");
    });
    assert_eq!(added, (Written::Unmodified, wire));
    let wire = messages::d2();
    assert_eq!(
        changed(&wire, set("service", "a.B")),
        (Written::Unmodified, wire)
    );
}

#[test]
fn large_bodies_are_spliced_at_their_end() {
    let large = messages::large(0x8000);
    let (written, wire) = changed(&large, set("group", "g1"));
    assert_eq!((written, &wire), (Written::Whole, &large));
}
