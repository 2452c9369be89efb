//! What a client is answered.

use sabir_core::connection::{Connection, SendError, Turn, Written};
use sabir_core::frame::StreamId;
use sabir_core::head::{Echo, Head};
use sabir_core::outcome::{Code, Executed, Outcome, Party, Reply};

use super::{Answer, Exchange, Reading, Server};
use crate::http1::outbound::{Outbound, WrongLength};
use crate::http1::request::Facts;
use crate::http1::response_out::{self, Stage};

impl Server {
    /// The exchange on `stream`, if it is the one that is being answered.
    pub(super) fn current(&mut self, stream: StreamId) -> Result<&mut Exchange, SendError> {
        let exchange = self.exchange.as_mut().filter(|e| e.stream == stream);
        exchange.ok_or(SendError::Closed)
    }

    pub(super) fn send_head(
        &mut self,
        stream: StreamId,
        head: &Head,
        turn: &mut Turn<'_>,
    ) -> Result<Written, SendError> {
        let (options, draining) = (self.options.clone(), self.draining);
        let unfinished = matches!(self.reading, Reading::Body(_));
        let exchange = self.current(stream)?;
        let Answer::Awaited = exchange.answer else {
            return Err(SendError::Closed);
        };
        let facts = exchange.facts;
        if response_out::is_unwanted(head, &facts) {
            return Ok(Written::Whole);
        }
        // Whether a body comes that was not called for is anybody's guess.
        let in_doubt = facts.expects && unfinished;
        let close = !facts.persists || draining || in_doubt;
        let sent = match response_out::write(head, &facts, close, &options, turn.out) {
            Ok(sent) => sent,
            Err(error) => {
                self.answer_for(stream, turn);
                return Err(error);
            }
        };
        match sent.stage {
            // What has begun to be sent is not waited for any longer.
            Stage::Interim => exchange.facts.expects = false,
            Stage::Tunnel => {
                let body = Outbound::Raw;
                exchange.answer = Answer::Begun { body, close: true };
                self.reading = Reading::Tunnel;
                self.arm(turn.now, false);
                if head.end {
                    // The server has nothing to say on it, and with that it is over.
                    self.finish(true, turn);
                } else {
                    self.resume(turn);
                }
            }
            Stage::Final(body) => {
                let close = close || body == Outbound::Raw;
                exchange.answer = Answer::Begun { body, close };
                if head.end {
                    self.finish(close, turn);
                }
            }
        }
        Ok(sent.written)
    }

    /// Answers instead of a response that cannot be written.
    fn answer_for(&mut self, stream: StreamId, turn: &mut Turn<'_>) {
        let outcome = Outcome::new(Party::Infrastructure, Executed::Maybe, Code::BadResponse);
        let reply = Reply::new(outcome, "the response cannot be written in HTTP/1.1");
        self.reply(stream, Echo::default(), &reply, turn);
    }

    /// Writes a piece of the answer; `last` says whether it is the last.
    pub(super) fn send_body(
        &mut self,
        stream: StreamId,
        turn: &mut Turn<'_>,
        last: bool,
        write: impl FnOnce(&mut Outbound, &Facts, &mut Turn<'_>) -> Result<(), WrongLength>,
    ) -> Result<Written, SendError> {
        let is_tunnel = matches!(self.reading, Reading::Tunnel | Reading::Ended);
        let exchange = self.current(stream)?;
        let facts = exchange.facts;
        let Answer::Begun { body, close } = &mut exchange.answer else {
            return Err(SendError::Closed);
        };
        let close = *close;
        if write(body, &facts, turn).is_err() {
            (self.exchange, self.finished) = (None, true);
            return Err(SendError::Closed);
        }
        if is_tunnel {
            if last {
                exchange.answer = Answer::Ended;
            }
            self.arm(turn.now, false);
        } else if last {
            self.finish(close, turn);
        }
        Ok(Written::Whole)
    }
}
