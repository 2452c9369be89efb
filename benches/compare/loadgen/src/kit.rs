//! What the tests of every protocol share.

use std::ops::Range;

use crate::arguments::Call;
use crate::protocol::{Answers, Calls, Step, Ticket, Verdict};

/// What a test calls.
pub(crate) fn call() -> Call {
    Call {
        service: "org.demo.Hello".to_owned(),
        service_version: "0.0.0".to_owned(),
        method: "hi".to_owned(),
        group: "g1".to_owned(),
        attachments: vec![("batchjob".to_owned(), "true".to_owned())],
        services: 1,
    }
}

/// Which octets of a reply make it a wrong one if they change.
pub(crate) enum Changes {
    /// All but these.
    AllBut(Range<usize>),
    /// These: what stands before them is the proxy's to write.
    From(usize),
}

/// A request on connection 7 and the reply to it.
pub(crate) struct Exchange<S> {
    /// The caller's side after the request.
    pub(crate) state: S,
    /// What the backend wrote.
    pub(crate) reply: Vec<u8>,
}

/// Lets `echo` answer the request `ticket` of `caller`.
pub(crate) fn exchange<C: Calls, A: Answers>(
    caller: &C,
    echo: &A,
    ticket: Ticket,
) -> Exchange<C::State> {
    let (mut request, mut reply) = (Vec::new(), Vec::new());
    let mut state = caller.open(7, &mut request);
    caller.write_request(&mut state, ticket, &mut request);
    let (mut answers, mut at) = (A::State::default(), 0);
    while at < request.len() {
        match echo.answer(&mut answers, &request[at..], &mut reply) {
            Ok(Step::Skip { consumed }) => at += consumed,
            other => panic!("{other:?} at {at} of {}", request.len()),
        }
    }
    Exchange { state, reply }
}

/// The reply to a request is right; on another connection, and with any octet changed, it is not; part of it waits.
pub(crate) fn right_and_wrong<C: Calls, A: Answers>(caller: &C, echo: &A, changes: Changes) {
    let ticket = Ticket::new(99, 3);
    let fresh = || exchange(caller, echo, ticket);
    let reply = fresh().reply;
    let judge =
        |state: &mut C::State, reply: &[u8]| caller.read_reply(state, reply, &mut Vec::new());
    let right = Step::Reply {
        consumed: reply.len(),
        ticket,
        verdict: Verdict::Right,
    };
    assert_eq!(judge(&mut fresh().state, &reply), Ok(right));

    let mut other = caller.open(8, &mut Vec::new());
    caller.write_request(&mut other, ticket, &mut Vec::new());
    assert_ne!(judge(&mut other, &reply), Ok(right));

    let step = reply.len() / 300 + 1;
    for at in (0..reply.len()).step_by(step) {
        let counts = match &changes {
            Changes::AllBut(range) => !range.contains(&at),
            Changes::From(start) => at >= *start,
        };
        let mut changed = reply.clone();
        changed[at] ^= 1;
        assert!(
            !counts || judge(&mut fresh().state, &changed) != Ok(right),
            "{at}"
        );
        let part = judge(&mut fresh().state, &reply[..at]);
        assert!(
            matches!(part, Ok(Step::Wait { needed }) if needed > at),
            "{at}: {part:?}"
        );
    }
}
