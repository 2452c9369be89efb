//! A connection to an endpoint: the task that drives it, and the handle that sessions hold.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use sabir_core::connection::{Event, EventKind, Written};
use sabir_core::frame::{Frame, Reason, StreamId};
use sabir_core::head::{Echo, Head, Kind};
use sabir_core::outcome::{Code, Executed, Outcome, Party, Reply};
use sabir_core::pump::Pump;
use slotmap::{DefaultKey, Key as _, KeyData, SlotMap};
use tokio::io::{AsyncRead, AsyncWrite};

use super::link::{Link, LinkError, Read};
use super::mailbox::Mailbox;
use super::pool::EndpointPool;
use super::session::{Inbox, ToSession};
use super::worker::Worker;
use crate::telemetry::ClusterCounter;

/// What sessions hold of a connection to an endpoint.
pub(crate) struct Upstream {
    pub(crate) endpoint: Rc<EndpointPool>,
    /// The session whose requests alone this connection carries, if it is bound to one.
    pub(crate) owner: Option<Rc<Inbox>>,
    mailbox: Mailbox<ToUpstream>,
    pending: RefCell<SlotMap<DefaultKey, Pending>>,
    state: Cell<State>,
    congested: Cell<bool>,
    held_back: RefCell<Vec<Rc<Inbox>>>,
}

/// Whether new requests may be given to a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    /// Requests wait until it is established.
    Connecting,
    /// Established.
    Ready,
    /// The peer wants no new requests; those in flight finish.
    Draining,
    /// Gone.
    Closed,
}

/// Who waits for the response on a stream.
struct Pending {
    caller: Caller,
    pump: Option<Box<Pump>>,
    /// The exchange ends when its request has left.
    one_way: bool,
}

/// An exchange of a session.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) inbox: Rc<Inbox>,
    pub(crate) key: DefaultKey,
}

/// What sessions leave for a connection to an endpoint.
enum ToUpstream {
    /// Start an exchange.
    Request(StreamId, Head),
    /// More of a request, or a response to a request of the server's.
    Frame(StreamId, Frame),
    /// Body bytes of a response left the proxy.
    Consumed(StreamId, usize),
    /// Our own answer to a request of the server's.
    Reply(StreamId, Echo, Box<Reply>),
    /// Nobody needs the connection any longer.
    Close,
}

impl Upstream {
    pub(crate) fn new(endpoint: Rc<EndpointPool>, owner: Option<Rc<Inbox>>) -> Self {
        Self {
            endpoint,
            owner,
            mailbox: Mailbox::default(),
            pending: RefCell::default(),
            state: Cell::new(State::Connecting),
            congested: Cell::new(false),
            held_back: RefCell::default(),
        }
    }

    /// Gives the connection a request; returns the name of its stream.
    pub(crate) fn request(&self, caller: Caller, head: Head) -> StreamId {
        let pending = Pending {
            caller,
            pump: (!head.end).then(Box::default),
            one_way: head.kind == Kind::OneWay,
        };
        let stream = stream_id(self.pending.borrow_mut().insert(pending));
        self.endpoint.acquire();
        self.mailbox.push(ToUpstream::Request(stream, head));
        stream
    }

    /// Gives the connection more of a request, or a response to a request of the server's.
    pub(crate) fn frame(&self, stream: StreamId, frame: Frame) {
        self.mailbox.push(ToUpstream::Frame(stream, frame));
    }

    /// Answers a request of the server's ourselves.
    pub(crate) fn reply(&self, stream: StreamId, echo: Echo, reply: Reply) {
        let reply = Box::new(reply);
        self.mailbox.push(ToUpstream::Reply(stream, echo, reply));
    }

    /// Says that body bytes of a response left the proxy.
    pub(crate) fn consumed(&self, stream: StreamId, bytes: usize) {
        self.mailbox.push(ToUpstream::Consumed(stream, bytes));
    }

    /// Gives an exchange up: whatever still comes for it is dropped.
    pub(crate) fn cancel(&self, stream: StreamId) {
        if self.forget(stream).is_some() {
            self.frame(stream, Frame::Reset(Reason::Cancelled));
        }
    }

    /// Closes the connection once its owner is gone, or the endpoint.
    pub(crate) fn close(&self) {
        self.mailbox.push(ToUpstream::Close);
    }

    /// Fails everything that was given to a connection that was never established.
    pub(crate) fn fail_unconnected(&self) {
        self.fail_all(Executed::No);
    }

    /// Whether requests of any client may be given to it.
    pub(crate) fn is_shared(&self) -> bool {
        self.owner.is_none() && self.takes_requests()
    }

    /// Whether it takes new requests, now or once it is established.
    pub(crate) fn takes_requests(&self) -> bool {
        matches!(self.state.get(), State::Connecting | State::Ready)
    }

    pub(crate) fn state(&self) -> State {
        self.state.get()
    }

    /// Exchanges in flight.
    pub(crate) fn active(&self) -> usize {
        self.pending.borrow().len()
    }

    /// Whether more was given to the connection than its peer takes.
    pub(crate) fn is_congested(&self) -> bool {
        self.congested.get()
    }

    /// Tells `inbox` when the connection is not congested any longer.
    pub(crate) fn hold_back(&self, inbox: Rc<Inbox>) {
        self.held_back.borrow_mut().push(inbox);
    }

    fn set_congested(&self, congested: bool) {
        if self.congested.replace(congested) && !congested {
            for inbox in self.held_back.take() {
                inbox.push(ToSession::Released);
            }
        }
    }

    fn forget(&self, stream: StreamId) -> Option<Pending> {
        let pending = self.pending.borrow_mut().remove(key(stream))?;
        self.endpoint.release();
        Some(pending)
    }

    /// Fails everything that waits; called once, when the connection is gone.
    fn fail_all(&self, executed: Executed) {
        self.state.set(State::Closed);
        let pending = self.pending.take();
        pending.iter().for_each(|_| self.endpoint.release());
        let request = |letter| match letter {
            ToUpstream::Request(stream, head) => Some((stream, head)),
            _ => None,
        };
        let unsent = self.mailbox.take().into_iter().filter_map(request);
        let mut unsent: HashMap<_, _> = unsent.collect();
        for (slot, Pending { caller, .. }) in pending {
            let head = unsent.remove(&stream_id(slot)).map(Box::new);
            let executed = if head.is_some() {
                Executed::No
            } else {
                executed
            };
            let outcome = Outcome::new(Party::Network, executed, Code::Unavailable);
            let Caller { inbox, key } = caller;
            inbox.push(ToSession::Failed(key, outcome, head));
        }
        self.set_congested(false);
    }
}

fn stream_id(key: DefaultKey) -> StreamId {
    StreamId(key.data().as_ffi())
}

fn key(stream: StreamId) -> DefaultKey {
    KeyData::from_ffi(stream.0).into()
}

/// The task of an established connection to an endpoint.
pub(crate) struct Carrier<S> {
    link: Link<S>,
    handle: Rc<Upstream>,
    worker: Rc<Worker>,
    letters: VecDeque<ToUpstream>,
    /// Requests for which the connection has no room yet.
    waiting: VecDeque<(StreamId, Head)>,
    idle_timeout: Option<Duration>,
    last_used: Instant,
    buffer_limit: usize,
    closing: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Carrier<S> {
    pub(crate) fn new(link: Link<S>, handle: Rc<Upstream>, worker: Rc<Worker>) -> Self {
        let config = handle.endpoint.cluster.config();
        handle.state.set(State::Ready);
        Self {
            last_used: link.now(),
            idle_timeout: config.idle_timeout,
            buffer_limit: config.buffer_limit,
            link,
            handle,
            worker,
            letters: VecDeque::new(),
            waiting: VecDeque::new(),
            closing: false,
        }
    }

    /// Runs until the connection is gone; every exchange on it has then been answered or failed.
    pub(crate) async fn run(mut self) {
        let ended = std::future::poll_fn(|cx| self.poll(cx)).await;
        if let Err(error) = ended {
            let (endpoint, in_flight) = (self.handle.endpoint.address, self.handle.active());
            tracing::debug!(%endpoint, in_flight, %error, "upstream connection failed");
        }
        self.account();
        // What waited for room was never written; everything else may have been acted on.
        for (stream, head) in self.waiting.drain(..) {
            self.handle.mailbox.push(ToUpstream::Request(stream, head));
        }
        self.handle.fail_all(Executed::Maybe);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        self.link.begin(Instant::now());
        for _ in 0..TURNS {
            let mut progress = self.take_letters(cx)?;
            if self.wants_read() {
                match self.link.poll_read(cx, &self.worker) {
                    Poll::Ready(Ok(Read::Some)) => progress = true,
                    Poll::Ready(Ok(Read::End)) => {
                        self.take_events();
                        return Poll::Ready(Ok(()));
                    }
                    Poll::Ready(Err(error)) => {
                        self.take_events();
                        return Poll::Ready(Err(error));
                    }
                    Poll::Pending => {}
                }
            }
            self.take_events();
            self.link.handle_timeout()?;
            let flushed = self.link.poll_flush(cx)?;
            if self.is_done() && flushed.is_ready() {
                return Poll::Ready(Ok(()));
            }
            if !progress && !self.has_letters() {
                return self.settle(cx);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Nothing is left to do but to wait.
    fn settle(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        self.account();
        let idle_at = self.idle_timeout.map(|idle| self.last_used + idle);
        let idle_at = idle_at.filter(|_| self.handle.active() == 0);
        if !self.link.poll_alarm(idle_at, cx) {
            return Poll::Pending;
        }
        let now = Instant::now();
        self.link.begin(now);
        if idle_at.is_some_and(|at| at <= now) {
            return Poll::Ready(Ok(()));
        }
        self.link.handle_timeout()?;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn wants_read(&self) -> bool {
        self.link.conn().wants_read()
    }

    fn is_done(&self) -> bool {
        let idle = self.handle.active() == 0 && self.waiting.is_empty();
        self.link.conn().is_finished() || (self.closing && idle)
    }

    fn account(&mut self) {
        let (received, sent) = self.link.take_traffic();
        if received + sent > 0 {
            let cluster = self.handle.endpoint.cluster.stats_id;
            let mut stats = self.worker.stats.borrow_mut();
            stats.add(ClusterCounter::RxBytes, cluster, received);
            stats.add(ClusterCounter::TxBytes, cluster, sent);
        }
    }

    fn take_letters(&mut self, cx: &Context<'_>) -> Result<bool, LinkError> {
        self.retry_waiting();
        let mut progress = false;
        // A peer that does not read holds back those who write to it.
        while self.link.backlog() < self.buffer_limit {
            let Some(letter) = self.letters.pop_front() else {
                match self.handle.mailbox.poll_take(cx, &mut self.letters) {
                    Poll::Ready(()) => continue,
                    Poll::Pending => break,
                }
            };
            progress = true;
            self.last_used = self.link.now();
            self.on_letter(letter);
        }
        self.handle
            .set_congested(self.link.backlog() >= self.buffer_limit);
        if progress && self.link.has_unread() {
            self.link.recv()?;
        }
        Ok(progress)
    }

    fn has_letters(&self) -> bool {
        !self.letters.is_empty() && self.link.backlog() < self.buffer_limit
    }

    fn on_letter(&mut self, letter: ToUpstream) {
        match letter {
            ToUpstream::Request(stream, head) => self.start(stream, head),
            ToUpstream::Frame(stream, frame) => self.on_frame(stream, frame),
            ToUpstream::Consumed(stream, bytes) => {
                self.link
                    .with(|conn, turn| conn.consumed(stream, bytes, turn));
            }
            ToUpstream::Reply(stream, echo, reply) => {
                self.link
                    .with(|conn, turn| conn.reply(stream, echo, &reply, turn));
            }
            ToUpstream::Close => self.closing = true,
        }
    }

    /// Writes a request, or lets it wait for room.
    fn start(&mut self, stream: StreamId, head: Head) {
        if !self.handle.pending.borrow().contains_key(key(stream)) {
            return; // given up before it was written
        }
        if !self.waiting.is_empty() || !self.link.with(|conn, _| conn.open(stream)) {
            return self.waiting.push_back((stream, head));
        }
        self.write(stream, Frame::Head(head));
    }

    fn retry_waiting(&mut self) {
        while let Some((stream, head)) = self.waiting.pop_front() {
            if !self.handle.pending.borrow().contains_key(key(stream)) {
                continue;
            }
            if !self.link.with(|conn, _| conn.open(stream)) {
                return self.waiting.push_front((stream, head));
            }
            self.write(stream, Frame::Head(head));
        }
    }

    fn on_frame(&mut self, stream: StreamId, frame: Frame) {
        let streaming = self
            .handle
            .pending
            .borrow_mut()
            .get_mut(key(stream))
            .and_then(|p| p.pump.take());
        let Some(mut pump) = streaming else {
            return self.write(stream, frame);
        };
        pump.push(frame);
        self.pump(stream, pump);
    }

    /// Moves what the peer's window has room for.
    fn pump(&mut self, stream: StreamId, mut pump: Box<Pump>) {
        let moved = self.link.with(|conn, turn| pump.run(conn, stream, turn));
        let mut pending = self.handle.pending.borrow_mut();
        let Some(waiting) = pending.get_mut(key(stream)) else {
            return;
        };
        waiting.pump = Some(pump);
        if let Ok(moved) = moved
            && moved.bytes > 0
        {
            let Caller { inbox, key } = &waiting.caller;
            inbox.push(ToSession::Consumed(*key, moved.bytes));
        }
    }

    /// Writes one frame of a message protocol, or the head of a stream.
    fn write(&mut self, stream: StreamId, frame: Frame) {
        let written = self.link.with(|conn, turn| conn.send(stream, frame, turn));
        match written {
            Ok(Written::Whole) => {}
            Ok(Written::Unmodified) => self.count(ClusterCounter::MutationNotWritten),
            Err(_) => return self.fail(stream, Code::Internal),
        }
        let one_way = |p: &Pending| p.one_way;
        let sent = self
            .handle
            .pending
            .borrow()
            .get(key(stream))
            .is_some_and(one_way);
        if sent && let Some(pending) = self.handle.forget(stream) {
            let Caller { inbox, key } = pending.caller;
            inbox.push(ToSession::Sent(key));
        }
    }

    fn fail(&self, stream: StreamId, code: Code) {
        if let Some(Pending { caller, .. }) = self.handle.forget(stream) {
            let outcome = Outcome::new(Party::Proxy, Executed::No, code);
            caller
                .inbox
                .push(ToSession::Failed(caller.key, outcome, None));
        }
    }

    fn count(&self, counter: ClusterCounter) {
        self.worker
            .count(self.handle.endpoint.cluster.stats_id, counter);
    }

    fn take_events(&mut self) {
        while let Some(Event { stream, kind }) = self.link.next_event() {
            match kind {
                EventKind::Frame(frame) => self.on_response(stream, frame),
                EventKind::Writable => self.on_writable(stream),
                EventKind::Draining => {
                    self.handle.state.set(State::Draining);
                    self.handle.endpoint.drain();
                    self.count(ClusterCounter::EndpointDrain);
                }
                EventKind::Resumed => {
                    self.handle.state.set(State::Ready);
                    self.handle.endpoint.resume();
                }
            }
        }
    }

    fn on_writable(&mut self, stream: StreamId) {
        let mut pending = self.handle.pending.borrow_mut();
        let pump = pending.get_mut(key(stream)).and_then(|p| p.pump.take());
        drop(pending);
        if let Some(pump) = pump {
            self.pump(stream, pump);
        }
    }

    fn on_response(&mut self, stream: StreamId, frame: Frame) {
        if let Frame::Head(head) = &frame
            && head.kind != Kind::Response
        {
            return self.on_server_request(stream, frame);
        }
        self.last_used = self.link.now();
        let caller = if frame.ends() {
            self.handle.forget(stream).map(|p| p.caller)
        } else {
            let pending = self.handle.pending.borrow();
            pending.get(key(stream)).map(|p| p.caller.clone())
        };
        match caller {
            Some(Caller { inbox, key }) => inbox.push(ToSession::Frame(key, frame)),
            None => self.drop_late(stream, &frame),
        }
    }

    /// Drops what nobody waits for any longer, so that it can reach nobody else.
    fn drop_late(&mut self, stream: StreamId, frame: &Frame) {
        match frame {
            Frame::Head(_) => self.count(ClusterCounter::RsUnknownId),
            Frame::Data { bytes, .. } => {
                let n = bytes.len();
                self.link.with(|conn, turn| conn.consumed(stream, n, turn));
            }
            Frame::Trailers(_) | Frame::Reset(_) => {}
        }
    }

    /// The server calls its client: only a connection bound to one client knows whom it means.
    fn on_server_request(&mut self, stream: StreamId, frame: Frame) {
        let Frame::Head(head) = frame else { return };
        if let Some(owner) = &self.handle.owner {
            let upstream = self.handle.clone();
            return owner.push(ToSession::Request(upstream, stream, Box::new(head)));
        }
        self.count(ClusterCounter::ServerRequestRefused);
        if head.kind == Kind::Request {
            let message = "this connection is shared by many clients; the proxy cannot tell which one this call is for";
            let reply = Reply::refused(Code::NotFound, message);
            self.link
                .with(|conn, turn| conn.reply(stream, head.echo, &reply, turn));
        }
    }
}

/// Turns of a task before others get theirs.
const TURNS: usize = 8;
