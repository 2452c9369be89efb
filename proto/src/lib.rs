//! The configuration schema `sabir.config.v1`.
//!
//! ```text
//! sabir/config/v1/*.proto   the schema, the one source of truth
//! config::v1                its messages in Rust, generated and committed
//! descriptor                its descriptors, for whoever walks messages by name
//! ```

pub mod config;
pub mod descriptor;
