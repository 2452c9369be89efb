//! A client's connection: the task that drives it.

use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use sabir_core::connection::{Event, EventKind};
use sabir_core::filter::Flow;
use sabir_core::frame::{Frame, StreamId};
use sabir_core::head::{Head, Kind};
use slotmap::DefaultKey;
use tokio::io::{AsyncRead, AsyncWrite};

use super::desk::Streams;
use super::exchanges::Exchanges;
use super::finish::Ended;
use super::link::{Link, LinkError, Read};
use super::listener::ListenerState;
use super::mailbox::Mailbox;
use super::reverse::Reverse;
use super::upstream::{LostRequest, Upstream};
use super::worker::Worker;
use crate::telemetry::ListenerCounter;

/// Where others leave letters for a session.
pub(crate) type Inbox = Mailbox<ToSession>;

/// What others leave for a session.
pub(crate) enum ToSession {
    /// A piece of a response.
    Frame(DefaultKey, Frame),
    /// Body bytes of a request left the proxy.
    Consumed(DefaultKey, usize),
    /// The last of a request left the proxy, and the response has ended or there is none.
    Sent(DefaultKey),
    /// The endpoint's connection failed.
    Failed(DefaultKey, LostRequest),
    /// A filter decided.
    Decided(DefaultKey, Flow),
    /// The server calls its client.
    Request(Rc<Upstream>, StreamId, Box<Head>),
    /// A congested connection takes requests again.
    Released,
    /// The connection this session is bound to is gone.
    Unbound,
    /// No new work is welcome; end by then.
    Drain(Instant),
}

/// A client's connection.
pub(crate) struct Session<S> {
    pub(super) link: Link<S>,
    pub(super) worker: Rc<Worker>,
    pub(super) listener: Rc<ListenerState>,
    pub(super) inbox: Rc<Inbox>,
    pub(super) exchanges: Exchanges,
    pub(super) streams: Streams,
    pub(super) reverse: Reverse,
    pub(super) addresses: Addresses,
    /// Connections to endpoints that carry this client's requests alone.
    pub(super) bound: Vec<Rc<Upstream>>,
    pub(super) waits: Waits,
    life: Life,
    /// Whether it has a desk.
    pub(super) is_seated: bool,
}

/// The two ends of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
}

/// What a session has not come to yet.
#[derive(Default)]
pub(crate) struct Waits {
    pub(super) letters: VecDeque<ToSession>,
    /// Requests that arrived when there was no room for them.
    deferred: VecDeque<(StreamId, Head)>,
    /// Congested connections whose release is awaited.
    pub(super) held_back: usize,
    /// Bodies wait for the client to take what was before them.
    pub(super) unwritten: bool,
    /// Nothing is due of an exchange before. It may have been of one that has ended: looking through
    /// all of them when it is reached costs less than to keep them in order.
    pub(super) deadline: Option<Instant>,
}

/// When a session ends.
struct Life {
    opened: Instant,
    last_used: Instant,
    draining: Option<Draining>,
    closing: bool,
    unbound: bool,
    stalled_since: Option<Instant>,
    /// When the farewell to the client is over, once it has begun.
    farewell: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Draining {
    since: Instant,
    until: Instant,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    pub(crate) fn new(
        link: Link<S>,
        worker: Rc<Worker>,
        listener: Rc<ListenerState>,
        inbox: Rc<Inbox>,
        addresses: Addresses,
    ) -> Self {
        let now = link.now();
        Self {
            link,
            worker,
            reverse: Reverse::new(listener.current().listener.protocol.max_stream()),
            listener,
            inbox,
            exchanges: Exchanges::default(),
            streams: Streams::default(),
            is_seated: false,
            addresses,
            bound: Vec::new(),
            waits: Waits::default(),
            life: Life {
                opened: now,
                last_used: now,
                draining: None,
                closing: false,
                unbound: false,
                stalled_since: None,
                farewell: None,
            },
        }
    }

    fn poll_serve(&mut self, cx: &mut Context<'_>) -> Poll<Result<Ended, LinkError>> {
        self.link.begin(Instant::now());
        self.sit_down();
        for _ in 0..TURNS {
            let mut progress = self.take_letters(cx);
            self.resume_deferred();
            let wanted = self.wants_read();
            match self.poll_input(cx, wanted) {
                Ok(read) => progress |= read,
                Err(error) => return self.poll_last_word(error, cx),
            }
            let flushed = self.link.poll_flush(cx)?;
            progress |= self.resume_pumps();
            // The socket was not asked for input while there was no room, and cannot wake us for it.
            progress |= self.has_deferred_room() || (!wanted && self.wants_read());
            // Bodies that went on meanwhile may have left something to write.
            let flushed = flushed.is_ready() && self.link.backlog() == 0;
            if let Some(ended) = self.is_over(flushed) {
                return Poll::Ready(Ok(ended));
            }
            if !progress {
                return self.settle(cx);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// What the protocol says in farewell is written if the socket takes it at once.
    fn poll_last_word(
        &mut self,
        error: LinkError,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Ended, LinkError>> {
        let _: Poll<_> = self.link.poll_flush(cx);
        Poll::Ready(Err(error))
    }

    /// Reads the socket once if `wanted`, and does what the input says.
    fn poll_input(&mut self, cx: &mut Context<'_>, wanted: bool) -> Result<bool, LinkError> {
        let mut progress = false;
        if wanted {
            match self.link.poll_read(cx, &self.worker) {
                Poll::Ready(Ok(Read::Some)) => progress = true,
                Poll::Ready(Ok(Read::End)) => self.on_eof(),
                Poll::Ready(Err(error)) => {
                    self.take_events();
                    return Err(error);
                }
                Poll::Pending => {}
            }
        }
        self.take_events();
        // What was sent meanwhile may be what the connection waited for.
        while self.link.has_unread() && self.wants_read() && self.link.recv()? {
            self.take_events();
        }
        Ok(progress)
    }

    fn wants_read(&self) -> bool {
        let bounds = &self.listener.current().listener.bounds;
        let has_room = self.exchanges.len() < bounds.max_streams && self.waits.deferred.is_empty();
        // Calls in flight may need more from the client to end: bodies, windows, answers of its own.
        let awaits_more = !self.streams.is_empty()
            || (self.reverse.len() > 0 && self.waits.deferred.len() < bounds.max_streams);
        !self.life.closing
            && self.waits.held_back == 0
            && (has_room || awaits_more)
            && self.link.backlog() < bounds.buffer_limit
            && self.link.conn().wants_read()
    }

    /// Whether another request may be started.
    fn has_room(&self) -> bool {
        let bounds = &self.listener.current().listener.bounds;
        self.waits.held_back == 0
            && self.exchanges.len() < bounds.max_streams
            && self.link.backlog() < bounds.buffer_limit
    }

    fn has_deferred_room(&self) -> bool {
        !self.waits.deferred.is_empty() && self.has_room()
    }

    /// Starts requests that arrived when there was no room for them.
    fn resume_deferred(&mut self) {
        while self.has_room()
            && let Some((stream, head)) = self.waits.deferred.pop_front()
        {
            self.on_request(stream, head);
        }
    }

    fn on_eof(&mut self) {
        // A half-closed client may still read its answers.
        self.life.closing = true;
    }

    fn is_over(&self, flushed: bool) -> Option<Ended> {
        if !flushed {
            return None;
        }
        if self.link.conn().is_finished() {
            return Some(Ended::Finished);
        }
        if self.exchanges.is_empty() && self.life.unbound {
            return Some(Ended::Unbound);
        }
        let served = self.exchanges.is_empty() && self.waits.deferred.is_empty();
        (served && self.life.closing).then_some(Ended::ByPeer)
    }

    /// Nothing is left to do but to wait.
    fn settle(&mut self, cx: &mut Context<'_>) -> Poll<Result<Ended, LinkError>> {
        let wrote = self.settle_accounts();
        self.note_stall(wrote);
        if !self.link.poll_alarm(self.next_due(), cx) {
            return Poll::Pending;
        }
        self.link.begin(Instant::now());
        self.expire();
        self.link.handle_timeout()?;
        if let Some(ended) = self.is_overdue() {
            if ended == Ended::DrainTimeout {
                self.cut_off();
            }
            return Poll::Ready(Ok(ended));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// A client that takes a little now and then is slow, not stalled.
    fn note_stall(&mut self, wrote: bool) {
        self.life.stalled_since = match self.life.stalled_since {
            _ if self.link.backlog() == 0 => None,
            Some(since) if !wrote => Some(since),
            _ => Some(self.link.now()),
        };
    }

    /// The earliest time at which something is due.
    fn next_due(&self) -> Option<Instant> {
        let deadline = self.waits.deadline.into_iter();
        deadline.chain(self.limits().map(|(at, _)| at)).min()
    }

    fn is_overdue(&self) -> Option<Ended> {
        let now = self.link.now();
        let due = |&(at, _): &(Instant, Ended)| at <= now;
        self.limits().find(due).map(|(_, ended)| ended)
    }

    /// Times at which the connection is closed, each with the reason.
    fn limits(&self) -> impl Iterator<Item = (Instant, Ended)> {
        let config = &self.listener.current().listener;
        let life = &self.life;
        let first = config
            .bounds
            .first_message_timeout
            .filter(|_| !self.link.has_heard());
        let idle = config
            .bounds
            .idle_timeout
            .filter(|_| self.exchanges.is_empty());
        let drained = life.draining.map(|d| {
            let quiet = life.last_used.max(d.since) + QUIET;
            match self.exchanges.is_empty() {
                true if quiet < d.until => (quiet, Ended::Drained),
                true => (d.until, Ended::Drained),
                false => (d.until, Ended::DrainTimeout),
            }
        });
        [
            first.map(|after| (life.opened + after, Ended::NoFirstMessage)),
            idle.map(|after| (life.last_used + after, Ended::Idle)),
            life.stalled_since
                .map(|since| (since + config.bounds.stall_timeout, Ended::SlowReader)),
            drained,
        ]
        .into_iter()
        .flatten()
    }

    fn take_letters(&mut self, cx: &Context<'_>) -> bool {
        if self
            .inbox
            .poll_take(cx, &mut self.waits.letters)
            .is_pending()
        {
            return false;
        }
        while let Some(letter) = self.waits.letters.pop_front() {
            self.on_letter(letter);
        }
        true
    }

    fn on_letter(&mut self, letter: ToSession) {
        match letter {
            ToSession::Frame(key, frame) => self.on_response(key, frame),
            ToSession::Consumed(key, bytes) => self.on_consumed(key, bytes),
            ToSession::Sent(key) => self.on_sent(key),
            ToSession::Failed(key, failure) => self.on_failed(key, failure),
            ToSession::Decided(key, flow) => self.on_decided(key, flow),
            ToSession::Request(upstream, stream, head) => {
                self.on_server_request(upstream, stream, *head);
            }
            ToSession::Released => self.waits.held_back = self.waits.held_back.saturating_sub(1),
            ToSession::Unbound => (self.life.closing, self.life.unbound) = (true, true),
            ToSession::Drain(until) => self.drain(until),
        }
    }

    fn drain(&mut self, until: Instant) {
        if self.life.draining.is_none() {
            let since = self.link.now();
            self.life.draining = Some(Draining { since, until });
            self.link.with(|conn, turn| conn.drain(turn));
        }
    }

    fn take_events(&mut self) {
        while let Some(Event { stream, kind }) = self.link.next_event() {
            match kind {
                EventKind::Frame(Frame::Head(head)) => self.on_head(stream, head),
                EventKind::Frame(frame) => self.on_more(stream, frame),
                EventKind::Writable => self.on_writable(stream),
                // A client that wants no requests from its server: there are none but callbacks.
                EventKind::Draining | EventKind::Retired | EventKind::Resumed => {}
                EventKind::Fault(name) => self.count_fault(name),
            }
        }
    }

    fn on_head(&mut self, stream: StreamId, head: Head) {
        match head.kind {
            Kind::Request | Kind::OneWay if self.has_room() && self.waits.deferred.is_empty() => {
                self.on_request(stream, head);
            }
            // Whoever streams is told how many streams it may open; its bodies cannot wait here.
            Kind::Request if !head.end || !self.streams.is_empty() => self.overflow(stream, &head),
            Kind::Request | Kind::OneWay => self.waits.deferred.push_back((stream, head)),
            _ => self.on_client_response(stream, head),
        }
    }

    /// Counts what was read and written; whether anything was written.
    pub(super) fn settle_accounts(&mut self) -> bool {
        let (received, sent) = self.link.take_traffic();
        if received + sent > 0 {
            self.touch();
            let id = self.listener.stats_id;
            let mut stats = self.worker.stats.borrow_mut();
            stats.add(ListenerCounter::RxBytes, id, received);
            stats.add(ListenerCounter::TxBytes, id, sent);
        }
        sent > 0
    }

    /// The client is gone: nobody waits for what is in flight.
    pub(super) fn cancel_all(&mut self) {
        let keys: Vec<_> = self.exchanges.keys().collect();
        for key in keys {
            self.abandon(key);
        }
        for upstream in self.bound.drain(..) {
            upstream.close();
        }
    }

    pub(super) fn count(&self, counter: ListenerCounter) {
        let id = self.listener.stats_id;
        self.worker.stats.borrow_mut().add(counter, id, 1);
    }

    pub(super) fn touch(&mut self) {
        self.life.last_used = self.link.now();
    }
}

/// Runs until the connection is gone; every exchange has then ended.
impl<S: AsyncRead + AsyncWrite + Unpin> Future for Session<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let until = match this.life.farewell {
            Some(until) => until,
            None => {
                let served = this.poll_serve(cx);
                if served.is_pending() {
                    this.stand_up();
                }
                if !this.on_end(&ready!(served)) {
                    return Poll::Ready(());
                }
                *this.life.farewell.insert(this.link.now() + LINGER)
            }
        };
        ready!(this.link.poll_farewell_until(until, cx));
        this.stand_up();
        Poll::Ready(())
    }
}

/// Turns of a task before others get theirs.
const TURNS: usize = 8;

/// How long a draining connection must be quiet before it is closed, so that a request that
/// crossed the notice on its way is still answered.
const QUIET: Duration = Duration::from_millis(500);

/// How long the farewell to a client may take, until it has closed too.
const LINGER: Duration = Duration::from_secs(1);
