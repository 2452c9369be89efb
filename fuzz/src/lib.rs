//! What the fuzz targets of sabir's codecs do with their input.
//!
//! ```text
//! bytes_*        choices, then what a peer says: no panic, memory in proportion, cuts do not matter
//! bodies         messages of sound frames: every change of metadata is written, or none is
//! operations_*   a driver's calls in any order: what `sabir_core::kit::side` checks
//! pairs          an exchange through a proxy of two protocols: what arrives is what was sent
//! h2_peer        the crate `h2` as the peer, in either role
//! ```
//!
//! The drivers are those of `sabir_core::kit`; here are the protocols to try and their samples.

pub mod bodies;
pub mod bytes_of_peers;
pub mod h2_peer;
pub mod operations;
pub mod pairs;
pub mod samples;
pub mod subjects;
