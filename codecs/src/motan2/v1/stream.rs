//! Java object streams, as far as motan1 uses them.
//!
//! ```text
//! ac ed 00 05             start
//! 77 n | 7a n n n n       block of n octets; blocks in a row are one sequence
//! 75 description n n n n  byte array of n octets
//! 70                      null
//! ```
//!
//! Specification: Java Object Serialization Specification, section 6.4.2.

use std::ops::Range;

use sabir_core::message::u32_at;

use crate::dubbo::Text;

/// What starts a stream.
pub(super) const START: [u8; 4] = [0xac, 0xed, 0x00, 0x05];
/// Tag of a short block.
pub(super) const BLOCK: u8 = 0x77;
/// Array and class description of byte arrays, before their length.
pub(super) const BYTES: [u8; 19] = [
    ARRAY, 0x72, 0x00, 0x02, b'[', b'B', 0xac, 0xf3, 0x17, 0xf8, 0x06, 0x08, 0x54, 0xe0, 0x02,
    0x00, 0x00, 0x78, 0x70,
];

const BLOCK_LONG: u8 = 0x7a;
const ARRAY: u8 = 0x75;
const REFERENCE: u8 = 0x71;
const NULL: u8 = 0x70;

/// A read position in the stream of a message. `None` means that the stream ends or is not of the
/// kind above.
#[derive(Clone, Debug)]
pub(super) struct Stream<'a> {
    wire: &'a [u8],
    at: usize,
    /// Octets left of the block that `at` is in.
    left: usize,
}

impl<'a> Stream<'a> {
    /// The stream that starts at `at` of a message.
    pub(super) fn new(wire: &'a [u8], at: usize) -> Option<Self> {
        let start = wire.get(at..)?.first_chunk()?;
        (*start == START).then_some(Self {
            wire,
            at: at + START.len(),
            left: 0,
        })
    }

    /// A string: two octets of length, and UTF-8.
    pub(super) fn string(&mut self) -> Option<Text> {
        let len = self.number::<2>()?;
        self.take(usize::try_from(len).ok()?)
    }

    /// A number of `N` octets.
    pub(super) fn number<const N: usize>(&mut self) -> Option<u64> {
        let octets = self.take(N)?;
        let shift = |number, octet: &u8| number << 8 | u64::from(*octet);
        Some(octets.of(self.wire).iter().fold(0, shift))
    }

    /// Whether another octet of the sequence is there.
    pub(super) fn is_in_block(&self) -> bool {
        self.left > 0 || self.block().is_some_and(|block| !block.is_empty())
    }

    /// Moves past byte arrays and nulls to the next block.
    pub(super) fn skip_values(&mut self) -> Option<()> {
        loop {
            match *self.wire.get(self.at)? {
                NULL => self.at += 1,
                ARRAY => self.at = self.array_end()?,
                _ => return self.block().map(|_| ()),
            }
        }
    }

    fn array_end(&self) -> Option<usize> {
        let rest = self.wire.get(self.at..)?;
        let len_at = if rest.starts_with(&BYTES) {
            self.at + BYTES.len()
        } else if rest.get(1) == Some(&REFERENCE) {
            self.at + REFERENCE_LEN
        } else {
            return None;
        };
        let end = len_at + 4 + u32_at(self.wire, len_at)? as usize;
        (end <= self.wire.len()).then_some(end)
    }

    /// The next `len` octets of the sequence.
    fn take(&mut self, len: usize) -> Option<Text> {
        if self.left == 0 && len > 0 {
            self.enter_block()?;
        }
        if len <= self.left {
            let start = self.at;
            self.advance(len);
            return Some(Text::At(start..self.at));
        }
        let mut taken = Vec::new();
        while taken.len() < len {
            if self.left == 0 {
                self.enter_block()?;
            }
            let part = self.left.min(len - taken.len());
            taken.extend_from_slice(self.wire.get(self.at..self.at + part)?);
            self.advance(part);
        }
        Some(Text::Own(taken))
    }

    fn enter_block(&mut self) -> Option<()> {
        let block = self.block()?;
        (self.at, self.left) = (block.start, block.len());
        Some(())
    }

    fn advance(&mut self, len: usize) {
        self.at += len;
        self.left -= len;
    }

    /// The octets of the block whose tag is next.
    fn block(&self) -> Option<Range<usize>> {
        let (start, len) = match *self.wire.get(self.at..)? {
            [BLOCK, len, ..] => (self.at + 2, len.into()),
            [BLOCK_LONG, ..] => (self.at + 5, u32_at(self.wire, self.at + 1)? as usize),
            _ => return None,
        };
        let end = start.checked_add(len)?;
        (end <= self.wire.len()).then_some(start..end)
    }
}

/// Octets of an array before its length, where it refers to the description of an earlier one.
const REFERENCE_LEN: usize = 6;
