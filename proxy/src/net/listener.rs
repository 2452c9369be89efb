//! A listener as one worker sees it: accepts connections and starts their sessions.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sabir_core::protocol::Role;
use slotmap::{DefaultKey, SlotMap};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::exchange::Table;
use super::link::Link;
use super::session::{Addresses, Inbox, Session, ToSession};
use super::worker::Worker;
use crate::config::resolved::Listener;
use crate::telemetry::{ListenerCounter, ListenerGauge, ListenerId};

/// A listener of one worker. Outlives changes of its configuration.
pub(crate) struct ListenerState {
    pub(crate) stats_id: ListenerId,
    current: RefCell<Rc<Table>>,
    sessions: RefCell<SlotMap<DefaultKey, Rc<Inbox>>>,
    accepting: RefCell<CancellationToken>,
    draining: RefCell<Option<Instant>>,
    ended: Notify,
}

impl ListenerState {
    pub(crate) fn new(table: Rc<Table>, stats_id: ListenerId) -> Self {
        Self {
            stats_id,
            current: RefCell::new(table),
            sessions: RefCell::default(),
            accepting: RefCell::default(),
            draining: RefCell::default(),
            ended: Notify::new(),
        }
    }

    /// Takes over a changed configuration; established connections use it from the next request on.
    pub(crate) fn update(&self, table: Rc<Table>) {
        *self.current.borrow_mut() = table;
    }

    pub(crate) fn current(&self) -> Rc<Table> {
        self.current.borrow().clone()
    }

    /// Accepts on `socket` instead of the one it accepted on so far.
    pub(crate) fn listen(self: &Rc<Self>, worker: &Rc<Worker>, socket: TcpListener) {
        let stop = CancellationToken::new();
        self.accepting.replace(stop.clone()).cancel();
        let (state, worker_too) = (self.clone(), worker.clone());
        worker.spawn(async move { state.accept(&worker_too, socket, stop).await });
    }

    /// Accepts on no socket of its own any longer.
    pub(crate) fn listen_no_more(&self) {
        self.accepting.borrow().cancel();
    }

    /// Accepts no more, tells the clients, and lets what is in flight finish by `until`.
    pub(crate) fn drain(&self, until: Instant) {
        self.accepting.borrow().cancel();
        *self.draining.borrow_mut() = Some(until);
        for inbox in self.sessions.borrow().values() {
            inbox.push(ToSession::Drain(until));
        }
    }

    /// Connections that are open.
    pub(crate) fn sessions(&self) -> usize {
        self.sessions.borrow().len()
    }

    /// Waits until no connection is open.
    pub(crate) async fn served(&self) {
        loop {
            let ended = self.ended.notified();
            if self.sessions() == 0 {
                return;
            }
            ended.await;
        }
    }

    async fn accept(
        self: Rc<Self>,
        worker: &Rc<Worker>,
        socket: TcpListener,
        stop: CancellationToken,
    ) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((io, peer)) => self.start(worker, io, peer),
                Err(error) => {
                    tracing::warn!(listener = &*self.current().listener.name, %error, "cannot accept");
                    // Out of descriptors, most likely; nothing tells when one is free again.
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // What the kernel has queued for this socket would be reset when it is closed.
        while let Ok(Ok((io, peer))) = tokio::time::timeout(Duration::ZERO, socket.accept()).await {
            self.start(worker, io, peer);
        }
    }

    /// Starts the session of a connection, unless there are too many.
    pub(crate) fn start(self: &Rc<Self>, worker: &Rc<Worker>, io: TcpStream, peer: SocketAddr) {
        worker.add(self.stats_id, ListenerCounter::CxTotal);
        let table = self.current();
        let open = &table.listener.connections;
        if open.fetch_add(1, Ordering::Relaxed) >= table.listener.bounds.max_connections {
            open.fetch_sub(1, Ordering::Relaxed);
            return worker.add(self.stats_id, ListenerCounter::CxOverflow);
        }
        match prepare(&io, peer) {
            Ok(addresses) => self.serve(worker, &table.listener, io, addresses),
            Err(error) => {
                open.fetch_sub(1, Ordering::Relaxed);
                tracing::debug!(%peer, %error, "connection was gone before it was served");
            }
        }
    }

    fn serve(
        self: &Rc<Self>,
        worker: &Rc<Worker>,
        listener: &Arc<Listener>,
        io: TcpStream,
        addresses: Addresses,
    ) {
        let now = Instant::now();
        let conn = listener
            .protocol
            .connection(Role::Server, &listener.bounds.limits, now);
        let inbox = Rc::new(Inbox::default());
        let slot = self.sessions.borrow_mut().insert(inbox.clone());
        if let Some(until) = *self.draining.borrow() {
            inbox.push(ToSession::Drain(until));
        }
        worker
            .stats
            .borrow_mut()
            .adjust(ListenerGauge::CxActive, self.stats_id, 1);
        let link = Link::new(io, conn, now);
        let (state, task) = (self.clone(), worker.clone());
        let mut session = Session::new(link, worker.clone(), self.clone(), inbox, addresses);
        let listener = listener.clone();
        worker.spawn(async move {
            // By reference: a future that is awaited by value lies in this one twice.
            (&mut session).await;
            state.ended(slot, &task);
            listener.connections.fetch_sub(1, Ordering::Relaxed);
        });
    }

    fn ended(&self, slot: DefaultKey, worker: &Worker) {
        worker
            .stats
            .borrow_mut()
            .adjust(ListenerGauge::CxActive, self.stats_id, -1);
        self.sessions.borrow_mut().remove(slot);
        self.ended.notify_waiters();
    }
}

fn prepare(io: &TcpStream, peer: SocketAddr) -> io::Result<Addresses> {
    io.set_nodelay(true)?;
    let local = io.local_addr()?;
    Ok(Addresses { peer, local })
}

/// How long to wait after a failure to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
