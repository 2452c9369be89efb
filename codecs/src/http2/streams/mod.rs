//! Streams: where each stands, and what it may send.
//!
//! ```text
//! state.rs   what may come next in each direction
//! flow.rs    windows
//! store.rs   the streams of a connection by number and by name, and those that were closed
//! ```
//!
//! Specification: RFC 9113 §5.

pub(super) mod flow;
mod state;
mod store;

pub(super) use state::{Half, State};
pub(super) use store::{Closed, Store, Stream};
