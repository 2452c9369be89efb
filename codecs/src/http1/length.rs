//! How long a message's body is. RFC 9112 §6.
//!
//! Whatever two parsers could read differently is refused: a body whose end is in doubt is a second
//! request in disguise (RFC 9112 §11.2).

use super::field::{elements, number};
use super::refusal::Refusal;

/// What a message says about its length.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Declared {
    length: Option<u64>,
    chunked: bool,
}

impl Declared {
    /// Reads a `Content-Length`. Equal ones are refused as different ones are.
    pub(super) fn content_length(&mut self, value: &[u8], at: usize) -> Result<(), Refusal> {
        let length = number(value).ok_or_else(|| Refusal::bad("Content-Length", at))?;
        match self.length.replace(length) {
            Some(_) => Err(Refusal::bad("Content-Length: more than one", at)),
            None => Ok(()),
        }
    }

    /// Reads a `Transfer-Encoding`, which may be `chunked` and nothing else, once.
    pub(super) fn transfer_encoding(&mut self, value: &[u8], at: usize) -> Result<(), Refusal> {
        if std::mem::replace(&mut self.chunked, true) {
            return Err(Refusal::bad("Transfer-Encoding: more than one", at));
        }
        if value.eq_ignore_ascii_case(b"chunked") {
            return Ok(());
        }
        let mut refusal = Refusal::bad("Transfer-Encoding: not chunked", at);
        if is_unsupported(value) {
            refusal.status = 501;
        }
        Err(refusal)
    }

    /// Whether the body is chunked, or how long it is; `None` for neither.
    pub(super) fn length(self, minor: u8) -> Result<Option<Length>, Refusal> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Refusal::bad("Transfer-Encoding beside Content-Length", 0)),
            (true, None) if minor == 0 => Err(Refusal::bad("Transfer-Encoding in HTTP/1.0", 0)),
            (true, None) => Ok(Some(Length::Chunked)),
            (false, length) => Ok(length.map(Length::Known)),
        }
    }
}

/// A declared length.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Length {
    Known(u64),
    Chunked,
}

/// Whether this is a sound list of codings that end in chunked, so that it is not an attack but
/// merely more than we can do.
fn is_unsupported(value: &[u8]) -> bool {
    const CODINGS: &[&[u8]] = &[b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress"];
    let mut codings: Vec<_> = elements(value).collect();
    let last = codings.pop();
    let is_coding = |coding: &&[u8]| CODINGS.iter().any(|c| c.eq_ignore_ascii_case(coding));
    last.is_some_and(|last| last.eq_ignore_ascii_case(b"chunked"))
        && !codings.is_empty()
        && codings.iter().all(is_coding)
}
