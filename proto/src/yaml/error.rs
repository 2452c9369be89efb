//! What can be wrong with a file, and where.

use std::fmt;
use std::sync::Arc;

/// A place in a text. Both count from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.line, self.column)
    }
}

/// One thing that is wrong with a file.
///
/// Displayed as `FILE:LINE:COLUMN: PATH: MESSAGE`, without the path where the
/// whole file is meant.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// The file's name, as it was given.
    pub file: Arc<str>,
    /// The field: `listeners[0].filters[2].match`; empty for the whole file.
    pub path: String,
    /// Where the wrong value or key begins.
    pub position: Position,
    /// What is wrong.
    pub kind: ErrorKind,
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: ", self.file, self.position)?;
        if !self.path.is_empty() {
            write!(out, "{}: ", self.path)?;
        }
        self.kind.fmt(out)
    }
}

/// Everything that is wrong with a file, in the order of its text; displayed
/// with one line each.
#[derive(Clone, Debug, PartialEq)]
pub struct Errors {
    errors: Vec<Error>,
    omitted: usize,
}

impl Errors {
    /// Errors that are kept; the rest is only counted.
    pub const LIMIT: usize = 1000;

    pub(super) fn new(mut errors: Vec<Error>, omitted: usize) -> Self {
        errors.sort_by_key(|error| error.position);
        Self { errors, omitted }
    }

    /// What is wrong with the file as a whole.
    pub(super) fn one(file: &Arc<str>, position: Position, kind: ErrorKind) -> Self {
        let (file, path) = (Arc::clone(file), String::new());
        Self::new(
            vec![Error {
                file,
                path,
                position,
                kind,
            }],
            0,
        )
    }

    /// The errors, at least one.
    pub fn iter(&self) -> std::slice::Iter<'_, Error> {
        self.errors.iter()
    }

    /// How many more there are than [`Errors::iter`] gives.
    #[must_use]
    pub const fn omitted(&self) -> usize {
        self.omitted
    }
}

impl IntoIterator for Errors {
    type Item = Error;
    type IntoIter = std::vec::IntoIter<Error>;

    fn into_iter(self) -> Self::IntoIter {
        self.errors.into_iter()
    }
}

impl<'a> IntoIterator for &'a Errors {
    type Item = &'a Error;
    type IntoIter = std::slice::Iter<'a, Error>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl std::error::Error for Errors {}

impl fmt::Display for Errors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(out, "{separator}{error}")?;
        }
        if self.omitted > 0 {
            write!(out, "\nand {} more", self.omitted)?;
        }
        Ok(())
    }
}

/// What is wrong at a place of a file.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file is larger than [`MAX_BYTES`](super::MAX_BYTES).
    #[error("the file has {size} bytes, more than {limit}")]
    TooLarge {
        /// The file's size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The file is not UTF-8; the position is that of the first wrong byte.
    #[error("not UTF-8")]
    NotUtf8,
    /// It is not YAML 1.2.
    #[error("not valid YAML: {reason}")]
    Syntax {
        /// The parser's words.
        reason: String,
    },
    /// There is nothing in the file. An empty file is more likely one that is
    /// just being written than a wish to remove everything.
    #[error("the file is empty; `{{}}` says that nothing is configured")]
    Empty,
    /// The file has a second YAML document.
    #[error("a second document begins here; a configuration is one document")]
    SeveralDocuments,
    /// Lists and mappings are nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    #[error("lists and mappings are nested more than {limit} deep")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// With its aliases expanded, the file has more than
    /// [`MAX_NODES`](super::MAX_NODES) nodes.
    #[error("the file has more than {limit} values, aliases expanded")]
    TooManyNodes {
        /// The limit.
        limit: usize,
    },
    /// An alias stands inside the node that its anchor names.
    #[error("an alias of the value it is part of")]
    RecursiveAlias,
    /// A tag other than `!!str`, `!!map` and `!!seq`.
    #[error("the tag {tag} is not supported")]
    UnsupportedTag {
        /// The tag as written, or as its handle says.
        tag: String,
    },
    /// YAML 1.1's `<<`.
    #[error("merge keys are not part of YAML 1.2; give the whole value, or an alias of it")]
    MergeKey,
    /// A mapping's key is a list or a mapping.
    #[error("a key is a string, but this is {found}")]
    KeyNotScalar {
        /// What was found.
        found: &'static str,
    },
    /// The key was already given, maybe in its other spelling.
    #[error("duplicate key; first on line {}, column {}", first.line, first.column)]
    DuplicateKey {
        /// Where it was given first.
        first: Position,
    },
    /// The message has no such field.
    #[error("unknown field of {message}{}", did_you_mean(suggestion.as_deref()))]
    UnknownField {
        /// The message's name.
        message: String,
        /// The field that is spelled most like it, if one is near.
        suggestion: Option<String>,
    },
    /// The schema keeps the field's name for later.
    #[error("not supported by this version of sabir")]
    ReservedField,
    /// Two members of a `oneof` are given.
    #[error("`{member}` is already given on line {}, column {}; only one of {} can be",
        first.line, first.column, list(members))]
    Exclusive {
        /// The member that was given first.
        member: String,
        /// Where.
        first: Position,
        /// All members.
        members: Vec<String>,
    },
    /// The value has another type.
    #[error("expected {expected}, found {found}{}", hint(expected, found))]
    WrongType {
        /// What the field takes.
        expected: &'static str,
        /// What was found.
        found: &'static str,
    },
    /// The number does not fit.
    #[error("{value} is out of range; it can be from {min} to {max}")]
    OutOfRange {
        /// The number as written.
        value: String,
        /// The least that fits.
        min: String,
        /// The most that fits.
        max: String,
    },
    /// A number with a fraction where there can be none.
    #[error("{value} is not a whole number")]
    NotWhole {
        /// The number as written.
        value: String,
    },
    /// A number that JSON has no form for, in free-form data.
    #[error("{value} cannot be kept exactly; write it as a string")]
    Inexact {
        /// The number as written.
        value: String,
    },
    /// No duration.
    #[error("{value:?} is not a duration; write seconds, with an s: \"1.5s\"")]
    Duration {
        /// The value as written.
        value: String,
    },
    /// A duration below zero; none of the schema's can be.
    #[error("a duration cannot be negative")]
    NegativeDuration,
    /// No base64.
    #[error("not base64")]
    Base64,
    /// The enum has no such value.
    #[error("{value:?} is none of {}{}", list(allowed), did_you_mean(suggestion.as_deref()))]
    UnknownEnumValue {
        /// The value as written.
        value: String,
        /// What it can be.
        allowed: Vec<String>,
        /// What is spelled most like it, if one is near.
        suggestion: Option<String>,
    },
    /// The messages nest deeper than their wire format can.
    #[error("cannot be encoded: {reason}")]
    Encoding {
        /// The encoder's words.
        reason: String,
    },
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

fn list(names: &[String]) -> String {
    names.join(", ")
}

/// What helps with the mistakes that YAML invites.
fn hint(expected: &str, found: &str) -> &'static str {
    match (expected, found) {
        ("a string", "a number" | "a boolean") => "; put it in quotes",
        ("a boolean", "a string") => "; write true or false, without quotes",
        ("a duration", "a number") => "; write seconds, with an s: \"1.5s\"",
        _ => "",
    }
}
