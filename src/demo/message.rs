//! What consumers and providers of the demo say, in Dubbo with Hessian 2.0.
//!
//! Written from the consumer's and the provider's side, which a proxy has no need for: the codec
//! has the rest.
//!
//! Specification: `DubboCodec`, `ExchangeCodec` of apache/dubbo.

use std::borrow::Cow;

use sabir::codecs::dubbo::hessian2::{read_int, read_string, write_string};
use sabir::codecs::dubbo::{BodyError, Cursor};
use sabir::core::metadata::Malformed;
use thiserror::Error;

/// A call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Request {
    /// Interface.
    pub(super) service: &'static str,
    /// Method.
    pub(super) method: &'static str,
    /// The argument, a string; absent for a method without parameters.
    pub(super) argument: Option<String>,
    /// Attachments beside those that every call has.
    pub(super) attachments: &'static [(&'static str, &'static str)],
}

/// Whether an answer is awaited.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// It is.
    Two,
    /// There is none.
    One,
}

/// Why a call failed.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub(super) enum CallError {
    /// The answer is an error of Dubbo's.
    #[error("status {status}: {message}")]
    Status {
        /// What kind of error, in Dubbo's numbers.
        status: u8,
        /// What it says.
        message: String,
    },
    /// The answer is an error of another protocol's, and this is what it says.
    #[error("{0}")]
    Refused(String),
    /// The provider threw an exception.
    #[error("the provider threw an exception")]
    Exception,
    /// The answer is not one.
    #[error("unreadable answer: {0}")]
    Unreadable(#[from] BodyError),
    /// The answer is not even a message.
    #[error("unreadable answer: {0}")]
    Malformed(#[from] Malformed),
    /// The answer is one to another call.
    #[error("an answer to another call")]
    OtherCall,
    /// The answer holds something else than a string.
    #[error("answer of unknown kind {0}")]
    UnknownKind(i32),
    /// The connection went away.
    #[error("the connection to the proxy was lost")]
    Lost,
}

impl Request {
    /// The message of this call with `id`.
    pub(super) fn write(&self, id: u64, way: Way) -> Vec<u8> {
        let descriptor = match self.argument {
            Some(_) => STRING_DESCRIPTOR,
            None => "",
        };
        let mut body = Vec::with_capacity(256);
        for text in [PROTOCOL, self.service, VERSION, self.method, descriptor] {
            write_string(text, &mut body);
        }
        if let Some(argument) = &self.argument {
            write_string(argument, &mut body);
        }
        body.push(b'H');
        let usual = [("path", self.service), ("interface", self.service)];
        for (name, value) in usual.iter().chain(self.attachments) {
            write_string(name, &mut body);
            write_string(value, &mut body);
        }
        body.push(b'Z');
        let flags = match way {
            Way::Two => REQUEST | TWO_WAY | HESSIAN2,
            Way::One => REQUEST | HESSIAN2,
        };
        let mut message = vec![0xda, 0xbb, flags, 0];
        message.extend_from_slice(&id.to_be_bytes());
        // Calls of the demo are a few hundred bytes long.
        message.extend_from_slice(&(body.len() as u32).to_be_bytes());
        message.append(&mut body);
        message
    }
}

/// The argument of a request, if it has exactly one and that is a string in Hessian 2.0; empty if
/// it has none.
pub(super) fn argument(request: &[u8]) -> Option<String> {
    if request.get(2)? & SERIALIZATION != HESSIAN2 {
        return None;
    }
    let mut cursor = Cursor::new(request, HEADER_LEN);
    let mut text = || {
        let text = read_string(&mut cursor).ok()?;
        Some(text.map_or(Cow::Borrowed(""), |text| {
            text.to_str(request).into_owned().into()
        }))
    };
    let prefix: [Cow<'_, str>; 5] = [text()?, text()?, text()?, text()?, text()?];
    let [.., descriptor] = prefix;
    match &*descriptor {
        "" => Some(String::new()),
        STRING_DESCRIPTOR => text().map(Cow::into_owned),
        _ => None,
    }
}

/// What a response says; an empty string for null.
///
/// # Errors
/// The error it says, or what is wrong with it.
pub(super) fn answer(response: &[u8]) -> Result<String, CallError> {
    let mut cursor = Cursor::new(response, HEADER_LEN);
    let status = response.get(3).copied().unwrap_or_default();
    if status != OK {
        let message = text(response, &mut cursor)?;
        return Err(CallError::Status { status, message });
    }
    match read_int(&mut cursor)? {
        0 | 3 => Err(CallError::Exception),
        1 | 4 => Ok(text(response, &mut cursor)?),
        2 | 5 => Ok(String::new()),
        kind => Err(CallError::UnknownKind(kind)),
    }
}

fn text(message: &[u8], cursor: &mut Cursor<'_>) -> Result<String, BodyError> {
    let text = read_string(cursor)?;
    Ok(text.map_or_else(String::new, |text| text.to_str(message).into_owned()))
}

const HEADER_LEN: usize = 16;
const REQUEST: u8 = 0x80;
const TWO_WAY: u8 = 0x40;
const SERIALIZATION: u8 = 0x1f;
const HESSIAN2: u8 = 2;
/// Status of an answer that is not an error.
const OK: u8 = 20;
/// Version of the protocol, as Dubbo 2.7 and 3 say it.
const PROTOCOL: &str = "2.0.2";
/// Version of a service that has none.
const VERSION: &str = "0.0.0";
const STRING_DESCRIPTOR: &str = "Ljava/lang/String;";

#[cfg(test)]
mod tests {
    use sabir::codecs::dubbo::Dubbo;
    use sabir::core::bytes::Bytes;
    use sabir::core::frame::StreamId;
    use sabir::core::head::Kind;
    use sabir::core::message::MessageCodec;
    use sabir::core::name::Name;
    use sabir::core::outcome::{Code, Outcome, Reply};
    use sabir::core::output::Output;

    use super::*;

    fn request(argument: Option<&str>) -> Request {
        Request {
            service: "org.sabir.demo.UserService",
            method: "echo",
            argument: argument.map(str::to_owned),
            attachments: &[("batchjob", "true")],
        }
    }

    #[test]
    fn the_codec_reads_a_request_as_it_was_meant() {
        for (way, kind) in [(Way::Two, Kind::Request), (Way::One, Kind::OneWay)] {
            let wire = Bytes::from(request(Some("ä")).write(7, way));
            let decoded = Dubbo::default().decode(wire.clone()).unwrap();
            assert_eq!((decoded.stream, decoded.head.kind), (StreamId(7), kind));
            assert_eq!(decoded.head.service(), b"org.sabir.demo.UserService");
            assert_eq!(decoded.head.method(), b"echo");
            let batch = Name::new("batchjob");
            assert_eq!(decoded.head.get(&batch), Some(&b"true"[..]));
            assert_eq!(argument(&wire).as_deref(), Some("ä"));
        }
        let without = request(None).write(7, Way::Two);
        assert_eq!(argument(&without).as_deref(), Some(""));
    }

    #[test]
    fn arguments_that_cannot_be_read_are_none() {
        let mut request = request(Some("x")).write(7, Way::Two);
        assert_eq!(argument(&request[..20]), None);
        request[2] = REQUEST | TWO_WAY | 21;
        assert_eq!(argument(&request), None);
        assert_eq!(argument(b""), None);
    }

    #[test]
    fn answers_of_the_codec_are_read_as_they_were_meant() {
        let wire = Bytes::from(request(None).write(7, Way::Two));
        let head = Dubbo::default().decode(wire).unwrap().head;
        let answered = |reply: &Reply| {
            let mut out = Output::default();
            Dubbo::default().reply(StreamId(7), head.echo, reply, &mut out);
            answer(&out.to_vec())
        };
        let hello = Reply::new(Outcome::OK, "hello");
        assert_eq!(answered(&hello).as_deref(), Ok("hello"));
        let lost = Reply::refused(Code::NotFound, "nobody");
        let message = "nobody".to_owned();
        let status = 60;
        assert_eq!(answered(&lost), Err(CallError::Status { status, message }));
        let denied = Reply::refused(Code::Denied, "no");
        assert_eq!(answered(&denied), Err(CallError::Exception));
        assert!(matches!(answer(b""), Err(CallError::Unreadable(_))));
    }
}
