//! Requests by listener, cluster, service and method, with a bound on how many of these there are.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use sabir_core::outcome::Outcome;

use super::histogram::Histogram;
use super::scope::{ClusterId, ListenerId};
use super::snapshot::Tally;

/// A series of one worker's requests. Means nothing to other workers.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SeriesId(u32);

/// What requests of one series have in common, as it is compared for each request: with the bytes
/// as they arrived.
#[derive(Clone, Copy, Hash, Eq, PartialEq)]
struct Key<'a> {
    listener: ListenerId,
    cluster: Option<ClusterId>,
    service: &'a [u8],
    method: &'a [u8],
}

/// One series: its key, its labels, what was counted.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) listener: ListenerId,
    pub(super) cluster: Option<ClusterId>,
    pub(super) service: Arc<str>,
    pub(super) method: Arc<str>,
    raw_service: Box<[u8]>,
    raw_method: Box<[u8]>,
    pub(super) tallies: Vec<Tally>,
    /// Most of a series' memory: there is none until a request has ended.
    pub(super) histogram: Option<Box<Histogram>>,
}

/// All series of a worker.
#[derive(Debug)]
pub(super) struct SeriesTable {
    index: HashTable<u32>,
    hasher: RandomState,
    series: Vec<Series>,
    max: usize,
    /// Requests whose service and method became [`OTHER`].
    pub(super) overflow: u64,
}

impl SeriesTable {
    pub(super) fn new(max: usize) -> Self {
        Self {
            index: HashTable::new(),
            hasher: RandomState::default(),
            series: Vec::new(),
            max,
            overflow: 0,
        }
    }

    /// The series of these four, made if there is none and room for one.
    pub(super) fn find(
        &mut self,
        listener: ListenerId,
        cluster: Option<ClusterId>,
        service: &[u8],
        method: &[u8],
    ) -> SeriesId {
        let key = Key {
            listener,
            cluster,
            service: cut(service),
            method: cut(method),
        };
        if let Some(found) = self.look_up(key) {
            return found;
        }
        if self.series.len() < self.max {
            return self.insert(key);
        }
        self.overflow += 1;
        // One series for each pair of listener and cluster: their number is the configuration's.
        let other = Key {
            service: OTHER,
            method: OTHER,
            ..key
        };
        self.look_up(other).unwrap_or_else(|| self.insert(other))
    }

    #[inline]
    pub(super) fn record(&mut self, id: SeriesId, outcome: Outcome, elapsed: Duration) {
        let Some(series) = self.series.get_mut(id.0 as usize) else {
            return;
        };
        let is_same = |t: &&mut Tally| t.code == outcome.code && t.party == outcome.party;
        match series.tallies.iter_mut().find(is_same) {
            Some(tally) => tally.count += 1,
            None => series.tallies.push(Tally {
                code: outcome.code,
                party: outcome.party,
                count: 1,
            }),
        }
        series.histogram.get_or_insert_default().record(elapsed);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Series> {
        self.series.iter()
    }

    fn look_up(&self, key: Key<'_>) -> Option<SeriesId> {
        let hash = hash(&self.hasher, key);
        let is_same = |&at: &u32| self.series[at as usize].key() == key;
        self.index.find(hash, is_same).map(|&at| SeriesId(at))
    }

    fn insert(&mut self, key: Key<'_>) -> SeriesId {
        let at = self.series.len() as u32;
        self.series.push(Series::new(key));
        let Self {
            index,
            hasher,
            series,
            ..
        } = self;
        let rehash = |&at: &u32| hash(hasher, series[at as usize].key());
        index.insert_unique(hash(hasher, key), at, rehash);
        SeriesId(at)
    }
}

impl Series {
    fn new(key: Key<'_>) -> Self {
        Self {
            listener: key.listener,
            cluster: key.cluster,
            service: label(key.service),
            method: label(key.method),
            raw_service: key.service.into(),
            raw_method: key.method.into(),
            tallies: Vec::new(),
            histogram: None,
        }
    }

    fn key(&self) -> Key<'_> {
        Key {
            listener: self.listener,
            cluster: self.cluster,
            service: &self.raw_service,
            method: &self.raw_method,
        }
    }
}

fn hash(hasher: &RandomState, key: Key<'_>) -> u64 {
    hasher.hash_one(key)
}

/// The part of a name that is looked at.
fn cut(name: &[u8]) -> &[u8] {
    &name[..name.len().min(MAX_NAME_BYTES)]
}

/// `name` as people may see it: what is not UTF-8 and what controls terminals is replaced.
fn label(name: &[u8]) -> Arc<str> {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let text: String = String::from_utf8_lossy(name).chars().map(shown).collect();
    text.into()
}

/// Service and method of the requests for whose own there was no room.
const OTHER: &[u8] = b"_other";
const MAX_NAME_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    const LISTENER: ListenerId = ListenerId(0);

    fn labels(table: &SeriesTable) -> Vec<(String, String)> {
        let labels = |s: &Series| (s.service.to_string(), s.method.to_string());
        table.iter().map(labels).collect()
    }

    #[test]
    fn the_same_request_has_the_same_series() {
        let mut table = SeriesTable::new(10);
        let one = table.find(LISTENER, None, b"s", b"m");
        assert_eq!(table.find(LISTENER, None, b"s", b"m"), one);
        let others = [
            table.find(ListenerId(1), None, b"s", b"m"),
            table.find(LISTENER, Some(ClusterId(0)), b"s", b"m"),
            table.find(LISTENER, None, b"sm", b""),
            table.find(LISTENER, None, b"s", b"n"),
        ];
        assert!(!others.contains(&one));
        assert_eq!(table.series.len(), 5);
    }

    #[test]
    fn beyond_the_limit_names_become_other() {
        let mut table = SeriesTable::new(2);
        let first = table.find(LISTENER, None, b"s", b"0");
        for method in 0..100u8 {
            table.find(LISTENER, None, b"s", &[b'0' + method % 50]);
        }
        let expected = [("s", "0"), ("s", "1"), ("_other", "_other")];
        assert_eq!(labels(&table), expected.map(|(s, m)| (s.into(), m.into())));
        assert_eq!(table.find(LISTENER, None, b"s", b"0"), first);
        assert_eq!(table.overflow, 96);
    }

    #[test]
    fn names_are_sanitised() {
        let mut table = SeriesTable::new(10);
        table.find(LISTENER, None, b"a\nb\xff", "\u{e9}".as_bytes());
        assert_eq!(
            labels(&table),
            [("a\u{fffd}b\u{fffd}".into(), "\u{e9}".into())]
        );
        let long = [b'x'; 500];
        let id = table.find(LISTENER, None, &long, b"");
        assert_eq!(table.find(LISTENER, None, &long[..300], b""), id);
        assert_eq!(labels(&table)[1].0.len(), MAX_NAME_BYTES);
    }
}
