//! Watches a configuration file, however it is replaced.
//!
//! Not the file is watched but every directory that its path passes through, symbolic links
//! included: editors and deployment tools put a new file in its place, and a Kubernetes ConfigMap
//! exchanges a link (`..data`) beside it. What counts in the end is the content: without a change
//! of it, nothing is reported.
//!
//! ```text
//! notify ── paths on the way ──▶ thread: waits until it is quiet, reads ── new content ──▶ changed()
//! ```

mod thread;
mod way;

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

use bytes::Bytes;
use tokio::sync::watch;

use self::thread::{Signal, Thread};

/// A file whose changes are reported. Ends when dropped.
#[derive(Debug)]
pub struct FileWatch {
    changes: watch::Receiver<Bytes>,
    signals: Sender<Signal>,
}

/// Why a file cannot be watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// The path is empty, or relative and there is no current directory.
    #[error("{}: {source}", path.display())]
    Path {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The system does not watch, as when its limit of watches is reached.
    #[error("cannot watch {}: {source}", path.display())]
    Watch {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: notify::Error,
    },
    /// There is no room for another thread.
    #[error("cannot start a thread to watch files: {0}")]
    Thread(std::io::Error),
}

impl FileWatch {
    /// Watches the file at `path`, whose content was `loaded` when it was last looked at. The file
    /// may be missing at times; then the old content counts.
    pub fn start(path: &Path, loaded: &[u8]) -> Result<Self, WatchError> {
        let absolute = std::path::absolute(path).map_err(|source| WatchError::Path {
            path: path.to_owned(),
            source,
        })?;
        let loaded = Bytes::copy_from_slice(loaded);
        let (publish, changes) = watch::channel(loaded);
        let signals = Thread::spawn(absolute, publish)?;
        Ok(Self { changes, signals })
    }

    /// Waits until the file has another content, and returns it: the newest, if there were several
    /// since the last call. `None` if the watch has ended, which is logged.
    ///
    /// Can be given up and called again without losing anything.
    pub async fn changed(&mut self) -> Option<Bytes> {
        self.changes.changed().await.ok()?;
        Some(self.changes.borrow_and_update().clone())
    }
}

impl Drop for FileWatch {
    fn drop(&mut self) {
        // The thread may have ended.
        let _ = self.signals.send(Signal::Stop);
    }
}

#[cfg(test)]
mod tests;
