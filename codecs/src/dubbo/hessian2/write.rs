//! Writing strings, ints and exceptions.

/// Appends `value` as a string.
///
/// Characters beyond U+FFFF become surrogate pairs, each half spelled on its own: neither Java nor
/// Go reads four-byte UTF-8. Longer than 0x8000 units, the string is cut into chunks, never inside
/// a pair, as Java does.
pub fn write_string(value: &str, out: &mut Vec<u8>) {
    let mut rest = value;
    let mut units = unit_count(rest);
    while units > CHUNK_UNITS {
        let (len, taken) = chunk_of(rest);
        out.push(b'R');
        write_u16(taken, out);
        let (chunk, after) = rest.split_at(len);
        write_units(chunk, out);
        (rest, units) = (after, units - taken);
    }
    match units {
        0..=0x1f => out.push(units as u8),
        0x20..=0x3ff => out.extend_from_slice(&[0x30 + (units >> 8) as u8, units as u8]),
        _ => {
            out.push(b'S');
            write_u16(units, out);
        }
    }
    write_units(rest, out);
}

/// Appends `value` as an int, in the shortest form.
pub fn write_int(value: i32, out: &mut Vec<u8>) {
    match value {
        -0x10..=0x2f => out.push((0x90 + value) as u8),
        -0x800..=0x7ff => out.extend_from_slice(&[(0xc8 + (value >> 8)) as u8, value as u8]),
        -0x40000..=0x3ffff => {
            let low = value as u16;
            out.push((0xd4 + (value >> 16)) as u8);
            out.extend_from_slice(&low.to_be_bytes());
        }
        _ => {
            out.push(b'I');
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

/// A field of an exception that is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Field<'a> {
    /// A string.
    Text(&'a str),
    /// An int.
    Int(i32),
}

/// Appends an object of `class` with `fields`, as the first object of its body.
///
/// Java leaves fields that are not named at their defaults. A class the receiver does not have
/// becomes a map there, not an error.
pub fn write_exception(class: &str, fields: &[(&str, Field<'_>)], out: &mut Vec<u8>) {
    out.push(b'C');
    write_string(class, out);
    write_int(fields.len() as i32, out);
    for (name, _) in fields {
        write_string(name, out);
    }
    // An object of the class at index 0.
    out.push(0x60);
    for (_, value) in fields {
        match *value {
            Field::Text(text) => write_string(text, out),
            Field::Int(int) => write_int(int, out),
        }
    }
}

/// UTF-16 units `text` has.
fn unit_count(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.chars().map(char::len_utf16).sum()
}

/// Bytes and units of the first chunk of a string that needs several.
fn chunk_of(text: &str) -> (usize, usize) {
    let mut units = 0;
    for (at, char) in text.char_indices() {
        if units + char.len_utf16() > CHUNK_UNITS {
            return (at, units);
        }
        units += char.len_utf16();
    }
    (text.len(), units)
}

fn write_units(text: &str, out: &mut Vec<u8>) {
    if text.is_ascii() {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let mut utf8 = [0; 4];
    for char in text.chars() {
        if char.len_utf16() == 1 {
            out.extend_from_slice(char.encode_utf8(&mut utf8).as_bytes());
            continue;
        }
        let mut pair = [0; 2];
        for unit in char.encode_utf16(&mut pair) {
            let high = 0xe0 | (*unit >> 12) as u8;
            let middle = 0x80 | (*unit >> 6 & 0x3f) as u8;
            out.extend_from_slice(&[high, middle, 0x80 | (*unit & 0x3f) as u8]);
        }
    }
}

fn write_u16(value: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(value as u16).to_be_bytes());
}

/// Units Java puts into one chunk at most.
const CHUNK_UNITS: usize = 0x8000;
