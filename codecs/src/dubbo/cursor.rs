//! A read position in a message.

use super::fault::{BodyError, Fault};

/// A position in a slice that never runs past its end.
///
/// Offsets count from the start of the slice. Codecs hand in the whole message, so what they find is
/// directly a span of it.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at `at`, or at the end if `bytes` is shorter.
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        let at = at.min(bytes.len());
        Self { bytes, at }
    }

    /// A cursor at `at` of the same slice that ends at `end`.
    pub(crate) fn within(&self, at: usize, end: usize) -> Self {
        Self::new(self.bytes.get(..end).unwrap_or(self.bytes), at)
    }

    /// The next byte.
    ///
    /// # Errors
    /// [`Fault::Truncated`] at the end.
    pub fn byte(&mut self) -> Result<u8, BodyError> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// [`Fault::Truncated`] if there are fewer.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], BodyError> {
        let taken = self.rest().get(..len);
        let taken = taken.ok_or_else(|| Fault::Truncated.at(self.bytes.len()))?;
        self.at += len;
        Ok(taken)
    }

    /// The next `N` bytes, for numbers.
    ///
    /// # Errors
    /// [`Fault::Truncated`] if there are fewer.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], BodyError> {
        let taken = self.rest().first_chunk();
        let taken = *taken.ok_or_else(|| Fault::Truncated.at(self.bytes.len()))?;
        self.at += N;
        Ok(taken)
    }

    /// Moves `len` bytes on, or to the end.
    pub(crate) fn advance(&mut self, len: usize) {
        self.at = (self.at + len).min(self.bytes.len());
    }

    /// The next byte, not consumed.
    ///
    /// # Errors
    /// [`Fault::Truncated`] at the end.
    pub fn peek(&self) -> Result<u8, BodyError> {
        let byte = self.bytes.get(self.at).copied();
        byte.ok_or_else(|| Fault::Truncated.at(self.at))
    }

    /// Offset of the next byte.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Bytes that are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// What is left, not consumed.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// A declared count of things that take at least a byte each, as a number that can be trusted.
    ///
    /// # Errors
    /// [`Fault::CountTooLarge`] if it is negative or more than the bytes left.
    pub(crate) fn count(&self, declared: i64, at: usize) -> Result<usize, BodyError> {
        match usize::try_from(declared) {
            Ok(count) if count <= self.remaining() => Ok(count),
            _ => Err(Fault::CountTooLarge(declared).at(at)),
        }
    }
}
