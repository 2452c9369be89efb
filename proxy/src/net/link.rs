//! One socket with its [`Connection`]: the part of a driver that both sides share.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, BytesMut};
use sabir_core::connection::{Connection, ConnectionError, Event, Turn};
use sabir_core::output::Output;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::worker::Worker;

/// A socket, the state machine that speaks on it, and the buffers between them.
pub(crate) struct Link<S> {
    io: S,
    conn: Box<dyn Connection>,
    input: BytesMut,
    out: Output,
    events: VecDeque<Event>,
    alarm: Alarm,
    now: Instant,
    eof: Eof,
    shut: bool,
    heard: bool,
    traffic: Traffic,
}

/// Bytes that the socket took and gave.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// As much of both as was accounted for.
    told: (u64, u64),
}

/// Whether the peer has ended its direction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Eof {
    No,
    /// It has, and the connection does not know: it has not come to what was sent before.
    Seen,
    /// It has.
    Told,
}

/// Why a link cannot go on.
#[derive(Debug, Error)]
pub(crate) enum LinkError {
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer broke the protocol.
    #[error(transparent)]
    Protocol(#[from] ConnectionError),
}

/// What a read brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Read {
    /// Bytes, which the connection has seen.
    Some,
    /// The peer sends nothing more.
    End,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    pub(crate) fn new(io: S, conn: Box<dyn Connection>, now: Instant) -> Self {
        Self {
            io,
            conn,
            input: BytesMut::new(),
            out: Output::default(),
            events: VecDeque::new(),
            alarm: Alarm::default(),
            now,
            eof: Eof::No,
            shut: false,
            heard: false,
            traffic: Traffic::default(),
        }
    }

    /// Reads the socket once and lets the connection see what came.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
    ) -> Poll<Result<Read, LinkError>> {
        match self.eof {
            Eof::No => {}
            Eof::Seen => return self.poll_end(),
            Eof::Told => return Poll::Pending,
        }
        worker.buffers.borrow_mut().lend(&mut self.input);
        let result = self.fill(cx);
        worker.buffers.borrow_mut().take_back(&mut self.input);
        result
    }

    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<Read, LinkError>> {
        let io = Pin::new(&mut self.io);
        let n = ready!(tokio_util::io::poll_read_buf(io, cx, &mut self.input))?;
        self.traffic.received += n as u64;
        if n == 0 {
            self.eof = Eof::Seen;
            return self.poll_end();
        }
        self.recv()?;
        Poll::Ready(Ok(Read::Some))
    }

    /// Tells the connection that nothing follows, once it has come to everything before: requests
    /// that wait for their turn are whole, and are answered.
    fn poll_end(&mut self) -> Poll<Result<Read, LinkError>> {
        if self.has_unread() {
            if self.recv()? {
                return Poll::Ready(Ok(Read::Some));
            }
            if !self.conn.wants_read() {
                return Poll::Pending;
            }
        }
        self.eof = Eof::Told;
        let mut input = self.input.split();
        self.with(|conn, turn| conn.recv_eof(&mut input, turn))?;
        Poll::Ready(Ok(Read::End))
    }

    /// Lets the connection look again at what it left unread; whether it took any of it.
    pub(crate) fn recv(&mut self) -> Result<bool, ConnectionError> {
        let mut input = std::mem::take(&mut self.input);
        let unread = input.len();
        let result = self.with(|conn, turn| conn.recv(&mut input, turn));
        self.input = input;
        result?;
        let took = self.input.len() < unread;
        self.heard |= took;
        Ok(took)
    }

    /// Writes what is due with one vectored write, until the socket takes no more.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.out.has_remaining() {
            let n = ready!(write(Pin::new(&mut self.io), &mut self.out, cx))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.traffic.sent += n as u64;
        }
        if !self.shut && self.conn.wants_shutdown() {
            ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
            self.shut = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Says farewell until `until`, as well as the peer lets us.
    pub(crate) fn poll_farewell_until(&mut self, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_farewell(cx).is_ready() {
            return Poll::Ready(());
        }
        self.alarm.poll(until, cx)
    }

    /// Writes what is left, tells the peer that nothing more comes, and reads what still comes from
    /// it until it closes: a socket that is closed with bytes unread resets the connection, and the
    /// peer may lose what was written last.
    fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        if !self.shut {
            ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
            self.shut = true;
        }
        let mut rest = [0; 4096];
        while self.eof == Eof::No {
            let mut rest = ReadBuf::new(&mut rest);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut rest))?;
            if rest.filled().is_empty() {
                self.eof = Eof::Seen;
            }
            self.traffic.received += rest.filled().len() as u64;
            if self.traffic.received > MOST_THROWN_AWAY {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sets the alarm to `at` and says whether that has passed.
    pub(crate) fn poll_alarm(&mut self, at: Option<Instant>, cx: &mut Context<'_>) -> bool {
        let at = match (at, self.conn.next_timeout()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        at.is_some_and(|at| at <= self.now || self.alarm.poll(at, cx).is_ready())
    }

    /// Lets the connection do what is due by its own clock.
    pub(crate) fn handle_timeout(&mut self) -> Result<(), ConnectionError> {
        let due = self.conn.next_timeout().is_some_and(|at| at <= self.now);
        if !due {
            return Ok(());
        }
        self.with(|conn, turn| conn.handle_timeout(turn))
    }

    /// Calls `f` with the connection and a turn to speak.
    pub(crate) fn with<R>(&mut self, f: impl FnOnce(&mut dyn Connection, &mut Turn<'_>) -> R) -> R {
        let mut turn = Turn {
            now: self.now,
            events: &mut self.events,
            out: &mut self.out,
        };
        f(&mut *self.conn, &mut turn)
    }

    /// Starts a turn at `now`.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.now = now;
    }

    pub(crate) fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(crate) fn conn(&self) -> &dyn Connection {
        &*self.conn
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Bytes waiting to be written.
    pub(crate) fn backlog(&self) -> usize {
        self.out.len()
    }

    /// Whether anything arrived that is a message, heartbeats included.
    pub(crate) fn has_heard(&self) -> bool {
        self.heard
    }

    /// Whether bytes wait that the connection did not consume.
    pub(crate) fn has_unread(&self) -> bool {
        !self.input.is_empty()
    }

    /// Bytes read and written since it was last asked.
    pub(crate) fn take_traffic(&mut self) -> (u64, u64) {
        let Traffic { received, sent, .. } = self.traffic;
        let (was_received, was_sent) = std::mem::replace(&mut self.traffic.told, (received, sent));
        (received - was_received, sent - was_sent)
    }

    /// Bytes read and written since the connection was made.
    pub(crate) fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Trades empty buffers with whoever lends or keeps them.
    pub(crate) fn swap_buffers(&mut self, out: &mut Output, events: &mut VecDeque<Event>) {
        std::mem::swap(&mut self.out, out);
        std::mem::swap(&mut self.events, events);
    }

    /// Whether nothing waits to be written or to be looked at.
    pub(crate) fn is_quiet(&self) -> bool {
        self.out.is_empty() && self.events.is_empty()
    }
}

/// A timer that is moved only when something earlier is due than it was set for, or when it rang.
#[derive(Default)]
struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    set_for: Option<Instant>,
}

impl Alarm {
    fn poll(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at.into())));
        // Set for an earlier time it rings for nothing, once; moving it on every turn costs more.
        if self.set_for.is_none_or(|set| at < set) {
            sleep.as_mut().reset(at.into());
            self.set_for = Some(at);
        }
        ready!(sleep.as_mut().poll(cx));
        // It may have rung early: what counts is `at`.
        sleep.as_mut().reset(at.into());
        self.set_for = Some(at);
        ready!(sleep.as_mut().poll(cx));
        self.set_for = None;
        Poll::Ready(())
    }
}

/// Writes what is due at once.
fn write<S: AsyncWrite>(
    io: Pin<&mut S>,
    out: &mut Output,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    // Most of the time it is one piece, which the kernel takes at less cost by itself.
    if out.chunk().len() < out.remaining() {
        return tokio_util::io::poll_write_buf(io, cx, out);
    }
    let n = ready!(io.poll_write(cx, out.chunk()))?;
    out.advance(n);
    Poll::Ready(Ok(n))
}

/// Bytes a peer may still send after our last word before it is cut off.
const MOST_THROWN_AWAY: u64 = 1 << 20;
