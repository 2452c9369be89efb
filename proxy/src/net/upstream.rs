//! A connection to an endpoint: the handle that sessions hold. Its task is a
//! [`Carrier`](super::carrier::Carrier).

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sabir_core::connection::SendError;
use sabir_core::frame::{Frame, Reason, StreamId};
use sabir_core::head::{Echo, Head, Kind};
use sabir_core::outcome::{Code, Executed, Outcome, Party, Reply};
use sabir_core::protocol::Protocol;
use sabir_core::pump::{Moved, Pump};
use sabir_router::limits::Permit;
use sabir_router::retry::Failure;
use slotmap::DefaultKey;

use super::link::Traffic;
use super::mailbox::Mailbox;
use super::pool::EndpointPool;
use super::session::{Inbox, ToSession};
use super::streams::Streams;
use super::worker::Worker;
use crate::config::resolved::PoolMode;
use crate::telemetry::{ClusterCounter, ClusterGauge};

/// What sessions hold of a connection to an endpoint.
pub(crate) struct Upstream {
    pub(crate) endpoint: Rc<EndpointPool>,
    /// What is spoken on it.
    pub(crate) protocol: Arc<dyn Protocol>,
    /// The session whose requests alone this connection carries, if it is bound to one.
    pub(crate) owner: Option<Rc<Inbox>>,
    /// It carries one exchange at a time.
    pub(super) exclusive: bool,
    pub(super) mailbox: Mailbox<ToUpstream>,
    pub(super) pending: RefCell<Streams<Pending>>,
    pub(super) state: Cell<State>,
    congested: Cell<bool>,
    /// Exchanges that its peer takes at a time.
    most: Cell<usize>,
    /// Bytes of requests in the mailbox.
    queued: Cell<usize>,
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
    /// The peer wants no new requests on this connection, but does on another; those in flight finish.
    Retired,
    /// Gone.
    Closed,
}

/// Who waits for the response on a stream.
pub(super) struct Pending {
    pub(super) caller: Caller,
    pub(super) pump: Option<Box<Pump>>,
    /// The exchange ends when its request has left.
    pub(super) one_way: bool,
    /// The request waits for the connection, or for room on it.
    pub(super) waits: Option<Permit>,
    pub(super) tunnel: Tunnel,
    /// Where the connection stood when the request was written; `None` if it was not.
    pub(super) mark: Option<Mark>,
}

/// How much had passed on a connection when something was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Mark {
    /// Bytes that were to leave before it.
    pub(super) sent: u64,
    /// Bytes that had come from the peer.
    pub(super) received: u64,
}

/// A request that failed with its connection.
pub(crate) struct LostRequest {
    /// How.
    pub(crate) how: Failed,
    /// The request, if it was never written.
    pub(crate) unsent: Option<Box<Head>>,
}

/// How a request failed with its connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Failed {
    /// There never was a connection.
    Unconnected,
    /// The connection ended before it took any of the request.
    Untouched,
    /// The connection, which had served others before, ended and the peer had said nothing since
    /// the request was written: it may have been on its way to close when that arrived.
    Stale,
    /// The connection ended.
    Lost,
    /// The protocol has no form for it.
    Unwritable,
}

impl Failed {
    /// What a retry policy calls it; `None` for what would fail anywhere.
    pub(crate) fn failure(self) -> Option<Failure> {
        match self {
            Self::Unconnected => Some(Failure::Connect),
            Self::Untouched => Some(Failure::BeforeRequest),
            Self::Stale | Self::Lost => Some(Failure::Reset),
            Self::Unwritable => None,
        }
    }

    /// How the exchange ends if this was all.
    pub(crate) fn outcome(self) -> Outcome {
        let (party, executed, code) = match self {
            Self::Unconnected | Self::Untouched => {
                (Party::Network, Executed::No, Code::Unavailable)
            }
            Self::Stale | Self::Lost => (Party::Network, Executed::Maybe, Code::Unavailable),
            Self::Unwritable => (Party::Proxy, Executed::No, Code::Internal),
        };
        Outcome::new(party, executed, code)
    }
}

/// Whether the end of a response ends its exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tunnel {
    /// It does.
    No,
    /// It does not: the request has an end of its own.
    Open,
    /// The response has ended, and the request has not.
    HalfClosed,
}

/// An exchange of a session.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) inbox: Rc<Inbox>,
    pub(crate) key: DefaultKey,
}

/// What sessions leave for a connection to an endpoint.
pub(super) enum ToUpstream {
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
    /// A late answer could be taken for another's: the connection must not be used again.
    Abandon,
}

impl Upstream {
    /// A connection of `protocol` that is not established yet.
    pub(crate) fn new(
        endpoint: Rc<EndpointPool>,
        protocol: Arc<dyn Protocol>,
        mode: PoolMode,
        owner: Option<Rc<Inbox>>,
    ) -> Self {
        let pending = Streams::new(protocol.max_stream());
        Self {
            endpoint,
            protocol,
            owner,
            exclusive: mode == PoolMode::Exclusive,
            mailbox: Mailbox::default(),
            pending: RefCell::new(pending),
            state: Cell::new(State::Connecting),
            congested: Cell::new(false),
            most: Cell::new(usize::MAX),
            queued: Cell::new(0),
            held_back: RefCell::default(),
        }
    }

    /// Whether the next request would have to wait before it is written.
    pub(crate) fn would_wait(&self) -> bool {
        let busy = self.exclusive && self.active() > 0;
        self.state.get() == State::Connecting || busy || !self.has_room()
    }

    /// Whether its peer takes one more exchange beside those it was given.
    pub(crate) fn has_room(&self) -> bool {
        self.active() < self.most.get()
    }

    /// The peer takes so many exchanges at a time.
    pub(super) fn set_most(&self, most: usize) {
        self.most.set(most);
    }

    /// Gives the connection a request, with the permit to wait if it [would](Self::would_wait);
    /// returns the name of its stream. `None` if it has as many as its protocol can tell apart.
    pub(crate) fn request(
        &self,
        caller: Caller,
        head: Head,
        waits: Option<Permit>,
        worker: &Worker,
    ) -> Option<StreamId> {
        let cluster = &self.endpoint.cluster;
        if waits.is_some() {
            worker.count(cluster.stats_id, ClusterCounter::RqPendingTotal);
            worker.adjust(cluster.stats_id, ClusterGauge::RqPendingActive, 1);
        }
        let pending = Pending {
            waits,
            mark: None,
            caller,
            pump: (!head.end).then(Box::default),
            one_way: head.kind == Kind::OneWay,
            tunnel: Tunnel::No,
        };
        let stream = self.insert(pending, worker)?;
        self.endpoint.acquire();
        // The carrier may come late to look: the connection has to be established, or the worker
        // has much to read elsewhere.
        self.queued.set(self.queued.get() + head.wire().len());
        if self.queued.get() >= self.endpoint.cluster.buffer_limit() {
            self.congested.set(true);
        }
        self.mailbox.push(ToUpstream::Request(stream, head));
        Some(stream)
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

    /// Whether the exchange on `stream` has not ended here.
    pub(crate) fn carries(&self, stream: StreamId) -> bool {
        self.pending.borrow().get(stream).is_some()
    }

    /// Counts what the server's protocol, or a limit, does not allow.
    pub(super) fn count_fault(&self, name: &'static str, worker: &Worker) {
        let cluster = self.endpoint.cluster.stats_id;
        worker.count(cluster, ClusterCounter::ProtocolError);
        worker.stats.borrow_mut().fault(cluster, name);
    }

    /// Gives an exchange up: whatever still comes for it is dropped.
    pub(crate) fn cancel(&self, stream: StreamId, worker: &Worker) {
        let Some(waits) = self.waits(stream) else {
            return;
        };
        self.forget(stream, worker);
        if !waits && self.exclusive {
            // Its protocol may tell answers apart by their turn alone.
            self.state.set(State::Closed);
            return self.mailbox.push(ToUpstream::Abandon);
        }
        self.frame(stream, Frame::Reset(Reason::Cancelled));
    }

    /// Whether the request on `stream` waits to be written; `None` if there is none.
    fn waits(&self, stream: StreamId) -> Option<bool> {
        let pending = self.pending.borrow();
        pending.get(stream).map(|p| p.waits.is_some())
    }

    fn insert(&self, mut pending: Pending, worker: &Worker) -> Option<StreamId> {
        let mut table = self.pending.borrow_mut();
        if table.is_full() {
            self.stop_waiting(&mut pending, worker);
            return None;
        }
        table.insert(pending)
    }

    /// The request on `stream` is about to be written, where the connection stands at `mark`.
    pub(super) fn admit(&self, stream: StreamId, mark: Mark, worker: &Worker) {
        if let Some(pending) = self.pending.borrow_mut().get_mut(stream) {
            pending.mark = Some(mark);
            self.stop_waiting(pending, worker);
        }
    }

    /// Gives the permit to wait back; whether there was one.
    fn stop_waiting(&self, pending: &mut Pending, worker: &Worker) -> bool {
        let Some(permit) = pending.waits.take() else {
            return false;
        };
        let cluster = &self.endpoint.cluster;
        cluster.release(permit);
        worker.adjust(cluster.stats_id, ClusterGauge::RqPendingActive, -1);
        true
    }

    /// Closes the connection once its owner is gone, or the endpoint.
    pub(crate) fn close(&self) {
        self.mailbox.push(ToUpstream::Close);
    }

    /// Fails everything that was given to a connection that was never established.
    pub(crate) fn fail_unconnected(&self, worker: &Worker) {
        self.fail_all(None, worker);
    }

    /// Whether it speaks `protocol`.
    pub(crate) fn speaks(&self, protocol: &str) -> bool {
        self.protocol.name() == protocol
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

    /// A request of this many bytes was taken out of the mailbox.
    pub(super) fn taken(&self, bytes: usize) {
        self.queued.set(self.queued.get().saturating_sub(bytes));
    }

    /// Notes whether the connection is congested; whether it became so just now.
    pub(super) fn set_congested(&self, congested: bool) -> bool {
        let was = self.congested.replace(congested);
        if was && !congested {
            for inbox in self.held_back.take() {
                inbox.push(ToSession::Released);
            }
        }
        congested && !was
    }

    pub(super) fn forget(&self, stream: StreamId, worker: &Worker) -> Option<Pending> {
        let mut pending = self.pending.borrow_mut().remove(stream)?;
        self.stop_waiting(&mut pending, worker);
        self.endpoint.release();
        Some(pending)
    }

    /// The response on `stream` has begun, and opens a tunnel.
    pub(super) fn open_tunnel(&self, stream: StreamId) {
        if let Some(pending) = self.pending.borrow_mut().get_mut(stream) {
            pending.tunnel = Tunnel::Open;
        }
    }

    /// The response on `stream` has ended; who waits for the rest of the request to be written, if
    /// the response was that of a tunnel.
    pub(super) fn half_close(&self, stream: StreamId) -> Option<Caller> {
        let mut pending = self.pending.borrow_mut();
        let pending = pending.get_mut(stream)?;
        if pending.tunnel == Tunnel::No || pending.pump.is_none() {
            return None;
        }
        pending.tunnel = Tunnel::HalfClosed;
        Some(pending.caller.clone())
    }

    /// Whether something is still to be written although the peer has ended its side.
    pub(super) fn is_half_closed(&self) -> bool {
        let pending = self.pending.borrow();
        let half = pending.names(|p| p.tunnel == Tunnel::HalfClosed);
        !half.is_empty()
    }

    /// Takes note of what left of the request on `stream`, and keeps the rest.
    pub(super) fn moved(
        &self,
        stream: StreamId,
        rest: Box<Pump>,
        moved: Result<Moved, SendError>,
        worker: &Worker,
    ) {
        let mut pending = self.pending.borrow_mut();
        let Some(waiting) = pending.get_mut(stream) else {
            return;
        };
        let (bytes, ended) = moved.map_or((0, true), |moved| (moved.bytes, moved.ended));
        waiting.pump = (!ended).then_some(rest);
        let Caller { inbox, key } = &waiting.caller;
        if bytes > 0 {
            inbox.push(ToSession::Consumed(*key, bytes));
        }
        if ended && waiting.tunnel == Tunnel::HalfClosed {
            inbox.push(ToSession::Sent(*key));
            drop(pending);
            self.forget(stream, worker);
        }
    }

    /// Fails everything that waits; called once, when the connection is gone on which so much had
    /// passed, if there was one.
    pub(super) fn fail_all(&self, traffic: Option<Traffic>, worker: &Worker) {
        self.state.set(State::Closed);
        let pending = self.pending.borrow_mut().drain();
        pending.iter().for_each(|_| self.endpoint.release());
        let request = |letter| match letter {
            ToUpstream::Request(stream, head) => Some((stream, head)),
            _ => None,
        };
        let unsent = self.mailbox.take().into_iter().filter_map(request);
        let mut unsent: HashMap<_, _> = unsent.collect();
        for (stream, mut pending) in pending {
            if self.stop_waiting(&mut pending, worker) {
                let cluster = self.endpoint.cluster.stats_id;
                worker.count(cluster, ClusterCounter::RqPendingFailure);
            }
            let unsent = unsent.remove(&stream).map(Box::new);
            let how = match (traffic, pending.mark) {
                (None, _) => Failed::Unconnected,
                (Some(_), None) => Failed::Untouched,
                (Some(traffic), Some(mark)) => mark.failed(traffic),
            };
            // It is no fault of the endpoint's that a connection was old.
            if let Failed::Unconnected | Failed::Lost = how {
                self.endpoint
                    .report(how.outcome(), Duration::ZERO, Instant::now());
            }
            let Caller { inbox, key } = pending.caller;
            inbox.push(ToSession::Failed(key, LostRequest { how, unsent }));
        }
        self.set_congested(false);
    }
}

impl Mark {
    /// What became of a request that was written here, on a connection that ended with `traffic`.
    fn failed(self, traffic: Traffic) -> Failed {
        if traffic.sent <= self.sent {
            return Failed::Untouched;
        }
        let is_old = self.received > 0;
        match is_old && traffic.received == self.received {
            true => Failed::Stale,
            false => Failed::Lost,
        }
    }
}
