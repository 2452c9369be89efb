//! The header of THeader: flags, a sequence id, transforms, and the pairs that are Thrift's metadata.
//!
//! ```text
//! 0      i32 length of what follows
//! 4      0f ff          magic
//! 6      u16 flags
//! 8      u32 sequence id
//! 12     u16 length of the header data in words of 4 bytes
//! 14     header data: varint protocol id, varint number of transforms, varint each,
//!        info blocks (varint 1: varint count, names and values), zeros
//!        payload: a message, transformed
//! ```
//!
//! Specification: HeaderFormat.md of apache/thrift; block 2, pairs that hold for the rest of the
//! connection, is fbthrift's (`THeader.cpp`).

use std::ops::Range;

use bytes::Bytes;
use sabir_core::message::u32_at;

use super::fault::{Bad, Fault};
use super::message::Encoding;
use super::varint;

/// The fixed and the leading parts of a header.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Header {
    pub(super) seqid: u32,
    pub(super) protocol: u32,
    pub(super) transform: Transform,
    /// Protocol id and transforms, as they stand.
    pub(super) lead: Range<usize>,
    /// Offset of the payload, where the header data end.
    pub(super) payload: usize,
}

/// What was done to the payload.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Transform {
    None,
    Zlib,
    /// Something that is not undone here.
    Other,
}

/// A pair in an info block.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Pair {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
    /// Offset of the id of its block if it holds for the rest of the connection.
    pub(super) persistent: Option<usize>,
}

/// Octets before the header data, the length word included.
pub(super) const FIXED: usize = 14;

/// Shortest frame, in bytes, without the length word.
pub(super) const MIN_FRAME: usize = FIXED - 4;

/// What every frame of this transport has at offset 4.
pub(super) const MAGIC: [u8; 2] = [0x0f, 0xff];

/// Protocol id of the binary protocol.
pub(super) const BINARY: u32 = 0;
/// Protocol id of the compact protocol.
pub(super) const COMPACT: u32 = 2;

/// Words of header data that C++ still accepts.
const MAX_WORDS: usize = 16_383;
/// Info block of pairs.
const KEY_VALUE: u64 = 1;
/// Info block of pairs that hold for the rest of the connection.
const PERSISTENT: u64 = 2;
/// Transform id.
const ZLIB: u64 = 1;

impl Header {
    /// Reads the header of a whole frame.
    pub(super) fn read(wire: &[u8]) -> Result<Self, Bad> {
        let words = wire.get(12..).and_then(<[u8]>::first_chunk);
        let (Some(seqid), Some(&words)) = (u32_at(wire, 8), words) else {
            return Err(Fault::Header.at(wire.len()));
        };
        let payload = FIXED + 4 * usize::from(u16::from_be_bytes(words));
        let data = wire.get(..payload).ok_or_else(|| Fault::Header.at(12))?;
        let (protocol, at) = number(data, FIXED)?;
        let (count, mut at) = number(data, at)?;
        let mut transform = Transform::None;
        for i in 0..count {
            let (id, next) = number(data, at)?;
            at = next;
            // Peers disagree about the order in which several are undone.
            transform = match id {
                ZLIB if i == 0 => Transform::Zlib,
                _ => Transform::Other,
            };
        }
        Ok(Self {
            seqid,
            // A varint of 32 bits.
            protocol: protocol as u32,
            transform,
            lead: FIXED..at,
            payload,
        })
    }

    /// Lists the pairs; returns where the blocks end that are understood.
    pub(super) fn pairs(
        &self,
        wire: &[u8],
        found: &mut dyn FnMut(Pair),
    ) -> Result<Range<usize>, Bad> {
        let data = wire.get(..self.payload).unwrap_or(wire);
        let mut at = self.lead.end;
        while at < data.len() {
            let (id, mut next) = number(data, at)?;
            match id {
                KEY_VALUE | PERSISTENT => {}
                // Padding, or a block of unknown length.
                0 => return Ok(data.len()..data.len()),
                _ => return Ok(at..data.len()),
            }
            let persistent = (id == PERSISTENT).then_some(at);
            let (count, start) = number(data, next)?;
            next = start;
            // A pair takes at least two bytes, so that the loop ends with the data.
            for _ in 0..count {
                let name = text(data, next)?;
                let value = text(data, name.end)?;
                next = value.end;
                found(Pair {
                    name,
                    value,
                    persistent,
                });
            }
            at = next;
        }
        Ok(data.len()..data.len())
    }

    /// The frame `wire` with other header data; `None` if its length does not fit.
    pub(super) fn with_data(&self, wire: &[u8], data: &[u8]) -> Option<Bytes> {
        let payload = wire.get(self.payload..)?;
        let len = i32::try_from(MIN_FRAME + data.len() + payload.len()).ok()?;
        let words = u16::try_from(data.len() / 4).ok()?;
        let fixed = wire.get(4..12)?;
        let start = [&len.to_be_bytes()[..], fixed, &words.to_be_bytes()];
        Some([&start.concat(), data, payload].concat().into())
    }
}

/// Header data of `lead`, `pairs`, and blocks that are kept as they are, padded; `None` if peers
/// would refuse the length.
pub(super) fn data<'a>(
    lead: &[u8],
    pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    rest: &[u8],
) -> Option<Vec<u8>> {
    let mut data = lead.to_vec();
    let count = pairs.clone().count();
    if count > 0 {
        data.push(KEY_VALUE as u8);
        varint::write(u32::try_from(count).ok()?, &mut data);
    }
    for text in pairs.flat_map(|(name, value)| [name, value]) {
        varint::write(u32::try_from(text.len()).ok()?, &mut data);
        data.extend_from_slice(text);
    }
    data.extend_from_slice(rest);
    data.resize(data.len().next_multiple_of(4), 0);
    (data.len() / 4 <= MAX_WORDS).then_some(data)
}

/// Protocol id of messages in `encoding`.
pub(super) fn protocol_of(encoding: Encoding) -> u8 {
    match encoding {
        Encoding::Strict | Encoding::Lax => BINARY as u8,
        Encoding::Compact => COMPACT as u8,
    }
}

/// The same byte of a block's id that makes its pairs hold for one message only.
pub(super) fn once(id: u8) -> u8 {
    id & 0x80 | KEY_VALUE as u8
}

fn number(data: &[u8], at: usize) -> Result<(u64, usize), Bad> {
    varint::read(data, at, 32)?.ok_or_else(|| Fault::Header.at(at))
}

fn text(data: &[u8], at: usize) -> Result<Range<usize>, Bad> {
    let (len, start) = number(data, at)?;
    match usize::try_from(len) {
        Ok(len) if len <= data.len() - start => Ok(start..start + len),
        _ => Err(Fault::Header.at(at)),
    }
}
