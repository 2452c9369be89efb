//! Answers that sabir gives itself, in the caller's serialization.
//!
//! Consumers retry on every status but 20; an exception carried in a response with status 20 is a
//! result, which they hand to the application. So what a retry could cure is a status, and what a
//! retry would make worse (a rate limit, a denial) is an exception.
//!
//! Specification: `DefaultFuture.doReceived`, `RpcException` of apache/dubbo.

use sabir_core::head::Echo;
use sabir_core::outcome::{Code, Reply};

use super::body::{Serialization, Spelling};
use super::header::{self, Header};
use super::hessian2::{self, Field};
use super::request::serialization_of;
use super::{json, jsonb, protobuf};

/// How an outcome is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Telling {
    /// A status other than 20, with the message.
    Status(u8),
    /// An exception with this code of `RpcException`, or this status where exceptions cannot be
    /// written.
    Exception { code: u8, or: u8 },
    /// A result: the message, or null if it is empty.
    Result,
}

impl Telling {
    fn of(code: Code) -> Self {
        match code {
            Code::Ok => Self::Result,
            Code::BadRequest => Self::Status(40),
            Code::BadResponse => Self::Status(50),
            Code::NotFound => Self::Status(60),
            Code::Unavailable => Self::Status(80),
            Code::TimedOut => Self::Status(31),
            Code::Overloaded => Self::Status(100),
            Code::BusinessError => Self::Exception { code: 3, or: 70 },
            Code::Denied => Self::Exception { code: 4, or: 70 },
            Code::RateLimited => Self::Exception { code: 7, or: 100 },
            _ => Self::Status(70),
        }
    }
}

/// The whole response to the request `id` with `echo`.
///
/// In a serialization that sabir cannot write the body is empty. The caller's decoder then fails
/// for this call alone, at once, which beats a call that nobody answers.
pub(super) fn write(id: u64, echo: Echo, reply: &Reply, exception_class: &str) -> Vec<u8> {
    let flags = serialization_of(echo);
    let serialization = Serialization::of(flags);
    let mut body = Vec::new();
    let status = match (Telling::of(reply.outcome.code), serialization.spelling()) {
        (Telling::Status(status), _) => status,
        (Telling::Exception { code, .. }, Some(spelling)) => {
            write_exception(exception_class, code, &reply.message, spelling, &mut body);
            header::OK
        }
        (Telling::Exception { or, .. }, None) => or,
        (Telling::Result, Some(spelling)) => {
            write_result(&reply.message, spelling, &mut body);
            header::OK
        }
        (Telling::Result, None) => 70,
    };
    if status != header::OK {
        write_message(&reply.message, serialization, &mut body);
    }
    let header = Header { flags, status, id };
    // The message is ours, and far shorter than 4 GiB.
    let mut response = header.octets(body.len() as u32).to_vec();
    response.append(&mut body);
    response
}

/// Appends the one string that the body of an error is.
fn write_message(message: &str, serialization: Serialization, body: &mut Vec<u8>) {
    match serialization {
        Serialization::Hessian2 => hessian2::write_string(message, body),
        Serialization::Fastjson => json::write_string(message, body),
        Serialization::Protobuf => protobuf::write_string(message, body),
        Serialization::Fastjson2 => {
            // Text can always be written in this spelling.
            let _: Option<()> = Spelling::Jsonb.value(message.as_bytes(), body);
        }
        Serialization::Opaque => {}
    }
}

fn write_exception(class: &str, code: u8, message: &str, spelling: Spelling, body: &mut Vec<u8>) {
    // Other classes have no field for the code.
    let code = class.ends_with(".RpcException").then_some(code);
    match spelling {
        Spelling::Hessian2 => {
            hessian2::write_int(EXCEPTION.into(), body);
            let fields = [
                ("detailMessage", Field::Text(message)),
                ("code", Field::Int(code.unwrap_or_default().into())),
            ];
            let count = if code.is_some() { 2 } else { 1 };
            hessian2::write_exception(class, &fields[..count], body);
        }
        Spelling::Jsonb => {
            jsonb::write_kind(EXCEPTION, body);
            jsonb::write_exception(class, message, code, body);
        }
    }
}

fn write_result(message: &str, spelling: Spelling, body: &mut Vec<u8>) {
    let kind = if message.is_empty() { NULL } else { VALUE };
    match spelling {
        Spelling::Hessian2 => hessian2::write_int(kind.into(), body),
        Spelling::Jsonb => jsonb::write_kind(kind, body),
    }
    if kind == VALUE {
        // Text can always be written in either spelling.
        let _: Option<()> = spelling.value(message.as_bytes(), body);
    }
}

// What a response holds, in the words that every version of the protocol knows.
const EXCEPTION: u8 = 0;
const VALUE: u8 = 1;
const NULL: u8 = 2;
