//! Bodies in the serializations that can be read, as far as they can be.

use std::ops::Range;

use super::attachments::{Entry, MapSpan};
use super::cursor::Cursor;
use super::fault::BodyError;
use super::hessian2::{self, Skipper};
use super::json::JsonBody;
use super::jsonb::{self, JsonbBody};
use super::protobuf::ProtobufBody;
use super::text::Text;

/// A body that is read value by value from its start.
pub(super) trait Body {
    /// Offset of the next value in the message.
    fn offset(&self) -> usize;

    /// Bytes that are left.
    fn remaining(&self) -> usize;

    /// Reads a string, or the null in its place.
    fn string(&mut self) -> Result<Option<Text>, BodyError>;

    /// Reads an int.
    fn int(&mut self) -> Result<i32, BodyError>;

    /// Moves past a value of any kind.
    fn skip(&mut self) -> Result<(), BodyError>;

    /// Reads a map with string keys.
    fn map(&mut self, entry: &mut dyn FnMut(Entry)) -> Result<MapSpan, BodyError>;
}

/// How a body is serialized: the low five bits of the flags.
///
/// Specification: `Constants` of dubbo-serialization-api.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Serialization {
    /// 2.
    Hessian2,
    /// 6: a line of JSON text per value.
    Fastjson,
    /// 22: a message per value, each after its length.
    Protobuf,
    /// 23: JSONB, each value after its length.
    Fastjson2,
    /// Any other: passed on as it is.
    Opaque,
}

impl Serialization {
    /// The serialization with this id.
    pub(super) fn of(id: u8) -> Self {
        match id {
            2 => Self::Hessian2,
            6 => Self::Fastjson,
            22 => Self::Protobuf,
            23 => Self::Fastjson2,
            _ => Self::Opaque,
        }
    }

    /// Runs `read` on the body that starts at `at`; `None` if it cannot be read.
    pub(super) fn read<R>(
        self,
        wire: &[u8],
        at: usize,
        read: impl FnOnce(&mut dyn Body) -> R,
    ) -> Option<R> {
        let cursor = Cursor::new(wire, at);
        Some(match self {
            Self::Hessian2 => read(&mut HessianBody::new(cursor)),
            Self::Fastjson => read(&mut JsonBody::new(cursor)),
            Self::Protobuf => read(&mut ProtobufBody::new(cursor)),
            Self::Fastjson2 => read(&mut JsonbBody::new(cursor)),
            Self::Opaque => return None,
        })
    }

    /// How metadata is spelled, if it can be written.
    pub(super) fn spelling(self) -> Option<Spelling> {
        match self {
            Self::Hessian2 => Some(Spelling::Hessian2),
            Self::Fastjson2 => Some(Spelling::Jsonb),
            Self::Fastjson | Self::Protobuf | Self::Opaque => None,
        }
    }

    /// Whether a body that cannot be read is the sender's fault rather than a gap in our knowledge.
    pub(super) fn is_known_completely(self) -> bool {
        self == Self::Hessian2
    }
}

/// How strings and maps are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Spelling {
    Hessian2,
    /// Values of the body have their length in front, in four octets; values within them do not.
    Jsonb,
}

impl Spelling {
    /// Appends a string that is a value of its own; says whether there is a way to write it.
    pub(super) fn value(self, text: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let start = out.len();
        if self == Self::Jsonb {
            out.extend_from_slice(&[0; LENGTH]);
        }
        self.text(text, out)?;
        if self == Self::Jsonb {
            let len = u32::try_from(out.len() - start - LENGTH).ok()?;
            out[start..start + LENGTH].copy_from_slice(&len.to_be_bytes());
        }
        Some(())
    }

    /// Appends a key and its value.
    pub(super) fn pair(self, key: &[u8], value: &[u8], out: &mut Vec<u8>) -> Option<()> {
        self.text(key, out)?;
        self.text(value, out)
    }

    /// Appends a map that is a value of its own.
    pub(super) fn map<'a>(
        self,
        pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let (open, end) = self.brackets();
        let mut map = vec![open];
        for (key, value) in pairs {
            self.pair(key, value, &mut map)?;
        }
        map.push(end);
        if self == Self::Jsonb {
            out.extend_from_slice(&u32::try_from(map.len()).ok()?.to_be_bytes());
        }
        out.append(&mut map);
        Some(())
    }

    /// The octets that start and end a map.
    pub(super) fn brackets(self) -> (u8, u8) {
        match self {
            Self::Hessian2 => (b'H', b'Z'),
            Self::Jsonb => (jsonb::OBJECT, jsonb::OBJECT_END),
        }
    }

    /// The octets that say how long the value in `range` is, and what they have to say when it is
    /// `len` long.
    pub(super) fn length(
        self,
        range: &Range<usize>,
        len: usize,
    ) -> Option<(Range<usize>, [u8; LENGTH])> {
        if self == Self::Hessian2 {
            return None;
        }
        let at = range.start.checked_sub(LENGTH)?..range.start;
        Some((at, u32::try_from(len).ok()?.to_be_bytes()))
    }

    fn text(self, text: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let text = str::from_utf8(text).ok()?;
        match self {
            Self::Hessian2 => hessian2::write_string(text, out),
            Self::Jsonb => jsonb::write_string(text, out),
        }
        Some(())
    }
}

/// Octets of a length.
const LENGTH: usize = 4;

/// A body in Hessian 2.0: values follow each other.
struct HessianBody<'a> {
    cursor: Cursor<'a>,
    skipper: Skipper,
}

impl<'a> HessianBody<'a> {
    fn new(cursor: Cursor<'a>) -> Self {
        let skipper = Skipper::default();
        Self { cursor, skipper }
    }
}

impl Body for HessianBody<'_> {
    fn offset(&self) -> usize {
        self.cursor.offset()
    }

    fn remaining(&self) -> usize {
        self.cursor.remaining()
    }

    fn string(&mut self) -> Result<Option<Text>, BodyError> {
        hessian2::read_string(&mut self.cursor)
    }

    fn int(&mut self) -> Result<i32, BodyError> {
        hessian2::read_int(&mut self.cursor)
    }

    fn skip(&mut self) -> Result<(), BodyError> {
        self.skipper.skip(&mut self.cursor)
    }

    fn map(&mut self, entry: &mut dyn FnMut(Entry)) -> Result<MapSpan, BodyError> {
        hessian2::read_map(&mut self.cursor, &mut self.skipper, entry)
    }
}
