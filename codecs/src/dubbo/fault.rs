//! What can be wrong with a message body, whatever its serialization.

use sabir_core::metadata::Malformed;
use thiserror::Error;

/// Why a body could not be read, and where.
///
/// The connection survives all of these: framing does not depend on the body.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("{fault} at offset {at}")]
pub struct BodyError {
    /// What is wrong.
    pub fault: Fault,
    /// Offset of the offending byte in the slice that was read, in bytes.
    pub at: usize,
}

/// What is wrong with a body.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Fault {
    /// The body ends inside a value.
    #[error("body ends inside a value")]
    Truncated,
    /// A tag the serialization reserves.
    #[error("reserved tag {0:#04x}")]
    ReservedTag(u8),
    /// An end marker where a value is due.
    #[error("end marker where a value is due")]
    StrayEnd,
    /// An object of a class that was not defined before.
    #[error("class {0} is not defined")]
    UnknownClass(i32),
    /// A reference to a type that was not named before.
    #[error("type {0} is not defined")]
    UnknownType(i32),
    /// A back reference below zero.
    #[error("back reference {0} is negative")]
    NegativeReference(i32),
    /// A declared number of elements, fields or bytes that is negative or more than the bytes left.
    #[error("declared count {0} does not fit in the body")]
    CountTooLarge(i64),
    /// A byte that no string may hold at this place.
    #[error("byte {0:#04x} is not valid in a string")]
    BadString(u8),
    /// A chunk of a string or of binary data is followed by a value of another kind.
    #[error("chunk is followed by tag {0:#04x}")]
    BrokenChunk(u8),
    /// Values are nested deeper than [`MAX_DEPTH`](super::hessian2::MAX_DEPTH).
    #[error("values are nested too deep")]
    TooDeep,
    /// More classes or types than [`MAX_DEFINITIONS`](super::hessian2::MAX_DEFINITIONS).
    #[error("too many classes or types")]
    TooManyDefinitions,
    /// Something else where a string is due.
    #[error("tag {0:#04x} is not a string")]
    NotString(u8),
    /// Something else where an int is due.
    #[error("tag {0:#04x} is not an int")]
    NotInt(u8),
    /// Something else where the attachments are due: the parameter descriptor lied.
    #[error("tag {0:#04x} is not a map")]
    NotMap(u8),
    /// The parameter descriptor is not one.
    #[error("malformed parameter descriptor")]
    Descriptor,
    /// The parameter descriptor names more arguments than the body has bytes left.
    #[error("more arguments than bytes left")]
    TooManyArguments,
}

impl Fault {
    /// This fault, found at offset `at`.
    pub(crate) const fn at(self, at: usize) -> BodyError {
        BodyError { fault: self, at }
    }
}

impl Fault {
    /// What a message's bytes lack or have too much of, in few words.
    const fn part(self) -> &'static str {
        match self {
            Self::Truncated => "body (ends inside a value)",
            Self::ReservedTag(_) => "tag (reserved)",
            Self::StrayEnd => "value (end marker)",
            Self::UnknownClass(_) => "class index",
            Self::UnknownType(_) => "type index",
            Self::NegativeReference(_) => "back reference",
            Self::CountTooLarge(_) => "declared count",
            Self::BadString(_) => "string",
            Self::BrokenChunk(_) => "chunk",
            Self::TooDeep => "nesting (too deep)",
            Self::TooManyDefinitions => "definitions (too many)",
            Self::NotString(_) => "value (no string)",
            Self::NotInt(_) => "value (no int)",
            Self::NotMap(_) => "attachments (no map)",
            Self::Descriptor => "parameter descriptor",
            Self::TooManyArguments => "parameter descriptor (more arguments than bytes)",
        }
    }
}

impl From<BodyError> for Malformed {
    fn from(error: BodyError) -> Self {
        let BodyError { fault, at } = error;
        Self {
            part: fault.part(),
            at,
        }
    }
}
