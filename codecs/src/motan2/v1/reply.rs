//! Answers in motan1: heartbeats, and exceptions and results as Hessian writes them.
//!
//! Specification: `DefaultRpcCodec.encodeResponse` of weibocom/motan, `BuildV1ExceptionResponse` of
//! weibocom/motan-go.

use sabir_core::outcome::{Code, Reply};

use super::call::{BUSINESS_CLASS, EXCEPTION};
use super::stream::{BLOCK, BYTES, START};
use super::{Header, PLAIN, RESPONSE};
use crate::dubbo::hessian2::{write_int, write_string};
use crate::motan2::exception::{BUSINESS, Exception};

/// The answer to a heartbeat, under `id`.
pub(in crate::motan2) fn pong(id: u64) -> Vec<u8> {
    text(id, "heartbeat")
}

/// The whole response to the request `id` that is `reply`.
pub(in crate::motan2) fn reply(id: u64, reply: &Reply) -> Vec<u8> {
    match reply.outcome.code {
        Code::Ok if reply.message.is_empty() => response(id, VOID, None, &[]),
        Code::Ok => text(id, &reply.message),
        code => exception(id, Exception::of(code), &reply.message),
    }
}

/// The whole response to the request `id` that is `exception` with `message`.
pub(in crate::motan2) fn exception(id: u64, exception: Exception, message: &str) -> Vec<u8> {
    let class = if exception.kind == BUSINESS {
        BUSINESS_CLASS
    } else {
        SERVICE_CLASS
    };
    let mut value = Vec::new();
    write_class(class, &FIELDS, &mut value);
    value.push(OBJECT);
    write_string(message, &mut value);
    write_string(message, &mut value);
    // No cause; the stack trace and what was suppressed are no one's business.
    value.push(NULL);
    write_error_message(exception, message, &mut value);
    value.extend_from_slice(&[NULL, NULL]);
    response(id, EXCEPTION, Some(class), &value)
}

/// The object with the exception's numbers.
fn write_error_message(exception: Exception, message: &str, value: &mut Vec<u8>) {
    write_class(ERROR_MESSAGE_CLASS, &ERROR_MESSAGE_FIELDS, value);
    value.push(OBJECT + 1);
    // The codes are ours, and small.
    let code = exception.code as i32;
    write_int(code, value);
    write_int(code, value);
    write_string(message, value);
}

fn write_class(class: &str, fields: &[&str], value: &mut Vec<u8>) {
    value.push(b'C');
    write_string(class, value);
    write_int(fields.len() as i32, value);
    for field in fields {
        write_string(field, value);
    }
}

/// A response with a string for its value.
fn text(id: u64, text: &str) -> Vec<u8> {
    let mut value = Vec::new();
    write_string(text, &mut value);
    response(id, VALUE, Some("java.lang.String"), &value)
}

/// A response with a value of `class`, or with none.
fn response(id: u64, flag: u8, class: Option<&str>, value: &[u8]) -> Vec<u8> {
    // How long it took, which was no time; the names of classes are ours, and short.
    let mut block = vec![0; 8];
    let class = class.inspect(|class| {
        block.extend_from_slice(&(class.len() as u16).to_be_bytes());
        block.extend_from_slice(class.as_bytes());
    });
    let mut stream = START.to_vec();
    stream.extend_from_slice(&[BLOCK, block.len() as u8]);
    stream.append(&mut block);
    if class.is_some() {
        stream.extend_from_slice(&BYTES);
        stream.extend_from_slice(&(value.len() as u32).to_be_bytes());
        stream.extend_from_slice(value);
    }
    let header = Header {
        kind: RESPONSE,
        variant: PLAIN,
        flag,
        id,
    };
    [&header.octets(stream.len() as u32), &stream[..]].concat()
}

/// Class of exceptions that are not the callee's own.
const SERVICE_CLASS: &str = "com.weibo.api.motan.exception.MotanServiceException";
const ERROR_MESSAGE_CLASS: &str = "com.weibo.api.motan.exception.MotanErrorMsg";
const FIELDS: [&str; 6] = [
    "errorMsg",
    "detailMessage",
    "cause",
    "motanErrorMsg",
    "stackTrace",
    "suppressedExceptions",
];
const ERROR_MESSAGE_FIELDS: [&str; 3] = ["status", "errorcode", "message"];

/// Hessian: an object of the class defined first.
const OBJECT: u8 = 0x60;
/// Hessian: null.
const NULL: u8 = b'N';

/// Flag of responses with a value.
const VALUE: u8 = 1;
/// Flag of responses without value.
const VOID: u8 = 3;
