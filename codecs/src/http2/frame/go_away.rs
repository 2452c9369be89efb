//! GOAWAY: no new streams.
//!
//! Specification: RFC 9113 §6.8.

use sabir_core::output::Output;

use super::{Head, Kind};
use crate::http2::error::{ErrorCode, Fatal};

/// The end of new streams on a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct GoAway {
    /// The last stream that the sender has looked at or will.
    pub last: u32,
    /// Why.
    pub code: ErrorCode,
}

impl GoAway {
    /// Reads a GOAWAY frame; what it says for people to read is left out.
    ///
    /// # Errors
    /// A stream, or a wrong length.
    pub fn load(head: Head, payload: &[u8]) -> Result<Self, Fatal> {
        if head.stream != 0 {
            return Err(Fatal::protocol("GOAWAY on a stream"));
        }
        let Some(&[a, b, c, d, ref code @ ..]) = payload.first_chunk::<8>() else {
            return Err(Fatal::frame_size("GOAWAY of a wrong length"));
        };
        Ok(Self {
            last: u32::from_be_bytes([a, b, c, d]) & !(1 << 31),
            code: ErrorCode(u32::from_be_bytes(*code)),
        })
    }

    /// Writes it, with `text` for people to read.
    pub fn encode(&self, text: &[u8], out: &mut Output) {
        Head::new(Kind::GoAway, 0, 0, 8 + text.len()).encode(out);
        out.put(&self.last.to_be_bytes());
        out.put(&self.code.0.to_be_bytes());
        out.put(text);
    }
}
