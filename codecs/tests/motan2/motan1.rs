//! motan1, which peers speak on the same port.

use bytes::Bytes;
use sabir_core::connection::Written;
use sabir_core::head::Kind;
use sabir_core::message::MessageCodec;
use sabir_core::metadata::Malformed;
use sabir_core::name::{Field, Name};
use sabir_core::outcome::{Code, Outcome};

use crate::messages::{self, block, called, motan1, stream, utf};
use crate::replies::reply;
use crate::vectors::bytes;
use crate::{decode, encode, get, head};
use sabir_codecs::motan2::Motan2;

#[test]
fn a_request_says_who_is_called() {
    for wire in [messages::motan1_request(), messages::motan1_in_blocks()] {
        let (id, head) = decode(&wire);
        assert_eq!((id, head.kind, head.fault()), (9, Kind::Request, None));
        assert_eq!(
            (head.service(), head.method()),
            (&b"com.demo.Hello"[..], &b"hi"[..])
        );
        assert_eq!(
            head.field(Field::Signature),
            Some(&b"java.lang.String,long"[..])
        );
        let values = ["group", "version", "application"].map(|name| get(&head, name));
        let values = values.each_ref().map(Option::as_deref);
        assert_eq!(values, [Some("g1"), Some("1.0"), Some("app1")]);
    }
}

#[test]
fn both_ids_are_rewritten_and_nothing_else() {
    let wire = messages::motan1_request();
    let (written, moved) = encode(0x0102_0304_0506_0708, &head(&wire));
    let mut expected = wire.to_vec();
    expected[4..12].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
    expected[20..28].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!((written, moved), (Written::Whole, Bytes::from(expected)));
}

#[test]
fn there_is_no_place_for_changes() {
    for wire in [messages::motan1_request(), messages::m6r()] {
        for name in ["x", "service", "group"] {
            let (id, mut head) = decode(&wire);
            head.set(&Name::new(name), b"y");
            assert_eq!(encode(id, &head), (Written::Unmodified, wire.clone()));
        }
    }
    let (id, mut head) = decode(&messages::motan1_request());
    head.remove(&Name::new("application"));
    assert_eq!(
        encode(id, &head),
        (Written::Unmodified, messages::motan1_request())
    );
}

#[test]
fn a_heartbeat_is_answered() {
    let (id, head) = decode(&messages::m6());
    assert_eq!((id, head.kind), (5, Kind::Ping));
    assert_eq!(encode(id, &head), (Written::Whole, messages::m6r()));
}

#[test]
fn compressed_requests_pass_unread() {
    let signature = block(&[utf("1"), utf("a1b2c3")].concat());
    for stream in [bytes(messages::GZIPPED), stream(&signature)] {
        let wire = motan1(0, 2, 0, &stream);
        let (id, head) = decode(&wire);
        assert_eq!(
            (head.kind, head.fault(), head.service()),
            (Kind::Request, None, &b""[..])
        );
        assert_eq!(head.metadata().iter().count(), 0);
        assert_eq!(encode(id, &head), (Written::Whole, wire));
    }
    // Not compressed, it is read; its attachments are counted in two octets.
    let attachments = [&[0, 1][..], &utf("group"), &utf("g2")].concat();
    let wire = motan1(0, 2, 0, &stream(&block(&[called(), attachments].concat())));
    let read = head(&wire);
    assert_eq!(
        (read.service(), get(&read, "group").as_deref()),
        (&b"com.demo.Hello"[..], Some("g2"))
    );
}

#[test]
fn responses_say_how_it_ended() {
    let package = "com.weibo.api.motan.exception";
    let outcome =
        |class: &str| head(&messages::motan1_exception(&format!("{package}.{class}"))).outcome;
    assert_eq!(outcome("MotanBizException"), Outcome::BUSINESS_ERROR);
    assert_eq!(outcome("MotanServiceException").code, Code::Internal);
    assert_eq!(outcome("MotanFrameworkException").code, Code::Internal);
    assert_eq!(
        head(&motan1(1, 2, 5, &bytes(messages::GZIPPED)))
            .outcome
            .code,
        Code::Internal
    );
    for flag in [1, 3, 7] {
        assert_eq!(head(&motan1(1, 1, flag, b"anything")).outcome, Outcome::OK);
    }
    assert_eq!(head(&messages::m6r()).kind, Kind::Response);
}

#[test]
fn a_request_that_does_not_say_who_is_called_is_a_bad_one() {
    for octets in [
        &b""[..],
        b"\x70",
        b"\x77",
        b"\x77\x05",
        b"\x77\x02\x00\x09",
        b"\x7a\xff\xff\xff\xff",
        &block(&utf("service")),
        &block(&[utf("service"), utf("method")].concat()),
    ] {
        let wire = motan1(0, 1, 0, &stream(octets));
        let fault = head(&wire).fault().map(|fault| fault.part);
        assert_eq!(fault, Some("object stream"), "{octets:?}");
        assert_eq!(encode(9, &head(&wire)), (Written::Whole, wire));
    }
    let no_stream = motan1(0, 1, 0, b"");
    assert!(head(&no_stream).fault().is_some());
}

#[test]
fn attachments_that_cannot_be_read_are_absent() {
    let truncated = [&[0, 0, 0, 9][..], &utf("group"), &utf("g1"), b"\x00"].concat();
    for rest in [
        b"".to_vec(),
        b"\x73".to_vec(),
        bytes("75 72 00"),
        bytes("75 71 007e0000 ffffffff"),
        block(&truncated),
    ] {
        let wire = motan1(0, 1, 0, &stream(&[block(&called()), rest].concat()));
        let head = head(&wire);
        assert_eq!((head.get(&"x".into()), head.fault()), (None, None));
        assert_eq!(head.service(), b"com.demo.Hello");
    }
}

#[test]
fn a_header_that_is_not_one_ends_the_connection() {
    let codec = Motan2::default();
    let sound = messages::motan1_request();
    for len in 0..=sound.len() {
        let expected = (len >= 32).then_some(sound.len());
        assert_eq!(codec.frame_len(&sound[..len]), Ok(expected), "{len}");
    }
    for (at, value, part) in [
        (2, 1, "flags"),
        (3, 2, "kind"),
        (12, 0x80, "length"),
        (16, 0xf1, "inner magic"),
        (17, 0xf1, "inner magic"),
        (18, 0, "variant"),
        (18, 3, "variant"),
        (28, 0x80, "inner length"),
        (31, 0, "inner length"),
    ] {
        let mut wire = sound.to_vec();
        wire[at] = value;
        let refused = codec
            .frame_len(&wire)
            .map_err(|Malformed { part, .. }| part);
        assert_eq!(refused, Err(part), "{value:#x} at {at}");
    }
    let mut wire = sound.to_vec();
    wire[12..16].copy_from_slice(&15_u32.to_be_bytes());
    assert!(codec.frame_len(&wire[..16]).is_err());
}

/// What Hessian makes of these is tried with a Java client.
#[test]
fn replies_are_exceptions_that_java_clients_know() {
    let answer = reply(&messages::motan1_request(), Code::TimedOut, "slow");
    let (id, read) = decode(&answer);
    assert_eq!(
        (id, read.kind, read.outcome.code),
        (9, Kind::Response, Code::Internal)
    );
    let text = String::from_utf8_lossy(&answer);
    assert!(text.contains("MotanServiceException") && text.contains("slow"));
    let codes = bytes("d42713 d42713 04 736c6f77 4e 4e");
    assert!(answer.ends_with(&codes), "{answer:?}");
    for code in [
        Code::RateLimited,
        Code::Denied,
        Code::BadRequest,
        Code::BusinessError,
    ] {
        let answer = reply(&messages::motan1_request(), code, "no");
        assert_eq!(head(&answer).outcome, Outcome::BUSINESS_ERROR);
    }
}

#[test]
fn a_result_can_be_given_directly() {
    let mut request = messages::motan1_request().to_vec();
    request[4..12].copy_from_slice(&5_u64.to_be_bytes());
    let request = Bytes::from(request);
    assert_eq!(reply(&request, Code::Ok, "heartbeat"), messages::m6r());
    let void = reply(&messages::motan1_request(), Code::Ok, "");
    assert_eq!(void, motan1(1, 1, 3, &stream(&block(&[0; 8]))));
}
