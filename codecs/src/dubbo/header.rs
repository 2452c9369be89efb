//! The 16 octets that start a message, and the events that are little more than that.
//!
//! ```text
//! 0      da bb      magic
//! 2      flags      80 request, 40 two-way, 20 event, 1f serialization
//! 3      status     responses only
//! 4..12  request id
//! 12..16 body length
//! ```
//!
//! Specification: `ExchangeCodec` of apache/dubbo.

use sabir_core::frame::StreamId;
use sabir_core::head::Echo;
use sabir_core::message::{u32_at, u64_at};
use sabir_core::metadata::Malformed;

/// Octets before the body.
pub(super) const LEN: usize = 16;

/// First two octets.
const MAGIC: [u8; 2] = [0xda, 0xbb];
/// Longest body of an event that is accepted, in bytes. Java caps it at 15 or 50.
const MAX_EVENT_LEN: usize = 64;

/// Flag of requests.
pub(super) const REQUEST: u8 = 0x80;
/// Flag of requests that await a response.
pub(super) const TWO_WAY: u8 = 0x40;
/// Flag of events.
pub(super) const EVENT: u8 = 0x20;
/// Mask of the serialization id.
const SERIALIZATION: u8 = 0x1f;
/// Status of a response that is not an error.
pub(super) const OK: u8 = 20;

/// Id and echo of the two-way request that `buf` starts with, whatever its length.
pub(super) fn answerable(buf: &[u8]) -> Option<(StreamId, Echo)> {
    let &[_, _, flags, _] = buf.first_chunk().filter(|first| first[..2] == MAGIC)?;
    let awaits = flags & (REQUEST | TWO_WAY | EVENT) == REQUEST | TWO_WAY;
    let mut echo = Echo::default();
    echo[0] = flags & SERIALIZATION;
    awaits.then_some((StreamId(u64_at(buf, 4)?), echo))
}

/// A message's header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Header {
    /// Flags and serialization.
    pub(super) flags: u8,
    /// Status, in responses.
    pub(super) status: u8,
    /// Request id.
    pub(super) id: u64,
}

impl Header {
    /// Reads the header of a whole message.
    ///
    /// # Errors
    /// [`Malformed`] if there is no such header or the length is another.
    pub(super) fn read(wire: &[u8]) -> Result<Self, Malformed> {
        let (Some(&[_, _, flags, status]), Some(id)) = (wire.first_chunk(), u64_at(wire, 4)) else {
            return Err(Malformed {
                part: "header",
                at: wire.len(),
            });
        };
        if message_len(wire)? != Some(wire.len()) {
            return Err(Malformed {
                part: "body length",
                at: 12,
            });
        }
        Ok(Self { flags, status, id })
    }

    /// The octets of this header before a body of `body_len` bytes.
    pub(super) fn octets(self, body_len: u32) -> [u8; LEN] {
        let mut octets = [0; LEN];
        octets[..2].copy_from_slice(&MAGIC);
        octets[2] = self.flags;
        octets[3] = self.status;
        octets[4..12].copy_from_slice(&self.id.to_be_bytes());
        octets[12..].copy_from_slice(&body_len.to_be_bytes());
        octets
    }

    /// Whether all of the flags in `mask` are set.
    pub(super) fn has(self, mask: u8) -> bool {
        self.flags & mask == mask
    }

    /// Id of the serialization.
    pub(super) fn serialization(self) -> u8 {
        self.flags & SERIALIZATION
    }
}

/// Length of the message that starts `buf`; `None` if that is not known yet.
///
/// # Errors
/// [`Malformed`] for a wrong magic, even an incomplete one, a negative length, and an event of a
/// length that no event has: all of which end the connection.
pub(super) fn message_len(buf: &[u8]) -> Result<Option<usize>, Malformed> {
    let seen = buf.len().min(MAGIC.len());
    if let Some(at) = (0..seen).find(|&at| buf[at] != MAGIC[at]) {
        return Err(Malformed { part: "magic", at });
    }
    let Some(body_len) = u32_at(buf, 12) else {
        return Ok(None);
    };
    // Java reads the length as a signed number.
    if i32::try_from(body_len).is_err() {
        return Err(Malformed {
            part: "body length",
            at: 12,
        });
    }
    let body_len = body_len as usize;
    if buf[2] & EVENT != 0 && body_len > MAX_EVENT_LEN {
        return Err(Malformed {
            part: "event length",
            at: 12,
        });
    }
    Ok(Some(LEN + body_len))
}
