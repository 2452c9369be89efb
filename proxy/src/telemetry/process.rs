//! What is counted for the process as a whole. Nothing here is written for each request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::access_log::Totals;

/// What is counted for the process as a whole.
#[derive(Debug)]
pub struct Process {
    version: &'static str,
    workers: usize,
    started: Instant,
    started_at: SystemTime,
    accepted: AtomicU64,
    rejected: AtomicU64,
    last_accepted_millis: AtomicU64,
    access_log: Arc<Totals>,
}

impl Process {
    /// A process of `version` that starts now, with so many workers.
    pub fn new(version: &'static str, workers: usize) -> Self {
        Self {
            version,
            workers,
            started: Instant::now(),
            started_at: SystemTime::now(),
            accepted: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            last_accepted_millis: AtomicU64::new(0),
            access_log: Arc::default(),
        }
    }

    /// Counts a configuration that was put in force.
    pub fn config_accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let millis = since.unwrap_or_default().as_millis() as u64;
        self.last_accepted_millis.store(millis, Ordering::Relaxed);
    }

    /// Counts a configuration that was refused.
    pub fn config_rejected(&self) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
    }

    /// Configurations put in force, the first included.
    pub fn configs_accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Configurations refused.
    pub fn configs_rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// When the configuration in force was put in force; `None` if there is none yet.
    pub fn last_accepted(&self) -> Option<SystemTime> {
        let millis = self.last_accepted_millis.load(Ordering::Relaxed);
        (millis != 0).then(|| UNIX_EPOCH + Duration::from_millis(millis))
    }

    /// The version of sabir.
    pub fn version(&self) -> &'static str {
        self.version
    }

    /// Worker threads.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// When the process started.
    pub fn started_at(&self) -> SystemTime {
        self.started_at
    }

    /// How long the process has run.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Lines of access logs written and lost; the writer's.
    pub fn access_log(&self) -> &Arc<Totals> {
        &self.access_log
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_are_counted() {
        let process = Process::new("1.2.3", 4);
        assert_eq!(process.last_accepted(), None);
        process.config_rejected();
        assert_eq!(process.last_accepted(), None);
        process.config_accepted();
        process.config_accepted();
        assert_eq!(
            (process.configs_accepted(), process.configs_rejected()),
            (2, 1)
        );
        assert!(
            process.last_accepted().unwrap() >= process.started_at() - Duration::from_millis(1)
        );
    }
}
