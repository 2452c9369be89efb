//! PRIORITY, which RFC 9113 has us read and ignore.
//!
//! Specification: RFC 9113 §6.3.

use super::Head;
use crate::http2::error::{ErrorCode, Fatal, Fault};

/// What a stream depends on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Priority {
    /// The stream it depends on.
    pub dependency: u32,
}

/// Length of a priority, in octets.
pub(super) const PRIORITY_LEN: usize = 5;

impl Priority {
    /// Reads a PRIORITY frame.
    ///
    /// # Errors
    /// A wrong length and a dependency on itself cost the stream, no stream the connection.
    pub fn load(head: Head, payload: &[u8]) -> Result<Self, Fault> {
        let id = head.stream;
        if id == 0 {
            return Err(Fatal::protocol("PRIORITY without a stream").into());
        }
        let Ok(octets) = payload.try_into() else {
            let (code, part) = (ErrorCode::FRAME_SIZE_ERROR, "PRIORITY of a wrong length");
            return Err(Fault::Stream { id, code, part });
        };
        let priority = Self::read(octets);
        if priority.dependency == id {
            let (code, part) = (ErrorCode::PROTOCOL_ERROR, "stream depends on itself");
            return Err(Fault::Stream { id, code, part });
        }
        Ok(priority)
    }

    pub(super) fn read(&[a, b, c, d, _]: &[u8; PRIORITY_LEN]) -> Self {
        Self {
            dependency: u32::from_be_bytes([a, b, c, d]) & !(1 << 31),
        }
    }
}
