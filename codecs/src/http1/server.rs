//! The side that a client speaks to.
//!
//! ```text
//! Head ──▶ Body ──▶ Held ──▶ Head          one exchange after the other; what a client sends ahead
//!   │        │        ├────▶ Tunnel        stays unread until its turn
//!   │        └────────┴────▶ Discard ▶ Head
//!   └──────────────────────▶ Linger        nothing more is understood; the last answer gets its
//! ```                                      time to be read
//!
//! RFC 9112 §9.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use sabir_core::connection::{Connection, ConnectionError, SendError, Turn, Written};
use sabir_core::frame::{Frame, Reason, StreamId};
use sabir_core::head::Echo;
use sabir_core::metadata::Malformed;
use sabir_core::outcome::{Code, Executed, Outcome, Party, Reply};

use super::body::Body;
use super::inbox::{Inbox, WINDOW};
use super::lines_out::trailer_lines;
use super::options::Options;
use super::outbound::Outbound;
use super::refusal::Refusal;
use super::request::{Facts, Verb};
use super::response_out;
use super::scan::Scan;

mod answering;
mod reading;

/// A connection that a client opened.
#[derive(Debug)]
pub(super) struct Server {
    options: Arc<Options>,
    scan: Scan,
    /// Empty lines before a request line.
    blank: u8,
    reading: Reading,
    exchange: Option<Exchange>,
    inbox: Inbox,
    last_id: u64,
    draining: bool,
    /// Bytes that the client sent ahead of its turn.
    held: usize,
    /// What it had sent ahead when it closed its side.
    tail: Option<BytesMut>,
    due: Option<Instant>,
    finished: bool,
}

/// What the next bytes are.
#[derive(Debug)]
enum Reading {
    /// The head of a request.
    Head,
    /// The body of the request that is being answered.
    Body(Body),
    /// For later: the request is complete, its answer is not.
    Held,
    /// The client's side of a tunnel.
    Tunnel,
    /// Nothing: the client's side of a tunnel has ended.
    Ended,
    /// The rest of a body that nobody wants, which may have so many bytes more.
    Discard(Body, u64),
    /// Nothing that is looked at.
    Linger,
}

/// The request that is being answered.
#[derive(Debug)]
struct Exchange {
    stream: StreamId,
    facts: Facts,
    answer: Answer,
    /// Status to answer with, if the request was refused here.
    refused: Option<u16>,
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    Awaited,
    Begun {
        body: Outbound,
        close: bool,
    },
    /// The server's side of a tunnel has ended.
    Ended,
}

impl Server {
    pub(super) fn new(options: Arc<Options>) -> Self {
        Self {
            options,
            scan: Scan::default(),
            blank: 0,
            reading: Reading::Head,
            exchange: None,
            inbox: Inbox::default(),
            last_id: 0,
            draining: false,
            held: 0,
            tail: None,
            due: None,
            finished: false,
        }
    }

    fn linger(&mut self, now: Instant) {
        self.reading = Reading::Linger;
        self.due = Some(now + LINGER);
        if self.tail.take().is_some() {
            self.finished = true;
        }
    }

    /// The answer is complete.
    fn finish(&mut self, close: bool, turn: &mut Turn<'_>) {
        self.exchange = None;
        self.inbox.clear();
        match std::mem::replace(&mut self.reading, Reading::Held) {
            Reading::Linger => self.linger(turn.now),
            Reading::Tunnel | Reading::Ended => self.finished = true,
            Reading::Body(_) if close => self.linger(turn.now),
            Reading::Body(body) => self.reading = Reading::Discard(body, DISCARD),
            _ if close && self.held > 0 => self.linger(turn.now),
            _ if close => self.finished = true,
            _ => (self.reading, self.due) = (Reading::Head, None),
        }
        self.resume(turn);
    }

    /// Goes on with what the client had sent when it closed its side.
    fn resume(&mut self, turn: &mut Turn<'_>) {
        let Some(mut tail) = self.tail.take() else {
            return;
        };
        self.read(&mut tail, turn);
        match self.reading {
            Reading::Held => self.tail = Some(tail),
            Reading::Tunnel => {
                self.inbox.end(turn);
                self.reading = Reading::Ended;
            }
            Reading::Ended => {}
            Reading::Body(_) => {
                self.inbox.reset(Reason::Lost, turn);
                self.finished = true;
            }
            // A request that was refused is still to be answered.
            Reading::Linger if self.exchange.is_some() => self.tail = Some(tail),
            Reading::Linger | Reading::Head | Reading::Discard(..) => self.finished = true,
        }
    }

    fn arm(&mut self, now: Instant, has_input: bool) {
        let after = |timeout: Option<Duration>| timeout.map(|timeout| now + timeout);
        match self.reading {
            Reading::Head if has_input => {
                self.due = self.due.or_else(|| after(self.options.header_timeout));
            }
            Reading::Head | Reading::Held => self.due = None,
            Reading::Body(_) | Reading::Discard(..) => {
                self.due = after(self.options.body_timeout);
            }
            Reading::Tunnel | Reading::Ended => {
                self.due = after(self.options.tunnel_timeout);
            }
            Reading::Linger => {}
        }
    }
}

impl Connection for Server {
    fn recv(&mut self, input: &mut BytesMut, turn: &mut Turn<'_>) -> Result<(), ConnectionError> {
        self.read(input, turn);
        Ok(())
    }

    fn recv_eof(
        &mut self,
        input: &mut BytesMut,
        turn: &mut Turn<'_>,
    ) -> Result<(), ConnectionError> {
        match self.reading {
            Reading::Head if input.is_empty() => {}
            Reading::Head | Reading::Body(_) => {
                return Err(ConnectionError::Truncated { len: input.len() });
            }
            Reading::Held => self.tail = Some(std::mem::take(input)),
            Reading::Tunnel => {
                self.inbox.tunnel(input, turn);
                self.inbox.end(turn);
                self.reading = Reading::Ended;
                self.arm(turn.now, false);
            }
            Reading::Ended => {}
            Reading::Linger if self.exchange.is_some() => self.tail = Some(BytesMut::new()),
            Reading::Linger | Reading::Discard(..) => self.finished = true,
        }
        Ok(())
    }

    fn send(
        &mut self,
        stream: StreamId,
        frame: Frame,
        turn: &mut Turn<'_>,
    ) -> Result<Written, SendError> {
        match frame {
            Frame::Head(head) => self.send_head(stream, &head, turn),
            Frame::Data { bytes, end } => self.send_body(stream, turn, end, |body, _, turn| {
                body.write(bytes, end, turn.out)
            }),
            Frame::Trailers(head) => self.send_body(stream, turn, true, |body, facts, turn| {
                // RFC 9110 §6.5.1: only to those who said that they understand them.
                let lines = match facts.trailers && *body == Outbound::Chunked {
                    true => trailer_lines(&head),
                    false => Vec::new(),
                };
                body.finish(&lines, turn.out)
            }),
            Frame::Reset(_) => {
                self.current(stream)?;
                (self.exchange, self.finished) = (None, true);
                Ok(Written::Whole)
            }
        }
    }

    fn reply(&mut self, stream: StreamId, _echo: Echo, reply: &Reply, turn: &mut Turn<'_>) {
        let draining = self.draining;
        let unfinished = matches!(self.reading, Reading::Body(_));
        let unread = match &self.reading {
            Reading::Body(Body::Known(left)) => *left > DISCARD,
            Reading::Body(_) => true,
            _ => false,
        };
        let Ok(exchange) = self.current(stream) else {
            return;
        };
        let Exchange {
            facts,
            answer: Answer::Awaited,
            refused,
            ..
        } = *exchange
        else {
            return;
        };
        let in_doubt = facts.expects && unfinished;
        let close = !facts.persists || draining || in_doubt || unread;
        response_out::reply(reply, refused, facts.verb, close, turn.out);
        self.finish(close, turn);
    }

    fn open(&mut self, _stream: StreamId) -> bool {
        false
    }

    fn consumed(&mut self, stream: StreamId, bytes: usize, _turn: &mut Turn<'_>) {
        self.inbox.consumed(stream, bytes);
    }

    fn wants_read(&self) -> bool {
        let is_far_ahead = matches!(self.reading, Reading::Held) && self.held >= WINDOW;
        !self.finished && !self.inbox.is_full() && !is_far_ahead
    }

    /// The last answer was given and what the client still sends is not looked at, or the server's
    /// side of a tunnel has ended.
    fn wants_shutdown(&self) -> bool {
        match &self.exchange {
            Some(exchange) => matches!(exchange.answer, Answer::Ended),
            None => matches!(self.reading, Reading::Linger),
        }
    }

    fn is_finished(&self) -> bool {
        self.finished
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.due.filter(|_| !self.finished)
    }

    fn handle_timeout(&mut self, turn: &mut Turn<'_>) -> Result<(), ConnectionError> {
        if self.due.is_none_or(|due| due > turn.now) {
            return Ok(());
        }
        self.due = None;
        match self.reading {
            // The proxy itself is the one that does not read.
            Reading::Body(_) | Reading::Tunnel | Reading::Ended if self.inbox.is_full() => {
                self.arm(turn.now, false);
            }
            Reading::Head => {
                let outcome = Outcome::new(Party::Caller, Executed::No, Code::TimedOut);
                let reply = Reply::new(outcome, "the head of the request did not arrive in time");
                let (part, at) = ("head: not in time", 0);
                Refusal::new(408, Malformed { part, at }).note(turn);
                response_out::reply(&reply, None, Verb::Other, true, turn.out);
                self.linger(turn.now);
            }
            Reading::Body(_) => {
                let (part, at) = ("body: not in time", 0);
                self.break_off(Refusal::new(408, Malformed { part, at }), turn);
            }
            Reading::Tunnel | Reading::Ended => {
                self.inbox.reset(Reason::Cancelled, turn);
                (self.exchange, self.finished) = (None, true);
            }
            Reading::Discard(..) | Reading::Linger => self.finished = true,
            Reading::Held => {}
        }
        Ok(())
    }

    fn drain(&mut self, _turn: &mut Turn<'_>) {
        self.draining = true;
    }
}

/// Bytes of a body that are read and thrown away to keep a connection.
const DISCARD: u64 = 64 << 10;

/// How long a client may take to read its last answer before the connection is closed, so that
/// what it still sends does not destroy the answer on its way. RFC 9112 §9.6.
const LINGER: Duration = Duration::from_secs(1);
