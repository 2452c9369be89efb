//! Buckets by what a value begins with.

use super::Bucket;

/// Prefixes in order, each with its longest prefix among the others.
#[derive(Clone, Debug, Default)]
pub(super) struct Prefixes {
    /// Sorted by text.
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    text: Box<[u8]>,
    parent: Option<u32>,
    bucket: Bucket,
}

impl Prefixes {
    /// From clipped texts, sorted and without duplicates.
    pub(super) fn new(buckets: impl IntoIterator<Item = (Box<[u8]>, Bucket)>) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        for (text, bucket) in buckets {
            // In sorted order, what a text begins with is an ancestor of its neighbour or that itself.
            let mut parent = entries.len().checked_sub(1).map(|last| last as u32);
            while let Some(at) = parent
                && !text.starts_with(&entries[at as usize].text)
            {
                parent = entries[at as usize].parent;
            }
            entries.push(Entry {
                text,
                parent,
                bucket,
            });
        }
        Self { entries }
    }

    /// Calls `found` with the bucket of every prefix that `value` has.
    pub(super) fn of(&self, value: &[u8], mut found: impl FnMut(&Bucket)) {
        if self.entries.is_empty() {
            return;
        }
        let mut folded = [0; CLIP];
        let length = value.len().min(CLIP);
        let value_folded = &mut folded[..length];
        value_folded.copy_from_slice(&value[..length]);
        value_folded.make_ascii_lowercase();
        let value = &*value_folded;
        let after = self.entries.partition_point(|e| &*e.text <= value);
        let mut next = after.checked_sub(1).map(|last| last as u32);
        while let Some(at) = next {
            let entry = &self.entries[at as usize];
            if value.starts_with(&entry.text) {
                found(&entry.bucket);
            }
            next = entry.parent;
        }
    }
}

/// `text` as far as it is looked at, in lower case.
pub(super) fn clip(text: &[u8]) -> Vec<u8> {
    text[..text.len().min(CLIP)].to_ascii_lowercase()
}

/// Bytes of a prefix that are looked at; candidates are checked by their matchers anyway.
const CLIP: usize = 64;
