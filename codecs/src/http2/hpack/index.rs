//! Where an encoder finds what it has sent before.
//!
//! The peer's table is known by its content alone, so this keeps the fields in the order they were
//! sent, and places by hash that point at them, two for each hash. Places that three fields want
//! belong to the later ones: the other is sent again as a literal, which costs octets and nothing
//! else.
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
    pairs: Places,
    names: Places,
    /// Hashes of fields that were seen and not inserted.
    seen: Places,
}

/// Numbers by hash; zero where there is none.
#[derive(Debug)]
struct Places(Box<[[u32; 2]; SETS]>);

impl Places {
    fn new() -> Self {
        Self(Box::new([[0; 2]; SETS]))
    }

    /// What is kept for `hash`, the latest first.
    fn of(&self, hash: u32) -> [u32; 2] {
        self.0[hash as usize % SETS]
    }

    fn put(&mut self, hash: u32, number: u32) {
        let set = &mut self.0[hash as usize % SETS];
        *set = [number, set[0]];
    }
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
        let name = hash(0, name);
        let pair = hash(name, value);
        Self { name, pair }
    }
}

impl Index {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            size: 0,
            capacity,
            inserted: 0,
            pairs: Places::new(),
            names: Places::new(),
            seen: Places::new(),
        }
    }

    /// Looks for a field in both tables.
    pub(super) fn find(&self, name: &[u8], value: &[u8], hashes: Hashes) -> Found {
        let at = |places: &Places, hash, is: &dyn Fn(&Entry) -> bool| {
            let mut positions = places.of(hash).into_iter().filter_map(|n| self.position(n));
            positions.find(|&at| is(&self.entries[at]))
        };
        let is_pair = |entry: &Entry| entry.octets.split_at(entry.name_len) == (name, value);
        if let Some(at) = at(&self.pairs, hashes.pair, &is_pair) {
            return Found::Pair(STATIC.len() + 1 + at);
        }
        if let Some(first) = STATIC_NAMES.find(name, hashes.name) {
            let same = |&at: &usize| STATIC[at - 1].0.as_bytes() == name;
            let mut all = (first..=STATIC.len()).take_while(same);
            let pair = all.find(|&at| STATIC[at - 1].1.as_bytes() == value);
            return pair.map_or(Found::Name(first), Found::Pair);
        }
        let is_name = |entry: &Entry| &entry.octets[..entry.name_len] == name;
        let name = at(&self.names, hashes.name, &is_name);
        name.map_or(Found::Nothing, |at| Found::Name(STATIC.len() + 1 + at))
    }

    /// Whether a field was seen before, and remembers it: what comes once is not worth a place.
    pub(super) fn comes_again(&mut self, hashes: Hashes) -> bool {
        // Zero marks an unused place.
        let mark = hashes.pair | 1;
        let comes_again = self.seen.of(hashes.pair).contains(&mark);
        if !comes_again {
            self.seen.put(hashes.pair, mark);
        }
        comes_again
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
        self.pairs.put(hashes.pair, self.inserted);
        self.names.put(hashes.name, self.inserted);
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
            let mut slot = hash(0, name.as_bytes()) as usize % STATIC_SLOTS;
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

/// A hash of `octets`, eight at a time. A peer that makes fields collide finds them sent again as
/// literals, and nothing worse.
fn hash(basis: u32, octets: &[u8]) -> u32 {
    let mix = |hash: u64, word: u64| {
        let mixed = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 32
    };
    let (words, rest) = octets.as_chunks();
    let whole = words.iter().map(|word| u64::from_le_bytes(*word));
    let hash = whole.fold(u64::from(basis), mix);
    let last = rest.iter().fold(0, |word, &o| word << 8 | u64::from(o));
    // The length tells apart what zeros at an end would make alike.
    mix(hash, last ^ (octets.len() as u64) << 56) as u32
}

/// As many as entries fit into a table of the usual size, which makes twice as many places.
const SETS: usize = 128;
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
    fn two_fields_that_want_one_place_are_both_found_and_both_seen() {
        let set = |name: &str| Hashes::of(name.as_bytes(), b"1").pair as usize % SETS;
        let names: Vec<_> = (0..1000).map(|n| format!("x-{n}")).collect();
        let same: Vec<_> = names.iter().filter(|n| set(n) == set("x-0")).collect();
        let mut index = Index::new(4096);
        let hashes = |name: &String| Hashes::of(name.as_bytes(), b"1");
        assert!(!index.comes_again(hashes(same[0])) && !index.comes_again(hashes(same[1])));
        assert!(index.comes_again(hashes(same[0])) && index.comes_again(hashes(same[1])));
        for name in &same[..2] {
            index.insert(name.as_bytes(), b"1", hashes(name));
        }
        assert_eq!(find(&index, same[0], "1"), Found::Pair(63));
        assert_eq!(find(&index, same[1], "1"), Found::Pair(62));
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
