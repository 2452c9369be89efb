//! Thrift: calls of one string in framed transport and strict binary protocol, with a multiplexed name.
//!
//! ```text
//! 0       length of the rest
//! 4       80 01 00, type: 1 call, 2 reply, 3 exception
//! 8       length of the name, name ("service:method"; a server's replies have the method alone), sequence id
//!         struct: of a call the field 1, of a reply the field 0, a string; ended by 00
//! ```
//!
//! Specification: `thrift-binary-protocol.md` and `thrift-rpc.md` of apache/thrift.

use crate::arguments::Call;
use crate::protocol::{Answers, CallError, Calls, Step, Ticket, Verdict, Violation};
use crate::token::{TOKEN, Token, filler, token};

const VERSION: [u8; 3] = [0x80, 0x01, 0x00];
const CALL: u8 = 1;
const REPLY: u8 = 2;
const EXCEPTION: u8 = 3;
const STRING: u8 = 11;
/// Where the name stands.
const NAME_AT: usize = 12;
/// Octets of a string field before its text: type, id and length.
const FIELD_HEAD: usize = 7;
/// Longer frames are refused; Thrift's own default.
const MAX_FRAME: u64 = 16_384_000;

/// The load side: a prepared call and the reply that is expected for it.
#[derive(Debug)]
pub(crate) struct Caller {
    call: Message,
    reply: Message,
}

/// What a connection remembers: its number, and by place which request has the sequence id, that is the low 32 bits.
#[derive(Debug)]
pub(crate) struct Sequence {
    connection: u32,
    tickets: Vec<Ticket>,
}

impl Caller {
    /// Prepares the call of `call` with an argument of `body` bytes.
    pub(crate) fn new(call: &Call, body: u64) -> Result<Self, CallError> {
        if !call.attachments.is_empty() {
            return Err(CallError::Attachment("thrift in frames"));
        }
        if call.services > 1 {
            return Err(CallError::Services("thrift"));
        }
        let name = format!("{}:{}", call.service, call.method);
        Ok(Self {
            call: Message::new(CALL, &name, 1, body),
            reply: Message::new(REPLY, &call.method, 0, body),
        })
    }
}

impl Calls for Caller {
    type State = Sequence;

    fn open(&self, connection: u32, _: &mut Vec<u8>) -> Sequence {
        let tickets = Vec::new();
        Sequence {
            connection,
            tickets,
        }
    }

    fn write_request(&self, state: &mut Sequence, ticket: Ticket, out: &mut Vec<u8>) {
        if state.tickets.len() <= ticket.place() {
            state.tickets.resize(ticket.place() + 1, Ticket(0));
        }
        state.tickets[ticket.place()] = ticket;
        let id = (ticket.0 as u32).to_be_bytes();
        self.call.write(id, &token(state.connection, ticket), out);
    }

    fn read_reply(
        &self,
        state: &mut Sequence,
        received: &[u8],
        _: &mut Vec<u8>,
    ) -> Result<Step, Violation> {
        let frame = match whole_frame(received)? {
            Ok(frame) => frame,
            Err(needed) => return Ok(Step::Wait { needed }),
        };
        let (id, at) = sequence_id(frame)?;
        let low = u32::from_be_bytes(id);
        // An unknown sequence id becomes a ticket that is not in flight.
        let ticket = Ticket(u64::from(low));
        let known = state.tickets.get(ticket.place());
        let ticket = known
            .copied()
            .filter(|known| known.0 as u32 == low)
            .unwrap_or(ticket);
        let verdict = match frame[7] {
            REPLY if self.reply.is(frame, id, &token(state.connection, ticket)) => Verdict::Right,
            REPLY => Verdict::Content,
            EXCEPTION => Verdict::Status(exception_type(&frame[at..])),
            _ => return Err(Violation::Kind),
        };
        Ok(Step::Reply {
            consumed: frame.len(),
            ticket,
            verdict,
        })
    }
}

/// The backend side: answers each call with a string that begins with the call's token, under the method's plain name,
/// as a multiplexed processor does.
#[derive(Debug)]
pub(crate) struct Echo {
    body: u64,
}

impl Echo {
    /// A backend whose results have `body` bytes.
    pub(crate) fn new(body: u64) -> Self {
        Self { body }
    }
}

impl Answers for Echo {
    /// The reply to the method that was called last, and its name: on one connection it hardly ever changes.
    type State = Option<(Vec<u8>, Message)>;

    fn answer(
        &self,
        state: &mut Self::State,
        received: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Step, Violation> {
        let frame = match whole_frame(received)? {
            Ok(frame) => frame,
            Err(needed) => return Ok(Step::Wait { needed }),
        };
        if frame[7] != CALL {
            return Err(Violation::Kind);
        }
        let (id, at) = sequence_id(frame)?;
        let name = &frame[NAME_AT..at - 4];
        let token = frame
            .get(at + FIELD_HEAD..)
            .and_then(<[u8]>::first_chunk::<TOKEN>)
            .ok_or(Violation::Body)?;
        let known = state.take().filter(|(known, _)| known == name);
        let (_, reply) = state.insert(match known {
            Some(known) => known,
            None => (name.to_vec(), self.reply(name)?),
        });
        reply.write(id, token, out);
        Ok(Step::Skip {
            consumed: frame.len(),
        })
    }
}

impl Echo {
    fn reply(&self, name: &[u8]) -> Result<Message, Violation> {
        let name = str::from_utf8(name).map_err(|_| Violation::Body)?;
        let method = name.rsplit(':').next().unwrap_or(name);
        Ok(Message::new(REPLY, method, 0, self.body))
    }
}

/// A prepared message, with sequence id and token still to be written.
#[derive(Debug)]
pub(crate) struct Message {
    bytes: Vec<u8>,
    id_at: usize,
    token_at: usize,
}

impl Message {
    fn new(kind: u8, name: &str, field: u8, body: u64) -> Self {
        let text = filler(body);
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(&VERSION);
        bytes.push(kind);
        bytes.extend_from_slice(&(name.len() as u32).to_be_bytes());
        bytes.extend_from_slice(name.as_bytes());
        let id_at = bytes.len();
        bytes.extend_from_slice(&[0, 0, 0, 0, STRING, 0, field]);
        bytes.extend_from_slice(&(text.len() as u32).to_be_bytes());
        let token_at = bytes.len();
        bytes.extend_from_slice(&text);
        bytes.push(0);
        let length = (bytes.len() - 4) as u32;
        bytes[..4].copy_from_slice(&length.to_be_bytes());
        Self {
            bytes,
            id_at,
            token_at,
        }
    }

    fn write(&self, id: [u8; 4], token: &Token, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let frame = &mut out[start..];
        frame[self.id_at..self.id_at + 4].copy_from_slice(&id);
        frame[self.token_at..self.token_at + TOKEN].copy_from_slice(token);
    }

    /// Whether `frame` is this message with this sequence id and token.
    fn is(&self, frame: &[u8], id: [u8; 4], token: &Token) -> bool {
        let (id_end, token_end) = (self.id_at + 4, self.token_at + TOKEN);
        frame.len() == self.bytes.len()
            && frame[..self.id_at] == self.bytes[..self.id_at]
            && frame[self.id_at..id_end] == id
            && frame[id_end..self.token_at] == self.bytes[id_end..self.token_at]
            && frame[self.token_at..token_end] == *token
            && frame[token_end..] == self.bytes[token_end..]
    }
}

/// The frame at the front, with at least its name's length, or how many bytes are needed to know more.
fn whole_frame(received: &[u8]) -> Result<Result<&[u8], usize>, Violation> {
    let Some(head) = received.first_chunk::<NAME_AT>() else {
        return Ok(Err(NAME_AT));
    };
    if head[4..7] != VERSION {
        return Err(Violation::Magic);
    }
    match u64::from(u32::from_be_bytes([head[0], head[1], head[2], head[3]])) {
        length if length > MAX_FRAME => Err(Violation::TooLarge(length)),
        length => {
            let needed = (4 + length as usize).max(NAME_AT);
            Ok(received.get(..needed).ok_or(needed))
        }
    }
}

/// The sequence id, which stands behind the name, and where it ends.
fn sequence_id(frame: &[u8]) -> Result<([u8; 4], usize), Violation> {
    let length = u32::from_be_bytes([frame[8], frame[9], frame[10], frame[11]]);
    let at = NAME_AT.saturating_add(length as usize);
    let id = frame
        .get(at..)
        .and_then(<[u8]>::first_chunk::<4>)
        .ok_or(Violation::Body)?;
    Ok((*id, at + 4))
}

/// The type of a `TApplicationException`: its last field, where writers put it; 0, "unknown", where it is elsewhere.
fn exception_type(fields: &[u8]) -> u16 {
    match fields.last_chunk::<8>() {
        Some(&[8, 0, 2, 0, 0, high, low, 0]) => u16::from_be_bytes([high, low]),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit;

    fn caller(body: u64) -> Caller {
        let mut call = kit::call();
        call.attachments.clear();
        Caller::new(&call, body).expect("no attachments")
    }

    fn open(caller: &Caller) -> Sequence {
        caller.open(7, &mut Vec::new())
    }

    #[test]
    fn a_call_has_the_bytes_of_a_multiplexed_client() {
        let (mut call, caller) = (Vec::new(), caller(16));
        caller.write_request(&mut open(&caller), Ticket(0x1_0000), &mut call);
        let mut expected = b"\x00\x00\x00\x39\x80\x01\x00\x01".to_vec();
        expected.extend_from_slice(b"\x00\x00\x00\x11org.demo.Hello:hi\x00\x01\x00\x00");
        expected.extend_from_slice(b"\x0b\x00\x01\x00\x00\x00\x100000007000010000\x00");
        expected[3] = (expected.len() - 4) as u8;
        assert_eq!(call, expected);
    }

    #[test]
    fn it_keeps_what_every_protocol_keeps() {
        for body in [16, 128, 65536] {
            // Behind the name, "hi", stands the sequence id: another one is another request's.
            kit::right_and_wrong(
                &caller(body),
                &Echo::new(body),
                kit::Changes::AllBut(14..18),
            );
        }
    }

    #[test]
    fn an_exception_is_its_type() {
        let caller = caller(16);
        let mut state = open(&caller);
        caller.write_request(&mut state, Ticket(0x1_0000), &mut Vec::new());
        let exception = b"\x00\x00\x00\x1d\x80\x01\x00\x03\x00\x00\x00\x02hi\x00\x01\x00\x00\
            \x0b\x00\x01\x00\x00\x00\x00\x08\x00\x02\x00\x00\x00\x06\x00";
        let step = caller.read_reply(&mut state, exception, &mut Vec::new());
        let (consumed, ticket) = (exception.len(), Ticket(0x1_0000));
        let verdict = Verdict::Status(6);
        assert_eq!(
            step,
            Ok(Step::Reply {
                consumed,
                ticket,
                verdict
            })
        );
    }

    #[test]
    fn what_is_not_thrift_ends_the_connection() {
        let (echo, mut out) = (Echo::new(16), Vec::new());
        let wrong = echo.answer(&mut None, b"GET / HTTP/1.1\r\n\r\n", &mut out);
        assert_eq!(wrong, Err(Violation::Magic));
        let short = b"\x00\x00\x00\x08\x80\x01\x00\x01\x00\x00\x00\x10";
        assert_eq!(
            echo.answer(&mut None, short, &mut out),
            Err(Violation::Body)
        );
        let large = b"\xff\x00\x00\x08\x80\x01\x00\x01\x00\x00\x00\x10";
        assert!(matches!(
            echo.answer(&mut None, large, &mut out),
            Err(Violation::TooLarge(_))
        ));
    }

    #[test]
    fn attachments_are_refused() {
        let refused = Caller::new(&kit::call(), 16);
        assert!(matches!(refused, Err(CallError::Attachment(_))));
    }
}
