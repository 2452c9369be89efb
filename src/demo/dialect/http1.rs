//! HTTP/1.1, whose header fields carry the pairs: `POST /echo` with the argument as its body.
//!
//! The interface is the authority, in the field `Host`.
//!
//! Specification: RFC 9112.

use sabir::core::bytes::Bytes;
use sabir::core::metadata::Malformed;
use sabir::core::outcome::{Code, Reply};

use super::{Asked, Dialect};
use crate::demo::message::{CallError, Request};

/// The dialect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Http1;

impl Dialect for Http1 {
    fn name(&self) -> &'static str {
        "HTTP/1.1"
    }

    /// Methods are in capitals, and none starts as the preface of HTTP/2 does.
    fn starts_with(&self, first: &[u8]) -> bool {
        first.first().is_some_and(u8::is_ascii_uppercase) && !first.starts_with(b"PR")
    }

    fn message_len(&self, input: &[u8]) -> Result<Option<usize>, Malformed> {
        match Message::read(input)? {
            Some(message) => Ok(Some(message.body_at + message.length()?)),
            None => Ok(None),
        }
    }

    fn call(&self, _id: u32, request: &Request) -> Vec<u8> {
        let argument = request.argument.as_deref().unwrap_or_default();
        let (method, service) = (request.method, request.service);
        let mut fields = format!("Host: {service}\r\n");
        for (name, value) in request.attachments {
            fields.push_str(&format!("{name}: {value}\r\n"));
        }
        write(&format!("POST /{method} HTTP/1.1"), &fields, argument)
    }

    fn serve(&self, call: Bytes, desk: &dyn Fn(Asked<'_>) -> Reply) -> Result<Vec<u8>, Malformed> {
        let message = Message::whole(&call)?;
        let mut words = message.start.split(' ');
        let (_verb, target) = (words.next(), words.next().unwrap_or_default());
        let reply = desk(Asked {
            service: message.field("host").unwrap_or_default().as_bytes(),
            method: target.trim_start_matches('/').as_bytes(),
            argument: String::from_utf8(message.body.to_vec()).ok(),
        });
        let status = match reply.outcome.code {
            Code::Ok => "200 OK",
            Code::NotFound | Code::Unimplemented => "404 Not Found",
            Code::BadRequest => "400 Bad Request",
            _ => "500 Internal Server Error",
        };
        Ok(write(&format!("HTTP/1.1 {status}"), "", &reply.message))
    }

    /// Answers have no ids: their turn tells whom they are for.
    fn answer(&self, _id: u32, answer: Bytes) -> Result<String, CallError> {
        let message = Message::whole(&answer)?;
        let text = String::from_utf8_lossy(message.body).into_owned();
        if message.start.starts_with("HTTP/1.1 200 ") {
            return Ok(text);
        }
        Err(CallError::Refused(format!("{}: {text}", message.start)))
    }
}

/// A message, or as much of it as is there.
#[derive(Debug)]
struct Message<'a> {
    /// First line.
    start: &'a str,
    /// Lines of the fields.
    fields: &'a str,
    body: &'a [u8],
    body_at: usize,
}

impl<'a> Message<'a> {
    /// Reads the message that starts `input`; `None` if its head has not arrived completely.
    fn read(input: &'a [u8]) -> Result<Option<Self>, Malformed> {
        let Some(end) = input.windows(END.len()).position(|bytes| bytes == END) else {
            return Ok(None);
        };
        let head = str::from_utf8(&input[..end]).map_err(|error| Malformed {
            part: "head",
            at: error.valid_up_to(),
        })?;
        let (start, fields) = head.split_once("\r\n").unwrap_or((head, ""));
        let body_at = end + END.len();
        Ok(Some(Self {
            start,
            fields,
            body: &input[body_at..],
            body_at,
        }))
    }

    fn whole(input: &'a [u8]) -> Result<Self, Malformed> {
        let (part, at) = ("head", input.len());
        Self::read(input)?.ok_or(Malformed { part, at })
    }

    /// Length of the body. Peers of the demo say it.
    fn length(&self) -> Result<usize, Malformed> {
        let length = self.field("content-length").unwrap_or("0");
        let (part, at) = ("Content-Length", self.start.len());
        length.parse().map_err(|_| Malformed { part, at })
    }

    fn field(&self, wanted: &str) -> Option<&'a str> {
        let mut fields = self.fields.lines().filter_map(|line| line.split_once(':'));
        let found = fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.trim())
    }
}

fn write(start: &str, fields: &str, body: &str) -> Vec<u8> {
    let len = body.len();
    format!("{start}\r\n{fields}Content-Length: {len}\r\n\r\n{body}").into_bytes()
}

/// What ends a head.
const END: &[u8] = b"\r\n\r\n";
