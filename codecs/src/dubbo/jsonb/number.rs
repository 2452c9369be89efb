//! Ints and longs, and scalars as text.

use super::super::cursor::Cursor;
use super::super::fault::{BodyError, Fault};

/// Reads a byte, short, int or long in any of its forms.
pub(super) fn read_integer(cursor: &mut Cursor<'_>) -> Result<i64, BodyError> {
    let at = cursor.offset();
    let tag = cursor.byte()?;
    let high = i64::from(tag);
    Ok(match tag {
        0x00..=0x2f => high,
        0xf0..=0xff => high - 0x100,
        0x30..=0x3f => (high - 0x38) * 0x100 + i64::from(cursor.byte()?),
        0x40..=0x47 => (high - 0x44) * 0x1_0000 + i64::from(u16::from_be_bytes(cursor.array()?)),
        0xd8..=0xef => high - 0xe0,
        0xc8..=0xd7 => (high - 0xd0) * 0x100 + i64::from(cursor.byte()?),
        0xc0..=0xc7 => (high - 0xc4) * 0x1_0000 + i64::from(u16::from_be_bytes(cursor.array()?)),
        0x48 | 0xbf => i64::from(i32::from_be_bytes(cursor.array()?)),
        0xbc => i64::from(i16::from_be_bytes(cursor.array()?)),
        super::INT8 => i64::from(i8::from_be_bytes(cursor.array()?)),
        0xbe => i64::from_be_bytes(cursor.array()?),
        _ => return Err(Fault::NotInt(tag).at(at)),
    })
}

/// Reads a length that can be trusted.
pub(super) fn read_len(cursor: &mut Cursor<'_>) -> Result<usize, BodyError> {
    let at = cursor.offset();
    let declared = read_integer(cursor)?;
    cursor.count(declared, at)
}

/// Reads a boolean or a number as Java prints it; `None`, with nothing consumed, for other values.
pub(super) fn read_as_text(cursor: &mut Cursor<'_>) -> Result<Option<String>, BodyError> {
    let tag = cursor.peek()?;
    let number = match tag {
        0x00..=0x48 | 0xbc..=0xff => {
            return read_integer(cursor).map(|value| Some(value.to_string()));
        }
        0xb0..=0xb7 => cursor.byte()?,
        _ => return Ok(None),
    };
    Ok(Some(match number {
        0xb0 => "false".to_owned(),
        0xb1 => "true".to_owned(),
        0xb2 => "0.0".to_owned(),
        0xb3 => "1.0".to_owned(),
        0xb4 | 0xb6 => format!("{:?}", read_integer(cursor)? as f64),
        0xb5 => format!("{:?}", f64::from_be_bytes(cursor.array()?)),
        _ => format!("{:?}", f32::from_be_bytes(cursor.array()?)),
    }))
}
