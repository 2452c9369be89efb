//! Protocol-agnostic filters of sabir.
//!
//! Each module is a filter: its type in configuration has the module's name, and its `Config` is
//! what the `config` of configuration holds. [`registry`] has them all.

pub mod condition;
pub mod fault;
pub mod local_rate_limit;
pub mod metadata;
pub mod rbac;
mod registry;
pub mod setting;

pub use registry::registry;
