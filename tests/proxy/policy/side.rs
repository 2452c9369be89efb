//! One side of a connection in any protocol: a codec and a socket.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use sabir::core::connection::{Connection, Event, EventKind, Turn, Written};
use sabir::core::frame::{Frame, StreamId};
use sabir::core::head::{Echo, Stage};
use sabir::core::outcome::{Code, Executed, Outcome, Party, Reply};
use sabir::core::output::Output;
use sabir::core::protocol::{Limits, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::dialect::Dialect;
use crate::dubbo::PATIENCE;

/// A codec and a socket.
pub(super) struct Side {
    io: TcpStream,
    conn: Box<dyn Connection>,
    input: BytesMut,
    events: VecDeque<Event>,
    out: Output,
}

impl Side {
    pub(super) fn client(io: TcpStream, dialect: &Dialect) -> Self {
        Self::new(io, dialect, Role::Client)
    }

    pub(super) fn server(io: TcpStream, dialect: &Dialect) -> Self {
        Self::new(io, dialect, Role::Server)
    }

    fn new(io: TcpStream, dialect: &Dialect, role: Role) -> Self {
        io.set_nodelay(true).unwrap();
        let conn = dialect
            .codec()
            .connection(role, &Limits::default(), Instant::now());
        Self {
            io,
            conn,
            input: BytesMut::new(),
            events: VecDeque::new(),
            out: Output::default(),
        }
    }

    pub(super) fn open(&mut self, stream: u64) {
        assert!(self.conn.open(StreamId(stream)), "room for a call");
    }

    pub(super) async fn send(&mut self, stream: u64, frame: Frame) {
        let sent = self.with(|conn, turn| conn.send(StreamId(stream), frame, turn));
        assert_eq!(sent, Ok(Written::Whole));
        self.flush().await;
    }

    /// Answers the request with `echo` that came on `stream` in the protocol's own words.
    pub(super) async fn reply(&mut self, stream: StreamId, echo: Echo, outcome: Outcome) {
        let reply = Reply::new(outcome, "as scripted");
        self.with(|conn, turn| conn.reply(stream, echo, &reply, turn));
        self.flush().await;
    }

    /// The next event; `None` when the other side closed.
    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                if let EventKind::Frame(Frame::Data { bytes, .. }) = &event.kind {
                    let (stream, n) = (event.stream, bytes.len());
                    self.with(|conn, turn| conn.consumed(stream, n, turn));
                    self.flush().await;
                }
                return Some(event);
            }
            let mut input = std::mem::take(&mut self.input);
            let unread = input.len();
            let ready = unread > 0 && self.with(|conn, turn| conn.recv(&mut input, turn)).is_ok();
            let moved = ready && input.len() < unread;
            self.input = input;
            self.flush().await;
            if moved {
                continue;
            }
            match self.io.read_buf(&mut self.input).await {
                Ok(0) | Err(_) => {
                    let mut rest = self.input.split();
                    // What it left unfinished is for the events to say.
                    let _: Result<_, _> = self.with(|conn, turn| conn.recv_eof(&mut rest, turn));
                    if self.events.is_empty() {
                        return None;
                    }
                }
                Ok(_) => {}
            }
        }
    }

    /// How the call on `stream` ends.
    pub(super) async fn outcome(&mut self, stream: u64) -> Outcome {
        let answered = timeout(PATIENCE, self.hear_out(StreamId(stream))).await;
        answered.expect("an answer in time")
    }

    async fn hear_out(&mut self, stream: StreamId) -> Outcome {
        let mut outcome = GONE;
        while let Some(event) = self.next().await {
            let EventKind::Frame(frame) = event.kind else {
                continue;
            };
            assert_eq!(event.stream, stream, "an answer to somebody else");
            let ends = frame.ends();
            match frame {
                Frame::Head(head) if head.stage == Stage::Interim => {}
                Frame::Head(head) => outcome = head.outcome,
                Frame::Trailers(head) if !head.outcome.is_ok() => outcome = head.outcome,
                Frame::Trailers(_) | Frame::Data { .. } => {}
                Frame::Reset(_) => outcome = GONE,
            }
            if ends {
                return outcome;
            }
        }
        GONE
    }

    async fn flush(&mut self) {
        while self.out.has_remaining() {
            // A peer that is gone is noticed when it is read from.
            if self.io.write_buf(&mut self.out).await.is_err() {
                return;
            }
        }
    }

    fn with<R>(&mut self, f: impl FnOnce(&mut dyn Connection, &mut Turn<'_>) -> R) -> R {
        let mut turn = Turn {
            now: Instant::now(),
            events: &mut self.events,
            out: &mut self.out,
        };
        f(&mut *self.conn, &mut turn)
    }
}

/// The connection or stream ended without an answer.
pub(super) const GONE: Outcome = Outcome::new(Party::Network, Executed::Maybe, Code::Cancelled);
