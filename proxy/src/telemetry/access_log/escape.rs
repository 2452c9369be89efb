//! Writes bytes from the network so that they cannot end a line, a quoted string, or the reader's
//! terminal settings.

/// The first `max` bytes of `value`, or a few less so as not to cut a character in two.
pub(super) fn cut(value: &[u8], max: usize) -> &[u8] {
    if value.len() <= max {
        return value;
    }
    let is_start = |at: &usize| value[*at] & 0xc0 != 0x80;
    // A character has 4 bytes at most; what has no start in reach is not UTF-8.
    let end = (max.saturating_sub(3)..=max).rev().find(is_start);
    &value[..end.unwrap_or(max)]
}

/// Writes `value` as text: quotes and backslashes after a backslash, line feeds and the like as
/// `\n`, what else controls terminals as `\u{9b}`, what is not UTF-8 as `\xff`.
pub(super) fn text(out: &mut Vec<u8>, value: &[u8]) {
    if is_plain(value) {
        return out.extend_from_slice(value);
    }
    for chunk in value.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => out.extend_from_slice(&[b'\\', c as u8]),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                c if is_control(c) => {
                    out.extend_from_slice(b"\\u{");
                    hex(out, c.into());
                    out.push(b'}');
                }
                c => push(out, c),
            }
        }
        for &byte in chunk.invalid() {
            out.extend_from_slice(b"\\x");
            hex(out, byte.into());
        }
    }
}

/// Writes `value` as the inside of a JSON string (RFC 8259 section 7). What is not UTF-8 becomes
/// U+FFFD.
pub(super) fn json(out: &mut Vec<u8>, value: &[u8]) {
    if is_plain(value) {
        return out.extend_from_slice(value);
    }
    for chunk in value.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => out.extend_from_slice(&[b'\\', c as u8]),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                c if is_control(c) => {
                    // Every control character is below U+10000: one unit of UTF-16.
                    let code = u32::from(c);
                    out.extend_from_slice(b"\\u");
                    hex(out, code >> 8);
                    hex(out, code & 0xff);
                }
                c => push(out, c),
            }
        }
        if !chunk.invalid().is_empty() {
            push(out, char::REPLACEMENT_CHARACTER);
        }
    }
}

/// Writes `value` in decimal, with zeros before it if it has less than `width` digits.
pub(super) fn decimal(out: &mut Vec<u8>, mut value: u64, width: usize) {
    let mut digits = [b'0'; MAX_DIGITS];
    let mut start = MAX_DIGITS;
    while value > 0 {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    let start = start.min(MAX_DIGITS - width.min(MAX_DIGITS));
    out.extend_from_slice(&digits[start..]);
}

fn is_plain(value: &[u8]) -> bool {
    let is_plain = |&byte: &u8| matches!(byte, b' '..=b'~' if byte != b'"' && byte != b'\\');
    value.iter().all(is_plain)
}

/// What controls terminals, ends lines, or turns the direction of the text that follows.
fn is_control(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

fn push(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Writes `value` in hexadecimal, two digits at least.
fn hex(out: &mut Vec<u8>, value: u32) {
    let digits = (8 - value.leading_zeros() / 4).max(2);
    for digit in (0..digits).rev() {
        out.push(DIGITS[(value >> (4 * digit)) as usize & 0xf]);
    }
}

/// Of the largest 64-bit number.
const MAX_DIGITS: usize = 20;
const DIGITS: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: fn(&mut Vec<u8>, &[u8]), value: &[u8]) -> String {
        let mut out = Vec::new();
        write(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_cannot_end_its_line_or_quotes() {
        let escaped = written(text, b"a\"b\\c\nd\re\tf\x1b[0m\xff\xc3\xa9\xc2\x9b\0");
        let expected = r#"a\"b\\c\nd\re\tf\u{1b}[0m\xff"#.to_owned() + "\u{e9}" + r"\u{9b}\u{00}";
        assert_eq!(escaped, expected);
        assert_eq!(
            written(text, "\u{2028}\u{202e}".as_bytes()),
            r"\u{2028}\u{202e}"
        );
    }

    #[test]
    fn json_strings_read_back() {
        let value = "q\" b\\ n\n r\r t\t e\u{1b} u\u{9b} \u{2028} \u{e9} \u{1f600}";
        let escaped = format!("\"{}\"", written(json, value.as_bytes()));
        let read: String = serde_json::from_str(&escaped).unwrap();
        assert_eq!(read, value);
        assert!(!escaped.contains(char::is_control));
        assert_eq!(written(json, b"a\xff\xfeb"), "a\u{fffd}\u{fffd}b");
    }

    #[test]
    fn numbers_are_padded() {
        for (value, width, expected) in [
            (0, 1, "0"),
            (0, 2, "00"),
            (7, 3, "007"),
            (1234, 2, "1234"),
            (u64::MAX, 1, "18446744073709551615"),
        ] {
            let mut out = Vec::new();
            decimal(&mut out, value, width);
            assert_eq!(out, expected.as_bytes());
        }
    }

    #[test]
    fn cutting_keeps_characters_whole() {
        assert_eq!(cut(b"abc", 3), b"abc");
        assert_eq!(cut(b"abc", 2), b"ab");
        assert_eq!(cut("a\u{1f600}".as_bytes(), 4), b"a");
        assert_eq!(cut("\u{e9}\u{e9}".as_bytes(), 3), "\u{e9}".as_bytes());
        assert_eq!(cut(&[0x80; 9], 5), [0x80; 5]);
    }
}
