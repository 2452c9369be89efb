//! Why a message is refused, and the status that says so.

use sabir_core::metadata::Malformed;

/// A message that is not forwarded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    /// Status of the response to a request; a response that is refused becomes 502.
    pub(super) status: u16,
    /// What is wrong with it.
    pub(super) why: Malformed,
}

impl Refusal {
    pub(super) fn new(status: u16, why: Malformed) -> Self {
        Self { status, why }
    }

    /// 400 because of `part` at offset `at`.
    pub(super) fn bad(part: &'static str, at: usize) -> Self {
        Self::new(400, Malformed { part, at })
    }
}
