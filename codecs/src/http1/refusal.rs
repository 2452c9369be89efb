//! Why a message is refused, and the status that says so.

use sabir_core::connection::{Event, EventKind, Turn};
use sabir_core::frame::StreamId;
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

    /// Name it is counted by.
    pub(super) fn name(&self) -> &'static str {
        match self.status {
            408 => "slow",
            413 => "too_long",
            414 | 431 => "header_list",
            _ => "malformed",
        }
    }

    /// Tells the driver of it.
    pub(super) fn note(&self, turn: &mut Turn<'_>) {
        let (stream, kind) = (StreamId(0), EventKind::Fault(self.name()));
        turn.events.push_back(Event { stream, kind });
    }

    /// 400 because of `part` at offset `at`.
    pub(super) fn bad(part: &'static str, at: usize) -> Self {
        Self::new(400, Malformed { part, at })
    }
}
