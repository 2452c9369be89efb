//! PING: whether the peer lives, and that it has read what came before.
//!
//! Specification: RFC 9113 §6.7.

use sabir_core::output::Output;

use super::{Head, Kind, flags};
use crate::http2::error::Fatal;

/// A question, or the answer to one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ping {
    /// Whether it is an answer.
    pub ack: bool,
    /// What the answer repeats.
    pub payload: [u8; 8],
}

impl Ping {
    /// Reads a PING frame.
    ///
    /// # Errors
    /// A stream, or a wrong length.
    pub fn load(head: Head, payload: &[u8]) -> Result<Self, Fatal> {
        if head.stream != 0 {
            return Err(Fatal::protocol("PING on a stream"));
        }
        let payload = payload.try_into();
        Ok(Self {
            ack: head.has(flags::ACK),
            payload: payload.map_err(|_| Fatal::frame_size("PING of a wrong length"))?,
        })
    }

    /// Writes it.
    pub fn encode(&self, out: &mut Output) {
        let flags = if self.ack { flags::ACK } else { 0 };
        Head::new(Kind::Ping, flags, 0, self.payload.len()).encode(out);
        out.put(&self.payload);
    }
}
