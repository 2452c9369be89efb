//! Bodies on their way in: from framed bytes to pieces.

use bytes::{Bytes, BytesMut};

use super::chunked::Chunked;
use super::length::Length;
use super::options::HeadLimits;
use super::refusal::Refusal;

/// What is still to come of a body.
#[derive(Debug)]
pub(super) enum Body {
    /// This many bytes, at least one.
    Known(u64),
    /// Chunks.
    Chunked(Box<Chunked>),
    /// Everything until the peer closes.
    UntilClose,
}

/// A part of a body.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    Data {
        bytes: Bytes,
        end: bool,
    },
    /// The validated lines after the last chunk, with the empty line that ends them.
    Trailers(Bytes),
}

impl Body {
    /// The body of this length; `None` if it is empty.
    pub(super) fn of(length: Length) -> Option<Self> {
        match length {
            Length::Known(0) => None,
            Length::Known(length) => Some(Self::Known(length)),
            Length::Chunked => Some(Self::Chunked(Box::default())),
        }
    }

    /// Takes the next piece out of `input`; `None` if too little of it has arrived.
    pub(super) fn next(
        &mut self,
        input: &mut BytesMut,
        limits: &HeadLimits,
    ) -> Result<Option<Piece>, Refusal> {
        if input.is_empty() {
            return Ok(None);
        }
        match self {
            Self::Known(left) => {
                let n = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(input.len());
                *left -= n as u64;
                let (bytes, end) = (input.split_to(n).freeze(), *left == 0);
                Ok(Some(Piece::Data { bytes, end }))
            }
            Self::Chunked(chunked) => chunked.next(input, limits),
            Self::UntilClose => {
                let bytes = input.split().freeze();
                Ok(Some(Piece::Data { bytes, end: false }))
            }
        }
    }
}

/// Joins small pieces, so that a body of tiny chunks does not become as many frames.
#[derive(Debug, Default)]
pub(super) struct Gather(BytesMut);

impl Gather {
    /// Takes `bytes` in if they are small; otherwise returns what may be passed on, in order.
    pub(super) fn add(&mut self, bytes: Bytes) -> [Option<Bytes>; 2] {
        if bytes.len() < SMALL && self.0.len() < FULL {
            self.0.extend_from_slice(&bytes);
            return [None, None];
        }
        [self.take(), Some(bytes)]
    }

    /// Bytes that were taken in and not passed on.
    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// Everything that was taken in and not passed on.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        (!self.0.is_empty()).then(|| self.0.split().freeze())
    }
}

/// Pieces shorter than this are joined, in bytes.
const SMALL: usize = 256;

/// How much is joined before it is passed on, in bytes.
const FULL: usize = 16 << 10;
