//! The octets that start a message, and where its parts lie.
//!
//! ```text
//! 0       f1 f1     magic
//! 2       flags     10 heartbeat, 08 gzip, 04 one-way, 02 proxy, 01 response
//! 3       f8 version, 07 status
//! 4       f8 serialization
//! 5..13   request id
//! 13..17  length M of the metadata
//! 17      metadata
//! 17+M    length B of the body, in four octets
//! 21+M    body
//! ```
//!
//! Specification: `MotanV2Header`, `MotanV2Codec` of weibocom/motan.

use std::ops::Range;

use sabir_core::message::{u32_at, u64_at};
use sabir_core::metadata::Malformed;

/// Offset of the metadata.
pub(super) const METADATA_AT: usize = 17;
/// Where the request id stands.
pub(super) const ID: Range<usize> = 5..13;
/// Where the length of the metadata stands.
const METADATA_LEN: Range<usize> = 13..METADATA_AT;
/// Octets of a length.
const LENGTH: usize = 4;

/// First two octets, of motan1 too.
pub(super) const MAGIC: [u8; 2] = [0xf1, 0xf1];
/// Version in the header that is Motan2.
pub(super) const VERSION: u8 = 1;
/// Longest metadata, and longest body, of a heartbeat that is accepted, in bytes. Real ones have
/// neither.
const MAX_HEARTBEAT_LEN: usize = 64;

/// Flag of heartbeats.
pub(super) const HEARTBEAT: u8 = 0x10;
/// Flag of requests that await no response.
pub(super) const ONE_WAY: u8 = 0x04;
/// Flag of messages for or through an agent.
pub(super) const PROXY: u8 = 0x02;
/// Flag of responses.
pub(super) const RESPONSE: u8 = 0x01;
/// Status of a response that is an exception.
pub(super) const EXCEPTION: u8 = 1;

/// A message's header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Header {
    /// Flags.
    pub(super) flags: u8,
    /// Three bits; anything but zero is an exception, in responses.
    pub(super) status: u8,
    /// The octet of the serialization; its low three bits are unused, and kept.
    pub(super) serialization: u8,
    /// Request id.
    pub(super) id: u64,
}

impl Header {
    /// Reads the header of a whole message.
    ///
    /// # Errors
    /// [`Malformed`] if there is no such header or the length is another.
    pub(super) fn read(wire: &[u8], max_metadata: usize) -> Result<Self, Malformed> {
        let (Some(&[_, _, flags, version, serialization]), Some(id)) =
            (wire.first_chunk(), u64_at(wire, ID.start))
        else {
            let at = wire.len();
            return Err(Malformed { part: "header", at });
        };
        if message_len(wire, max_metadata)? != Some(wire.len()) {
            let at = METADATA_LEN.start;
            return Err(Malformed { part: "length", at });
        }
        Ok(Self {
            flags,
            status: version & STATUS,
            serialization,
            id,
        })
    }

    /// The octets of this header before metadata of `metadata_len` bytes.
    pub(super) fn octets(self, metadata_len: u32) -> [u8; METADATA_AT] {
        let mut octets = [0; METADATA_AT];
        octets[..2].copy_from_slice(&MAGIC);
        octets[2] = self.flags;
        octets[3] = VERSION << 3 | self.status;
        octets[4] = self.serialization;
        octets[ID].copy_from_slice(&self.id.to_be_bytes());
        octets[METADATA_LEN].copy_from_slice(&metadata_len.to_be_bytes());
        octets
    }

    /// Whether all of the flags in `mask` are set.
    pub(super) fn has(self, mask: u8) -> bool {
        self.flags & mask == mask
    }
}

/// Where the metadata of a whole message lie.
pub(super) fn metadata_range(wire: &[u8]) -> Range<usize> {
    let len = u32_at(wire, METADATA_LEN.start).unwrap_or_default() as usize;
    METADATA_AT..(METADATA_AT + len).min(wire.len())
}

/// Length of the Motan2 message that starts `buf`, of which four octets at least are there; `None`
/// if that is not known yet.
///
/// # Errors
/// [`Malformed`] for metadata longer than `max_metadata`, a length that Java reads as a negative
/// number, and a heartbeat of a length that no heartbeat has: all of which end the connection.
pub(super) fn message_len(buf: &[u8], max_metadata: usize) -> Result<Option<usize>, Malformed> {
    let Some(metadata_len) = length_at(buf, METADATA_LEN.start, "metadata length")? else {
        return Ok(None);
    };
    let is_heartbeat = buf[2] & HEARTBEAT != 0;
    let refused = |part, at| Err(Malformed { part, at });
    if metadata_len > max_metadata {
        return refused("metadata length", METADATA_LEN.start);
    }
    if is_heartbeat && metadata_len > MAX_HEARTBEAT_LEN {
        return refused("heartbeat", METADATA_LEN.start);
    }
    let body_len_at = METADATA_AT + metadata_len;
    let Some(body_len) = length_at(buf, body_len_at, "body length")? else {
        return Ok(None);
    };
    if is_heartbeat && body_len > MAX_HEARTBEAT_LEN {
        return refused("heartbeat", body_len_at);
    }
    Ok(Some(body_len_at + LENGTH + body_len))
}

/// The length at `at`, once it has arrived.
///
/// # Errors
/// [`Malformed`] in `part` if it is negative to Java, which would take it for zero.
pub(super) fn length_at(
    buf: &[u8],
    at: usize,
    part: &'static str,
) -> Result<Option<usize>, Malformed> {
    match u32_at(buf, at) {
        Some(len) if i32::try_from(len).is_err() => Err(Malformed { part, at }),
        len => Ok(len.map(|len| len as usize)),
    }
}

/// Mask of the status in the octet of the version.
const STATUS: u8 = 0x07;
