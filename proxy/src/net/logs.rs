//! A worker's ends of the access logs.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use crate::config::resolved::LogFile;
use crate::telemetry::access_log::{Handle, Record, Sink};

/// The files a worker logs calls to.
pub(crate) struct Logs {
    writer: Handle,
    sinks: RefCell<HashMap<Arc<str>, Sink>>,
    dirty: Cell<bool>,
}

impl Logs {
    pub(crate) fn new(writer: Handle) -> Self {
        Self {
            writer,
            sinks: RefCell::default(),
            dirty: Cell::new(false),
        }
    }

    /// Writes a line to each of `logs`.
    pub(crate) fn write(&self, logs: &[Arc<LogFile>], record: &Record<'_>) {
        let mut sinks = self.sinks.borrow_mut();
        for log in logs {
            // The path is cloned once for each file, not for each line.
            if !sinks.contains_key(&log.path) {
                sinks.insert(log.path.clone(), self.writer.sink(&log.path));
            }
            if let Some(sink) = sinks.get_mut(&log.path) {
                sink.write(&log.format, record);
            }
        }
        self.dirty.set(true);
    }

    /// Hands over what was written since the last time.
    pub(crate) fn flush(&self) {
        if self.dirty.replace(false) {
            self.sinks.borrow_mut().values_mut().for_each(Sink::flush);
        }
    }
}
