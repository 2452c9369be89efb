//! What a route can be filed under.

use std::collections::HashMap;

use sabir_core::name::Name;

use super::prefixes::clip;
use crate::hash::folded;
use crate::matcher::{Clause, Matcher, Reach};
use crate::value::Test;

/// A property of a value that can be looked up, without regard to case.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Key {
    /// Hash of the value.
    Exact(u64),
    /// What the value begins with, clipped.
    Prefix(Box<[u8]>),
}

/// Keys of which every message that matches has at least one.
#[derive(Clone, Debug)]
pub(super) struct KeySet {
    pub(super) keys: Vec<(NameId, Key)>,
    pub(super) reach: Reach,
}

/// Position of a name among those that keys are of.
pub(super) type NameId = u32;

/// Names that keys are of.
#[derive(Debug, Default)]
pub(super) struct Names {
    ids: HashMap<Name, NameId>,
    names: Vec<Name>,
}

impl Names {
    pub(super) fn name(&self, id: NameId) -> &Name {
        &self.names[id as usize]
    }

    fn id(&mut self, name: &Name) -> NameId {
        if let Some(&id) = self.ids.get(name) {
            return id;
        }
        let id = self.names.len() as NameId;
        self.names.push(name.clone());
        self.ids.insert(name.clone(), id);
        id
    }
}

/// The sets of keys that `matcher` can be filed under, one per conjunct that allows it.
pub(super) fn key_sets(matcher: &Matcher, names: &mut Names) -> Vec<KeySet> {
    let clauses = matcher.clauses().iter();
    clauses.filter_map(|c| KeySet::of(c, names)).collect()
}

impl KeySet {
    /// More keys than this are not worth their memory; the route is then tried in order.
    pub(super) const MAX: usize = 1024;

    fn of(clause: &Clause, names: &mut Names) -> Option<Self> {
        let set = match clause {
            Clause::Value(name, value) => {
                let keys = Key::of(value.required()?)?;
                let id = names.id(name);
                Self {
                    keys: keys.into_iter().map(|key| (id, key)).collect(),
                    reach: Reach::of(name),
                }
            }
            Clause::AnyOf(alternatives) => Self::of_any(alternatives, names)?,
            Clause::Not(_) => return None,
        };
        (set.keys.len() <= Self::MAX).then_some(set)
    }

    /// The keys of one set of each alternative.
    fn of_any(alternatives: &[Matcher], names: &mut Names) -> Option<Self> {
        let mut all = Self {
            keys: Vec::new(),
            reach: Reach::Decoded,
        };
        for alternative in alternatives {
            let sets = key_sets(alternative, names).into_iter();
            let best = sets.min_by_key(|set| (set.reach, set.has_prefix(), set.keys.len()))?;
            all.reach = all.reach.max(best.reach);
            all.keys.extend(best.keys);
        }
        Some(all)
    }

    pub(super) fn has_prefix(&self) -> bool {
        let mut keys = self.keys.iter();
        keys.any(|(_, key)| matches!(key, Key::Prefix(_)))
    }
}

impl Key {
    fn of(test: &Test) -> Option<Vec<Self>> {
        let prefix = |text: &[u8]| Self::Prefix(clip(text).into());
        match test {
            Test::Exact(text) => Some(vec![Self::Exact(folded(text))]),
            Test::OneOf(texts) => Some(texts.iter().map(|t| Self::Exact(folded(t))).collect()),
            Test::Prefix(text) => Some(vec![prefix(text)]),
            Test::Regex(regex) if !regex.prefixes.is_empty() => {
                Some(regex.prefixes.iter().map(|t| prefix(t)).collect())
            }
            _ => None,
        }
    }
}
