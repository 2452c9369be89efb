//! Thrift in THeader, which carries the pairs, with the binary protocol.
//!
//! The interface stands before the method's name, as `TMultiplexedProtocol` writes it.
//!
//! Specification: HeaderFormat.md and thrift-binary-protocol.md of apache/thrift.

use sabir::codecs::dubbo::{BodyError, Cursor};
use sabir::codecs::thrift::Codec;
use sabir::core::bytes::Bytes;
use sabir::core::message::MessageCodec;
use sabir::core::metadata::Malformed;
use sabir::core::outcome::{Code, Reply};

use super::{Asked, Dialect};
use crate::demo::message::{CallError, Request};

/// The dialect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thrift;

impl Dialect for Thrift {
    fn name(&self) -> &'static str {
        "Thrift (THeader)"
    }

    /// Frames start with their length, and are short of 16 MiB.
    fn starts_with(&self, first: &[u8]) -> bool {
        first.starts_with(&[0])
    }

    fn message_len(&self, input: &[u8]) -> Result<Option<usize>, Malformed> {
        Codec::default().frame_len(input)
    }

    fn call(&self, id: u32, request: &Request) -> Vec<u8> {
        let mut message = Message {
            kind: CALL,
            seqid: id,
            name: format!("{}:{}", request.service, request.method).into_bytes(),
            fields: Vec::new(),
        };
        if let Some(argument) = &request.argument {
            message.push_string(1, argument);
        }
        message.write(request.attachments)
    }

    fn serve(&self, call: Bytes, desk: &dyn Fn(Asked<'_>) -> Reply) -> Result<Vec<u8>, Malformed> {
        let call = Message::read(&call)?;
        let colon = call.name.iter().position(|&byte| byte == b':');
        let (service, method) = match colon {
            Some(colon) => (&call.name[..colon], &call.name[colon + 1..]),
            None => (&[][..], &call.name[..]),
        };
        let argument = call.string(1);
        let reply = desk(Asked {
            service,
            method,
            argument,
        });
        if call.kind != CALL {
            return Ok(Vec::new());
        }
        let is_ok = reply.outcome.is_ok();
        let mut answer = Message {
            kind: if is_ok { REPLY } else { EXCEPTION },
            seqid: call.seqid,
            name: method.to_vec(),
            fields: Vec::new(),
        };
        // A result is field 0, the message of an exception field 1.
        answer.push_string(u16::from(!is_ok), &reply.message);
        if !is_ok {
            answer.push_number(2, exception_type(reply.outcome.code));
        }
        Ok(answer.write(&[]))
    }

    fn answer(&self, id: u32, answer: Bytes) -> Result<String, CallError> {
        let answer = Message::read(&answer).map_err(CallError::Malformed)?;
        if answer.seqid != id {
            return Err(CallError::OtherCall);
        }
        match (answer.kind, answer.string(0), answer.string(1)) {
            (REPLY, Some(result), _) => Ok(result),
            (EXCEPTION, _, Some(text)) => Err(CallError::Refused(text)),
            _ => Err(CallError::Refused("neither a result nor a reason".into())),
        }
    }
}

/// A message, without what is around it.
#[derive(Debug)]
struct Message {
    kind: u8,
    seqid: u32,
    name: Vec<u8>,
    /// The struct, without the byte that ends it.
    fields: Vec<u8>,
}

impl Message {
    /// The frame with `pairs` in its header.
    fn write(&self, pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut data = vec![BINARY, NO_TRANSFORMS];
        if !pairs.is_empty() {
            // All these numbers are below 128, so that each is its own varint.
            data.extend_from_slice(&[PAIRS, pairs.len() as u8]);
        }
        for text in pairs.iter().flat_map(|&(name, value)| [name, value]) {
            data.push(text.len() as u8);
            data.extend_from_slice(text.as_bytes());
        }
        data.resize(data.len().next_multiple_of(4), 0);
        let mut frame = vec![0; 4];
        frame.extend_from_slice(&MAGIC_AND_FLAGS);
        frame.extend_from_slice(&self.seqid.to_be_bytes());
        frame.extend_from_slice(&(data.len() as u16 / 4).to_be_bytes());
        frame.append(&mut data);
        frame.extend_from_slice(&[0x80, 1, 0, self.kind]);
        frame.extend_from_slice(&(self.name.len() as u32).to_be_bytes());
        frame.extend_from_slice(&self.name);
        frame.extend_from_slice(&self.seqid.to_be_bytes());
        frame.extend_from_slice(&self.fields);
        frame.push(STOP);
        // Messages of the demo are a few hundred bytes long.
        let len = frame.len() as u32 - 4;
        frame[..4].copy_from_slice(&len.to_be_bytes());
        frame
    }

    /// Reads a whole frame.
    fn read(frame: &[u8]) -> Result<Self, Malformed> {
        let refused = |part, at| Malformed { part, at };
        let mut cursor = Cursor::new(frame, 4);
        if cursor.array()? != MAGIC_AND_FLAGS {
            return Err(refused("THeader", 4));
        }
        let _outer: [u8; 4] = cursor.array()?;
        let words = u16::from_be_bytes(cursor.array()?);
        cursor.take(4 * usize::from(words))?;
        let [0x80, 1, 0, kind] = cursor.array()? else {
            return Err(refused(
                "message header",
                WORDS_END + 4 * usize::from(words),
            ));
        };
        let name = sized(&mut cursor)?.to_vec();
        let seqid = u32::from_be_bytes(cursor.array()?);
        let mut fields = Vec::new();
        while let Ok(byte) = cursor.byte() {
            fields.push(byte);
        }
        if fields.pop() != Some(STOP) {
            return Err(refused("struct", frame.len()));
        }
        Ok(Self {
            kind,
            seqid,
            name,
            fields,
        })
    }

    fn push_string(&mut self, id: u16, text: &str) {
        self.fields.push(STRING);
        self.fields.extend_from_slice(&id.to_be_bytes());
        let len = text.len() as u32;
        self.fields.extend_from_slice(&len.to_be_bytes());
        self.fields.extend_from_slice(text.as_bytes());
    }

    fn push_number(&mut self, id: u16, number: i32) {
        self.fields.push(I32);
        self.fields.extend_from_slice(&id.to_be_bytes());
        self.fields.extend_from_slice(&number.to_be_bytes());
    }

    /// The first field, if it is a string with this id; empty if there are no fields at all.
    fn string(&self, id: u16) -> Option<String> {
        if self.fields.is_empty() {
            return Some(String::new());
        }
        let mut cursor = Cursor::new(&self.fields, 0);
        let [kind, high, low] = cursor.array().ok()?;
        if kind != STRING || u16::from_be_bytes([high, low]) != id {
            return None;
        }
        String::from_utf8(sized(&mut cursor).ok()?.to_vec()).ok()
    }
}

/// The bytes behind their length.
fn sized<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], BodyError> {
    let len = u32::from_be_bytes(cursor.array()?);
    cursor.take(len as usize)
}

/// Type of the `TApplicationException` that tells of `code`.
fn exception_type(code: Code) -> i32 {
    match code {
        Code::NotFound | Code::Unimplemented => UNKNOWN_METHOD,
        Code::BadRequest => PROTOCOL_ERROR,
        _ => INTERNAL_ERROR,
    }
}

// THeader.
const MAGIC_AND_FLAGS: [u8; 4] = [0x0f, 0xff, 0, 0];
/// Protocol id.
const BINARY: u8 = 0;
const NO_TRANSFORMS: u8 = 0;
/// Id of an info block of pairs.
const PAIRS: u8 = 1;
/// Where header data start.
const WORDS_END: usize = 14;

// Types of messages.
const CALL: u8 = 1;
const REPLY: u8 = 2;
const EXCEPTION: u8 = 3;

// Types of fields.
const STOP: u8 = 0;
const I32: u8 = 8;
const STRING: u8 = 11;

// Types of exceptions.
const UNKNOWN_METHOD: i32 = 1;
const INTERNAL_ERROR: i32 = 6;
const PROTOCOL_ERROR: i32 = 7;
