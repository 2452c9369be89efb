//! Listeners, drivers, pools, configuration loading, telemetry and admin of sabir.

pub mod config;
mod net;
mod server;
pub mod telemetry;
