//! RST_STREAM: the end of one stream.
//!
//! Specification: RFC 9113 §6.4.

use sabir_core::output::Output;

use super::{Head, Kind};
use crate::http2::error::{ErrorCode, Fatal};

/// The end of a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reset {
    /// Why.
    pub code: ErrorCode,
}

impl Reset {
    /// Reads a RST_STREAM frame.
    ///
    /// # Errors
    /// A wrong length, or no stream.
    pub fn load(head: Head, payload: &[u8]) -> Result<Self, Fatal> {
        if head.stream == 0 {
            return Err(Fatal::protocol("RST_STREAM without a stream"));
        }
        let code = payload.try_into().map(u32::from_be_bytes);
        let code = code.map_err(|_| Fatal::frame_size("RST_STREAM of a wrong length"))?;
        Ok(Self {
            code: ErrorCode(code),
        })
    }

    /// Writes it for `stream`.
    pub fn encode(&self, stream: u32, out: &mut Output) {
        Head::new(Kind::Reset, 0, stream, 4).encode(out);
        out.put(&self.code.0.to_be_bytes());
    }
}
