//! The vocabulary of sabir: frames, metadata, outcomes, and the traits of codecs and filters.
//!
//! ```text
//!  bytes ──recv──▶ events │ Connection: http1, http2, any state machine │ MessageConnection<C: MessageCodec>
//!  bytes ◀─send─── frames │                                             │ dubbo, motan2, …, yours
//! ```
//!
//! A protocol is either a [`MessageCodec`](message::MessageCodec), four functions over byte slices
//! for protocols whose messages arrive whole, or a [`Connection`](connection::Connection), a state
//! machine without I/O. Filters, router and drivers see only [`Frame`](frame::Frame)s.
//!
//! Nothing here performs I/O, spawns, locks or reads a clock; time is always a parameter.

pub mod connection;
pub mod filter;
pub mod frame;
pub mod head;
#[cfg(any(test, feature = "kit"))]
pub mod kit;
pub mod message;
pub mod metadata;
pub mod mutation;
pub mod name;
pub mod outcome;
pub mod output;
pub mod protocol;
pub mod pump;
pub mod template;
pub mod timeout;
pub mod value;

// Types of these are in the signatures of traits that others implement.
pub use {bytes, serde_json};
