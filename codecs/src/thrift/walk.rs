//! Finding the end of a struct without building anything from it.
//!
//! One loop over a stack of what is open, no recursion. It stops where the bytes stop and goes on
//! from there, so that a message that arrives in a thousand pieces is looked at once.

use sabir_core::message::u32_at;
use smallvec::{SmallVec, smallvec};

use super::fault::{Bad, Fault};
use super::message::Encoding;
use super::varint;

/// Values may be nested this deep, as in Apache's implementations.
pub(super) const MAX_DEPTH: usize = 64;

/// A walk over one struct.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    encoding: Encoding,
    at: usize,
    /// Nothing may reach past this offset.
    end: usize,
    open: SmallVec<[Level; 8]>,
}

/// A value that is not walked over completely.
#[derive(Clone, Copy, Debug)]
enum Level {
    Struct,
    /// Elements of lists and sets, keys and values of maps: `kinds` take turns.
    Elements {
        kinds: [u8; 2],
        left: u64,
    },
}

/// What the type of a value says of its length.
enum Size {
    Fixed(usize),
    Varint(u32),
    Binary,
    Struct,
    Elements,
    Map,
}

impl Walk {
    /// A walk over the struct at `at`, which reaches no further than `end`.
    pub(super) fn new(encoding: Encoding, at: usize, end: usize) -> Self {
        Self {
            encoding,
            at,
            end,
            open: smallvec![Level::Struct],
        }
    }

    /// Goes on as far as `bytes` reach; returns the offset behind the struct once that is known.
    pub(super) fn run(&mut self, bytes: &[u8]) -> Result<Option<usize>, Bad> {
        while let Some(&level) = self.open.last() {
            // What is skipped need not have arrived.
            if self.at > bytes.len() {
                return Ok(None);
            }
            let done = match level {
                Level::Struct => self.field(bytes)?,
                Level::Elements { left: 0, .. } => {
                    self.open.pop();
                    true
                }
                Level::Elements { kinds, left } => self.element(bytes, kinds, left)?,
            };
            if !done {
                return Ok(None);
            }
        }
        Ok((self.at <= bytes.len()).then_some(self.at))
    }

    /// Walks over the header of a field and, unless it opens a level, its value.
    fn field(&mut self, bytes: &[u8]) -> Result<bool, Bad> {
        let Some(&first) = bytes.get(self.at) else {
            self.reach(self.at + 1)?;
            return Ok(false);
        };
        if first == 0 {
            self.at += 1;
            self.open.pop();
            return Ok(true);
        }
        let (kind, value) = match self.encoding {
            Encoding::Strict | Encoding::Lax => (first, self.at + 3),
            Encoding::Compact if first & 0x0f == 0 => return Err(Fault::Type.at(self.at)),
            Encoding::Compact if first >> 4 != 0 => (first & 0x0f, self.at + 1),
            Encoding::Compact => match varint::read(bytes, self.at + 1, 32)? {
                Some((_, value)) => (first, value),
                None => return Ok(false),
            },
        };
        // A bool of a compact field is in its type.
        if self.encoding == Encoding::Compact && matches!(kind, 1 | 2) {
            self.at = self.reach(value)?;
            return Ok(true);
        }
        self.value(bytes, kind, value)
    }

    fn element(&mut self, bytes: &[u8], kinds: [u8; 2], left: u64) -> Result<bool, Bad> {
        let depth = self.open.len();
        // Maps count keys and values, which makes their number even.
        let kind = kinds[(left % 2) as usize];
        let done = self.value(bytes, kind, self.at)?;
        if done && let Some(Level::Elements { left, .. }) = self.open.get_mut(depth - 1) {
            *left -= 1;
        }
        Ok(done)
    }

    /// Walks over a value of `kind` at `at`, or opens it. `false` if too little has arrived.
    fn value(&mut self, bytes: &[u8], kind: u8, at: usize) -> Result<bool, Bad> {
        let next = match self.size(kind).ok_or_else(|| Fault::Type.at(self.at))? {
            Size::Fixed(len) => self.reach(at + len)?,
            Size::Varint(bits) => match varint::read(bytes, at, bits)? {
                Some((_, next)) => next,
                None => return Ok(false),
            },
            Size::Binary => match self.length(bytes, at)? {
                Some((len, next)) => self.skip(next, len, 1)?,
                None => return Ok(false),
            },
            Size::Struct => {
                self.descend(Level::Struct)?;
                at
            }
            Size::Elements => match self.elements(bytes, at)? {
                Some((kind, count, next)) => self.container([kind, kind], count, 1, next)?,
                None => return Ok(false),
            },
            Size::Map => match self.map(bytes, at)? {
                Some((kinds, count, next)) => self.container(kinds, count, 2, next)?,
                None => return Ok(false),
            },
        };
        self.at = next;
        Ok(true)
    }

    /// Opens a container of `count` times `each` values behind `next`, or skips it at once.
    fn container(
        &mut self,
        kinds: [u8; 2],
        count: u64,
        each: u64,
        next: usize,
    ) -> Result<usize, Bad> {
        if count == 0 {
            return Ok(next);
        }
        let sizes = kinds.map(|kind| self.size(kind));
        if let [Some(Size::Fixed(a)), Some(Size::Fixed(b))] = sizes {
            let step = if each == 2 { a + b } else { a };
            return self.skip(next, count, step as u64);
        }
        // Each value takes at least a byte.
        self.skip(next, count, each)?;
        // Keys come first, when an even number is left.
        let left = count * each;
        self.descend(Level::Elements { kinds, left })?;
        Ok(next)
    }

    fn descend(&mut self, level: Level) -> Result<(), Bad> {
        if self.open.len() > MAX_DEPTH {
            return Err(Fault::TooDeep.at(self.at));
        }
        self.open.push(level);
        Ok(())
    }

    /// Length of a binary value or size of a map, and the offset behind it.
    fn length(&self, bytes: &[u8], at: usize) -> Result<Option<(u64, usize)>, Bad> {
        match self.encoding {
            Encoding::Strict | Encoding::Lax => {
                self.reach(at + 4)?;
                match u32_at(bytes, at) {
                    Some(len) if i32::try_from(len).is_err() => Err(Fault::Length.at(at)),
                    len => Ok(len.map(|len| (len.into(), at + 4))),
                }
            }
            Encoding::Compact => varint::read(bytes, at, 32),
        }
    }

    /// Type and number of the elements of a list or set, and the offset behind its header.
    fn elements(&self, bytes: &[u8], at: usize) -> Result<Option<(u8, u64, usize)>, Bad> {
        let Some(&first) = bytes.get(at) else {
            return Ok(None);
        };
        if self.encoding != Encoding::Compact {
            let size = self.length(bytes, at + 1)?;
            return Ok(size.map(|(count, next)| (first, count, next)));
        }
        let kind = first & 0x0f;
        match first >> 4 {
            15 => {
                let size = varint::read(bytes, at + 1, 32)?;
                Ok(size.map(|(count, next)| (kind, count, next)))
            }
            count => Ok(Some((kind, count.into(), at + 1))),
        }
    }

    /// Types and number of the pairs of a map, and the offset behind its header.
    fn map(&self, bytes: &[u8], at: usize) -> Result<Option<([u8; 2], u64, usize)>, Bad> {
        if self.encoding != Encoding::Compact {
            let (Some(&key), Some(&value)) = (bytes.get(at), bytes.get(at + 1)) else {
                return Ok(None);
            };
            let size = self.length(bytes, at + 2)?;
            // An even number of values is left when a key is due.
            return Ok(size.map(|(count, next)| ([key, value], count, next)));
        }
        match varint::read(bytes, at, 32)? {
            None => Ok(None),
            Some((0, next)) => Ok(Some(([0, 0], 0, next))),
            Some((count, next)) => Ok(bytes
                .get(next)
                .map(|&kinds| ([kinds >> 4, kinds & 0x0f], count, next + 1))),
        }
    }

    /// The offset behind `count` times `len` bytes at `next`.
    fn skip(&self, next: usize, count: u64, len: u64) -> Result<usize, Bad> {
        // Below 2^32 times 32.
        let end = next as u64 + count * len;
        match usize::try_from(end) {
            // At least the stop byte follows.
            Ok(end) if end < self.end => Ok(end),
            _ => Err(Fault::Length.at(self.at)),
        }
    }

    fn reach(&self, to: usize) -> Result<usize, Bad> {
        if to > self.end {
            return Err(Fault::Truncated.at(self.end));
        }
        Ok(to)
    }

    fn size(&self, kind: u8) -> Option<Size> {
        if self.encoding == Encoding::Compact {
            return compact_size(kind);
        }
        Some(match kind {
            2 | 3 => Size::Fixed(1),
            6 => Size::Fixed(2),
            // fbthrift's float.
            8 | 0x13 => Size::Fixed(4),
            4 | 10 => Size::Fixed(8),
            16 => Size::Fixed(16),
            11 => Size::Binary,
            12 => Size::Struct,
            13 => Size::Map,
            14 | 15 => Size::Elements,
            _ => return None,
        })
    }
}

fn compact_size(kind: u8) -> Option<Size> {
    Some(match kind {
        1..=3 => Size::Fixed(1),
        4 | 5 => Size::Varint(32),
        6 => Size::Varint(64),
        7 => Size::Fixed(8),
        8 => Size::Binary,
        9 | 10 => Size::Elements,
        11 => Size::Map,
        12 => Size::Struct,
        13 => Size::Fixed(16),
        _ => return None,
    })
}
