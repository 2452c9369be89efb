//! A whole proxy driven by a configuration file: start, reload, drain.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sabir_core::{filter, protocol};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::admin::{self, Source as _};
use crate::config::load::{self, LoadError};
use crate::config::lower::Registries;
use crate::config::resolved::Snapshot;
use crate::config::watch::{FileWatch, WatchError};
use crate::server::{ApplyError, Server};
use crate::state::State;
use crate::telemetry::Process;
use crate::telemetry::access_log::Writer;

/// What a proxy is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration file. It is watched, and loaded again when it changes.
    pub config: PathBuf,
    /// Protocols that listeners and clusters may name. Default: the built-in ones.
    pub protocols: protocol::Registry,
    /// Types of filters that configuration may name. Default: the built-in ones.
    pub filters: filter::Registry,
}

impl Options {
    /// The built-in protocols and filters, driven by the file at `config`.
    pub fn new(config: impl Into<PathBuf>) -> Self {
        Self {
            config: config.into(),
            protocols: sabir_codecs::registry::built_in(),
            filters: sabir_filters::registry(),
        }
    }

    /// Loads the configuration and says all that is wrong with it, without putting it in force.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is wrong; with every problem and its position.
    pub fn check(&self) -> Result<Snapshot, LoadError> {
        load::load(&self.config, &self.registries(), None)
    }

    fn parse(&self, bytes: &[u8], previous: Option<&Snapshot>) -> Result<Snapshot, LoadError> {
        let file = self.config.display().to_string();
        load::parse(&file, bytes, &self.registries(), previous)
    }

    fn registries(&self) -> Registries<'_> {
        Registries {
            protocols: &self.protocols,
            filters: &self.filters,
        }
    }
}

/// A proxy that runs. Dropping it ends it at once; [`run`](Self::run) ends it with care.
pub struct Proxy {
    options: Options,
    server: Server,
    state: Arc<State>,
    logs: Writer,
    watch: FileWatch,
    admin: Option<Admin>,
    control: Control,
    orders: mpsc::UnboundedReceiver<Order>,
}

/// Gives a running proxy orders from elsewhere, such as signal handlers.
#[derive(Clone, Debug)]
pub struct Control(mpsc::UnboundedSender<Order>);

#[derive(Debug)]
enum Order {
    Reload,
    ReopenLogs,
}

impl Control {
    /// Has the configuration file loaded again, changed or not.
    pub fn reload(&self) {
        // A proxy that has ended has nothing to load.
        let _: Result<_, _> = self.0.send(Order::Reload);
    }

    /// Has the access logs' files opened again under their names, as log rotation needs it.
    pub fn reopen_logs(&self) {
        // A proxy that has ended has nothing to log.
        let _: Result<_, _> = self.0.send(Order::ReopenLogs);
    }
}

/// The operators' listener while it runs.
struct Admin {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Why a proxy could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// An address of the configuration.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The operators' address.
    #[error("admin: cannot listen on {address}: {source}")]
    Admin {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The file cannot be watched.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// The system has no room for another thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
}

impl Proxy {
    /// Loads the configuration and starts to accept. Runs in a tokio runtime of any kind; the data
    /// path has threads of its own.
    ///
    /// # Errors
    ///
    /// See [`StartError`]; nothing is left running.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let bytes = load::read(&options.config)?;
        let snapshot = Arc::new(options.parse(&bytes, None)?);
        let watch = FileWatch::start(&options.config, &bytes)?;
        let workers = snapshot.startup.workers;
        let process = Process::new(env!("CARGO_PKG_VERSION"), workers.get());
        let logs = Writer::spawn(
            process.access_log().clone(),
            Writer::DEFAULT_MAX_QUEUED_BYTES,
        )
        .map_err(StartError::Thread)?;
        let mut server = Server::start(workers, &logs.handle()).map_err(StartError::Thread)?;
        server.apply(snapshot.clone()).await?;
        process.config_accepted();
        let state = Arc::new(State::new(server.view(), process));
        let admin = match snapshot.startup.admin {
            Some(address) => Some(Admin::start(address, state.clone()).await?),
            None => None,
        };
        let (control, orders) = mpsc::unbounded_channel();
        Ok(Self {
            options,
            server,
            state,
            logs,
            watch,
            admin,
            control: Control(control),
            orders,
        })
    }

    /// Address a listener listens on; tells the port where configuration says 0.
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.server.address(listener)
    }

    /// Address of the operators' listener, if there is one.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|a| a.address)
    }

    /// A way to give orders while [`run`](Self::run) has the proxy.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Follows the configuration file until `shutdown` is done; then accepts no more, tells the
    /// clients, and ends when what was in flight is finished, at the latest after the
    /// configuration's `drain_timeout`.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(bytes) = self.watch.changed() => self.apply(&bytes).await,
                Some(order) = self.orders.recv() => self.obey(order).await,
            }
        }
        self.drain().await;
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Reload => match load::read(&self.options.config) {
                Ok(bytes) => self.apply(&bytes).await,
                Err(error) => self.reject(&error),
            },
            Order::ReopenLogs => self.logs.reopen(),
        }
    }

    /// Puts the file's new content in force. What is wrong is said in the log, counted, and changes
    /// nothing.
    async fn apply(&mut self, bytes: &[u8]) {
        let current = self.state.current();
        let snapshot = match self.options.parse(bytes, current.as_deref()) {
            Ok(snapshot) => Arc::new(snapshot),
            Err(error) => return self.reject(&error),
        };
        if current.is_some_and(|old| old.startup != snapshot.startup) {
            tracing::warn!("node, admin and workers take effect with the next start");
        }
        match self.server.apply(snapshot).await {
            Ok(()) => {
                self.state.process().config_accepted();
                tracing::info!(file = %self.options.config.display(), "configuration in force");
            }
            Err(error) => self.reject(&error),
        }
    }

    fn reject(&self, error: &dyn std::error::Error) {
        self.state.process().config_rejected();
        tracing::error!(
            file = %self.options.config.display(),
            "configuration refused, the one in force stays:\n{error}"
        );
    }

    async fn drain(self) {
        let current = self.state.current();
        let timeout = current.map_or(Duration::ZERO, |s| s.drain_timeout);
        self.state.drain();
        tracing::info!(?timeout, "draining");
        self.server.shutdown(timeout).await;
        if let Some(admin) = self.admin {
            admin.stop().await;
        }
        let logs = self.logs;
        let written = tokio::task::spawn_blocking(move || logs.shutdown(LAST_LINES)).await;
        if !written.unwrap_or(false) {
            tracing::warn!("access log lines were lost: nobody took them in time");
        }
    }
}

impl Admin {
    async fn start(address: SocketAddr, state: Arc<State>) -> Result<Self, StartError> {
        let failed = |source| StartError::Admin { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let until = async move {
            let _: Result<(), _> = stopped.await;
        };
        let task = tokio::spawn(admin::serve(listener, state, until));
        tracing::info!(%address, "admin listening");
        Ok(Self {
            address,
            stop,
            task,
        })
    }

    async fn stop(self) {
        let Self { stop, task, .. } = self;
        drop(stop);
        if task.await.is_err() {
            tracing::error!("the admin listener had panicked");
        }
    }
}

/// How long the last lines of the access logs may take to be written.
const LAST_LINES: Duration = Duration::from_secs(2);
