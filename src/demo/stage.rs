//! What the demo plays with: providers, the proxy between, and consumers.

use std::net::SocketAddr;

use anyhow::Context as _;
use sabir::{Options, Proxy};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::config::{ConfigFile, Settings, Split};
use super::consumer::Consumer;
use super::load::{Lane, Load};
use super::provider::{NAMES, Provider};

/// Everything, running.
#[derive(Debug)]
pub(super) struct Stage {
    /// In the order of [`NAMES`].
    pub(super) providers: [Provider; 3],
    /// What the proxy follows.
    pub(super) config: ConfigFile,
    /// The proxy.
    pub(super) proxy: RunningProxy,
    /// Connections to it.
    pub(super) consumers: Vec<Consumer>,
}

/// The proxy.
#[derive(Debug)]
pub(super) struct RunningProxy {
    /// Where it listens for Dubbo.
    pub(super) address: SocketAddr,
    /// Where its admin listener is.
    pub(super) admin: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

/// Where the proxy shall listen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Ports {
    /// For Dubbo.
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
        let mut consumers = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            let consumer = Consumer::connect(proxy.address).await;
            consumers.push(consumer.context("cannot connect to the proxy")?);
        }
        Ok(Self {
            providers,
            config,
            proxy,
            consumers,
        })
    }

    /// Lets all callers make `calls` in all.
    pub(super) fn load(&self, lane: Lane, calls: u64) -> Load {
        Load::start(&self.consumers, CALLERS, lane, calls)
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
        let address = proxy.address("dubbo").context("there is no listener")?;
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

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Connections of the consumers.
pub(super) const CONNECTIONS: usize = 8;

/// Callers on each of them, each with one call in flight.
pub(super) const CALLERS: usize = 8;
