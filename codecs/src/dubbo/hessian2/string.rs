//! Strings: lengths count UTF-16 units, each of which is spelled on its own in 1 to 3 bytes.

use std::ops::Range;

use super::super::cursor::Cursor;
use super::super::fault::{BodyError, Fault};
use super::super::text::Text;
use super::tag::NULL;

/// Reads a string; `None` for the null that takes a string's place.
///
/// # Errors
/// [`Fault::NotString`] for any other value, and what is wrong with the string.
pub fn read_string(cursor: &mut Cursor<'_>) -> Result<Option<Text>, BodyError> {
    if let Some(text) = take_short(cursor) {
        return Ok(Some(Text::At(text)));
    }
    if cursor.peek()? == NULL {
        cursor.byte()?;
        return Ok(None);
    }
    let mut chunk = Chunk::read(cursor)?;
    let start = cursor.offset();
    let (mut bytes, spelling) = walk(cursor, chunk.units)?;
    if chunk.last && spelling == Spelling::Utf8 {
        return Ok(Some(Text::At(start..cursor.offset())));
    }
    let mut decoder = Decoder::default();
    loop {
        decoder.push(bytes);
        if chunk.last {
            return Ok(Some(Text::Own(decoder.finish())));
        }
        chunk = Chunk::read_next(cursor)?;
        (bytes, _) = walk(cursor, chunk.units)?;
    }
}

/// Moves past a string.
///
/// # Errors
/// As [`read_string`], null included.
pub fn skip_string(cursor: &mut Cursor<'_>) -> Result<(), BodyError> {
    if take_short(cursor).is_some() {
        return Ok(());
    }
    let mut chunk = Chunk::read(cursor)?;
    walk(cursor, chunk.units)?;
    while !chunk.last {
        chunk = Chunk::read_next(cursor)?;
        walk(cursor, chunk.units)?;
    }
    Ok(())
}

/// Moves past a string of up to 31 ASCII characters, as nearly all header strings and attachments
/// are; `None`, with nothing consumed, for any other value.
#[inline]
fn take_short(cursor: &mut Cursor<'_>) -> Option<Range<usize>> {
    let (&len @ 0..=0x1f, rest) = cursor.rest().split_first()? else {
        return None;
    };
    let len = usize::from(len);
    if !rest.get(..len)?.is_ascii() {
        return None;
    }
    let start = cursor.offset() + 1;
    cursor.advance(1 + len);
    Some(start..start + len)
}

/// A chunk's head. Almost all strings are one chunk.
struct Chunk {
    units: usize,
    last: bool,
}

impl Chunk {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, BodyError> {
        let at = cursor.offset();
        let tag = cursor.byte()?;
        Self::of(tag, cursor)?.ok_or_else(|| Fault::NotString(tag).at(at))
    }

    /// The head of a chunk that has to follow another one.
    fn read_next(cursor: &mut Cursor<'_>) -> Result<Self, BodyError> {
        let at = cursor.offset();
        let tag = cursor.byte()?;
        Self::of(tag, cursor)?.ok_or_else(|| Fault::BrokenChunk(tag).at(at))
    }

    fn of(tag: u8, cursor: &mut Cursor<'_>) -> Result<Option<Self>, BodyError> {
        let units = match tag {
            0x00..=0x1f => usize::from(tag),
            0x30..=0x33 => usize::from(tag - 0x30) << 8 | usize::from(cursor.byte()?),
            b'R' | b'S' => usize::from(u16::from_be_bytes(cursor.array()?)),
            _ => return Ok(None),
        };
        let last = tag != b'R';
        Ok(Some(Self { units, last }))
    }
}

/// Whether the bytes of a chunk can be taken as they are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Spelling {
    /// They are UTF-8.
    Utf8,
    /// Surrogates or overlong forms occur.
    Other,
}

/// Moves past `units` UTF-16 units.
fn walk<'a>(cursor: &mut Cursor<'a>, units: usize) -> Result<(&'a [u8], Spelling), BodyError> {
    let rest = cursor.rest();
    // The whole string at once if it is ASCII, as nearly all are.
    if let Some(bytes) = rest.get(..units)
        && bytes.is_ascii()
    {
        return Ok((cursor.take(units)?, Spelling::Utf8));
    }
    let (mut at, mut left, mut spelling) = (0, units, Spelling::Utf8);
    while left > 0 {
        if left >= RUN && rest.get(at..at + RUN).is_some_and(<[u8]>::is_ascii) {
            (at, left) = (at + RUN, left - RUN);
            continue;
        }
        let end = cursor.offset() + rest.len();
        let lead = *rest.get(at).ok_or_else(|| Fault::Truncated.at(end))?;
        let len = match lead {
            0x00..=0x7f => 1,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            // Four-byte UTF-8 too: neither Java nor Go reads it.
            _ => return Err(Fault::BadString(lead).at(cursor.offset() + at)),
        };
        let tail = rest
            .get(at + 1..at + len)
            .ok_or_else(|| Fault::Truncated.at(end))?;
        if let Some(bad) = tail.iter().position(|byte| byte & 0xc0 != 0x80) {
            let fault = Fault::BadString(tail[bad]);
            return Err(fault.at(cursor.offset() + at + 1 + bad));
        }
        if is_foreign(lead, tail) {
            spelling = Spelling::Other;
        }
        (at, left) = (at + len, left - 1);
    }
    Ok((cursor.take(at)?, spelling))
}

/// Whether UTF-8 would not spell a unit this way: a surrogate, or more bytes than necessary.
fn is_foreign(lead: u8, tail: &[u8]) -> bool {
    match (lead, tail) {
        (0xc0 | 0xc1, _) => true,
        (0xe0, [second, ..]) => *second < 0xa0,
        (0xed, [second, ..]) => *second >= 0xa0,
        _ => false,
    }
}

/// ASCII is stepped over in runs of this many bytes, which compilers compare at once.
const RUN: usize = 32;

/// Turns walked chunks into UTF-8.
#[derive(Debug, Default)]
struct Decoder {
    text: Vec<u8>,
    /// The first half of a surrogate pair; the second may be in the next chunk.
    high: Option<u16>,
}

impl Decoder {
    /// Appends a chunk. Its sequences are known to be complete.
    fn push(&mut self, mut bytes: &[u8]) {
        while let [lead, rest @ ..] = bytes {
            let (unit, rest) = match (lead, rest) {
                (0xc0..=0xdf, [second, rest @ ..]) => {
                    (bits(*lead, 0x1f) << 6 | bits(*second, 0x3f), rest)
                }
                (0xe0..=0xef, [second, third, rest @ ..]) => {
                    let unit =
                        bits(*lead, 0x0f) << 12 | bits(*second, 0x3f) << 6 | bits(*third, 0x3f);
                    (unit, rest)
                }
                _ => (u16::from(*lead), rest),
            };
            self.unit(unit);
            bytes = rest;
        }
    }

    fn unit(&mut self, unit: u16) {
        match (self.high.take(), unit) {
            (high, 0xd800..=0xdbff) => {
                if high.is_some() {
                    self.char(char::REPLACEMENT_CHARACTER);
                }
                self.high = Some(unit);
            }
            (Some(high), 0xdc00..=0xdfff) => {
                let code = 0x10000 + (u32::from(high - 0xd800) << 10) + u32::from(unit - 0xdc00);
                self.char(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            (high, _) => {
                if high.is_some() {
                    self.char(char::REPLACEMENT_CHARACTER);
                }
                let char = char::from_u32(u32::from(unit));
                self.char(char.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
        }
    }

    fn char(&mut self, char: char) {
        let mut utf8 = [0; 4];
        self.text
            .extend_from_slice(char.encode_utf8(&mut utf8).as_bytes());
    }

    fn finish(mut self) -> Vec<u8> {
        if self.high.take().is_some() {
            self.char(char::REPLACEMENT_CHARACTER);
        }
        self.text
    }
}

fn bits(byte: u8, mask: u8) -> u16 {
    u16::from(byte & mask)
}
