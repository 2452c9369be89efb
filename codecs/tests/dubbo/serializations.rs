//! Serializations other than Hessian 2.0.

use bytes::Bytes;
use sabir_core::connection::Written;
use sabir_core::head::Kind;
use sabir_core::name::Name;
use sabir_core::outcome::Outcome;

use crate::messages::message;
use crate::vectors::bytes;
use crate::{decode, encode, get};

const HELLO: &str = "576f72672e64656d6f2e48656c6c6f";

/// `hi("bob")` in fastjson2, its values written by fastjson2 2.0.57 with the features Dubbo sets:
/// attachments nil = null, path, `_TO` = Integer 250, timeout, group.
pub(crate) fn fastjson2_request() -> Bytes {
    fastjson2_with(
        "a6 4c6e696c af 4d70617468 576f72672e64656d6f2e48656c6c6f 4c5f544f 38fa
         5074696d656f7574 4d31303030 4e67726f7570 4b6731 a5",
    )
}

/// The same with other attachments.
fn fastjson2_with(attachments: &str) -> Bytes {
    let descriptor = "5b4c6a6176612f6c616e672f537472696e673b";
    let mut body = Vec::new();
    for value in [
        "4e322e302e32",
        HELLO,
        "4e312e302e30",
        "4b6869",
        descriptor,
        "4c626f62",
        attachments,
    ] {
        let value = bytes(value);
        body.extend_from_slice(&(value.len() as u32).to_be_bytes());
        body.extend_from_slice(&value);
    }
    message(0xc0 | 23, 0, 1, &body)
}

pub(crate) fn fastjson_request() -> Bytes {
    let lines = r#""2.0.2"
"org.demo.Hello"
"1.0.0"
"hi"
"Ljava/lang/String;"
"bob"
{"path":"org.demo.Hello","group":"g1","_TO":250,"deep":{"a":["}"]},"nil":null,"esc":"\u00e9\"\ud83d\ude00"}
"#;
    message(0xc0 | 6, 0, 1, lines.as_bytes())
}

pub(crate) fn protobuf_request() -> Bytes {
    let body = "070a05322e302e32
                100a0e6f72672e64656d6f2e48656c6c6f
                070a05312e302e30
                040a026869
                140a124c6a6176612f6c616e672f537472696e673b
                050a03626f62
                1a0a0b0a0567726f7570120267310a0b0a035f544f120431303030";
    message(0xc0 | 22, 0, 1, &bytes(body))
}

/// Answers in other serializations.
pub(crate) fn responses() -> Vec<Bytes> {
    vec![
        message(
            23,
            20,
            1,
            &bytes("00000002bd04 000000034b6869 00000009a64b647562624a32a5"),
        ),
        message(23, 20, 1, &bytes("00000002bd01 000000034b6869")),
        message(6, 20, 1, b"1\n\"hi\"\n"),
        message(22, 20, 1, &bytes("020801 040a026869")),
        message(23, 70, 1, &bytes("000000054d6f6f7073")),
    ]
}

#[test]
fn requests_say_who_is_called() {
    for wire in [fastjson2_request(), fastjson_request(), protobuf_request()] {
        let head = decode(&wire);
        assert_eq!((head.kind, head.fault()), (Kind::Request, None));
        for (name, value) in [
            ("service", "org.demo.Hello"),
            ("version", "1.0.0"),
            ("method", "hi"),
            ("signature", "Ljava/lang/String;"),
            ("group", "g1"),
        ] {
            assert_eq!(
                get(&head, name).as_deref(),
                Some(value),
                "{name} of {:#x}",
                wire[2]
            );
        }
    }
}

#[test]
fn attachments_are_read_as_text() {
    let head = decode(&fastjson2_request());
    let expected = [
        ("_TO", Some("250")),
        ("timeout", Some("1000")),
        ("nil", Some("")),
        ("no", None),
    ];
    for (name, value) in expected {
        assert_eq!(get(&head, name).as_deref(), value, "{name}");
    }
    let head = decode(&fastjson_request());
    for (name, value) in [("_TO", "250"), ("deep", ""), ("nil", ""), ("esc", "é\"😀")] {
        assert_eq!(get(&head, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(
        get(&decode(&protobuf_request()), "_TO").as_deref(),
        Some("1000")
    );
}

#[test]
fn a_group_in_any_encoding_is_the_group() {
    let head = decode(&fastjson2_with("a6 4e67726f7570 7c042d4e8765 a5"));
    assert_eq!(get(&head, "group").as_deref(), Some("中文"));
}

#[test]
fn fastjson2_strings_come_in_many_encodings() {
    for (value, text) in [
        ("49", ""),
        ("4d636166e9", "café"),
        (LONG, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ("7a06e282ac757632", "€uv2"),
        ("7a0661f09f988062", "a😀b"),
        ("7c022d4e", "中"),
        ("7d024e2d", "中"),
        ("7b024e2d", "中"),
        ("38fa", "250"),
        ("ff", "-1"),
        ("4586a0", "100000"),
        ("48000f4240", "1000000"),
        ("37ef", "-17"),
        ("440bb8", "3000"),
        ("e5", "5"),
        ("d3e8", "1000"),
        ("c586a0", "100000"),
        ("bf000f4240", "1000000"),
        ("be000000e8d4a51000", "1000000000000"),
        ("b1", "true"),
        ("b0", "false"),
        ("b53ff8000000000000", "1.5"),
        ("b2", "0.0"),
        ("b4ec", "12.0"),
        ("b73fc00000", "1.5"),
        ("bc0007", "7"),
        ("bd07", "7"),
    ] {
        let head = decode(&fastjson2_with(&format!("a6 4a78 {value} 4a79 4a7a a5")));
        assert_eq!(get(&head, "x").as_deref(), Some(text), "{value}");
        assert_eq!(get(&head, "y").as_deref(), Some("z"), "{value}");
    }
}

/// 48 times "a", one more than fits in a tag.
const LONG: &str = concat!(
    "793830",
    "616161616161616161616161616161616161616161616161",
    "616161616161616161616161616161616161616161616161",
);

/// Values written by fastjson2 2.0.57, none of which has a text.
const OPAQUE: [&str; 24] = [
    "aa07e801020304050653417369612f546f6b796f",
    "a701020304",
    "a807e8010203040506",
    "a907e80102",
    "aee506",
    "ab0000001cbe991a83",
    "ac00000000",
    "b902387d",
    "b902bb0e009bd30a3c645943dd1690a03a21",
    "bae5",
    "bb0d018ee90ff6c373e0ee4e3f0ad2",
    "903863",
    "911000000000000000010000000000000002",
    "aa07e80102030405064f2b30393a3030",
    "924b5b490097010203",
    "92505b537472696e6700964a614a62",
    "a4144a784a784a784a784a784a784a784a784a784a784a784a784a784a784a784a784a784a784a784a78",
    "925f6a6176612e6c616e672e546872656164245374617465004c4e4557",
    "924b5b4a0095e1",
    "a6a5",
    "924b4c4d00a64c6e696caf4a614a62a5",
    "934f242e73656c66",
    "92 5952756e74696d65457863657074696f6e 00 a6 7f5664657461696c4d657373616765 01 516e6f20726f757465
     7f53737461636b5472616365 02 94 7f5d73757070726573736564457863657074696f6e73 03
     92686a6176612e7574696c2e436f6c6c656374696f6e7324456d7074794c697374 04 94 a5",
    "af",
];

#[test]
fn fastjson2_values_of_any_kind_are_passed_over() {
    for value in OPAQUE {
        let head = decode(&fastjson2_with(&format!("a6 4a78 {value} 4a79 4a7a a5")));
        assert_eq!(get(&head, "x").as_deref(), Some(""), "{value}");
        assert_eq!(get(&head, "y").as_deref(), Some("z"), "{value}");
    }
}

#[test]
fn fastjson2_maps_come_with_types_and_symbols() {
    for attachments in [
        "924b4c4d00 a64a784a79a5",
        "925a436f6e63757272656e74486173684d617000 a64a784a79a5",
        "a6 7f4a7800 4a79 a5",
    ] {
        let head = decode(&fastjson2_with(attachments));
        assert_eq!(get(&head, "x").as_deref(), Some("y"), "{attachments}");
    }
    for attachments in ["af", "a6a5"] {
        assert_eq!(
            decode(&fastjson2_with(attachments))
                .metadata()
                .iter()
                .count(),
            0
        );
    }
}

fn set(wire: &Bytes, name: &str, value: &str) -> (Written, Bytes) {
    let mut head = decode(wire);
    head.set(&Name::new(name), value.as_bytes());
    encode(1, &head)
}

#[test]
fn fastjson2_attachments_are_spliced() {
    for (before, after) in [
        ("a6 4a61 4a62 a5", "a6 4a61 4a62 4a78 4a79 a5"),
        ("a6a5", "a6 4a78 4a79 a5"),
        ("af", "a6 4a78 4a79 a5"),
        ("a6 4a78 38fa 4a61 4a62 a5", "a6 4a61 4a62 4a78 4a79 a5"),
        (
            "924b4c4d00 a6 4a61 4a62 a5",
            "924b4c4d00 a6 4a61 4a62 4a78 4a79 a5",
        ),
    ] {
        let expected = (Written::Whole, fastjson2_with(after));
        assert_eq!(set(&fastjson2_with(before), "x", "y"), expected, "{before}");
    }
    for value in ["a6a5", "934f242e73656c66", "7f4a7100", "924b5b490097010203"] {
        let wire = fastjson2_with(&format!("a6 4a78 {value} a5"));
        assert_eq!(set(&wire, "x", "y"), (Written::Unmodified, wire), "{value}");
    }
}

#[test]
fn fastjson2_services_are_rewritten() {
    let (written, wire) = set(&fastjson2_request(), "service", "org.demo.HelloV2");
    assert_eq!(written, Written::Whole);
    let head = decode(&wire);
    for name in ["service", "path"] {
        assert_eq!(
            get(&head, name).as_deref(),
            Some("org.demo.HelloV2"),
            "{name}"
        );
    }
    assert_eq!(get(&head, "group").as_deref(), Some("g1"));
}

#[test]
fn fastjson2_responses_gain_attachments() {
    let echo = decode(&fastjson2_request()).echo;
    let mut head = decode(&message(23, 20, 1, &bytes("00000002bd01 000000034b6869")));
    head.echo = echo;
    head.set(&Name::new("x"), b"y");
    let expected = "00000002bd04 000000034b6869 00000006 a64a784a79a5";
    assert_eq!(
        encode(1, &head),
        (Written::Whole, message(23, 20, 1, &bytes(expected)))
    );
}

#[test]
fn what_cannot_be_written_stays_as_it_was() {
    for wire in [
        fastjson_request(),
        protobuf_request(),
        message(0xc8, 0, 1, b"kryo"),
    ] {
        assert_eq!(set(&wire, "x", "y"), (Written::Unmodified, wire.clone()));
        assert_eq!(set(&wire, "service", "y"), (Written::Unmodified, wire));
    }
}

#[test]
fn what_cannot_be_read_is_absent() {
    let hostile = [
        &b""[..],
        b"\x7f\xff\xff\xff",
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x05\x79\x48\x7f\xff\xff",
        b"\"2.0.2\"\n\"unclosed",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"{\n[\n",
    ];
    for id in [6, 22, 23] {
        for body in hostile {
            let wire = message(0xc0 | id, 0, 1, body);
            let head = decode(&wire);
            assert_eq!((head.service(), head.fault()), (&b""[..], None));
            assert_eq!(head.metadata().iter().count(), 0);
            assert_eq!(set(&wire, "x", "y"), (Written::Unmodified, wire));
        }
    }
}

#[test]
fn responses_say_how_the_call_ended() {
    for (id, body, outcome) in [
        (23, "00000002bd00 00000001af", Outcome::BUSINESS_ERROR),
        (23, "0000000104 000000034b6869", Outcome::OK),
        (6, "300a7b7d0a", Outcome::BUSINESS_ERROR),
        (6, "310a7b7d0a", Outcome::OK),
        (22, "00 020a00", Outcome::BUSINESS_ERROR),
        (22, "020803 00", Outcome::BUSINESS_ERROR),
        (22, "020802", Outcome::OK),
        (8, "00", Outcome::OK),
        (23, "", Outcome::OK),
    ] {
        let head = decode(&message(id, 20, 1, &bytes(body)));
        assert_eq!(head.outcome, outcome, "{id}: {body}");
    }
}
