//! The nine octets before each payload.
//!
//! Specification: RFC 9113 §4.1.

use sabir_core::output::Output;

use super::HEAD_LEN;

/// What precedes a payload.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// Length of the payload, in octets.
    pub len: usize,
    /// What the payload is.
    pub kind: Kind,
    /// Flags of that kind; see [`flags`].
    pub flags: u8,
    /// Stream it belongs to; zero for the connection.
    pub stream: u32,
}

/// Types of frames.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names are those of RFC 9113 §6")]
pub enum Kind {
    Data,
    Headers,
    Priority,
    Reset,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    /// Any other, which is ignored. RFC 9113 §5.5.
    Unknown(u8),
}

/// Flags of frames.
pub mod flags {
    /// Nothing follows on the stream (DATA, HEADERS).
    pub const END_STREAM: u8 = 0x1;
    /// An answer (SETTINGS, PING).
    pub const ACK: u8 = 0x1;
    /// The header block ends here (HEADERS, CONTINUATION).
    pub const END_HEADERS: u8 = 0x4;
    /// Padding is there (DATA, HEADERS).
    pub const PADDED: u8 = 0x8;
    /// A priority is there (HEADERS).
    pub const PRIORITY: u8 = 0x20;
}

impl Head {
    /// A head of a frame that we write.
    pub fn new(kind: Kind, flags: u8, stream: u32, len: usize) -> Self {
        Self {
            len,
            kind,
            flags,
            stream,
        }
    }

    /// Reads a head, if all of it is there.
    pub fn load(input: &[u8]) -> Option<Self> {
        let &[a, b, c, kind, flags, ref stream @ ..] = input.first_chunk::<HEAD_LEN>()?;
        Some(Self {
            len: u32::from_be_bytes([0, a, b, c]) as usize,
            kind: Kind::from_octet(kind),
            flags,
            stream: u32::from_be_bytes(*stream) & !(1 << 31),
        })
    }

    /// Writes it.
    pub fn encode(&self, out: &mut Output) {
        let [_, a, b, c] = (self.len as u32).to_be_bytes();
        let [d, e, f, g] = self.stream.to_be_bytes();
        out.put(&[a, b, c, self.kind.octet(), self.flags, d, e, f, g]);
    }

    /// Whether a flag is set.
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Data,
        Self::Headers,
        Self::Priority,
        Self::Reset,
        Self::Settings,
        Self::PushPromise,
        Self::Ping,
        Self::GoAway,
        Self::WindowUpdate,
        Self::Continuation,
    ];

    fn from_octet(octet: u8) -> Self {
        let known = Self::ALL.get(usize::from(octet)).copied();
        known.unwrap_or(Self::Unknown(octet))
    }

    fn octet(self) -> u8 {
        match self {
            Self::Unknown(octet) => octet,
            known => Self::ALL.iter().position(|&k| k == known).unwrap_or(0) as u8,
        }
    }
}
