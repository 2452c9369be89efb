//! The echo backend: accepts, answers, never holds more than one turn's replies per connection.

use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::arguments::Service;
use crate::link::{Link, Received};
use crate::poller::{Interest, Poller};
use crate::protocol::{Answers, Step, Violation};

const LISTENER: u64 = u64::MAX;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("closed by the other side")]
    Closed,
    #[error(transparent)]
    Socket(#[from] io::Error),
    #[error(transparent)]
    Violation(#[from] Violation),
}

/// A connection and what its protocol remembers of it.
struct Session<S> {
    link: Link,
    state: S,
}

/// Answers until the time of `service` is up.
pub(crate) fn run(service: &Service, protocol: &impl Answers) -> io::Result<()> {
    let end = Instant::now() + Duration::from_secs_f64(service.seconds);
    let listener = TcpListener::bind(service.listen)?;
    println!("listening on {}", listener.local_addr()?);
    serve(&listener, protocol, end)
}

/// Answers everyone who connects to `listener`, until `end`.
pub(crate) fn serve(
    listener: &TcpListener,
    protocol: &impl Answers,
    end: Instant,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut poller = Poller::new()?;
    poller.add(listener, LISTENER, Interest::Read)?;

    let mut sessions = HashMap::new();
    let mut accepted = 0;
    let mut ready = Vec::new();
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        poller.wait(left, &mut ready)?;
        for &number in &ready {
            if number == LISTENER {
                accept(listener, &poller, &mut sessions, &mut accepted);
            } else if let Some(session) = sessions.get_mut(&number)
                && let Err(ended) = turn(session, protocol, &poller)
            {
                if matches!(ended, Ended::Violation(_)) {
                    eprintln!("connection {number}: {ended}");
                }
                sessions.remove(&number);
            }
        }
    }
}

/// Takes every connection that waits; one that fails is the client's loss, not the backend's end.
fn accept<S: Default>(
    listener: &TcpListener,
    poller: &Poller,
    sessions: &mut HashMap<u64, Session<S>>,
    accepted: &mut u64,
) {
    while let Ok((socket, _)) = listener.accept() {
        match Link::new(socket, *accepted, poller) {
            Ok(link) => {
                let state = S::default();
                sessions.insert(*accepted, Session { link, state });
                *accepted += 1;
            }
            Err(error) => eprintln!("a connection was not taken: {error}"),
        }
    }
}

/// One read, all the answers to it, one write. Nothing further is read while replies wait for room.
fn turn<A: Answers>(
    session: &mut Session<A::State>,
    protocol: &A,
    poller: &Poller,
) -> Result<(), Ended> {
    let link = &mut session.link;
    if !link.has_unsent() {
        if link.receive()? == Received::Closed {
            return Err(Ended::Closed);
        }
        answer_all(link, &mut session.state, protocol)?;
    }
    link.flush()?;
    let interest = if link.has_unsent() {
        Interest::Write
    } else {
        Interest::Read
    };
    Ok(link.wait_for(interest, poller)?)
}

fn answer_all<A: Answers>(
    link: &mut Link,
    state: &mut A::State,
    protocol: &A,
) -> Result<(), Violation> {
    let (received, out) = link.received();
    let mut consumed = 0;
    let needed = loop {
        match protocol.answer(state, &received[consumed..], out)? {
            Step::Wait { needed } => break needed,
            Step::Skip { consumed: length }
            | Step::Reply {
                consumed: length, ..
            } => consumed += length,
        }
    };
    link.consume(consumed, needed);
    Ok(())
}
