//! What `Connection` says: which other fields end at this hop. RFC 9110 §7.6.1.

use smallvec::SmallVec;

use super::field::{Known, Line, elements, is_protected};

/// Names that `Connection` lists, and the options among them that concern us.
#[derive(Debug, Default)]
pub(super) struct Hops<'a> {
    named: SmallVec<[&'a [u8]; 4]>,
    pub(super) upgrade: bool,
}

impl<'a> Hops<'a> {
    /// Reads every `Connection` among `lines` of `block`.
    pub(super) fn of(block: &'a [u8], lines: impl Iterator<Item = Line>) -> Self {
        let mut hops = Self::default();
        for line in lines.filter(|line| line.known == Known::Connection) {
            for name in elements(line.value.of(block)) {
                hops.add(name);
            }
        }
        hops
    }

    fn add(&mut self, name: &'a [u8]) {
        let is = |option: &[u8]| name.eq_ignore_ascii_case(option);
        if is(b"upgrade") {
            self.upgrade = true;
        } else if !is(b"close") && !is(b"keep-alive") && !is_protected(name) {
            self.named.push(name);
        }
    }

    /// Whether any field ends at this hop because `Connection` says so.
    pub(super) fn names_any(&self) -> bool {
        !self.named.is_empty()
    }

    /// Whether the field `name` ends at this hop because `Connection` says so.
    pub(super) fn names(&self, name: &[u8]) -> bool {
        self.named.iter().any(|n| n.eq_ignore_ascii_case(name))
    }
}
