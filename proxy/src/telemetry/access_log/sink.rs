//! A worker's end of a log: lines are collected here and handed over in chunks.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::writer::{Chunk, Handle};
use super::{AccessLog, Record};

/// One worker's end of the log in one file. Lines are collected and handed to the writer's thread
/// when there are 16 KiB of them, when the sink is [flushed](Self::flush), and when it is dropped.
#[derive(Debug)]
pub struct Sink {
    path: Arc<str>,
    writer: Handle,
    buffer: Vec<u8>,
    lines: u64,
    /// Buffers come back through here, so that a busy log does not allocate.
    used: Receiver<Vec<u8>>,
    give_back: SyncSender<Vec<u8>>,
}

impl Sink {
    pub(super) fn new(path: Arc<str>, writer: Handle) -> Self {
        let (give_back, used) = sync_channel(SPARE_BUFFERS);
        Self {
            path,
            writer,
            buffer: Vec::new(),
            lines: 0,
            used,
            give_back,
        }
    }

    /// Adds the line that `log` makes of `record`.
    pub fn write(&mut self, log: &AccessLog, record: &Record<'_>) {
        log.write(&mut self.buffer, record);
        self.lines += 1;
        if self.buffer.len() >= CHUNK_BYTES {
            self.flush();
        }
    }

    /// Hands over the lines there are, if any. Wakes the writer's thread: meant for every so many
    /// milliseconds, not for every line.
    pub fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let spare = self.used.try_recv().unwrap_or_default();
        let chunk = Chunk {
            path: self.path.clone(),
            lines: std::mem::take(&mut self.lines),
            bytes: std::mem::replace(&mut self.buffer, spare),
            give_back: self.give_back.clone(),
            totals: self.writer.totals().clone(),
        };
        if let Err(mut refused) = self.writer.hand_over(chunk) {
            refused.clear();
            self.buffer = refused;
        }
    }

    /// Whether there is nothing to hand over.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.flush();
    }
}

const CHUNK_BYTES: usize = 16 * 1024;
const SPARE_BUFFERS: usize = 4;
