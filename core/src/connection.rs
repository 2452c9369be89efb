//! The general tier: a connection as a state machine without I/O, clock or allocator of its own.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use thiserror::Error;

use crate::frame::{Frame, Reason, StreamId};
use crate::head::Echo;
use crate::metadata::Malformed;
use crate::outcome::Reply;
use crate::output::Output;

/// One side of one connection, without I/O.
///
/// The driver owns the socket, the buffers and the clock. It feeds arrived bytes to
/// [`recv`](Self::recv), hands frames to [`send`](Self::send), and writes whatever either left in
/// [`Turn::out`]. Nothing here blocks, spawns or reads the time, so a test needs no runtime.
///
/// # Streams
///
/// Towards a client, the connection names streams as the peer does. Towards a server, the driver
/// names them in [`open`](Self::open), and every event, frame and reply speaks of that name; a
/// protocol that numbers streams itself (HTTP/2) keeps its own table.
///
/// # Flow control
///
/// A driver sends at most [`capacity`](Self::capacity) bytes of [`Frame::Data`] on a stream, and
/// reports every byte it has passed on or thrown away through [`consumed`](Self::consumed). Between
/// two connections that bounds the memory of an exchange by the smaller window, whatever the
/// protocols.
pub trait Connection: Send {
    /// Consumes what it can of `input` and appends what that meant to [`Turn::events`].
    ///
    /// May leave whole messages in `input` while it waits for a frame to be sent; the driver calls
    /// again after sending if any input is left.
    ///
    /// An error ends the connection; [`Turn::out`] may hold a last word for the peer (HTTP/2
    /// GOAWAY).
    fn recv(&mut self, input: &mut BytesMut, turn: &mut Turn<'_>) -> Result<(), ConnectionError>;

    /// The peer sends nothing more; `input` holds what it left unfinished.
    fn recv_eof(
        &mut self,
        input: &mut BytesMut,
        _turn: &mut Turn<'_>,
    ) -> Result<(), ConnectionError> {
        if input.is_empty() {
            return Ok(());
        }
        Err(ConnectionError::Truncated { len: input.len() })
    }

    /// Encodes `frame` on `stream`.
    fn send(
        &mut self,
        stream: StreamId,
        frame: Frame,
        turn: &mut Turn<'_>,
    ) -> Result<Written, SendError>;

    /// Answers the request on `stream` ourselves, in words its caller understands.
    fn reply(&mut self, stream: StreamId, echo: Echo, reply: &Reply, turn: &mut Turn<'_>);

    /// Ends the answer on `stream`, of which the head was sent, with what `reply` says, as far as the
    /// protocol has words for that; most have not, and give the stream up.
    fn cut_short(&mut self, stream: StreamId, _reply: &Reply, turn: &mut Turn<'_>) {
        let reset = Frame::Reset(Reason::Cancelled);
        // It may have ended in the meantime, and then nothing is left to say.
        let _: Result<Written, SendError> = self.send(stream, reset, turn);
    }

    /// Opens `stream` towards a server; `false` when the peer allows no more right now. Names are at
    /// most the protocol's [`max_stream`](crate::protocol::Protocol::max_stream).
    fn open(&mut self, stream: StreamId) -> bool;

    /// Streams that a server lets us have open at a time, as far as it has said. For further ones the
    /// driver makes another connection, if it may.
    fn most_streams(&self) -> usize {
        usize::MAX
    }

    /// Body bytes `stream` may send now. Message protocols have no windows.
    fn capacity(&self, _stream: StreamId) -> usize {
        usize::MAX
    }

    /// `bytes` of body from `stream` were passed on and may be asked for again.
    fn consumed(&mut self, _stream: StreamId, _bytes: usize, _turn: &mut Turn<'_>) {}

    /// Whether the driver should read the socket. HTTP/1 has no windows and says no instead.
    fn wants_read(&self) -> bool {
        true
    }

    /// Whether nothing more will be sent, although more may be received: the driver then ends its
    /// direction of the socket once everything is written.
    fn wants_shutdown(&self) -> bool {
        false
    }

    /// Whether the connection has said its last word and may be closed once that is written.
    fn is_finished(&self) -> bool {
        false
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next due.
    fn next_timeout(&self) -> Option<Instant> {
        None
    }

    /// Runs what is due at [`Turn::now`]: keep-alives, settings timeouts, lingering resets.
    fn handle_timeout(&mut self, _turn: &mut Turn<'_>) -> Result<(), ConnectionError> {
        Ok(())
    }

    /// Announces that no new streams are welcome (Dubbo read-only, HTTP/2 GOAWAY).
    fn drain(&mut self, _turn: &mut Turn<'_>) {}
}

/// What a call on a [`Connection`] may use: the time, and places for what it has to say.
#[derive(Debug)]
pub struct Turn<'a> {
    /// The time, read once by the driver.
    pub now: Instant,
    /// Where to put what happened.
    pub events: &'a mut VecDeque<Event>,
    /// Where to put bytes for the peer.
    pub out: &'a mut Output,
}

/// Something that happened on a connection.
#[derive(Debug)]
pub struct Event {
    /// Stream it happened on; of no meaning for what concerns the connection as a whole.
    pub stream: StreamId,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug)]
pub enum EventKind {
    /// A frame arrived.
    Frame(Frame),
    /// [`Connection::capacity`] of the stream rose from zero.
    Writable,
    /// The peer takes no new streams, on this connection or another.
    Draining,
    /// The peer takes no new streams on this connection, but does on another (HTTP/2 GOAWAY).
    Retired,
    /// The peer takes new streams again.
    Resumed,
    /// The peer broke a rule or a limit, which cost it a stream or a request and not the connection.
    /// The name is one of the protocol's few and the same every time: it is counted by it. What ends
    /// the connection is a [`ConnectionError`] instead.
    Fault(&'static str),
}

/// Whether a frame was written as it was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Written {
    /// With every change of metadata.
    Whole,
    /// As it arrived, because this message has no place for the changes.
    Unmodified,
}

/// Why a connection cannot go on.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The peer's bytes are not this protocol.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A response arrived that nobody waits for, where responses have no ids.
    #[error("response without a request")]
    Unsolicited,
    /// A message is longer than the configured limit.
    #[error("message of {len} bytes exceeds the limit of {limit}")]
    TooLong {
        /// Length the peer declared, in bytes.
        len: usize,
        /// Limit it exceeded, in bytes.
        limit: usize,
    },
    /// The peer closed the connection within a message.
    #[error("closed within a message, {len} bytes of it read")]
    Truncated {
        /// Bytes of the unfinished message.
        len: usize,
    },
    /// The peer makes more work than it can have use for.
    #[error("too many {what}: more than {limit}")]
    Flood {
        /// Name to count it by, one of the protocol's few.
        name: &'static str,
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
    },
    /// The peer's first bytes belong to none of the protocols of the listener.
    #[error("unknown protocol: {len} bytes that begin with {}", Hex(first.get(..*len).unwrap_or(first)))]
    UnknownProtocol {
        /// The first bytes, padded with zeros.
        first: [u8; 16],
        /// How many there were, in bytes; may be more than are kept.
        len: usize,
    },
    /// The peer did not answer keep-alives.
    #[error("nothing heard for {silence:?}")]
    Silent {
        /// How long.
        silence: Duration,
    },
}

impl ConnectionError {
    /// Name to count it by.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Unsolicited => "unsolicited",
            Self::TooLong { .. } => "too_long",
            Self::Truncated { .. } => "truncated",
            Self::Flood { name, .. } => name,
            Self::UnknownProtocol { .. } => "unknown_protocol",
            Self::Silent { .. } => "silent",
        }
    }
}

/// Bytes in hexadecimal.
struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why a frame could not be sent.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SendError {
    /// The stream is finished or was reset.
    #[error("stream is closed")]
    Closed,
    /// The protocol has no way to say this (trailers in Thrift, say).
    #[error("frame has no encoding in this protocol")]
    Unsupported,
}
