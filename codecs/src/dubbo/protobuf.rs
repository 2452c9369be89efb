//! The body of Dubbo's protobuf serialization: each value a message after its length as a varint.
//! Strings and ints are wrapped in `{1: value}`, attachments are a `map<string, string>` in field 1.
//!
//! Specification: <https://protobuf.dev/programming-guides/encoding/>; `GenericProtobufObjectOutput`
//! of apache/dubbo 2.7.

use std::ops::Range;

use super::attachments::{Entry, MapSpan};
use super::body::Body;
use super::cursor::Cursor;
use super::fault::{BodyError, Fault};
use super::text::Text;

/// A body that is read message by message.
pub(super) struct ProtobufBody<'a>(Cursor<'a>);

impl<'a> ProtobufBody<'a> {
    pub(super) fn new(cursor: Cursor<'a>) -> Self {
        Self(cursor)
    }
}

impl Body for ProtobufBody<'_> {
    fn offset(&self) -> usize {
        self.0.offset()
    }

    fn remaining(&self) -> usize {
        self.0.remaining()
    }

    fn string(&mut self) -> Result<Option<Text>, BodyError> {
        let mut message = delimited(&mut self.0)?;
        // Proto3 leaves an empty string out.
        let mut text = Text::At(message.offset()..message.offset());
        while message.remaining() > 0 {
            if let (1, Content::Octets(range)) = field(&mut message)? {
                text = Text::At(range);
            }
        }
        Ok(Some(text))
    }

    fn int(&mut self) -> Result<i32, BodyError> {
        let mut message = delimited(&mut self.0)?;
        let mut value = 0;
        while message.remaining() > 0 {
            if let (1, Content::Varint(varint)) = field(&mut message)? {
                // Negative ints are sign-extended to ten octets.
                value = varint as i32;
            }
        }
        Ok(value)
    }

    fn skip(&mut self) -> Result<(), BodyError> {
        delimited(&mut self.0).map(|_| ())
    }

    fn map(&mut self, entry: &mut dyn FnMut(Entry)) -> Result<MapSpan, BodyError> {
        let start = self.0.offset();
        if self.0.remaining() == 0 {
            let range = start..start;
            return Ok(MapSpan::Absent { range });
        }
        let mut message = delimited(&mut self.0)?;
        while message.remaining() > 0 {
            let at = message.offset();
            if let (1, Content::Octets(range)) = field(&mut message)? {
                let (key, text) = read_pair(&mut message.within(range.start, range.end))?;
                let range = at..message.offset();
                let (text, removable) = (Some(text), false);
                entry(Entry {
                    key,
                    text,
                    removable,
                    range,
                });
            }
        }
        let range = start..self.0.offset();
        Ok(MapSpan::Map { range })
    }
}

/// Appends `text`, wrapped, after its length.
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    let mut message = Vec::with_capacity(text.len() + 6);
    if !text.is_empty() {
        message.push(0x0a);
        write_varint(text.len(), &mut message);
        message.extend_from_slice(text.as_bytes());
    }
    write_varint(message.len(), out);
    out.append(&mut message);
}

fn write_varint(mut value: usize, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// What a field holds.
enum Content {
    Varint(u64),
    Octets(Range<usize>),
    Fixed,
}

/// Moves past a message after its length; returns a cursor over the message.
fn delimited<'a>(cursor: &mut Cursor<'a>) -> Result<Cursor<'a>, BodyError> {
    let range = octets(cursor)?;
    Ok(cursor.within(range.start, range.end))
}

fn octets(cursor: &mut Cursor<'_>) -> Result<Range<usize>, BodyError> {
    let at = cursor.offset();
    let declared = i64::try_from(varint(cursor)?).unwrap_or(i64::MAX);
    let len = cursor.count(declared, at)?;
    let start = cursor.offset();
    cursor.take(len)?;
    Ok(start..start + len)
}

/// Reads a field's number and content.
fn field(cursor: &mut Cursor<'_>) -> Result<(u64, Content), BodyError> {
    let at = cursor.offset();
    let tag = varint(cursor)?;
    let content = match tag & 7 {
        0 => Content::Varint(varint(cursor)?),
        1 => cursor.take(8).map(|_| Content::Fixed)?,
        2 => Content::Octets(octets(cursor)?),
        5 => cursor.take(4).map(|_| Content::Fixed)?,
        wire_type => return Err(Fault::ReservedTag(wire_type as u8).at(at)),
    };
    Ok((tag >> 3, content))
}

fn read_pair(cursor: &mut Cursor<'_>) -> Result<(Text, Text), BodyError> {
    let (mut key, mut value) = (Text::Own(Vec::new()), Text::Own(Vec::new()));
    while cursor.remaining() > 0 {
        match field(cursor)? {
            (1, Content::Octets(range)) => key = Text::At(range),
            (2, Content::Octets(range)) => value = Text::At(range),
            _ => {}
        }
    }
    Ok((key, value))
}

fn varint(cursor: &mut Cursor<'_>) -> Result<u64, BodyError> {
    let at = cursor.offset();
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = cursor.byte()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Fault::CountTooLarge(i64::MAX).at(at))
}
