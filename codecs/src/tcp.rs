//! `tcp`: bytes that nobody understands, from one connection to another.
//!
//! A connection is one exchange: a request without metadata whose body is what the client sends,
//! and a response whose body is what the server sends. It begins as soon as the client has
//! connected, since the server may be the first to speak. Each side may end its direction alone.
//!
//! Nothing can be routed on but what the connection itself tells, and the `protocol`.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use sabir_core::connection::{
    Connection, ConnectionError, Event, EventKind, SendError, Turn, Written,
};
use sabir_core::frame::{Frame, StreamId};
use sabir_core::head::{Echo, Head, Kind, Stage};
use sabir_core::outcome::Reply;
use sabir_core::protocol::{Capabilities, Limits, OptionsError, Protocol, Role, Sniff};
use serde_json::Value;

/// Name in configuration.
pub const NAME: &str = "tcp";

/// The protocol of bytes that nobody understands. It has no options.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

/// Makes the protocol; `options` must be empty.
///
/// # Errors
/// Any option, as there is none.
pub fn factory(options: &Value) -> Result<Arc<dyn Protocol>, OptionsError> {
    match options.as_object().and_then(|o| o.keys().next()) {
        Some(unknown) => Err(OptionsError(format!(
            "unknown option `{unknown}`; there is none"
        ))),
        None => Ok(Arc::new(Tcp)),
    }
}

impl Protocol for Tcp {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            request_metadata: false,
            response_metadata: false,
            rewritable: &[],
            multiplexed: false,
        }
    }

    fn connection(&self, role: Role, _: &Limits, now: Instant) -> Box<dyn Connection> {
        Box::new(Tunnel {
            role,
            stream: StreamId(1),
            opened: now,
            state: State::Idle,
            unread: 0,
            received_all: false,
            sent_all: false,
        })
    }

    /// Anything may be it.
    fn sniff(&self, _: &[u8]) -> Sniff {
        Sniff::Yes
    }
}

/// One side of a tunnel.
struct Tunnel {
    role: Role,
    stream: StreamId,
    opened: Instant,
    state: State,
    /// Bytes that arrived and were not passed on yet.
    unread: usize,
    received_all: bool,
    sent_all: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Nothing was said of the exchange yet.
    Idle,
    /// Its head was passed on.
    Begun,
    /// It was given up; what is left is the end of the connection.
    Over,
}

impl Tunnel {
    /// Passes the head on, once.
    fn begin(&mut self, turn: &mut Turn<'_>) {
        if self.state != State::Idle {
            return;
        }
        self.state = State::Begun;
        let kind = match self.role {
            Role::Server => Kind::Request,
            Role::Client => Kind::Response,
        };
        let mut head = Head::new(NAME, kind, Bytes::new(), |_, _| {});
        (head.end, head.stage) = (false, Stage::Tunnel);
        self.push(Frame::Head(head), turn);
    }

    fn push(&self, frame: Frame, turn: &mut Turn<'_>) {
        let kind = EventKind::Frame(frame);
        let stream = self.stream;
        turn.events.push_back(Event { stream, kind });
    }
}

impl Connection for Tunnel {
    fn recv(&mut self, input: &mut BytesMut, turn: &mut Turn<'_>) -> Result<(), ConnectionError> {
        if input.is_empty() || self.state == State::Over {
            input.clear();
            return Ok(());
        }
        self.begin(turn);
        let bytes = input.split().freeze();
        self.unread += bytes.len();
        self.push(Frame::Data { bytes, end: false }, turn);
        Ok(())
    }

    fn recv_eof(
        &mut self,
        input: &mut BytesMut,
        turn: &mut Turn<'_>,
    ) -> Result<(), ConnectionError> {
        if self.state == State::Over {
            return Ok(());
        }
        self.begin(turn);
        self.received_all = true;
        let bytes = input.split().freeze();
        self.unread += bytes.len();
        self.push(Frame::Data { bytes, end: true }, turn);
        Ok(())
    }

    fn send(
        &mut self,
        _: StreamId,
        frame: Frame,
        turn: &mut Turn<'_>,
    ) -> Result<Written, SendError> {
        let is_reset = matches!(frame, Frame::Reset(_));
        if self.state == State::Over || (self.sent_all && !is_reset) {
            return Err(SendError::Closed);
        }
        match frame {
            Frame::Head(head) => self.sent_all = head.end,
            Frame::Data { bytes, end } => {
                turn.out.put_bytes(bytes);
                self.sent_all = end;
            }
            Frame::Reset(_) => self.state = State::Over,
            Frame::Trailers(_) => self.sent_all = true,
        }
        Ok(Written::Whole)
    }

    /// There are no words for it: the connection ends.
    fn reply(&mut self, _: StreamId, _: Echo, _: &Reply, _: &mut Turn<'_>) {
        self.state = State::Over;
    }

    fn open(&mut self, stream: StreamId) -> bool {
        let first = self.stream == StreamId(1) && self.state == State::Idle;
        if first {
            self.stream = stream;
        }
        first
    }

    fn consumed(&mut self, _: StreamId, bytes: usize, _: &mut Turn<'_>) {
        self.unread = self.unread.saturating_sub(bytes);
    }

    fn wants_read(&self) -> bool {
        self.unread < WINDOW
    }

    fn wants_shutdown(&self) -> bool {
        self.sent_all
    }

    /// What a client sent last may still be on its way to the server when both have ended, so that
    /// it is the driver who knows when that is over.
    fn is_finished(&self) -> bool {
        let ended = self.sent_all && self.received_all;
        self.state == State::Over || (ended && self.role == Role::Client)
    }

    fn next_timeout(&self) -> Option<Instant> {
        let begins = self.role == Role::Server && self.state == State::Idle;
        begins.then_some(self.opened)
    }

    /// The server may be the first to speak, so the exchange begins without a word of the client.
    fn handle_timeout(&mut self, turn: &mut Turn<'_>) -> Result<(), ConnectionError> {
        if self.role == Role::Server {
            self.begin(turn);
        }
        Ok(())
    }

    /// What is in flight goes on; there is nothing to announce.
    fn drain(&mut self, _: &mut Turn<'_>) {}
}

/// Bytes that may have arrived and not left, in each direction of a tunnel.
const WINDOW: usize = 64 << 10;
