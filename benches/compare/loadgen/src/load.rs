//! The load side: keeps every connection's places filled (closed loop) or sends by the clock (open loop), and checks
//! each reply against the one that is due.
//!
//! A turn is one read, all replies in it, all requests that became due by them, one write. The clock is read once a
//! turn.

use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::arguments::Plan;
use crate::dubbo;
use crate::link::{Link, Received};
use crate::outcome::{Outcome, Report};
use crate::pace::Pace;
use crate::poller::{Interest, Poller};
use crate::protocol::{Calls, Step, Ticket, Verdict, Violation};

/// For connecting, and for the last replies after the end.
const CONNECT: Duration = Duration::from_secs(5);
const GRACE: Duration = Duration::from_secs(2);

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The target does not take connections.
    #[error("connection {number} to the target failed: {cause}")]
    Connect {
        /// Which of the connections.
        number: u32,
        /// What the system says.
        cause: io::Error,
    },
    /// The request cannot be written.
    #[error(transparent)]
    Call(#[from] dubbo::CallError),
    /// The system's poller failed.
    #[error(transparent)]
    Poller(#[from] io::Error),
}

/// Why a connection is lost.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("connection closed")]
    Closed,
    #[error("connection failed: {0}")]
    Socket(#[from] io::Error),
    #[error("connection ended: {0}")]
    Violation(#[from] Violation),
}

/// Runs `plan` and says what came of it.
pub(crate) fn run(plan: &Plan, calls: &impl Calls) -> Result<Report, LoadError> {
    let mut run = Run::connect(plan, calls)?;
    run.drive()?;
    Ok(run.finish())
}

struct Run<'a, C> {
    calls: &'a C,
    poller: Poller,
    lines: Vec<Option<Line>>,
    /// Where the search for a free place goes on, so that an open loop spreads over all connections.
    cursor: usize,
    books: Books,
}

/// What all connections share.
struct Books {
    pace: Pace,
    outcome: Outcome,
    end: Instant,
    in_flight: u64,
}

impl<'a, C: Calls> Run<'a, C> {
    fn connect(plan: &Plan, calls: &'a C) -> Result<Self, LoadError> {
        let poller = Poller::new()?;
        let mut lines = Vec::new();
        for number in 0..plan.connections {
            let link = TcpStream::connect_timeout(&plan.target, CONNECT)
                .and_then(|socket| Link::new(socket, u64::from(number), &poller))
                .map_err(|cause| LoadError::Connect { number, cause })?;
            lines.push(Some(Line::new(link, number, plan.depth)));
        }
        let now = Instant::now();
        let books = Books {
            pace: Pace::new(plan.rate, now),
            outcome: Outcome::new(now),
            end: now + Duration::from_secs_f64(plan.seconds),
            in_flight: 0,
        };
        Ok(Self {
            calls,
            poller,
            lines,
            cursor: 0,
            books,
        })
    }

    fn drive(&mut self) -> io::Result<()> {
        let mut ready: Vec<u64> = (0..self.lines.len() as u64).collect();
        if matches!(self.books.pace, Pace::Closed) {
            self.turns(&ready);
        }
        let last = self.books.end + GRACE;
        loop {
            let now = Instant::now();
            self.books.pace.advance(now, self.books.end);
            self.dispatch(now);
            let open = self.lines.iter().any(Option::is_some);
            if !open || now >= last || (now >= self.books.end && self.books.is_settled()) {
                return Ok(());
            }
            // A closed loop looks up at its end even if nothing arrives any more.
            let until = if now < self.books.end {
                self.books.end
            } else {
                last
            };
            let wait = self
                .books
                .pace
                .wait(now, self.books.end)
                .unwrap_or(until - now);
            self.poller.wait(wait, &mut ready)?;
            self.turns(&ready);
        }
    }

    fn turns(&mut self, ready: &[u64]) {
        for &number in ready {
            let place = &mut self.lines[number as usize];
            if let Some(line) = place
                && let Err(lost) = line.turn(self.calls, &self.poller, &mut self.books)
            {
                self.books.lose(line, &lost);
                *place = None;
            }
        }
    }

    /// Open loop: sends what is due, on the connections in turn, as long as any has a place.
    fn dispatch(&mut self, now: Instant) {
        while self.books.pace.unsent() > 0 {
            let count = self.lines.len();
            let free = (0..count)
                .map(|step| (self.cursor + step) % count)
                .find(|&number| {
                    self.lines[number]
                        .as_ref()
                        .is_some_and(|line| !line.free.is_empty())
                });
            let Some(number) = free else { return };
            self.cursor = number + 1;
            let place = &mut self.lines[number];
            if let Some(line) = place {
                line.start(self.calls, &mut self.books, now);
                if let Err(lost) = line.send(&self.poller) {
                    self.books.lose(line, &lost);
                    *place = None;
                }
            }
        }
    }

    fn finish(self) -> Report {
        let Books {
            pace,
            mut outcome,
            in_flight,
            ..
        } = self.books;
        outcome.failed("no reply", in_flight);
        outcome.failed("due but never sent", pace.unsent());
        outcome.report()
    }
}

impl Books {
    fn is_settled(&self) -> bool {
        self.in_flight == 0 && self.pace.unsent() == 0
    }

    fn lose(&mut self, line: &Line, lost: &Lost) {
        let in_flight = line.in_flight();
        self.in_flight -= in_flight;
        // A connection lost while idle is a fault of the proxy too.
        self.outcome.failed(&lost.to_string(), in_flight.max(1));
    }

    fn settle(&mut self, due: Instant, verdict: Verdict, now: Instant) {
        self.in_flight -= 1;
        match verdict {
            Verdict::Right => self.outcome.right(due, now),
            Verdict::Status(status) => self.outcome.wrong(&format!("status {status}"), now),
            Verdict::Content => self.outcome.wrong("reply with wrong content", now),
        }
    }
}

/// A connection and its requests in flight.
struct Line {
    link: Link,
    number: u32,
    /// By place: which request is in flight there and from when it counts.
    places: Vec<Option<(Ticket, Instant)>>,
    free: Vec<u32>,
    started: u64,
}

impl Line {
    fn new(link: Link, number: u32, depth: u32) -> Self {
        Self {
            link,
            number,
            places: vec![None; depth as usize],
            free: (0..depth).rev().collect(),
            started: 0,
        }
    }

    fn turn(&mut self, calls: &impl Calls, poller: &Poller, books: &mut Books) -> Result<(), Lost> {
        if self.link.receive()? == Received::Closed {
            return Err(Lost::Closed);
        }
        let now = Instant::now();
        self.settle_all(calls, books, now)?;
        while self.start(calls, books, now) {}
        self.send(poller)
    }

    /// Starts a request if one is due and a place is free.
    fn start(&mut self, calls: &impl Calls, books: &mut Books, now: Instant) -> bool {
        let Some(&place) = self.free.last() else {
            return false;
        };
        let Some(due) = books.pace.take(now, books.end) else {
            return false;
        };
        self.free.pop();
        self.started += 1;
        // The lowest sixteen bits find the place again; what is above them makes the ticket unique.
        let ticket = Ticket((self.started << 16) | u64::from(place));
        self.places[place as usize] = Some((ticket, due));
        books.in_flight += 1;
        calls.write_request(self.number, ticket, self.link.outbox());
        true
    }

    fn send(&mut self, poller: &Poller) -> Result<(), Lost> {
        self.link.flush()?;
        let interest = if self.link.has_unsent() {
            Interest::Both
        } else {
            Interest::Read
        };
        Ok(self.link.wait_for(interest, poller)?)
    }

    fn settle_all(
        &mut self,
        calls: &impl Calls,
        books: &mut Books,
        now: Instant,
    ) -> Result<(), Violation> {
        let (received, out) = self.link.received();
        let mut consumed = 0;
        let needed = loop {
            match calls.read_reply(self.number, &received[consumed..], out)? {
                Step::Wait { needed } => break needed,
                Step::Skip { consumed: length } => consumed += length,
                Step::Reply {
                    consumed: length,
                    ticket,
                    verdict,
                } => {
                    consumed += length;
                    let place = (ticket.0 & 0xffff) as usize;
                    match self
                        .places
                        .get_mut(place)
                        .and_then(|entry| entry.take_if(|(known, _)| *known == ticket))
                    {
                        Some((_, due)) => {
                            self.free.push(place as u32);
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

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};
    use std::thread;

    use super::*;
    use crate::arguments::DubboCall;
    use crate::backend;

    fn backend(body: u64) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("the listener is bound");
        let end = Instant::now() + Duration::from_secs(30);
        thread::spawn(move || backend::serve(&listener, &dubbo::Echo::new(body), end));
        address
    }

    fn load(target: SocketAddr, body: u64, rate: Option<f64>) -> Report {
        let plan = Plan {
            target,
            connections: 3,
            depth: 5,
            body,
            seconds: 0.2,
            rate,
        };
        let call = DubboCall {
            service: "org.demo.Hello".to_owned(),
            service_version: "1.0.0".to_owned(),
            method: "hi".to_owned(),
            group: "g".to_owned(),
            attachments: Vec::new(),
        };
        let caller = dubbo::Caller::new(&call, body).expect("ASCII only");
        run(&plan, &caller).expect("the target takes connections")
    }

    #[test]
    fn a_closed_loop_gets_every_reply_whatever_the_size() {
        for body in [16, 128, 1 << 20] {
            let report = load(backend(body), body, None);
            assert!(report.requests >= 15, "{report}");
            assert_eq!(report.errors, 0, "{report}");
        }
    }

    #[test]
    fn an_open_loop_gets_every_reply_and_sends_what_was_due() {
        let report = load(backend(128), 128, Some(2_000.0));
        // Four hundred are due; a standard deviation is twenty.
        assert!((300..500).contains(&report.requests), "{report}");
        assert_eq!(report.errors, 0, "{report}");
    }

    #[test]
    fn replies_with_other_content_are_errors() {
        let report = load(backend(129), 128, None);
        assert_eq!(report.errors, report.requests, "{report}");
        assert!(
            report.error_kinds.contains_key("reply with wrong content"),
            "{report}"
        );
    }

    #[test]
    fn a_target_that_closes_ends_the_run_and_its_requests_are_errors() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let target = listener.local_addr().expect("the listener is bound");
        thread::spawn(move || {
            for socket in listener.incoming() {
                drop(socket);
            }
        });
        let report = load(target, 128, None);
        assert_eq!(report.requests, 0, "{report}");
        assert!(report.errors >= 3, "{report}");
    }

    #[test]
    fn a_silent_target_does_not_hold_the_run() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let started = Instant::now();
        let report = load(
            listener.local_addr().expect("the listener is bound"),
            128,
            None,
        );
        assert!(started.elapsed() < GRACE + Duration::from_secs(5));
        assert_eq!(report.error_kinds.get("no reply"), Some(&15), "{report}");
    }
}
