//! HTTP/1.1: requests with a body of a declared length on connections that are kept, and replies to them (RFC 9112).
//!
//! A proxy may write a reply's head anew, so of that the status and the length are compared, and of the body every
//! byte. Replies come in the order of the requests.

use std::collections::VecDeque;

use crate::arguments::Call;
use crate::protocol::{Answers, CallError, Calls, Step, Ticket, Verdict, Violation};
use crate::token::{TOKEN, Token, filler, token};

/// Longer heads and bodies are refused.
const MAX_HEAD: usize = 64 << 10;
const MAX_BODY: u64 = 8 << 20;

/// The load side: a prepared request and the body that is expected in return.
#[derive(Debug)]
pub(crate) struct Caller {
    request: Message,
    body: Vec<u8>,
}

/// What a connection remembers: its number, and the requests without a reply in their order.
#[derive(Debug)]
pub(crate) struct Waiting {
    connection: u32,
    tickets: VecDeque<Ticket>,
}

impl Caller {
    /// Prepares a POST of `body` bytes to the method, a path, of the service, an authority.
    pub(crate) fn new(call: &Call, body: u64) -> Result<Self, CallError> {
        if call.services > 1 {
            return Err(CallError::Services("http1"));
        }
        let mut head = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\nuser-agent: sabir-loadgen\r\n",
            call.method, call.service
        );
        for (name, value) in &call.attachments {
            head += &format!("{name}: {value}\r\n");
        }
        Ok(Self {
            request: Message::new(&head, body),
            body: filler(body),
        })
    }

    fn verdict(&self, reply: &Parsed<'_>, token: &Token) -> Verdict {
        let same = reply.body.len() == self.body.len()
            && reply.body[..TOKEN] == *token
            && reply.body[TOKEN..] == self.body[TOKEN..];
        match reply.status() {
            200 if same => Verdict::Right,
            200 => Verdict::Content,
            status => Verdict::Status(status),
        }
    }
}

impl Calls for Caller {
    type State = Waiting;

    fn open(&self, connection: u32, _: &mut Vec<u8>) -> Waiting {
        let tickets = VecDeque::new();
        Waiting {
            connection,
            tickets,
        }
    }

    fn write_request(&self, state: &mut Waiting, ticket: Ticket, out: &mut Vec<u8>) {
        state.tickets.push_back(ticket);
        self.request.write(&token(state.connection, ticket), out);
    }

    fn read_reply(
        &self,
        state: &mut Waiting,
        received: &[u8],
        _: &mut Vec<u8>,
    ) -> Result<Step, Violation> {
        let reply = match Parsed::read(received)? {
            Ok(reply) => reply,
            Err(needed) => return Ok(Step::Wait { needed }),
        };
        let consumed = reply.length;
        if reply.status() < 200 {
            return Ok(Step::Skip { consumed });
        }
        let ticket = state.tickets.pop_front().ok_or(Violation::Kind)?;
        Ok(Step::Reply {
            consumed,
            ticket,
            verdict: self.verdict(&reply, &token(state.connection, ticket)),
        })
    }
}

/// The backend side: answers each request with a body that begins with the request's.
#[derive(Debug)]
pub(crate) struct Echo {
    reply: Message,
}

impl Echo {
    /// A backend whose replies have a body of `body` bytes.
    pub(crate) fn new(body: u64) -> Self {
        let reply = Message::new("HTTP/1.1 200 OK\r\nserver: sabir-loadgen\r\n", body);
        Self { reply }
    }
}

impl Answers for Echo {
    type State = ();

    fn answer(&self, (): &mut (), received: &[u8], out: &mut Vec<u8>) -> Result<Step, Violation> {
        match Parsed::read(received)? {
            Ok(request) => {
                // Other generators send no token; theirs is the filler's beginning.
                let token = request.body.first_chunk::<TOKEN>();
                self.reply.write(token.unwrap_or(b"abcdefghijklmnop"), out);
                let consumed = request.length;
                Ok(Step::Skip { consumed })
            }
            Err(needed) => Ok(Step::Wait { needed }),
        }
    }
}

/// A prepared message, with the token at the start of its body still to be written.
#[derive(Debug)]
struct Message {
    bytes: Vec<u8>,
    body_at: usize,
}

impl Message {
    fn new(head: &str, body: u64) -> Self {
        let last =
            format!("content-type: application/octet-stream\r\ncontent-length: {body}\r\n\r\n");
        let mut bytes = [head.as_bytes(), last.as_bytes()].concat();
        let body_at = bytes.len();
        bytes.extend_from_slice(&filler(body));
        Self { bytes, body_at }
    }

    fn write(&self, token: &Token, out: &mut Vec<u8>) {
        let at = out.len() + self.body_at;
        out.extend_from_slice(&self.bytes);
        out[at..at + TOKEN].copy_from_slice(token);
    }
}

/// A whole message.
struct Parsed<'a> {
    first_line: &'a [u8],
    body: &'a [u8],
    /// Of all of it.
    length: usize,
}

impl<'a> Parsed<'a> {
    /// The message at the front, or how many bytes are needed to know more.
    fn read(received: &'a [u8]) -> Result<Result<Self, usize>, Violation> {
        let mut lines = Lines { received, at: 0 };
        let Some(first_line) = lines.next_line() else {
            return lines.wait();
        };
        if !first_line.starts_with(b"HTTP/1.1 ") && !first_line.ends_with(b" HTTP/1.1") {
            return Err(Violation::Magic);
        }
        let mut body_length = 0;
        loop {
            match lines.next_line() {
                None => return lines.wait(),
                Some([]) => break,
                Some(line) => {
                    if let Some(value) = value_of(line, b"content-length:") {
                        body_length = number(value)?;
                    } else if value_of(line, b"transfer-encoding:").is_some() {
                        return Err(Violation::Body);
                    }
                }
            }
        }
        let length = lines.at + body_length;
        Ok(match received.get(lines.at..length) {
            Some(body) => Ok(Self {
                first_line,
                body,
                length,
            }),
            None => Err(length),
        })
    }

    /// Of a reply; 0 if it is not a number.
    fn status(&self) -> u16 {
        let digits = self.first_line.get(9..12).unwrap_or_default();
        str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse().ok())
            .unwrap_or(0)
    }
}

/// The lines of a head.
struct Lines<'a> {
    received: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    fn next_line(&mut self) -> Option<&'a [u8]> {
        let rest = &self.received[self.at..];
        let length = rest.iter().position(|&byte| byte == b'\n')?;
        self.at += length + 1;
        let line = &rest[..length];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// No whole head yet.
    fn wait<T>(&self) -> Result<Result<T, usize>, Violation> {
        match self.received.len() {
            length if length > MAX_HEAD => Err(Violation::TooLarge(length as u64)),
            length => Ok(Err(length + 1)),
        }
    }
}

fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

fn number(digits: &[u8]) -> Result<usize, Violation> {
    let text = str::from_utf8(digits).map_err(|_| Violation::Body)?;
    match text.parse::<u64>() {
        Ok(number) if number > MAX_BODY => Err(Violation::TooLarge(number)),
        Ok(number) => Ok(number as usize),
        Err(_) => Err(Violation::Body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit;

    fn caller(body: u64) -> Caller {
        let mut call = kit::call();
        call.method = "/hi".to_owned();
        Caller::new(&call, body).expect("one service")
    }

    #[test]
    fn a_request_is_written_as_one_expects() {
        let (mut request, caller) = (Vec::new(), caller(17));
        let mut state = caller.open(7, &mut request);
        caller.write_request(&mut state, Ticket(0x99), &mut request);
        let expected = "POST /hi HTTP/1.1\r\nhost: org.demo.Hello\r\nuser-agent: sabir-loadgen\r\n\
            batchjob: true\r\ncontent-type: application/octet-stream\r\ncontent-length: 17\r\n\r\n\
            0000007000000099q";
        assert_eq!(String::from_utf8_lossy(&request), expected);
    }

    #[test]
    fn it_keeps_what_every_protocol_keeps() {
        for body in [16, 128, 65536] {
            let reply = kit::exchange(&caller(body), &Echo::new(body), Ticket(1)).reply;
            let head = reply.len() - body as usize;
            kit::right_and_wrong(&caller(body), &Echo::new(body), kit::Changes::From(head));
        }
    }

    #[test]
    fn replies_belong_to_the_oldest_request_and_an_interim_one_to_none() {
        let (caller, mut out) = (caller(16), Vec::new());
        let mut state = caller.open(7, &mut out);
        caller.write_request(&mut state, Ticket(1), &mut out);
        caller.write_request(&mut state, Ticket(2), &mut out);
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
        let step = caller.read_reply(&mut state, interim, &mut out);
        assert_eq!(step, Ok(Step::Skip { consumed: 25 }));
        for ticket in [1, 2] {
            let refused = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno";
            let step = caller.read_reply(&mut state, refused, &mut out);
            let (consumed, ticket) = (refused.len(), Ticket(ticket));
            let verdict = Verdict::Status(404);
            assert_eq!(
                step,
                Ok(Step::Reply {
                    consumed,
                    ticket,
                    verdict
                })
            );
        }
        let unasked = b"HTTP/1.1 200 OK\r\n\r\n";
        let step = caller.read_reply(&mut state, unasked, &mut out);
        assert_eq!(step, Err(Violation::Kind));
    }

    #[test]
    fn what_cannot_be_read_ends_the_connection() {
        let echo = Echo::new(16);
        for (wrong, violation) in [
            (&b"HELLO\r\n"[..], Violation::Magic),
            (
                b"GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
                Violation::Body,
            ),
            (
                b"GET / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
                Violation::Body,
            ),
            (
                b"GET / HTTP/1.1\r\ncontent-length: 9999999999\r\n\r\n",
                Violation::TooLarge(9_999_999_999),
            ),
        ] {
            let step = echo.answer(&mut (), wrong, &mut Vec::new());
            assert_eq!(step, Err(violation));
        }
    }

    #[test]
    fn a_request_without_body_is_answered_too() {
        let mut out = Vec::new();
        let step = Echo::new(20).answer(&mut (), b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", &mut out);
        assert_eq!(step, Ok(Step::Skip { consumed: 27 }));
        assert!(out.ends_with(b"\r\n\r\nabcdefghijklmnopqrst"));
    }
}
