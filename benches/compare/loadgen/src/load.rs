//! The load side: keeps every connection's places filled (closed loop) or sends by the clock (open loop), and checks
//! each reply against the one that is due. The clock is read once a turn.

use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::arguments::Plan;
use crate::line::{Books, Line};
use crate::link::Link;
use crate::outcome::{Outcome, Report};
use crate::pace::Pace;
use crate::poller::{Interest, Poller};
use crate::protocol::{CallError, Calls};

/// For connecting, and for the last replies after the end.
const CONNECT: Duration = Duration::from_secs(5);
const GRACE: Duration = Duration::from_secs(2);
/// Connections from one loopback address; a system has some 28 000 ports for each.
const PER_SOURCE: u32 = 20_000;
/// Standard input, among the numbers of connections.
const INPUT: u64 = u64::MAX;

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
    Call(#[from] CallError),
    /// The system's poller failed.
    #[error(transparent)]
    Poller(#[from] io::Error),
}

/// Runs `plan` and says what came of it.
pub(crate) fn run(plan: &Plan, calls: &impl Calls) -> Result<Report, LoadError> {
    let mut run = Run::connect(plan, calls)?;
    run.drive()?;
    Ok(run.finish())
}

/// Opens the connection with this number, from a loopback address that still has ports.
pub(crate) fn connect(target: SocketAddr, number: u32, poller: &Poller) -> Result<Link, LoadError> {
    socket(target, number)
        .and_then(|socket| Link::new(socket, u64::from(number), poller))
        .map_err(|cause| LoadError::Connect { number, cause })
}

fn socket(target: SocketAddr, number: u32) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(target), Type::STREAM, None)?;
    if let IpAddr::V4(address) = target.ip()
        && address.is_loopback()
        && number >= PER_SOURCE
    {
        let [_, _, third, fourth] = (1 + number / PER_SOURCE).to_be_bytes();
        let source = Ipv4Addr::new(127, 0, third, fourth);
        socket.bind(&SocketAddr::from((source, 0)).into())?;
    }
    socket.connect_timeout(&target.into(), CONNECT)?;
    Ok(socket.into())
}

struct Run<'a, C: Calls> {
    calls: &'a C,
    poller: Poller,
    lines: Vec<Option<Line<C::State>>>,
    /// Where the search for a free place goes on, so that an open loop spreads over all connections.
    cursor: usize,
    books: Books,
}

impl<'a, C: Calls> Run<'a, C> {
    fn connect(plan: &Plan, calls: &'a C) -> Result<Self, LoadError> {
        let poller = Poller::new()?;
        if plan.phases {
            poller.add(io::stdin(), INPUT, Interest::Read)?;
        }
        let mut lines = Vec::new();
        for number in 0..plan.connections {
            let link = connect(plan.target, number, &poller)?;
            lines.push(Some(Line::new(link, number, plan.depth, calls)));
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
            if number == INPUT {
                self.begin_phases();
                continue;
            }
            let place = &mut self.lines[number as usize];
            if let Some(line) = place
                && let Err(lost) = line.turn(self.calls, &self.poller, &mut self.books)
            {
                self.books.lose(line, &lost);
                *place = None;
            }
        }
    }

    /// A phase for each line on standard input; when that ends, it is no longer looked at.
    fn begin_phases(&mut self) {
        let mut bytes = [0; 64];
        match io::stdin().read(&mut bytes) {
            Ok(count) if count > 0 => {
                let lines = bytes[..count].iter().filter(|&&byte| byte == b'\n');
                lines.for_each(|_| self.books.outcome.begin_phase());
            }
            // Nothing more will come; failing to forget it would only cost turns.
            Ok(_) | Err(_) => drop(self.poller.remove(io::stdin())),
        }
    }

    /// Open loop: sends what is due, on the connections in turn, as long as any has a place.
    fn dispatch(&mut self, now: Instant) {
        while self.books.pace.unsent() > 0 {
            let count = self.lines.len();
            let free = (0..count)
                .map(|step| (self.cursor + step) % count)
                .find(|&number| self.lines[number].as_ref().is_some_and(Line::has_place));
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

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};
    use std::thread;

    use super::*;
    use crate::{backend, dubbo, kit};

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
            phases: false,
        };
        let caller = dubbo::Caller::new(&kit::call(), body).expect("ASCII only");
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
