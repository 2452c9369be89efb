//! Idle connections: each is opened, carries one request, and then stays, so that what a proxy keeps for it shows.

use std::io::{self, Read as _};
use std::time::{Duration, Instant};

use crate::arguments::Crowd;
use crate::line::{Books, Line};
use crate::load::{LoadError, connect};
use crate::outcome::{Outcome, Report};
use crate::pace::Pace;
use crate::poller::Poller;
use crate::protocol::Calls;

/// Requests in flight at once: so few that the proxy's need for them does not count among what connections cost.
const AT_ONCE: u32 = 32;
/// For the replies of so many.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens `crowd`, prints what came of its requests, keeps it until standard input ends, and prints the same again: a
/// connection that was lost meanwhile is an error more.
pub(crate) fn run(crowd: &Crowd, calls: &impl Calls) -> Result<(), LoadError> {
    let mut held = Held::open(crowd, calls)?;
    println!("{}", held.report());
    io::stdin().read_to_end(&mut Vec::new())?;
    held.look(Duration::ZERO)?;
    println!("{}", held.report());
    Ok(())
}

struct Held<'a, C: Calls> {
    calls: &'a C,
    poller: Poller,
    lines: Vec<Option<Line<C::State>>>,
    books: Books,
}

impl<'a, C: Calls> Held<'a, C> {
    fn open(crowd: &Crowd, calls: &'a C) -> Result<Self, LoadError> {
        let now = Instant::now();
        let mut held = Self {
            calls,
            poller: Poller::new()?,
            lines: Vec::new(),
            books: Books {
                pace: Pace::Counted { left: 0 },
                outcome: Outcome::new(now),
                end: now,
                in_flight: 0,
            },
        };
        for first in (0..crowd.connections).step_by(AT_ONCE as usize) {
            let last = crowd.connections.min(first + AT_ONCE);
            for number in first..last {
                held.add(crowd, number)?;
            }
            let deadline = Instant::now() + PATIENCE;
            while held.books.in_flight > 0 && Instant::now() < deadline {
                held.look(Duration::from_millis(100))?;
            }
        }
        Ok(held)
    }

    fn add(&mut self, crowd: &Crowd, number: u32) -> Result<(), LoadError> {
        let link = connect(crowd.target, number, &self.poller)?;
        let mut line = Line::new(link, number, 1, self.calls);
        self.books.pace = Pace::Counted { left: 1 };
        line.start(self.calls, &mut self.books, Instant::now());
        let sent = line.send(&self.poller);
        if let Err(lost) = &sent {
            self.books.lose(&line, lost);
        }
        self.lines.push(sent.is_ok().then_some(line));
        Ok(())
    }

    /// Takes what arrives within `wait`, until nothing more is there.
    fn look(&mut self, mut wait: Duration) -> io::Result<()> {
        let mut ready = Vec::new();
        loop {
            self.poller.wait(wait, &mut ready)?;
            if ready.is_empty() {
                return Ok(());
            }
            for &number in &ready {
                let place = &mut self.lines[number as usize];
                if let Some(line) = place
                    && let Err(lost) = line.turn(self.calls, &self.poller, &mut self.books)
                {
                    self.books.lose(line, &lost);
                    *place = None;
                }
            }
            wait = Duration::ZERO;
        }
    }

    fn report(&self) -> Report {
        let mut outcome = self.books.outcome.clone();
        outcome.failed("no reply", self.books.in_flight);
        outcome.report()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::{backend, dubbo, kit};

    #[test]
    fn every_connection_has_one_reply_and_stays() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let target = listener.local_addr().expect("the listener is bound");
        let end = Instant::now() + Duration::from_secs(30);
        thread::spawn(move || backend::serve(&listener, &dubbo::Echo::new(128), end));
        let crowd = Crowd {
            target,
            connections: 100,
            body: 128,
        };
        let caller = dubbo::Caller::new(&kit::call(), crowd.body).expect("ASCII only");
        let mut held = Held::open(&crowd, &caller).expect("the target takes connections");
        held.look(Duration::ZERO).expect("polling works");
        let report = held.report();
        assert_eq!((report.requests, report.errors), (100, 0), "{report}");
        assert!(held.lines.iter().all(Option::is_some));
    }
}
