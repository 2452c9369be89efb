//! The exchanges of a session.

use std::ops::{Index, IndexMut};

use slotmap::{DefaultKey, Key, KeyData};

use super::exchange::Exchange;

/// Exchanges by their keys.
///
/// Unlike a slot map, it can give up its [room](Self::swap_room) while it is empty and still never
/// hands out a key that it has handed out before: a letter that comes late finds nothing rather
/// than another's exchange. A key comes again after 2^31 exchanges of one connection.
pub(crate) struct Exchanges<T = Exchange> {
    places: Room<T>,
    /// Places without an exchange.
    free: Option<u32>,
    len: usize,
    /// What the last key was told apart by.
    serial: u32,
}

/// Memory for exchanges; it holds none while it is passed around.
pub(crate) type Room<T = Exchange> = Vec<Place<T>>;

/// Room for one exchange.
pub(crate) enum Place<T = Exchange> {
    /// With the next place that is free.
    Free(Option<u32>),
    /// With what its key is told apart by.
    Taken(u32, T),
}

impl<T> Default for Exchanges<T> {
    fn default() -> Self {
        Self {
            places: Room::new(),
            free: None,
            len: 0,
            serial: 0,
        }
    }
}

impl<T> Exchanges<T> {
    pub(crate) fn insert(&mut self, exchange: T) -> DefaultKey {
        // Keys of a slot map are odd.
        self.serial = self.serial.wrapping_add(2) | 1;
        let taken = Place::Taken(self.serial, exchange);
        self.len += 1;
        let index = match self.free {
            Some(index) => {
                let place = &mut self.places[index as usize];
                if let Place::Free(next) = place {
                    self.free = *next;
                }
                *place = taken;
                index
            }
            None => {
                self.places.push(taken);
                self.places.len() as u32 - 1
            }
        };
        key(self.serial, index)
    }

    pub(crate) fn remove(&mut self, key: DefaultKey) -> Option<T> {
        self.get(key)?;
        let (_, index) = split(key);
        let free = Place::Free(self.free.replace(index));
        self.len -= 1;
        match std::mem::replace(&mut self.places[index as usize], free) {
            Place::Taken(_, exchange) => Some(exchange),
            Place::Free(_) => None,
        }
    }

    pub(crate) fn get(&self, key: DefaultKey) -> Option<&T> {
        let (serial, index) = split(key);
        match self.places.get(index as usize)? {
            Place::Taken(of, exchange) if *of == serial => Some(exchange),
            _ => None,
        }
    }

    pub(crate) fn get_mut(&mut self, key: DefaultKey) -> Option<&mut T> {
        let (serial, index) = split(key);
        match self.places.get_mut(index as usize)? {
            Place::Taken(of, exchange) if *of == serial => Some(exchange),
            _ => None,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (DefaultKey, &T)> {
        let places = (0..).zip(&self.places);
        places.filter_map(|(index, place)| match place {
            Place::Taken(serial, exchange) => Some((key(*serial, index), exchange)),
            Place::Free(_) => None,
        })
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = DefaultKey> {
        self.iter().map(|(key, _)| key)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.iter().map(|(_, exchange)| exchange)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Trades its memory with whoever lends or keeps it, if there is no exchange.
    pub(crate) fn swap_room(&mut self, room: &mut Room<T>) {
        if self.is_empty() {
            self.free = None;
            self.places.clear();
            std::mem::swap(&mut self.places, room);
        }
    }
}

impl<T> Index<DefaultKey> for Exchanges<T> {
    type Output = T;

    fn index(&self, key: DefaultKey) -> &T {
        self.get(key).expect(UNKNOWN)
    }
}

impl<T> IndexMut<DefaultKey> for Exchanges<T> {
    fn index_mut(&mut self, key: DefaultKey) -> &mut T {
        self.get_mut(key).expect(UNKNOWN)
    }
}

fn key(serial: u32, index: u32) -> DefaultKey {
    KeyData::from_ffi(u64::from(serial) << 32 | u64::from(index)).into()
}

fn split(key: DefaultKey) -> (u32, u32) {
    let bits = key.data().as_ffi();
    ((bits >> 32) as u32, bits as u32)
}

/// What an index says that is none.
const UNKNOWN: &str = "a key whose exchange has ended";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_finds_its_own_exchange_and_no_other() {
        let mut exchanges = Exchanges::default();
        let (a, b) = (exchanges.insert('a'), exchanges.insert('b'));
        assert_eq!((exchanges[a], exchanges[b]), ('a', 'b'));
        assert_eq!(exchanges.remove(a), Some('a'));
        let c = exchanges.insert('c');
        assert!(exchanges.get(a).is_none() && exchanges.remove(a).is_none());
        exchanges[c] = 'd';
        let d = exchanges.insert('e');
        let mut all: Vec<_> = exchanges.iter().map(|(key, &e)| (key, e)).collect();
        all.sort_by_key(|&(_, e)| e);
        assert_eq!(all, [(b, 'b'), (c, 'd'), (d, 'e')]);
        assert_eq!(exchanges.len(), 3);
    }

    #[test]
    fn keys_of_before_find_nothing_in_other_room() {
        let mut exchanges = Exchanges::default();
        let old: Vec<_> = (0..4).map(|n| exchanges.insert(n)).collect();
        for key in &old {
            exchanges.remove(*key);
        }
        let mut room = Room::new();
        exchanges.swap_room(&mut room);
        assert!(room.is_empty() && room.capacity() >= 4);
        let mut others = Exchanges::default();
        others.swap_room(&mut room);
        let theirs = others.insert(9);
        others.swap_room(&mut room);
        assert_eq!(others[theirs], 9, "room that is in use is kept");
        exchanges.insert(5);
        assert!(old.iter().all(|key| exchanges.get(*key).is_none()));
    }
}
