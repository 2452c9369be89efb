//! Strings: Latin-1, UTF-8 or UTF-16, each after its length in octets.

use super::super::cursor::Cursor;
use super::super::fault::{BodyError, Fault};
use super::super::text::Text;
use super::SHORT_STRING;
use super::number::read_len;

/// Whether a value that starts with `tag` is a string.
pub(super) fn is_string(tag: u8) -> bool {
    SHORT_STRING.contains(&tag) || (0x79..=0x7e).contains(&tag)
}

/// Reads a string; `None` if it is in an encoding that nobody reads here (GB18030).
pub(super) fn read_string(cursor: &mut Cursor<'_>) -> Result<Option<Text>, BodyError> {
    let at = cursor.offset();
    let tag = cursor.byte()?;
    if !is_string(tag) {
        return Err(Fault::NotString(tag).at(at));
    }
    let len = if SHORT_STRING.contains(&tag) {
        usize::from(tag - SHORT_STRING.start())
    } else {
        read_len(cursor)?
    };
    let start = cursor.offset();
    let octets = cursor.take(len)?;
    let in_place = match tag {
        // Java leaves UTF-8 that is none to its decoder's replacements.
        UTF8 => str::from_utf8(octets).is_ok(),
        UTF16 | UTF16_LE | UTF16_BE | GB18030 => false,
        _ => octets.is_ascii(),
    };
    if in_place {
        return Ok(Some(Text::At(start..start + len)));
    }
    let text = match tag {
        UTF8 => String::from_utf8_lossy(octets).into_owned(),
        UTF16_LE => decode_utf16(octets, u16::from_le_bytes),
        UTF16 | UTF16_BE => decode_utf16(octets, u16::from_be_bytes),
        GB18030 => return Ok(None),
        _ => octets.iter().copied().map(char::from).collect(),
    };
    Ok(Some(Text::Own(text.into_bytes())))
}

/// Moves past a string.
pub(super) fn skip_string(cursor: &mut Cursor<'_>) -> Result<(), BodyError> {
    let at = cursor.offset();
    let tag = cursor.byte()?;
    if !is_string(tag) {
        return Err(Fault::NotString(tag).at(at));
    }
    let len = if SHORT_STRING.contains(&tag) {
        usize::from(tag - SHORT_STRING.start())
    } else {
        read_len(cursor)?
    };
    cursor.take(len).map(|_| ())
}

/// Appends `text` as a string.
pub(in super::super) fn write_string(text: &str, out: &mut Vec<u8>) {
    let octets = text.as_bytes();
    match u8::try_from(octets.len()) {
        Ok(len) if text.is_ascii() && len <= SHORT_STRING.end() - SHORT_STRING.start() => {
            out.push(SHORT_STRING.start() + len);
        }
        _ => {
            out.push(if text.is_ascii() { ASCII } else { UTF8 });
            write_len(octets.len(), out);
        }
    }
    out.extend_from_slice(octets);
}

/// Appends a length as an int in its shortest form.
fn write_len(len: usize, out: &mut Vec<u8>) {
    // Bodies are shorter than 2 GiB.
    let len = len as u32;
    match len {
        0..=0x2f => out.push(len as u8),
        0x30..=0x7ff => out.extend_from_slice(&[0x38 + (len >> 8) as u8, len as u8]),
        0x800..=0x3_ffff => {
            out.extend_from_slice(&[0x44 + (len >> 16) as u8, (len >> 8) as u8, len as u8]);
        }
        _ => {
            out.push(0x48);
            out.extend_from_slice(&len.to_be_bytes());
        }
    }
}

fn decode_utf16(octets: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let (pairs, _) = octets.as_chunks();
    let units = pairs.iter().map(|pair| unit(*pair));
    let chars = char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER));
    chars.collect()
}

const ASCII: u8 = 0x79;
const UTF8: u8 = 0x7a;
const UTF16: u8 = 0x7b;
const UTF16_LE: u8 = 0x7c;
const UTF16_BE: u8 = 0x7d;
const GB18030: u8 = 0x7e;
