//! DATA: octets of a body.
//!
//! Specification: RFC 9113 §6.1.

use std::ops::Range;

use bytes::Bytes;
use sabir_core::output::Output;

use super::{Head, Kind, flags, unpadded};
use crate::http2::error::Fatal;

/// A piece of a body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Data {
    /// Where the body lies in the payload.
    pub body: Range<usize>,
    /// Nothing follows on the stream.
    pub end: bool,
}

impl Data {
    /// Finds the body in `payload`.
    ///
    /// # Errors
    /// Wrong padding, or no stream.
    pub fn load(head: Head, payload: &[u8]) -> Result<Self, Fatal> {
        if head.stream == 0 {
            return Err(Fatal::protocol("DATA without a stream"));
        }
        Ok(Self {
            body: unpadded(head, payload)?,
            end: head.has(flags::END_STREAM),
        })
    }

    /// Writes `body` on `stream`, in frames of at most `max_len` octets.
    pub fn encode(stream: u32, mut body: Bytes, end: bool, max_len: usize, out: &mut Output) {
        loop {
            let piece = body.split_to(body.len().min(max_len));
            let last = body.is_empty();
            let flags = if last && end { flags::END_STREAM } else { 0 };
            Head::new(Kind::Data, flags, stream, piece.len()).encode(out);
            out.put_bytes(piece);
            if last {
                return;
            }
        }
    }
}
