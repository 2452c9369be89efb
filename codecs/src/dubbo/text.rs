//! A string found in a message.

use std::borrow::Cow;
use std::ops::Range;

/// A string found in a message: where it stands if its bytes are UTF-8 there, else what it means.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Text {
    /// The bytes of the message in this range are the string.
    At(Range<usize>),
    /// The message spells it otherwise (in chunks, in surrogates, as a number); this is its UTF-8.
    Own(Vec<u8>),
}

impl Text {
    /// The string's UTF-8, given the message it was found in.
    pub fn of<'a>(&'a self, message: &'a [u8]) -> &'a [u8] {
        match self {
            Self::At(range) => message.get(range.clone()).unwrap_or_default(),
            Self::Own(bytes) => bytes,
        }
    }

    /// The same, for a reader.
    pub fn to_str<'a>(&'a self, message: &'a [u8]) -> Cow<'a, str> {
        String::from_utf8_lossy(self.of(message))
    }
}
