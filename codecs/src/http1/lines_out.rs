//! Field lines on their way out: what is copied, left out and added at this hop.

use bytes::Bytes;
use sabir_core::head::Head;
use sabir_core::output::Output;
use smallvec::SmallVec;

use super::edits::Edits;
use super::field::{Known, Line, is_forbidden_trailer, is_value};
use super::hops::Hops;
use super::options::{Options, Underscores};
use super::pairs::QUERY;
use super::{NAME, outbound::put_number};
use crate::octets::is_token;

/// Names and values of a head of another protocol.
pub(super) type Fields<'a> = SmallVec<[(&'a [u8], &'a [u8]); 32]>;

/// Copies lines of a block, as few pieces as there are gaps.
pub(super) struct Copy<'a> {
    wire: &'a Bytes,
    /// Start of what is to be copied and was not.
    from: usize,
}

impl<'a> Copy<'a> {
    /// Copies from offset `from` of `wire` on.
    pub(super) fn new(wire: &'a Bytes, from: usize) -> Self {
        Self { wire, from }
    }

    /// Leaves out `line`.
    pub(super) fn skip(&mut self, line: &Line, out: &mut Output) {
        let (start, end) = (line.raw.start as usize, line.raw.end as usize);
        self.until(start, out);
        self.from = end;
    }

    /// Copies the rest, but for the empty line at the end.
    pub(super) fn finish(mut self, out: &mut Output) {
        self.until(self.wire.len().saturating_sub(2), out);
    }

    fn until(&mut self, end: usize, out: &mut Output) {
        if self.from < end {
            out.put_slice(self.wire, self.from..end);
        }
        self.from = end;
    }
}

/// Whether `line` ends at this hop, whatever the message is.
pub(super) fn ends_here(
    line: &Line,
    wire: &[u8],
    hops: &Hops<'_>,
    edits: &Edits<'_>,
    options: &Options,
) -> bool {
    let name = line.name.of(wire);
    line.known.is_hop_by_hop()
        || hops.names(name)
        || edits.drops(line.raw)
        || (options.underscores == Underscores::Drop && name.contains(&b'_'))
}

/// Writes one field line.
pub(super) fn put_field(name: &[u8], value: &[u8], out: &mut Output) {
    out.put(name);
    out.put(b": ");
    out.put(value);
    out.put(b"\r\n");
}

/// Writes a `Content-Length`.
pub(super) fn put_length(length: u64, out: &mut Output) {
    out.put(b"content-length: ");
    put_number(length, out);
    out.put(b"\r\n");
}

/// Writes our own `Via`, if we are to have one. RFC 9110 §7.6.3: with the version received.
pub(super) fn put_via(version: &[u8], options: &Options, out: &mut Output) {
    if let Some(name) = &options.via {
        out.put(b"via: ");
        out.put(version);
        out.put(b" ");
        out.put(name.as_bytes());
        out.put(b"\r\n");
    }
}

/// Writes what was added.
pub(super) fn put_added(edits: &Edits<'_>, out: &mut Output) {
    for (name, value) in &edits.added {
        put_field(name, value, out);
    }
}

/// Whether `head` was read by another protocol, so that only its pairs can be written.
pub(super) fn is_foreign(head: &Head) -> bool {
    head.protocol() != NAME
}

/// The fields of a head of another protocol, checked as if they had arrived here; `None` if one of
/// them would end its line early or pretend to be something else.
///
/// RFC 9113 §8.2.1 and §10.3: what HTTP/2 frames by length, HTTP/1.1 frames by characters.
pub(super) fn foreign_fields(head: &Head) -> Option<Fields<'_>> {
    let mut fields = SmallVec::new();
    for (name, value) in head.metadata().iter() {
        let is_line = !name.starts_with(b":") && !name.starts_with(QUERY.as_bytes());
        if !is_line || Known::of(name) == Known::Host {
            continue;
        }
        if Known::of(name) == Known::TransferEncoding || !is_token(name) || !is_value(value) {
            return None;
        }
        fields.push((name, value));
    }
    Some(fields)
}

/// Writes the fields of a head of another protocol that are meant for more than one hop. Several
/// `cookie` become one: RFC 9113 §8.2.3.
pub(super) fn put_foreign(fields: &[(&[u8], &[u8])], options: &Options, out: &mut Output) {
    let is_cookie = |name: &[u8]| Known::of(name) == Known::Cookie;
    for (name, value) in fields {
        let dropped = options.underscores == Underscores::Drop && name.contains(&b'_');
        if Known::of(name).is_hop_by_hop() || is_cookie(name) || dropped {
            continue;
        }
        put_field(name, value, out);
    }
    let mut cookies = fields.iter().filter(|(name, _)| is_cookie(name));
    if let Some((_, first)) = cookies.next() {
        out.put(b"cookie: ");
        out.put(first);
        for (_, value) in cookies {
            out.put(b"; ");
            out.put(value);
        }
        out.put(b"\r\n");
    }
}

/// Lines of the trailers `head`, of any protocol, that may be passed on.
pub(super) fn trailer_lines(head: &Head) -> Vec<u8> {
    let mut lines = Vec::with_capacity(head.wire().len());
    for (name, value) in head.metadata().iter() {
        if is_token(name) && is_value(value) && !is_forbidden_trailer(name) {
            for part in [name, b": ", value, b"\r\n"] {
                lines.extend_from_slice(part);
            }
        }
    }
    lines
}
