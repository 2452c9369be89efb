//! Listeners, drivers, pools, configuration loading, telemetry and admin of sabir.

pub mod config;
pub mod telemetry;
