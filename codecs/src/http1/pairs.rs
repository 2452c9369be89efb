//! Metadata of messages: what stands in the start line, the fields that are meant for more than one
//! hop, and the parameters of the query.

use sabir_core::head::Head;
use sabir_core::metadata::{Metadata, Span};

use super::field::{Known, Lines, is_forbidden_trailer};
use super::hops::Hops;
use super::request::root;
use super::response::status_line;
use super::target::{RequestLine, Target, split_query};

/// Prefix of the names of query parameters, as in `query:page`.
pub(super) const QUERY: &str = "query:";

/// Lists the pairs of a request.
pub(super) fn of_request(head: &Head, metadata: &mut Metadata) {
    let block = head.wire();
    let Some(line) = RequestLine::of(block) else {
        return;
    };
    let mut own = |name: &[u8], value: &[u8]| metadata.push_owned(name, value, Span::default());
    own(b":method", line.verb);
    own(b":scheme", b"http");
    if let Some(authority) = head.field(sabir_core::name::Field::Service) {
        own(b":authority", authority);
    }
    if let Some(path) = full_path(&line) {
        let (start, query) = split_query(path);
        match start {
            b"" => own(b":path", &[root(line.verb), query].concat()),
            _ => own(b":path", path),
        }
        parameters(query, &mut own);
    }
    fields(block, metadata);
}

/// Lists the pairs of a response.
pub(super) fn of_response(head: &Head, metadata: &mut Metadata) {
    let block = head.wire();
    if status_line(block).is_some() {
        metadata.push_owned(b":status", &block[9..12], Span::default());
    }
    fields(block, metadata);
}

/// Lists the pairs of a trailer section, without those that have no business there.
pub(super) fn of_trailers(head: &Head, metadata: &mut Metadata) {
    let block = head.wire();
    for line in Lines::of_trailers(block) {
        if !is_forbidden_trailer(line.name.of(block)) {
            metadata.push(line.name, line.value, line.raw);
        }
    }
}

/// Path and query of a request; `None` for CONNECT.
pub(super) fn full_path<'a>(line: &RequestLine<'a>) -> Option<&'a [u8]> {
    match Target::read(line.verb, line.target) {
        Ok(Target::Origin(path) | Target::Absolute(_, path)) => Some(path),
        Ok(Target::Asterisk) => Some(b"*"),
        Ok(Target::Authority(_)) | Err(_) => None,
    }
}

fn fields(block: &[u8], metadata: &mut Metadata) {
    let hops = Hops::of(block, Lines::of_head(block));
    for line in Lines::of_head(block) {
        let (name, value) = (line.name.of(block), line.value.of(block));
        let passes = match line.known {
            // These two are listed for those who route by them or carry them over to HTTP/2.
            Known::Te => super::field::lists(value, b"trailers"),
            Known::Upgrade => hops.upgrade && !value.eq_ignore_ascii_case(b"h2c"),
            known => !known.is_hop_by_hop() && !hops.names(name),
        };
        if passes || line.known == Known::ContentLength {
            metadata.push(line.name, line.value, line.raw);
        }
    }
}

fn parameters(query: &[u8], own: &mut impl FnMut(&[u8], &[u8])) {
    let Some(query) = query.strip_prefix(b"?") else {
        return;
    };
    for parameter in query.split(|&b| b == b'&').filter(|p| !p.is_empty()) {
        let equals = parameter.iter().position(|&b| b == b'=');
        let (name, value) = parameter.split_at(equals.unwrap_or(parameter.len()));
        let mut full = QUERY.as_bytes().to_vec();
        decode(name, &mut full);
        let mut decoded = Vec::with_capacity(value.len());
        decode(value.get(1..).unwrap_or_default(), &mut decoded);
        own(&full, &decoded);
    }
}

/// Decodes `%XX` and `+`; what is no such code stays as it is.
fn decode(text: &[u8], decoded: &mut Vec<u8>) {
    let hex = |at: usize| (*text.get(at)? as char).to_digit(16);
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let (octet, len) = match (byte, hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => ((high << 4 | low) as u8, 3),
            (b'+', ..) => (b' ', 1),
            _ => (byte, 1),
        };
        decoded.push(octet);
        at += len;
    }
}
