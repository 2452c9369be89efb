//! HEADERS and CONTINUATION: header blocks.
//!
//! Specification: RFC 9113 §6.2 and §6.10.

use std::ops::Range;

use sabir_core::output::Output;

use super::priority::PRIORITY_LEN;
use super::{Head, Kind, Priority, flags, unpadded};
use crate::http2::error::Fatal;

/// The start of a header block.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Headers {
    /// Where the fragment lies in the payload.
    pub fragment: Range<usize>,
    /// Nothing follows on the stream.
    pub end_stream: bool,
    /// The block is complete.
    pub end_headers: bool,
    /// The stream is said to depend on itself.
    pub depends_on_itself: bool,
}

impl Headers {
    /// Finds the fragment in `payload`.
    ///
    /// # Errors
    /// Wrong padding, a priority that is cut short, or no stream.
    pub fn load(head: Head, payload: &[u8]) -> Result<Self, Fatal> {
        if head.stream == 0 {
            return Err(Fatal::protocol("HEADERS without a stream"));
        }
        let mut fragment = unpadded(head, payload)?;
        let mut depends_on_itself = false;
        if head.has(flags::PRIORITY) {
            let Some(priority) = payload[fragment.clone()].first_chunk() else {
                return Err(Fatal::frame_size("HEADERS without its priority"));
            };
            depends_on_itself = Priority::read(priority).dependency == head.stream;
            fragment.start += PRIORITY_LEN;
        }
        Ok(Self {
            fragment,
            end_stream: head.has(flags::END_STREAM),
            end_headers: head.has(flags::END_HEADERS),
            depends_on_itself,
        })
    }
}

/// Writes a whole header block on `stream`, in as many frames of `max_len` octets as it takes.
pub fn encode_block(stream: u32, block: &[u8], end_stream: bool, max_len: usize, out: &mut Output) {
    let (mut kind, mut rest) = (Kind::Headers, block);
    let mut flags = if end_stream { flags::END_STREAM } else { 0 };
    loop {
        let (piece, after) = rest.split_at(rest.len().min(max_len));
        if after.is_empty() {
            flags |= flags::END_HEADERS;
        }
        Head::new(kind, flags, stream, piece.len()).encode(out);
        out.put(piece);
        if after.is_empty() {
            return;
        }
        (kind, flags, rest) = (Kind::Continuation, 0, after);
    }
}
