//! Key-value pairs of a message, as spans into the bytes it arrived in.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::name::{Field, Name};

/// A range of bytes in a message. Costs no reference count, unlike a `Bytes` slice.
///
/// Offsets are 31 bits wide: a message that is described by spans is shorter than 2 GiB.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset past the last byte.
    pub end: u32,
}

impl Span {
    /// The range `start..end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self {
            start: start as u32,
            end: end as u32,
        }
    }

    /// The bytes it covers in `wire`; empty if out of range.
    pub fn of<'a>(&self, wire: &'a [u8]) -> &'a [u8] {
        wire.get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Whether it covers nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A value: absent, a range of the wire, or a range of the bytes owned beside it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Text(Span);

impl Text {
    /// Marks the start of a span into the owned bytes.
    const OWN: u32 = 1 << 31;
    pub(crate) const ABSENT: Self = Self(Span {
        start: u32::MAX,
        end: 0,
    });

    pub(crate) fn wire(span: Span) -> Self {
        Self(span)
    }

    pub(crate) fn own(owned: &mut Vec<u8>, value: &[u8]) -> Self {
        let start = owned.len();
        owned.extend_from_slice(value);
        Self(Span {
            start: start as u32 | Self::OWN,
            end: owned.len() as u32,
        })
    }

    /// Where it is on the wire, if it is there.
    fn span(self) -> Option<Span> {
        (self.0.start & Self::OWN == 0).then_some(self.0)
    }

    pub(crate) fn of<'a>(self, wire: &'a [u8], owned: &'a [u8]) -> Option<&'a [u8]> {
        if self == Self::ABSENT {
            return None;
        }
        let Span { start, end } = self.0;
        Some(if start & Self::OWN == 0 {
            self.0.of(wire)
        } else {
            owned
                .get((start & !Self::OWN) as usize..end as usize)
                .unwrap_or_default()
        })
    }
}

/// Values of the well-known fields.
#[derive(Clone, Debug)]
pub(crate) struct Fields(pub(crate) [Text; Field::ALL.len()]);

impl Default for Fields {
    fn default() -> Self {
        Self([Text::ABSENT; Field::ALL.len()])
    }
}

/// What became of a pair since it was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Kept,
    Removed,
    Added,
}

#[derive(Clone, Debug)]
struct Entry {
    name: Text,
    value: Text,
    raw: Span,
    fate: Fate,
    fixed: bool,
}

/// Key-value pairs of a message in wire order: a multimap, names without regard to ASCII case,
/// values exact bytes.
///
/// A codec's parse function fills it from the wire; filters change it; the codec's `encode` then
/// splices the difference ([`removed`](Self::removed), [`added`](Self::added)) into the bytes that
/// arrived, so that what nobody touched leaves as it came.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    wire: Bytes,
    entries: Vec<Entry>,
    owned: Vec<u8>,
    fields: Fields,
    block: Option<Span>,
    fault: Option<Malformed>,
    modified: bool,
    search: Option<Search>,
}

/// The values of one name, for those who want no others: nothing else is listed.
#[derive(Clone, Debug)]
struct Search {
    name: Name,
    found: SmallVec<[Text; 2]>,
}

impl Search {
    fn see(&mut self, name: &[u8], value: impl FnOnce() -> Text) {
        if self.name.matches(name) {
            self.found.push(value());
        }
    }
}

/// A value that is not on the wire as it is.
pub(crate) struct Decoded;

/// Bytes that do not follow the protocol's specification.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("malformed {part} at offset {at}")]
pub struct Malformed {
    /// Which part of a message, in the words of the protocol's specification.
    pub part: &'static str,
    /// Offset in the message, in bytes.
    pub at: usize,
}

impl Metadata {
    pub(crate) fn of(wire: Bytes) -> Self {
        Self {
            wire,
            // One allocation instead of one at 4 pairs, at 8 and at 16.
            entries: Vec::with_capacity(TYPICAL),
            ..Self::default()
        }
    }

    /// Is listed into like others, and keeps the values of `name` alone.
    pub(crate) fn searching(wire: Bytes, name: &Name) -> Self {
        let search = Search {
            name: name.clone(),
            found: SmallVec::new(),
        };
        Self {
            wire,
            search: Some(search),
            ..Self::default()
        }
    }

    /// Values that a search has found, in order.
    pub(crate) fn found(&self) -> impl Iterator<Item = &[u8]> {
        let found = self.search.iter().flat_map(|search| &search.found);
        found.map(|value| value.of(&self.wire, &self.owned).unwrap_or_default())
    }

    /// The first value that a search has found, if it lies on the wire or is none; else `Err`.
    pub(crate) fn first_on_wire(&self) -> Result<Option<Span>, Decoded> {
        match self.search.as_ref().and_then(|search| search.found.first()) {
            None => Ok(None),
            Some(value) => value.span().map(Some).ok_or(Decoded),
        }
    }

    /// Appends a pair found on the wire; `raw` is the range to cut to remove it.
    pub fn push(&mut self, name: Span, value: Span, raw: Span) {
        if let Some(search) = &mut self.search {
            return search.see(name.of(&self.wire), || Text::wire(value));
        }
        self.insert(Text::wire(name), Text::wire(value), raw, Fate::Kept);
    }

    /// Appends a pair found on the wire whose value had to be decoded.
    pub fn push_decoded(&mut self, name: Span, value: &[u8], raw: Span) {
        if let Some(search) = &mut self.search {
            return search.see(name.of(&self.wire), || Text::own(&mut self.owned, value));
        }
        let value = Text::own(&mut self.owned, value);
        self.insert(Text::wire(name), value, raw, Fate::Kept);
    }

    /// Appends a pair found on the wire of which both sides had to be decoded.
    pub fn push_owned(&mut self, name: &[u8], value: &[u8], raw: Span) {
        if let Some(search) = &mut self.search {
            return search.see(name, || Text::own(&mut self.owned, value));
        }
        let name = Text::own(&mut self.owned, name);
        let value = Text::own(&mut self.owned, value);
        self.insert(name, value, raw, Fate::Kept);
    }

    /// Marks the last pair as one that cannot be cut out without changing what others mean.
    pub fn fix_last(&mut self) {
        if let Some(entry) = self.entries.last_mut() {
            entry.fixed = true;
        }
    }

    /// Says where on the wire the pairs lie, for the codec's own use in `encode`.
    pub fn set_block(&mut self, block: Span) {
        self.block = Some(block);
    }

    /// Says that the pairs could not be read; those found before are kept.
    pub fn set_fault(&mut self, fault: Malformed) {
        self.fault = Some(fault);
    }

    /// Gives `field` the value at `span`, for fields that take a full parse to find.
    pub fn set_field(&mut self, field: Field, span: Span) {
        self.fields.0[field as usize] = Text::wire(span);
    }

    /// Gives `field` a value that had to be decoded.
    pub fn set_field_decoded(&mut self, field: Field, value: &[u8]) {
        self.fields.0[field as usize] = Text::own(&mut self.owned, value);
    }

    /// Where the pairs lie, as the codec said; `None` if it found no place for them.
    pub fn block(&self) -> Option<Span> {
        self.block
    }

    /// What made the pairs unreadable.
    pub fn fault(&self) -> Option<Malformed> {
        self.fault
    }

    /// Whether the pairs differ from those on the wire.
    pub fn is_modified(&self) -> bool {
        self.modified
    }

    /// Pairs that hold now, in wire order, added ones last.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries
            .iter()
            .filter(|e| e.fate != Fate::Removed)
            .map(|e| self.pair(e))
    }

    /// Ranges of the wire whose pairs were removed, in wire order.
    pub fn removed(&self) -> impl Iterator<Item = Span> {
        let removed = |e: &&Entry| e.fate == Fate::Removed;
        self.entries.iter().filter(removed).map(|e| e.raw)
    }

    /// Whether a pair was removed that the codec marked with [`fix_last`](Self::fix_last).
    pub fn removed_fixed(&self) -> bool {
        self.entries
            .iter()
            .any(|e| e.fixed && e.fate == Fate::Removed)
    }

    /// Pairs that are not on the wire yet, in the order they were added.
    pub fn added(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries
            .iter()
            .filter(|e| e.fate == Fate::Added)
            .map(|e| self.pair(e))
    }

    /// Values of `name` in order.
    pub fn all<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter_map(|(k, v)| name.matches(k).then_some(v))
    }

    /// Adds a pair and keeps those of the same name.
    pub fn add(&mut self, name: &Name, value: &[u8]) {
        let key = Text::own(&mut self.owned, name.as_str().as_bytes());
        self.append(key, value);
    }

    /// Replaces every value of `name` by `value`, keeping the spelling of a name that was there.
    pub fn set(&mut self, name: &Name, value: &[u8]) {
        let spelled = self.entries.iter().find(|e| self.is_named(e, name));
        let spelled = spelled.map(|e| e.name);
        self.remove(name);
        match spelled {
            Some(key) => self.append(key, value),
            None => self.add(name, value),
        }
    }

    /// Drops every value of `name`; says whether there was one.
    pub fn remove(&mut self, name: &Name) -> bool {
        let mut found = false;
        for i in 0..self.entries.len() {
            if !self.is_named(&self.entries[i], name) {
                continue;
            }
            found = true;
            self.entries[i].fate = Fate::Removed;
        }
        // What was added since has no place on the wire and leaves no trace.
        self.entries
            .retain(|e| e.fate != Fate::Removed || !e.raw.is_empty());
        self.modified |= found;
        found
    }

    pub(crate) fn field(&self, field: usize) -> Option<&[u8]> {
        self.fields.0[field].of(&self.wire, &self.owned)
    }

    fn append(&mut self, name: Text, value: &[u8]) {
        let value = Text::own(&mut self.owned, value);
        self.insert(name, value, Span::default(), Fate::Added);
        self.modified = true;
    }

    fn insert(&mut self, name: Text, value: Text, raw: Span, fate: Fate) {
        self.entries.push(Entry {
            name,
            value,
            raw,
            fate,
            fixed: false,
        });
    }

    fn is_named(&self, entry: &Entry, name: &Name) -> bool {
        entry.fate != Fate::Removed && name.matches(self.pair(entry).0)
    }

    fn pair(&self, entry: &Entry) -> (&[u8], &[u8]) {
        let of = |text: Text| text.of(&self.wire, &self.owned).unwrap_or_default();
        (of(entry.name), of(entry.value))
    }
}

/// Pairs of most messages.
const TYPICAL: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> Metadata {
        let mut metadata = Metadata::of(Bytes::from_static(b"a=1;B=2;b=3;"));
        for at in [0, 4, 8usize] {
            let span = |from: usize, to: usize| Span::new(at + from, at + to);
            metadata.push(span(0, 1), span(2, 3), span(0, 4));
        }
        metadata
    }

    fn pairs(metadata: &Metadata) -> Vec<(&str, &str)> {
        let text = |b| std::str::from_utf8(b).unwrap();
        metadata.iter().map(|(k, v)| (text(k), text(v))).collect()
    }

    #[test]
    fn set_replaces_every_value_and_keeps_the_spelling() {
        let mut metadata = metadata();
        metadata.set(&Name::new("b"), b"9");
        assert_eq!(pairs(&metadata), [("a", "1"), ("B", "9")]);
        let cut: Vec<_> = metadata.removed().collect();
        assert_eq!(cut, [Span::new(4, 8), Span::new(8, 12)]);
        assert_eq!(metadata.added().count(), 1);
    }

    #[test]
    fn what_was_added_and_removed_leaves_no_trace() {
        let mut metadata = metadata();
        metadata.add(&Name::new("x"), b"1");
        assert!(metadata.remove(&Name::new("X")));
        assert_eq!(
            (metadata.removed().count(), metadata.added().count()),
            (0, 0)
        );
        assert!(!metadata.remove(&Name::new("x")));
    }

    #[test]
    fn add_keeps_earlier_values() {
        let mut metadata = metadata();
        let b = Name::new("b");
        metadata.add(&b, b"4");
        let values: Vec<_> = metadata.all(&b).collect();
        assert_eq!(values, [b"2", b"3", b"4"]);
    }
}
