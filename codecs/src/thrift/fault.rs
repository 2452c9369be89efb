//! What can be wrong with a message, and which exception says so.

use sabir_core::metadata::Malformed;
use thiserror::Error;

/// What is wrong with a message, and where.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("{} at offset {at}", fault.part())]
pub(super) struct Bad {
    pub(super) fault: Fault,
    /// Offset of the offending byte in the slice that was read, in bytes.
    pub(super) at: usize,
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// The bytes end inside a value.
    Truncated,
    /// The version of the message header is not 1.
    Version,
    /// A message type other than call, reply, exception and one-way.
    MessageType,
    /// A reply or exception where a call is due, or the other way round.
    Direction,
    /// A method name that is negative in length, or longer than [`MAX_NAME`](super::message::MAX_NAME).
    Name,
    /// A negative length, or one that is more than the bytes left.
    Length,
    /// A varint of more bytes or bits than its type has.
    Varint,
    /// A type that no value has.
    Type,
    /// Values are nested deeper than [`MAX_DEPTH`](super::walk::MAX_DEPTH).
    TooDeep,
    /// A length of the frame that no message has.
    FrameLength,
    /// Bytes that start no message of the transports that are read here.
    Transport,
    /// A message in a transport or protocol that the options exclude.
    Excluded,
    /// THeader: the header reaches past the frame, or its parts past the header.
    Header,
    /// THeader: a transform that is not zlib.
    Transform,
    /// THeader: a zlib stream that is not one.
    Zlib,
    /// THeader: more bytes behind the zlib transform than a message may have.
    Inflated,
    /// THeader: a protocol that is neither binary nor compact.
    ProtocolId,
    /// An HTTP request or response.
    Http,
    /// Kitex TTHeader, a transport of its own.
    TtHeader,
    /// The dubbo-thrift transport.
    DubboThrift,
}

impl Fault {
    /// This fault, found at offset `at`.
    pub(super) const fn at(self, at: usize) -> Bad {
        Bad { fault: self, at }
    }

    /// Which part of a message it is about, in few words.
    const fn part(self) -> &'static str {
        match self {
            Self::Truncated => "message (ends inside a value)",
            Self::Version => "version",
            Self::MessageType => "message type",
            Self::Direction => "message type (of the other direction)",
            Self::Name => "method name length",
            Self::Length => "length or size (more than there is room for)",
            Self::Varint => "varint",
            Self::Type => "field or element type",
            Self::TooDeep => "nesting (too deep)",
            Self::FrameLength => "frame length",
            Self::Transport => "transport (unknown)",
            Self::Excluded => "transport or protocol (excluded by protocol_options)",
            Self::Header => "header of THeader",
            Self::Transform => "transform (only zlib is known)",
            Self::Zlib => "zlib stream",
            Self::Inflated => "zlib stream (longer than the longest message)",
            Self::ProtocolId => "protocol id (neither binary nor compact)",
            Self::Http => "transport (this is HTTP)",
            Self::TtHeader => "transport (Kitex TTHeader)",
            Self::DubboThrift => "transport (dubbo-thrift)",
        }
    }

    /// Type of the `TApplicationException` that tells the caller.
    pub(super) const fn exception(self) -> u8 {
        match self {
            Self::MessageType | Self::Direction => 2,
            Self::Header | Self::Transform | Self::Zlib | Self::Inflated => 8,
            Self::ProtocolId => 9,
            _ => 7,
        }
    }
}

impl From<Bad> for Malformed {
    fn from(Bad { fault, at }: Bad) -> Self {
        let part = fault.part();
        Self { part, at }
    }
}
