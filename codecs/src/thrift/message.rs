//! The header of a message: its type, name and sequence id.
//!
//! ```text
//! strict binary   80 01 00 type · i32 length, name · i32 seqid
//! binary          i32 length, name · type · i32 seqid
//! compact         82 · type << 5 | 1 · varint seqid · varint length, name
//! ```
//!
//! Specification: thrift-binary-protocol.md and thrift-compact-protocol.md of apache/thrift.

use std::ops::Range;

use sabir_core::message::u32_at;

use super::fault::{Bad, Fault};
use super::options::Values;
use super::varint;

/// How values are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Encoding {
    /// Binary protocol whose message header tells a version.
    Strict,
    /// Binary protocol of old, whose message header starts with the name.
    Lax,
    /// Compact protocol.
    Compact,
}

/// Where the parts of a message's header are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Message {
    pub(super) encoding: Encoding,
    /// As it stands on the wire; not one of the known ones, perhaps.
    pub(super) kind: u8,
    /// Length and name.
    pub(super) name_slot: Range<usize>,
    /// The name alone.
    pub(super) name: Range<usize>,
    pub(super) seqid_slot: Range<usize>,
    pub(super) seqid: u32,
    /// Offset of the struct behind the header.
    pub(super) body: usize,
}

/// Message type: a request that awaits a response.
pub(super) const CALL: u8 = 1;
/// Message type: a result, or an exception that the IDL declares.
pub(super) const REPLY: u8 = 2;
/// Message type: a `TApplicationException`.
pub(super) const EXCEPTION: u8 = 3;
/// Message type: a request without response.
pub(super) const ONE_WAY: u8 = 4;

/// Longest method name that is accepted, in bytes, the service before it included.
pub(super) const MAX_NAME: usize = 4096;

/// Most bytes that a message header takes.
pub(super) const MAX_HEADER: usize = MAX_NAME + 16;

impl Encoding {
    /// Tells the encoding of a message by its first two bytes; `None` if too few arrived.
    ///
    /// # Errors
    /// [`Fault::Version`] if no message starts so.
    pub(super) fn detect(bytes: &[u8], at: usize) -> Result<Option<Self>, Bad> {
        let rest = bytes.get(at..).unwrap_or_default();
        match *rest {
            [0..=0x7f, ..] => Ok(Some(Self::Lax)),
            [0x80, 1, ..] => Ok(Some(Self::Strict)),
            [0x82, version, ..] if version & 0x1f == 1 => Ok(Some(Self::Compact)),
            [] | [0x80 | 0x82] => Ok(None),
            _ => Err(Fault::Version.at(at)),
        }
    }

    /// The protocol it belongs to.
    pub(super) fn protocol(self) -> Values {
        match self {
            Self::Strict | Self::Lax => Values::Binary,
            Self::Compact => Values::Compact,
        }
    }

    /// Appends a name as it stands in its slot.
    pub(super) fn write_name(self, name: &[u8], out: &mut impl Extend<u8>) {
        // Names are at most a few KiB.
        let len = name.len() as u32;
        match self {
            Self::Strict | Self::Lax => out.extend(len.to_be_bytes()),
            Self::Compact => varint::write(len, out),
        }
        out.extend(name.iter().copied());
    }

    /// Appends a sequence id as it stands in its slot.
    pub(super) fn write_seqid(self, seqid: u32, out: &mut impl Extend<u8>) {
        match self {
            Self::Strict | Self::Lax => out.extend(seqid.to_be_bytes()),
            Self::Compact => varint::write(seqid, out),
        }
    }

    /// Appends the header of a message.
    pub(super) fn write_header(self, kind: u8, name: &[u8], seqid: u32, out: &mut impl Extend<u8>) {
        match self {
            Self::Strict => {
                out.extend([0x80, 1, 0, kind]);
                self.write_name(name, out);
                self.write_seqid(seqid, out);
            }
            Self::Lax => {
                self.write_name(name, out);
                out.extend([kind]);
                self.write_seqid(seqid, out);
            }
            Self::Compact => {
                out.extend([0x82, kind << 5 | 1]);
                self.write_seqid(seqid, out);
                self.write_name(name, out);
            }
        }
    }
}

impl Message {
    /// Reads the header at `at`; `None` if it has not arrived completely.
    pub(super) fn read(bytes: &[u8], at: usize) -> Result<Option<Self>, Bad> {
        match Encoding::detect(bytes, at)? {
            None => Ok(None),
            Some(Encoding::Compact) => Self::compact(bytes, at),
            Some(encoding) => Self::binary(bytes, at, encoding),
        }
    }

    /// Whether it is a call or one-way.
    pub(super) fn is_request(&self) -> bool {
        matches!(self.kind, CALL | ONE_WAY)
    }

    /// Whether its type is one of the four.
    pub(super) fn is_known(&self) -> bool {
        (CALL..=ONE_WAY).contains(&self.kind)
    }

    fn binary(bytes: &[u8], at: usize, encoding: Encoding) -> Result<Option<Self>, Bad> {
        let is_strict = encoding == Encoding::Strict;
        let slot = if is_strict { at + 4 } else { at };
        let Some(len) = u32_at(bytes, slot) else {
            return Ok(None);
        };
        let name = name_at(slot + 4, u64::from(len), slot)?;
        let mut next = name.end;
        let kind_at = if is_strict { at + 3 } else { next };
        if !is_strict {
            next += 1;
        }
        let (Some(&kind), Some(seqid)) = (bytes.get(kind_at), u32_at(bytes, next)) else {
            return Ok(None);
        };
        Ok(Some(Self {
            encoding,
            kind,
            name_slot: slot..name.end,
            name,
            seqid_slot: next..next + 4,
            seqid,
            body: next + 4,
        }))
    }

    fn compact(bytes: &[u8], at: usize) -> Result<Option<Self>, Bad> {
        let Some(&kind) = bytes.get(at + 1) else {
            return Ok(None);
        };
        let Some((seqid, slot)) = varint::read(bytes, at + 2, 32)? else {
            return Ok(None);
        };
        let Some((len, name)) = varint::read(bytes, slot, 32)? else {
            return Ok(None);
        };
        let name = name_at(name, len, slot)?;
        if bytes.len() < name.end {
            return Ok(None);
        }
        Ok(Some(Self {
            encoding: Encoding::Compact,
            kind: kind >> 5,
            name_slot: slot..name.end,
            seqid_slot: at + 2..slot,
            // A varint of 32 bits.
            seqid: seqid as u32,
            body: name.end,
            name,
        }))
    }
}

fn name_at(start: usize, len: u64, slot: usize) -> Result<Range<usize>, Bad> {
    match usize::try_from(len) {
        Ok(len) if len <= MAX_NAME => Ok(start..start + len),
        _ => Err(Fault::Name.at(slot)),
    }
}

/// Service and method in the name of a call: `Service:method`, or the method alone.
pub(super) fn split(name: &[u8]) -> (Option<usize>, &[u8]) {
    match memchr::memchr(b':', name) {
        Some(colon) => (Some(colon), &name[colon + 1..]),
        None => (None, name),
    }
}
