//! Metadata: lines of text that are keys and values by turns.
//!
//! ```text
//! key \n value \n key \n value
//! ```
//!
//! No newline ends them; one that does is tolerated, as Java and motan-go do. Keys are case
//! sensitive, and both keep pairs in maps, so the last pair of a key counts.
//!
//! Specification: `MotanV2Codec.decodeMap`, `motanProtocol.go` of weibocom/motan-go.

use std::ops::Range;

use sabir_core::head::Head;
use sabir_core::metadata::{Malformed, Metadata, Span};
use sabir_core::name::Field;
use smallvec::SmallVec;

use super::header;

/// Key of the exception of a response.
pub(super) const EXCEPTION: &[u8] = b"M_e";
/// Most pairs of a message. The header block of a bridged HTTP request stays well below.
pub(super) const MAX_PAIRS: usize = 512;

/// Where a field stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) field: Field,
    /// Its key.
    pub(super) key: &'static str,
    /// The key under which Java clients say it too, or instead; the other one wins.
    pub(super) alias: Option<&'static str>,
}

impl Place {
    const fn new(field: Field, key: &'static str, alias: Option<&'static str>) -> Self {
        Self { field, key, alias }
    }

    /// Whether a pair with `key` is the field.
    pub(super) fn has(self, key: &[u8]) -> bool {
        key == self.key.as_bytes() || self.is_alias(key)
    }

    fn is_alias(self, key: &[u8]) -> bool {
        self.alias.is_some_and(|alias| key == alias.as_bytes())
    }
}

/// Where each field stands.
pub(super) const PLACES: [Place; 5] = [
    Place::new(Field::Service, "M_p", None),
    Place::new(Field::Method, "M_m", None),
    Place::new(Field::Signature, "M_md", None),
    Place::new(Field::Group, "M_g", Some("group")),
    Place::new(Field::Version, "M_v", Some("version")),
];

/// Where a key and its value stand in a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Pair {
    pub(super) key: Span,
    pub(super) value: Span,
}

impl Pair {
    /// Both with what is between them.
    pub(super) fn raw(self) -> Span {
        Span {
            start: self.key.start,
            end: self.value.end,
        }
    }
}

/// The pairs of a message one by one; ends after the first error.
#[derive(Clone, Debug)]
pub(super) struct Pairs<'a> {
    wire: &'a [u8],
    range: Range<usize>,
    left: usize,
}

impl<'a> Pairs<'a> {
    /// Those of a whole message.
    pub(super) fn of(wire: &'a [u8]) -> Self {
        let range = header::metadata_range(wire);
        let left = MAX_PAIRS;
        Self { wire, range, left }
    }

    /// The end of the line that starts at `at`.
    fn line_end(&self, at: usize) -> Option<usize> {
        let rest = self.wire.get(at..self.range.end)?;
        memchr::memchr(b'\n', rest).map(|len| at + len)
    }

    fn read(&mut self) -> Result<Pair, Malformed> {
        let start = self.range.start;
        let refused = |part| Err(Malformed { part, at: start });
        let Some(key_end) = self.line_end(start) else {
            return refused("metadata (key without value)");
        };
        if key_end == start {
            return refused("metadata (empty key)");
        }
        if self.left == 0 {
            return refused("metadata (too many pairs)");
        }
        self.left -= 1;
        let value = key_end + 1;
        let value_end = self.line_end(value).unwrap_or(self.range.end);
        self.range.start = value_end + 1;
        Ok(Pair {
            key: Span::new(start, key_end),
            value: Span::new(value, value_end),
        })
    }
}

impl Iterator for Pairs<'_> {
    type Item = Result<Pair, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.range.start >= self.range.end {
            return None;
        }
        let read = self.read();
        if read.is_err() {
            self.range.start = self.range.end;
        }
        Some(read)
    }
}

/// Gives `head` the fields that its pairs name.
///
/// # Errors
/// [`Malformed`] if the pairs are no pairs, or a field is no text.
pub(super) fn read_fields(head: &mut Head) -> Result<(), Malformed> {
    let wire = head.wire().clone();
    let mut found = [None; PLACES.len()];
    for pair in Pairs::of(&wire) {
        let Pair { key, value } = pair?;
        let key = key.of(&wire);
        let Some(at) = PLACES.iter().position(|place| place.has(key)) else {
            continue;
        };
        let place = PLACES[at];
        if str::from_utf8(value.of(&wire)).is_err() {
            let (part, at) = (place.key, value.start as usize);
            return Err(Malformed { part, at });
        }
        let is_alias = place.is_alias(key);
        // An empty value stands for none where there is an alias, as Java reads it.
        if !value.is_empty() && (!is_alias || found[at].is_none_or(|(_, was_alias)| was_alias)) {
            found[at] = Some((value, is_alias));
        }
    }
    for (place, found) in PLACES.iter().zip(found) {
        if let Some((value, _)) = found {
            head.set_field_span(place.field, value);
        }
    }
    Ok(())
}

/// Lists the pairs of a message.
pub(super) fn parse(head: &Head, metadata: &mut Metadata) {
    let wire = head.wire();
    let range = header::metadata_range(wire);
    metadata.set_block(Span::new(range.start, range.end));
    let mut pairs: SmallVec<[Pair; 16]> = SmallVec::new();
    for pair in Pairs::of(wire) {
        match pair {
            Ok(pair) => pairs.push(pair),
            Err(fault) => metadata.set_fault(fault),
        }
    }
    for (index, pair) in pairs.iter().enumerate() {
        let key = pair.key.of(wire);
        let counts = pairs[index + 1..]
            .iter()
            .all(|later| later.key.of(wire) != key);
        if counts {
            metadata.push(pair.key, pair.value, pair.raw());
        }
    }
}
