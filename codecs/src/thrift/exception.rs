//! How calls end: what servers say of it, and the answers of sabir's own.
//!
//! A reply is a struct with the result as field 0, or an exception that the IDL declares as another
//! field. `TApplicationException`, a message type of its own, is {1: string message, 2: i32 type}.
//! Its types say little, and clients retry on none of them.
//!
//! Specification: thrift-rpc.md, `TApplicationException` of apache/thrift.

use sabir_core::head::Echo;
use sabir_core::outcome::{Code, Executed, Outcome, Party, Reply};

use super::header;
use super::message::{self, Encoding, Message};
use super::packet::Packet;
use super::transport::Transport;
use super::varint;

/// Whom an answer is for, and what it reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Addressee {
    pub(super) transport: Transport,
    pub(super) encoding: Encoding,
    /// Sequence id in the header of THeader.
    pub(super) outer: u32,
    /// Exception type that tells of a malformed request.
    pub(super) fault: u8,
}

impl Addressee {
    /// The sender of `packet`.
    pub(super) fn of(packet: &Packet) -> Self {
        Self {
            transport: packet.transport,
            encoding: packet.encoding(),
            outer: packet.outer(),
            fault: packet
                .fault
                .map_or(PROTOCOL_ERROR, |bad| bad.fault.exception()),
        }
    }

    /// As octets that travel with the exchange.
    pub(super) fn echo(self) -> Echo {
        let [a, b, c, d] = self.outer.to_be_bytes();
        [
            self.transport as u8,
            self.encoding as u8,
            self.fault,
            0,
            a,
            b,
            c,
            d,
        ]
    }

    /// From the octets that travelled with the exchange.
    pub(super) fn from_echo(echo: Echo) -> Self {
        let [transport, encoding, fault, _, a, b, c, d] = echo;
        Self {
            transport: match transport {
                0 => Transport::Unframed,
                1 => Transport::Framed,
                _ => Transport::Header,
            },
            encoding: match encoding {
                0 => Encoding::Strict,
                1 => Encoding::Lax,
                _ => Encoding::Compact,
            },
            outer: u32::from_be_bytes([a, b, c, d]),
            fault,
        }
    }

    /// The whole answer to the call of `name` with `seqid`.
    pub(super) fn answer(self, name: &[u8], seqid: u32, reply: &Reply) -> Vec<u8> {
        let mut out = self.envelope();
        let encoding = self.encoding;
        if reply.outcome.is_ok() {
            // A result without fields: that of a function which returns nothing.
            encoding.write_header(message::REPLY, name, seqid, &mut out);
        } else {
            encoding.write_header(message::EXCEPTION, name, seqid, &mut out);
            let kind = self.exception(reply.outcome.code);
            write_exception(encoding, reply.message.as_bytes(), kind, &mut out);
        }
        out.push(0);
        if self.transport != Transport::Unframed {
            // The message is ours, and far shorter than 2 GiB.
            let len = out.len() as u32 - 4;
            out[..4].copy_from_slice(&len.to_be_bytes());
        }
        out
    }

    /// What stands before the message; the length is not known yet.
    fn envelope(self) -> Vec<u8> {
        let mut out = vec![0; self.transport.prefix()];
        if self.transport == Transport::Header {
            out[4..6].copy_from_slice(&header::MAGIC);
            out[8..12].copy_from_slice(&self.outer.to_be_bytes());
            // One word: protocol id, no transforms, padding.
            out[13] = 1;
            out.extend_from_slice(&[header::protocol_of(self.encoding), 0, 0, 0]);
        }
        out
    }

    fn exception(self, code: Code) -> u8 {
        match code {
            Code::NotFound | Code::Unimplemented => UNKNOWN_METHOD,
            Code::BadRequest => self.fault,
            _ => INTERNAL_ERROR,
        }
    }
}

/// Appends the fields of a `TApplicationException`.
fn write_exception(encoding: Encoding, text: &[u8], kind: u8, out: &mut Vec<u8>) {
    match encoding {
        Encoding::Strict | Encoding::Lax => {
            out.extend_from_slice(&[11, 0, 1]);
            encoding.write_name(text, out);
            out.extend_from_slice(&[8, 0, 2, 0, 0, 0, kind]);
        }
        Encoding::Compact => {
            out.push(0x18);
            encoding.write_name(text, out);
            // Zigzag, and below 64.
            out.extend_from_slice(&[0x15, kind << 1]);
        }
    }
}

/// How the call ended that `message` in `bytes` answers.
pub(super) fn outcome(message: &Message, bytes: &[u8]) -> Outcome {
    let body = bytes.get(message.body..).unwrap_or_default();
    if message.kind == message::EXCEPTION {
        return told(exception_type(message.encoding, body));
    }
    match first_field(message.encoding, body) {
        Some(0) => Outcome::OK,
        Some(_) => Outcome::BUSINESS_ERROR,
        None => Outcome::new(Party::Infrastructure, Executed::Yes, Code::BadResponse),
    }
}

/// Id of the first field of a result; 0 also if there is none, `None` if that cannot be read.
fn first_field(encoding: Encoding, body: &[u8]) -> Option<u64> {
    let &first = body.first()?;
    if first == 0 {
        return Some(0);
    }
    match encoding {
        Encoding::Strict | Encoding::Lax => {
            let id = body.get(1..)?.first_chunk()?;
            Some(u16::from_be_bytes(*id).into())
        }
        Encoding::Compact if first & 0x0f == 0 => None,
        Encoding::Compact => match first >> 4 {
            0 => Some(varint::read(body, 1, 32).ok()??.0),
            delta => Some(delta.into()),
        },
    }
}

/// Type of a `TApplicationException` as Apache's implementations write it: message, then type.
fn exception_type(encoding: Encoding, body: &[u8]) -> Option<u8> {
    match encoding {
        Encoding::Strict | Encoding::Lax => {
            let mut rest = body;
            if let Some(field) = body.strip_prefix(&[11, 0, 1]) {
                let len = u32::from_be_bytes(*field.first_chunk()?);
                rest = field.get(4..)?.get(usize::try_from(len).ok()?..)?;
            }
            match rest.strip_prefix(&[8, 0, 2])?.first_chunk()? {
                [0, 0, 0, kind] => Some(*kind),
                _ => None,
            }
        }
        Encoding::Compact => {
            let mut at = 0;
            if body.first() == Some(&0x18) {
                let (len, start) = varint::read(body, 1, 32).ok()??;
                at = start.checked_add(usize::try_from(len).ok()?)?;
            }
            // The delta is 2 if the message is left out.
            let header = if at == 0 { 0x25 } else { 0x15 };
            let (zigzag, _) = match body.get(at) {
                Some(&first) if first == header => varint::read(body, at + 1, 32).ok()??,
                _ => return None,
            };
            u8::try_from(zigzag)
                .ok()
                .filter(|n| n % 2 == 0)
                .map(|n| n / 2)
        }
    }
}

/// What a `TApplicationException` of this type tells.
fn told(kind: Option<u8>) -> Outcome {
    use Executed::{Maybe, No, Yes};
    use Party::{Caller, Infrastructure};
    let (party, executed, code) = match kind {
        Some(UNKNOWN_METHOD) => (Infrastructure, No, Code::Unimplemented),
        // Message type, protocol, transform, protocol id and kind of client.
        Some(2 | PROTOCOL_ERROR..=10) => (Caller, No, Code::BadRequest),
        // Name, sequence id and result.
        Some(3..=5) => (Infrastructure, Yes, Code::BadResponse),
        _ => (Infrastructure, Maybe, Code::Internal),
    };
    Outcome::new(party, executed, code)
}

/// Exception type: no such method, or service.
const UNKNOWN_METHOD: u8 = 1;
/// Exception type: the server failed.
const INTERNAL_ERROR: u8 = 6;
/// Exception type: the message cannot be read.
const PROTOCOL_ERROR: u8 = 7;
