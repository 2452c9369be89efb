//! A bucket for each of many keys, in memory that is bounded, without a lock.
//!
//! ```text
//! key ─hash─▶ set of 8 places, each: fingerprint of a key · bucket
//! ```
//!
//! A key that has no place takes a free one, or that of the fullest bucket of its set. A full
//! bucket is one that nobody has asked for in a while, and to forget it changes nothing; only if
//! more keys than there are places are limited at once, some begin anew. Those that have asked for
//! the most are forgotten last.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use super::bucket::Bucket;

/// Buckets by the hashes of their keys.
#[derive(Debug)]
pub(super) struct Keyed {
    /// Of a seed of its own: nobody can choose keys that share a bucket.
    hasher: RandomState,
    sets: Box<[Set]>,
}

/// Two cache lines.
#[derive(Debug, Default)]
struct Set([Place; WAYS]);

#[derive(Debug, Default)]
struct Place {
    /// Hash of the key; 0: of none.
    fingerprint: AtomicU64,
    bucket: Bucket,
}

impl Keyed {
    /// Room for at least `keys`.
    pub(super) fn new(keys: usize) -> Self {
        let sets = keys.div_ceil(WAYS).max(1);
        Self {
            hasher: RandomState::new(),
            sets: (0..sets).map(|_| Set::default()).collect(),
        }
    }

    /// The hasher of keys.
    pub(super) fn hasher(&self) -> std::hash::DefaultHasher {
        self.hasher.build_hasher()
    }

    /// The bucket of the key of this hash when `filled` tokens have been filled in.
    ///
    /// A thread that comes while another gives the place to a new key may take its token from the
    /// bucket of the wrong one of them; it is one token.
    pub(super) fn bucket(&self, hash: u64, filled: u64) -> &Bucket {
        let fingerprint = hash.max(1);
        // The high bits choose the set, evenly whatever the number of sets.
        let at = (u128::from(hash) * self.sets.len() as u128) >> 64;
        let places = &self.sets[at as usize].0;
        let holds = |place: &&Place| place.fingerprint.load(Ordering::Relaxed) == fingerprint;
        let place = places.iter().find(holds);
        let place = place.unwrap_or_else(|| take_place(places, fingerprint, filled));
        &place.bucket
    }

    /// How many keys have a bucket.
    #[cfg(test)]
    fn len(&self) -> usize {
        let places = self.sets.iter().flat_map(|set| &set.0);
        let is_taken = |place: &&Place| place.fingerprint.load(Ordering::Relaxed) != 0;
        places.filter(is_taken).count()
    }
}

fn take_place(places: &[Place; WAYS], fingerprint: u64, filled: u64) -> &Place {
    let worth = |place: &&Place| match place.fingerprint.load(Ordering::Relaxed) {
        0 => (0, 0),
        _ => (1, place.bucket.lacks(filled)),
    };
    let place = places.iter().min_by_key(worth).unwrap_or(&places[0]);
    place.bucket.fill_up();
    place.fingerprint.store(fingerprint, Ordering::Relaxed);
    place
}

/// Places of a set.
const WAYS: usize = 8;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::bucket::Rate;
    use super::*;

    const RATE: Rate = Rate {
        max_tokens: 3,
        tokens_per_fill: 1,
        fill_interval: Duration::from_secs(1),
    };

    /// Takes a token of `key`'s.
    fn take(keyed: &Keyed, key: &str, rate: &Rate, filled: u64) -> bool {
        let hash = keyed.hasher.hash_one(key);
        keyed.bucket(hash, filled).take(rate, filled)
    }

    proptest! {
        #[test]
        fn keys_that_fit_have_each_a_bucket_of_their_own(
            steps in proptest::collection::vec((0..8u8, 0..2u64), 1..300),
        ) {
            // One set, so that the keys certainly fit.
            let (keyed, mut alone) = (Keyed::new(8), HashMap::new());
            let mut filled = 0;
            for (key, fills) in steps {
                filled += fills;
                let bucket: &mut Bucket = alone.entry(key).or_default();
                let wanted = bucket.take(&RATE, filled);
                prop_assert_eq!(take(&keyed, &key.to_string(), &RATE, filled), wanted);
            }
        }
    }

    #[test]
    fn they_are_bounded_and_the_fullest_is_forgotten() {
        let keyed = Keyed::new(8);
        for _ in 0..3 {
            assert!(take(&keyed, "limited", &RATE, 0));
        }
        for n in 0..100 {
            assert!(take(&keyed, &n.to_string(), &RATE, 0), "{n} is new");
        }
        assert!(!take(&keyed, "limited", &RATE, 0), "it has its place still");
        assert_eq!(keyed.len(), 8);
    }

    #[test]
    fn many_keys_find_room() {
        let keyed = Keyed::new(4096);
        for n in 0..1024 {
            take(&keyed, &n.to_string(), &RATE, 0);
        }
        // Where a key may be is up to its hash: now and then nine meet where there is room for eight.
        assert!((1000..=1024).contains(&keyed.len()), "{}", keyed.len());
    }
}
