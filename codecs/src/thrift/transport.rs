//! How a message is delimited, and how that is told from its first bytes.
//!
//! ```text
//! unframed   the message alone; its end is found by walking over its struct
//! framed     i32 length, then the message
//! header     THeader: i32 length, 0f ff, header data, then the message, perhaps transformed
//! ```
//!
//! A strict binary or compact message starts with the top bit set and a length does not, so that
//! each message tells its transport itself. Only an unframed message of the old binary protocol
//! looks like a length: it is read where `transport: unframed` excludes frames.
//!
//! Specification: `THeaderTransport` of apache/thrift.

use sabir_core::message::u32_at;

use super::fault::{Bad, Fault};
use super::header;
use super::message::{Encoding, MAX_NAME, Message};
use super::options::{Choice, Options};
use super::walk::Walk;

/// How a message is delimited.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// By nothing but its own end.
    Unframed,
    /// By a length before it.
    Framed,
    /// By THeader, which carries pairs.
    Header,
}

impl Transport {
    /// Name in metadata and options.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unframed => "unframed",
            Self::Framed => "framed",
            Self::Header => "header",
        }
    }

    /// Octets before the message, the header data of THeader aside.
    pub(super) fn prefix(self) -> usize {
        match self {
            Self::Unframed => 0,
            Self::Framed => 4,
            Self::Header => header::FIXED,
        }
    }
}

/// What the first bytes of a message say of its length.
#[derive(Debug)]
pub(super) enum Start {
    /// It is a frame of this length, the length word included.
    Frame(usize),
    /// It has a header that says no length; its struct is walked over.
    Struct(Walk),
}

/// Tells the transport of the message that starts `bytes`, of which it takes `limit` at most;
/// `None` if too few arrived.
pub(super) fn start(bytes: &[u8], options: &Options, limit: usize) -> Result<Option<Start>, Bad> {
    let Some(&first) = bytes.first() else {
        return Ok(None);
    };
    if first >= 0x80 {
        if !options.transport.is(Transport::Unframed) {
            return Err(Fault::Excluded.at(0));
        }
        return unframed(bytes, options, limit);
    }
    // The old binary protocol, which starts with the length of the name.
    if options.transport == Choice::Only(Transport::Unframed) {
        return unframed(bytes, options, limit);
    }
    framed(bytes, options)
}

/// Whether a message in `encoding` is one that the options exclude.
pub(super) fn check(encoding: Encoding, options: &Options) -> Result<(), Fault> {
    if options.protocol.is(encoding.protocol()) {
        return Ok(());
    }
    Err(Fault::Excluded)
}

fn unframed(bytes: &[u8], options: &Options, limit: usize) -> Result<Option<Start>, Bad> {
    if let Some(encoding) = Encoding::detect(bytes, 0)? {
        check(encoding, options).map_err(|fault| fault.at(0))?;
    }
    let message = Message::read(bytes, 0)?;
    Ok(message.map(|m| Start::Struct(Walk::new(m.encoding, m.body, limit))))
}

fn framed(bytes: &[u8], options: &Options) -> Result<Option<Start>, Bad> {
    if let Some(word) = bytes.first_chunk::<4>()
        && FOREIGN.contains(&word)
    {
        return Err(Fault::Http.at(0));
    }
    let (Some(len), Some(&magic)) = (
        u32_at(bytes, 0),
        bytes.get(4..).and_then(<[u8]>::first_chunk),
    ) else {
        return Ok(None);
    };
    let len = len as usize;
    let transport = match magic {
        header::MAGIC => Transport::Header,
        [0x10, 0x00] => return Err(Fault::TtHeader.at(4)),
        [0xda, 0xbc] => return Err(Fault::DubboThrift.at(4)),
        _ => Transport::Framed,
    };
    if !options.transport.is(transport) {
        return Err(Fault::Excluded.at(4));
    }
    let shortest = match transport {
        Transport::Header => header::MIN_FRAME,
        _ => MIN_MESSAGE,
    };
    if len < shortest {
        return Err(Fault::FrameLength.at(0));
    }
    if transport == Transport::Framed {
        let Some(encoding) = inside(bytes, len)? else {
            return Ok(None);
        };
        check(encoding, options).map_err(|fault| fault.at(4))?;
    }
    Ok(Some(Start::Frame(4 + len)))
}

/// Tells the encoding of a message in a frame of `len` bytes; `None` if too little arrived.
fn inside(bytes: &[u8], len: usize) -> Result<Option<Encoding>, Bad> {
    let unknown = Fault::Transport.at(4);
    let encoding = Encoding::detect(bytes, 4).map_err(|_| unknown)?;
    if encoding != Some(Encoding::Lax) {
        return Ok(encoding);
    }
    // Any small number could begin it, as it does in other protocols.
    match u32_at(bytes, 4) {
        Some(name) if name as usize > len.min(MAX_NAME) => Err(unknown),
        name => Ok(name.and(encoding)),
    }
}

/// Bytes of the shortest message: a compact one without name or fields.
const MIN_MESSAGE: usize = 5;

/// First words of HTTP, which would be frames of a gigabyte and more.
const FOREIGN: [&[u8; 4]; 8] = [
    b"GET ", b"POST", b"HEAD", b"PUT ", b"DELE", b"OPTI", b"HTTP", b"PRI ",
];
