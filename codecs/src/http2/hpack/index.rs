//! Where an encoder finds what it has sent before.
//!
//! The peer's table is known by its content alone, so this keeps the fields in the order they were
//! sent, and slots by hash that point at them. A slot that two fields want belongs to the later
//! one: the other is sent again as a literal, which costs octets and nothing else.
//!
//! Specification: RFC 7541 §2.3.

use std::collections::VecDeque;
use std::sync::LazyLock;

use super::table::{OVERHEAD, STATIC};

/// Fields the peer has in its dynamic table.
#[derive(Debug)]
pub(super) struct Index {
    entries: VecDeque<Entry>,
    size: usize,
    capacity: usize,
    /// Fields ever inserted; the newest has this number.
    inserted: u32,
    pairs: Box<[u32; SLOTS]>,
    names: Box<[u32; SLOTS]>,
    /// Hashes of fields that were seen and not inserted.
    seen: Box<[u32; SLOTS]>,
}

#[derive(Debug)]
struct Entry {
    octets: Box<[u8]>,
    name_len: usize,
}

/// What is known of a field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// Both name and value are at this index.
    Pair(usize),
    /// The name is at this index.
    Name(usize),
    /// Neither.
    Nothing,
}

/// Hashes of a field.
#[derive(Clone, Copy)]
pub(super) struct Hashes {
    name: u32,
    pair: u32,
}

impl Hashes {
    pub(super) fn of(name: &[u8], value: &[u8]) -> Self {
        let name = fnv(FNV_BASIS, name);
        let pair = fnv(name ^ 0xff, value);
        Self { name, pair }
    }
}

impl Index {
    pub(super) fn new(capacity: usize) -> Self {
        let slots = || Box::new([0; SLOTS]);
        Self {
            entries: VecDeque::new(),
            size: 0,
            capacity,
            inserted: 0,
            pairs: slots(),
            names: slots(),
            seen: slots(),
        }
    }

    /// Looks for a field in both tables.
    pub(super) fn find(&self, name: &[u8], value: &[u8], hashes: Hashes) -> Found {
        if let Some(at) = self.position(self.pairs[slot(hashes.pair)])
            && self.entries[at].octets.split_at(self.entries[at].name_len) == (name, value)
        {
            return Found::Pair(STATIC.len() + 1 + at);
        }
        if let Some(first) = STATIC_NAMES.find(name, hashes.name) {
            let same = |&at: &usize| STATIC[at - 1].0.as_bytes() == name;
            let mut all = (first..=STATIC.len()).take_while(same);
            let pair = all.find(|&at| STATIC[at - 1].1.as_bytes() == value);
            return pair.map_or(Found::Name(first), Found::Pair);
        }
        match self.position(self.names[slot(hashes.name)]) {
            Some(at) if &self.entries[at].octets[..self.entries[at].name_len] == name => {
                Found::Name(STATIC.len() + 1 + at)
            }
            _ => Found::Nothing,
        }
    }

    /// Whether a field was seen before, and remembers it: what comes once is not worth a place.
    pub(super) fn comes_again(&mut self, hashes: Hashes) -> bool {
        let seen = &mut self.seen[slot(hashes.pair)];
        // Zero marks an unused slot.
        let mark = hashes.pair | 1;
        std::mem::replace(seen, mark) == mark
    }

    /// Whether a field of these lengths fits and leaves room for others.
    pub(super) fn has_place(&self, name: &[u8], value: &[u8]) -> bool {
        name.len() + value.len() + OVERHEAD <= self.capacity / 2
    }

    pub(super) fn insert(&mut self, name: &[u8], value: &[u8], hashes: Hashes) {
        let size = name.len() + value.len() + OVERHEAD;
        self.shrink_to(self.capacity.saturating_sub(size));
        self.size += size;
        self.inserted = self.inserted.wrapping_add(1);
        self.pairs[slot(hashes.pair)] = self.inserted;
        self.names[slot(hashes.name)] = self.inserted;
        self.entries.push_front(Entry {
            octets: [name, value].concat().into(),
            name_len: name.len(),
        });
    }

    pub(super) fn resize(&mut self, capacity: usize) {
        self.capacity = capacity;
        self.shrink_to(capacity);
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Position of the entry that was inserted with this number, if it is still there.
    fn position(&self, number: u32) -> Option<usize> {
        let at = self.inserted.wrapping_sub(number) as usize;
        (at < self.entries.len()).then_some(at)
    }

    fn shrink_to(&mut self, room: usize) {
        while self.size > room {
            let Some(entry) = self.entries.pop_back() else {
                return;
            };
            self.size -= entry.octets.len() + OVERHEAD;
        }
    }
}

/// The first static entry of each name, by hash.
struct StaticNames([u8; STATIC_SLOTS]);

static STATIC_NAMES: LazyLock<StaticNames> = LazyLock::new(StaticNames::new);

impl StaticNames {
    fn new() -> Self {
        let mut slots = [0; STATIC_SLOTS];
        for (at, (name, _)) in STATIC.iter().enumerate().rev() {
            let mut slot = fnv(FNV_BASIS, name.as_bytes()) as usize % STATIC_SLOTS;
            while slots[slot] != 0 && STATIC[usize::from(slots[slot]) - 1].0 != *name {
                slot = (slot + 1) % STATIC_SLOTS;
            }
            slots[slot] = at as u8 + 1;
        }
        Self(slots)
    }

    fn find(&self, name: &[u8], hash: u32) -> Option<usize> {
        let mut slot = hash as usize % STATIC_SLOTS;
        while self.0[slot] != 0 {
            let at = usize::from(self.0[slot]);
            if STATIC[at - 1].0.as_bytes() == name {
                return Some(at);
            }
            slot = (slot + 1) % STATIC_SLOTS;
        }
        None
    }
}

fn fnv(basis: u32, octets: &[u8]) -> u32 {
    let mix = |hash: u32, &octet: &u8| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193);
    octets.iter().fold(basis, mix)
}

fn slot(hash: u32) -> usize {
    // The multiplication leaves its best bits on top.
    (hash >> 16 ^ hash) as usize % SLOTS
}

const FNV_BASIS: u32 = 0x811c_9dc5;

/// Twice the entries that fit into a table of the usual size.
const SLOTS: usize = 256;
const STATIC_SLOTS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn find(index: &Index, name: &str, value: &str) -> Found {
        let (name, value) = (name.as_bytes(), value.as_bytes());
        index.find(name, value, Hashes::of(name, value))
    }

    #[test]
    fn every_static_entry_is_found() {
        let index = Index::new(4096);
        for (at, (name, value)) in STATIC.iter().enumerate() {
            assert_eq!(find(&index, name, value), Found::Pair(at + 1));
        }
        assert_eq!(find(&index, ":path", "/x"), Found::Name(4));
        assert_eq!(find(&index, "x-lane", "a"), Found::Nothing);
    }

    #[test]
    fn what_was_inserted_is_found_until_it_is_dropped() {
        let mut index = Index::new(3 * 34);
        let names: Vec<_> = (b'a'..b'f').map(|c| [c]).collect();
        for name in &names {
            index.insert(name, b"1", Hashes::of(name, b"1"));
        }
        assert_eq!(find(&index, "e", "1"), Found::Pair(62));
        assert_eq!(find(&index, "e", "2"), Found::Name(62));
        assert_eq!(find(&index, "c", "1"), Found::Pair(64));
        assert_eq!(find(&index, "b", "1"), Found::Nothing);
        index.resize(0);
        assert_eq!(find(&index, "e", "1"), Found::Nothing);
    }
}
