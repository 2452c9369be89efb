//! A struct from one protocol into the other, value by value: nothing of it is built.
//!
//! Specification: thrift-binary-protocol.md and thrift-compact-protocol.md of apache/thrift.

use smallvec::{SmallVec, smallvec};

use super::fault::{Bad, Fault};
use super::options::Values;
use super::varint;
use super::walk::MAX_DEPTH;

/// The struct at the start of `body`, which is written in `from`, in the other protocol; and how
/// long it was. More than `limit` bytes are never made.
pub(super) fn transcode(body: &[u8], from: Values, limit: usize) -> Result<(Vec<u8>, usize), Bad> {
    let mut work = Transcoding {
        reader: Reader {
            bytes: body,
            at: 0,
            from,
        },
        writer: Writer {
            out: Vec::with_capacity(body.len()),
            to: match from {
                Values::Binary => Values::Compact,
                Values::Compact => Values::Binary,
            },
        },
        open: smallvec![Level::Struct { last: 0 }],
    };
    while let Some(&level) = work.open.last() {
        match level {
            Level::Struct { last } => work.field(last)?,
            Level::Elements { left: 0, .. } => {
                work.open.pop();
            }
            Level::Elements { kinds, left } => {
                // Keys come first, when an even number is left.
                let kind = kinds[(left % 2) as usize];
                if let Some(Level::Elements { left, .. }) = work.open.last_mut() {
                    *left -= 1;
                }
                work.value(kind)?;
            }
        }
        if work.writer.out.len() > limit {
            return Err(Fault::Length.at(work.reader.at));
        }
    }
    Ok((work.writer.out, work.reader.at))
}

struct Transcoding<'a> {
    reader: Reader<'a>,
    writer: Writer,
    open: SmallVec<[Level; 8]>,
}

/// A value that is not complete.
#[derive(Clone, Copy)]
enum Level {
    /// `last`: id of the field before.
    Struct { last: i16 },
    /// `kinds` take turns.
    Elements { kinds: [u8; 2], left: u64 },
}

impl Transcoding<'_> {
    fn field(&mut self, last: i16) -> Result<(), Bad> {
        let Some((kind, id, truth)) = self.reader.field(last)? else {
            self.writer.out.push(0);
            self.open.pop();
            return Ok(());
        };
        if let Some(Level::Struct { last }) = self.open.last_mut() {
            *last = id;
        }
        let truth = match (kind, truth) {
            (BOOL, None) => Some(self.reader.byte()? != 0),
            (_, truth) => truth,
        };
        self.writer.field(kind, id, last, truth);
        match truth {
            Some(_) => Ok(()),
            None => self.value(kind),
        }
    }

    fn value(&mut self, kind: u8) -> Result<(), Bad> {
        match kind {
            BOOL => {
                let truth = self.reader.element_bool()?;
                self.writer.element_bool(truth);
            }
            I8 => {
                let byte = self.reader.byte()?;
                self.writer.out.push(byte);
            }
            I16 | I32 | I64 => {
                let number = self.reader.integer(kind)?;
                self.writer.integer(kind, number);
            }
            DOUBLE => {
                let mut octets: [u8; 8] = self.reader.array()?;
                // Big endian in one, little endian in the other.
                octets.reverse();
                self.writer.out.extend_from_slice(&octets);
            }
            UUID => {
                let octets: [u8; 16] = self.reader.array()?;
                self.writer.out.extend_from_slice(&octets);
            }
            BINARY => {
                let len = self.reader.size(1)?;
                self.writer.size(len);
                let bytes = self.reader.take(len as usize)?;
                self.writer.out.extend_from_slice(bytes);
            }
            STRUCT => self.descend(Level::Struct { last: 0 })?,
            MAP => {
                let (kinds, count) = self.reader.map()?;
                self.writer.map(kinds, count);
                let left = 2 * u64::from(count);
                self.descend(Level::Elements { kinds, left })?;
            }
            LIST | SET => {
                let (kind, count) = self.reader.elements()?;
                self.writer.elements(kind, count);
                let (kinds, left) = ([kind, kind], count.into());
                self.descend(Level::Elements { kinds, left })?;
            }
            _ => return Err(Fault::Type.at(self.reader.at)),
        }
        Ok(())
    }

    fn descend(&mut self, level: Level) -> Result<(), Bad> {
        if self.open.len() > MAX_DEPTH {
            return Err(Fault::TooDeep.at(self.reader.at));
        }
        self.open.push(level);
        Ok(())
    }
}

/// Reads values; types are those of the binary protocol, whichever it is.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    from: Values,
}

impl<'a> Reader<'a> {
    /// Type and id of a field, and its value if that is part of the type; `None` at the end.
    fn field(&mut self, last: i16) -> Result<Option<(u8, i16, Option<bool>)>, Bad> {
        let first = self.byte()?;
        if first == 0 {
            return Ok(None);
        }
        if self.from == Values::Binary {
            let id = i16::from_be_bytes(self.array()?);
            return Ok(Some((first, id, None)));
        }
        let kind = of_compact(first & 0x0f).ok_or_else(|| Fault::Type.at(self.at - 1))?;
        let id = match first >> 4 {
            0 => self.integer(I16)? as i16,
            delta => last.wrapping_add(delta.into()),
        };
        let truth = (kind == BOOL).then_some(first & 0x0f == 1);
        Ok(Some((kind, id, truth)))
    }

    fn element_bool(&mut self) -> Result<bool, Bad> {
        let byte = self.byte()?;
        Ok(match self.from {
            Values::Binary => byte != 0,
            Values::Compact => byte == 1,
        })
    }

    fn integer(&mut self, kind: u8) -> Result<i64, Bad> {
        if self.from == Values::Compact {
            let start = self.at;
            let bits = if kind == I64 { 64 } else { 32 };
            let zigzag = self.varint(bits)?;
            let number = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
            if kind == I16 && i16::try_from(number).is_err() {
                return Err(Fault::Varint.at(start));
            }
            return Ok(number);
        }
        Ok(match kind {
            I16 => i16::from_be_bytes(self.array()?).into(),
            I32 => i32::from_be_bytes(self.array()?).into(),
            _ => i64::from_be_bytes(self.array()?),
        })
    }

    /// A length, or a number of things that take `each` bytes at least.
    fn size(&mut self, each: u64) -> Result<u32, Bad> {
        let start = self.at;
        let size = match self.from {
            Values::Binary => u32::from_be_bytes(self.array()?),
            // A varint of 32 bits.
            Values::Compact => self.varint(32)? as u32,
        };
        let left = (self.bytes.len() - self.at) as u64;
        if i32::try_from(size).is_err() || u64::from(size) * each > left {
            return Err(Fault::Length.at(start));
        }
        Ok(size)
    }

    fn map(&mut self) -> Result<([u8; 2], u32), Bad> {
        if self.from == Values::Binary {
            let kinds = self.array()?;
            return Ok((kinds, self.size(2)?));
        }
        let count = self.size(1)?;
        if count == 0 {
            return Ok(([0, 0], 0));
        }
        let kinds = self.byte()?;
        let (key, value) = (self.element(kinds >> 4)?, self.element(kinds & 0x0f)?);
        Ok(([key, value], count))
    }

    fn elements(&mut self) -> Result<(u8, u32), Bad> {
        let first = self.byte()?;
        if self.from == Values::Binary {
            return Ok((first, self.size(1)?));
        }
        let count = match first >> 4 {
            15 => self.size(1)?,
            count => count.into(),
        };
        if count == 0 {
            return Ok((of_compact(first & 0x0f).unwrap_or(0), 0));
        }
        Ok((self.element(first & 0x0f)?, count))
    }

    fn element(&self, compact: u8) -> Result<u8, Bad> {
        of_compact(compact).ok_or_else(|| Fault::Type.at(self.at - 1))
    }

    fn varint(&mut self, bits: u32) -> Result<u64, Bad> {
        let read = varint::read(self.bytes, self.at, bits)?;
        let (value, next) = read.ok_or_else(|| Fault::Truncated.at(self.bytes.len()))?;
        self.at = next;
        Ok(value)
    }

    fn byte(&mut self) -> Result<u8, Bad> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Bad> {
        let found = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk);
        let found = *found.ok_or_else(|| Fault::Truncated.at(self.bytes.len()))?;
        self.at += N;
        Ok(found)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Bad> {
        let found = self.bytes.get(self.at..).and_then(|rest| rest.get(..len));
        let found = found.ok_or_else(|| Fault::Truncated.at(self.bytes.len()))?;
        self.at += len;
        Ok(found)
    }
}

/// Writes what a [`Reader`] read.
struct Writer {
    out: Vec<u8>,
    to: Values,
}

impl Writer {
    /// The header of a field, and its value if that is a bool.
    fn field(&mut self, kind: u8, id: i16, last: i16, truth: Option<bool>) {
        if self.to == Values::Binary {
            self.out.push(kind);
            self.out.extend_from_slice(&id.to_be_bytes());
            self.out.extend(truth.map(u8::from));
            return;
        }
        let kind = match truth {
            Some(false) => 2,
            _ => to_compact(kind),
        };
        match i32::from(id) - i32::from(last) {
            delta @ 1..=15 => self.out.push((delta as u8) << 4 | kind),
            _ => {
                self.out.push(kind);
                self.integer(I16, id.into());
            }
        }
    }

    fn element_bool(&mut self, truth: bool) {
        self.out.push(match (self.to, truth) {
            (_, true) => 1,
            (Values::Binary, false) => 0,
            (Values::Compact, false) => 2,
        });
    }

    fn integer(&mut self, kind: u8, number: i64) {
        match (self.to, kind) {
            (Values::Compact, _) => {
                let mut zigzag = (number << 1 ^ number >> 63) as u64;
                while zigzag >= 0x80 {
                    self.out.push(zigzag as u8 | 0x80);
                    zigzag >>= 7;
                }
                self.out.push(zigzag as u8);
            }
            // Of this many bits, as they were read.
            (Values::Binary, I16) => self.out.extend_from_slice(&(number as i16).to_be_bytes()),
            (Values::Binary, I32) => self.out.extend_from_slice(&(number as i32).to_be_bytes()),
            (Values::Binary, _) => self.out.extend_from_slice(&number.to_be_bytes()),
        }
    }

    fn size(&mut self, size: u32) {
        match self.to {
            Values::Binary => self.out.extend_from_slice(&size.to_be_bytes()),
            Values::Compact => varint::write(size, &mut self.out),
        }
    }

    fn map(&mut self, [key, value]: [u8; 2], count: u32) {
        match self.to {
            Values::Binary => {
                self.out.extend_from_slice(&[key, value]);
                self.size(count);
            }
            Values::Compact => {
                self.size(count);
                if count > 0 {
                    self.out.push(to_compact(key) << 4 | to_compact(value));
                }
            }
        }
    }

    fn elements(&mut self, kind: u8, count: u32) {
        match (self.to, count) {
            (Values::Binary, _) => {
                self.out.push(kind);
                self.size(count);
            }
            (Values::Compact, 0..=14) => self.out.push((count as u8) << 4 | to_compact(kind)),
            (Values::Compact, _) => {
                self.out.push(0xf0 | to_compact(kind));
                self.size(count);
            }
        }
    }
}

/// Type of the binary protocol for one of the compact protocol.
fn of_compact(kind: u8) -> Option<u8> {
    let types = [
        BOOL, BOOL, I8, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT, UUID,
    ];
    types.get(usize::from(kind).checked_sub(1)?).copied()
}

/// Type of the compact protocol for one of the binary protocol; 0 for one that none has, which is
/// an error once a value of it is due.
fn to_compact(kind: u8) -> u8 {
    match kind {
        BOOL => 1,
        I8 => 3,
        I16 => 4,
        I32 => 5,
        I64 => 6,
        DOUBLE => 7,
        BINARY => 8,
        LIST => 9,
        SET => 10,
        MAP => 11,
        STRUCT => 12,
        UUID => 13,
        _ => 0,
    }
}

const BOOL: u8 = 2;
const I8: u8 = 3;
const DOUBLE: u8 = 4;
const I16: u8 = 6;
const I32: u8 = 8;
const I64: u8 = 10;
const BINARY: u8 = 11;
const STRUCT: u8 = 12;
const MAP: u8 = 13;
const SET: u8 = 14;
const LIST: u8 = 15;
const UUID: u8 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs of the same struct.
    const PAIRS: [(&[u8], &[u8]); 8] = [
        (b"\0", b"\0"),
        (b"\x0b\0\x01\0\0\0\x03bob\0", b"\x18\x03bob\0"),
        (
            b"\x08\0\x02\xff\xff\xff\xfb\x02\0\x03\x01\x02\0\x04\0\0",
            b"\x25\x09\x11\x12\0",
        ),
        (
            b"\x0a\xff\xff\0\0\0\0\0\0\0\x80\x06\x40\0\x80\0\0",
            b"\x06\x01\x80\x02\x04\x80\x80\x02\xff\xff\x03\0",
        ),
        (
            b"\x04\0\x01\x3f\xf0\0\0\0\0\0\0\x03\0\x02\x7f\0",
            b"\x17\0\0\0\0\0\0\xf0\x3f\x13\x7f\0",
        ),
        (
            b"\x0f\0\x01\x02\0\0\0\x02\x01\0\x0e\0\x02\x0c\0\0\0\x02\0\x02\0\x01\x01\0\0",
            b"\x19\x21\x01\x02\x1a\x2c\0\x11\0\0",
        ),
        (
            b"\x0d\0\x14\x0b\x08\0\0\0\x01\0\0\0\x01a\0\0\0\x01\0",
            b"\x0b\x28\x01\x85\x01a\x02\0",
        ),
        (
            b"\x0f\0\x01\x03\0\0\0\x0f123456789012345\0",
            b"\x19\xf3\x0f123456789012345\0",
        ),
    ];

    #[test]
    fn structs_are_the_same_in_both() {
        for (binary, compact) in PAIRS {
            let there = transcode(binary, Values::Binary, 1000);
            assert_eq!(there, Ok((compact.to_vec(), binary.len())));
            let back = transcode(compact, Values::Compact, 1000);
            assert_eq!(back, Ok((binary.to_vec(), compact.len())));
            for cut in 0..binary.len() {
                assert!(transcode(&binary[..cut], Values::Binary, 1000).is_err());
            }
            for cut in 0..compact.len() {
                assert!(transcode(&compact[..cut], Values::Compact, 1000).is_err());
            }
        }
        let empty = (vec![0x1b, 0, 0], 10);
        let map = transcode(b"\x0d\0\x01\x0b\x08\0\0\0\0\0", Values::Binary, 10);
        assert_eq!(map, Ok(empty));
        let types_are_lost = (b"\x0d\0\x01\0\0\0\0\0\0\0".to_vec(), 3);
        assert_eq!(
            transcode(b"\x1b\0\0", Values::Compact, 10),
            Ok(types_are_lost)
        );
    }

    #[test]
    fn what_is_no_struct_is_refused() {
        let many = b"\x19\xf6\xff\xff\xff\xff\x0f".to_vec();
        let float = b"\x13\0\x01\0\0\0\0\0".to_vec();
        let long = b"\x14\x80\x80\x04\0".to_vec();
        let deep = [vec![0x1c; 66], vec![0; 67]].concat();
        for (bytes, from, fault) in [
            (many, Values::Compact, Fault::Length),
            (float, Values::Binary, Fault::Type),
            (long, Values::Compact, Fault::Varint),
            (deep, Values::Compact, Fault::TooDeep),
            (b"\x10".to_vec(), Values::Compact, Fault::Type),
            (b"\x19\x2e\0\0\0".to_vec(), Values::Compact, Fault::Type),
        ] {
            let got = transcode(&bytes, from, 1000);
            assert_eq!(got.map_err(|bad| bad.fault), Err(fault));
        }
        let grows = [b"\x19\xf6\x64".to_vec(), vec![0; 101]].concat();
        assert!(transcode(&grows, Values::Compact, 1000).is_ok());
        let (limit, fault) = (500, Fault::Length);
        let got = transcode(&grows, Values::Compact, limit);
        assert_eq!(got.map_err(|bad| bad.fault), Err(fault));
    }
}
