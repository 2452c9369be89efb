//! What follows a value's first byte.

/// Null.
pub(super) const NULL: u8 = b'N';
/// Untyped map.
pub(super) const MAP: u8 = b'H';
/// Typed map.
pub(super) const TYPED_MAP: u8 = b'M';
/// End of a map or of a list of unknown length.
pub(super) const END: u8 = b'Z';

/// What has to be read after a tag to get past the value it starts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    /// This many bytes.
    Fixed(usize),
    /// Characters, possibly in chunks.
    String,
    /// Bytes, possibly in chunks.
    Binary,
    /// A class definition, then the value itself.
    Class,
    /// Fields of an object, its class given by the tag or by an int.
    Object(Option<u8>),
    /// Pairs up to an end marker.
    Map(Typed),
    /// Elements: as many as the tag says.
    Short(Typed, u8),
    /// Elements: as many as an int says.
    Counted(Typed),
    /// Elements up to an end marker.
    Open(Typed),
    /// An int: which earlier map, list or object this is.
    Reference,
    /// Nothing: not a value.
    End,
    /// Nothing: reserved.
    Reserved,
}

/// Whether a type name or index precedes the content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Typed {
    Yes,
    No,
}

impl Shape {
    /// The shape of the value that starts with `tag`.
    pub(super) const fn of(tag: u8) -> Self {
        match tag {
            0x00..=0x1f | 0x30..=0x33 | b'R' | b'S' => Self::String,
            0x20..=0x2f | 0x34..=0x37 | b'A' | b'B' => Self::Binary,
            b'N' | b'T' | b'F' | 0x5b | 0x5c | 0x80..=0xbf | 0xd8..=0xef => Self::Fixed(0),
            0x5d | 0xc0..=0xcf | 0xf0..=0xff => Self::Fixed(1),
            0x38..=0x3f | 0x5e | 0xd0..=0xd7 => Self::Fixed(2),
            b'I' | 0x4b | 0x59 | 0x5f => Self::Fixed(4),
            b'D' | 0x4a | b'L' => Self::Fixed(8),
            b'C' => Self::Class,
            b'O' => Self::Object(None),
            0x60..=0x6f => Self::Object(Some(tag - 0x60)),
            b'H' => Self::Map(Typed::No),
            b'M' => Self::Map(Typed::Yes),
            0x70..=0x77 => Self::Short(Typed::Yes, tag - 0x70),
            0x78..=0x7f => Self::Short(Typed::No, tag - 0x78),
            b'V' => Self::Counted(Typed::Yes),
            0x58 => Self::Counted(Typed::No),
            0x55 => Self::Open(Typed::Yes),
            0x57 => Self::Open(Typed::No),
            0x51 => Self::Reference,
            END => Self::End,
            0x40 | 0x45 | 0x47 | 0x50 => Self::Reserved,
        }
    }

    /// Whether a type name or index follows the tag.
    pub(super) const fn typed(self) -> Typed {
        match self {
            Self::Map(typed) | Self::Short(typed, _) | Self::Counted(typed) | Self::Open(typed) => {
                typed
            }
            _ => Typed::No,
        }
    }

    /// Whether values of this shape take part in the numbering of references, types or classes, so
    /// that removing one would change what later values mean.
    pub(super) const fn is_numbered(self) -> bool {
        !matches!(
            self,
            Self::Fixed(_) | Self::String | Self::Binary | Self::Reference
        )
    }
}
