//! Bodies that arrive in pieces, on their way through a session.

use std::time::Instant;

use bytes::Bytes;
use sabir_core::frame::{Frame, StreamId};
use sabir_core::head::Stage;
use sabir_core::outcome::{Code, Executed, Outcome, Party, Reply};
use sabir_core::pump::Pump;
use slotmap::DefaultKey;
use tokio::io::{AsyncRead, AsyncWrite};

use super::exchange::{Exchange, Place};
use super::session::Session;

/// What a streamed exchange holds besides the others.
#[derive(Debug, Default)]
pub(crate) struct Body {
    /// Pieces of the request that arrived before it was known where they go.
    early: Vec<Frame>,
    /// Pieces of the response that the caller could not take yet.
    down: Pump,
    /// Pieces of the request were given to an endpoint, so it can be given to no other.
    given: bool,
    /// Bytes of the request that its caller was not told of yet that they left.
    owed: usize,
    /// How far the response has come.
    response: Response,
    /// How the exchange ends, as far as the response has said.
    outcome: Outcome,
    kept: Kept,
    /// When a piece of either body last came, where it matters.
    pub(crate) moved: Option<Instant>,
}

/// The request's pieces from the first one on, for another endpoint.
#[derive(Debug, Default)]
struct Kept {
    frames: Vec<Frame>,
    bytes: usize,
    /// There is no use in keeping more: the request is too long, or its answer has begun.
    given_up: bool,
}

impl Kept {
    fn push(&mut self, frame: &Frame) {
        let more = match frame {
            Frame::Data { bytes, .. } => bytes.len(),
            _ => 0,
        };
        let fits = self.bytes + more <= MOST_KEPT && self.frames.len() < MOST_PIECES;
        match copy(frame) {
            Some(copy) if fits && !self.given_up => self.frames.push(copy),
            _ => self.give_up(),
        }
        self.bytes += more;
    }

    fn give_up(&mut self) {
        self.given_up = true;
        self.frames = Vec::new();
    }
}

/// The same piece of a request once more: by reference, but for a small one, which would keep the
/// whole buffer that it was read into.
fn copy(frame: &Frame) -> Option<Frame> {
    match frame {
        Frame::Data { bytes, end } => Some(Frame::Data {
            bytes: match bytes.len() {
                ..SHARED_FROM => Bytes::copy_from_slice(bytes),
                _ => bytes.clone(),
            },
            end: *end,
        }),
        Frame::Trailers(head) => Some(Frame::Trailers(head.clone())),
        Frame::Head(_) | Frame::Reset(_) => None,
    }
}

impl Body {
    /// Makes ready to give all of the request to another endpoint; `false` if not all of it is there.
    fn rewind(&mut self) -> bool {
        if self.given {
            if self.kept.given_up {
                return false;
            }
            self.early = self.kept.frames.iter().filter_map(copy).collect();
            self.given = false;
        }
        true
    }
}

/// How far a streamed response has come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Response {
    #[default]
    Awaited,
    Begun,
    /// It has ended, and the request it opened a tunnel for has not.
    HalfClosed,
}

impl Exchange {
    /// Whether the caller has a part of an answer, so that it cannot be given another one.
    pub(crate) fn has_answer_begun(&self) -> bool {
        let begun = |body: &Body| body.response != Response::Awaited;
        self.body.as_deref().is_some_and(begun)
    }

    /// Notes that a piece of either body came, if the route asks how long it stands still; when it
    /// will have for too long, unless that is watched already.
    pub(super) fn note_move(&mut self, now: Instant) -> Option<Instant> {
        let idle = self.routed.forward()?.idle_timeout?;
        let before = self.body.get_or_insert_default().moved.replace(now);
        now.checked_add(idle).filter(|_| before.is_none())
    }

    /// Makes ready to give the request's body, if it has one, to another endpoint; `false` if not
    /// all of it is there any longer.
    pub(crate) fn rewind(&mut self) -> bool {
        self.body.as_mut().is_none_or(|body| body.rewind())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Moves a piece of a response as far as the caller takes it.
    pub(super) fn stream_down(&mut self, key: DefaultKey, mut frame: Frame) {
        let now = self.link.now();
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        if let Frame::Data { bytes, .. } = &mut frame
            && let Some(reply) = exchange.show_data(bytes)
        {
            return self.refuse(key, reply);
        }
        let idle_at = exchange.note_move(now);
        let body = exchange.body.get_or_insert_default();
        match &frame {
            Frame::Head(head) if head.stage == Stage::Interim => {}
            Frame::Head(head) => {
                (body.response, body.outcome) = (Response::Begun, head.outcome);
                // The caller has a part of this answer, and can get no other.
                body.kept.give_up();
            }
            Frame::Trailers(head) => body.outcome = head.outcome,
            Frame::Reset(_) => {
                let (party, code) = (Party::Infrastructure, Code::Unavailable);
                body.outcome = Outcome::new(party, Executed::Maybe, code);
            }
            Frame::Data { .. } => {}
        }
        body.down.push(frame);
        self.watch(idle_at);
        self.run_pump(key);
    }

    /// Moves what waits for the caller of `stream` after it took some.
    pub(super) fn on_writable(&mut self, stream: StreamId) {
        if let Some(&key) = self.streams.get(&stream) {
            self.run_pump(key);
        }
    }

    fn run_pump(&mut self, key: DefaultKey) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        let stream = exchange.stream;
        let Some(body) = &mut exchange.body else {
            return;
        };
        let limit = exchange.routed.config.listener.bounds.buffer_limit;
        let moved = self
            .link
            .with(|conn, turn| body.down.run(conn, stream, limit, turn));
        self.waits.unwritten |= !body.down.is_empty() && self.link.backlog() >= limit;
        let Ok(moved) = moved else {
            return self.abandon(key);
        };
        let outcome = body.outcome;
        if let Some(log) = &mut exchange.log {
            log.sent += moved.bytes as u64;
        }
        let mut goes_on = false;
        if let Place::Upstream(upstream, upstream_stream) = &exchange.place {
            if moved.bytes > 0 {
                upstream.consumed(*upstream_stream, moved.bytes);
            }
            // The other direction of a tunnel ends alone.
            goes_on = moved.ended && upstream.carries(*upstream_stream);
        }
        if goes_on {
            body.response = Response::HalfClosed;
        } else if moved.ended {
            self.finish(key, outcome);
        }
    }

    /// The last of a request has left that awaits no more of a response: that has ended, or there
    /// is none.
    pub(super) fn on_sent(&mut self, key: DefaultKey) {
        let exchange = self.exchanges.get(key);
        let outcome = match exchange.and_then(|e| e.body.as_deref()) {
            // The caller has not taken all of it.
            Some(body) if body.response == Response::Begun => return,
            Some(body) => body.outcome,
            None => Outcome::OK,
        };
        self.finish(key, outcome);
    }

    /// Goes on with bodies that waited for the client to take what was before them; whether there
    /// were any.
    pub(super) fn resume_pumps(&mut self) -> bool {
        let limit = self.listener.current().listener.bounds.buffer_limit;
        if !self.waits.unwritten || self.link.backlog() >= limit {
            return false;
        }
        self.waits.unwritten = false;
        let keys: Vec<_> = self.streams.values().copied().collect();
        for key in keys {
            self.run_pump(key);
        }
        true
    }

    /// More of a streamed request arrived.
    pub(super) fn on_more(&mut self, stream: StreamId, mut frame: Frame) {
        let Some(&key) = self.streams.get(&stream) else {
            return self.throw_away(stream, &frame);
        };
        let now = self.link.now();
        let exchange = &mut self.exchanges[key];
        match &mut frame {
            Frame::Reset(_) => return self.abandon(key),
            Frame::Data { bytes, .. } => {
                if let Some(log) = &mut exchange.log {
                    log.received += bytes.len() as u64;
                }
                if let Some(reply) = exchange.show_data(bytes) {
                    return self.refuse(key, reply);
                }
            }
            Frame::Head(_) | Frame::Trailers(_) => {}
        }
        // It is watched since the head came.
        let _: Option<Instant> = exchange.note_move(now);
        let body = exchange.body.get_or_insert_default();
        if let Frame::Data { bytes, .. } = &frame {
            body.owed += bytes.len();
        }
        body.kept.push(&frame);
        match &exchange.place {
            Place::Upstream(upstream, upstream_stream) => {
                body.given = true;
                upstream.frame(*upstream_stream, frame);
            }
            Place::Filtering(_) | Place::Delayed(_) | Place::Here => body.early.push(frame),
        }
    }

    /// Says of what an exchange held of either body that it is thrown away.
    pub(super) fn give_back(&mut self, exchange: &Exchange) {
        let Some(body) = &exchange.body else { return };
        if body.owed > 0 {
            let stream = exchange.stream;
            self.link
                .with(|conn, turn| conn.consumed(stream, body.owed, turn));
        }
        let held = body.down.held();
        if let Place::Upstream(upstream, stream) = &exchange.place
            && held > 0
        {
            upstream.consumed(*stream, held);
        }
    }

    /// Its exchange has ended: what still comes is thrown away, and said to be.
    fn throw_away(&mut self, stream: StreamId, frame: &Frame) {
        if let Frame::Data { bytes, .. } = frame {
            let n = bytes.len();
            self.link.with(|conn, turn| conn.consumed(stream, n, turn));
        }
    }

    /// Gives the endpoint what arrived of a request before it had a place.
    pub(super) fn send_early(&mut self, key: DefaultKey) {
        let exchange = &mut self.exchanges[key];
        let (Some(body), Place::Upstream(upstream, stream)) = (&mut exchange.body, &exchange.place)
        else {
            return;
        };
        for frame in body.early.drain(..) {
            body.given = true;
            upstream.frame(*stream, frame);
        }
    }

    /// Body bytes of a request have left: its caller may send as many again.
    pub(super) fn on_consumed(&mut self, key: DefaultKey, bytes: usize) {
        if let Some(exchange) = self.exchanges.get_mut(key) {
            let stream = exchange.stream;
            let mut bytes = bytes;
            if let Some(body) = &mut exchange.body {
                // What is sent a second time was told of before.
                bytes = bytes.min(body.owed);
                body.owed -= bytes;
            }
            self.link
                .with(|conn, turn| conn.consumed(stream, bytes, turn));
        }
    }
}

impl Exchange {
    /// Shows a piece of a body to the filters that look at bodies; one may answer instead.
    fn show_data(&mut self, bytes: &mut Bytes) -> Option<Reply> {
        let Self { routed, cx, .. } = self;
        let listener = &routed.config.listener.filters;
        let reply = listener.on_data(bytes, cx);
        let route = routed.route().map(|route| &route.filters);
        reply.or_else(|| route?.on_data(bytes, cx))
    }
}

/// Bytes of a request's body that are kept for another endpoint; longer ones have one chance.
const MOST_KEPT: usize = 64 << 10;

/// Pieces at least this long are kept by reference, in bytes.
const SHARED_FROM: usize = 4 << 10;

/// Pieces of a body that are kept, whatever their size.
const MOST_PIECES: usize = 256;
