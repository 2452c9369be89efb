//! One side of a connection.
//!
//! ```text
//! receive.rs    frames, one by one                  transmit.rs   frames of the driver's
//! blocks.rs     header blocks to messages           reply.rs      answers of our own
//! windows.rs    flow control                        lifetime.rs   GOAWAY, keep-alives, stalls
//! ```

use std::time::Instant;

use bytes::BytesMut;
use sabir_core::connection::{
    Connection, ConnectionError, Event, EventKind, SendError, Turn, Written,
};
use sabir_core::frame::{Frame, Reason, StreamId};
use sabir_core::head::Echo;
use sabir_core::outcome::Reply;
use sabir_core::protocol::{Limits, Role};

use super::blocks::Partial;
use super::error::{ErrorCode, Fatal, Flood};
use super::frame::{self, GoAway, Reset, Setting};
use super::guard::Guard;
use super::hpack::{Decoder, Encoder};
use super::lifetime::{Goodbye, Keepalive};
use super::options::Options;
use super::settings::Peer;
use super::streams::flow::{Inflow, Window};
use super::streams::{Closed, Half, State, Store, Stream};

/// One side of a connection: server towards clients, client towards servers.
#[derive(Debug)]
pub struct Http2Connection {
    pub(super) role: Role,
    pub(super) options: Options,
    pub(super) opening: Opening,
    pub(super) decoder: Decoder,
    pub(super) writer: Writer,
    pub(super) partial: Option<Partial>,
    pub(super) store: Store,
    pub(super) numbers: Numbers,
    pub(super) flow: Flow,
    pub(super) peer: Peer,
    pub(super) guard: Guard,
    pub(super) lifetime: Lifetime,
}

/// What is said first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Opening {
    /// We have said ours.
    pub(super) is_said: bool,
    /// Octets of the preface that are still to come.
    pub(super) preface: usize,
}

/// Where header blocks are written.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) encoder: Encoder,
    pub(super) block: Vec<u8>,
}

/// Numbers of streams.
#[derive(Debug)]
pub(super) struct Numbers {
    /// Largest one of the peer's.
    pub(super) last: u32,
    /// Next one of ours.
    pub(super) next: u32,
}

/// Flow control of the connection as a whole.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) send: Window,
    pub(super) receive: Inflow,
    /// The stream that was last told that it may send.
    pub(super) told: u32,
    /// Since when nothing may be sent on any stream.
    pub(super) shut_since: Option<Instant>,
}

/// What happens in time.
#[derive(Debug)]
pub(super) struct Lifetime {
    pub(super) goodbye: Goodbye,
    pub(super) keepalive: Option<Keepalive>,
    /// When streams are next looked at for stalls.
    pub(super) stalls: Option<Instant>,
}

impl Http2Connection {
    /// A connection that plays `role`, opened at `now`.
    pub fn new(mut options: Options, role: Role, limits: &Limits, now: Instant) -> Self {
        let most = u32::try_from(limits.max_streams).unwrap_or(u32::MAX);
        options.max_streams = options.max_streams.min(most.max(1));
        let least = match role {
            Role::Server => std::time::Duration::ZERO,
            Role::Client => options.min_ping_interval,
        };
        let keepalive = limits
            .keepalive
            .map(|every| Keepalive::new(every, least, now));
        Self {
            role,
            options,
            opening: Opening {
                is_said: false,
                preface: match role {
                    Role::Server => frame::PREFACE.len(),
                    Role::Client => 0,
                },
            },
            decoder: Decoder::default(),
            writer: Writer::default(),
            partial: None,
            store: Store::new(role),
            numbers: Numbers { last: 0, next: 1 },
            flow: Flow {
                send: Window::new(super::settings::DEFAULT_WINDOW),
                receive: Inflow::new(options.connection_window),
                told: 0,
                shut_since: None,
            },
            peer: Peer::default(),
            guard: Guard::new(now),
            lifetime: Lifetime {
                goodbye: Goodbye::default(),
                keepalive,
                stalls: None,
            },
        }
    }

    /// Says what must come first, once.
    pub(super) fn open_up(&mut self, turn: &mut Turn<'_>) {
        if std::mem::replace(&mut self.opening.is_said, true) {
            return;
        }
        let options = &self.options;
        let window = Setting::InitialWindowSize(options.stream_window);
        let list = Setting::MaxHeaderListSize(options.max_header_list);
        match self.role {
            Role::Client => {
                turn.out.put(frame::PREFACE);
                frame::encode_settings(&[Setting::EnablePush(false), window, list], turn.out);
            }
            Role::Server => {
                let streams = Setting::MaxConcurrentStreams(options.max_streams);
                let connect = Setting::EnableConnectProtocol(true);
                let settings = [streams, window, list, connect];
                let said = if options.connect { 4 } else { 3 };
                frame::encode_settings(&settings[..said], turn.out);
            }
        }
        let more = options.connection_window - super::settings::DEFAULT_WINDOW;
        self.grant(0, Some(more).filter(|&more| more > 0), turn);
    }

    /// A stream that nobody has spoken on.
    pub(super) fn new_stream(&self, name: StreamId) -> Stream {
        Stream {
            name,
            state: State::NEW,
            send: Window::new(self.peer.window),
            receive: Inflow::new(self.options.stream_window),
            announced: None,
            traits: super::message::Traits::default(),
            shut_since: None,
        }
    }

    /// Lets a stream go that both sides are done with.
    pub(super) fn close(&mut self, id: u32, closed: Closed, turn: &mut Turn<'_>) {
        let unread = self.store.remove(id, closed);
        self.release(unread, turn);
    }

    /// Ends a stream from our side.
    pub(super) fn reset(&mut self, id: u32, code: ErrorCode, turn: &mut Turn<'_>) {
        Reset { code }.encode(id, turn.out);
        self.close(id, Closed::ByUs, turn);
    }

    /// Ends a stream for what the peer did on it, and tells the driver if it knows the stream.
    pub(super) fn reset_for_fault(
        &mut self,
        id: u32,
        code: ErrorCode,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fatal> {
        if let Some(stream) = self.store.get(id) {
            let known = self.role == Role::Client || stream.state.remote != Half::Head;
            if known {
                let kind = EventKind::Frame(Frame::Reset(Reason::Protocol));
                let stream = stream.name;
                turn.events.push_back(Event { stream, kind });
            }
        }
        let name = match code {
            ErrorCode::ENHANCE_YOUR_CALM => Flood::Fields.name(),
            _ => MALFORMED,
        };
        Self::note_fault(name, turn);
        self.reset(id, code, turn);
        self.guard.count(Flood::Provoked, turn.now)
    }

    /// Tells the driver of a fault that costs no more than a stream.
    pub(super) fn note_fault(name: &'static str, turn: &mut Turn<'_>) {
        let (stream, kind) = (StreamId(0), EventKind::Fault(name));
        turn.events.push_back(Event { stream, kind });
    }

    /// Says why the connection ends.
    pub(super) fn fail(&mut self, fatal: Fatal, turn: &mut Turn<'_>) -> ConnectionError {
        self.open_up(turn);
        let (last, code) = (self.numbers.last, fatal.code());
        let text = fatal.to_string();
        GoAway { last, code }.encode(text.as_bytes(), turn.out);
        fatal.into_error()
    }
}

impl Connection for Http2Connection {
    fn recv(&mut self, input: &mut BytesMut, turn: &mut Turn<'_>) -> Result<(), ConnectionError> {
        self.open_up(turn);
        if let Some(keepalive) = &mut self.lifetime.keepalive {
            keepalive.heard(turn.now);
        }
        self.receive(input, turn)
            .map_err(|fatal| self.fail(fatal, turn))
    }

    fn recv_eof(
        &mut self,
        input: &mut BytesMut,
        turn: &mut Turn<'_>,
    ) -> Result<(), ConnectionError> {
        // What a server leaves unanswered is for the driver to say, who knows why the connection ends.
        if self.role == Role::Server {
            self.abort_unfinished(turn);
        }
        let truncated = !input.is_empty() || self.partial.is_some();
        let len = input.len();
        let whole = (!truncated).then_some(());
        whole.ok_or(ConnectionError::Truncated { len })
    }

    fn send(
        &mut self,
        stream: StreamId,
        frame: Frame,
        turn: &mut Turn<'_>,
    ) -> Result<Written, SendError> {
        self.open_up(turn);
        self.transmit(stream, frame, turn)
    }

    fn reply(&mut self, stream: StreamId, _echo: Echo, reply: &Reply, turn: &mut Turn<'_>) {
        self.answer(stream, reply, turn);
    }

    fn cut_short(&mut self, stream: StreamId, reply: &Reply, turn: &mut Turn<'_>) {
        self.end_answer(stream, reply, turn);
    }

    fn open(&mut self, stream: StreamId) -> bool {
        let room = self.store.len() < self.peer.streams && self.numbers.next <= MOST_STREAM;
        let opens = self.role == Role::Client && room && self.lifetime.goodbye.allows_more();
        if opens {
            self.store.reserve(stream);
        }
        opens
    }

    fn most_streams(&self) -> usize {
        self.peer.streams
    }

    fn capacity(&self, stream: StreamId) -> usize {
        self.capacity_of(stream)
    }

    fn consumed(&mut self, stream: StreamId, bytes: usize, turn: &mut Turn<'_>) {
        self.consume(stream, bytes, turn);
    }

    fn is_finished(&self) -> bool {
        self.lifetime.goodbye.is_last() && self.store.len() == 0
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.next_due()
    }

    fn handle_timeout(&mut self, turn: &mut Turn<'_>) -> Result<(), ConnectionError> {
        self.run_due(turn)
    }

    fn drain(&mut self, turn: &mut Turn<'_>) {
        self.open_up(turn);
        self.say_goodbye(turn);
    }
}

/// Name of the faults of which a stream is malformed.
const MALFORMED: &str = "malformed";

/// Largest number of a stream. RFC 9113 §5.1.1.
const MOST_STREAM: u32 = (1 << 31) - 1;
