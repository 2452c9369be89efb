//! A connection of the load side with its requests in flight, and the books that all connections share.

use std::io;
use std::time::Instant;

use crate::link::{Link, Received};
use crate::outcome::Outcome;
use crate::pace::Pace;
use crate::poller::{Interest, Poller};
use crate::protocol::{Calls, Step, Ticket, Verdict, Violation};

/// Why a connection is lost.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    /// The other side closed it.
    #[error("connection closed")]
    Closed,
    /// The system says so.
    #[error("connection failed: {0}")]
    Socket(#[from] io::Error),
    /// What arrived is not the protocol.
    #[error("connection ended: {0}")]
    Violation(#[from] Violation),
}

/// What all connections share.
pub(crate) struct Books {
    /// When requests are due.
    pub(crate) pace: Pace,
    /// What came of them.
    pub(crate) outcome: Outcome,
    /// When nothing starts any more.
    pub(crate) end: Instant,
    /// Requests without a reply so far.
    pub(crate) in_flight: u64,
}

impl Books {
    /// Writes off a connection and what is in flight on it.
    pub(crate) fn lose<S>(&mut self, line: &Line<S>, lost: &Lost) {
        let in_flight = line.in_flight();
        self.in_flight -= in_flight;
        // A connection lost while idle is a fault of the proxy too.
        self.outcome.failed(&lost.to_string(), in_flight.max(1));
    }

    /// Nothing is in flight, and nothing is due.
    pub(crate) fn is_settled(&self) -> bool {
        self.in_flight == 0 && self.pace.unsent() == 0
    }

    fn settle(&mut self, due: Instant, verdict: Verdict, now: Instant) {
        self.in_flight -= 1;
        match verdict {
            Verdict::Right => self.outcome.right(due, now),
            Verdict::Status(status) => self.outcome.wrong(&format!("status {status}"), now),
            Verdict::Reset(code) => self.outcome.wrong(&format!("reset with code {code}"), now),
            Verdict::Content => self.outcome.wrong("reply with wrong content", now),
        }
    }
}

/// A connection and its requests in flight.
pub(crate) struct Line<S> {
    link: Link,
    state: S,
    /// By place: which request is in flight there and from when it counts.
    places: Vec<Option<(Ticket, Instant)>>,
    free: Vec<u16>,
    started: u64,
}

impl<S> Line<S> {
    /// A connection with `depth` places.
    pub(crate) fn new<C: Calls<State = S>>(
        mut link: Link,
        number: u32,
        depth: u16,
        calls: &C,
    ) -> Self {
        Self {
            state: calls.open(number, link.outbox()),
            link,
            places: vec![None; usize::from(depth)],
            free: (0..depth).rev().collect(),
            started: 0,
        }
    }

    /// One read, all replies in it, all requests that became due by them, one write.
    pub(crate) fn turn<C: Calls<State = S>>(
        &mut self,
        calls: &C,
        poller: &Poller,
        books: &mut Books,
    ) -> Result<(), Lost> {
        if self.link.receive()? == Received::Closed {
            return Err(Lost::Closed);
        }
        let now = Instant::now();
        self.settle_all(calls, books, now)?;
        while self.start(calls, books, now) {}
        self.send(poller)
    }

    /// Starts a request if one is due and a place is free.
    pub(crate) fn start<C: Calls<State = S>>(
        &mut self,
        calls: &C,
        books: &mut Books,
        now: Instant,
    ) -> bool {
        let Some(&place) = self.free.last() else {
            return false;
        };
        let Some(due) = books.pace.take(now, books.end) else {
            return false;
        };
        self.free.pop();
        self.started += 1;
        let ticket = Ticket::new(self.started, place);
        self.places[usize::from(place)] = Some((ticket, due));
        books.in_flight += 1;
        calls.write_request(&mut self.state, ticket, self.link.outbox());
        true
    }

    /// Writes what there is.
    pub(crate) fn send(&mut self, poller: &Poller) -> Result<(), Lost> {
        self.link.flush()?;
        let interest = if self.link.has_unsent() {
            Interest::Both
        } else {
            Interest::Read
        };
        Ok(self.link.wait_for(interest, poller)?)
    }

    /// Whether a request may start.
    pub(crate) fn has_place(&self) -> bool {
        !self.free.is_empty()
    }

    fn settle_all<C: Calls<State = S>>(
        &mut self,
        calls: &C,
        books: &mut Books,
        now: Instant,
    ) -> Result<(), Violation> {
        let (received, out) = self.link.received();
        let mut consumed = 0;
        let needed = loop {
            match calls.read_reply(&mut self.state, &received[consumed..], out)? {
                Step::Wait { needed } => break needed,
                Step::Skip { consumed: length } => consumed += length,
                Step::Reply {
                    consumed: length,
                    ticket,
                    verdict,
                } => {
                    consumed += length;
                    let place = ticket.place();
                    match self
                        .places
                        .get_mut(place)
                        .and_then(|entry| entry.take_if(|(known, _)| *known == ticket))
                    {
                        Some((_, due)) => {
                            self.free.push(place as u16);
                            books.settle(due, verdict, now);
                        }
                        None => books.outcome.wrong("reply to an unknown id", now),
                    }
                }
            }
        };
        self.link.consume(consumed, needed);
        Ok(())
    }

    fn in_flight(&self) -> u64 {
        (self.places.len() - self.free.len()) as u64
    }
}
