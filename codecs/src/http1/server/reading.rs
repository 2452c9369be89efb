//! What a client sends.

use bytes::{Buf, Bytes, BytesMut};
use sabir_core::connection::Turn;
use sabir_core::frame::{Reason, StreamId};
use sabir_core::head::{Head, Kind};
use sabir_core::outcome::{Code, Executed, Outcome, Party, Reply};

use super::{Answer, Exchange, Reading, Server};
use crate::http1::NAME;
use crate::http1::body::{Body, Piece};
use crate::http1::field::is_token;
use crate::http1::refusal::Refusal;
use crate::http1::request::{self, Facts, Request, Verb};
use crate::http1::response_out;
use crate::http1::scan::Section;

impl Server {
    pub(super) fn read(&mut self, input: &mut BytesMut, turn: &mut Turn<'_>) {
        while !self.finished {
            let more = match &mut self.reading {
                Reading::Head => self.read_head(input, turn),
                Reading::Body(_) => self.read_body(input, turn),
                Reading::Discard(..) => self.discard(input, turn.now),
                Reading::Tunnel => {
                    self.inbox.tunnel(input, turn);
                    false
                }
                Reading::Linger => {
                    input.clear();
                    false
                }
                Reading::Held | Reading::Ended => false,
            };
            if !more {
                break;
            }
        }
        self.held = match self.reading {
            Reading::Held => input.len(),
            _ => 0,
        };
        self.arm(turn.now, !input.is_empty());
    }

    /// Says whether there may be more to read.
    fn read_head(&mut self, input: &mut BytesMut, turn: &mut Turn<'_>) -> bool {
        // RFC 9112 §2.2: some clients send an empty line after a body.
        while self.scan.is_fresh() && input.starts_with(b"\r\n") && self.blank < MOST_BLANK {
            input.advance(2);
            self.blank += 1;
        }
        let Some(&first) = input.first() else {
            return false;
        };
        if input[..] == *b"\r" && self.blank < MOST_BLANK {
            return false;
        }
        // What cannot become a request is refused without waiting for a line that never ends.
        if !is_token(&[first]) {
            self.refuse(Refusal::bad("request line", 0), Bytes::new(), turn);
            return true;
        }
        let limits = &self.options.head;
        let found = match self.scan.find(input, Section::Head, limits) {
            Ok(Some(found)) => found,
            Ok(None) => return false,
            Err(refusal) => {
                self.refuse(refusal, Bytes::new(), turn);
                return true;
            }
        };
        (self.blank, self.due) = (0, None);
        let block = input.split_to(found.len).freeze();
        match request::read(block.clone(), found.lines, &self.options) {
            Ok(request) => self.accept(request, block, turn),
            Err(refusal) => self.refuse(refusal, block, turn),
        }
        true
    }

    fn accept(&mut self, request: Request, block: Bytes, turn: &mut Turn<'_>) {
        let Request { head, facts } = request;
        if facts.hops == Some(0) {
            return self.answer_here(&facts, head.end, block, turn);
        }
        self.reading = match facts.length.and_then(Body::of) {
            Some(body) => Reading::Body(body),
            None => Reading::Held,
        };
        self.begin(facts, None, head, turn);
    }

    fn begin(&mut self, facts: Facts, refused: Option<u16>, head: Head, turn: &mut Turn<'_>) {
        self.last_id += 1;
        let stream = StreamId(self.last_id);
        self.exchange = Some(Exchange {
            stream,
            facts,
            answer: Answer::Awaited,
            refused,
        });
        self.inbox.start(stream);
        self.inbox.head(head, turn);
    }

    /// Has a request answered that is none, and listens no further.
    fn refuse(&mut self, refusal: Refusal, block: Bytes, turn: &mut Turn<'_>) {
        refusal.note(turn);
        let verb = match block.starts_with(b"HEAD ") {
            true => Verb::Head,
            false => Verb::Other,
        };
        let facts = Facts::nothing(verb);
        let mut head = Head::new(NAME, Kind::Request, block, |_, _| {});
        head.set_fault(refusal.why);
        (self.reading, self.due) = (Reading::Linger, None);
        self.begin(facts, Some(refusal.status), head, turn);
    }

    /// Answers a request that may be passed on to nobody. RFC 9110 §7.6.2.
    fn answer_here(&mut self, facts: &Facts, end: bool, block: Bytes, turn: &mut Turn<'_>) {
        if !end {
            return self.refuse(Refusal::bad("Max-Forwards: 0 with a body", 0), block, turn);
        }
        let status = match facts.verb {
            Verb::Options => 200,
            _ => 405,
        };
        let close = !facts.persists || self.draining;
        let text = Reply::new(Outcome::OK, "");
        response_out::reply(&text, Some(status), facts.verb, close, turn.out);
        if close {
            self.linger(turn.now);
        }
    }

    fn read_body(&mut self, input: &mut BytesMut, turn: &mut Turn<'_>) -> bool {
        let Reading::Body(body) = &mut self.reading else {
            return false;
        };
        let read = self.inbox.read(body, input, &self.options, turn);
        let ended = match read {
            Ok(ended) => ended,
            Err(refusal) => {
                self.break_off(refusal, turn);
                return true;
            }
        };
        if ended {
            (self.reading, self.due) = (Reading::Held, None);
        }
        ended
    }

    fn discard(&mut self, input: &mut BytesMut, now: std::time::Instant) -> bool {
        let Reading::Discard(body, budget) = &mut self.reading else {
            return false;
        };
        let before = input.len() as u64;
        loop {
            let piece = body.next(input, &self.options.head);
            let spent = before - input.len() as u64;
            let ended = match piece {
                Ok(None) => {
                    *budget = budget.saturating_sub(spent);
                    return false;
                }
                Ok(Some(Piece::Data { end, .. })) => end,
                Ok(Some(Piece::Trailers(_))) => true,
                Err(_) => {
                    self.linger(now);
                    return true;
                }
            };
            if spent > *budget {
                self.linger(now);
                return true;
            }
            if ended {
                (self.reading, self.due) = (Reading::Head, None);
                return true;
            }
        }
    }

    /// Gives a request up whose body cannot be read to its end.
    pub(super) fn break_off(&mut self, refusal: Refusal, turn: &mut Turn<'_>) {
        refusal.note(turn);
        self.inbox.reset(Reason::Protocol, turn);
        self.inbox.clear();
        let Some(exchange) = self.exchange.take() else {
            return self.linger(turn.now);
        };
        match exchange.answer {
            Answer::Awaited => {
                let outcome = Outcome::new(Party::Caller, Executed::No, Code::BadRequest);
                let reply = Reply::new(outcome, refusal.why.to_string());
                let verb = exchange.facts.verb;
                response_out::reply(&reply, Some(refusal.status), verb, true, turn.out);
                self.linger(turn.now);
            }
            // That the answer ends here shows in its framing.
            Answer::Begun { .. } | Answer::Ended => self.finished = true,
        }
    }
}

/// Empty lines before a request line that are overlooked.
const MOST_BLANK: u8 = 4;
