//! Frames: `load` from octets, `encode` to octets, and nothing else.
//!
//! ```text
//! | length (24) | type (8) | flags (8) | reserved (1) | stream (31) | payload |
//! ```
//!
//! Specification: RFC 9113 §4.1 and §6.

mod data;
mod go_away;
mod head;
mod headers;
mod ping;
mod priority;
mod reset;
mod settings;
mod window_update;

pub use data::Data;
pub use go_away::GoAway;
pub use head::{Head, Kind, flags};
pub use headers::{Headers, encode_block};
pub use ping::Ping;
pub use priority::Priority;
pub use reset::Reset;
pub use settings::{Setting, Settings};
pub(super) use settings::{encode as encode_settings, encode_ack as encode_settings_ack};
pub use window_update::WindowUpdate;

use super::error::Fatal;

/// What a client sends before its first frame. RFC 9113 §3.4.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Octets before each payload.
pub const HEAD_LEN: usize = 9;

/// Longest payload that every peer takes, in octets. RFC 9113 §4.2.
pub const DEFAULT_MAX_LEN: usize = 16_384;

/// The range of a padded `payload` that is not padding. RFC 9113 §6.1.
fn unpadded(head: Head, payload: &[u8]) -> Result<std::ops::Range<usize>, Fatal> {
    if !head.has(flags::PADDED) {
        return Ok(0..payload.len());
    }
    let Some(&padding) = payload.first() else {
        return Err(Fatal::frame_size("padded frame without a length"));
    };
    let end = payload.len().checked_sub(usize::from(padding));
    match end {
        Some(end) if end >= 1 => Ok(1..end),
        _ => Err(Fatal::protocol("padding longer than its frame")),
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
