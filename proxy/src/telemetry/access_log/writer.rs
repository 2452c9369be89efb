//! The thread that writes all access logs, and the bounded queue to it.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::sink::Sink;

/// Lines of all access logs, counted where they end. Written for each chunk of lines.
#[derive(Debug, Default)]
pub struct Totals {
    written: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

/// The thread that writes all access logs.
///
/// Whoever has a [`Handle`] makes [`Sink`]s with it. Ends with [`shutdown`](Self::shutdown), or
/// after the last handle and sink are gone.
#[derive(Debug)]
pub struct Writer {
    handle: Handle,
}

/// A way to the writer's thread.
#[derive(Clone, Debug)]
pub struct Handle {
    queue: Sender<Message>,
    queued: Arc<AtomicUsize>,
    max_queued: usize,
    totals: Arc<Totals>,
}

/// Lines for one file. Wherever it ends unwritten, they are counted as dropped.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) path: Arc<str>,
    pub(super) lines: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) give_back: SyncSender<Vec<u8>>,
    pub(super) totals: Arc<Totals>,
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.totals.dropped.fetch_add(self.lines, Ordering::Relaxed);
    }
}

#[derive(Debug)]
enum Message {
    Lines(Chunk),
    Reopen,
    /// Everything handed over before this is written when the answer comes.
    Flush(Sender<()>),
    Stop(Sender<()>),
}

impl Message {
    /// The buffer of a chunk that is not written.
    fn into_buffer(self) -> Vec<u8> {
        match self {
            Self::Lines(mut chunk) => std::mem::take(&mut chunk.bytes),
            Self::Reopen | Self::Flush(_) | Self::Stop(_) => Vec::new(),
        }
    }
}

impl Totals {
    /// Lines written.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Lines dropped because the queue was full, or the writer was gone.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Lines lost because their file could not be opened or written.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

impl Writer {
    /// Bytes that wait to be written at most, unless chosen otherwise.
    pub const DEFAULT_MAX_QUEUED_BYTES: usize = 4 * 1024 * 1024;

    /// Starts the thread. Lines are counted in `totals`; when `max_queued_bytes` wait to be
    /// written, further ones are dropped.
    ///
    /// # Errors
    ///
    /// The system's, if it has no room for another thread.
    pub fn spawn(totals: Arc<Totals>, max_queued_bytes: usize) -> io::Result<Self> {
        let (queue, messages) = channel();
        let queued = Arc::new(AtomicUsize::new(0));
        let mut files = Files::new(totals.clone());
        let to_write = queued.clone();
        thread::Builder::new()
            .name("access-log".into())
            .spawn(move || files.run(messages, &to_write))?;
        let handle = Handle {
            queue,
            queued,
            max_queued: max_queued_bytes,
            totals,
        };
        Ok(Self { handle })
    }

    /// A way to the writer's thread, for each worker.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Has all files closed and opened again under their names: what log rotation needs after it
    /// has renamed them.
    pub fn reopen(&self) {
        // The thread runs for as long as this writer is there.
        let _ = self.handle.queue.send(Message::Reopen);
    }

    /// Waits until everything handed over so far is written, but not longer than `within`. Says
    /// whether it was.
    pub fn flush(&self, within: Duration) -> bool {
        self.handle.ask(Message::Flush, within)
    }

    /// Writes what was handed over so far and ends the thread; does not wait longer than `within`,
    /// as when nobody reads the other end of a pipe. Says whether everything was written. Flush or
    /// drop all sinks before: what is handed over later is dropped and counted.
    pub fn shutdown(self, within: Duration) -> bool {
        self.handle.ask(Message::Stop, within)
    }
}

impl Handle {
    /// An end of the log in the file at `path`, which is opened with the first line.
    pub fn sink(&self, path: &str) -> Sink {
        Sink::new(path.into(), self.clone())
    }

    /// Queues `chunk`. If there is no room for it, its lines are counted as dropped and its buffer
    /// comes back.
    pub(super) fn hand_over(&self, chunk: Chunk) -> Result<(), Vec<u8>> {
        // What it occupies, not what is in it: this bounds memory.
        let size = chunk.bytes.capacity();
        let before = self.queued.fetch_add(size, Ordering::Relaxed);
        if before.saturating_add(size) <= self.max_queued {
            let Err(unsent) = self.queue.send(Message::Lines(chunk)) else {
                return Ok(());
            };
            self.queued.fetch_sub(size, Ordering::Relaxed);
            return Err(unsent.0.into_buffer());
        }
        self.queued.fetch_sub(size, Ordering::Relaxed);
        Err(Message::Lines(chunk).into_buffer())
    }

    /// Where the lines of this writer are counted.
    pub(super) fn totals(&self) -> &Arc<Totals> {
        &self.totals
    }

    fn ask(&self, message: fn(Sender<()>) -> Message, within: Duration) -> bool {
        let (done, answer) = channel();
        self.queue.send(message(done)).is_ok() && answer.recv_timeout(within).is_ok()
    }
}

/// The files, and what is known about each. Lives in the writer's thread.
struct Files {
    open: HashMap<Arc<str>, Log>,
    totals: Arc<Totals>,
}

impl Files {
    fn new(totals: Arc<Totals>) -> Self {
        Self {
            open: HashMap::new(),
            totals,
        }
    }

    fn run(&mut self, messages: Receiver<Message>, queued: &AtomicUsize) {
        while let Ok(message) = messages.recv() {
            match message {
                Message::Lines(chunk) => {
                    let size = chunk.bytes.capacity();
                    self.write(chunk);
                    queued.fetch_sub(size, Ordering::Relaxed);
                }
                Message::Reopen => self.open.clear(),
                Message::Flush(done) => {
                    // Whoever asked may have stopped waiting.
                    let _ = done.send(());
                }
                Message::Stop(done) => {
                    // Before the answer: who knows of the end finds the queue closed.
                    drop(messages);
                    let _ = done.send(());
                    return;
                }
            }
        }
    }

    fn write(&mut self, mut chunk: Chunk) {
        let path = chunk.path.clone();
        let log = self.open.entry(path).or_default();
        let count = match log.write(&chunk.path, &chunk.bytes) {
            Ok(()) => &self.totals.written,
            Err(error) => {
                log.complain(&chunk.path, error.as_ref());
                &self.totals.failed
            }
        };
        count.fetch_add(std::mem::take(&mut chunk.lines), Ordering::Relaxed);
        let mut buffer = std::mem::take(&mut chunk.bytes);
        buffer.clear();
        // The sink has enough spare buffers, or is gone.
        let _ = chunk.give_back.try_send(buffer);
    }
}

/// One log file.
#[derive(Default)]
struct Log {
    target: Option<Target>,
    /// When it could not be opened.
    failed_at: Option<Instant>,
    /// The operator knows that it fails.
    complained: bool,
    /// The last write left a line without its end.
    torn: bool,
}

enum Target {
    File(File),
    Stdout,
    Stderr,
}

impl Log {
    /// Writes whole lines. `Err(None)` if it could not be opened a moment ago and this was not
    /// tried again.
    fn write(&mut self, path: &str, lines: &[u8]) -> Result<(), Option<io::Error>> {
        if self.target.is_none() {
            let is_recent = |at: Instant| at.elapsed() < RETRY_AFTER;
            if self.failed_at.is_some_and(is_recent) {
                return Err(None);
            }
            match Target::open(path) {
                Ok(target) => self.target = Some(target),
                Err(error) => {
                    self.failed_at = Some(Instant::now());
                    return Err(Some(error));
                }
            }
        }
        let Some(target) = &mut self.target else {
            return Err(None);
        };
        if self.torn {
            target.write_all(b"\n").map_err(|(_, error)| error)?;
            self.torn = false;
        }
        target.write_all(lines).map_err(|(written, error)| {
            self.torn = written > 0 && lines[written - 1] != b'\n';
            error
        })?;
        self.failed_at = None;
        self.complained = false;
        Ok(())
    }

    /// Logs the first of a row of failures.
    fn complain(&mut self, path: &str, error: Option<&io::Error>) {
        if let Some(error) = error
            && !self.complained
        {
            tracing::error!(path, %error, "access log cannot be written; lines are lost");
            self.complained = true;
        }
    }
}

impl Target {
    fn open(path: &str) -> io::Result<Self> {
        match path {
            "/dev/stdout" => Ok(Self::Stdout),
            "/dev/stderr" => Ok(Self::Stderr),
            path => {
                let file = OpenOptions::new().append(true).create(true).open(path)?;
                Ok(Self::File(file))
            }
        }
    }

    /// Writes all of `bytes`, or says how many were written before what error.
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        match self {
            Self::File(file) => write_all(file, bytes),
            Self::Stdout => write_all(&mut io::stdout().lock(), bytes),
            Self::Stderr => write_all(&mut io::stderr().lock(), bytes),
        }
    }
}

fn write_all(target: &mut impl Write, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while written < bytes.len() {
        match target.write(&bytes[written..]) {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((written, error)),
        }
    }
    target.flush().map_err(|error| (written, error))
}

/// How long a file that could not be opened is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
