//! Changes of metadata as configuration asks for them.

use bytes::Bytes;

use crate::head::Head;
use crate::name::Name;

/// Changes to apply to each message of a route, compiled once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Mutation {
    /// Names to drop, before anything is set.
    pub remove: Vec<Name>,
    /// Names whose values are replaced.
    pub set: Vec<(Name, Bytes)>,
    /// Values to add beside those that are there.
    pub add: Vec<(Name, Bytes)>,
    /// Values to add where the name is absent.
    pub add_if_absent: Vec<(Name, Bytes)>,
}

impl Mutation {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.names().next().is_none()
    }

    /// Names it changes, to check against what a protocol can write.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        let pairs = [&self.set, &self.add, &self.add_if_absent];
        let pairs = pairs.into_iter().flatten().map(|(name, _)| name);
        self.remove.iter().chain(pairs)
    }

    /// Changes `head`: removes, sets, adds where absent, adds, in this order.
    pub fn apply(&self, head: &mut Head) {
        for name in &self.remove {
            head.remove(name);
        }
        for (name, value) in &self.set {
            head.set(name, value);
        }
        for (name, value) in &self.add_if_absent {
            if head.get(name).is_none() {
                head.add(name, value);
            }
        }
        for (name, value) in &self.add {
            head.add(name, value);
        }
    }
}
