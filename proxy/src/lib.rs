//! Listeners, drivers, pools, configuration loading, telemetry and admin of sabir.
//!
//! [`Proxy`] is the whole, driven by a file; [`server::Server`] is the data path alone, driven by
//! [`config::resolved::Snapshot`]s.

pub mod admin;
pub mod config;
mod health;
mod net;
mod proxy;
pub mod server;
mod state;
pub mod telemetry;

pub use proxy::{Control, Options, Proxy, StartError};
