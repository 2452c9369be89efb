//! Ints, and scalars as text.

use super::super::cursor::Cursor;
use super::super::fault::{BodyError, Fault};

/// Reads an int in any of its four forms.
///
/// # Errors
/// [`Fault::NotInt`] for any other value, [`Fault::Truncated`].
pub fn read_int(cursor: &mut Cursor<'_>) -> Result<i32, BodyError> {
    let at = cursor.offset();
    let tag = cursor.byte()?;
    let high = i32::from(tag);
    match tag {
        0x80..=0xbf => Ok(high - 0x90),
        0xc0..=0xcf => Ok((high - 0xc8) * 0x100 + i32::from(cursor.byte()?)),
        0xd0..=0xd7 => {
            let low = u16::from_be_bytes(cursor.array()?);
            Ok((high - 0xd4) * 0x10000 + i32::from(low))
        }
        b'I' => Ok(i32::from_be_bytes(cursor.array()?)),
        _ => Err(Fault::NotInt(tag).at(at)),
    }
}

/// Reads a boolean or a number as Java prints it; `None`, with nothing consumed, for other values.
///
/// # Errors
/// [`Fault::Truncated`].
pub(super) fn read_as_text(cursor: &mut Cursor<'_>) -> Result<Option<String>, BodyError> {
    let tag = cursor.peek()?;
    Ok(Some(match tag {
        b'T' | b'F' => {
            cursor.byte()?;
            (tag == b'T').to_string()
        }
        b'I' | 0x80..=0xbf | 0xc0..=0xd7 => read_int(cursor)?.to_string(),
        b'L' | 0x38..=0x3f | 0x59 | 0xd8..=0xff => read_long(cursor)?.to_string(),
        b'D' | 0x5b..=0x5f => format!("{:?}", read_double(cursor)?),
        _ => return Ok(None),
    }))
}

/// Reads a long. The tag is known to be one.
fn read_long(cursor: &mut Cursor<'_>) -> Result<i64, BodyError> {
    let tag = cursor.byte()?;
    let high = i64::from(tag);
    Ok(match tag {
        0xd8..=0xef => high - 0xe0,
        0xf0..=0xff => (high - 0xf8) * 0x100 + i64::from(cursor.byte()?),
        0x38..=0x3f => (high - 0x3c) * 0x10000 + i64::from(u16::from_be_bytes(cursor.array()?)),
        0x59 => i64::from(i32::from_be_bytes(cursor.array()?)),
        _ => i64::from_be_bytes(cursor.array()?),
    })
}

/// Reads a double. The tag is known to be one.
fn read_double(cursor: &mut Cursor<'_>) -> Result<f64, BodyError> {
    Ok(match cursor.byte()? {
        0x5b => 0.0,
        0x5c => 1.0,
        0x5d => f64::from(i8::from_be_bytes(cursor.array()?)),
        0x5e => f64::from(i16::from_be_bytes(cursor.array()?)),
        // dubbo-hessian-lite: the integer counts thousandths.
        0x5f => f64::from(i32::from_be_bytes(cursor.array()?)) * 0.001,
        _ => f64::from_be_bytes(cursor.array()?),
    })
}
