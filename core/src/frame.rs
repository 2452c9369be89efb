//! What flows through the proxy: heads, body chunks and trailers.
//!
//! A [`Frame`] is the one currency between connections, filters and the router. Every protocol
//! produces and accepts the same four kinds, so a proxied exchange is a pump of frames from one
//! [`Connection`](crate::connection::Connection) to another.

use bytes::Bytes;

use crate::head::Head;

/// One exchange (a request and its response) on one connection.
///
/// For protocols that put a request id on the wire, this *is* that id. Sending a frame on another
/// stream therefore rewrites the id, and nothing else has to know. On the client side of a
/// connection the driver chooses it in [`open`](crate::connection::Connection::open).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StreamId(pub u64);

/// A piece of a message.
#[derive(Debug)]
pub enum Frame {
    /// Metadata that starts a message, with the whole body for message protocols.
    Head(Head),
    /// A chunk of a streamed body. Counts against flow control.
    Data {
        /// The chunk.
        bytes: Bytes,
        /// Nothing follows on the stream.
        end: bool,
    },
    /// A head of its own that ends a streamed message; only its metadata and outcome count.
    Trailers(Head),
    /// The sender gave the message up.
    Reset(Reason),
}

impl Frame {
    /// Whether nothing follows this frame in its direction of the stream.
    pub fn ends(&self) -> bool {
        match self {
            Self::Head(head) => head.end,
            Self::Data { end, .. } => *end,
            Self::Trailers(_) | Self::Reset(_) => true,
        }
    }
}

/// Why a message was given up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// The peer reset the stream; it may have acted on the message.
    Peer,
    /// The peer's connection ended; it may have acted on the message.
    Lost,
    /// The peer did not and will not look at it, so it may be sent elsewhere.
    Refused,
    /// Nobody waits for it any longer.
    Cancelled,
    /// It broke the protocol's rules.
    Protocol,
}
