//! The static table, and the dynamic table of a decoder.
//!
//! Specification: RFC 7541 §2.3, §4 and appendix A.

use std::collections::VecDeque;

/// Octets that an entry counts beside its name and value. RFC 7541 §4.1.
pub(super) const OVERHEAD: usize = 32;

/// Fields that were sent before, the newest first.
#[derive(Debug)]
pub(super) struct Table {
    entries: VecDeque<Entry>,
    size: usize,
    capacity: usize,
}

#[derive(Debug)]
struct Entry {
    octets: Box<[u8]>,
    name_len: usize,
}

impl Table {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            size: 0,
            capacity,
        }
    }

    /// Adds a field, and drops the oldest for it. One that is larger than the table empties it.
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8]) {
        let size = name.len() + value.len() + OVERHEAD;
        self.shrink_to(self.capacity.saturating_sub(size));
        if size > self.capacity {
            return;
        }
        self.size += size;
        self.entries.push_front(Entry {
            octets: [name, value].concat().into(),
            name_len: name.len(),
        });
    }

    /// Changes the room for entries, in octets.
    pub(super) fn resize(&mut self, capacity: usize) {
        self.capacity = capacity;
        self.shrink_to(capacity);
    }

    /// The field at `index` of both tables, counted from one.
    pub(super) fn field(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let at = index.checked_sub(1)?;
        if let Some((name, value)) = STATIC.get(at) {
            return Some((name.as_bytes(), value.as_bytes()));
        }
        let entry = self.entries.get(at - STATIC.len())?;
        Some(entry.octets.split_at(entry.name_len))
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

/// Appendix A.
pub(super) static STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_comes_after_the_static_ones_and_the_oldest_goes_first() {
        let mut table = Table::new(2 * (2 + OVERHEAD));
        table.insert(b"a", b"1");
        table.insert(b"b", b"2");
        assert_eq!(table.field(62), Some((&b"b"[..], &b"2"[..])));
        assert_eq!(table.field(63), Some((&b"a"[..], &b"1"[..])));
        table.insert(b"c", b"3");
        assert_eq!(table.field(63), Some((&b"b"[..], &b"2"[..])));
        assert_eq!(table.field(64), None);
        assert_eq!(table.field(0), None);
        table.resize(2 + OVERHEAD);
        assert_eq!(table.field(62), Some((&b"c"[..], &b"3"[..])));
        table.insert(b"too", b"long");
        assert_eq!(table.field(62), None);
        assert_eq!(table.size, 0);
    }
}
