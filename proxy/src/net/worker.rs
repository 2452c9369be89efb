//! A worker: one thread with its own runtime, connections, pools and counters.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use sabir_router::cluster::{Endpoint, Health};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::buffers::Buffers;
use super::desk::Desks;
use super::exchange::Table;
use super::listener::ListenerState;
use super::logs::Logs;
use super::pool::Cluster;
use crate::config::resolved::{self, Snapshot};
use crate::telemetry::access_log::Handle;
use crate::telemetry::{
    ClusterCounter, ClusterGauge, ClusterId, ListenerCounter, ListenerId, Snapshot as Counts,
    WorkerStats,
};

/// What the tasks of one worker share.
pub(crate) struct Worker {
    pub(crate) stats: RefCell<WorkerStats>,
    /// What connections read into.
    pub(crate) buffers: RefCell<Buffers>,
    /// What sessions work with while they are busy.
    pub(crate) desks: RefCell<Desks>,
    pub(crate) logs: Logs,
    tasks: TaskTracker,
    listeners: RefCell<HashMap<Arc<str>, Rc<ListenerState>>>,
    clusters: RefCell<HashMap<Arc<str>, Rc<Cluster>>>,
    /// Removed listeners whose clients are still being served.
    leaving: RefCell<Vec<Rc<ListenerState>>>,
}

/// What a worker is told.
pub(crate) enum Command {
    /// Use this configuration from now on, and accept on these sockets.
    Apply(Apply),
    /// Serve this connection, which another thread accepted.
    Accepted(Arc<str>, std::net::TcpStream, SocketAddr),
    /// Tell your counters.
    Stats(oneshot::Sender<Counts>),
    /// Tell what your pools look like.
    Endpoints(oneshot::Sender<Vec<EndpointView>>),
    /// Accept no more, and end once everything is finished, at the latest then.
    Drain(Instant),
}

/// A configuration for a worker.
pub(crate) struct Apply {
    pub(crate) snapshot: Arc<Snapshot>,
    /// New sockets, by the name of their listener; none where another thread accepts from now on.
    pub(crate) sockets: Vec<(Arc<str>, Option<std::net::TcpListener>)>,
    /// Names whose sessions cannot go on under the new configuration.
    pub(crate) replaced: Vec<Arc<str>>,
    pub(crate) done: oneshot::Sender<()>,
}

/// What one worker knows of an endpoint.
#[derive(Clone, Debug)]
pub(crate) struct EndpointView {
    pub(crate) cluster: Arc<str>,
    pub(crate) endpoint: Endpoint,
    pub(crate) connections: usize,
    pub(crate) active: usize,
    pub(crate) health: Health,
    pub(crate) ejected: bool,
    pub(crate) draining: bool,
    pub(crate) reachable: bool,
}

/// Runs a worker until it is told to drain and has, or until `commands` is closed.
pub(crate) async fn run(mut commands: mpsc::UnboundedReceiver<Command>, logs: Handle) {
    let worker = Rc::new(Worker::new(logs));
    let flushing = worker.clone();
    tokio::task::spawn_local(async move { flushing.tidy().await });
    let until = loop {
        match commands.recv().await {
            Some(Command::Drain(until)) => break until,
            Some(command) => worker.obey(command),
            None => break Instant::now(),
        }
    };
    worker.drain(until);
    // Counters are still asked for while the last calls finish.
    let finished = worker.finished(until);
    tokio::pin!(finished);
    loop {
        tokio::select! {
            () = &mut finished => return,
            Some(command) = commands.recv() => worker.obey(command),
        }
    }
}

impl Worker {
    fn new(logs: Handle) -> Self {
        Self {
            logs: Logs::new(logs),
            stats: RefCell::new(WorkerStats::new(MAX_SERIES)),
            buffers: RefCell::default(),
            desks: RefCell::default(),
            tasks: TaskTracker::new(),
            listeners: RefCell::default(),
            clusters: RefCell::default(),
            leaving: RefCell::default(),
        }
    }

    /// Runs `task` on this worker.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.tasks.spawn_local(task);
    }

    pub(crate) fn count(&self, cluster: ClusterId, counter: ClusterCounter) {
        self.stats.borrow_mut().add(counter, cluster, 1);
    }

    pub(crate) fn adjust(&self, cluster: ClusterId, gauge: ClusterGauge, by: i64) {
        self.stats.borrow_mut().adjust(gauge, cluster, by);
    }

    pub(crate) fn add(&self, listener: ListenerId, counter: ListenerCounter) {
        self.stats.borrow_mut().add(counter, listener, 1);
    }

    /// Hands over what was logged, often enough for whoever follows the file, and gives memory back
    /// that a burst has needed.
    async fn tidy(&self) {
        let mut tick = tokio::time::interval(FLUSH_LOGS);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.logs.flush();
            self.buffers.borrow_mut().shrink();
        }
    }

    fn obey(self: &Rc<Self>, command: Command) {
        match command {
            Command::Apply(apply) => self.apply(apply),
            Command::Accepted(name, io, peer) => self.accepted(&name, io, peer),
            // Whoever asked may have stopped waiting.
            Command::Stats(reply) => drop(reply.send(self.stats.borrow().snapshot())),
            Command::Endpoints(reply) => drop(reply.send(self.endpoints())),
            Command::Drain(until) => self.drain(until),
        }
    }

    /// Clusters first, so that no route refers to one that is not there yet.
    fn apply(self: &Rc<Self>, apply: Apply) {
        let Apply {
            snapshot,
            sockets,
            replaced,
            done,
        } = apply;
        let clusters = self.apply_clusters(&snapshot);
        let until = Instant::now() + snapshot.drain_timeout;
        for name in replaced {
            self.remove(&name, until);
        }
        self.apply_listeners(&snapshot, &clusters, until);
        for (name, socket) in sockets {
            match socket {
                Some(socket) => self.listen(&name, socket),
                None => self.listen_no_more(&name),
            }
        }
        self.retire_clusters(&snapshot);
        self.leaving.borrow_mut().retain(|l| l.sessions() > 0);
        // Whoever asked may have stopped waiting.
        let _: Result<(), ()> = done.send(());
    }

    fn apply_clusters(&self, snapshot: &Snapshot) -> Rc<[Rc<Cluster>]> {
        let mut known = self.clusters.borrow_mut();
        let adopt = |config: &Arc<resolved::Cluster>| {
            if let Some(cluster) = known.get(&config.name)
                && cluster.can_become(config)
            {
                cluster.update(config.clone());
                return cluster.clone();
            }
            let id = self.stats.borrow_mut().cluster(&config.name);
            let cluster = Cluster::new(config.clone(), id);
            if let Some(old) = known.insert(config.name.clone(), cluster.clone()) {
                old.retire();
            }
            cluster
        };
        snapshot.clusters.iter().map(adopt).collect()
    }

    fn apply_listeners(&self, snapshot: &Snapshot, clusters: &Rc<[Rc<Cluster>]>, until: Instant) {
        for listener in &snapshot.listeners {
            let table = Rc::new(Table {
                listener: listener.clone(),
                clusters: clusters.clone(),
            });
            let known = self.listeners.borrow().get(&listener.name).cloned();
            if let Some(state) = known {
                state.update(table);
                continue;
            }
            let id = self.stats.borrow_mut().listener(&listener.name);
            let state = Rc::new(ListenerState::new(table, id));
            let name = listener.name.clone();
            self.listeners.borrow_mut().insert(name, state);
        }
        let wanted = |name: &Arc<str>| snapshot.listeners.iter().any(|l| l.name == *name);
        let names: Vec<_> = self.listeners.borrow().keys().cloned().collect();
        for name in names.iter().filter(|name| !wanted(name)) {
            self.remove(name, until);
        }
    }

    fn remove(&self, name: &Arc<str>, until: Instant) {
        if let Some(state) = self.listeners.borrow_mut().remove(name) {
            state.drain(until);
            self.leaving.borrow_mut().push(state);
        }
    }

    fn retire_clusters(&self, snapshot: &Snapshot) {
        let wanted = |name: &Arc<str>| snapshot.clusters.iter().any(|c| c.name == *name);
        self.clusters.borrow_mut().retain(|name, cluster| {
            if !wanted(name) {
                cluster.retire();
            }
            wanted(name)
        });
    }

    fn listen(self: &Rc<Self>, name: &Arc<str>, socket: std::net::TcpListener) {
        let state = self.listeners.borrow().get(name).cloned();
        let socket = TcpListener::from_std(socket);
        match (state, socket) {
            (Some(state), Ok(socket)) => state.listen(self, socket),
            (_, Err(error)) => tracing::error!(listener = &**name, %error, "cannot listen"),
            (None, Ok(_)) => tracing::error!(listener = &**name, "socket of no listener"),
        }
    }

    fn listen_no_more(&self, name: &Arc<str>) {
        if let Some(state) = self.listeners.borrow().get(name) {
            state.listen_no_more();
        }
    }

    fn accepted(self: &Rc<Self>, name: &Arc<str>, io: std::net::TcpStream, peer: SocketAddr) {
        let state = self.listeners.borrow().get(name).cloned();
        match (state, TcpStream::from_std(io)) {
            (Some(state), Ok(io)) => state.start(self, io, peer),
            (None, _) => {} // removed while the connection was on its way
            (_, Err(error)) => tracing::debug!(%peer, %error, "cannot serve"),
        }
    }

    fn endpoints(&self) -> Vec<EndpointView> {
        let clusters = self.clusters.borrow();
        let now = Instant::now();
        clusters.values().flat_map(|c| c.view(now)).collect()
    }

    fn drain(&self, until: Instant) {
        let names: Vec<_> = self.listeners.borrow().keys().cloned().collect();
        for name in names {
            self.remove(&name, until);
        }
    }

    /// Waits until every client was served, at most until `until` and a moment.
    async fn finished(&self, until: Instant) {
        let leaving = self.leaving.take();
        let sessions = async {
            for listener in &leaving {
                listener.served().await;
            }
        };
        let grace = until + LAST_WORDS;
        let _: Result<(), _> = tokio::time::timeout_at(grace.into(), sessions).await;
    }
}

/// Distinct services and methods with counters of their own, per worker.
const MAX_SERIES: usize = 2_000;

/// How long a line may wait before it is handed to the writer.
const FLUSH_LOGS: std::time::Duration = std::time::Duration::from_millis(200);

/// How long connections that ran out of time may take to say so.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_secs(2);
