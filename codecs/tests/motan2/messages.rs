//! Messages as real peers write them.
//!
//! Headers were compared with Java's `MotanV2Header`, bodies with its `SimpleSerialization`.

use bytes::Bytes;

use crate::vectors::bytes;

fn wire(hex: &str) -> Bytes {
    bytes(hex).into()
}

/// A request for `hi("bob", -3)`, id 1, simple.
pub(crate) fn m1() -> Bytes {
    wire(
        "f1f10008300000000000000001000000314d5f700a636f6d2e64656d6f2e48656c6c6f0a4d5f6d0a6869
        0a4d5f670a67310a4d5f760a312e300a4d5f730a617070310000000a0100000003626f620905",
    )
}

/// M1 with `x-trace: t1`.
pub(crate) fn m1_traced() -> Bytes {
    wire(
        "f1f100083000000000000000010000003c4d5f700a636f6d2e64656d6f2e48656c6c6f0a4d5f6d0a6869
        0a4d5f670a67310a4d5f760a312e300a4d5f730a617070310a782d74726163650a74310000000a01000000
        03626f620905",
    )
}

/// The response "hi bob", which took 3 ms.
pub(crate) fn m2() -> Bytes {
    wire("f1f10108300000000000000001000000064d5f70740a330000000b0100000006686920626f62")
}

/// An exception: 404, "no route", service.
pub(crate) fn m3() -> Bytes {
    wire(
        "f1f10109300000000000000001000000334d5f650a7b22657272636f6465223a3430342c226572726d7367
        223a226e6f20726f757465222c2265727274797065223a317d00000000",
    )
}

/// A heartbeat of Java.
pub(crate) fn m4a() -> Bytes {
    wire("f1f110080800000000000000020000000000000000")
}

/// Its answer.
pub(crate) fn m4b() -> Bytes {
    wire("f1f111080800000000000000020000000000000000")
}

/// A heartbeat of motan-go.
pub(crate) fn m4c() -> Bytes {
    wire("f1f112083000000000000000020000000000000000")
}

/// A one-way request through an agent, without body.
pub(crate) fn m5() -> Bytes {
    wire("f1f106083000000000000000030000000b4d5f700a530a4d5f6d0a6600000000")
}

/// A heartbeat of motan1.
pub(crate) fn m6() -> Bytes {
    wire(
        "f1f1000000000000000000050000004ef0f0010000000000000000050000003eaced000577380021636f6d
        2e776569626f2e6170692e6d6f74616e2e7270632e68656172746265617400096865617274626561740004
        766f696400000000",
    )
}

/// Its answer.
pub(crate) fn m6r() -> Bytes {
    wire(
        "f1f10001000000000000000500000051f0f00101000000000000000500000041aced0005771a0000000000
        00000000106a6176612e6c616e672e537472696e67757200025b42acf317f8060854e00200007870000000
        0a09686561727462656174",
    )
}

/// A message of Motan2 with id 1.
pub(crate) fn message(
    flags: u8,
    status: u8,
    serialization: u8,
    metadata: &[u8],
    body: &[u8],
) -> Bytes {
    let header = [0xf1, 0xf1, flags, 1 << 3 | status, serialization << 3];
    [
        &header[..],
        &1_u64.to_be_bytes(),
        &(metadata.len() as u32).to_be_bytes(),
        metadata,
        &(body.len() as u32).to_be_bytes(),
        body,
    ]
    .concat()
    .into()
}

/// A request in the simple serialization with these metadata.
pub(crate) fn request(metadata: &str) -> Bytes {
    message(0, 0, 6, metadata.as_bytes(), b"\x00")
}

/// A response with these metadata and status.
pub(crate) fn response(status: u8, metadata: &str) -> Bytes {
    message(1, status, 6, metadata.as_bytes(), b"\x00")
}

/// `simple` bytes of sixty letters, compressed by gzip.
pub(crate) const GZIPPED: &str = "1f8b080000000000020363646060b0a9a00000007a4aef6141000000";

/// A motan1 message with id 9 around an object stream.
pub(crate) fn motan1(kind: u8, variant: u8, flag: u8, stream: &[u8]) -> Bytes {
    let id = 9_u64.to_be_bytes();
    let len = |len: usize| (len as u32).to_be_bytes();
    [
        &[0xf1, 0xf1, 0, kind][..],
        &id,
        &len(stream.len() + 16),
        &[0xf0, 0xf0, variant, flag],
        &id,
        &len(stream.len()),
        stream,
    ]
    .concat()
    .into()
}

/// A string of an object stream's block.
pub(crate) fn utf(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat()
}

/// A short block.
pub(crate) fn block(octets: &[u8]) -> Vec<u8> {
    let len = u8::try_from(octets.len()).expect("a short block");
    [&[0x77, len], octets].concat()
}

/// The block that starts a call of `hi` of `com.demo.Hello`.
pub(crate) fn called() -> Vec<u8> {
    [
        utf("com.demo.Hello"),
        utf("hi"),
        utf("java.lang.String,long"),
    ]
    .concat()
}

/// Attachments of a call.
pub(crate) fn attachments() -> Vec<u8> {
    let pairs = ["group", "g1", "version", "1.0", "application", "app1"];
    [&[0, 0, 0, 3], &pairs.map(utf).concat()[..]].concat()
}

const START: [u8; 4] = [0xac, 0xed, 0x00, 0x05];
const BYTES: &str = "757200025b42acf317f8060854e002000078 70";

/// A call of motan1 with two arguments, a null and attachments.
pub(crate) fn motan1_request() -> Bytes {
    let first = [bytes(BYTES), bytes("00000004 03626f62")].concat();
    let second = bytes("75 71 007e0000 00000001 ed");
    let stream = [
        &START,
        &block(&called())[..],
        &first,
        &second,
        b"\x70",
        &block(&attachments()),
    ];
    motan1(0, 1, 0, &stream.concat())
}

/// A call of motan1 without arguments, cut into blocks of seven octets.
pub(crate) fn motan1_in_blocks() -> Bytes {
    let sequence = [called(), attachments()].concat();
    let blocks: Vec<u8> = sequence.chunks(7).flat_map(block).collect();
    motan1(0, 1, 0, &[&START[..], &blocks].concat())
}

/// An object stream of these octets.
pub(crate) fn stream(octets: &[u8]) -> Vec<u8> {
    [&START, octets].concat()
}

/// An exception of motan1 of this class.
pub(crate) fn motan1_exception(class: &str) -> Bytes {
    let head = [&[0; 8][..], &utf(class)].concat();
    let value = [bytes(BYTES), bytes("00000001 4e")].concat();
    motan1(1, 1, 5, &stream(&[block(&head), value].concat()))
}

/// Requests of every kind.
pub(crate) fn requests() -> Vec<Bytes> {
    let body = bytes(GZIPPED);
    let named = b"M_p\nS\nM_m\nf";
    let mut requests = vec![
        m1(),
        m1_traced(),
        m5(),
        // Compressed, with and without an agent.
        message(0x08, 0, 6, named, &body),
        message(0x0a, 0, 6, named, &body),
        // A trailing newline; an empty value, in the middle and last; a key twice.
        request("M_p\nS\nM_m\nf\n"),
        request("M_p\nS\nempty\n\nM_m\nf"),
        request("M_p\nS\nM_m\nf\nlast\n"),
        request("M_p\nold\nx\n1\nM_p\nS\nM_m\nf\nx\n2"),
        request("M_m\nf\nM_p\nS\nM_md\njava.lang.String\nM_tmo\n200\nzoë\n你好"),
        motan1_request(),
        motan1_in_blocks(),
        motan1(0, 2, 0, &body),
        motan1(
            0,
            2,
            0,
            &stream(&block(&[utf("1"), utf("a1b2c3")].concat())),
        ),
    ];
    requests.extend((0..32).map(|serialization| message(0, 0, serialization, named, b"opaque")));
    requests
}

/// A request whose body is longer than what is copied on the way out.
pub(crate) fn long_request() -> Bytes {
    message(0, 0, 0, b"M_p\nS\nM_m\nf", &[0xf1; 10_000])
}

/// Responses of all kinds.
pub(crate) fn responses() -> Vec<Bytes> {
    let mut responses = vec![
        m2(),
        m3(),
        m6r(),
        message(0x09, 0, 6, b"M_pt\n1", &bytes(GZIPPED)),
        message(0x0b, 0, 6, b"", &bytes(GZIPPED)),
        message(0x03, 0, 6, b"", b"\x00"),
        response(1, ""),
        response(1, "M_e\nnonsense"),
        response(0, "odd"),
        response(0, "\n\n"),
        motan1_exception("com.weibo.api.motan.exception.MotanBizException"),
        motan1(1, 1, 3, &stream(&block(&[0; 8]))),
        motan1(1, 2, 1, &bytes(GZIPPED)),
    ];
    responses.extend((1..8).map(|status| response(status, "M_pt\n1")));
    responses
}

/// Messages that a connection handles itself.
pub(crate) fn heartbeats() -> Vec<Bytes> {
    vec![
        m4a(),
        m4b(),
        m4c(),
        m6(),
        // With a little of what none has.
        message(0x10, 0, 1, b"a\nb", b"N"),
        message(0x13, 0, 6, b"", b""),
    ]
}
