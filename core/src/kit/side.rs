//! One side of a connection with all that a driver holds, which watches what the connection does.
//!
//! Everything that [`Connection`] promises and that can be told from outside is checked after every
//! call; a promise that is broken panics:
//!
//! - a stream begins with a head, ends once, and nothing comes on one that is over or unknown;
//! - bodies that nobody consumed stay within what [`Promises`] allow, and so does input that is left;
//! - a connection that was just asked has nothing more to say of the same input;
//! - what is finished stays so, and a timeout that was handled is not due any longer.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use crate::connection::{Connection, ConnectionError, Event, EventKind, SendError, Turn, Written};
use crate::frame::{Frame, StreamId};
use crate::head::{Echo, Kind, Stage};
use crate::outcome::Reply;
use crate::output::Output;
use crate::protocol::{Limits, Protocol, Role};
use crate::pump::{Moved, Pump};

/// What a connection promises beside what all of them do.
#[derive(Clone, Copy, Debug)]
pub struct Promises {
    /// What may happen on streams.
    pub streams: Streams,
    /// Bytes of bodies that arrive before any are consumed, at most.
    pub most_unread: usize,
    /// Bytes of input that are left while more are wanted, at most.
    pub most_input: usize,
}

impl Promises {
    /// Those of a protocol whose messages are whole, within `limits`.
    pub fn of_messages(limits: &Limits) -> Self {
        Self {
            streams: Streams::Messages,
            most_unread: 0,
            most_input: limits.max_message_bytes,
        }
    }
}

/// What may happen on the streams of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Streams {
    /// Each is one exchange, of which the connection keeps track.
    Exchanges,
    /// Whole messages with any id of the peer's, at any time and more than once.
    Messages,
    /// Either, as it turns out.
    Unknown,
}

/// One side of a connection, its buffers and its clock.
pub struct Side {
    conn: Box<dyn Connection>,
    role: Role,
    promises: Promises,
    now: Instant,
    input: BytesMut,
    out: Output,
    events: VecDeque<Event>,
    streams: HashMap<StreamId, Stream>,
    eof: bool,
    finished: bool,
}

/// What is known of a stream.
#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    /// A head arrived that is no interim one.
    begun: bool,
    /// Nothing may follow but the news that the peer gave up.
    ended: bool,
    /// Nothing may follow.
    over: bool,
    /// We have begun to answer.
    answered: bool,
    /// Bytes of body that arrived and were not consumed.
    unread: usize,
}

impl Side {
    /// A connection of `protocol` that plays `role` and keeps `promises`.
    pub fn new(protocol: &dyn Protocol, role: Role, limits: &Limits, promises: Promises) -> Self {
        let now = Instant::now();
        Self {
            conn: protocol.connection(role, limits, now),
            role,
            promises,
            now,
            input: BytesMut::new(),
            out: Output::default(),
            events: VecDeque::new(),
            streams: HashMap::new(),
            eof: false,
            finished: false,
        }
    }

    /// Lets `bytes` arrive behind what is unread.
    ///
    /// # Errors
    /// As [`Connection::recv`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ConnectionError> {
        self.input.extend_from_slice(bytes);
        self.again()
    }

    /// Lets the connection look at what is unread.
    ///
    /// # Errors
    /// As [`Connection::recv`].
    pub fn again(&mut self) -> Result<(), ConnectionError> {
        self.recv()?;
        let (unread, written, events) = (self.input.len(), self.out.len(), self.events.len());
        if unread > 0 {
            self.recv().expect("the same bytes are still no error");
            let now = (self.input.len(), self.out.len(), self.events.len());
            assert_eq!(now, (unread, written, events), "there was more to say");
            let most = self.promises.most_input;
            let held = unread <= most || !self.wants_read();
            assert!(held, "{unread} bytes wait where {most} may");
        }
        Ok(())
    }

    fn recv(&mut self) -> Result<(), ConnectionError> {
        let mut input = std::mem::take(&mut self.input);
        let before = input.len();
        let result = self.turn(|conn, turn| conn.recv(&mut input, turn));
        assert!(input.len() <= before, "input is taken, not added to");
        self.input = input;
        result.inspect_err(|error| drop(error.to_string()))
    }

    /// The peer sends nothing more.
    ///
    /// # Errors
    /// As [`Connection::recv_eof`].
    pub fn eof(&mut self) -> Result<(), ConnectionError> {
        let mut input = self.input.split();
        self.eof = true;
        self.turn(|conn, turn| conn.recv_eof(&mut input, turn))
    }

    /// Opens `stream` towards a server, if the connection lets us.
    pub fn open(&mut self, stream: StreamId) -> bool {
        self.conn.open(stream)
    }

    /// Sends `frame` on `stream`.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub fn send(&mut self, stream: StreamId, frame: Frame) -> Result<Written, SendError> {
        let resets = matches!(frame, Frame::Reset(_));
        let asks = matches!(&frame, Frame::Head(head) if head.kind == Kind::Request);
        let begins = matches!(&frame, Frame::Head(head) if head.stage != Stage::Interim);
        let ends = frame.ends() && self.role == Role::Server;
        let sent = self.turn(|conn, turn| conn.send(stream, frame, turn));
        if asks && self.role == Role::Client && sent.is_ok() {
            let known = self.streams.insert(stream, Stream::default());
            assert!(known.is_none(), "each exchange has a name of its own");
        }
        if let Some(known) = self.streams.get_mut(&stream) {
            known.answered |= begins && sent.is_ok();
            known.over |= resets || (ends && sent.is_ok());
        }
        sent
    }

    /// Sends what `pump` holds on `stream`, behind its head, as far as there is room.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub fn pump(&mut self, pump: &mut Pump, stream: StreamId) -> Result<Moved, SendError> {
        let moved = self.turn(|conn, turn| pump.run(conn, stream, usize::MAX, turn))?;
        if let Some(known) = self.streams.get_mut(&stream) {
            known.over |= moved.ended && self.role == Role::Server;
        }
        Ok(moved)
    }

    /// Answers the request on `stream` with `reply`.
    pub fn reply(&mut self, stream: StreamId, echo: Echo, reply: &Reply) {
        self.turn(|conn, turn| conn.reply(stream, echo, reply, turn));
        if let Some(known) = self.streams.get_mut(&stream) {
            // Half an answer is none that could be replaced.
            known.over |= self.role == Role::Server && !known.answered;
        }
    }

    /// Says that `bytes` of body from `stream` were passed on; no more than arrived are.
    pub fn consumed(&mut self, stream: StreamId, bytes: usize) {
        let unread = self.streams.get_mut(&stream).map(|known| &mut known.unread);
        let bytes = bytes.min(unread.as_deref().copied().unwrap_or_default());
        if let Some(unread) = unread {
            *unread -= bytes;
        }
        self.turn(|conn, turn| conn.consumed(stream, bytes, turn));
    }

    /// Lets time pass, and does what is then due.
    ///
    /// # Errors
    /// As [`Connection::handle_timeout`].
    pub fn wait(&mut self, time: Duration) -> Result<(), ConnectionError> {
        self.now += time;
        let now = self.now;
        if self.conn.next_timeout().is_none_or(|due| due > now) {
            return Ok(());
        }
        self.turn(|conn, turn| conn.handle_timeout(turn))?;
        let due = self.conn.next_timeout();
        assert!(due.is_none_or(|due| due > now), "what is due was done");
        Ok(())
    }

    /// Announces that no new streams are welcome.
    pub fn drain(&mut self) {
        self.turn(|conn, turn| conn.drain(turn));
    }

    /// What happened since it was last asked.
    pub fn events(&mut self) -> Vec<Event> {
        self.events.drain(..).collect()
    }

    /// What was written since it was last asked.
    pub fn written(&mut self) -> Bytes {
        std::mem::take(&mut self.out).to_vec().into()
    }

    /// Bytes written since it was last asked.
    pub fn backlog(&self) -> usize {
        self.out.len()
    }

    /// Bytes that arrived and were not taken.
    pub fn unread(&self) -> usize {
        self.input.len()
    }

    /// Body bytes `stream` may send now.
    pub fn capacity(&self, stream: StreamId) -> usize {
        self.conn.capacity(stream)
    }

    /// Whether more should be fed.
    pub fn wants_read(&self) -> bool {
        !self.eof && self.conn.wants_read()
    }

    /// Whether the peer has said that it sends nothing more.
    pub fn heard_all(&self) -> bool {
        self.eof
    }

    /// Whether nothing more will be sent.
    pub fn wants_shutdown(&self) -> bool {
        self.conn.wants_shutdown()
    }

    /// Whether the connection may be closed.
    pub fn is_finished(&self) -> bool {
        self.conn.is_finished()
    }

    /// Which side it is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Streams that neither side is done with.
    pub fn live(&self) -> Vec<StreamId> {
        let live = self.streams.iter().filter(|(_, stream)| !stream.over);
        let mut live: Vec<_> = live.map(|(&name, _)| name).collect();
        live.sort_unstable();
        live
    }

    /// A name that no stream has had.
    pub fn fresh_name(&self) -> StreamId {
        StreamId(self.streams.len() as u64 + 1)
    }

    /// Bytes of the body of `stream` that were not consumed.
    pub fn unconsumed(&self, stream: StreamId) -> usize {
        self.streams.get(&stream).map_or(0, |known| known.unread)
    }

    /// Consumes every byte that arrived.
    pub fn consume_all(&mut self) {
        let mut owed: Vec<_> = self
            .streams
            .iter()
            .map(|(&s, known)| (s, known.unread))
            .collect();
        owed.sort_unstable();
        for (stream, bytes) in owed.into_iter().filter(|&(_, bytes)| bytes > 0) {
            self.consumed(stream, bytes);
        }
    }

    fn turn<R>(&mut self, f: impl FnOnce(&mut dyn Connection, &mut Turn<'_>) -> R) -> R {
        let known = self.events.len();
        let mut turn = Turn {
            now: self.now,
            events: &mut self.events,
            out: &mut self.out,
        };
        let result = f(&mut *self.conn, &mut turn);
        self.check(known);
        result
    }

    /// Checks the events behind the first `known`, and what holds at any time.
    fn check(&mut self, known: usize) {
        let finished = self.conn.is_finished();
        assert!(finished || !self.finished, "what is finished stays so");
        self.finished = finished;
        let whole = |event: &Event| match &event.kind {
            EventKind::Frame(frame) => matches!(frame, Frame::Head(head) if head.end),
            _ => true,
        };
        match self.promises.streams {
            Streams::Exchanges => {}
            Streams::Messages => {
                return assert!(self.events.iter().all(whole), "messages are whole");
            }
            Streams::Unknown => return,
        }
        let fresh = self.events.iter().skip(known);
        for event in fresh {
            if let EventKind::Frame(frame) = &event.kind {
                arrive(&mut self.streams, self.role, event.stream, frame);
            }
        }
        let unread: usize = self.streams.values().map(|stream| stream.unread).sum();
        let most = self.promises.most_unread;
        assert!(
            unread <= most,
            "{unread} bytes of bodies where {most} may be"
        );
    }
}

/// Notes that `frame` arrived on the stream `name`, and checks that it may.
fn arrive(streams: &mut HashMap<StreamId, Stream>, role: Role, name: StreamId, frame: &Frame) {
    let begins = role == Role::Server && matches!(frame, Frame::Head(_));
    if begins {
        let newest = streams.keys().all(|&known| known < name);
        assert!(newest, "{name:?} was used before");
        streams.insert(name, Stream::default());
    }
    let stream = streams.get_mut(&name);
    let stream = stream.unwrap_or_else(|| panic!("{frame:?} on {name:?}, which is unknown"));
    let resets = matches!(frame, Frame::Reset(_));
    let open = !stream.over && (!stream.ended || resets);
    assert!(open, "{frame:?} on {name:?}, which is over: {stream:?}");
    match frame {
        Frame::Head(head) if head.stage == Stage::Interim => {
            assert!(!head.end && !stream.begun, "an interim head out of order");
        }
        Frame::Head(_) => {
            assert!(!stream.begun, "a second head on {name:?}");
            stream.begun = true;
        }
        Frame::Data { bytes, .. } => {
            assert!(stream.begun, "a body without a head on {name:?}");
            stream.unread += bytes.len();
        }
        Frame::Trailers(_) => assert!(stream.begun, "trailers without a head on {name:?}"),
        Frame::Reset(_) => {}
    }
    stream.ended |= frame.ends();
    stream.over |= matches!(frame, Frame::Head(head) if head.kind == Kind::OneWay);
    // A client has said all it wanted to; a server has yet to answer.
    stream.over |= resets || (stream.ended && role == Role::Client);
}
