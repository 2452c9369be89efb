//! Answers that sabir gives itself.
//!
//! Specification: `MotanV2Codec.encode` of weibocom/motan.

use sabir_core::head::Echo;
use sabir_core::outcome::{Code, Reply};

use super::exception::Exception;
use super::header::{self, Header};
use super::metadata;
use crate::dubbo::hessian2;

/// The header of a response to the request `id` with `echo`.
pub(super) fn header_of(id: u64, echo: Echo) -> Header {
    Header {
        flags: header::RESPONSE | echo[ECHO_FLAGS] & header::PROXY,
        status: 0,
        serialization: echo[ECHO_SERIALIZATION],
        id,
    }
}

/// The echo of a request with `header`.
pub(super) fn echo_of(header: Header) -> Echo {
    let mut echo = Echo::default();
    echo[ECHO_FLAGS] = header.flags;
    echo[ECHO_SERIALIZATION] = header.serialization;
    echo
}

/// The whole response that is `reply`, after `header`.
pub(super) fn write(header: Header, reply: &Reply) -> Vec<u8> {
    let message = &reply.message;
    if reply.outcome.code != Code::Ok {
        return exception(header, Exception::of(reply.outcome.code), message);
    }
    match result(header.serialization >> 3, message) {
        Some(body) => response(header, &[], &body),
        None => exception(header, Exception::of(Code::Unimplemented), message),
    }
}

/// The whole response that is `exception` with `message`.
pub(super) fn exception(header: Header, exception: Exception, message: &str) -> Vec<u8> {
    let status = header::EXCEPTION;
    let json = exception.to_json(message);
    let metadata = [metadata::EXCEPTION, b"\n", json.as_bytes()].concat();
    response(Header { status, ..header }, &metadata, &[])
}

fn response(header: Header, metadata: &[u8], body: &[u8]) -> Vec<u8> {
    // Both are ours, and far shorter than 2 GiB.
    let (metadata_len, body_len) = (metadata.len() as u32, body.len() as u32);
    let octets = header.octets(metadata_len);
    [&octets, metadata, &body_len.to_be_bytes(), body].concat()
}

/// `message`, or null if it is empty, in the serialization of this number; `None` if that is one
/// that sabir cannot write.
fn result(serialization: u8, message: &str) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    match (serialization, message.is_empty()) {
        (HESSIAN, true) => body.push(b'N'),
        (HESSIAN, false) => hessian2::write_string(message, &mut body),
        (JSON, true) => body.extend_from_slice(b"null"),
        (JSON, false) => body = serde_json::Value::from(message).to_string().into_bytes(),
        (SIMPLE, true) => body.push(SIMPLE_NULL),
        (SIMPLE, false) => {
            body.push(SIMPLE_STRING);
            body.extend_from_slice(&(message.len() as u32).to_be_bytes());
            body.extend_from_slice(message.as_bytes());
        }
        _ => return None,
    }
    Some(body)
}

/// Where the echo holds the request's flags.
const ECHO_FLAGS: usize = 1;
/// Where the echo holds the octet of the serialization.
const ECHO_SERIALIZATION: usize = 2;

// Numbers of serializations.
const HESSIAN: u8 = 0;
const JSON: u8 = 2;
const SIMPLE: u8 = 6;

// Tags of `SimpleSerialization`.
const SIMPLE_NULL: u8 = 0;
const SIMPLE_STRING: u8 = 1;
