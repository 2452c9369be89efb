//! Moving past any value without knowing its class, and without recursion.

use smallvec::{SmallVec, smallvec};

use super::super::cursor::Cursor;
use super::super::fault::{BodyError, Fault};
use super::scalar::read_int;
use super::string::skip_string;
use super::tag::{END, Shape, Typed};
use super::{MAX_DEFINITIONS, MAX_DEPTH};

/// Moves past values of one body.
///
/// Class definitions and type names hold for the rest of the body they occur in, so one skipper
/// serves one body from its first value on. Nothing is allocated until a class is defined.
#[derive(Debug, Default)]
pub struct Skipper {
    /// Number of fields of each class defined so far.
    classes: Vec<u32>,
    /// Number of type names given so far.
    types: usize,
}

impl Skipper {
    /// Moves past one value, with all that is in it.
    ///
    /// # Errors
    /// Whatever is wrong with it; the cursor then stands somewhere inside.
    pub fn skip(&mut self, cursor: &mut Cursor<'_>) -> Result<(), BodyError> {
        // Most values hold no others.
        let Some(content) = self.enter(cursor)? else {
            return Ok(());
        };
        let mut open: SmallVec<[Open; 8]> = smallvec![content];
        while let Some(top) = open.last_mut() {
            if top.is_complete(cursor)? {
                open.pop();
                continue;
            }
            let at = cursor.offset();
            if let Some(content) = self.enter(cursor)? {
                open.push(content);
                if open.len() > MAX_DEPTH {
                    return Err(Fault::TooDeep.at(at));
                }
            }
        }
        Ok(())
    }

    /// Moves past a map's type name or index.
    ///
    /// # Errors
    /// [`Fault::UnknownType`], [`Fault::TooManyDefinitions`], and what is wrong with the name.
    pub(super) fn skip_type(&mut self, cursor: &mut Cursor<'_>) -> Result<(), BodyError> {
        let at = cursor.offset();
        if Shape::of(cursor.peek()?) == Shape::String {
            skip_string(cursor)?;
            self.types += 1;
            if self.types > MAX_DEFINITIONS {
                return Err(Fault::TooManyDefinitions.at(at));
            }
            return Ok(());
        }
        let index = read_int(cursor)?;
        match usize::try_from(index) {
            Ok(known) if known < self.types => Ok(()),
            _ => Err(Fault::UnknownType(index).at(at)),
        }
    }

    /// Moves past a value, or up to its content, which is returned if it may hold further values.
    fn enter(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Open>, BodyError> {
        let mut at = cursor.offset();
        let mut shape = Shape::of(cursor.peek()?);
        // A loop, since a body may consist of thousands of definitions.
        while shape == Shape::Class {
            self.define_class(cursor)?;
            at = cursor.offset();
            shape = Shape::of(cursor.peek()?);
        }
        match shape {
            Shape::String => return skip_string(cursor).map(|()| None),
            Shape::Binary => return skip_binary(cursor).map(|()| None),
            _ => {}
        }
        let tag = cursor.byte()?;
        if shape.typed() == Typed::Yes {
            self.skip_type(cursor)?;
        }
        Ok(match shape {
            Shape::Fixed(len) => cursor.take(len).map(|_| None)?,
            Shape::Object(class) => Some(self.fields(class, cursor)?),
            Shape::Map(_) => Some(Open::Keys),
            Shape::Open(_) => Some(Open::UntilEnd),
            Shape::Short(_, len) => Some(Open::Items(u32::from(len))),
            Shape::Counted(_) => Some(Open::Items(read_count(cursor)?)),
            Shape::Reference => skip_reference(cursor).map(|()| None)?,
            Shape::End => return Err(Fault::StrayEnd.at(at)),
            _ => return Err(Fault::ReservedTag(tag).at(at)),
        })
    }

    /// Moves past a class definition.
    fn define_class(&mut self, cursor: &mut Cursor<'_>) -> Result<(), BodyError> {
        let at = cursor.offset();
        cursor.byte()?;
        skip_string(cursor)?;
        let fields = read_count(cursor)?;
        for _ in 0..fields {
            skip_string(cursor)?;
        }
        if self.classes.len() == MAX_DEFINITIONS {
            return Err(Fault::TooManyDefinitions.at(at));
        }
        self.classes.push(fields);
        Ok(())
    }

    /// The fields of an object whose class the tag gives, or else an int that is read here.
    fn fields(&self, class: Option<u8>, cursor: &mut Cursor<'_>) -> Result<Open, BodyError> {
        let at = cursor.offset();
        let class = match class {
            Some(class) => i32::from(class),
            None => read_int(cursor)?,
        };
        let fields = usize::try_from(class)
            .ok()
            .and_then(|class| self.classes.get(class));
        match fields {
            Some(&fields) => Ok(Open::Items(fields)),
            None => Err(Fault::UnknownClass(class).at(at)),
        }
    }
}

/// A list, map or object that is being moved through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Open {
    /// So many values are left.
    Items(u32),
    /// Values up to an end marker.
    UntilEnd,
    /// Pairs up to an end marker; a key is next.
    Keys,
    /// The same; the value to a key is next.
    Value,
}

impl Open {
    /// Whether nothing is left, after moving past the end marker; if not, counts the next value.
    fn is_complete(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, BodyError> {
        match self {
            Self::Items(0) => return Ok(true),
            Self::Items(left) => *left -= 1,
            Self::Value => *self = Self::Keys,
            Self::UntilEnd | Self::Keys if cursor.peek()? == END => {
                cursor.byte()?;
                return Ok(true);
            }
            Self::Keys => *self = Self::Value,
            Self::UntilEnd => {}
        }
        Ok(false)
    }
}

/// Reads the number of elements or fields that follow.
fn read_count(cursor: &mut Cursor<'_>) -> Result<u32, BodyError> {
    let at = cursor.offset();
    let declared = read_int(cursor)?;
    match u32::try_from(declared) {
        Ok(count) if cursor.count(declared.into(), at).is_ok() => Ok(count),
        _ => Err(Fault::CountTooLarge(declared.into()).at(at)),
    }
}

/// Moves past the index of a back reference. Whether it exists is for the reader to judge.
fn skip_reference(cursor: &mut Cursor<'_>) -> Result<(), BodyError> {
    let at = cursor.offset();
    let index = read_int(cursor)?;
    if index < 0 {
        return Err(Fault::NegativeReference(index).at(at));
    }
    Ok(())
}

/// Moves past binary data in one or more chunks.
fn skip_binary(cursor: &mut Cursor<'_>) -> Result<(), BodyError> {
    let mut tag = cursor.byte()?;
    loop {
        let len = match tag {
            0x20..=0x2f => usize::from(tag - 0x20),
            0x34..=0x37 => usize::from(tag - 0x34) << 8 | usize::from(cursor.byte()?),
            _ => usize::from(u16::from_be_bytes(cursor.array()?)),
        };
        cursor.take(len)?;
        if tag != b'A' {
            return Ok(());
        }
        let at = cursor.offset();
        tag = cursor.byte()?;
        if Shape::of(tag) != Shape::Binary {
            return Err(Fault::BrokenChunk(tag).at(at));
        }
    }
}
