//! Hessian 2.0 values as the real libraries write them, and as nobody should.

mod vectors;

use proptest::prelude::*;
use sabir_codecs::dubbo::hessian2::{
    Field, Skipper, read_int, read_map, read_string, skip_string, write_exception, write_int,
    write_string,
};
use sabir_codecs::dubbo::{BodyError, Cursor, Entry, Fault, MapSpan, Text};

use vectors::bytes;

/// Short values: the ids are those of the vectors' list, most were written by Java's Hessian2Output, the
/// rest read by its Hessian2Input.
const SHORT: &[(&str, &str)] = &[
    ("S1", "05322e302e32"),
    ("S2", "01c3a9"),
    ("S2", "01e282ac"),
    ("S3", "0461eda0bdedb88062"),
    ("I1", "90"),
    ("I1", "80"),
    ("I1", "bf"),
    ("I1", "c830"),
    ("I1", "c7ef"),
    ("I1", "cfff"),
    ("I1", "d40800"),
    ("I1", "d7ffff"),
    ("I1", "4900040000"),
    ("I1", "4980000000"),
    ("L1", "e0"),
    ("L1", "f810"),
    ("L1", "3c0800"),
    ("L1", "5900040000"),
    ("L1", "4c0000000080000000"),
    ("F1", "5b"),
    ("F1", "5c"),
    ("F1", "5d7f"),
    ("F1", "5e0080"),
    ("F1", "5f00002fda"),
    ("F1", "44400921fb54442d18"),
    ("T1", "4a000000d04b9284b8"),
    ("T1", "4b00e3838f"),
    ("B1", "23000000"),
    ("M1", "48016b01765a"),
    (
        "M2",
        "4d176a6176612e7574696c2e4c696e6b6564486173684d6170016b01765a",
    ),
    ("A1", "72075b737472696e6701610162"),
    ("A2", "5899909192939495969798"),
    (
        "N1",
        "74075b6f626a65637448016b01765a51914d176a6176612e7574696c2e4c696e6b6564486173684d6170016b01765a4d915a",
    ),
    ("O1", "4305484f24507493046e657874016e017860519002686997"),
    (
        "E1",
        "431a6a6176612e6c616e672e52756e74696d65457863657074696f6e910d64657461696c4d65737361676560086e6f20726f757465",
    ),
    (
        "E2",
        "4330216f72672e6170616368652e647562626f2e7270632e527063457863657074696f6e920d64657461696c4d65737361676504636f6465600c72617465206c696d6974656497",
    ),
    ("booleans and null", "54"),
    ("booleans and null", "46"),
    ("booleans and null", "4e"),
    ("variable untyped list", "5790016191915a"),
    ("variable typed list", "55016190915a"),
    ("fixed typed list", "560161929091"),
    ("object by int", "430141910166 4f9090"),
];

/// The short values, and long ones.
fn values() -> Vec<(&'static str, Vec<u8>)> {
    let short = SHORT.iter().map(|(id, hex)| (*id, bytes(hex)));
    let mut all: Vec<_> = short.collect();
    let filled = [
        ("S4", "3020", b'a', 32, ""),
        ("S5", "33ff", b'a', 1023, ""),
        ("S5", "530400", b'a', 1024, ""),
        ("S6", "528000", b'a', 32768, "0161"),
        ("S6, empty last chunk", "528000", b'a', 32768, "00"),
        ("S7", "538000", b'a', 32768, ""),
        ("B1", "3410", 0, 16, ""),
        ("B1", "420400", 0, 1024, ""),
    ];
    for (id, head, fill, count, tail) in filled {
        all.push((id, [bytes(head), vec![fill; count], bytes(tail)].concat()));
    }
    let rest = [bytes("37 2b"), vec![0; 811]].concat();
    all.push(("B1", [bytes("411ffd"), vec![0; 8189], rest].concat()));
    all
}

fn skip(body: &[u8]) -> Result<usize, BodyError> {
    let mut cursor = Cursor::new(body, 0);
    Skipper::default().skip(&mut cursor)?;
    Ok(cursor.offset())
}

#[test]
fn every_value_is_skipped_to_its_last_byte() {
    for (id, body) in values() {
        let padded = [&body[..], b"\x91\x91"].concat();
        assert_eq!(skip(&padded), Ok(body.len()), "{id}");
    }
}

#[test]
fn every_truncation_is_noticed() {
    for (id, body) in values() {
        for len in (0..body.len()).take(200) {
            let error = skip(&body[..len]).expect_err(id);
            assert!(
                matches!(error.fault, Fault::Truncated | Fault::CountTooLarge(_)),
                "{id} cut at {len}: {error}"
            );
        }
    }
}

#[test]
fn definitions_hold_for_the_rest_of_the_body() {
    // An object, then another of the same class; a typed list, then one of the same type.
    let body = bytes("43 0141 91 0178 60 91  60 92  71 0161 91  71 90 91");
    let (mut cursor, mut skipper) = (Cursor::new(&body, 0), Skipper::default());
    let mut ends = Vec::new();
    for _ in 0..4 {
        skipper.skip(&mut cursor).expect("a value");
        ends.push(cursor.offset());
    }
    assert_eq!(ends, [8, 10, 14, 17]);
}

#[test]
fn what_must_be_rejected_is() {
    let rejected = [
        (
            "X1",
            "58497fffffff",
            Fault::CountTooLarge(i64::from(i32::MAX)),
            1,
        ),
        ("X1, negative", "5849ffffffff", Fault::CountTooLarge(-1), 1),
        (
            "X2",
            "430141497fffffff",
            Fault::CountTooLarge(i64::from(i32::MAX)),
            3,
        ),
        ("X3", "60", Fault::UnknownClass(0), 1),
        ("X3, by int", "4f91", Fault::UnknownClass(1), 1),
        ("X4", "7193", Fault::UnknownType(3), 1),
        ("X4, negative", "718f", Fault::UnknownType(-1), 1),
        ("X5", "05616263", Fault::Truncated, 4),
        ("X6", "0461f09f988062", Fault::BadString(0xf0), 2),
        ("X8", "48016b0176", Fault::Truncated, 5),
        ("X9", "40", Fault::ReservedTag(0x40), 0),
        ("X9", "45", Fault::ReservedTag(0x45), 0),
        ("X9", "47", Fault::ReservedTag(0x47), 0),
        ("X9", "50", Fault::ReservedTag(0x50), 0),
        ("X9", "5a", Fault::StrayEnd, 0),
        ("X9, for a map's value", "48016b5a", Fault::StrayEnd, 3),
        ("X10", "5200016191", Fault::BrokenChunk(0x91), 4),
        ("X10, binary", "4100016191", Fault::BrokenChunk(0x91), 4),
        ("X11", "01c328", Fault::BadString(0x28), 2),
        (
            "a class name that is no string",
            "4391",
            Fault::NotString(0x91),
            1,
        ),
        ("a count that is no int", "58e0", Fault::NotInt(0xe0), 1),
        (
            "a negative reference",
            "518f",
            Fault::NegativeReference(-1),
            1,
        ),
    ];
    for (id, hex, fault, at) in rejected {
        assert_eq!(skip(&bytes(hex)), Err(BodyError { fault, at }), "{id}");
    }
}

#[test]
fn nesting_is_bounded_and_not_recursive() {
    // X7, and its last acceptable depth.
    let nested = |depth: usize| [vec![0x79; depth], vec![b'N']].concat();
    assert_eq!(skip(&nested(64)), Ok(65));
    let too_deep = skip(&nested(100)).expect_err("X7");
    assert_eq!(too_deep.fault, Fault::TooDeep);
    let hopeless = skip(&nested(1 << 20)).expect_err("a million lists");
    assert_eq!(hopeless.fault, Fault::TooDeep);
}

#[test]
fn definitions_are_bounded() {
    let class = bytes("43014190");
    let classes = [class.repeat(4096), vec![b'N']].concat();
    assert_eq!(skip(&classes), Ok(classes.len()));
    let classes = [class.repeat(4097), vec![b'N']].concat();
    let error = skip(&classes).expect_err("4097 classes");
    assert_eq!(error.fault, Fault::TooManyDefinitions);
    let types = [bytes("57"), bytes("700161").repeat(4097), bytes("5a")].concat();
    let error = skip(&types).expect_err("4097 types");
    assert_eq!(error.fault, Fault::TooManyDefinitions);
}

fn string(body: &[u8]) -> Result<Option<(Text, String)>, BodyError> {
    let text = read_string(&mut Cursor::new(body, 0))?;
    Ok(text.map(|text| (text.clone(), text.to_str(body).into_owned())))
}

#[test]
fn strings_in_one_utf8_chunk_are_not_copied() {
    for (hex, expected, range) in [
        ("05322e302e32", "2.0.2", 1..6),
        ("01c3a9", "é", 1..3),
        ("01e282ac", "€", 1..4),
        ("530005322e302e32", "2.0.2", 3..8),
        ("300141", "A", 2..3),
        ("0100", "\0", 1..2),
        ("00", "", 1..1),
    ] {
        let found = string(&bytes(hex));
        assert_eq!(
            found,
            Ok(Some((Text::At(range), expected.to_owned()))),
            "{hex}"
        );
    }
}

#[test]
fn strings_spelled_otherwise_become_utf8() {
    for (hex, expected) in [
        ("0461eda0bdedb88062", "a😀b"),
        ("520001610162", "ab"),
        ("5200016152000162 00", "ab"),
        ("520001eda0bd 01edb880", "😀"),
        ("01c080", "\0"),
        ("01eda0bd", "\u{fffd}"),
        ("02eda0bd61", "\u{fffd}a"),
        ("01edb880", "\u{fffd}"),
        ("02eda0bdeda0bd", "\u{fffd}\u{fffd}"),
    ] {
        let (text, value) = string(&bytes(hex)).expect(hex).expect(hex);
        assert_eq!(value, expected, "{hex}");
        assert!(matches!(text, Text::Own(_)), "{hex}");
    }
}

#[test]
fn null_takes_a_strings_place_and_nothing_else_does() {
    assert_eq!(string(b"N"), Ok(None));
    assert_eq!(
        string(b"\x91"),
        Err(BodyError {
            fault: Fault::NotString(0x91),
            at: 0
        })
    );
    assert_eq!(
        string(b""),
        Err(BodyError {
            fault: Fault::Truncated,
            at: 0
        })
    );
    assert_eq!(
        skip_string(&mut Cursor::new(b"N", 0)).map_err(|e| e.fault),
        Err(Fault::NotString(b'N'))
    );
}

#[test]
fn ints_are_read_in_every_form() {
    for (hex, expected) in [
        ("90", 0),
        ("80", -16),
        ("bf", 47),
        ("c830", 48),
        ("c7ef", -17),
        ("cfff", 2047),
        ("c000", -2048),
        ("d40800", 2048),
        ("d7ffff", 262_143),
        ("d00000", -262_144),
        ("4900040000", 262_144),
        ("4980000000", i32::MIN),
    ] {
        assert_eq!(
            read_int(&mut Cursor::new(&bytes(hex), 0)),
            Ok(expected),
            "{hex}"
        );
        let mut out = Vec::new();
        write_int(expected, &mut out);
        assert_eq!(out, bytes(hex), "{expected}");
    }
}

fn map(body: &[u8]) -> Result<(Vec<Entry>, MapSpan), BodyError> {
    let mut entries = Vec::new();
    let (mut cursor, mut skipper) = (Cursor::new(body, 0), Skipper::default());
    let span = read_map(&mut cursor, &mut skipper, |entry| entries.push(entry))?;
    assert_eq!(cursor.offset(), span.range().end);
    Ok((entries, span))
}

fn texts(body: &[u8]) -> Vec<(String, Option<String>)> {
    let (entries, _) = map(body).expect("a map");
    let text = |text: &Text| text.to_str(body).into_owned();
    entries
        .iter()
        .map(|entry| (text(&entry.key), entry.text.as_ref().map(text)))
        .collect()
}

#[test]
fn map_entries_say_where_they_stand() {
    let body = bytes("48 0161 0162  0163 c8fa  0164 4e  0165 48 5a  0166 51 90 5a  91");
    let (entries, span) = map(&body).expect("a map");
    let ranges: Vec<_> = entries.iter().map(|entry| entry.range.clone()).collect();
    assert_eq!(ranges, [1..5, 5..9, 9..12, 12..16, 16..20]);
    let removable: Vec<_> = entries.iter().map(|entry| entry.removable).collect();
    assert_eq!(removable, [true, true, true, false, true]);
    assert_eq!(span, MapSpan::Map { range: 0..21 });
}

#[test]
fn scalars_read_as_java_prints_them() {
    let body = bytes(
        "4d 0141  0161 c8fa  0162 54  0163 46  0164 f810  0165 5f00002fda  0166 5c
         0167 4c0000000080000000  0168 4a000000d04b9284b8  0169 3c0800 016a 5d7f 5a",
    );
    let expected = [
        ("a", Some("250")),
        ("b", Some("true")),
        ("c", Some("false")),
        ("d", Some("16")),
        ("e", Some("12.25")),
        ("f", Some("1.0")),
        ("g", Some("2147483648")),
        ("h", None),
        ("i", Some("2048")),
        ("j", Some("127.0")),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.map(str::to_owned)));
    assert_eq!(texts(&body), expected);
}

#[test]
fn absent_maps_are_tolerated_and_other_values_are_not() {
    for hex in ["4e", "00"] {
        let found = map(&bytes(hex));
        assert_eq!(
            found,
            Ok((Vec::new(), MapSpan::Absent { range: 0..1 })),
            "{hex}"
        );
    }
    for (hex, fault, at) in [
        ("91", Fault::NotMap(0x91), 0),
        ("0161", Fault::NotMap(1), 0),
        ("", Fault::Truncated, 0),
        ("48 91 0161 5a", Fault::NotString(0x91), 1),
        ("48 4e 0161 5a", Fault::NotString(b'N'), 1),
        ("48 0161", Fault::Truncated, 3),
        ("48 0161 5a", Fault::StrayEnd, 3),
        ("4d 91 5a", Fault::UnknownType(1), 1),
    ] {
        assert_eq!(map(&bytes(hex)), Err(BodyError { fault, at }), "{hex}");
    }
}

#[test]
fn strings_are_written_as_java_writes_them() {
    let a = |count| "a".repeat(count);
    for (text, head, tail) in [
        ("2.0.2".to_owned(), "05", "322e302e32"),
        ("é€".to_owned(), "02", "c3a9e282ac"),
        ("a😀b".to_owned(), "04", "61eda0bdedb88062"),
        (String::new(), "00", ""),
    ] {
        let mut out = Vec::new();
        write_string(&text, &mut out);
        assert_eq!(out, bytes(&format!("{head}{tail}")), "{text}");
    }
    for (count, head, tail) in [
        (31, "1f", ""),
        (32, "3020", ""),
        (1023, "33ff", ""),
        (1024, "530400", ""),
        (32768, "538000", ""),
    ] {
        let mut out = Vec::new();
        write_string(&a(count), &mut out);
        assert_eq!(
            out,
            [bytes(head), a(count).into_bytes(), bytes(tail)].concat(),
            "{count}"
        );
    }
    let mut out = Vec::new();
    write_string(&a(32769), &mut out);
    assert_eq!(
        out,
        [bytes("528000"), a(32768).into_bytes(), bytes("0161")].concat()
    );
}

#[test]
fn chunks_never_split_a_pair() {
    let text = format!("{}😀z", "a".repeat(32767));
    let mut out = Vec::new();
    write_string(&text, &mut out);
    assert_eq!(out[..3], bytes("527fff"));
    assert_eq!(out[3 + 32767..], bytes("03 eda0bd edb880 7a"));
}

#[test]
fn exceptions_are_written_as_java_reads_them() {
    let mut out = Vec::new();
    let fields = [("detailMessage", Field::Text("no route"))];
    write_exception("java.lang.RuntimeException", &fields, &mut out);
    assert_eq!(
        out,
        bytes(
            "431a6a6176612e6c616e672e52756e74696d65457863657074696f6e910d64657461696c4d65737361676560086e6f20726f757465"
        )
    );
    out.clear();
    let fields = [
        ("detailMessage", Field::Text("rate limited")),
        ("code", Field::Int(7)),
    ];
    write_exception("org.apache.dubbo.rpc.RpcException", &fields, &mut out);
    assert_eq!(
        out,
        bytes(
            "4330216f72672e6170616368652e647562626f2e7270632e527063457863657074696f6e920d64657461696c4d65737361676504636f6465600c72617465206c696d6974656497"
        )
    );
}

/// A value of [`values`] with some bytes changed, inserted or cut.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let bodies: Vec<_> = values()
        .into_iter()
        .map(|(_, body)| body)
        .filter(|body| body.len() < 200)
        .collect();
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4);
    (prop::sample::select(bodies), edits).prop_map(|(mut body, edits)| {
        for (index, byte, kind) in edits {
            if body.is_empty() {
                break;
            }
            let at = index.index(body.len());
            match kind {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => drop(body.remove(at)),
            }
        }
        body
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn arbitrary_bytes_end_in_a_value_or_an_error(body in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(end) = skip(&body) {
            prop_assert!(0 < end && end <= body.len());
        }
        let _ = string(&body);
        let _ = map(&body);
    }

    #[test]
    fn mutated_values_end_in_a_value_or_an_error(body in mutated()) {
        if let Ok(end) = skip(&body) {
            prop_assert!(0 < end && end <= body.len());
        }
        let _ = map(&[b"H\x01k", &body[..], b"Z"].concat());
    }

    #[test]
    fn strings_survive(text in "[a-zé€😀]{0,40}|\\PC{0,40}") {
        let mut out = Vec::new();
        write_string(&text, &mut out);
        prop_assert_eq!(skip(&out), Ok(out.len()));
        let (_, value) = string(&out).expect("written above").expect("not null");
        prop_assert_eq!(value, text);
    }

    #[test]
    fn ints_survive(value in any::<i32>()) {
        let mut out = Vec::new();
        write_int(value, &mut out);
        prop_assert_eq!(read_int(&mut Cursor::new(&out, 0)), Ok(value));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn long_strings_survive(unit in "[aé€😀]{1,3}", units in 32_700..32_900_usize) {
        let text = unit.repeat(units / unit.chars().count());
        let mut out = Vec::new();
        write_string(&text, &mut out);
        prop_assert_eq!(skip(&out), Ok(out.len()));
    }
}
