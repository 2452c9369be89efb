//! The body of fastjson 1: a line of JSON text for each value.
//!
//! Specification: RFC 8259; `FastJsonObjectOutput` of apache/dubbo 2.7. fastjson escapes line ends
//! within strings, so a line end always ends a value.

use super::attachments::{Entry, MapSpan};
use super::body::Body;
use super::cursor::Cursor;
use super::fault::{BodyError, Fault};
use super::text::Text;

/// A body that is read line by line.
pub(super) struct JsonBody<'a>(Cursor<'a>);

impl<'a> JsonBody<'a> {
    pub(super) fn new(cursor: Cursor<'a>) -> Self {
        Self(cursor)
    }

    /// Moves to the next line; returns a cursor that ends with this one.
    fn line(&mut self) -> Result<Cursor<'a>, BodyError> {
        let (at, rest) = (self.0.offset(), self.0.rest());
        let len =
            memchr::memchr(b'\n', rest).ok_or_else(|| Fault::Truncated.at(at + rest.len()))?;
        self.0.take(len + 1)?;
        Ok(self.0.within(at, at + len))
    }
}

impl Body for JsonBody<'_> {
    fn offset(&self) -> usize {
        self.0.offset()
    }

    fn remaining(&self) -> usize {
        self.0.remaining()
    }

    fn string(&mut self) -> Result<Option<Text>, BodyError> {
        let mut line = self.line()?;
        if is_null(&line) {
            return Ok(None);
        }
        read_string(&mut line).map(Some)
    }

    fn int(&mut self) -> Result<i32, BodyError> {
        let line = self.line()?;
        let text = str::from_utf8(line.rest()).unwrap_or_default();
        let first = line.peek()?;
        text.trim()
            .parse()
            .map_err(|_| Fault::NotInt(first).at(line.offset()))
    }

    fn skip(&mut self) -> Result<(), BodyError> {
        self.line().map(|_| ())
    }

    fn map(&mut self, entry: &mut dyn FnMut(Entry)) -> Result<MapSpan, BodyError> {
        let mut line = self.line()?;
        let range = line.offset()..self.0.offset();
        if is_null(&line) {
            return Ok(MapSpan::Absent { range });
        }
        read_map(&mut line, entry)?;
        Ok(MapSpan::Map { range })
    }
}

/// Appends `text` as a line.
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for char in text.chars() {
        let mut utf8 = [0; 4];
        match char {
            '"' | '\\' => out.extend_from_slice(&[b'\\', char as u8]),
            '\0'..='\x1f' => out.extend_from_slice(format!("\\u{:04x}", char as u32).as_bytes()),
            _ => out.extend_from_slice(char.encode_utf8(&mut utf8).as_bytes()),
        }
    }
    out.extend_from_slice(b"\"\n");
}

fn is_null(line: &Cursor<'_>) -> bool {
    line.rest().trim_ascii() == b"null"
}

fn read_map(line: &mut Cursor<'_>, entry: &mut dyn FnMut(Entry)) -> Result<(), BodyError> {
    expect(line, b'{')?;
    if next(line)? == b'}' {
        return expect(line, b'}');
    }
    loop {
        entry(read_entry(line)?);
        let at = line.offset();
        match next(line)? {
            b',' => expect(line, b',')?,
            b'}' => return expect(line, b'}'),
            other => return Err(Fault::BadString(other).at(at)),
        }
    }
}

fn read_entry(line: &mut Cursor<'_>) -> Result<Entry, BodyError> {
    next(line)?;
    let start = line.offset();
    let key = read_string(line)?;
    expect(line, b':')?;
    let text = match next(line)? {
        b'"' => Some(read_string(line)?),
        b'{' | b'[' => skip_nested(line).map(|()| None)?,
        _ => read_word(line)?,
    };
    let range = start..line.offset();
    Ok(Entry {
        key,
        text,
        removable: false,
        range,
    })
}

/// Reads a number, `true` or `false`; `None` for `null`.
fn read_word(line: &mut Cursor<'_>) -> Result<Option<Text>, BodyError> {
    let start = line.offset();
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    let len = line.rest().iter().take_while(|byte| is_part(byte)).count();
    if len == 0 {
        return Err(Fault::BadString(line.peek()?).at(start));
    }
    let word = line.take(len)?;
    Ok((word != b"null").then_some(Text::At(start..start + len)))
}

/// Moves past an object or array by counting brackets.
fn skip_nested(line: &mut Cursor<'_>) -> Result<(), BodyError> {
    let mut depth = 0_usize;
    loop {
        match line.peek()? {
            b'"' => {
                read_string(line)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        line.byte()?;
        if depth == 0 {
            return Ok(());
        }
    }
}

fn read_string(line: &mut Cursor<'_>) -> Result<Text, BodyError> {
    let at = line.offset();
    let first = next(line)?;
    if first != b'"' {
        return Err(Fault::NotString(first).at(at));
    }
    line.byte()?;
    let (start, rest) = (line.offset(), line.rest());
    let end = memchr::memchr2(b'"', b'\\', rest)
        .ok_or_else(|| Fault::Truncated.at(start + rest.len()))?;
    if rest.get(end) == Some(&b'"') {
        line.take(end + 1)?;
        return Ok(Text::At(start..start + end));
    }
    let mut text = Vec::new();
    loop {
        match line.byte()? {
            b'"' => return Ok(Text::Own(text)),
            b'\\' => read_escape(line, &mut text)?,
            byte => text.push(byte),
        }
    }
}

fn read_escape(line: &mut Cursor<'_>, text: &mut Vec<u8>) -> Result<(), BodyError> {
    let at = line.offset();
    let byte = match line.byte()? {
        b'u' => {
            let char = read_unicode_escape(line)?;
            let mut utf8 = [0; 4];
            text.extend_from_slice(char.encode_utf8(&mut utf8).as_bytes());
            return Ok(());
        }
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 8,
        b'f' => 12,
        byte @ (b'"' | b'\\' | b'/') => byte,
        other => return Err(Fault::BadString(other).at(at)),
    };
    text.push(byte);
    Ok(())
}

/// Reads the digits of an escaped unit, and of the other half of a surrogate pair.
fn read_unicode_escape(line: &mut Cursor<'_>) -> Result<char, BodyError> {
    let unit = read_unit(line)?;
    let mut units = vec![unit];
    if (0xd800..0xdc00).contains(&unit) && line.rest().starts_with(b"\\u") {
        line.take(2)?;
        units.push(read_unit(line)?);
    }
    let char = char::decode_utf16(units).next().and_then(Result::ok);
    Ok(char.unwrap_or(char::REPLACEMENT_CHARACTER))
}

fn read_unit(line: &mut Cursor<'_>) -> Result<u16, BodyError> {
    let at = line.offset();
    let digits: [u8; 4] = line.array()?;
    let text = str::from_utf8(&digits).unwrap_or_default();
    u16::from_str_radix(text, 16).map_err(|_| Fault::BadString(digits[0]).at(at))
}

/// Moves past white space; returns the byte after it.
fn next(line: &mut Cursor<'_>) -> Result<u8, BodyError> {
    while line.peek()?.is_ascii_whitespace() {
        line.byte()?;
    }
    line.peek()
}

fn expect(line: &mut Cursor<'_>, wanted: u8) -> Result<(), BodyError> {
    let found = next(line)?;
    let at = line.offset();
    line.byte()?;
    if found == wanted {
        Ok(())
    } else {
        Err(Fault::NotMap(found).at(at))
    }
}
