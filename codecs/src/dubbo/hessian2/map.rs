//! The attachment map, entry by entry.

use std::ops::Range;

use super::super::cursor::Cursor;
use super::super::fault::{BodyError, Fault};
use super::super::text::Text;
use super::scalar::read_as_text;
use super::skip::Skipper;
use super::string::read_string;
use super::tag::{END, MAP, NULL, Shape, TYPED_MAP};

/// One key and its value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Text,
    /// The value.
    pub value: Value,
    /// Where key and value stand in the message; cutting it out removes the entry.
    pub range: Range<usize>,
}

/// The value of an entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// A string, or a boolean or number as Java prints it.
    Text(Text),
    /// Null, a date, bytes, a back reference: no text, but cutting it out does no harm.
    Scalar,
    /// A map, list or object. Cutting it out would change what later references mean.
    Numbered,
}

impl Value {
    /// Whether the entry can be cut out of the map without changing the meaning of others.
    pub fn is_removable(&self) -> bool {
        !matches!(self, Self::Numbered)
    }
}

/// Where a map stands in the message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MapSpan {
    /// A map.
    Map {
        /// The whole of it, tag and end marker included.
        range: Range<usize>,
    },
    /// A null, or the empty string that dubbo-go tolerates in its place.
    Absent {
        /// What stands for the map.
        range: Range<usize>,
    },
}

impl MapSpan {
    /// The bytes it covers.
    pub fn range(&self) -> &Range<usize> {
        match self {
            Self::Map { range } | Self::Absent { range } => range,
        }
    }
}

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
    let value = if shape == Shape::String {
        read_string(cursor)?.map_or(Value::Scalar, Value::Text)
    } else if let Some(text) = read_as_text(cursor)? {
        Value::Text(Text::Own(text.into_bytes()))
    } else {
        skipper.skip(cursor)?;
        if shape.is_numbered() {
            Value::Numbered
        } else {
            Value::Scalar
        }
    };
    let range = start..cursor.offset();
    Ok(Entry { key, value, range })
}
