//! Answers of sabir's own.

use bytes::Bytes;
use sabir_codecs::motan2::Motan2;
use sabir_core::message::MessageCodec;
use sabir_core::outcome::{Code, Outcome, Reply};
use sabir_core::output::Output;

use crate::messages::{self, message};
use crate::vectors::bytes;
use crate::{get, head};

/// What is answered to `request` with `code`.
pub(crate) fn reply(request: &Bytes, code: Code, text: &'static str) -> Bytes {
    let codec = Motan2::default();
    let decoded = codec.decode(request.clone()).expect("a sound request");
    let reply = Reply::refused(code, text);
    let mut out = Output::default();
    codec.reply(decoded.stream, decoded.head.echo, &reply, &mut out);
    out.to_vec().into()
}

/// The metadata of an exception.
fn exception(code: u32, text: &str, kind: u8) -> Vec<u8> {
    let json = format!(r#"{{"errcode":{code},"errmsg":"{text}","errtype":{kind}}}"#);
    [b"M_e\n", json.as_bytes()].concat()
}

#[test]
fn each_code_has_its_exception() {
    for (code, number, kind) in [
        (Code::NotFound, 10101, 1),
        (Code::Unimplemented, 501, 1),
        (Code::Unavailable, 10001, 1),
        (Code::TimedOut, 10003, 1),
        (Code::Overloaded, 10002, 1),
        (Code::Cancelled, 10004, 1),
        (Code::BadResponse, 10001, 1),
        (Code::Internal, 10001, 1),
        // What no retry can cure, and what says nothing of the endpoint.
        (Code::RateLimited, 10002, 2),
        (Code::Denied, 403, 2),
        (Code::BadRequest, 400, 2),
        (Code::BusinessError, 30001, 2),
    ] {
        let expected = message(1, 1, 6, &exception(number, "no", kind), b"");
        assert_eq!(reply(&messages::m1(), code, "no"), expected, "{code:?}");
    }
}

/// An exception 404 that names no provider makes a Java client close its pool for good.
#[test]
fn no_reply_closes_the_pools_of_java_clients() {
    for code in Code::ALL {
        let answer = reply(&messages::m1(), code, "provider not exist serviceKey=x");
        let said = get(&head(&answer), "M_e").unwrap_or_default();
        assert!(!said.contains("\"errcode\":404"), "{said}");
    }
}

#[test]
fn replies_have_the_id_serialization_and_proxy_flag_of_the_request() {
    let named = b"M_p\nS\nM_m\nf";
    for (flags, reply_flags) in [(0x00, 0x01), (0x02, 0x03), (0x08, 0x01), (0x0a, 0x03)] {
        for serialization in 0..32 {
            let request = message(flags, 0, serialization, named, b"opaque");
            let metadata = exception(10101, "no route", 1);
            let expected = message(reply_flags, 1, serialization, &metadata, b"");
            assert_eq!(reply(&request, Code::NotFound, "no route"), expected);
        }
    }
    let mut request = messages::m1().to_vec();
    request[5..13].copy_from_slice(&[0xff; 8]);
    let answer = reply(&request.into(), Code::NotFound, "no route");
    assert_eq!(answer[5..13], [0xff; 8]);
}

#[test]
fn text_is_escaped_so_that_it_stays_one_line() {
    let answer = reply(&messages::m1(), Code::Denied, "a\n\"b\"\\\r\té");
    let expected = exception(403, r#"a\n\"b\"\\\r\té"#, 2);
    assert_eq!(answer, message(1, 1, 6, &expected, b""));
    assert_eq!(head(&answer).metadata().iter().count(), 1);
}

#[test]
fn a_result_can_be_given_directly() {
    let named = b"M_p\nS\nM_m\nf";
    let answer = |serialization, text| {
        let request = message(0, 0, serialization, named, b"opaque");
        reply(&request, Code::Ok, text)
    };
    for (serialization, text, body) in [
        (0, "hi", "026869"),
        (0, "", "4e"),
        (2, "h\"i", "22685c226922"),
        (2, "", "6e756c6c"),
        (6, "hi", "01000000026869"),
        (6, "", "00"),
    ] {
        let expected = message(1, 0, serialization, b"", &bytes(body));
        assert_eq!(
            answer(serialization, text),
            expected,
            "{serialization} {text}"
        );
        assert_eq!(head(&expected).outcome, Outcome::OK);
    }
    // In others sabir writes no values, and says so.
    for serialization in [1, 3, 4, 5, 7, 8, 31] {
        let expected = message(1, 1, serialization, &exception(501, "hi", 1), b"");
        assert_eq!(answer(serialization, "hi"), expected, "{serialization}");
    }
}
