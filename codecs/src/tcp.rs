//! `tcp`: bytes that nobody understands, from one connection to another.
//!
//! A connection is one exchange: a request without metadata whose body is what the client sends,
//! and a response whose body is what the server sends. It begins as soon as the client has
//! connected, since the server may be the first to speak. Each side may end its direction alone.
//!
//! Nothing can be routed on but what the connection itself tells, and the `protocol`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use sabir_core::connection::{
    Connection, ConnectionError, Event, EventKind, SendError, Turn, Written,
};
use sabir_core::frame::{Frame, Reason, StreamId};
use sabir_core::head::{Echo, Head, Kind, Stage};
use sabir_core::outcome::Reply;
use sabir_core::protocol::{Capabilities, Limits, OptionsError, Protocol, Role, Sniff};
use serde_json::Value;

use crate::http1::seconds;

/// Name in configuration.
pub const NAME: &str = "tcp";

/// The protocol of bytes that nobody understands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tcp {
    /// `tunnel_timeout`, in seconds: how long a tunnel may be silent both ways, also one of which one
    /// side has ended and the other does not. Listeners. Default 3600 s, as of HTTP's tunnels; 0 for
    /// none.
    pub tunnel_timeout: Option<Duration>,
}

impl Default for Tcp {
    fn default() -> Self {
        Self {
            tunnel_timeout: Some(Duration::from_secs(3600)),
        }
    }
}

/// Makes the protocol from its options.
///
/// # Errors
/// Unknown options, and a timeout that is none.
pub fn factory(options: &Value) -> Result<Arc<dyn Protocol>, OptionsError> {
    let mut tcp = Tcp::default();
    for (key, value) in options.as_object().into_iter().flatten() {
        match key.as_str() {
            "tunnel_timeout" => tcp.tunnel_timeout = seconds(key, value)?,
            _ => {
                let error = format!("unknown option {key}; tcp knows tunnel_timeout");
                return Err(OptionsError(error));
            }
        }
    }
    Ok(Arc::new(tcp))
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
            timeout: self.tunnel_timeout,
            moved: now,
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
    /// How long both directions may be silent.
    timeout: Option<Duration>,
    /// When something last came or went, or else the connection.
    moved: Instant,
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
        self.moved = turn.now;
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
        self.moved = turn.now;
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
        self.moved = turn.now;
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
        match (self.role, self.state) {
            (Role::Client, _) | (_, State::Over) => None,
            (Role::Server, State::Idle) => Some(self.moved),
            // A time that cannot be counted is none that anybody will see the end of.
            (Role::Server, State::Begun) => self.moved.checked_add(self.timeout?),
        }
    }

    /// The server may be the first to speak, so the exchange begins without a word of the client.
    fn handle_timeout(&mut self, turn: &mut Turn<'_>) -> Result<(), ConnectionError> {
        if self.next_timeout().is_none_or(|at| at > turn.now) {
            return Ok(());
        }
        if self.state == State::Idle {
            self.moved = turn.now;
            self.begin(turn);
        } else if self.wants_read() {
            self.state = State::Over;
            self.push(Frame::Reset(Reason::Cancelled), turn);
        } else {
            // The proxy itself is the one that does not read.
            self.moved = turn.now;
        }
        Ok(())
    }

    /// What is in flight goes on; there is nothing to announce.
    fn drain(&mut self, _: &mut Turn<'_>) {}
}

/// Bytes that may have arrived and not left, in each direction of a tunnel.
const WINDOW: usize = 64 << 10;
