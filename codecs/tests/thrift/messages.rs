//! Messages as the Python library of Apache Thrift writes them, and envelopes around them.

use bytes::Bytes;

use crate::vectors::bytes;

/// Call of `hi`, sequence id 1: {1: "bob", 2: i32 -5, 3: true, 4: list<i64>, 20: map<string, i32>}.
pub(crate) const T1: &str = "80010001000000026869000000010b000100000003626f62080002fffffffb020003010f00040a000000020000000000000001ffffffffffffffff0d00140b080000000100000001610000000100";
/// The same in the old binary protocol.
pub(crate) const T2: &str = "00000002686901000000010b000100000003626f62080002fffffffb020003010f00040a000000020000000000000001ffffffffffffffff0d00140b080000000100000001610000000100";
/// The same in the compact protocol.
pub(crate) const T3: &str = "8221010268691803626f62150911192602010b28018501610200";
/// Compact one-way call of `hi`, sequence id -1.
pub(crate) const T3N: &str = "8281ffffffff0f02686900";
/// Multiplexed call of `Calc:add`, sequence id 7.
pub(crate) const T4: &str = "800100010000000843616c633a6164640000000700";
/// Exception that answers it: unknown method, "no route".
pub(crate) const T5: &str =
    "8001000300000003616464000000070b0001000000086e6f20726f7574650800020000000100";
/// Compact exception: internal error, "no upstream".
pub(crate) const T5C: &str = "82610703616464180b6e6f20757073747265616d150c00";
/// THeader, binary, one pair.
pub(crate) const T6: &str =
    "000000210fff000000000001000200000101016b0176800100010000000268690000000100";
/// THeader, compact, no pairs.
pub(crate) const T7: &str = "000000150fff00000000000100010200000082210102686900";
/// Finagle asks whether the server knows its extension.
pub(crate) const T8: &str =
    "800100010000001b5f5f63616e5f5f66696e61676c655f5f74726163655f5f76335f5f0000000000";
/// THeader, binary, zlib, one pair, the arguments of T1.
pub(crate) const T9: &str = "000000540fff00000000000100030001010101016b0176000000789c6b60646064606060cac804928cdc600e73527e120703d3ffffff7f33313033f233b0708194304000e37f28e06510e1e6000980702298010036350f51";
/// Finagle's extension in use: a request header, then a call, in one frame.
pub(crate) const T10: &str = "0000004e0a000100000000000000010a00020000000000000002020005010a000700000000000000000f00080c000000010b0001000000016b0b000200000001760000800100010000000268690000000100";
/// And the response to it.
pub(crate) const T10R: &str = "0000001000800100020000000268690000000100";

/// The bytes of a message, alone.
pub(crate) fn unframed(hex: &str) -> Bytes {
    bytes(hex).into()
}

/// The message behind its length.
pub(crate) fn framed(hex: &str) -> Bytes {
    let message = bytes(hex);
    [&(message.len() as u32).to_be_bytes()[..], &message]
        .concat()
        .into()
}

/// The message in THeader, with sequence id `outer` and these header data, which are padded.
pub(crate) fn header(outer: u32, data: &str, payload: &[u8]) -> Bytes {
    let mut data = bytes(data);
    data.resize(data.len().next_multiple_of(4), 0);
    let words = (data.len() / 4) as u16;
    let len = (10 + data.len() + payload.len()) as u32;
    [
        &len.to_be_bytes()[..],
        &[0x0f, 0xff, 0, 0],
        &outer.to_be_bytes(),
        &words.to_be_bytes(),
        &data,
        payload,
    ]
    .concat()
    .into()
}

/// Calls in strict binary: plain, multiplexed, one-way.
pub(crate) const BINARY_CALLS: [&str; 3] = [T1, T4, "80010004000000026869ffffffff00"];
/// Calls in the old binary protocol.
pub(crate) const LAX_CALLS: [&str; 2] = [T2, "0000000843616c633a616464010000000700"];
/// Calls in the compact protocol: plain, one-way, multiplexed.
pub(crate) const COMPACT_CALLS: [&str; 3] = [T3, T3N, "8221070843616c633a61646400"];

/// Answers in strict binary: exception, void result, i32 result, declared exception.
pub(crate) const BINARY_ANSWERS: [&str; 4] = [
    T5,
    "8001000200000003616464ffffffff00",
    "80010002000000036164640000000708000000000005 00",
    "8001000200000003616464000000070c00010b0001000000016e0000",
];
/// Answers in the old binary protocol.
pub(crate) const LAX_ANSWERS: [&str; 2] = [
    "0000000361646403000000070b0001000000086e6f20726f7574650800020000000100",
    "000000036164640200000007 00",
];
/// Answers in the compact protocol: exception, void result, i32 result, declared exception.
pub(crate) const COMPACT_ANSWERS: [&str; 4] = [
    T5C,
    "82410703616464 00",
    "82410703616464 05000a 00",
    "82410703616464 1c18016e0000",
];

/// Each of `messages` behind its length.
pub(crate) fn all_framed(messages: &[&str]) -> Vec<Bytes> {
    messages.iter().map(|hex| framed(hex)).collect()
}

/// Each of `messages` alone.
pub(crate) fn all_unframed(messages: &[&str]) -> Vec<Bytes> {
    messages.iter().map(|hex| unframed(hex)).collect()
}

/// Each of `messages` in THeader: with pairs, without, and with a block that nobody knows.
pub(crate) fn all_in_header(protocol: &str, messages: &[&str]) -> Vec<Bytes> {
    let data = [
        "00 0102 016b0176 0474726163 0161",
        "00",
        "00 0101 016b0176 0505ff01",
        "00 0101 016b0176 0101 014b00",
    ];
    let each = messages
        .iter()
        .flat_map(|hex| data.iter().map(move |data| (hex, data)));
    each.map(|(hex, data)| header(7, &format!("{protocol}{data}"), &bytes(hex)))
        .collect()
}

/// Each of `messages` in THeader, behind zlib.
pub(crate) fn all_deflated(protocol: &str, messages: &[&str]) -> Vec<Bytes> {
    let data = format!("{protocol} 0101 0101 016b0176");
    let each = messages.iter().map(|hex| deflate(&bytes(hex)));
    each.map(|payload| header(7, &data, &payload)).collect()
}

/// `plain` as a zlib stream.
pub(crate) fn deflate(plain: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut stream = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    stream.write_all(plain).expect("memory has room");
    stream.finish().expect("memory has room")
}
