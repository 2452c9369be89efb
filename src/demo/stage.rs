//! What the demo plays with: providers, the proxy between, and consumers.

use std::io;
use std::net::SocketAddr;

use anyhow::Context as _;
use sabir::{Options, Proxy};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::config::{ConfigFile, Settings, Split};
use super::consumer::Consumer;
use super::dialect::Dialect;
use super::grpc;
use super::load::{Lane, Load};
use super::provider::{NAMES, Provider};
use super::turns;

/// Everything, running.
#[derive(Debug)]
pub(super) struct Stage {
    /// In the order of [`NAMES`].
    pub(super) providers: [Provider; 3],
    /// What the proxy follows.
    pub(super) config: ConfigFile,
    /// The proxy.
    pub(super) proxy: RunningProxy,
    /// Connections to it, in Dubbo.
    pub(super) consumers: Vec<Consumer>,
}

/// The proxy.
#[derive(Debug)]
pub(super) struct RunningProxy {
    /// Where it listens for calls.
    pub(super) address: SocketAddr,
    /// Where its admin listener is.
    pub(super) admin: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

/// Where the proxy shall listen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Ports {
    /// For calls.
    pub(super) listener: u16,
    /// For operators.
    pub(super) admin: u16,
}

impl Ports {
    /// Any that are free.
    pub(super) const FREE: Self = Self {
        listener: 0,
        admin: 0,
    };

    /// Those that one expects; where somebody has them, any that are free.
    pub(super) fn usual() -> Self {
        let or_free = |port| match std::net::TcpListener::bind(loopback(port)) {
            Ok(_) => port,
            Err(_) => 0,
        };
        Self {
            listener: or_free(20880),
            admin: or_free(9901),
        }
    }
}

impl Stage {
    /// Starts everything, the proxy on `ports`.
    ///
    /// # Errors
    /// What kept it from starting.
    pub(super) async fn start(ports: Ports) -> anyhow::Result<Self> {
        let [v1, v2, batch] = NAMES;
        let providers = [
            Provider::start(v1).await?,
            Provider::start(v2).await?,
            Provider::start(batch).await?,
        ];
        let config = ConfigFile::create(Settings {
            listener: loopback(ports.listener),
            admin: loopback(ports.admin),
            providers: providers.each_ref().map(Provider::address),
            split: Split { v1: 90, v2: 10 },
        });
        let config = config.context("cannot write the configuration")?;
        let proxy = RunningProxy::start(&config).await?;
        let consumers = connected(async || Consumer::connect(proxy.address).await).await?;
        Ok(Self {
            providers,
            config,
            proxy,
            consumers,
        })
    }

    /// Lets all callers of Dubbo make `calls` in all.
    pub(super) fn load(&self, lane: Lane, calls: u64) -> Load {
        let clients = self.consumers.iter().flat_map(|c| vec![c.clone(); CALLERS]);
        Load::start(clients, lane, calls)
    }

    /// Lets callers in `dialect` make `calls` in all, on connections of their own.
    ///
    /// # Errors
    /// They could not connect.
    pub(super) async fn load_in(
        &self,
        dialect: &'static dyn Dialect,
        lane: Lane,
        calls: u64,
    ) -> anyhow::Result<Load> {
        let address = self.proxy.address;
        let clients = connected(async || turns::Caller::connect(address, dialect).await).await?;
        Ok(Load::start(clients, lane, calls))
    }

    /// Lets callers in gRPC make `calls` in all, on connections of their own.
    ///
    /// # Errors
    /// They could not connect.
    pub(super) async fn load_in_grpc(&self, lane: Lane, calls: u64) -> anyhow::Result<Load> {
        let address = self.proxy.address;
        let clients = connected(async || grpc::Caller::connect(address).await).await?;
        Ok(Load::start(clients, lane, calls))
    }

    /// Ends everything with care.
    ///
    /// # Errors
    /// The proxy had panicked.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        drop(self.consumers);
        // It fails only if the proxy has ended.
        let _: Result<_, _> = self.proxy.stop.send(());
        let ended = self.proxy.ended.await;
        for mut provider in self.providers {
            provider.kill().await;
        }
        ended.context("the proxy failed")
    }
}

impl RunningProxy {
    async fn start(config: &ConfigFile) -> anyhow::Result<Self> {
        let proxy = Proxy::start(Options::new(config.path())).await?;
        let address = proxy.address("rpc").context("there is no listener")?;
        let admin = proxy.admin_address().context("there is no admin")?;
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(proxy.run(async {
            // Dropping the sender stops the proxy, too.
            let _: Result<_, _> = stopped.await;
        }));
        Ok(Self {
            address,
            admin,
            stop,
            ended,
        })
    }
}

/// As many connections to the proxy as consumers of a protocol have.
async fn connected<C>(connect: impl AsyncFn() -> io::Result<C>) -> anyhow::Result<Vec<C>> {
    let mut clients = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let client = connect().await;
        clients.push(client.context("cannot connect to the proxy")?);
    }
    Ok(clients)
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Connections of the consumers in a protocol.
pub(super) const CONNECTIONS: usize = 8;

/// Callers on each of Dubbo's, each with one call in flight.
pub(super) const CALLERS: usize = 8;
