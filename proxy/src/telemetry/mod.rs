//! What operators see of the traffic: metrics, access logs, the process's own log.
//!
//! ```text
//! worker ── WorkerStats ── Snapshot ─┐ (asked for, over a channel)
//! worker ── WorkerStats ── Snapshot ─┴─ Summary ── exposition, stats page
//! worker ── Sink ── chunks ── Writer's thread ── files
//! ```
//!
//! Nothing here is shared between workers and written for each request.

pub mod access_log;
mod exposition;
mod histogram;
pub mod log;
mod metric;
mod process;
mod scope;
mod series;
mod snapshot;
mod stats;

pub use exposition::{Format, expose};
pub use histogram::{BOUNDS, Histogram};
pub use metric::{
    ClusterCounter, ClusterGauge, Counter, Gauge, Label, ListenerCounter, ListenerGauge, Metric,
};
pub use process::Process;
pub use scope::{ClusterId, ListenerId, Owner};
pub use series::SeriesId;
pub use snapshot::{ScopeValues, SeriesLabels, SeriesValues, Snapshot, Summary, Tally};
pub use stats::{DEFAULT_MAX_SERIES, WorkerStats};
