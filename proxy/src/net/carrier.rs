//! A connection to an endpoint: the task that drives it.

use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use sabir_core::connection::{ConnectionError, Event, EventKind, Written};
use sabir_core::frame::{Frame, Reason, StreamId};
use sabir_core::head::{Head, Kind, Stage};
use sabir_core::outcome::{Code, Reply};
use sabir_core::pump::Pump;
use tokio::io::{AsyncRead, AsyncWrite};

use super::link::{Link, LinkError, Read};
use super::session::ToSession;
use super::upstream::{Caller, Failed, LostRequest, Mark, Pending, State, ToUpstream, Upstream};
use super::worker::Worker;
use crate::telemetry::ClusterCounter;

/// The task of an established connection to an endpoint.
pub(crate) struct Carrier<S> {
    link: Link<S>,
    handle: Rc<Upstream>,
    worker: Rc<Worker>,
    letters: VecDeque<ToUpstream>,
    /// Requests for which the connection has no room yet.
    waiting: VecDeque<Waiting>,
    idle_timeout: Option<Duration>,
    last_used: Instant,
    buffer_limit: usize,
    /// What was written last, where exchanges take turns.
    current: Option<StreamId>,
    closing: bool,
    abandoned: bool,
    /// Bodies wait for the peer to take what was before them.
    unwritten: bool,
}

/// A request for which there was no room, with what came after its head.
struct Waiting {
    stream: StreamId,
    head: Head,
    more: Vec<Frame>,
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
            current: None,
            closing: false,
            abandoned: false,
            unwritten: false,
        }
    }

    /// Runs until the connection is gone; every exchange on it has then been answered or failed.
    pub(crate) async fn run(mut self) {
        let ended = std::future::poll_fn(|cx| {
            let ended = ready!(self.poll(cx));
            if ended.is_err() {
                // What it did wrong, if the socket takes that at once.
                let _: Poll<_> = self.link.poll_flush(cx);
            }
            Poll::Ready(ended)
        })
        .await;
        self.count_end(&ended);
        if let Err(error) = ended {
            let (endpoint, in_flight) = (self.handle.endpoint.address, self.handle.active());
            tracing::debug!(%endpoint, in_flight, %error, "upstream connection failed");
        }
        self.account();
        // What waited for room was never written; everything else may have been acted on.
        for Waiting { stream, head, .. } in self.waiting.drain(..) {
            self.handle.mailbox.push(ToUpstream::Request(stream, head));
        }
        for letter in self.letters.drain(..) {
            self.handle.mailbox.push(letter);
        }
        self.handle
            .fail_all(Some(self.link.traffic()), &self.worker);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<ClusterCounter, LinkError>> {
        self.link.begin(Instant::now());
        for _ in 0..TURNS {
            // First what the peer has said: after a farewell, requests are better given back than
            // written. But a server may be the first to speak, about what nobody has asked yet.
            let mut progress = self.current.is_none() && self.take_letters(cx)?;
            match self.poll_input(cx)? {
                Some(Read::End) if !self.handle.is_half_closed() => {
                    return Poll::Ready(Ok(ClusterCounter::CxDestroyRemote));
                }
                read => progress |= read.is_some(),
            }
            progress |= self.take_letters(cx)?;
            if self.abandoned {
                return Poll::Ready(Ok(ClusterCounter::CxDestroyAbandoned));
            }
            self.take_events();
            self.link.handle_timeout()?;
            let full = self.is_full();
            let flushed = self.link.poll_flush(cx)?;
            // Nobody wakes us for letters that we did not look for while there was no room.
            progress |= full && !self.is_full();
            self.resume_pumps();
            // What has said its last word takes no requests while that is being written.
            if self.link.conn().is_finished() {
                self.handle.state.set(State::Draining);
            }
            if self.is_done() && flushed.is_ready() && self.link.backlog() == 0 {
                return Poll::Ready(Ok(self.why_done()));
            }
            if !progress && !self.has_letters() {
                return self.settle(cx);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads the socket once and does what that says; `None` if there was nothing to read.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Result<Option<Read>, LinkError> {
        if !self.wants_read() {
            return Ok(None);
        }
        let read = self.link.poll_read(cx, &self.worker);
        self.take_events();
        match read {
            Poll::Ready(read) => read.map(Some),
            Poll::Pending => Ok(None),
        }
    }

    /// Nothing is left to do but to wait.
    fn settle(&mut self, cx: &mut Context<'_>) -> Poll<Result<ClusterCounter, LinkError>> {
        self.account();
        let idle_at = self.idle_timeout.map(|idle| self.last_used + idle);
        let idle_at = idle_at.filter(|_| self.handle.active() == 0);
        if !self.link.poll_alarm(idle_at, cx) {
            return Poll::Pending;
        }
        let now = Instant::now();
        self.link.begin(now);
        if idle_at.is_some_and(|at| at <= now) {
            return Poll::Ready(Ok(ClusterCounter::CxDestroyIdle));
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

    /// Why a connection that is done was closed.
    fn why_done(&self) -> ClusterCounter {
        match (&self.handle.owner, self.closing) {
            (_, false) => ClusterCounter::CxDestroyRemote,
            (Some(_), true) => ClusterCounter::CxDestroyDownstream,
            (None, true) => ClusterCounter::CxDestroyEndpointRemoved,
        }
    }

    fn count_end(&self, ended: &Result<ClusterCounter, LinkError>) {
        let reason = match ended {
            Ok(reason) => *reason,
            Err(LinkError::Io(_)) => ClusterCounter::CxDestroyIo,
            Err(LinkError::Protocol(ConnectionError::Silent { .. })) => {
                ClusterCounter::CxDestroyHeartbeat
            }
            Err(LinkError::Protocol(error)) => {
                if let ConnectionError::TooLong { .. } = error {
                    self.count(ClusterCounter::RsTooLarge);
                }
                self.handle.count_fault(error.name(), &self.worker);
                ClusterCounter::CxDestroyProtocol
            }
        };
        self.count(reason);
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
        while !self.is_full() {
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
        if self.handle.state() == State::Retired {
            self.give_waiting_back();
        }
        if self.handle.set_congested(self.is_full()) {
            self.count(ClusterCounter::PausedWriting);
        }
        if progress && self.link.has_unread() {
            self.link.recv()?;
        }
        Ok(progress)
    }

    fn has_letters(&self) -> bool {
        !self.letters.is_empty() && !self.is_full()
    }

    /// Whether more waits to be written than the peer should be given.
    fn is_full(&self) -> bool {
        self.link.backlog() >= self.buffer_limit
    }

    fn on_letter(&mut self, letter: ToUpstream) {
        match letter {
            ToUpstream::Request(stream, head) => {
                self.handle.taken(head.wire().len());
                self.start(stream, head);
            }
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
            ToUpstream::Abandon => self.abandoned = true,
        }
    }

    /// Writes a request, or lets it wait for room.
    fn start(&mut self, stream: StreamId, head: Head) {
        if !self.is_awaited(stream) {
            return; // given up before it was written
        }
        if !self.waiting.is_empty() || !self.open(stream) {
            let more = Vec::new();
            return self.waiting.push_back(Waiting { stream, head, more });
        }
        self.write(stream, Frame::Head(head));
    }

    /// Opens a stream if there is room for one.
    fn open(&mut self, stream: StreamId) -> bool {
        let is_busy = self.current.is_some_and(|stream| self.is_awaited(stream));
        if self.handle.exclusive && is_busy {
            return false;
        }
        if !self.link.with(|conn, _| conn.open(stream)) {
            return false;
        }
        let traffic = self.link.traffic();
        let mark = Mark {
            sent: traffic.sent + self.link.backlog() as u64,
            received: traffic.received,
        };
        self.handle.admit(stream, mark, &self.worker);
        self.current = Some(stream);
        true
    }

    fn retry_waiting(&mut self) {
        while let Some(waiting) = self.waiting.pop_front() {
            let stream = waiting.stream;
            if !self.is_awaited(stream) {
                continue;
            }
            if !self.open(stream) {
                return self.waiting.push_front(waiting);
            }
            self.write(stream, Frame::Head(waiting.head));
            for frame in waiting.more {
                self.on_frame(stream, frame);
            }
        }
    }

    /// Gives requests back for which this connection will never have room.
    fn give_waiting_back(&mut self) {
        for Waiting { stream, head, .. } in self.waiting.drain(..) {
            let pending = self.handle.forget(stream, &self.worker);
            let Some(Pending { caller, .. }) = pending else {
                continue;
            };
            let failure = LostRequest {
                how: Failed::Untouched,
                unsent: Some(Box::new(head)),
            };
            caller.inbox.push(ToSession::Failed(caller.key, failure));
        }
    }

    /// Whether somebody waits for the response on `stream`.
    fn is_awaited(&self, stream: StreamId) -> bool {
        self.handle.pending.borrow().get(stream).is_some()
    }

    fn on_frame(&mut self, stream: StreamId, frame: Frame) {
        if let Some(waiting) = self.waiting.iter_mut().find(|w| w.stream == stream) {
            // One that is given up before it was written leaves nothing to take back.
            return waiting.more.push(frame);
        }
        let is_body = matches!(frame, Frame::Data { .. } | Frame::Trailers(_));
        if is_body && !self.is_awaited(stream) {
            return; // the response has ended, and with it the exchange
        }
        let streaming = self
            .handle
            .pending
            .borrow_mut()
            .get_mut(stream)
            .and_then(|p| p.pump.take());
        let Some(mut pump) = streaming else {
            return self.write(stream, frame);
        };
        pump.push(frame);
        self.pump(stream, pump);
    }

    /// Moves what the peer's window has room for.
    fn pump(&mut self, stream: StreamId, mut pump: Box<Pump>) {
        let limit = self.buffer_limit;
        let moved = self
            .link
            .with(|conn, turn| pump.run(conn, stream, limit, turn));
        self.unwritten |= !pump.is_empty() && self.is_full();
        self.handle.moved(stream, pump, moved, &self.worker);
    }

    /// Writes one frame of a message protocol, or the head of a stream.
    fn write(&mut self, stream: StreamId, frame: Frame) {
        let written = self.link.with(|conn, turn| conn.send(stream, frame, turn));
        match written {
            Ok(Written::Whole) => {}
            Ok(Written::Unmodified) => self.count(ClusterCounter::MutationNotWritten),
            Err(_) => return self.fail(stream),
        }
        let one_way = |p: &Pending| p.one_way;
        let pending = &self.handle.pending;
        let sent = pending.borrow().get(stream).is_some_and(one_way);
        if sent && let Some(pending) = self.handle.forget(stream, &self.worker) {
            let Caller { inbox, key } = pending.caller;
            inbox.push(ToSession::Sent(key));
        }
    }

    fn fail(&self, stream: StreamId) {
        if let Some(Pending { caller, .. }) = self.handle.forget(stream, &self.worker) {
            let (how, unsent) = (Failed::Unwritable, None);
            let failed = ToSession::Failed(caller.key, LostRequest { how, unsent });
            caller.inbox.push(failed);
        }
    }

    fn count(&self, counter: ClusterCounter) {
        self.worker
            .count(self.handle.endpoint.cluster.stats_id, counter);
    }

    fn take_events(&mut self) {
        self.handle.set_most(self.link.conn().most_streams());
        while let Some(Event { stream, kind }) = self.link.next_event() {
            match kind {
                EventKind::Frame(frame) => self.on_response(stream, frame),
                EventKind::Writable => self.on_writable(stream),
                EventKind::Draining => {
                    self.handle.state.set(State::Draining);
                    self.handle.endpoint.drain();
                    self.count(ClusterCounter::EndpointDrain);
                }
                EventKind::Fault(name) => self.handle.count_fault(name, &self.worker),
                EventKind::Retired => self.handle.state.set(State::Retired),
                EventKind::Resumed => {
                    self.handle.state.set(State::Ready);
                    self.handle.endpoint.resume();
                    self.count(ClusterCounter::EndpointResume);
                }
            }
        }
    }

    /// Goes on with bodies that waited for the socket to take what was before them.
    fn resume_pumps(&mut self) {
        if !self.unwritten || self.is_full() {
            return;
        }
        self.unwritten = false;
        let waits = |p: &Pending| p.pump.as_ref().is_some_and(|pump| !pump.is_empty());
        let streams = self.handle.pending.borrow().names(waits);
        for stream in streams {
            self.on_writable(stream);
        }
    }

    fn on_writable(&mut self, stream: StreamId) {
        let mut pending = self.handle.pending.borrow_mut();
        let pump = pending.get_mut(stream).and_then(|p| p.pump.take());
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
        if matches!(&frame, Frame::Head(head) if head.stage == Stage::Tunnel) {
            self.handle.open_tunnel(stream);
        }
        self.last_used = self.link.now();
        let caller = if frame.ends() {
            self.end(stream, &frame)
        } else {
            let pending = self.handle.pending.borrow();
            pending.get(stream).map(|p| p.caller.clone())
        };
        match caller {
            Some(Caller { inbox, key }) => inbox.push(ToSession::Frame(key, frame)),
            None => self.drop_late(stream, &frame),
        }
    }

    /// The response has ended, with `last`; tells the peer so if the request has not.
    fn end(&mut self, stream: StreamId, last: &Frame) -> Option<Caller> {
        let is_reset = matches!(last, Frame::Reset(_));
        if !is_reset && let Some(caller) = self.handle.half_close(stream) {
            return Some(caller);
        }
        let pending = self.handle.forget(stream, &self.worker)?;
        if pending.pump.is_some() && !is_reset {
            self.write(stream, Frame::Reset(Reason::Cancelled));
        }
        Some(pending.caller)
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
            self.last_used = self.link.now();
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
