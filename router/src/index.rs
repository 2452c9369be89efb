//! An index over the conditions of routes that finds what trying them in order would find.
//!
//! A route is filed under one of its conjuncts that a look-up by hash or prefix can decide: the
//! one that the fewest routes share, of those whose values are found without parsing metadata if
//! there are any. The rest is tried in order. A bucket with many routes is an index of its own,
//! over the names not used above it.
//!
//! ```text
//! Node ─┬─ service ─┬─ by hash ────▶ bucket: routes in order
//!       │           └─ by prefix ──▶ bucket: Node ─┬─ method …
//!       ├─ the rest, in order                      └─ …
//!       └─ names that take parsing
//! ```
//!
//! Buckets hold candidates: each is checked by its whole matcher, so the index may err towards
//! too many. A part whose first route comes after the best match so far is not looked into, and
//! neither are the values it would need.

mod build;
mod keys;
mod prefixes;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ptr;

use sabir_core::head::Head;
use sabir_core::name::Name;
use smallvec::SmallVec;

use crate::hash::folded;
use crate::matcher::{Matcher, Reach};
use prefixes::Prefixes;

/// Positions of routes, filed by their conditions.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    root: Node,
}

/// Routes that have what leads here in common.
#[derive(Clone, Debug, Default)]
struct Node {
    /// By reach, so that metadata is parsed last.
    names: Vec<NameIndex>,
    /// Routes without a usable conjunct.
    rest: Box<[u32]>,
}

/// Routes filed under a value of one name.
#[derive(Clone, Debug)]
struct NameIndex {
    name: Name,
    reach: Reach,
    first: u32,
    exact: HashMap<u64, Bucket, BuildHasherDefault<Identity>>,
    prefixes: Prefixes,
}

/// Routes filed under one value, or values that look the same.
#[derive(Clone, Debug)]
enum Bucket {
    One(u32),
    Few(Box<[u32]>),
    Many { first: u32, node: Box<Node> },
}

impl Index {
    pub(crate) fn new(matchers: &[Matcher]) -> Self {
        let root = build::root(matchers);
        Self { root }
    }

    /// Position of the first of `matchers`, those it was made from, that matches `head`.
    pub(crate) fn find(&self, matchers: &[Matcher], head: &Head) -> Option<usize> {
        let mut search = Search {
            matchers,
            head,
            best: u32::MAX,
        };
        search.node(&self.root);
        (search.best != u32::MAX).then_some(search.best as usize)
    }
}

/// A look-up under way.
struct Search<'a> {
    matchers: &'a [Matcher],
    head: &'a Head,
    /// Position of the first match so far.
    best: u32,
}

impl Search<'_> {
    fn node(&mut self, node: &Node) {
        let split = node.names.partition_point(|n| n.reach == Reach::Decoded);
        let (decoded, deeper) = node.names.split_at(split);
        decoded.iter().for_each(|index| self.name(index));
        self.routes(&node.rest);
        deeper.iter().for_each(|index| self.name(index));
    }

    fn name(&mut self, index: &NameIndex) {
        if index.first >= self.best {
            return;
        }
        let head = self.head;
        // A caller that repeats a value must not have its candidates checked over and over.
        let mut seen = SmallVec::<[*const Bucket; 8]>::new();
        let mut visit = |search: &mut Self, bucket: &Bucket| {
            let bucket_at = ptr::from_ref(bucket);
            if !seen.contains(&bucket_at) {
                seen.push(bucket_at);
                search.bucket(bucket);
            }
        };
        head.any(&index.name, |value| {
            if !index.exact.is_empty()
                && let Some(bucket) = index.exact.get(&folded(value))
            {
                visit(self, bucket);
            }
            index.prefixes.of(value, |bucket| visit(self, bucket));
            false
        });
    }

    fn bucket(&mut self, bucket: &Bucket) {
        match bucket {
            Bucket::One(route) => self.routes(std::slice::from_ref(route)),
            Bucket::Few(routes) => self.routes(routes),
            Bucket::Many { first, node } if *first < self.best => self.node(node),
            Bucket::Many { .. } => {}
        }
    }

    fn routes(&mut self, routes: &[u32]) {
        let candidates = routes.iter().take_while(|&&route| route < self.best);
        let mut matching = candidates.filter(|&&r| self.matchers[r as usize].matches(self.head));
        if let Some(&route) = matching.next() {
            self.best = route;
        }
    }
}

/// Takes the hash that the key already is.
#[derive(Clone, Copy, Debug, Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = folded(bytes);
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}
