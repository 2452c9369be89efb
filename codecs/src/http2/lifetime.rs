//! The end of new streams, keep-alives, and streams that stand still.
//!
//! ```text
//! drain ─▶ GOAWAY of the largest number, PING ─▶ the answer, or a second ─▶ GOAWAY of the last one
//! ```
//!
//! Requests that crossed the first GOAWAY are still answered; after the second, new ones are
//! refused, and the connection is finished once its streams are.
//!
//! Specification: RFC 9113 §6.7 and §6.8.

use std::time::{Duration, Instant};

use sabir_core::connection::{ConnectionError, Event, EventKind, Turn};
use sabir_core::frame::{Frame, Reason, StreamId};
use sabir_core::protocol::Role;

use super::connection::Http2Connection;
use super::error::{ErrorCode, Fatal, Flood};
use super::frame::{GoAway, Ping};
use super::streams::{Closed, Half};

/// How far the end of new streams has come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Goodbye {
    /// New streams are welcome.
    #[default]
    Unsaid,
    /// We said that there will be an end.
    Announced {
        /// When it comes, if the peer does not answer before.
        by: Instant,
    },
    /// No new streams: we said so, or the server did.
    Last,
}

impl Goodbye {
    /// Whether we may open streams.
    pub(super) fn allows_more(self) -> bool {
        self == Self::Unsaid
    }

    /// Whether new streams of the peer's are refused.
    pub(super) fn refuses(self) -> bool {
        self == Self::Last
    }

    /// Whether the connection ends with its streams.
    pub(super) fn is_last(self) -> bool {
        self == Self::Last
    }
}

/// When a silent peer is asked whether it lives, and when it is given up.
#[derive(Debug)]
pub(super) struct Keepalive {
    ask_after: Duration,
    patience: Duration,
    heard: Instant,
    asked: Option<Instant>,
}

impl Keepalive {
    /// Asks after `every`, but not before `least`; a peer has twice `every` to answer.
    pub(super) fn new(every: Duration, least: Duration, now: Instant) -> Self {
        Self {
            ask_after: every.max(least),
            patience: every * 2,
            heard: now,
            asked: None,
        }
    }

    /// The peer said something.
    pub(super) fn heard(&mut self, now: Instant) {
        (self.heard, self.asked) = (now, None);
    }

    fn due(&self) -> Instant {
        match self.asked {
            Some(asked) => asked + self.patience,
            None => self.heard + self.ask_after,
        }
    }

    /// Whether to ask now.
    fn tick(&mut self, now: Instant) -> Result<bool, ConnectionError> {
        if now < self.due() {
            return Ok(false);
        }
        if self.asked.is_some() {
            let silence = now.saturating_duration_since(self.heard);
            return Err(ConnectionError::Silent { silence });
        }
        self.asked = Some(now);
        Ok(true)
    }
}

impl Http2Connection {
    /// Says that no new streams are welcome.
    pub(super) fn say_goodbye(&mut self, turn: &mut Turn<'_>) {
        if self.lifetime.goodbye != Goodbye::Unsaid {
            return;
        }
        if self.role == Role::Client {
            // It is we who open streams.
            self.lifetime.goodbye = Goodbye::Last;
            return;
        }
        let (last, code) = (LARGEST, ErrorCode::NO_ERROR);
        GoAway { last, code }.encode(b"", turn.out);
        let (ack, payload) = (false, GOODBYE);
        Ping { ack, payload }.encode(turn.out);
        let by = turn.now + ROUND_TRIP;
        self.lifetime.goodbye = Goodbye::Announced { by };
    }

    fn say_last_goodbye(&mut self, turn: &mut Turn<'_>) {
        let (last, code) = (self.numbers.last, ErrorCode::NO_ERROR);
        GoAway { last, code }.encode(b"", turn.out);
        self.lifetime.goodbye = Goodbye::Last;
    }

    /// The peer answered a PING of ours.
    pub(super) fn on_pong(&mut self, payload: [u8; 8], turn: &mut Turn<'_>) {
        let announced = matches!(self.lifetime.goodbye, Goodbye::Announced { .. });
        if payload == GOODBYE && announced {
            self.say_last_goodbye(turn);
        }
    }

    /// The peer wants no new streams.
    pub(super) fn on_go_away(&mut self, go_away: GoAway, turn: &mut Turn<'_>) {
        if self.role == Role::Server {
            return; // a client's GOAWAY is about pushes, which we do not make
        }
        if self.lifetime.goodbye != Goodbye::Last {
            self.lifetime.goodbye = Goodbye::Last;
            let (stream, kind) = (StreamId(0), EventKind::Retired);
            turn.events.push_back(Event { stream, kind });
        }
        let unseen = |&(id, _): &(u32, _)| id > go_away.last;
        let streams = self.store.iter().map(|(id, stream)| (id, stream.name));
        let mut refused: Vec<_> = streams.filter(unseen).collect();
        refused.sort_unstable();
        for (id, stream) in refused {
            let kind = EventKind::Frame(Frame::Reset(Reason::Refused));
            turn.events.push_back(Event { stream, kind });
            self.close(id, Closed::ByPeer, turn);
        }
    }

    /// The peer sends nothing more: what it has not finished never will be.
    pub(super) fn abort_unfinished(&mut self, turn: &mut Turn<'_>) {
        let streams = self.store.iter();
        let unfinished = streams.filter(|(_, stream)| stream.state.remote != Half::Closed);
        let unfinished: Vec<_> = unfinished.map(|(id, stream)| (id, stream.name)).collect();
        for (id, stream) in unfinished {
            let kind = EventKind::Frame(Frame::Reset(Reason::Lost));
            turn.events.push_back(Event { stream, kind });
            self.close(id, Closed::ByPeer, turn);
        }
    }

    /// When something is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let goodbye = match self.lifetime.goodbye {
            Goodbye::Announced { by } => Some(by),
            Goodbye::Unsaid | Goodbye::Last => None,
        };
        // gRPC servers end connections that ask without a stream.
        let asks = self.role == Role::Server || self.store.len() > 0;
        let keepalive = self.lifetime.keepalive.as_ref().filter(|_| asks);
        let keepalive = keepalive.map(Keepalive::due);
        let due = [goodbye, keepalive, self.lifetime.stalls];
        due.into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn run_due(&mut self, turn: &mut Turn<'_>) -> Result<(), ConnectionError> {
        if let Goodbye::Announced { by } = self.lifetime.goodbye
            && by <= turn.now
        {
            self.say_last_goodbye(turn);
        }
        let asks = self.role == Role::Server || self.store.len() > 0;
        if asks && let Some(keepalive) = &mut self.lifetime.keepalive {
            match keepalive.tick(turn.now) {
                Ok(false) => {}
                Ok(true) => {
                    let (ack, payload) = (false, KEEPALIVE);
                    Ping { ack, payload }.encode(turn.out);
                }
                Err(silent) => {
                    let (last, code) = (self.numbers.last, ErrorCode::NO_ERROR);
                    GoAway { last, code }.encode(b"no answer to a PING", turn.out);
                    return Err(silent);
                }
            }
        }
        self.end_stalls(turn)
            .map_err(|fatal| self.fail(fatal, turn))
    }

    /// Something was sent: notes whether more could be.
    pub(super) fn note_shut(&mut self, now: Instant) {
        let Some(timeout) = self.stall_timeout() else {
            return;
        };
        if self.flow.send.available() == 0 {
            self.flow.shut_since.get_or_insert(now);
        }
        self.lifetime.stalls.get_or_insert(now + timeout);
    }

    /// Servers choose when to read requests; clients are held to it.
    fn stall_timeout(&self) -> Option<Duration> {
        let timeout = self.options.stall_timeout;
        timeout.filter(|_| self.role == Role::Server)
    }

    /// Ends streams whose peer has left their window shut for too long.
    fn end_stalls(&mut self, turn: &mut Turn<'_>) -> Result<(), Fatal> {
        let (Some(timeout), Some(at)) = (self.stall_timeout(), self.lifetime.stalls) else {
            return Ok(());
        };
        let now = turn.now;
        if at > now {
            return Ok(());
        }
        let due = |since: Option<Instant>| since.is_some_and(|since| since + timeout <= now);
        if due(self.flow.shut_since) && self.store.len() > 0 {
            let (flood, limit) = (Flood::Stalled, timeout.as_secs() as usize);
            return Err(Fatal::Flood { flood, limit });
        }
        let stalled = self
            .store
            .iter()
            .filter(|(_, stream)| due(stream.shut_since) && stream.state.local == Half::Body);
        let stalled: Vec<_> = stalled.map(|(id, stream)| (id, stream.name)).collect();
        for (id, stream) in stalled {
            let kind = EventKind::Frame(Frame::Reset(Reason::Peer));
            turn.events.push_back(Event { stream, kind });
            Self::note_fault(Flood::Stalled.name(), turn);
            self.reset(id, ErrorCode::ENHANCE_YOUR_CALM, turn);
        }
        let rest = self.store.iter().filter_map(|(_, stream)| {
            let shut = stream.shut_since;
            shut.filter(|_| stream.state.local == Half::Body)
        });
        // A connection without streams may stay shut: it is looked at again when that is over.
        let connection = self.flow.shut_since.map(|since| match due(Some(since)) {
            true => now,
            false => since,
        });
        let earliest = rest.chain(connection).min();
        self.lifetime.stalls = earliest.map(|since| since + timeout);
        Ok(())
    }
}

/// Largest number of a stream. RFC 9113 §6.8.
const LARGEST: u32 = (1 << 31) - 1;

/// How long a peer may take to answer the PING after the first GOAWAY.
const ROUND_TRIP: Duration = Duration::from_secs(1);

const GOODBYE: [u8; 8] = *b"sabirbye";
const KEEPALIVE: [u8; 8] = *b"sabirask";
