//! Decoded fields in one buffer.
//!
//! ```text
//! | never indexed (1 bit), name length (31 bits) | value length (32) | name | value |  for each field
//! ```

use bytes::Bytes;
use sabir_core::metadata::Span;

use super::table::OVERHEAD;

/// Fields as they are decoded, within a limit.
#[derive(Debug, Default)]
pub struct FieldList {
    octets: Vec<u8>,
    size: usize,
    limit: usize,
    count: usize,
}

/// Where one field lies in the buffer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Field<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
    /// Whether no compressor may remember it.
    pub sensitive: bool,
    /// Offset of the field in the buffer.
    pub at: usize,
}

impl FieldList {
    /// A list of at most `limit` octets, counted as SETTINGS_MAX_HEADER_LIST_SIZE counts.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// Appends a field. Beyond the limit it is counted and forgotten.
    pub fn push(&mut self, name: &[u8], value: &[u8], sensitive: bool) {
        self.size += name.len() + value.len() + OVERHEAD;
        self.count += 1;
        if self.size > self.limit {
            return;
        }
        if self.octets.capacity() == 0 {
            self.octets.reserve(TYPICAL);
        }
        let flag = u32::from(sensitive) << 31;
        let name_len = name.len() as u32 | flag;
        // Two lengths, as one piece.
        let lengths = u64::from(name_len) << 32 | u64::from(value.len() as u32);
        self.octets.extend_from_slice(&lengths.to_be_bytes());
        self.octets.extend_from_slice(name);
        self.octets.extend_from_slice(value);
    }

    /// Size of all fields, in octets, with the overhead of each, also of those beyond the limit.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether fields are missing because of the limit.
    pub fn is_cut(&self) -> bool {
        self.size > self.limit
    }

    /// How many fields there were.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The buffer, for [`fields`].
    pub fn into_wire(self) -> Bytes {
        self.octets.into()
    }
}

/// The fields of a [`FieldList`]'s buffer, in order.
pub fn fields(wire: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let field = Field::at(wire, at)?;
        at = field.raw().end as usize;
        Some(field)
    })
}

impl<'a> Field<'a> {
    fn at(wire: &'a [u8], at: usize) -> Option<Self> {
        let rest = wire.get(at..)?;
        let (name_len, rest) = rest.split_first_chunk()?;
        let (value_len, rest) = rest.split_first_chunk()?;
        let name_len = u32::from_be_bytes(*name_len);
        let value_len = u32::from_be_bytes(*value_len) as usize;
        let (name, rest) = rest.split_at_checked((name_len & !SENSITIVE) as usize)?;
        Some(Self {
            name,
            value: rest.get(..value_len)?,
            sensitive: name_len & SENSITIVE != 0,
            at,
        })
    }

    /// Where its name lies.
    pub fn name_span(&self) -> Span {
        let start = self.at + LENGTHS;
        Span::new(start, start + self.name.len())
    }

    /// Where its value lies.
    pub fn value_span(&self) -> Span {
        let start = self.at + LENGTHS + self.name.len();
        Span::new(start, start + self.value.len())
    }

    /// Where it lies with its lengths.
    pub fn raw(&self) -> Span {
        Span::new(self.at, self.value_span().end as usize)
    }
}

const SENSITIVE: u32 = 1 << 31;

/// Octets of the two lengths.
const LENGTHS: usize = 8;

/// Room for the fields of most heads, in octets.
const TYPICAL: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_where_their_spans_say() {
        let mut list = FieldList::new(1000);
        list.push(b":method", b"GET", false);
        list.push(b"authorization", b"secret", true);
        list.push(b"empty", b"", false);
        let wire = list.into_wire();
        let found: Vec<_> = fields(&wire).collect();
        assert_eq!(found.len(), 3);
        assert!(found[1].sensitive && !found[2].sensitive);
        for field in found {
            assert_eq!(field.name_span().of(&wire), field.name);
            assert_eq!(field.value_span().of(&wire), field.value);
        }
    }

    #[test]
    fn beyond_the_limit_fields_are_counted_only() {
        let mut list = FieldList::new(40);
        list.push(b"abc", b"defgh", false);
        assert!(!list.is_cut());
        list.push(b"a", b"b", false);
        assert_eq!((list.is_cut(), list.size(), list.count()), (true, 74, 2));
        assert_eq!(fields(&list.into_wire()).count(), 1);
    }
}
