//! Field lines: names the proxy acts on, and the walk over a block of lines.
//!
//! Blocks were validated when they were parsed: every line ends in CRLF, has a colon after a
//! token, and is not folded. RFC 9110 §5, RFC 9112 §5.

use memchr::memchr;
use sabir_core::metadata::Span;
use smallvec::SmallVec;

use crate::octets::{is_name, token_len, value_len};

/// Names that mean something to a proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Known {
    Connection,
    ContentLength,
    Cookie,
    Expect,
    Host,
    Http2Settings,
    KeepAlive,
    MaxForwards,
    ProxyConnection,
    Te,
    TransferEncoding,
    Upgrade,
    XForwardedProto,
    Other,
}

impl Known {
    pub(super) fn of(name: &[u8]) -> Self {
        let first = name.first().map_or(0, |octet| octet | 0x20);
        let is = match (name.len(), first) {
            (2, b't') => (is_name(name, b"te"), Self::Te),
            (4, b'h') => (is_name(name, b"host"), Self::Host),
            (6, b'c') => (is_name(name, b"cookie"), Self::Cookie),
            (6, b'e') => (is_name(name, b"expect"), Self::Expect),
            (7, b'u') => (is_name(name, b"upgrade"), Self::Upgrade),
            (10, b'c') => (is_name(name, b"connection"), Self::Connection),
            (10, b'k') => (is_name(name, b"keep-alive"), Self::KeepAlive),
            (12, b'm') => (is_name(name, b"max-forwards"), Self::MaxForwards),
            (14, b'c') => (is_name(name, b"content-length"), Self::ContentLength),
            (14, b'h') => (is_name(name, b"http2-settings"), Self::Http2Settings),
            (16, b'p') => (is_name(name, b"proxy-connection"), Self::ProxyConnection),
            (17, b't') => (is_name(name, b"transfer-encoding"), Self::TransferEncoding),
            (17, b'x') => (is_name(name, b"x-forwarded-proto"), Self::XForwardedProto),
            _ => return Self::Other,
        };
        if is.0 { is.1 } else { Self::Other }
    }

    /// Whether the field speaks of this connection or this message's framing, so that each hop
    /// writes its own. RFC 9110 §7.6.1.
    pub(super) fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::ContentLength
                | Self::Http2Settings
                | Self::KeepAlive
                | Self::ProxyConnection
                | Self::Te
                | Self::TransferEncoding
                | Self::Upgrade
        )
    }
}

/// One field line of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) known: Known,
    pub(super) name: Span,
    /// Without white space around it.
    pub(super) value: Span,
    /// All of it, with its CRLF.
    pub(super) raw: Span,
}

impl Line {
    /// A line of `len` octets that starts at `start`, with the colon at `colon` in it and `value`
    /// after that.
    fn new(known: Known, start: usize, colon: usize, value: &[u8], len: usize) -> Self {
        let lead = value.iter().take_while(|b| is_space(**b)).count();
        let trail = value.iter().rev().take_while(|b| is_space(**b)).count();
        let from = start + colon + 1 + lead;
        let to = (start + colon + 1 + value.len() - trail).max(from);
        Self {
            known,
            name: Span::new(start, start + colon),
            value: Span::new(from, to),
            raw: Span::new(start, start + len),
        }
    }
}

/// Walks the lines of a validated block.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    block: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    /// Lines of the head of a message, after its start line.
    pub(super) fn of_head(block: &'a [u8]) -> Self {
        let at = memchr(b'\n', block).map_or(block.len(), |lf| lf + 1);
        Self { block, at }
    }

    /// Lines from the one that starts at `at` on.
    pub(super) fn from(block: &'a [u8], at: usize) -> Self {
        Self { block, at }
    }

    /// Lines of a trailer section.
    pub(super) fn of_trailers(block: &'a [u8]) -> Self {
        Self { block, at: 0 }
    }
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let start = self.at;
        let rest = self.block.get(start..)?;
        let lf = memchr(b'\n', rest)?;
        let colon = memchr(b':', &rest[..lf])?;
        self.at = start + lf + 1;
        let known = Known::of(&rest[..colon]);
        Some(Line::new(known, start, colon, &rest[colon + 1..lf], lf + 1))
    }
}

/// Lines of a head.
pub(super) type Block = SmallVec<[Line; 32]>;

/// The lines of a head that was not validated, of which the first starts at `from`; `None` unless
/// each is a field line beyond doubt and the empty one ends the head.
pub(super) fn sound_lines(block: &[u8], from: usize) -> Option<Block> {
    let mut lines = Block::new();
    let mut start = from;
    loop {
        let rest = block.get(start..)?;
        if rest == b"\r\n" {
            return Some(lines);
        }
        let colon = token_len(rest);
        if colon == 0 || rest.get(colon) != Some(&b':') {
            return None;
        }
        let value = &rest[colon + 1..];
        let (value, end) = value.split_at(value_len(value));
        if !end.starts_with(b"\r\n") {
            return None;
        }
        let known = Known::of(&rest[..colon]);
        let len = colon + 1 + value.len() + 2;
        lines.push(Line::new(known, start, colon, value, len));
        start += len;
    }
}

/// Elements of a comma-separated list, without those that are empty. RFC 9110 §5.6.1.
pub(super) fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&b| b == b',')
        .map(trim)
        .filter(|element| !element.is_empty())
}

/// Whether a list has `wanted` among its elements, without regard to case.
pub(super) fn lists(list: &[u8], wanted: &[u8]) -> bool {
    elements(list).any(|element| element.eq_ignore_ascii_case(wanted))
}

pub(super) fn trim(value: &[u8]) -> &[u8] {
    let lead = value.iter().take_while(|b| is_space(**b)).count();
    let value = &value[lead..];
    let trail = value.iter().rev().take_while(|b| is_space(**b)).count();
    &value[..value.len() - trail]
}

/// Whether `Connection` may not name this field, because dropping it would change what the request
/// means or who it comes from.
pub(super) fn is_protected(name: &[u8]) -> bool {
    const PROTECTED: &[&[u8]] = &[
        b"host",
        b"content-length",
        b"content-type",
        b"authorization",
        b"cookie",
        b"set-cookie",
    ];
    PROTECTED.iter().any(|p| p.eq_ignore_ascii_case(name))
}

/// Whether a trailer may not carry this field. RFC 9110 §6.5.1.
pub(super) fn is_forbidden_trailer(name: &[u8]) -> bool {
    const FORBIDDEN: &[&[u8]] = &[
        b"age",
        b"authorization",
        b"cache-control",
        b"content-encoding",
        b"content-range",
        b"content-type",
        b"cookie",
        b"date",
        b"expires",
        b"location",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"range",
        b"retry-after",
        b"set-cookie",
        b"trailer",
        b"vary",
        b"warning",
        b"www-authenticate",
    ];
    let known = Known::of(name);
    known.is_hop_by_hop()
        || !matches!(known, Known::Other)
        || name.starts_with(b":")
        || FORBIDDEN.iter().any(|f| f.eq_ignore_ascii_case(name))
}

/// Whether these may stand in a field value: no CR, LF, NUL or other controls. RFC 9110 §5.5.
pub(super) fn is_value(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|&b| b == b'\t' || (b >= b' ' && b != 0x7f))
}

/// Reads 1*DIGIT that fits 64 bits.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, &b| {
        let digit = b.is_ascii_digit().then(|| u64::from(b - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_with_their_trimmed_values() {
        let block = b"GET / HTTP/1.1\r\nHost:a\r\nX-A: \t b c \t\r\nEmpty:\r\n\r\n";
        let lines: Vec<_> = Lines::of_head(block).collect();
        let texts = |line: &Line| (line.name.of(block), line.value.of(block));
        assert_eq!(texts(&lines[0]), (&b"Host"[..], &b"a"[..]));
        assert_eq!(texts(&lines[1]), (&b"X-A"[..], &b"b c"[..]));
        assert_eq!(texts(&lines[2]), (&b"Empty"[..], &b""[..]));
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0].known, Known::Host);
        assert_eq!(lines[2].raw.of(block), b"Empty:\r\n");
    }

    #[test]
    fn known_names_are_recognised_in_any_case() {
        for (name, known) in [
            ("TE", Known::Te),
            ("Transfer-ENCODING", Known::TransferEncoding),
            ("proxy-Connection", Known::ProxyConnection),
            ("X-Forwarded-Proto", Known::XForwardedProto),
            ("transfer_encoding", Known::Other),
            ("x", Known::Other),
            ("", Known::Other),
        ] {
            assert_eq!(Known::of(name.as_bytes()), known, "{name}");
        }
    }

    #[test]
    fn numbers_are_digits_that_fit() {
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        for wrong in ["", "+5", "-1", "0x5", "5 5", "18446744073709551616", "5,5"] {
            assert_eq!(number(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
