//! Whole messages.

use bytes::Bytes;

use crate::vectors::bytes;

/// A message with this header and body.
pub(crate) fn message(flags: u8, status: u8, id: u64, body: &[u8]) -> Bytes {
    let len = u32::try_from(body.len()).expect("a short body");
    let header = [
        &[0xda, 0xbb, flags, status][..],
        &id.to_be_bytes(),
        &len.to_be_bytes(),
    ];
    [&header.concat(), body].concat().into()
}

fn hex(digits: &str) -> Bytes {
    bytes(digits).into()
}

/// Two-way request, id 1, `org.demo.Hello`/0.0.0/`hi("bob")`, group g1, timeout 1000.
pub(crate) fn d1() -> Bytes {
    hex("dabbc20000000000000000010000008805322e302e320e6f72672e64656d6f2e48656c6c6f05302e302e30026869
         124c6a6176612f6c616e672f537472696e673b03626f624804706174680e6f72672e64656d6f2e48656c6c6f
         09696e746572666163650e6f72672e64656d6f2e48656c6c6f0776657273696f6e05302e302e300567726f757002
         67310774696d656f757404313030305a")
}

/// Reply with a value, "hi bob", and attachments.
pub(crate) fn d2() -> Bytes {
    hex("dabb02140000000000000001000000169406686920626f624805647562626f05322e302e325a")
}

/// Heartbeat request.
pub(crate) fn d3a() -> Bytes {
    hex("dabbe2000000000000000002000000014e")
}

/// Heartbeat response.
pub(crate) fn d3b() -> Bytes {
    hex("dabb22140000000000000002000000014e")
}

/// Read-only event.
pub(crate) fn d4() -> Bytes {
    hex("dabba2000000000000000003000000020152")
}

/// Error with status 60, "no route".
pub(crate) fn d5() -> Bytes {
    hex("dabb023c000000000000000100000009086e6f20726f757465")
}

/// RpcException("rate limited", 7) with attachments.
pub(crate) fn d6() -> Bytes {
    hex("dabb0214000000000000000100000056934330216f72672e6170616368652e647562626f2e7270632e52706345786365
         7074696f6e920d64657461696c4d65737361676504636f6465600c72617465206c696d69746564974805647562626f05322e302e325a")
}

/// Request id -2, null version, an array, an object that references itself, null; `_TO` an Integer.
pub(crate) fn d7() -> Bytes {
    hex("dabbc200fffffffffffffffe0000009605322e302e320e6f72672e64656d6f2e48656c6c6f4e036d6978302f5b4c6a61
         76612f6c616e672f537472696e673b4c6f72672f64656d6f2f503b4c6a6176612f7574696c2f4c6973743b72075b7374
         72696e6701610162430a6f72672e64656d6f2e509201780473656c66609751914e4804706174680e6f72672e64656d6f
         2e48656c6c6f035f544fc8fa0567726f75700267315a")
}

/// D7 with the attachment `x-trace: t1`.
pub(crate) fn d7_traced() -> Bytes {
    hex("dabbc200fffffffffffffffe000000a105322e302e320e6f72672e64656d6f2e48656c6c6f4e036d6978302f5b4c6a61
         76612f6c616e672f537472696e673b4c6f72672f64656d6f2f503b4c6a6176612f7574696c2f4c6973743b72075b7374
         72696e6701610162430a6f72672e64656d6f2e509201780473656c66609751914e4804706174680e6f72672e64656d6f
         2e48656c6c6f035f544fc8fa0567726f757002673107782d74726163650274315a")
}

/// One-way request without arguments.
pub(crate) fn d8() -> Bytes {
    hex("dabb820000000000000000090000003705322e302e320e6f72672e64656d6f2e48656c6c6f05302e302e30046669726500
         4804706174680e6f72672e64656d6f2e48656c6c6f5a")
}

/// Appends a string of up to 31 ASCII characters, or a longer one of up to 1023.
pub(crate) fn text(value: &str, body: &mut Vec<u8>) {
    match value.len() {
        len @ 0..=31 => body.push(len as u8),
        len => body.extend_from_slice(&[0x30 + (len >> 8) as u8, len as u8]),
    }
    body.extend_from_slice(value.as_bytes());
}

/// The body of a request: the five strings, the arguments as they are, the attachments as they are.
pub(crate) fn request_body(strings: [&str; 5], arguments: &[u8], attachments: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for string in strings {
        text(string, &mut body);
    }
    [&body[..], arguments, attachments].concat()
}

/// A map of strings.
pub(crate) fn map(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut map = vec![b'H'];
    for (key, value) in pairs {
        text(key, &mut map);
        text(value, &mut map);
    }
    map.push(b'Z');
    map
}

/// A generic call of `real`.
pub(crate) fn generic(method: &str, real: &str) -> Bytes {
    let mut arguments = Vec::new();
    text(real, &mut arguments);
    // String[]{"java.lang.String"}, Object[]{"bob"}
    arguments.extend_from_slice(&bytes("71 07 5b737472696e67"));
    text("java.lang.String", &mut arguments);
    arguments.extend_from_slice(&bytes("71 07 5b6f626a656374 03 626f62"));
    let descriptor = "Ljava/lang/String;[Ljava/lang/String;[Ljava/lang/Object;";
    let strings = ["2.0.2", "org.demo.Hello", "1.0.0", method, descriptor];
    let attachments = map(&[("path", "org.demo.Hello"), ("generic", "true")]);
    message(0xc2, 0, 5, &request_body(strings, &arguments, &attachments))
}

/// A request without arguments from a caller with this protocol version and these attachments.
pub(crate) fn plain(protocol: &str, attachments: &[u8]) -> Bytes {
    let strings = [protocol, "org.demo.Hello", "1.0.0", "hi", ""];
    message(0xc2, 0, 6, &request_body(strings, b"", attachments))
}

/// A request with a callback argument, which travels as null.
pub(crate) fn with_callback() -> Bytes {
    let strings = [
        "2.0.2",
        "org.demo.Hello",
        "1.0.0",
        "watch",
        "Lorg/demo/Listener;",
    ];
    let attachments = map(&[("path", "org.demo.Hello"), ("sys_callback_arg-0", "12345")]);
    message(0xc2, 0, 7, &request_body(strings, b"N", &attachments))
}

/// A request with a string of three chunks of `units` characters for an argument.
pub(crate) fn large(units: u16) -> Bytes {
    let mut argument = Vec::new();
    for _ in 0..3 {
        argument.push(b'R');
        argument.extend_from_slice(&units.to_be_bytes());
        argument.extend_from_slice(&vec![b'x'; units.into()]);
    }
    argument.push(0);
    let strings = [
        "2.0.2",
        "org.demo.Hello",
        "1.0.0",
        "put",
        "Ljava/lang/String;",
    ];
    let attachments = map(&[("path", "org.demo.Hello"), ("group", "g1")]);
    message(0xc2, 0, 8, &request_body(strings, &argument, &attachments))
}

/// Requests of every kind.
pub(crate) fn requests() -> Vec<Bytes> {
    vec![
        d1(),
        d7(),
        d7_traced(),
        d8(),
        generic("$invoke", "sayHello"),
        generic("$invokeAsync", "sayHello"),
        plain("2.0.2", b"N"),
        plain("2.0.2", b"HZ"),
        plain("2.0.2", b"\x00"),
        plain("2.5.3", b"HZN"),
        with_callback(),
        large(1800),
        // A typed map; an attachment that is a map, and another.
        plain("2.0.2", &bytes("4d0161 0161 48 0162 0163 5a 0164 0165 5a")),
        crate::serializations::fastjson2_request(),
        crate::serializations::fastjson_request(),
        crate::serializations::protobuf_request(),
        message(0xc0 | 8, 0, 9, b"kryo, perhaps"),
    ]
}

/// Responses of all kinds and of every status.
pub(crate) fn responses() -> Vec<Bytes> {
    let mut responses = vec![d2(), d5(), d6()];
    for body in [
        "90 431a6a6176612e6c616e672e52756e74696d65457863657074696f6e910d64657461696c4d65737361676560086e6f20726f757465",
        "91 06686920626f62",
        "91 06686920626f62 4e",
        "92",
        "924e",
        "95 4805647562626f05322e302e325a",
        "95 4805647562626f05322e302e325a 4e",
        "94 91 4e",
    ] {
        responses.push(message(0x02, 20, 3, &bytes(body)));
    }
    for status in [25, 30, 31, 35, 40, 50, 60, 70, 80, 90, 100, 77] {
        responses.push(message(0x02, status, 4, b"\x04oops"));
    }
    responses.push(message(8, 20, 9, b"kryo, perhaps"));
    responses.extend(crate::serializations::responses());
    responses
}

/// Messages that a connection handles itself.
pub(crate) fn events() -> Vec<Bytes> {
    vec![
        d3a(),
        d3b(),
        d4(),
        // Writeable; heartbeats as dubbo-go, fastjson2 and protobuf write them; one-way; unknown.
        message(0xa2, 0, 3, b"\x01W"),
        message(0xe2, 0, 2, b"NN"),
        message(0xf7, 0, 2, &bytes("00000001af")),
        message(0xf6, 0, 2, &bytes("030a0148")),
        message(0xa2, 0, 2, b"N"),
        message(0xa2, 0, 2, b"\x03huh"),
        message(0xe8, 0, 2, b"\x00"),
    ]
}
