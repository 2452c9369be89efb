//! The thread that waits for changes and reads the file.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use std::{fs, io};

use bytes::Bytes;
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use sabir_proto::yaml;
use tokio::sync::watch;

use super::WatchError;
use super::way::Way;

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Signal {
    /// Something happened in a directory.
    Event(notify::Result<Event>),
    /// Nobody waits for changes any more.
    Stop,
}

/// The state of the thread.
pub(super) struct Thread {
    path: PathBuf,
    way: Way,
    watcher: RecommendedWatcher,
    signals: Receiver<Signal>,
    publish: watch::Sender<Bytes>,
    /// Why the file could not be read last time, so that it is said once.
    trouble: Option<io::ErrorKind>,
}

impl Thread {
    /// Starts to watch the file at `path`, which is absolute.
    pub(super) fn spawn(
        path: PathBuf,
        publish: watch::Sender<Bytes>,
    ) -> Result<Sender<Signal>, WatchError> {
        let (sender, signals) = channel();
        let events = sender.clone();
        let tell = move |event| {
            // Fails only when the thread has ended, and the watcher is about to.
            let _ = events.send(Signal::Event(event));
        };
        let refused = |source| WatchError::Watch {
            path: path.clone(),
            source,
        };
        let watcher = RecommendedWatcher::new(tell, notify::Config::default()).map_err(refused)?;
        let mut thread = Self {
            way: Way::default(),
            watcher,
            signals,
            publish,
            trouble: None,
            path: path.clone(),
        };
        thread.follow().map_err(refused)?;
        std::thread::Builder::new()
            .name("config-watch".into())
            .spawn(move || thread.run())
            .map_err(WatchError::Thread)?;
        Ok(sender)
    }

    fn run(mut self) {
        // At first too: the file may have changed since it was loaded, or be about to.
        while self.settle() {
            if let Err(error) = self.follow() {
                let path = self.path.display();
                tracing::error!(%path, %error, "changes of the configuration file may be missed");
            }
            self.read();
            if !self.wait() {
                return;
            }
        }
    }

    /// Waits until something has happened to the file. Says whether to go on.
    fn wait(&self) -> bool {
        while let Ok(Signal::Event(event)) = self.signals.recv() {
            if self.concerns(&event) {
                return true;
            }
        }
        false
    }

    /// Waits until nothing has happened for a moment: a file is written in several steps. Says
    /// whether to go on.
    fn settle(&self) -> bool {
        let latest = Instant::now() + MAX_DELAY;
        let mut until = Instant::now() + QUIET;
        loop {
            let left = until.min(latest).saturating_duration_since(Instant::now());
            match self.signals.recv_timeout(left) {
                Ok(Signal::Event(event)) => {
                    if self.concerns(&event) {
                        until = Instant::now() + QUIET;
                    }
                    if Instant::now() >= latest {
                        return true;
                    }
                }
                Err(RecvTimeoutError::Timeout) => return true,
                Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// Watches the directories that the path passes through now. A directory that was put in place
    /// of another one is watched only after this.
    fn follow(&mut self) -> notify::Result<()> {
        for _ in 0..ATTEMPTS {
            let way = Way::of(&self.path);
            for gone in &self.way.directories {
                if !way.directories.contains(gone) {
                    // That of a directory that does not exist any more has ended by itself.
                    let _ = self.watcher.unwatch(gone);
                }
            }
            for directory in &way.directories {
                match self.watcher.watch(directory, RecursiveMode::NonRecursive) {
                    // It may have gone after it was found: the next attempt sees that.
                    Err(error)
                        if way.directories.last() == Some(directory) && directory.exists() =>
                    {
                        return Err(error);
                    }
                    // One may pass through directories that one may not list.
                    Err(error) => {
                        tracing::debug!(directory = %directory.display(), %error, "not watched");
                    }
                    Ok(()) => {}
                }
            }
            self.way = way;
            if Way::of(&self.path) == self.way {
                break;
            }
        }
        Ok(())
    }

    fn read(&mut self) {
        let read = fs::metadata(&self.path).and_then(|found| {
            // A pipe or a device gives its content once, or without end.
            if !found.is_file() {
                return Err(io::Error::other("not a regular file"));
            }
            if found.len() > yaml::MAX_BYTES as u64 {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            fs::read(&self.path)
        });
        let path = self.path.display();
        match read {
            Ok(content) => {
                if self.trouble.take().is_some() {
                    tracing::info!(%path, "configuration file can be read again");
                }
                self.publish.send_if_modified(|known| {
                    let changed = *known != content;
                    if changed {
                        *known = content.into();
                    }
                    changed
                });
            }
            Err(error) => {
                if self.trouble.replace(error.kind()) != Some(error.kind()) {
                    tracing::warn!(%path, %error, "configuration file cannot be read; the configuration in force stays");
                }
            }
        }
    }

    /// Whether the file may be another one after this. Reading it is an event too, but not such a
    /// one.
    fn concerns(&self, event: &notify::Result<Event>) -> bool {
        let Ok(event) = event else {
            // Some events were lost.
            return true;
        };
        let written = AccessKind::Close(AccessMode::Write);
        let is_read = matches!(event.kind, EventKind::Access(kind) if kind != written);
        let is_here = event.need_rescan() || event.paths.iter().any(|path| self.way.passes(path));
        is_here && !is_read
    }
}

/// Quiet after which a change is taken to be complete.
const QUIET: Duration = Duration::from_millis(50);

/// Time after which it is looked at all the same.
const MAX_DELAY: Duration = Duration::from_secs(1);

/// Attempts to watch a path that changes meanwhile.
const ATTEMPTS: usize = 8;
