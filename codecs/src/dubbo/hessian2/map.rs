//! The attachment map, entry by entry.

use super::super::attachments::{Entry, MapSpan};
use super::super::cursor::Cursor;
use super::super::fault::{BodyError, Fault};
use super::super::text::Text;
use super::scalar::read_as_text;
use super::skip::Skipper;
use super::string::read_string;
use super::tag::{END, MAP, NULL, Shape, TYPED_MAP};

/// Reads a map with string keys, calling `entry` with each of its entries in order.
///
/// `skipper` has to have skipped all earlier values of the body.
///
/// # Errors
/// [`Fault::NotMap`] if something else stands there, [`Fault::NotString`] for a key that is not a
/// string, and what is wrong with the values.
pub fn read_map(
    cursor: &mut Cursor<'_>,
    skipper: &mut Skipper,
    mut entry: impl FnMut(Entry),
) -> Result<MapSpan, BodyError> {
    let start = cursor.offset();
    match cursor.byte()? {
        NULL | 0x00 => {
            let range = start..cursor.offset();
            return Ok(MapSpan::Absent { range });
        }
        MAP => {}
        TYPED_MAP => skipper.skip_type(cursor)?,
        tag => return Err(Fault::NotMap(tag).at(start)),
    }
    while cursor.peek()? != END {
        entry(read_entry(cursor, skipper)?);
    }
    cursor.byte()?;
    let range = start..cursor.offset();
    Ok(MapSpan::Map { range })
}

fn read_entry(cursor: &mut Cursor<'_>, skipper: &mut Skipper) -> Result<Entry, BodyError> {
    let start = cursor.offset();
    let key = read_string(cursor)?.ok_or_else(|| Fault::NotString(NULL).at(start))?;
    let shape = Shape::of(cursor.peek()?);
    let text = if shape == Shape::String {
        read_string(cursor)?
    } else if let Some(text) = read_as_text(cursor)? {
        Some(Text::Own(text.into_bytes()))
    } else {
        skipper.skip(cursor)?;
        None
    };
    let range = start..cursor.offset();
    let removable = !shape.is_numbered();
    Ok(Entry {
        key,
        text,
        removable,
        range,
    })
}
