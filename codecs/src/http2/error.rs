//! What goes wrong, and how much of the connection it takes along.
//!
//! Specification: RFC 9113 §5.4 and §7.

use sabir_core::connection::ConnectionError;
use sabir_core::frame::Reason;
use sabir_core::metadata::Malformed;
use thiserror::Error;

use super::hpack::DecodeError;

/// Codes of RST_STREAM and GOAWAY.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ErrorCode(pub u32);

impl ErrorCode {
    /// Nothing went wrong.
    pub const NO_ERROR: Self = Self(0);
    /// The peer broke a rule that has no code of its own.
    pub const PROTOCOL_ERROR: Self = Self(1);
    /// We failed, or whoever is behind us.
    pub const INTERNAL_ERROR: Self = Self(2);
    /// The peer sent more than its window, or a window grew too large.
    pub const FLOW_CONTROL_ERROR: Self = Self(3);
    /// A frame on a stream that is closed.
    pub const STREAM_CLOSED: Self = Self(5);
    /// A frame of a wrong length.
    pub const FRAME_SIZE_ERROR: Self = Self(6);
    /// Nobody looked at the request, and it may be sent again.
    pub const REFUSED_STREAM: Self = Self(7);
    /// Nobody waits for it any longer.
    pub const CANCEL: Self = Self(8);
    /// A header block that cannot be read.
    pub const COMPRESSION_ERROR: Self = Self(9);
    /// The peer makes more work than it has use for.
    pub const ENHANCE_YOUR_CALM: Self = Self(11);

    /// The code that tells a peer `reason`.
    ///
    /// A stream whose answer has begun was looked at, whatever is said of the one behind it.
    pub fn of(reason: Reason, answer_begun: bool) -> Self {
        match reason {
            Reason::Refused if !answer_begun => Self::REFUSED_STREAM,
            Reason::Cancelled => Self::CANCEL,
            Reason::Protocol => Self::PROTOCOL_ERROR,
            _ => Self::INTERNAL_ERROR,
        }
    }

    /// What a peer's code tells.
    pub fn reason(self) -> Reason {
        match self {
            Self::REFUSED_STREAM => Reason::Refused,
            Self::CANCEL => Reason::Cancelled,
            Self::PROTOCOL_ERROR | Self::FLOW_CONTROL_ERROR | Self::FRAME_SIZE_ERROR => {
                Reason::Protocol
            }
            _ => Reason::Peer,
        }
    }
}

/// A fault in what a peer sent, by what is lost with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The connection.
    Connection(Fatal),
    /// One stream.
    Stream {
        /// Its number.
        id: u32,
        /// What the peer is told.
        code: ErrorCode,
        /// What was wrong, in the specification's words.
        part: &'static str,
    },
}

impl From<Fatal> for Fault {
    fn from(fatal: Fatal) -> Self {
        Self::Connection(fatal)
    }
}

/// Why a connection is given up.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Fatal {
    /// The peer broke a rule of the protocol.
    #[error("{part}")]
    Broken {
        /// What the peer is told.
        code: ErrorCode,
        /// What was wrong, in the specification's words.
        part: &'static str,
    },
    /// A header block cannot be read.
    #[error(transparent)]
    Compression(#[from] DecodeError),
    /// The peer makes more work than it has use for.
    #[error("too many {}", flood.as_str())]
    Flood {
        /// Of what.
        flood: Flood,
        /// How many are allowed, at least, in the time they are counted for.
        limit: usize,
    },
}

/// What a peer can send too much of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flood {
    /// Requests that are given up as soon as they are made (CVE-2023-44487).
    Resets,
    /// Frames that make us reset streams (CVE-2025-8671).
    Provoked,
    /// PING frames.
    Pings,
    /// SETTINGS frames.
    Settings,
    /// DATA frames without data.
    EmptyData,
    /// WINDOW_UPDATE frames for what was hardly sent.
    WindowUpdates,
    /// PRIORITY frames, and frames of unknown types.
    Ignored,
    /// CONTINUATION frames of one header block (CVE-2024-27316).
    Continuations,
    /// Octets of one header block.
    Fields,
    /// Time in which nothing could be sent to the peer, though it lives.
    Stalled,
}

impl Flood {
    /// Name it is counted by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resets => "resets",
            Self::Provoked => "provoked_resets",
            Self::Pings => "pings",
            Self::Settings => "settings",
            Self::EmptyData => "empty_data",
            Self::WindowUpdates => "window_updates",
            Self::Ignored => "ignored_frames",
            Self::Continuations => "continuations",
            Self::Fields => "header_list",
            Self::Stalled => "stalled",
        }
    }

    /// What it is, in errors and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resets => "streams reset by the peer",
            Self::Provoked => "streams that had to be reset",
            Self::Pings => "PING frames",
            Self::Settings => "SETTINGS frames",
            Self::EmptyData => "empty DATA frames",
            Self::WindowUpdates => "WINDOW_UPDATE frames",
            Self::Ignored => "frames without a meaning",
            Self::Continuations => "CONTINUATION frames",
            Self::Fields => "octets of header fields",
            Self::Stalled => "seconds without room in the connection's window",
        }
    }
}

impl Fatal {
    /// A violation that RFC 9113 calls PROTOCOL_ERROR.
    pub fn protocol(part: &'static str) -> Self {
        let code = ErrorCode::PROTOCOL_ERROR;
        Self::Broken { code, part }
    }

    /// A frame of a wrong length.
    pub fn frame_size(part: &'static str) -> Self {
        let code = ErrorCode::FRAME_SIZE_ERROR;
        Self::Broken { code, part }
    }

    /// What the peer is told.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::Broken { code, .. } => code,
            Self::Compression(_) => ErrorCode::COMPRESSION_ERROR,
            Self::Flood { .. } => ErrorCode::ENHANCE_YOUR_CALM,
        }
    }

    /// What the driver is told.
    pub fn into_error(self) -> ConnectionError {
        let part = match self {
            Self::Broken { part, .. } => part,
            Self::Compression(_) => "header block",
            Self::Flood { flood, limit } => {
                let (name, what) = (flood.name(), flood.as_str());
                return ConnectionError::Flood { name, what, limit };
            }
        };
        Malformed { part, at: 0 }.into()
    }
}
