//! motan1: passed on with its id rewritten, and understood as far as routing needs.
//!
//! ```text
//! 0       f1 f1     magic
//! 2       00
//! 3       00 request, 01 response
//! 4..12   request id
//! 12..16  length of what follows
//! 16      f0 f0     inner magic
//! 18      01, or 02 for the variant that may be compressed
//! 19      00 request, 01 response, 03 without value, 05 exception, 07 with attachments
//! 20..28  request id again
//! 28..32  length of what follows
//! 32      a Java object stream
//! ```
//!
//! Compressed messages are passed on unread: their service is not known.
//!
//! Specification: `NettyDecoder.decodeV1`, `DefaultRpcCodec`, `CompressRpcCodec` of weibocom/motan,
//! `motan1Protocol.go` of weibocom/motan-go.

use std::ops::Range;

use bytes::Bytes;
use sabir_core::connection::Written;
use sabir_core::frame::StreamId;
use sabir_core::head::{Echo, Head};
use sabir_core::message::{Decoded, u64_at};
use sabir_core::metadata::Malformed;
use sabir_core::output::Output;

use super::header::{MAGIC, length_at};

mod call;
mod reply;
mod stream;

pub(super) use reply::{exception, pong, reply};

/// Version in the place of Motan2's that is motan1.
pub(super) const VERSION: u8 = 0;

/// Octets before the object stream.
const LEN: usize = 32;
/// Where the length of what follows the outer header stands.
const OUTER_LENGTH_AT: usize = 12;
/// Octets of the outer header.
const OUTER_LEN: usize = 16;
/// Where the length of the object stream stands.
const INNER_LENGTH_AT: usize = 28;
/// The two places of the request id.
const IDS: [Range<usize>; 2] = [4..12, 20..28];
/// What starts the inner header.
const INNER_MAGIC: [u8; 2] = [0xf0, 0xf0];

/// What a message is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Header {
    /// The octet that tells requests from responses.
    kind: u8,
    /// Variant of the object stream.
    variant: u8,
    /// What the object stream holds.
    flag: u8,
    id: u64,
}

/// Kind of requests.
const REQUEST: u8 = 0;
/// Kind of responses.
const RESPONSE: u8 = 1;
/// The variant everybody speaks.
const PLAIN: u8 = 1;
/// The variant whose object stream may be compressed and its strings replaced by signatures.
const COMPRESSED: u8 = 2;

impl Header {
    /// The octets of this header before an object stream of `len` bytes.
    fn octets(self, len: u32) -> [u8; LEN] {
        let mut octets = [0; LEN];
        octets[..2].copy_from_slice(&MAGIC);
        octets[3] = self.kind;
        octets[OUTER_LENGTH_AT..OUTER_LEN].copy_from_slice(&(len + 16).to_be_bytes());
        octets[16..18].copy_from_slice(&INNER_MAGIC);
        octets[18] = self.variant;
        octets[19] = self.flag;
        octets[INNER_LENGTH_AT..].copy_from_slice(&len.to_be_bytes());
        with_id(octets, self.id)
    }
}

/// Length of the message that starts `buf`, of which four octets at least are there; `None` if that
/// is not known yet.
///
/// # Errors
/// [`Malformed`] for anything but the header above, with lengths that agree.
pub(super) fn message_len(buf: &[u8]) -> Result<Option<usize>, Malformed> {
    let refused = |part, at| Err(Malformed { part, at });
    if buf[2] != 0 {
        return refused("flags", 2);
    }
    if ![REQUEST, RESPONSE].contains(&buf[3]) {
        return refused("kind", 3);
    }
    let Some(outer) = length_at(buf, OUTER_LENGTH_AT, "length")? else {
        return Ok(None);
    };
    if outer < LEN - OUTER_LEN {
        return refused("length", OUTER_LENGTH_AT);
    }
    let Some(inner) = length_at(buf, INNER_LENGTH_AT, "inner length")? else {
        return Ok(None);
    };
    if buf[16..18] != INNER_MAGIC {
        return refused("inner magic", 16);
    }
    if ![PLAIN, COMPRESSED].contains(&buf[18]) {
        return refused("variant", 18);
    }
    if inner + LEN != outer + OUTER_LEN {
        return refused("inner length", INNER_LENGTH_AT);
    }
    Ok(Some(outer + OUTER_LEN))
}

/// Parses one whole message.
///
/// # Errors
/// As [`message_len`], and if the length is another.
pub(super) fn decode(wire: Bytes) -> Result<Decoded, Malformed> {
    let (Some(octets), Some(id)) = (wire.first_chunk::<LEN>(), u64_at(&wire, IDS[0].start)) else {
        let at = wire.len();
        return Err(Malformed { part: "header", at });
    };
    if message_len(&wire)? != Some(wire.len()) {
        let at = OUTER_LENGTH_AT;
        return Err(Malformed { part: "length", at });
    }
    let header = Header {
        kind: octets[3],
        variant: octets[18],
        flag: octets[19],
        id,
    };
    let head = match header.kind {
        REQUEST => call::request(header, wire),
        _ => call::response(header, wire),
    };
    let stream = StreamId(id);
    Ok(Decoded { stream, head })
}

/// Writes a message under `id`. There is no place for changes.
pub(super) fn encode(id: u64, head: &Head, out: &mut Output) -> Written {
    let wire = head.wire();
    if let Some(octets) = wire.first_chunk::<LEN>() {
        out.put(&with_id(*octets, id));
        out.put_slice(wire, LEN..wire.len());
    }
    if head.is_modified() {
        Written::Unmodified
    } else {
        Written::Whole
    }
}

/// Whether a request with this echo was motan1.
pub(super) fn is_echo(echo: Echo) -> bool {
    echo == ECHO
}

/// The id of the message that starts `buf`, if it is a request.
pub(super) fn answerable(buf: &[u8]) -> Option<u64> {
    let is_request = buf.get(3) == Some(&REQUEST);
    u64_at(buf, IDS[0].start).filter(|_| is_request)
}

fn with_id(mut octets: [u8; LEN], id: u64) -> [u8; LEN] {
    for at in IDS {
        octets[at].copy_from_slice(&id.to_be_bytes());
    }
    octets
}

/// Echo of requests; that of Motan2 has other octets first.
const ECHO: Echo = [1, 0, 0, 0, 0, 0, 0, 0];
