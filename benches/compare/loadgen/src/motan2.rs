//! Motan2: two-way requests with a string in simple serialization, and the replies of motan-go.
//!
//! ```text
//! 0       f1 f1     magic
//! 2       flags     10 heartbeat, 01 response
//! 3       f8 version, 07 status
//! 4       f8 serialization
//! 5..13   request id
//! 13..17  length M of the metadata
//! 17      metadata: keys and values in turn, a line each
//! 17+M    length B of the body, in four octets
//! 21+M    body
//! ```
//!
//! Specification: `motanProtocol.go` and `simple.go` of weibocom/motan-go.

use crate::arguments::Call;
use crate::protocol::{Answers, CallError, Calls, Step, Ticket, Verdict, Violation};
use crate::token::{TOKEN, filler, token};

const MAGIC: [u8; 2] = [0xf1, 0xf1];
const HEARTBEAT: u8 = 0x10;
const RESPONSE: u8 = 0x01;
/// Version 1, status normal.
const VERSION: u8 = 0x08;
const STATUS: u8 = 0x07;
/// Number 6 in the upper five bits.
const SIMPLE: u8 = 0x30;
const METADATA_AT: usize = 17;
/// Octets before the text of a string in simple serialization: its type and its length.
const STRING_HEAD: usize = 5;
const STRING: u8 = 1;
/// Of metadata and of a body; the default of both implementations.
const MAX_PART: u64 = 10 << 20;

/// The load side: a prepared request and the reply that is expected for it.
#[derive(Debug)]
pub(crate) struct Caller {
    request: Message,
    reply: Message,
}

impl Caller {
    /// Prepares the request of `call` with an argument of `body` bytes.
    pub(crate) fn new(call: &Call, body: u64) -> Result<Self, CallError> {
        if call.services > 1 {
            return Err(CallError::Services("motan2"));
        }
        let mut pairs = vec![
            ("M_p", call.service.as_str()),
            ("M_m", &call.method),
            ("M_g", &call.group),
            ("M_v", &call.service_version),
            ("M_s", "bench"),
        ];
        let further = call.attachments.iter();
        pairs.extend(further.map(|(key, value)| (key.as_str(), value.as_str())));
        let lines: Vec<_> = pairs.into_iter().flat_map(<[&str; 2]>::from).collect();
        if let Some(line) = lines.iter().find(|line| line.contains('\n')) {
            return Err(CallError::Text((*line).to_owned()));
        }
        Ok(Self {
            request: Message::new(0, &lines.join("\n"), body),
            reply: Message::reply(body),
        })
    }
}

impl Calls for Caller {
    /// The connection's number.
    type State = u32;

    fn open(&self, connection: u32, _: &mut Vec<u8>) -> u32 {
        connection
    }

    fn write_request(&self, connection: &mut u32, ticket: Ticket, out: &mut Vec<u8>) {
        let id = ticket.0.to_be_bytes();
        self.request.write(&id, &token(*connection, ticket), out);
    }

    fn read_reply(
        &self,
        connection: &mut u32,
        received: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Step, Violation> {
        let (frame, consumed) = match whole_frame(received)? {
            Ok(frame) => (frame, frame.len()),
            Err(needed) => return Ok(Step::Wait { needed }),
        };
        if frame[2] & HEARTBEAT != 0 {
            answer_heartbeat(frame, out);
            return Ok(Step::Skip { consumed });
        }
        if frame[2] & RESPONSE == 0 {
            return Err(Violation::Kind);
        }
        let ticket = Ticket(id(frame));
        let verdict = match frame[3] & STATUS {
            0 if self.reply.is(frame, &token(*connection, ticket)) => Verdict::Right,
            0 => Verdict::Content,
            status => Verdict::Status(status.into()),
        };
        Ok(Step::Reply {
            consumed,
            ticket,
            verdict,
        })
    }
}

/// The backend side: answers each request with a string that begins with the request's token.
#[derive(Debug)]
pub(crate) struct Echo {
    reply: Message,
}

impl Echo {
    /// A backend whose results have `body` bytes.
    pub(crate) fn new(body: u64) -> Self {
        let reply = Message::reply(body);
        Self { reply }
    }
}

impl Answers for Echo {
    type State = ();

    fn answer(&self, (): &mut (), received: &[u8], out: &mut Vec<u8>) -> Result<Step, Violation> {
        let (frame, consumed) = match whole_frame(received)? {
            Ok(frame) => (frame, frame.len()),
            Err(needed) => return Ok(Step::Wait { needed }),
        };
        if frame[2] & HEARTBEAT != 0 {
            answer_heartbeat(frame, out);
        } else if frame[2] & RESPONSE != 0 {
            return Err(Violation::Kind);
        } else {
            let at = METADATA_AT + part_len(frame, 13)? + 4 + STRING_HEAD;
            let token = frame[at.min(frame.len())..]
                .first_chunk::<TOKEN>()
                .ok_or(Violation::Body)?;
            self.reply.write(&frame[5..13], token, out);
        }
        Ok(Step::Skip { consumed })
    }
}

/// A prepared message, with id and token still to be written.
#[derive(Debug)]
struct Message {
    bytes: Vec<u8>,
    token_at: usize,
}

impl Message {
    fn new(flags: u8, metadata: &str, body: u64) -> Self {
        let mut bytes = header(flags);
        put_length(metadata.len(), &mut bytes);
        bytes.extend_from_slice(metadata.as_bytes());
        let text = filler(body);
        put_length(STRING_HEAD + text.len(), &mut bytes);
        bytes.push(STRING);
        put_length(text.len(), &mut bytes);
        let token_at = bytes.len();
        bytes.extend_from_slice(&text);
        Self { bytes, token_at }
    }

    fn reply(body: u64) -> Self {
        Self::new(RESPONSE, "M_pt\n0", body)
    }

    fn write(&self, id: &[u8], token: &[u8; TOKEN], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let frame = &mut out[start..];
        frame[5..13].copy_from_slice(id);
        frame[self.token_at..self.token_at + TOKEN].copy_from_slice(token);
    }

    /// Whether `frame` is this message but for its id, with this token.
    fn is(&self, frame: &[u8], token: &[u8; TOKEN]) -> bool {
        let place = self.token_at..self.token_at + TOKEN;
        frame.len() == self.bytes.len()
            && frame[..5] == self.bytes[..5]
            && frame[13..place.start] == self.bytes[13..place.start]
            && frame[place.clone()] == *token
            && frame[place.end..] == self.bytes[place.end..]
    }
}

/// Magic to id.
fn header(flags: u8) -> Vec<u8> {
    let mut bytes = vec![0; 13];
    bytes[..2].copy_from_slice(&MAGIC);
    bytes[2..5].copy_from_slice(&[flags, VERSION, SIMPLE]);
    bytes
}

fn put_length(length: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(length as u32).to_be_bytes());
}

/// The frame at the front, or how many bytes are needed to know more.
fn whole_frame(received: &[u8]) -> Result<Result<&[u8], usize>, Violation> {
    let seen = received.len().min(2);
    if received[..seen] != MAGIC[..seen] {
        return Err(Violation::Magic);
    }
    if received.len() < METADATA_AT {
        return Ok(Err(METADATA_AT));
    }
    let body_at = METADATA_AT + part_len(received, 13)? + 4;
    if received.len() < body_at {
        return Ok(Err(body_at));
    }
    let needed = body_at + part_len(received, body_at - 4)?;
    Ok(received.get(..needed).ok_or(needed))
}

/// The length that stands at `at`.
fn part_len(bytes: &[u8], at: usize) -> Result<usize, Violation> {
    let octets = bytes[at..].first_chunk::<4>().ok_or(Violation::Body)?;
    match u64::from(u32::from_be_bytes(*octets)) {
        length if length > MAX_PART => Err(Violation::TooLarge(length)),
        length => Ok(length as usize),
    }
}

fn id(frame: &[u8]) -> u64 {
    frame[5..13]
        .iter()
        .fold(0, |id, &byte| (id << 8) | u64::from(byte))
}

/// A heartbeat that asks gets its answer; one that answers wants nothing.
fn answer_heartbeat(frame: &[u8], out: &mut Vec<u8>) {
    if frame[2] & RESPONSE == 0 {
        let start = out.len();
        out.extend_from_slice(&frame[..13]);
        out[start + 2] |= RESPONSE;
        out.extend_from_slice(&[0; 8]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit;

    fn caller(body: u64) -> Caller {
        Caller::new(&kit::call(), body).expect("no line breaks")
    }

    #[test]
    fn a_request_has_the_bytes_of_a_go_client() {
        let mut request = Vec::new();
        caller(16).write_request(&mut 0, Ticket(1), &mut request);
        let mut expected = b"\xf1\xf1\x00\x08\x30\x00\x00\x00\x00\x00\x00\x00\x01".to_vec();
        expected.extend_from_slice(b"\x00\x00\x00\x46M_p\norg.demo.Hello\nM_m\nhi\nM_g\ng1");
        expected.extend_from_slice(b"\nM_v\n0.0.0\nM_s\nbench\nbatchjob\ntrue");
        expected[16] = (expected.len() - METADATA_AT) as u8;
        expected.extend_from_slice(b"\x00\x00\x00\x15\x01\x00\x00\x00\x100000000000000001");
        assert_eq!(request, expected);
    }

    #[test]
    fn it_keeps_what_every_protocol_keeps() {
        for body in [16, 128, 65536] {
            kit::right_and_wrong(&caller(body), &Echo::new(body), kit::Changes::AllBut(5..13));
        }
    }

    #[test]
    fn an_exception_is_a_status() {
        let exchange = kit::exchange(&caller(16), &Echo::new(16), Ticket(1));
        let mut reply = exchange.reply;
        reply[3] |= 1;
        let step = caller(16).read_reply(&mut 7, &reply, &mut Vec::new());
        let verdict = Verdict::Status(1);
        let (consumed, ticket) = (reply.len(), Ticket(1));
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
    fn a_heartbeat_is_answered_once() {
        let ask = b"\xf1\xf1\x10\x08\x30\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\0";
        let mut out = Vec::new();
        let step = Echo::new(16).answer(&mut (), ask, &mut out);
        assert_eq!(step, Ok(Step::Skip { consumed: 21 }));
        assert_eq!(
            out,
            b"\xf1\xf1\x11\x08\x30\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\0"
        );
        let answer = out.clone();
        assert!(caller(16).read_reply(&mut 0, &answer, &mut out).is_ok());
        assert_eq!(out, answer);
    }

    #[test]
    fn what_is_not_motan_or_too_large_ends_the_connection() {
        let echo = Echo::new(16);
        let mut out = Vec::new();
        assert_eq!(
            echo.answer(&mut (), b"GET /", &mut out),
            Err(Violation::Magic)
        );
        let large = b"\xf1\xf1\x00\x08\x30\0\0\0\0\0\0\0\x05\xff\0\0\0";
        assert!(matches!(
            echo.answer(&mut (), large, &mut out),
            Err(Violation::TooLarge(_))
        ));
    }

    #[test]
    fn a_line_break_in_a_pair_is_refused() {
        let mut call = kit::call();
        call.group = "a\nb".to_owned();
        assert!(matches!(Caller::new(&call, 16), Err(CallError::Text(_))));
    }
}
