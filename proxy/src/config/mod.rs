//! Configuration: from a file to what the data path uses.
//!
//! ```text
//! file ── watch ──▶ bytes ── load ──▶ Bootstrap, positions ── lower ──▶ Snapshot
//!                                            problems, each with its position
//! ```

pub mod load;
pub mod lower;
pub mod resolved;
pub mod watch;
