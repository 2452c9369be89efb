//! What arrived of a body and was not passed on yet: HTTP/1.1 has no windows, so this is counted and
//! the socket left alone while there is too much of it.

use bytes::{Bytes, BytesMut};
use sabir_core::connection::{Event, EventKind, Turn};
use sabir_core::frame::{Frame, Reason, StreamId};
use sabir_core::head::{Head, Kind};
use sabir_core::metadata::Malformed;
use sabir_core::outcome::Outcome;

use super::body::{Body, Gather, Piece};
use super::options::Options;
use super::refusal::Refusal;
use super::{NAME, pairs};

/// The body that is being read, as events.
#[derive(Debug)]
pub(super) struct Inbox {
    stream: StreamId,
    unread: usize,
    /// Bytes of body that have arrived.
    total: u64,
    gather: Gather,
    /// What the head said, which trailers do not change.
    outcome: Outcome,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            stream: StreamId(0),
            unread: 0,
            total: 0,
            gather: Gather::default(),
            outcome: Outcome::OK,
        }
    }
}

impl Inbox {
    /// Expects the body of `stream` from now on.
    pub(super) fn start(&mut self, stream: StreamId) {
        (self.stream, self.unread, self.total) = (stream, 0, 0);
    }

    /// Passes on what of `body` is in `input`; says whether the body has ended.
    ///
    /// Nothing past [`Options::max_body_bytes`] is passed on.
    pub(super) fn read(
        &mut self,
        body: &mut Body,
        input: &mut BytesMut,
        options: &Options,
        turn: &mut Turn<'_>,
    ) -> Result<bool, Refusal> {
        loop {
            let piece = match body.next(input, &options.head) {
                Ok(Some(piece)) => piece,
                // What arrived before counts, whatever came after it.
                none => {
                    self.flush(turn);
                    return none.map(|_| false);
                }
            };
            if let (Piece::Data { bytes, .. }, Some(most)) = (&piece, options.max_body_bytes)
                && self.total + self.gather.len() + bytes.len() as u64 > most
            {
                self.flush(turn);
                let (part, at) = ("body: too long", 0);
                return Err(Refusal::new(413, Malformed { part, at }));
            }
            match piece {
                Piece::Data { bytes, end: false } => {
                    let ready = self.gather.add(bytes);
                    ready
                        .into_iter()
                        .flatten()
                        .for_each(|b| self.data(b, false, turn));
                }
                Piece::Data { bytes, end: true } => {
                    self.flush(turn);
                    self.data(bytes, true, turn);
                    return Ok(true);
                }
                Piece::Trailers(block) => {
                    self.flush(turn);
                    let mut head = Head::new(NAME, Kind::Response, block, pairs::of_trailers);
                    head.outcome = self.outcome;
                    self.frame(Frame::Trailers(head), turn);
                    return Ok(true);
                }
            }
        }
    }

    /// Passes on the bytes of a tunnel.
    pub(super) fn tunnel(&mut self, input: &mut BytesMut, turn: &mut Turn<'_>) {
        if !input.is_empty() {
            self.data(input.split().freeze(), false, turn);
        }
    }

    /// Says that nothing follows.
    pub(super) fn end(&mut self, turn: &mut Turn<'_>) {
        self.data(Bytes::new(), true, turn);
    }

    /// Says that the rest will not come.
    pub(super) fn reset(&self, reason: Reason, turn: &mut Turn<'_>) {
        self.frame(Frame::Reset(reason), turn);
    }

    /// Passes on the head of the message.
    pub(super) fn head(&mut self, head: Head, turn: &mut Turn<'_>) {
        self.outcome = head.outcome;
        self.frame(Frame::Head(head), turn);
    }

    /// Takes note that `bytes` of `stream` were passed on.
    pub(super) fn consumed(&mut self, stream: StreamId, bytes: usize) {
        if stream == self.stream {
            self.unread = self.unread.saturating_sub(bytes);
        }
    }

    /// Whether no more should be read until some is passed on.
    pub(super) fn is_full(&self) -> bool {
        self.unread >= WINDOW
    }

    /// Forgets what was not passed on: its exchange has ended.
    pub(super) fn clear(&mut self) {
        self.unread = 0;
    }

    fn flush(&mut self, turn: &mut Turn<'_>) {
        if let Some(bytes) = self.gather.take() {
            self.data(bytes, false, turn);
        }
    }

    fn data(&mut self, bytes: Bytes, end: bool, turn: &mut Turn<'_>) {
        self.unread += bytes.len();
        self.total += bytes.len() as u64;
        self.frame(Frame::Data { bytes, end }, turn);
    }

    fn frame(&self, frame: Frame, turn: &mut Turn<'_>) {
        let (stream, kind) = (self.stream, EventKind::Frame(frame));
        turn.events.push_back(Event { stream, kind });
    }
}

/// Bytes of body that may be on their way through the proxy before the socket is left alone. One
/// more read of the driver's may come on top.
pub(super) const WINDOW: usize = 64 << 10;
