//! Attachments: the key-value pairs at the end of a body, whatever its serialization.

use std::ops::Range;

use super::text::Text;

/// One key and its value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Text,
    /// The value if it is a string, or a boolean or number as Java prints it.
    pub text: Option<Text>,
    /// Whether the entry can be cut out without changing what others mean. Not so if it is a map,
    /// list or object, or names something that others refer to by number.
    pub removable: bool,
    /// Where key and value stand in the message; cutting it out removes the entry.
    pub range: Range<usize>,
}

/// Where a map stands in the message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MapSpan {
    /// A map.
    Map {
        /// The whole of it, tag and end marker included.
        range: Range<usize>,
    },
    /// A null, or the empty string that dubbo-go tolerates in its place.
    Absent {
        /// What stands for the map.
        range: Range<usize>,
    },
}

impl MapSpan {
    /// The bytes it covers.
    pub fn range(&self) -> &Range<usize> {
        match self {
            Self::Map { range } | Self::Absent { range } => range,
        }
    }
}
