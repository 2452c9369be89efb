//! A body of JSONB values, each after its length.

use std::ops::Range;

use super::super::attachments::{Entry, MapSpan};
use super::super::body::Body;
use super::super::cursor::Cursor;
use super::super::fault::{BodyError, Fault};
use super::super::text::Text;
use super::number::{read_as_text, read_integer};
use super::skip::skip;
use super::string::{is_string, read_string, write_string};
use super::{INT8, NULL, OBJECT, OBJECT_END, REFERENCE, SYMBOL, TYPED};

/// A body that is read value by value.
pub(in super::super) struct JsonbBody<'a>(Cursor<'a>);

impl<'a> JsonbBody<'a> {
    pub(in super::super) fn new(cursor: Cursor<'a>) -> Self {
        Self(cursor)
    }

    /// Reads the length of the next value and moves to its end; returns where it stands.
    fn value(&mut self) -> Result<Range<usize>, BodyError> {
        let at = self.0.offset();
        let len = i32::from_be_bytes(self.0.array()?);
        let len = self.0.count(len.into(), at)?;
        let start = self.0.offset();
        self.0.take(len)?;
        Ok(start..start + len)
    }

    /// Runs `read` on the next value, all of which it has to consume.
    fn within<R>(
        &mut self,
        read: impl FnOnce(&mut Cursor<'_>) -> Result<R, BodyError>,
    ) -> Result<R, BodyError> {
        let range = self.value()?;
        // Lengths that lie must not lead into the next value.
        let mut cursor = self.0.within(range.start, range.end);
        let found = read(&mut cursor)?;
        if cursor.remaining() > 0 {
            return Err(Fault::CountTooLarge(range.len() as i64).at(cursor.offset()));
        }
        Ok(found)
    }
}

impl Body for JsonbBody<'_> {
    fn offset(&self) -> usize {
        self.0.offset()
    }

    fn remaining(&self) -> usize {
        self.0.remaining()
    }

    fn string(&mut self) -> Result<Option<Text>, BodyError> {
        self.within(|cursor| {
            if cursor.peek()? == NULL {
                return cursor.byte().map(|_| None);
            }
            read_string(cursor)
        })
    }

    fn int(&mut self) -> Result<i32, BodyError> {
        let at = self.offset();
        let value = self.within(read_integer)?;
        i32::try_from(value).map_err(|_| Fault::CountTooLarge(value).at(at))
    }

    fn skip(&mut self) -> Result<(), BodyError> {
        self.value().map(|_| ())
    }

    fn map(&mut self, entry: &mut dyn FnMut(Entry)) -> Result<MapSpan, BodyError> {
        self.within(|cursor| read_map(cursor, entry))
    }
}

fn read_map(cursor: &mut Cursor<'_>, entry: &mut dyn FnMut(Entry)) -> Result<MapSpan, BodyError> {
    let start = cursor.offset();
    if cursor.peek()? == NULL {
        cursor.byte()?;
        let range = start..cursor.offset();
        return Ok(MapSpan::Absent { range });
    }
    if cursor.peek()? == TYPED {
        cursor.byte()?;
        if is_string(cursor.peek()?) {
            read_string(cursor)?;
        }
        read_integer(cursor)?;
    }
    let at = cursor.offset();
    let tag = cursor.byte()?;
    if tag != OBJECT {
        return Err(Fault::NotMap(tag).at(at));
    }
    while cursor.peek()? != OBJECT_END {
        entry(read_entry(cursor)?);
    }
    cursor.byte()?;
    let range = start..cursor.offset();
    Ok(MapSpan::Map { range })
}

fn read_entry(cursor: &mut Cursor<'_>) -> Result<Entry, BodyError> {
    let start = cursor.offset();
    let is_symbol = cursor.peek()? == SYMBOL;
    if is_symbol {
        cursor.byte()?;
    }
    let key = read_string(cursor)?.unwrap_or(Text::Own(Vec::new()));
    if is_symbol {
        read_integer(cursor)?;
    }
    let tag = cursor.peek()?;
    let text = if is_string(tag) {
        read_string(cursor)?
    } else if let Some(text) = read_as_text(cursor)? {
        Some(Text::Own(text.into_bytes()))
    } else {
        skip(cursor)?;
        None
    };
    // References may name each other; symbols and types are numbered as they occur.
    let is_numbered = is_symbol || matches!(tag, TYPED | OBJECT | REFERENCE | SYMBOL | 0x94..=0xa4);
    let range = start..cursor.offset();
    Ok(Entry {
        key,
        text,
        removable: !is_numbered,
        range,
    })
}

/// Appends the byte that says what a response holds, as a value with its length.
pub(in super::super) fn write_kind(kind: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0, 0, 0, 2, INT8, kind]);
}

/// Appends an exception of `class` that says `message`, with a `code` if the class has one, as a
/// value with its length.
pub(in super::super) fn write_exception(
    class: &str,
    message: &str,
    code: Option<u8>,
    out: &mut Vec<u8>,
) {
    let mut value = vec![TYPED];
    write_string(class, &mut value);
    // The type's number, then its fields.
    value.extend_from_slice(&[0, OBJECT]);
    write_string("detailMessage", &mut value);
    write_string(message, &mut value);
    if let Some(code) = code {
        write_string("code", &mut value);
        // Codes are below 0x30, where an int is its own tag.
        value.push(code);
    }
    value.push(OBJECT_END);
    // A message of ours, far shorter than 4 GiB.
    out.extend_from_slice(&(value.len() as u32).to_be_bytes());
    out.append(&mut value);
}
