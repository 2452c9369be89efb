//! Frames (RFC 9113 §4, §6).
//!
//! ```text
//! 0   length of the payload, three octets
//! 3   type
//! 4   flags
//! 5   stream, four octets
//! 9   payload
//! ```

use crate::protocol::Violation;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 0x01;
pub(super) const ACK: u8 = 0x01;
pub(super) const END_HEADERS: u8 = 0x04;
const PADDED: u8 = 0x08;
const PRIORITY: u8 = 0x20;

pub(super) const HEADER_TABLE_SIZE: u16 = 1;
pub(super) const ENABLE_PUSH: u16 = 2;
pub(super) const MAX_CONCURRENT_STREAMS: u16 = 3;
pub(super) const INITIAL_WINDOW_SIZE: u16 = 4;
pub(super) const MAX_FRAME_SIZE: u16 = 5;

/// Octets before a payload.
const HEAD: usize = 9;
/// Longest payload that this side takes: the default.
const MAX_PAYLOAD: usize = 16_384;

/// A whole frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the front, or how many bytes are needed to know more.
    pub(super) fn read(received: &'a [u8]) -> Result<Result<Self, usize>, Violation> {
        let Some(&[l0, l1, l2, kind, flags, s0, s1, s2, s3]) = received.first_chunk::<HEAD>()
        else {
            return Ok(Err(HEAD));
        };
        let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        if length > MAX_PAYLOAD {
            return Err(Violation::TooLarge(length as u64));
        }
        Ok(match received.get(HEAD..HEAD + length) {
            Some(payload) => Ok(Self {
                kind,
                flags,
                stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]),
                payload,
            }),
            None => Err(HEAD + length),
        })
    }

    /// Octets of all of it.
    pub(super) fn length(&self) -> usize {
        HEAD + self.payload.len()
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The payload of DATA or HEADERS without padding and priority.
    pub(super) fn content(&self) -> Result<&'a [u8], Violation> {
        let mut content = self.payload;
        if self.has(PADDED) {
            let (&padding, rest) = content.split_first().ok_or(Violation::Body)?;
            let length = rest.len().checked_sub(padding.into());
            content = &rest[..length.ok_or(Violation::Body)?];
        }
        if self.kind == HEADERS && self.has(PRIORITY) {
            content = content.get(5..).ok_or(Violation::Body)?;
        }
        Ok(content)
    }

    /// The first four octets of the payload as a number.
    pub(super) fn number(&self) -> Result<u32, Violation> {
        let octets = self.payload.first_chunk::<4>().ok_or(Violation::Body)?;
        Ok(u32::from_be_bytes(*octets))
    }

    /// The pairs of a SETTINGS frame.
    pub(super) fn settings(&self) -> impl Iterator<Item = (u16, u32)> + use<'a> {
        self.payload.chunks_exact(6).map(|pair| {
            let name = u16::from_be_bytes([pair[0], pair[1]]);
            let value = u32::from_be_bytes([pair[2], pair[3], pair[4], pair[5]]);
            (name, value)
        })
    }
}

/// Appends a frame's head; its payload follows.
pub(super) fn put_head(length: usize, kind: u8, flags: u8, stream: u32, out: &mut Vec<u8>) {
    let [_, l0, l1, l2] = (length as u32).to_be_bytes();
    let [s0, s1, s2, s3] = stream.to_be_bytes();
    out.extend_from_slice(&[l0, l1, l2, kind, flags, s0, s1, s2, s3]);
}

/// Appends a frame.
pub(super) fn put(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    put_head(payload.len(), kind, flags, stream, out);
    out.extend_from_slice(payload);
}

/// Appends a SETTINGS frame.
pub(super) fn put_settings(pairs: &[(u16, u32)], out: &mut Vec<u8>) {
    put_head(6 * pairs.len(), SETTINGS, 0, 0, out);
    for (name, value) in pairs {
        out.extend_from_slice(&name.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}
