//! Files routes under their most selective conjuncts.

use std::collections::{BTreeMap, HashMap};

use super::keys::{Key, KeySet, NameId, Names, key_sets};
use super::prefixes::Prefixes;
use super::{Bucket, NameIndex, Node};
use crate::matcher::{Matcher, Reach};

/// The index over all of `matchers`.
pub(super) fn root(matchers: &[Matcher]) -> Node {
    let mut names = Names::default();
    let sets = matchers.iter().map(|m| key_sets(m, &mut names)).collect();
    let routes: Vec<_> = (0..matchers.len() as u32).collect();
    Builder { names, sets }.node(&routes, &[])
}

struct Builder {
    names: Names,
    /// By position of the route.
    sets: Vec<Vec<KeySet>>,
}

/// Routes by key, for one name.
#[derive(Default)]
struct Filed<'a> {
    exact: HashMap<u64, Vec<u32>>,
    prefixes: BTreeMap<&'a [u8], Vec<u32>>,
}

type Counts<'a> = HashMap<&'a (NameId, Key), u32>;

impl Builder {
    /// An index over `routes`, which have what `used` names led to in common.
    fn node(&self, routes: &[u32], used: &[NameId]) -> Node {
        let counts = self.count(routes, used);
        let mut filed: BTreeMap<NameId, Filed<'_>> = BTreeMap::new();
        let mut rest = Vec::new();
        for &route in routes {
            let Some(set) = self.choose(route, used, &counts) else {
                rest.push(route);
                continue;
            };
            for (name, key) in &set.keys {
                filed.entry(*name).or_default().add(key, route);
            }
        }
        let mut names: Vec<_> = filed
            .into_iter()
            .map(|(id, filed)| self.name(id, filed, used))
            .collect();
        names.sort_by_key(|index| (index.reach, index.first));
        let rest = rest.into();
        Node { names, rest }
    }

    fn name(&self, id: NameId, filed: Filed<'_>, used: &[NameId]) -> NameIndex {
        let used = [used, &[id]].concat();
        let bucket = |routes: &[u32]| self.bucket(routes, &used);
        let exact = filed.exact.iter();
        let exact: HashMap<_, _, _> = exact.map(|(&hash, r)| (hash, bucket(r))).collect();
        let prefixes = filed.prefixes.iter();
        let routes = filed.exact.values().chain(filed.prefixes.values());
        let name = self.names.name(id).clone();
        NameIndex {
            reach: Reach::of(&name),
            name,
            first: routes.flatten().copied().min().unwrap_or(u32::MAX),
            exact,
            prefixes: Prefixes::new(prefixes.map(|(&text, r)| (text.into(), bucket(r)))),
        }
    }

    fn bucket(&self, routes: &[u32], used: &[NameId]) -> Bucket {
        if let &[route] = routes {
            return Bucket::One(route);
        }
        if routes.len() > FEW && used.len() < MAX_DEPTH {
            let node = self.node(routes, used);
            if !node.names.is_empty() {
                let first = routes[0];
                let node = Box::new(node);
                return Bucket::Many { first, node };
            }
        }
        Bucket::Few(routes.into())
    }

    /// How many of `routes` could be filed under each key.
    fn count(&self, routes: &[u32], used: &[NameId]) -> Counts<'_> {
        let mut counts = Counts::new();
        for &route in routes {
            for key in self.allowed(route, used).flat_map(|set| &set.keys) {
                *counts.entry(key).or_default() += 1;
            }
        }
        counts
    }

    /// The set whose most common key the fewest routes share, of those found with least parsing.
    fn choose(&self, route: u32, used: &[NameId], counts: &Counts<'_>) -> Option<&KeySet> {
        let share = |set: &KeySet| {
            let counts = set.keys.iter().filter_map(|key| counts.get(key));
            let most = counts.copied().max().unwrap_or_default();
            // Others' values may have a prefix too, which no count tells.
            if set.has_prefix() { most * 4 } else { most }
        };
        let sets = self.allowed(route, used);
        sets.min_by_key(|set| (set.reach, share(set), set.keys.len()))
    }

    /// Sets that are of no name used so far, and not too large to be filed again at this depth.
    fn allowed(&self, route: u32, used: &[NameId]) -> impl Iterator<Item = &KeySet> {
        let limit = match used.len() {
            0 => KeySet::MAX,
            1 => 16,
            _ => 1,
        };
        let sets = self.sets[route as usize].iter();
        sets.filter(move |set| {
            let is_new = |(name, _): &(NameId, Key)| !used.contains(name);
            set.keys.len() <= limit && set.keys.iter().all(is_new)
        })
    }
}

impl<'a> Filed<'a> {
    fn add(&mut self, key: &'a Key, route: u32) {
        let routes = match key {
            Key::Exact(hash) => self.exact.entry(*hash).or_default(),
            Key::Prefix(text) => self.prefixes.entry(text).or_default(),
        };
        // A set may have keys that look the same.
        if routes.last() != Some(&route) {
            routes.push(route);
        }
    }
}

/// Routes that are tried in order rather than filed once more.
const FEW: usize = 8;

/// Names on the way to a route, beyond which it is tried in order.
const MAX_DEPTH: usize = 8;
