//! Conditions on the values of one name of metadata.

use std::cmp::Ordering;
use std::ops::Range;

use bytes::Bytes;
use memchr::memmem::Finder;
use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::hir::Hir;
use regex_syntax::hir::literal::Extractor;

use crate::head::Head;
use crate::name::Name;

/// What values are compared with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Pattern {
    /// The value is this.
    Exact(Bytes),
    /// The value begins with this, which is not empty.
    Prefix(Bytes),
    /// The value ends with this, which is not empty.
    Suffix(Bytes),
    /// The value has this somewhere in it, which is not empty.
    Contains(Bytes),
    /// The whole value matches this regular expression in the syntax of the crate `regex`. It is
    /// Unicode-aware: `.` matches no invalid UTF-8, except after `(?-u)`.
    Regex(String),
    /// The value is a decimal integer, with or without a sign, in this range.
    Range(Range<i64>),
    /// There is a value, possibly empty.
    Present,
    /// There is no value.
    Absent,
    /// The value is one of these, at least one.
    OneOf(Vec<Bytes>),
}

/// Whether the case of letters tells values apart.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Case {
    /// It does.
    #[default]
    Sensitive,
    /// It does not: for ASCII letters, and in a regular expression for all letters of Unicode.
    Ignore,
}

/// Which way round a condition is meant.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Sense {
    /// It holds if any of the values does.
    #[default]
    Positive,
    /// It holds if there are values and none of them does.
    Inverted,
}

/// Why a condition cannot be compiled.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MatchError {
    /// A prefix, suffix or substring that every value has.
    #[error("an empty {pattern} matches every value; use present instead")]
    EmptyPattern {
        /// Which pattern it is.
        pattern: &'static str,
    },
    /// A range without an integer in it.
    #[error("the range from {start} up to, but not including, {end} is empty")]
    EmptyRange {
        /// First integer of the range.
        start: i64,
        /// First integer after the range.
        end: i64,
    },
    /// A set without a value in it.
    #[error("one_of needs at least one value")]
    EmptySet,
    /// A regular expression that is none, or one too large to compile.
    #[error("invalid regular expression: {0}")]
    Regex(#[from] regex::Error),
    /// A pattern that has no letters to compare without regard to case.
    #[error("ignore_case has no meaning with {pattern}")]
    NoCase {
        /// Which pattern it is.
        pattern: &'static str,
    },
    /// Presence and absence are each other's inverse.
    #[error("invert has no meaning with present")]
    NoInverse,
    /// Alternatives and negations nest too deeply.
    #[error("conditions nest deeper than {limit} levels")]
    TooDeep {
        /// Levels allowed.
        limit: usize,
    },
}

/// A condition on the values of one name.
///
/// A name may have several values; the condition holds if any of them satisfies the pattern.
/// Inverted, it holds if there are values and none does. **A name without values satisfies nothing
/// but [`Pattern::Absent`], not even an inverted condition**, as with Envoy's `invert_match`; a
/// negation that includes absence is a `not` around it.
#[derive(Clone, Debug)]
pub struct ValueMatcher {
    test: Test,
    case: Case,
    sense: Sense,
}

/// A pattern, compiled, and small: a look-up among many routes spends its time on cache misses.
/// Texts are in lower case if case is ignored.
#[derive(Clone, Debug)]
pub enum Test {
    /// The value is this.
    Exact(Box<[u8]>),
    /// The value begins with this.
    Prefix(Box<[u8]>),
    /// The value ends with this.
    Suffix(Box<[u8]>),
    /// The value has this somewhere in it.
    Contains(Box<Finder<'static>>),
    /// The whole value matches.
    Regex(Box<Anchored>),
    /// The value is a decimal integer in this range.
    Range(Range<i64>),
    /// There is a value.
    Present,
    /// There is no value.
    Absent,
    /// The value is one of these, which are sorted.
    OneOf(Box<[Box<[u8]>]>),
}

/// A regular expression for whole values.
#[derive(Clone, Debug)]
pub struct Anchored {
    regex: Regex,
    /// Texts one of which every match begins with; none if that cannot be said.
    pub prefixes: Vec<Box<[u8]>>,
}

impl ValueMatcher {
    /// Largest size of a compiled regular expression, in bytes.
    pub const REGEX_SIZE_LIMIT: usize = 1 << 20;

    /// Compiles `pattern`.
    pub fn new(pattern: Pattern, case: Case, sense: Sense) -> Result<Self, MatchError> {
        pattern.check(case, sense)?;
        let fold = |text: Bytes| -> Box<[u8]> {
            match case {
                Case::Sensitive => (*text).into(),
                Case::Ignore => text.to_ascii_lowercase().into(),
            }
        };
        let test = match pattern {
            Pattern::Exact(text) => Test::Exact(fold(text)),
            Pattern::Prefix(text) => Test::Prefix(fold(text)),
            Pattern::Suffix(text) => Test::Suffix(fold(text)),
            Pattern::Contains(text) => Test::contains(&text, case)?,
            Pattern::Regex(regex) => Test::regex(&regex, case)?,
            Pattern::Range(range) => Test::Range(range),
            Pattern::Present => Test::Present,
            Pattern::Absent => Test::Absent,
            Pattern::OneOf(values) => {
                let mut values: Vec<_> = values.into_iter().map(fold).collect();
                values.sort_unstable();
                values.dedup();
                Test::OneOf(values.into())
            }
        };
        Ok(Self { test, case, sense })
    }

    /// The value is `text`, to the letter.
    pub fn exact(text: impl Into<Bytes>) -> Self {
        Self {
            test: Test::Exact((*text.into()).into()),
            case: Case::Sensitive,
            sense: Sense::Positive,
        }
    }

    /// Whether the values that `head` has for `name` satisfy the condition.
    pub fn matches(&self, head: &Head, name: &Name) -> bool {
        match (&self.test, self.sense) {
            (Test::Absent, _) => head.get(name).is_none(),
            (_, Sense::Positive) => head.any(name, |value| self.accepts(value)),
            (_, Sense::Inverted) => {
                let mut present = false;
                let accepted = head.any(name, |value| {
                    present = true;
                    self.accepts(value)
                });
                present && !accepted
            }
        }
    }

    /// What a value must satisfy for the condition to hold; nothing definite if it is inverted.
    pub fn required(&self) -> Option<&Test> {
        (self.sense == Sense::Positive).then_some(&self.test)
    }

    /// Rank by the work of one comparison.
    pub fn effort(&self) -> u8 {
        match self.test {
            Test::Present | Test::Absent => 0,
            Test::Exact(_) | Test::Prefix(_) | Test::Suffix(_) => 1,
            Test::Range(_) | Test::OneOf(_) => 2,
            Test::Contains(_) => 3,
            Test::Regex(_) => 4,
        }
    }

    fn accepts(&self, value: &[u8]) -> bool {
        match &self.test {
            Test::Exact(text) => self.same(text, value),
            Test::Prefix(text) => value.get(..text.len()).is_some_and(|v| self.same(text, v)),
            Test::Suffix(text) => {
                let from = value.len().checked_sub(text.len());
                from.is_some_and(|from| self.same(text, &value[from..]))
            }
            Test::Contains(finder) => finder.find(value).is_some(),
            Test::Regex(anchored) => anchored.regex.is_match(value),
            Test::Range(range) => integer(value).is_some_and(|n| range.contains(&n)),
            Test::Present => true,
            Test::Absent => false,
            Test::OneOf(texts) => texts
                .binary_search_by(|text| self.order(text, value))
                .is_ok(),
        }
    }

    fn same(&self, text: &[u8], value: &[u8]) -> bool {
        match self.case {
            Case::Sensitive => text == value,
            Case::Ignore => text.eq_ignore_ascii_case(value),
        }
    }

    fn order(&self, text: &[u8], value: &[u8]) -> Ordering {
        match self.case {
            Case::Sensitive => text.cmp(value),
            Case::Ignore => text
                .iter()
                .copied()
                .cmp(value.iter().map(u8::to_ascii_lowercase)),
        }
    }
}

impl Pattern {
    fn check(&self, case: Case, sense: Sense) -> Result<(), MatchError> {
        let pattern = self.kind();
        match self {
            Self::Prefix(text) | Self::Suffix(text) | Self::Contains(text) if text.is_empty() => {
                return Err(MatchError::EmptyPattern { pattern });
            }
            Self::OneOf(values) if values.is_empty() => return Err(MatchError::EmptySet),
            Self::Range(Range { start, end }) if start >= end => {
                let (start, end) = (*start, *end);
                return Err(MatchError::EmptyRange { start, end });
            }
            _ => {}
        }
        let letters = !matches!(self, Self::Range(_) | Self::Present | Self::Absent);
        if case == Case::Ignore && !letters {
            return Err(MatchError::NoCase { pattern });
        }
        if sense == Sense::Inverted && matches!(self, Self::Present | Self::Absent) {
            return Err(MatchError::NoInverse);
        }
        Ok(())
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Exact(_) => "exact",
            Self::Prefix(_) => "prefix",
            Self::Suffix(_) => "suffix",
            Self::Contains(_) => "contains",
            Self::Regex(_) => "regex",
            Self::Range(_) => "range",
            Self::Present | Self::Absent => "present",
            Self::OneOf(_) => "one_of",
        }
    }
}

impl Test {
    fn contains(text: &[u8], case: Case) -> Result<Self, MatchError> {
        if case == Case::Sensitive {
            return Ok(Self::Contains(Box::new(Finder::new(text).into_owned())));
        }
        // The regex engine searches in linear time whatever the value, which a loop over
        // case-insensitive comparisons does not.
        let escaped: String = text.iter().map(|byte| format!(r"\x{byte:02x}")).collect();
        let regex = compiler(&escaped, case).unicode(false).build()?;
        let prefixes = Vec::new();
        Ok(Self::Regex(Box::new(Anchored { regex, prefixes })))
    }

    fn regex(pattern: &str, case: Case) -> Result<Self, MatchError> {
        // Parsed alone first: a stray parenthesis must not close the group put around it.
        let prefixes = match parser(case).parse(pattern) {
            Ok(syntax) => literal_prefixes(&syntax),
            Err(_) => {
                compiler(pattern, case).build()?;
                Vec::new()
            }
        };
        let whole = compiler(&format!(r"\A(?:{pattern})\z"), case).build();
        // A trailing comment in verbose mode hides the closing parenthesis, unless its line ends.
        let whole = whole.or_else(|error| {
            let whole = compiler(&format!("\\A(?:{pattern}\n)\\z"), case).build();
            whole.map_err(|_| error)
        });
        let regex = whole?;
        Ok(Self::Regex(Box::new(Anchored { regex, prefixes })))
    }
}

fn compiler(pattern: &str, case: Case) -> RegexBuilder {
    let mut builder = RegexBuilder::new(pattern);
    builder
        .case_insensitive(case == Case::Ignore)
        .size_limit(ValueMatcher::REGEX_SIZE_LIMIT)
        .dfa_size_limit(ValueMatcher::REGEX_SIZE_LIMIT);
    builder
}

/// For the same language as [`compiler`].
fn parser(case: Case) -> regex_syntax::Parser {
    regex_syntax::ParserBuilder::new()
        .utf8(false)
        .case_insensitive(case == Case::Ignore)
        .build()
}

/// Texts one of which every match begins with; none if that cannot be said.
fn literal_prefixes(syntax: &Hir) -> Vec<Box<[u8]>> {
    let sequence = Extractor::new().extract(syntax);
    let literals = sequence.literals().unwrap_or_default();
    if literals.iter().any(|literal| literal.is_empty()) {
        return Vec::new();
    }
    literals.iter().map(|l| l.as_bytes().into()).collect()
}

fn integer(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}
