//! WINDOW_UPDATE: more may be sent.
//!
//! Specification: RFC 9113 §6.9.

use sabir_core::output::Output;

use super::{Head, Kind};
use crate::http2::error::{ErrorCode, Fatal, Fault};

/// Room for more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WindowUpdate {
    /// How much more, in octets.
    pub increment: u32,
}

impl WindowUpdate {
    /// Reads a WINDOW_UPDATE frame.
    ///
    /// # Errors
    /// A wrong length costs the connection; an increment of nothing, what it was for.
    pub fn load(head: Head, payload: &[u8]) -> Result<Self, Fault> {
        let Ok(octets) = payload.try_into() else {
            return Err(Fatal::frame_size("WINDOW_UPDATE of a wrong length").into());
        };
        let increment = u32::from_be_bytes(octets) & !(1 << 31);
        let part = "WINDOW_UPDATE of nothing";
        match (increment, head.stream) {
            (0, 0) => Err(Fatal::protocol(part).into()),
            (0, id) => {
                let code = ErrorCode::PROTOCOL_ERROR;
                Err(Fault::Stream { id, code, part })
            }
            _ => Ok(Self { increment }),
        }
    }

    /// Writes it for `stream`; zero for the connection.
    pub fn encode(&self, stream: u32, out: &mut Output) {
        Head::new(Kind::WindowUpdate, 0, stream, 4).encode(out);
        out.put(&self.increment.to_be_bytes());
    }
}
