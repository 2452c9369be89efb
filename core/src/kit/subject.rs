//! A protocol under test, whichever tier it is written in, and what may be done to it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Samples;
use super::script::Script;
use super::side::{Promises, Side, Streams};
use crate::connection::{ConnectionError, Event, EventKind};
use crate::frame::{Frame, Reason, StreamId};
use crate::head::{Head, Kind};
use crate::name::Name;
use crate::outcome::{Code, Reply};
use crate::protocol::{Limits, Protocol, Role};

/// A protocol with bytes and heads to try it with.
pub struct Subject {
    protocol: Arc<dyn Protocol>,
    limits: Limits,
    promises: Promises,
    /// What each side may be fed, beside bytes of any kind.
    samples: Samples,
    requests: Vec<Head>,
    responses: Vec<Head>,
}

impl Subject {
    /// `protocol` within `limits`, of which `samples` are conversations that begin a connection:
    /// each of the requests is what a client may say first, and each response what may answer the
    /// first head among the requests.
    pub fn new(
        protocol: Arc<dyn Protocol>,
        limits: Limits,
        promises: Promises,
        samples: Samples,
    ) -> Self {
        let mut subject = Self {
            protocol,
            limits,
            promises,
            samples,
            requests: Vec::new(),
            responses: Vec::new(),
        };
        for sample in subject.samples.requests.clone() {
            let mut server = subject.side(Role::Server);
            if server.feed(&sample).is_ok() {
                subject.requests.extend(heads(server.events()));
            }
        }
        for sample in subject.samples.responses.clone() {
            let mut client = subject.side(Role::Client);
            let asked = subject.ask(&mut client, StreamId(1), 0);
            if asked && client.feed(&sample).is_ok() {
                subject.responses.extend(heads(client.events()));
            }
        }
        subject
    }

    /// Adds heads that another protocol brought.
    pub fn with_heads_of(mut self, other: &Self) -> Self {
        self.requests.extend(other.requests.iter().cloned());
        self.responses.extend(other.responses.iter().cloned());
        self
    }

    /// A fresh connection that plays `role`.
    pub fn side(&self, role: Role) -> Side {
        Side::new(&*self.protocol, role, &self.limits, self.promises)
    }

    /// Requests to send.
    pub fn requests(&self) -> &[Head] {
        &self.requests
    }

    /// Responses to send.
    pub fn responses(&self) -> &[Head] {
        &self.responses
    }

    /// Opens `stream` and sends the request `which` on it, without its body; whether it was sent.
    pub fn ask(&self, client: &mut Side, stream: StreamId, which: usize) -> bool {
        let Some(head) = self.requests.get(which) else {
            return false;
        };
        client.open(stream) && client.send(stream, Frame::Head(head.clone())).is_ok()
    }

    /// What a connection makes of `wire` does not depend on how it was cut.
    ///
    /// Clients have asked for the first of the requests. Connections that take turns are answered
    /// once a request is complete, others never are.
    pub fn arrives_alike_in_pieces(&self, role: Role, wire: &[u8], script: &mut Script<'_>) {
        let eof = script.flag();
        if wire.is_empty() {
            return;
        }
        let whole = self.arrived(role, &[wire], eof);
        let mut pieces = Vec::new();
        let mut rest = wire;
        while !rest.is_empty() {
            let len = match script.is_over() {
                true if pieces.len() < 64 => 1,
                true => rest.len(),
                false => 1 + script.below(64),
            };
            let (piece, after) = rest.split_at(len.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        let pieces = self.arrived(role, &pieces, eof);
        let alike = match (&whole.end, &pieces.end) {
            (Some(ConnectionError::TooLong { .. }), _)
            | (_, Some(ConnectionError::TooLong { .. })) => {
                return; // which of two faults comes first is for those to see who wait for both
            }
            (Some(whole), Some(pieces)) => alike(whole, pieces),
            // Who closes once it is finished does not read what comes after that.
            _ if whole.finished || pieces.finished => true,
            (whole, pieces) => whole == pieces,
        };
        assert!(
            alike,
            "{:?} in pieces, and {:?} as a whole",
            pieces.end, whole.end
        );
        assert_eq!(
            (pieces.streams, pieces.bodies),
            (whole.streams, whole.bodies)
        );
        if whole.end.is_none() && !whole.finished {
            // How much of a last word is said depends on how much of the last message was there.
            assert_eq!(pieces.written, whole.written);
        }
    }

    fn arrived(&self, role: Role, pieces: &[&[u8]], eof: bool) -> Arrived {
        let mut side = self.side(role);
        let mut arrived = Arrived::default();
        if role == Role::Client {
            let multiplexed = self.protocol.capabilities().multiplexed;
            let last = if multiplexed { 3 } else { 1 };
            for name in 1..=last {
                self.ask(&mut side, StreamId(name), name as usize - 1);
            }
        }
        for piece in pieces {
            let result = self.hear(&mut side, piece, &mut arrived);
            if side.is_finished() || result.is_err() {
                arrived.end = result.err();
                break;
            }
        }
        if eof && arrived.end.is_none() && !side.is_finished() {
            arrived.end = side.eof().err();
            arrived.note(side.events());
        }
        arrived.finished = side.is_finished();
        arrived.written = side.written();
        arrived
    }

    /// Feeds `piece` and answers what it completes.
    fn hear(
        &self,
        side: &mut Side,
        piece: &[u8],
        arrived: &mut Arrived,
    ) -> Result<(), ConnectionError> {
        let mut result = side.feed(piece);
        loop {
            let events = side.events();
            let idle = events.is_empty();
            let complete = if self.protocol.capabilities().multiplexed {
                Vec::new()
            } else {
                complete(&events)
            };
            arrived.note(events);
            if idle || result.is_err() || side.is_finished() {
                return result;
            }
            if !self.protocol.capabilities().multiplexed {
                side.consume_all();
            }
            for (stream, echo) in complete {
                side.reply(stream, echo, &Reply::refused(Code::NotFound, "nobody"));
            }
            result = side.again();
        }
    }

    /// Does what `script` says: all that a driver may do, in any order, and what it had better not.
    ///
    /// In the end everything in flight is given up, after which the connection must be ready for
    /// more or over.
    pub fn stands_any_order(&self, role: Role, script: &mut Script<'_>) {
        let mut side = self.side(role);
        for _ in 0..MOST_STEPS {
            if script.is_over() || side.is_finished() {
                break;
            }
            if !self.step(&mut side, script) {
                return;
            }
        }
        self.wind_up(&mut side);
    }

    /// Does one thing; whether the connection lives on.
    fn step(&self, side: &mut Side, script: &mut Script<'_>) -> bool {
        match script.below(16) {
            0..=4 => return self.feed(side, script),
            choice @ 5..=10 => self.say(choice, side, script),
            11 => {
                let (stream, code) = (some_stream(side, script), *script.one_of(&Code::ALL));
                side.reply(stream, Default::default(), &Reply::refused(code, "no"));
            }
            12 => {
                let stream = some_stream(side, script);
                side.consumed(stream, script.below(100_000));
            }
            13 => side.consume_all(),
            14 => {
                let time = Duration::from_millis(script.below(500_000) as u64);
                return side.wait(time).is_ok();
            }
            _ => match script.below(8) {
                // A half-closed peer may still be answered.
                0 => return side.eof().is_ok() && side.role() == Role::Server,
                1 => side.drain(),
                _ => return side.unread() == 0 || side.again().is_ok(),
            },
        }
        true
    }

    /// Sends a frame.
    fn say(&self, choice: usize, side: &mut Side, script: &mut Script<'_>) {
        if choice < 7 && side.role() == Role::Client {
            let which = script.below(self.requests.len());
            let stream = side.fresh_name();
            self.ask(side, stream, which);
            return;
        }
        let which = script.below(self.responses.len());
        let stream = some_stream(side, script);
        let frame = match (choice, self.responses.get(which)) {
            (5 | 6, Some(head)) => Frame::Head(head.clone()),
            (9, Some(head)) => Frame::Trailers(head.clone()),
            (10, _) => Frame::Reset(*script.one_of(&[
                Reason::Peer,
                Reason::Refused,
                Reason::Cancelled,
                Reason::Protocol,
            ])),
            _ => {
                let len = script.below(70_000).min(side.capacity(stream));
                let (bytes, end) = (Bytes::from(vec![b'x'; len]), script.flag());
                Frame::Data { bytes, end }
            }
        };
        // Most of this is out of turn, and refused.
        let _: Result<_, _> = side.send(stream, frame);
    }

    fn feed(&self, side: &mut Side, script: &mut Script<'_>) -> bool {
        if !side.wants_read() {
            return true;
        }
        let samples = match side.role() {
            Role::Server => &self.samples.requests,
            Role::Client => &self.samples.responses,
        };
        let fed = match script.below(4) {
            0 | 1 => side.feed(script.piece()),
            2 if !samples.is_empty() => side.feed(script.one_of::<Bytes>(samples)),
            3 if !self.samples.others.is_empty() => {
                side.feed(script.one_of::<Bytes>(&self.samples.others))
            }
            _ => side.again(),
        };
        fed.is_ok()
    }

    /// Gives up what is in flight, and checks that nothing holds the connection then.
    fn wind_up(&self, side: &mut Side) {
        if self.promises.streams != Streams::Exchanges {
            return;
        }
        for _ in 0..MOST_STEPS {
            side.consume_all();
            for stream in side.live() {
                side.reply(
                    stream,
                    Default::default(),
                    &Reply::refused(Code::Unavailable, "bye"),
                );
                let _: Result<_, _> = side.send(stream, Frame::Reset(Reason::Cancelled));
            }
            let unread = side.unread();
            if side.is_finished() || side.wants_shutdown() || side.again().is_err() {
                return;
            }
            if side.live().is_empty() && side.unread() == unread {
                break;
            }
        }
        side.consume_all();
        let idle = side.live().is_empty();
        assert!(
            !idle || side.heard_all() || side.wants_read(),
            "nothing is in flight, and nothing is read"
        );
    }
}

/// Whether two errors are the same but for where they were found, which depends on what was there.
fn alike(one: &ConnectionError, other: &ConnectionError) -> bool {
    match (one, other) {
        (ConnectionError::Malformed(one), ConnectionError::Malformed(other)) => {
            one.part == other.part
        }
        _ => std::mem::discriminant(one) == std::mem::discriminant(other),
    }
}

/// What arrived on a connection, in comparable form.
#[derive(Debug, Default)]
struct Arrived {
    /// What each stream brought; bodies as one.
    streams: BTreeMap<StreamId, Vec<String>>,
    end: Option<ConnectionError>,
    written: Bytes,
    finished: bool,
    /// The body that is arriving on a stream.
    bodies: BTreeMap<StreamId, Vec<u8>>,
}

impl Arrived {
    fn note(&mut self, events: Vec<Event>) {
        for event in events {
            let Event { stream, kind } = event;
            let said = self.streams.entry(stream).or_default();
            let body = self.bodies.entry(stream).or_default();
            let EventKind::Frame(frame) = kind else {
                said.push(format!("{kind:?}"));
                continue;
            };
            if let Frame::Data { bytes, .. } = &frame {
                body.extend_from_slice(bytes);
            }
            match &frame {
                Frame::Head(head) | Frame::Trailers(head) => said.push(describe(head)),
                Frame::Data { end: false, .. } => {}
                Frame::Data { end: true, .. } => said.push("end".to_owned()),
                Frame::Reset(reason) => said.push(format!("{reason:?}")),
            }
        }
    }
}

/// All that can be told of a head.
pub fn describe(head: &Head) -> String {
    single_looks_agree(head);
    let pairs: Vec<_> = head
        .metadata()
        .iter()
        .map(|(name, value)| (lossy(name), lossy(value)))
        .collect();
    let Head {
        kind,
        end,
        outcome,
        echo,
        bound,
        stage,
        idempotent,
        timeout,
        ..
    } = head;
    let fields = crate::name::Field::ALL.map(|field| head.field(field).map(lossy));
    // Which of two faults is found first depends on what was there.
    let fault = head.fault().is_some();
    let said =
        format!("{kind:?} {end} {outcome:?} {echo:?} {bound} {stage:?} {idempotent} {timeout:?}");
    format!("{said} {fields:?} {fault:?} {pairs:?}")
}

/// Whoever looks for one name finds what is listed under it.
fn single_looks_agree(head: &Head) {
    let listed = head.clone();
    for (name, _) in listed.metadata().iter() {
        let Ok(name) = std::str::from_utf8(name) else {
            continue;
        };
        let name = Name::new(name);
        // Those that a codec knows apart are found elsewhere.
        if name.field().is_some() || name.is_protocol() {
            continue;
        }
        let values: Vec<_> = listed.metadata().all(&name).collect();
        let mut found = Vec::new();
        head.clone().any(&name, |value| {
            found.push(value.to_vec());
            false
        });
        assert_eq!(found, values, "values of {name}");
        assert_eq!(head.clone().get(&name), values.first().copied());
    }
}

fn lossy(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn heads(events: Vec<Event>) -> impl Iterator<Item = Head> {
    events.into_iter().filter_map(|event| match event.kind {
        EventKind::Frame(Frame::Head(head)) if head.fault().is_none() => Some(head),
        _ => None,
    })
}

/// Requests that are there with all that belongs to them, or that are none.
fn complete(events: &[Event]) -> Vec<(StreamId, crate::head::Echo)> {
    let done = events.iter().filter_map(|event| match &event.kind {
        EventKind::Frame(Frame::Head(head)) if head.end || head.fault().is_some() => {
            (head.kind == Kind::Request).then_some((event.stream, head.echo))
        }
        EventKind::Frame(Frame::Data { end: true, .. } | Frame::Trailers(_)) => {
            Some((event.stream, Default::default()))
        }
        _ => None,
    });
    done.collect()
}

/// A stream to do something with, most often one that is in flight.
fn some_stream(side: &Side, script: &mut Script<'_>) -> StreamId {
    let (live, choice) = (side.live(), script.below(8));
    match live.is_empty() || choice == 7 {
        true => StreamId(choice as u64),
        false => live[choice % live.len()],
    }
}

/// Things that are done to a connection, at most.
const MOST_STEPS: usize = 400;
