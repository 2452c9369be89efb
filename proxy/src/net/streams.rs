//! Names for the streams of a connection to an endpoint, and what belongs to each.

use sabir_core::frame::StreamId;

/// A table whose keys are ids on the wire: `generation · index`, so that finding an entry takes no
/// hashing, and an answer that comes late finds nothing rather than another's entry.
///
/// A name comes again only after its place was used as many times as the protocol's ids have room
/// for generations: 2^44 with 64 bits, 2 048 with 31.
#[derive(Debug)]
pub(crate) struct Streams<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
    len: usize,
    max: u64,
}

#[derive(Debug)]
struct Place<T> {
    generation: u64,
    value: Option<T>,
}

impl<T> Streams<T> {
    /// A table whose names go up to `max`, one less than a power of two.
    pub(crate) fn new(max: StreamId) -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            len: 0,
            max: max.0,
        }
    }

    /// Takes `value` in and names it. `None` if there are as many as can be named.
    pub(crate) fn insert(&mut self, value: T) -> Option<StreamId> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.is_full() => return None,
            None => {
                self.places.push(Place {
                    generation: FIRST,
                    value: None,
                });
                self.places.len() as u32 - 1
            }
        };
        self.len += 1;
        self.places[index as usize].value = Some(value);
        Some(self.name(index))
    }

    /// Whether there are as many as can be named.
    pub(crate) fn is_full(&self) -> bool {
        self.free.is_empty() && self.places.len() as u64 > self.max.min(INDEX)
    }

    pub(crate) fn remove(&mut self, stream: StreamId) -> Option<T> {
        let index = self.index(stream)?;
        let place = &mut self.places[index as usize];
        let value = place.value.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(index);
        self.len -= 1;
        Some(value)
    }

    pub(crate) fn get(&self, stream: StreamId) -> Option<&T> {
        self.places[self.index(stream)? as usize].value.as_ref()
    }

    pub(crate) fn get_mut(&mut self, stream: StreamId) -> Option<&mut T> {
        let index = self.index(stream)?;
        self.places[index as usize].value.as_mut()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Names of the entries that `test` holds for.
    pub(crate) fn names(&self, test: impl Fn(&T) -> bool) -> Vec<StreamId> {
        let places = (0..self.places.len() as u32).filter(|&i| {
            let value = &self.places[i as usize].value;
            value.as_ref().is_some_and(&test)
        });
        places.map(|i| self.name(i)).collect()
    }

    /// Takes everything out, with its name.
    pub(crate) fn drain(&mut self) -> Vec<(StreamId, T)> {
        let names: Vec<_> = (0..self.places.len() as u32)
            .map(|i| self.name(i))
            .collect();
        let take = |name| Some((name, self.remove(name)?));
        names.into_iter().filter_map(take).collect()
    }

    fn name(&self, index: u32) -> StreamId {
        let generation = self.places[index as usize].generation;
        StreamId((generation << INDEX_BITS | u64::from(index)) & self.max)
    }

    /// The place that goes by the name of `stream` at present.
    fn index(&self, stream: StreamId) -> Option<u32> {
        let index = (stream.0 & INDEX) as u32;
        let known = (index as usize) < self.places.len();
        (known && self.name(index) == stream).then_some(index)
    }
}

/// Bits of a name that say where its entry is: up to a million streams on one connection.
const INDEX_BITS: u32 = 20;
const INDEX: u64 = (1 << INDEX_BITS) - 1;

/// No name is zero, which peers may take for none.
const FIRST: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_finds_its_own_entry_and_no_other() {
        for max in [u64::MAX, i32::MAX as u64] {
            let mut streams = Streams::new(StreamId(max));
            let a = streams.insert('a').unwrap();
            let b = streams.insert('b').unwrap();
            assert!(a != b && a.0 <= max && b.0 <= max);
            assert_eq!(streams.remove(a), Some('a'));
            let c = streams.insert('c').unwrap();
            assert_ne!(a, c, "the place is the same, the name is not");
            assert_eq!(streams.get(a), None);
            assert_eq!(streams.remove(a), None);
            assert_eq!(streams.get(b), Some(&'b'));
            assert_eq!(streams.get_mut(c), Some(&mut 'c'));
            assert_eq!(streams.get(StreamId(max)), None);
            let mut rest = streams.drain();
            rest.sort();
            assert_eq!(rest.len(), 2);
            assert!(streams.len() == 0 && streams.get(b).is_none());
        }
    }

    #[test]
    fn generations_go_round_without_touching_what_is_in_use() {
        let mut streams = Streams::new(StreamId(i32::MAX as u64));
        let kept = streams.insert(0).unwrap();
        let first = streams.insert(1).unwrap();
        let mut name = first;
        for _ in 0..2_047 {
            streams.remove(name).unwrap();
            name = streams.insert(1).unwrap();
            assert_ne!(name, first);
        }
        streams.remove(name).unwrap();
        assert_eq!(streams.insert(1), Some(first));
        assert_eq!(streams.get(kept), Some(&0));
    }
}
