//! Moving past any value without recursion.

use smallvec::{SmallVec, smallvec};

use super::super::cursor::Cursor;
use super::super::fault::{BodyError, Fault};
use super::super::hessian2::MAX_DEPTH;
use super::number::{read_integer, read_len};
use super::string::{is_string, skip_string};
use super::{OBJECT, OBJECT_END, REFERENCE, SYMBOL, TYPED};

/// Moves past one value, with all that is in it.
pub(super) fn skip(cursor: &mut Cursor<'_>) -> Result<(), BodyError> {
    let Some(content) = enter(cursor)? else {
        return Ok(());
    };
    let mut open: SmallVec<[Open; 8]> = smallvec![content];
    while let Some(top) = open.last_mut() {
        if top.is_complete(cursor)? {
            open.pop();
            continue;
        }
        let at = cursor.offset();
        if let Some(content) = enter(cursor)? {
            open.push(content);
            if open.len() > MAX_DEPTH {
                return Err(Fault::TooDeep.at(at));
            }
        }
    }
    Ok(())
}

/// An array or object that is being moved through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Open {
    /// So many values are left.
    Items(usize),
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
            Self::Keys if cursor.peek()? == OBJECT_END => {
                cursor.byte()?;
                return Ok(true);
            }
            Self::Keys => *self = Self::Value,
        }
        Ok(false)
    }
}

/// Moves past a value, or up to its content, which is returned if it may hold further values.
fn enter(cursor: &mut Cursor<'_>) -> Result<Option<Open>, BodyError> {
    let mut at = cursor.offset();
    while cursor.peek()? == TYPED {
        cursor.byte()?;
        skip_name(cursor)?;
        at = cursor.offset();
    }
    let tag = cursor.peek()?;
    if is_string(tag) {
        return skip_string(cursor).map(|()| None);
    }
    cursor.byte()?;
    match tag {
        OBJECT => return Ok(Some(Open::Keys)),
        0x94..=0xa3 => return Ok(Some(Open::Items(usize::from(tag - 0x94)))),
        0xa4 => return read_len(cursor).map(|len| Some(Open::Items(len))),
        // The scale, then the digits as a value of their own.
        0xb9 => {
            read_integer(cursor)?;
            return Ok(Some(Open::Items(1)));
        }
        OBJECT_END => return Err(Fault::StrayEnd.at(at)),
        _ => skip_scalar(tag, cursor)?,
    }
    Ok(None)
}

/// Moves past what follows the tag of a value that holds no others.
fn skip_scalar(tag: u8, cursor: &mut Cursor<'_>) -> Result<(), BodyError> {
    let fixed = match tag {
        SYMBOL => return skip_name(cursor),
        REFERENCE => return skip_string(cursor),
        // A character; numbers that are whole, as longs or ints.
        0x90 | 0xb4 | 0xb6 | 0xb8 | 0xba => return read_integer(cursor).map(|_| ()),
        // Octets, digits of a long integer.
        0x91 | 0xbb => read_len(cursor)?,
        // Times end in nanoseconds and, with a zone, its name.
        0xa7 | 0xa8 | 0xaa => {
            cursor.take(if tag == 0xa7 { 3 } else { 7 })?;
            read_integer(cursor)?;
            return if tag == 0xaa {
                skip_string(cursor)
            } else {
                Ok(())
            };
        }
        0xae => {
            read_integer(cursor)?;
            return read_integer(cursor).map(|_| ());
        }
        0xaf..=0xb3 | 0x00..=0x2f | 0xd8..=0xff => 0,
        0x30..=0x3f | 0xc8..=0xd7 | 0xbd => 1,
        0x40..=0x47 | 0xc0..=0xc7 | 0xbc => 2,
        0xa9 | 0xac | 0xad | 0xb7 | 0xbf | 0x48 => 4,
        0xab | 0xb5 | 0xbe => 8,
        _ => return Err(Fault::ReservedTag(tag).at(cursor.offset() - 1)),
    };
    cursor.take(fixed).map(|_| ())
}

/// Moves past the name and number, or the number alone, of a type or symbol.
fn skip_name(cursor: &mut Cursor<'_>) -> Result<(), BodyError> {
    if is_string(cursor.peek()?) {
        skip_string(cursor)?;
    }
    read_integer(cursor).map(|_| ())
}
