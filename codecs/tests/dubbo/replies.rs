//! Answers of sabir's own.

use bytes::Bytes;
use sabir_codecs::dubbo::Dubbo;
use sabir_core::frame::StreamId;
use sabir_core::message::MessageCodec;
use sabir_core::outcome::{Code, Outcome, Reply};
use sabir_core::output::Output;

use crate::messages::{self, message};
use crate::vectors::bytes;
use crate::{decode, with_exception_class};

/// What `codec` answers to `request` with `code`.
fn reply(codec: &Dubbo, request: &Bytes, code: Code, text: &'static str) -> Bytes {
    let decoded = codec.decode(request.clone()).expect("a sound request");
    let mut out = Output::default();
    codec.reply(
        decoded.stream,
        decoded.head.echo,
        &Reply::refused(code, text),
        &mut out,
    );
    out.to_vec().into()
}

#[test]
fn no_route_is_the_status_60() {
    let answer = reply(
        &Dubbo::default(),
        &messages::d1(),
        Code::NotFound,
        "no route",
    );
    assert_eq!(answer, messages::d5());
}

#[test]
fn each_code_has_its_status() {
    for (code, status) in [
        (Code::BadRequest, 40),
        (Code::BadResponse, 50),
        (Code::NotFound, 60),
        (Code::Unimplemented, 70),
        (Code::Internal, 70),
        (Code::Cancelled, 70),
        (Code::Unavailable, 80),
        (Code::TimedOut, 31),
        (Code::Overloaded, 100),
    ] {
        let answer = reply(&Dubbo::default(), &messages::d7(), code, "no");
        assert_eq!(
            answer,
            message(0x02, status, u64::MAX - 1, b"\x02no"),
            "{code:?}"
        );
    }
}

/// D6 without attachments, in the words every version knows.
fn rpc_exception(code: u8) -> Vec<u8> {
    let exception =
        "90 43 30216f72672e6170616368652e647562626f2e7270632e527063457863657074696f6e 92
                     0d64657461696c4d657373616765 04636f6465 60 0c72617465206c696d69746564";
    [bytes(exception), vec![0x90 + code]].concat()
}

#[test]
fn what_must_not_be_retried_is_an_exception() {
    for (code, rpc_code) in [
        (Code::RateLimited, 7),
        (Code::Denied, 4),
        (Code::BusinessError, 3),
    ] {
        let answer = reply(&Dubbo::default(), &messages::d1(), code, "rate limited");
        assert_eq!(
            answer,
            message(0x02, 20, 1, &rpc_exception(rpc_code)),
            "{code:?}"
        );
        assert_eq!(decode(&answer).outcome, Outcome::BUSINESS_ERROR);
    }
}

#[test]
fn the_class_of_exceptions_can_be_chosen() {
    let codec = with_exception_class("com.alibaba.dubbo.rpc.RpcException");
    let answer = reply(&codec, &messages::d1(), Code::RateLimited, "slow");
    let expected =
        "90 43 3022636f6d2e616c69626162612e647562626f2e7270632e527063457863657074696f6e 92
                    0d64657461696c4d657373616765 04636f6465 60 04736c6f77 97";
    assert_eq!(answer, message(0x02, 20, 1, &bytes(expected)));
    let codec = with_exception_class("java.lang.RuntimeException");
    let answer = reply(&codec, &messages::d1(), Code::Denied, "no route");
    let expected = "90 43 1a6a6176612e6c616e672e52756e74696d65457863657074696f6e 91
                    0d64657461696c4d657373616765 60 086e6f20726f757465";
    assert_eq!(answer, message(0x02, 20, 1, &bytes(expected)));
}

#[test]
fn a_result_can_be_given_directly() {
    let codec = Dubbo::default();
    let answer = |text| reply(&codec, &messages::d1(), Code::Ok, text);
    assert_eq!(answer("hi"), message(0x02, 20, 1, b"\x91\x02hi"));
    assert_eq!(answer(""), message(0x02, 20, 1, b"\x92"));
}

#[test]
fn replies_are_in_the_serialization_of_the_request() {
    let codec = Dubbo::default();
    for (flags, body) in [
        (0xc0 | 23, "00000003 4b6e6f"),
        (0xc0 | 6, "226e6f220a"),
        (0xc0 | 22, "04 0a02 6e6f"),
        (0xc0 | 8, ""),
    ] {
        let request = message(flags, 0, 1, b"unreadable");
        let answer = reply(&codec, &request, Code::NotFound, "no");
        assert_eq!(
            answer,
            message(flags & 0x1f, 60, 1, &bytes(body)),
            "{flags:#x}"
        );
    }
    // Where exceptions cannot be written, a status stands for them.
    for (code, status) in [(Code::RateLimited, 100), (Code::Denied, 70), (Code::Ok, 70)] {
        let request = message(0xc0 | 22, 0, 1, b"unreadable");
        let answer = reply(&codec, &request, code, "no");
        assert_eq!(
            answer,
            message(22, status, 1, &bytes("040a026e6f")),
            "{code:?}"
        );
    }
}

#[test]
fn fastjson2_exceptions_are_what_its_reader_takes() {
    // Read back by fastjson2 2.0.57 as an RpcException with this message and code.
    let request = message(0xc0 | 23, 0, 1, b"unreadable");
    let answer = reply(
        &Dubbo::default(),
        &request,
        Code::RateLimited,
        "rate limited",
    );
    let expected = "00000002 bd00  00000047
        92 6a 6f72672e6170616368652e647562626f2e7270632e527063457863657074696f6e 00
        a6 56 64657461696c4d657373616765 55 72617465206c696d69746564 4d 636f6465 07 a5";
    assert_eq!(answer, message(23, 20, 1, &bytes(expected)));
    assert_eq!(decode(&answer).outcome, Outcome::BUSINESS_ERROR);
    let codec = Dubbo::default();
    let mut out = Output::default();
    let ok = Reply::new(Outcome::OK, "hi");
    codec.reply(StreamId(1), decode(&request).echo, &ok, &mut out);
    assert_eq!(
        out.to_vec(),
        message(23, 20, 1, &bytes("00000002bd01 000000034b6869"))
    );
}

#[test]
fn messages_of_any_length_are_told_whole() {
    let text: &'static str = Box::leak("é😀".repeat(700).into_boxed_str());
    let answer = reply(&Dubbo::default(), &messages::d1(), Code::NotFound, text);
    // 2100 UTF-16 units, 8 octets for each pair of characters.
    assert_eq!(answer[16..19], bytes("53 0834"));
    assert_eq!(answer.len(), 19 + 700 * 8);
}
