//! The proxy as a whole: workers, sockets, and the configuration in force.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

use crate::config::resolved::{Accept, Listener, Snapshot};
use crate::net::worker::{self, Apply, Command, EndpointView};
use crate::telemetry;
use crate::telemetry::access_log::Handle;

/// Workers and what they do. Dropping it ends them at once; see [`shutdown`](Self::shutdown).
pub struct Server {
    workers: Vec<Worker>,
    listening: HashMap<Arc<str>, Listening>,
    view: Arc<View>,
}

/// What others may ask while the server is changed.
pub(crate) struct View {
    commands: Vec<mpsc::UnboundedSender<Command>>,
    current: ArcSwapOption<Snapshot>,
    addresses: ArcSwapOption<Vec<(Arc<str>, SocketAddr)>>,
}

struct Worker {
    commands: mpsc::UnboundedSender<Command>,
    thread: JoinHandle<()>,
}

/// A listener that is in force.
struct Listening {
    config: Arc<Listener>,
    address: SocketAddr,
    /// Hands connections to the workers in turn, where one socket is shared.
    acceptor: Option<CancellationToken>,
}

/// Why a configuration could not be put in force.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// An address cannot be listened on. Nothing was changed.
    #[error("listener {listener}: cannot listen on {address}: {source}")]
    Listen {
        /// Name of the listener.
        listener: Arc<str>,
        /// Its address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// Sockets of one listener, bound before anything is changed.
struct Bound {
    name: Arc<str>,
    address: SocketAddr,
    accept: Accept,
    sockets: Vec<TcpListener>,
}

impl Server {
    /// Starts `workers` threads that do nothing yet. Access logs go to `logs`.
    ///
    /// # Errors
    ///
    /// The system's, if it has no room for another thread.
    pub fn start(workers: NonZeroUsize, logs: &Handle) -> io::Result<Self> {
        let count = workers.get();
        let workers: io::Result<Vec<_>> = (0..count).map(|i| Worker::start(i, logs)).collect();
        let workers = workers?;
        let commands = workers.iter().map(|w| w.commands.clone()).collect();
        Ok(Self {
            workers,
            listening: HashMap::new(),
            view: Arc::new(View {
                commands,
                current: ArcSwapOption::empty(),
                addresses: ArcSwapOption::empty(),
            }),
        })
    }

    /// Puts `snapshot` in force on every worker. Established connections stay, except those of
    /// listeners that were removed or whose protocol changed: these are drained.
    ///
    /// # Errors
    ///
    /// An address that cannot be listened on; the configuration in force then stays as it was.
    pub async fn apply(&mut self, snapshot: Arc<Snapshot>) -> Result<(), ApplyError> {
        let replaced = self.replaced(&snapshot);
        let mut bound = self.bind(&snapshot, &replaced)?;
        for cluster in &snapshot.clusters {
            cluster.breaker.set_limits(cluster.breaker_limits);
        }
        let mut done = Vec::new();
        for worker in &self.workers {
            let (reply, applied) = oneshot::channel();
            let apply = Apply {
                snapshot: snapshot.clone(),
                sockets: bound.iter_mut().map(Bound::socket_for_worker).collect(),
                replaced: replaced.clone(),
                done: reply,
            };
            // A worker ends only with the server.
            let _: Result<_, _> = worker.commands.send(Command::Apply(apply));
            done.push(applied);
        }
        for applied in done {
            let _: Result<_, _> = applied.await;
        }
        self.adopt(&snapshot, bound);
        self.view.current.store(Some(snapshot));
        Ok(())
    }

    /// Address a listener listens on; tells the port where configuration says 0.
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.listening.get(listener).map(|l| l.address)
    }

    /// Accepts no more, tells the clients, lets what is in flight finish within `timeout`, and ends
    /// the workers.
    pub async fn shutdown(mut self, timeout: Duration) {
        let until = Instant::now() + timeout;
        for listening in self.listening.values_mut() {
            listening.stop();
        }
        for worker in &self.workers {
            let _: Result<_, _> = worker.commands.send(Command::Drain(until));
        }
        let workers = std::mem::take(&mut self.workers);
        let ended = tokio::task::spawn_blocking(move || {
            for worker in workers {
                drop(worker.commands);
                if worker.thread.join().is_err() {
                    tracing::error!("a worker had panicked");
                }
            }
        });
        if ended.await.is_err() {
            tracing::error!("cannot wait for the workers to end");
        }
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.view.clone()
    }

    /// Listeners whose connections cannot go on under `snapshot`.
    fn replaced(&self, snapshot: &Snapshot) -> Vec<Arc<str>> {
        let is_other = |new: &&Arc<Listener>| {
            self.listening.get(&new.name).is_some_and(|old| {
                old.config.protocol.name() != new.protocol.name()
                    || old.config.protocol_options != new.protocol_options
            })
        };
        let replaced = snapshot.listeners.iter().filter(is_other);
        replaced.map(|l| l.name.clone()).collect()
    }

    fn bind(&self, snapshot: &Snapshot, replaced: &[Arc<str>]) -> Result<Vec<Bound>, ApplyError> {
        let stays = |new: &Listener| {
            let same = |old: &Listening| {
                old.config.address == new.address && old.config.accept == new.accept
            };
            self.listening.get(&new.name).is_some_and(same) && !replaced.contains(&new.name)
        };
        let new = snapshot.listeners.iter().filter(|l| !stays(l));
        new.map(|l| self.bind_one(l)).collect()
    }

    fn bind_one(&self, listener: &Listener) -> Result<Bound, ApplyError> {
        let count = match listener.accept {
            Accept::ReusePort => self.workers.len(),
            Accept::RoundRobin => 1,
        };
        let mut address = listener.address;
        let mut sockets = Vec::with_capacity(count);
        for _ in 0..count {
            let socket = listen(address).map_err(|source| ApplyError::Listen {
                listener: listener.name.clone(),
                address,
                source,
            })?;
            // With port 0 the first socket decides for all.
            address = socket.local_addr().unwrap_or(address);
            sockets.push(socket);
        }
        let name = listener.name.clone();
        let accept = listener.accept;
        Ok(Bound {
            name,
            address,
            accept,
            sockets,
        })
    }

    fn adopt(&mut self, snapshot: &Snapshot, bound: Vec<Bound>) {
        let mut bound: HashMap<_, _> = bound.into_iter().map(|b| (b.name.clone(), b)).collect();
        let mut old = std::mem::take(&mut self.listening);
        for config in &snapshot.listeners {
            let before = old.remove(&config.name);
            let config = config.clone();
            let listening = match (bound.remove(&config.name), before) {
                (Some(bound), before) => {
                    drop(before);
                    tracing::info!(listener = &*config.name, address = %bound.address, protocol = config.protocol.name(), "listening");
                    self.listening_on(config.clone(), bound)
                }
                (None, Some(before)) => before.with(config.clone()),
                (None, None) => continue,
            };
            self.listening.insert(config.name.clone(), listening);
        }
        for name in old.keys() {
            tracing::info!(listener = &**name, "removed; its connections are drained");
        }
        let addresses = self.listening.iter().map(|(n, l)| (n.clone(), l.address));
        let mut addresses: Vec<_> = addresses.collect();
        addresses.sort();
        self.view.addresses.store(Some(Arc::new(addresses)));
    }

    fn listening_on(&self, config: Arc<Listener>, bound: Bound) -> Listening {
        let Bound {
            name,
            address,
            accept: mode,
            mut sockets,
        } = bound;
        let shared = match mode {
            Accept::RoundRobin => sockets.pop(),
            Accept::ReusePort => None,
        };
        let commands = self.view.commands.clone();
        let acceptor = shared.map(|socket| {
            let stop = CancellationToken::new();
            tokio::spawn(accept(name, socket, commands, stop.clone()));
            stop
        });
        Listening {
            config,
            address,
            acceptor,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for worker in &self.workers {
            let _: Result<_, _> = worker.commands.send(Command::Drain(Instant::now()));
        }
    }
}

impl Listening {
    fn with(mut self, config: Arc<Listener>) -> Self {
        self.config = config;
        self
    }

    fn stop(&mut self) {
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.cancel();
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Bound {
    /// The socket of the next worker, where each has one.
    fn socket_for_worker(&mut self) -> (Arc<str>, Option<TcpListener>) {
        let socket = match self.accept {
            Accept::ReusePort => self.sockets.pop(),
            Accept::RoundRobin => None,
        };
        (self.name.clone(), socket)
    }
}

impl Worker {
    fn start(i: usize, logs: &Handle) -> io::Result<Self> {
        let (commands, orders) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let logs = logs.clone();
        let thread = std::thread::Builder::new()
            .name(format!("worker-{i}"))
            .spawn(move || LocalSet::new().block_on(&runtime, worker::run(orders, logs)))?;
        Ok(Self { commands, thread })
    }
}

impl View {
    /// The configuration in force.
    pub(crate) fn current(&self) -> Option<Arc<Snapshot>> {
        self.current.load_full()
    }

    /// Addresses that are listened on, by name.
    pub(crate) fn addresses(&self) -> Vec<(Arc<str>, SocketAddr)> {
        self.addresses
            .load_full()
            .as_deref()
            .cloned()
            .unwrap_or_default()
    }

    /// Counters of each worker; `None` for one that did not answer in time.
    pub(crate) async fn stats(&self) -> Vec<Option<telemetry::Snapshot>> {
        self.ask(Command::Stats).await
    }

    /// Endpoints as each worker sees them; `None` for one that did not answer in time.
    pub(crate) async fn endpoints(&self) -> Vec<Option<Vec<EndpointView>>> {
        self.ask(Command::Endpoints).await
    }

    async fn ask<T>(&self, question: impl Fn(oneshot::Sender<T>) -> Command) -> Vec<Option<T>> {
        let asked: Vec<_> = self
            .commands
            .iter()
            .map(|worker| {
                let (reply, answer) = oneshot::channel();
                worker.send(question(reply)).ok().map(|()| answer)
            })
            .collect();
        let until = tokio::time::Instant::now() + PATIENCE;
        let mut answers = Vec::with_capacity(asked.len());
        for answer in asked {
            answers.push(match answer {
                Some(answer) => tokio::time::timeout_at(until, answer)
                    .await
                    .ok()
                    .and_then(Result::ok),
                None => None,
            });
        }
        answers
    }
}

/// Hands connections to the workers in turn until `stop`.
async fn accept(
    name: Arc<str>,
    socket: TcpListener,
    workers: Vec<mpsc::UnboundedSender<Command>>,
    stop: CancellationToken,
) {
    let socket = match tokio::net::TcpListener::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => return tracing::error!(listener = &*name, %error, "cannot listen"),
    };
    let mut turns = workers.iter().cycle();
    let mut hand_over = |io: TcpStream, peer| match (io.into_std(), turns.next()) {
        (Ok(io), Some(worker)) => {
            // A worker ends only with the server.
            let _: Result<_, _> = worker.send(Command::Accepted(name.clone(), io, peer));
        }
        (Err(error), _) => tracing::debug!(%peer, %error, "cannot serve"),
        (_, None) => {}
    };
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((io, peer)) => hand_over(io, peer),
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                // Out of descriptors, most likely; nothing tells when one is free again.
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // What the kernel has queued for this socket would be reset when it is closed.
    while let Ok(Ok((io, peer))) = tokio::time::timeout(Duration::ZERO, socket.accept()).await {
        hand_over(io, peer);
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Connections that wait to be accepted, per socket.
const BACKLOG: i32 = 4096;

/// How long a worker may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long to wait after a failure to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
