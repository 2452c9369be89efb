//! Conditions on the metadata of a request.
//!
//! A [`Matcher`] is the conjunction of value conditions, of at most one alternative, and of at most
//! one negation. It is compiled once, when configuration is loaded; matching allocates nothing and
//! parses lazy metadata only when no cheaper condition has failed before.

use sabir_core::head::Head;
use sabir_core::name::{Field, Name};

use crate::value::{MatchError, ValueMatcher};

/// A condition on the metadata of a message. All that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    clauses: Vec<Clause>,
    depth: usize,
}

/// One conjunct of a [`Matcher`].
#[derive(Clone, Debug)]
pub(crate) enum Clause {
    /// The value condition holds for the values of the name.
    Value(Name, ValueMatcher),
    /// At least one of these matches.
    AnyOf(Vec<Matcher>),
    /// This does not match.
    Not(Matcher),
}

impl Matcher {
    /// Levels that alternatives and negations may nest; a matcher without any has one.
    pub const MAX_DEPTH: usize = 16;

    /// Matches every message.
    pub fn any() -> Self {
        Self::default()
    }

    /// Matches if all of `values` hold, at least one of `any_of` matches (if there are any), and
    /// `not` does not match.
    ///
    /// # Errors
    ///
    /// [`MatchError::TooDeep`] beyond [`MAX_DEPTH`](Self::MAX_DEPTH) levels.
    pub fn new(
        values: Vec<(Name, ValueMatcher)>,
        any_of: Vec<Self>,
        not: Option<Self>,
    ) -> Result<Self, MatchError> {
        let nested = any_of.iter().chain(&not).map(|m| m.depth + 1).max();
        let depth = nested.unwrap_or(0);
        if depth >= Self::MAX_DEPTH {
            let limit = Self::MAX_DEPTH;
            return Err(MatchError::TooDeep { limit });
        }
        let mut clauses: Vec<_> = values
            .into_iter()
            .map(|(name, value)| Clause::Value(name, value))
            .collect();
        if !any_of.is_empty() {
            clauses.push(Clause::any_of(any_of));
        }
        clauses.extend(not.map(Clause::Not));
        clauses.sort_by_key(Clause::cost);
        Ok(Self { clauses, depth })
    }

    /// Matches if `value` holds for the values of `name`.
    pub fn on(name: Name, value: ValueMatcher) -> Self {
        Self {
            clauses: vec![Clause::Value(name, value)],
            depth: 0,
        }
    }

    /// Whether `head` satisfies every condition.
    pub fn matches(&self, head: &Head) -> bool {
        self.clauses.iter().all(|c| c.matches(head))
    }

    /// Names whose values it looks at, repeated if it does so repeatedly.
    pub fn names(&self) -> Vec<&Name> {
        let mut names = Vec::new();
        self.collect_names(&mut names);
        names
    }

    pub(crate) fn clauses(&self) -> &[Clause] {
        &self.clauses
    }

    fn collect_names<'a>(&'a self, names: &mut Vec<&'a Name>) {
        for clause in &self.clauses {
            match clause {
                Clause::Value(name, _) => names.push(name),
                Clause::AnyOf(alternatives) => {
                    alternatives.iter().for_each(|m| m.collect_names(names));
                }
                Clause::Not(matcher) => matcher.collect_names(names),
            }
        }
    }

    /// Cost of the most expensive condition, which is what a match takes.
    fn cost(&self) -> (Reach, u8) {
        let costs = self.clauses.iter().map(Clause::cost);
        costs.max().unwrap_or((Reach::Decoded, 0))
    }
}

impl Clause {
    fn any_of(mut alternatives: Vec<Matcher>) -> Self {
        alternatives.sort_by_key(Matcher::cost);
        Self::AnyOf(alternatives)
    }

    fn matches(&self, head: &Head) -> bool {
        match self {
            Self::Value(name, value) => value.matches(head, name),
            Self::AnyOf(alternatives) => alternatives.iter().any(|m| m.matches(head)),
            Self::Not(matcher) => !matcher.matches(head),
        }
    }

    /// Cheap conditions are tested first: a message they refuse is never parsed any further.
    fn cost(&self) -> (Reach, u8) {
        match self {
            Self::Value(name, value) => (Reach::of(name), value.effort()),
            Self::AnyOf(alternatives) => {
                let costs = alternatives.iter().map(Matcher::cost);
                costs.max().unwrap_or((Reach::Decoded, 0))
            }
            Self::Not(matcher) => matcher.cost(),
        }
    }
}

/// How far into a message one must read to find the values of a name.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Reach {
    /// They are found when the message is decoded, or not at all.
    Decoded,
    /// They are found at decode in most protocols; where not, all metadata is parsed.
    Mostly,
    /// All metadata is parsed.
    Parsed,
}

impl Reach {
    pub(crate) fn of(name: &Name) -> Self {
        match name.field() {
            Some(Field::Service | Field::Method | Field::Signature) => Self::Decoded,
            Some(Field::Version) => Self::Mostly,
            None if name.is_protocol() => Self::Decoded,
            Some(Field::Group) | None => Self::Parsed,
        }
    }
}
