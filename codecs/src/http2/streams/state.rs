//! What may come next on a stream.
//!
//! ```text
//!                 local                       remote
//! request sent    Head ─▶ Body ─▶ Closed      Head ─▶ Body ─▶ Closed     response received
//!                    └──────────────▲            └──────────────▲        1xx: Head ─▶ Head
//! ```
//!
//! A stream is open while both directions are not closed, half-closed while one is, and closed,
//! which is to leave the [`Store`](super::Store), once both are.
//!
//! Specification: RFC 9113 §5.1 and §8.1.

/// What may come next in one direction of a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::http2) enum Half {
    /// The head, after any number of interim ones.
    Head,
    /// Data or trailers.
    Body,
    /// The end was written, and what the driver still sends is thrown away.
    Muted,
    /// Nothing.
    Closed,
}

/// Both directions of a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::http2) struct State {
    /// What we may send.
    pub(in crate::http2) local: Half,
    /// What the peer may send.
    pub(in crate::http2) remote: Half,
}

impl State {
    /// A stream on which nothing was sent.
    pub(in crate::http2) const NEW: Self = Self {
        local: Half::Head,
        remote: Half::Head,
    };

    /// Whether nothing more is sent either way.
    pub(in crate::http2) fn is_closed(self) -> bool {
        self.local == Half::Closed && self.remote == Half::Closed
    }
}

impl Half {
    /// What comes after a head, or after more of the body.
    pub(in crate::http2) fn after(end: bool) -> Self {
        if end { Self::Closed } else { Self::Body }
    }
}
