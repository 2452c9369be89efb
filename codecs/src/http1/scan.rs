//! The end of a head, found as its bytes arrive, within limits.

use memchr::memchr;
use sabir_core::metadata::Malformed;

use super::options::HeadLimits;
use super::refusal::Refusal;

/// How far a head was looked at. Each byte is looked at once, however it arrives.
#[derive(Debug, Default)]
pub(super) struct Scan {
    at: usize,
    line_start: usize,
    lines: usize,
}

/// A whole head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Found {
    /// Its length with the empty line that ends it, in bytes.
    pub(super) len: usize,
    /// Lines it has besides that.
    pub(super) lines: usize,
}

/// What a block of lines begins with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Section {
    /// A start line.
    Head,
    /// Nothing before the first field line, and perhaps not even that.
    Trailers,
}

impl Scan {
    /// Looks for the empty line that ends `section`; `None` if it has not arrived.
    ///
    /// Bare LF ends no line here: a peer that takes it for one sees another message than we do.
    pub(super) fn find(
        &mut self,
        input: &[u8],
        section: Section,
        limits: &HeadLimits,
    ) -> Result<Option<Found>, Refusal> {
        while let Some(i) = memchr(b'\n', input.get(self.at..).unwrap_or_default()) {
            let lf = self.at + i;
            // Limits first, as they are when a line arrives in pieces: what is found wrong with a head
            // does not depend on how it arrived.
            self.within(lf + 1, lf - self.line_start, section, limits)?;
            if lf == 0 || input[lf - 1] != b'\r' {
                let part = "line end: LF without CR";
                return Err(Refusal::new(400, Malformed { part, at: lf }));
            }
            let is_empty = lf - 1 == self.line_start;
            (self.at, self.line_start) = (lf + 1, lf + 1);
            if is_empty {
                let Self { at: len, lines, .. } = std::mem::take(self);
                return Ok(Some(Found { len, lines }));
            }
            self.lines += 1;
        }
        self.at = input.len();
        self.within(input.len(), input.len() - self.line_start, section, limits)?;
        Ok(None)
    }

    /// Whether nothing was looked at yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.at == 0
    }

    fn within(
        &self,
        len: usize,
        line: usize,
        section: Section,
        limits: &HeadLimits,
    ) -> Result<(), Refusal> {
        let first = section == Section::Head && self.lines == 0;
        let (status, part) = if first && line > limits.max_request_line {
            (414, "start line: too long")
        } else if len > limits.max_bytes {
            (431, "head: too long")
        } else if self.lines > limits.max_fields + usize::from(section == Section::Head) {
            (431, "head: too many fields")
        } else {
            return Ok(());
        };
        Err(Refusal::new(status, Malformed { part, at: len }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits {
        max_request_line: 20,
        max_bytes: 60,
        max_fields: 2,
    };

    fn find(input: &[u8]) -> Result<Option<Found>, u16> {
        let found = Scan::default().find(input, Section::Head, &LIMITS);
        found.map_err(|refusal| refusal.status)
    }

    #[test]
    fn the_end_is_found_however_the_bytes_arrive() {
        let head = b"GET / HTTP/1.1\r\na: b\r\n\r\nrest";
        let found = Found { len: 24, lines: 2 };
        assert_eq!(find(head), Ok(Some(found)));
        let mut scan = Scan::default();
        for len in 0..24 {
            let seen = scan.find(&head[..len], Section::Head, &LIMITS);
            assert_eq!(seen.map_err(|r| r.status), Ok(None), "{len}");
        }
        let seen = scan.find(&head[..24], Section::Head, &LIMITS);
        assert_eq!(seen.map_err(|r| r.status), Ok(Some(found)));
        assert!(scan.is_fresh());
    }

    #[test]
    fn limits_hold_before_the_end_has_arrived() {
        assert_eq!(find(b"GET /aaaaaaaaaaaaaaaaaaaaaaaa"), Err(414));
        assert_eq!(
            find(b"GET / HTTP/1.1\r\na:1\r\nb:1\r\nc:1\r\n\r\n"),
            Err(431)
        );
        assert_eq!(
            find(b"GET / HTTP/1.1\r\na:1\r\nb:1\r\n\r\n").map(|f| f.is_some()),
            Ok(true)
        );
        let long = [&b"GET / HTTP/1.1\r\n"[..], &[b'a'; 60]].concat();
        assert_eq!(find(&long), Err(431));
    }

    #[test]
    fn bare_line_feeds_are_refused_at_once() {
        assert_eq!(find(b"GET / HTTP/1.1\n"), Err(400));
        assert_eq!(find(b"\n"), Err(400));
        assert_eq!(find(b"GET / HTTP/1.1\r\na: b\nc: d"), Err(400));
    }
}
