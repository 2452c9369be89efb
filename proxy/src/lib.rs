//! Listeners, drivers, pools, configuration loading, telemetry and admin of sabir.

pub mod admin;
pub mod config;
mod net;
pub mod server;
pub mod telemetry;
