//! The operators' HTTP listener: is it alive, is it ready, what has it done, what is configured.
//!
//! It answers `GET` and `HEAD` only, changes nothing, and has no authentication: it belongs on
//! loopback. What it shows comes from a [`Source`].

mod page;
mod server;
mod stats_page;
mod status;

use std::pin::Pin;
use std::time::Duration;

use sabir_proto::json::Document;

use crate::telemetry::{Process, Summary};

pub use self::server::serve;
pub use self::status::{
    ClusterStatus, EndpointHealth, EndpointStatus, ListenerState, ListenerStatus,
};

/// An answer that may take a while.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How long a [`Source`] may wait for its workers. The listener itself waits a second longer, and
/// then answers 503.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Where the admin listener gets what it shows.
pub trait Source: Send + Sync + 'static {
    /// The counters of all workers that answer within [`ANSWER_WITHIN`].
    fn stats(&self) -> Answer<'_, Summary>;

    /// The configuration in force, if there is one.
    fn config(&self) -> Answer<'_, Option<Document>>;

    /// Clusters and their endpoints, over all workers that answer within [`ANSWER_WITHIN`].
    fn clusters(&self) -> Answer<'_, Vec<ClusterStatus>>;

    /// Listeners, over all workers that answer within [`ANSWER_WITHIN`].
    fn listeners(&self) -> Answer<'_, Vec<ListenerStatus>>;

    /// Whether calls are accepted: a configuration is in force and the process does not drain.
    fn is_ready(&self) -> bool;

    /// What is counted for the process as a whole.
    fn process(&self) -> &Process;
}

#[cfg(test)]
mod tests;
