//! The simple tier: a protocol of whole messages, described without any state.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use crate::connection::{Connection, ConnectionError, Event, EventKind, SendError, Turn, Written};
use crate::frame::{Frame, StreamId};
use crate::head::{Echo, Head, Kind};
use crate::metadata::Malformed;
use crate::outcome::Reply;
use crate::output::Output;
use crate::protocol::{Capabilities, Limits, Protocol, Role, Sniff};

/// A protocol whose messages arrive whole: Dubbo, Thrift, Motan2, bRPC and most in-house RPC.
///
/// Four functions over byte slices. [`MessageConnection`] turns an implementation into a
/// [`Connection`], adding buffering, limits, correlation and keep-alives.
pub trait MessageCodec: Send + Sync + 'static {
    /// Name in configuration, metrics and logs.
    const NAME: &'static str;

    /// How a response finds its request.
    const CORRELATION: Correlation = Correlation::ById;

    /// Largest request id the wire has room for; one less than a power of two, at least 2^24 - 1.
    const MAX_ID: u64 = u64::MAX;

    /// What messages can carry.
    const CAPABILITIES: Capabilities;

    /// Length in bytes of the first message in `buf`, or `None` if too little of it arrived to
    /// tell. Never less than one. An error ends the connection.
    fn frame_len(&self, buf: &[u8]) -> Result<Option<usize>, Malformed>;

    /// Whether `first`, the first bytes of a connection, begin a message of this protocol.
    ///
    /// The default takes [`frame_len`](Self::frame_len)'s word for it, which does for protocols
    /// that check a magic number there as soon as the first byte has arrived.
    fn sniff(&self, first: &[u8]) -> Sniff {
        match self.frame_len(first) {
            Err(_) => Sniff::No,
            Ok(None) => Sniff::More,
            Ok(Some(_)) => Sniff::Yes,
        }
    }

    /// Parses one whole message as far as routing needs.
    ///
    /// An error ends the connection. A message whose frame is sound and whose content is not is a
    /// head with a [fault](Head::set_fault) instead.
    fn decode(&self, wire: Bytes) -> Result<Decoded, Malformed>;

    /// Writes `head` with the id `stream`; a ping as the pong that answers it.
    ///
    /// What nobody changed is written as it arrived. Changes that this message has no place for
    /// are left out as a whole, which the result then says.
    fn encode(&self, stream: StreamId, head: &Head, out: &mut Output) -> Written;

    /// Writes a response of ours to the request whose [`Head::echo`] this is.
    fn reply(&self, stream: StreamId, echo: Echo, reply: &Reply, out: &mut Output);

    /// Writes a keep-alive with the id `stream`; `false` if the protocol has none.
    fn ping(&self, _stream: StreamId, _out: &mut Output) -> bool {
        false
    }

    /// Writes what tells a client to send no new requests, or nothing.
    fn drain(&self, _out: &mut Output) {}

    /// As [`Protocol::caller_timeout`].
    fn caller_timeout(&self, request: &Head) -> Option<Duration> {
        request.timeout
    }

    /// As [`Protocol::set_timeout`].
    fn set_timeout(&self, _request: &mut Head, _left: Duration) {}

    /// Writes what the peer should know before its connection ends with `error`, or nothing. `buf`
    /// starts with the message that is too long or has no length, of which only a part may have
    /// arrived.
    fn last_word(&self, _buf: &[u8], _error: &ConnectionError, _out: &mut Output) {}
}

/// A message as [`MessageCodec::decode`] found it.
#[derive(Debug)]
pub struct Decoded {
    /// Id it carries.
    pub stream: StreamId,
    /// What it says.
    pub head: Head,
}

/// How a response finds its request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Correlation {
    /// By the id both carry. Any number of exchanges at once, answered in any order.
    ById,
    /// By turn. One exchange at a time; ids on the wire, if any, are not looked at.
    Serial,
}

/// A [`MessageCodec`] as a [`Protocol`].
#[derive(Debug)]
pub struct MessageProtocol<C>(Arc<C>);

impl<C: MessageCodec> MessageProtocol<C> {
    /// The protocol that `codec` describes.
    pub fn new(codec: C) -> Self {
        Self(Arc::new(codec))
    }
}

impl<C: MessageCodec> Protocol for MessageProtocol<C> {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn capabilities(&self) -> Capabilities {
        C::CAPABILITIES
    }

    fn sniff(&self, first: &[u8]) -> Sniff {
        self.0.sniff(first)
    }

    fn max_stream(&self) -> StreamId {
        StreamId(C::MAX_ID)
    }

    fn caller_timeout(&self, request: &Head) -> Option<Duration> {
        self.0.caller_timeout(request)
    }

    fn set_timeout(&self, request: &mut Head, left: Duration) {
        self.0.set_timeout(request, left);
    }

    fn connection(&self, _role: Role, limits: &Limits, now: Instant) -> Box<dyn Connection> {
        Box::new(MessageConnection::new(self.0.clone(), limits, now))
    }
}

/// A [`MessageCodec`] driven as a [`Connection`].
#[derive(Debug)]
pub struct MessageConnection<C> {
    codec: Arc<C>,
    max_len: usize,
    last_id: u64,
    turn: Exchange,
    /// Whether more arrived than may be decoded before an answer.
    is_ahead: bool,
    keepalive: Option<Keepalive>,
}

/// Where a [`Correlation::Serial`] connection stands. Others stay idle.
#[derive(Debug, Default, PartialEq)]
enum Exchange {
    #[default]
    Idle,
    /// A request arrived; nothing further is decoded until it is answered.
    Answering,
    /// A request was sent on this stream.
    Awaiting(StreamId),
}

impl<C: MessageCodec> MessageConnection<C> {
    /// A connection within `limits`, opened at `now`.
    pub fn new(codec: Arc<C>, limits: &Limits, now: Instant) -> Self {
        Self {
            codec,
            max_len: limits.max_message_bytes,
            last_id: 0,
            turn: Exchange::Idle,
            is_ahead: false,
            keepalive: limits.keepalive.map(|every| Keepalive::new(every, now)),
        }
    }

    /// Length of the first whole message in `input`, if one has arrived.
    fn whole(&self, input: &[u8]) -> Result<Option<usize>, ConnectionError> {
        let known = self.codec.frame_len(input)?;
        let (len, limit) = (known.unwrap_or(input.len()), self.max_len);
        if len > limit {
            return Err(ConnectionError::TooLong { len, limit });
        }
        Ok(known.filter(|&len| len <= input.len()))
    }

    /// Passes on what a message means.
    fn accept(&mut self, message: Decoded, turn: &mut Turn<'_>) -> Result<(), ConnectionError> {
        let Decoded { stream, head } = message;
        let kind = match head.kind {
            Kind::Ping => {
                // A pong is a ping's own bytes but for the flags: nothing in it can go unsaid.
                let _: Written = self.codec.encode(stream, &head, turn.out);
                return Ok(());
            }
            Kind::Pong => return Ok(()),
            Kind::Drain => EventKind::Draining,
            Kind::Resume => EventKind::Resumed,
            Kind::OneWay | Kind::Request | Kind::Response => {
                let stream = self.stream_of(stream, head.kind)?;
                let kind = EventKind::Frame(Frame::Head(head));
                turn.events.push_back(Event { stream, kind });
                return Ok(());
            }
        };
        turn.events.push_back(Event { stream, kind });
        Ok(())
    }

    /// Finds the stream of an arrived message of `kind` that carries `id`.
    fn stream_of(&mut self, id: StreamId, kind: Kind) -> Result<StreamId, ConnectionError> {
        if C::CORRELATION == Correlation::ById {
            return Ok(id);
        }
        if kind == Kind::Response {
            let Exchange::Awaiting(stream) = std::mem::take(&mut self.turn) else {
                return Err(ConnectionError::Unsolicited);
            };
            return Ok(stream);
        }
        if kind == Kind::Request {
            self.turn = Exchange::Answering;
        }
        Ok(self.next_id())
    }

    fn next_id(&mut self) -> StreamId {
        self.last_id = if self.last_id >= C::MAX_ID {
            1
        } else {
            self.last_id + 1
        };
        StreamId(self.last_id)
    }
}

impl<C: MessageCodec> Connection for MessageConnection<C> {
    fn recv(&mut self, input: &mut BytesMut, turn: &mut Turn<'_>) -> Result<(), ConnectionError> {
        if let Some(keepalive) = &mut self.keepalive {
            keepalive.heard(turn.now);
        }
        while !input.is_empty() && self.turn != Exchange::Answering {
            let whole = self.whole(input);
            let whole = whole.inspect_err(|error| self.codec.last_word(input, error, turn.out));
            let Some(len) = whole? else {
                break;
            };
            let message = self.codec.decode(input.split_to(len).freeze())?;
            self.accept(message, turn)?;
        }
        self.is_ahead = !input.is_empty();
        Ok(())
    }

    fn send(
        &mut self,
        stream: StreamId,
        frame: Frame,
        turn: &mut Turn<'_>,
    ) -> Result<Written, SendError> {
        match frame {
            Frame::Head(head) => {
                if C::CORRELATION == Correlation::Serial {
                    self.turn = match head.kind {
                        Kind::Request => Exchange::Awaiting(stream),
                        _ => Exchange::Idle,
                    };
                }
                Ok(self.codec.encode(stream, &head, turn.out))
            }
            // Nothing on the wire: the driver drops the late response.
            Frame::Reset(_) => Ok(Written::Whole),
            Frame::Data { .. } | Frame::Trailers(_) => Err(SendError::Unsupported),
        }
    }

    fn reply(&mut self, stream: StreamId, echo: Echo, reply: &Reply, turn: &mut Turn<'_>) {
        self.turn = Exchange::Idle;
        self.codec.reply(stream, echo, reply, turn.out);
    }

    fn open(&mut self, _stream: StreamId) -> bool {
        self.turn == Exchange::Idle
    }

    fn wants_read(&self) -> bool {
        // Who sends on before it is answered is not buffered; who does not is heard when it leaves.
        self.turn != Exchange::Answering || !self.is_ahead
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.keepalive.as_ref().map(|k| k.due)
    }

    fn handle_timeout(&mut self, turn: &mut Turn<'_>) -> Result<(), ConnectionError> {
        let Some(keepalive) = &mut self.keepalive else {
            return Ok(());
        };
        if turn.now < keepalive.due {
            return Ok(());
        }
        if !keepalive.tick(turn.now)? {
            return Ok(());
        }
        let id = self.next_id();
        if !self.codec.ping(id, turn.out) {
            self.keepalive = None;
        }
        Ok(())
    }

    fn drain(&mut self, turn: &mut Turn<'_>) {
        self.codec.drain(turn.out);
    }
}

/// When a silent peer is asked whether it lives, and when it is given up.
#[derive(Debug)]
struct Keepalive {
    every: Duration,
    heard: Instant,
    due: Instant,
}

impl Keepalive {
    /// Silence, in intervals, after which a peer counts as gone; as Dubbo's own peers count.
    const PATIENCE: u32 = 3;

    fn new(every: Duration, now: Instant) -> Self {
        Self {
            every,
            heard: now,
            due: now + every,
        }
    }

    fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Says whether a ping is due at `now`, and sets the time of the next look.
    fn tick(&mut self, now: Instant) -> Result<bool, ConnectionError> {
        let silence = now.saturating_duration_since(self.heard);
        if silence >= self.every * Self::PATIENCE {
            return Err(ConnectionError::Silent { silence });
        }
        let ping = silence >= self.every;
        self.due = if ping { now } else { self.heard } + self.every;
        Ok(ping)
    }
}

/// Reads a big-endian `u32` at offset `at`, or says that it is missing.
pub fn u32_at(buf: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*buf.get(at..)?.first_chunk()?))
}

/// Reads a big-endian `u64` at offset `at`, or says that it is missing.
pub fn u64_at(buf: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(*buf.get(at..)?.first_chunk()?))
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
