//! Policies, each case written once and run on every protocol.
//!
//! A case is an `async fn` of a [`Dialect`](dialect::Dialect). It scripts
//! [`Backend`](backend::Backend)s, calls through a proxy, and looks at neutral
//! outcomes and at what the backends saw. [`on_every_protocol`] makes a test of it for each dialect.

mod backend;
mod baseline;
mod dialect;
mod resends;
mod side;

use dialect::{Ask, Dialect};
use sabir::core::outcome::Outcome;
use side::Side;

use crate::running::{ClusterSetup, Running, Setup};
use backend::Backend;

/// Makes a test of each case for each protocol.
macro_rules! on_every_protocol {
    ($($case:ident),+ $(,)?) => {
        $(crate::policy::on_protocols!($case: dubbo thrift motan2 http1 http2 grpc);)+
    };
}

/// Makes a test of a case for some protocols.
macro_rules! on_protocols {
    ($case:ident: $($dialect:ident)+) => {
        mod $case {
            $(
                #[tokio::test]
                async fn $dialect() {
                    super::$case(crate::policy::dialect::$dialect()).await;
                }
            )+
        }
    };
}

pub(crate) use {on_every_protocol, on_protocols};

/// A proxy in front of scripted backends.
struct Stage {
    dialect: Dialect,
    proxy: Running,
}

impl Stage {
    /// All calls go by `route`, in flow style, to the cluster `main` of `backends`, which has
    /// further lines `cluster`.
    async fn new(dialect: Dialect, backends: &[&Backend], route: &str, cluster: &[&str]) -> Self {
        let endpoints: Vec<_> = backends.iter().map(|backend| backend.address).collect();
        Self::at(dialect, endpoints, route, cluster).await
    }

    async fn at(
        dialect: Dialect,
        endpoints: Vec<std::net::SocketAddr>,
        route: &str,
        cluster: &[&str],
    ) -> Self {
        let mut setup = Setup::one(endpoints).protocol(dialect.protocol);
        setup.listeners[0].routes = vec![format!("{{route: {{cluster: main, {route}}}}}")];
        setup.clusters[0].more = cluster.iter().map(|&line| line.to_owned()).collect();
        setup = setup.also(ClusterSetup::new("unused", []));
        let proxy = setup.start().await;
        Self { dialect, proxy }
    }

    async fn client(&self) -> Client {
        let io = tokio::net::TcpStream::connect(self.proxy.at("in")).await;
        let side = Side::client(io.unwrap(), &self.dialect);
        Client {
            side,
            dialect: self.dialect,
            last: 0,
        }
    }

    /// How a call over a connection of its own ends.
    async fn call(&self, ask: &Ask<'_>) -> Outcome {
        self.client().await.call(ask).await
    }

    /// A counter of the cluster `main`.
    async fn count(&self, family: &str) -> u64 {
        let series = format!("sabir_{family}_total{{cluster=\"main\"");
        self.proxy.metric(&series).await
    }
}

/// A caller.
struct Client {
    side: Side,
    dialect: Dialect,
    last: u64,
}

impl Client {
    /// How a call ends.
    async fn call(&mut self, ask: &Ask<'_>) -> Outcome {
        self.send(ask).await;
        self.answer().await
    }

    async fn send(&mut self, ask: &Ask<'_>) {
        self.last += 1;
        let frames = self.dialect.request(ask);
        self.side.open(self.last);
        for frame in frames {
            self.side.send(self.last, frame).await;
        }
    }

    /// How the call that was sent last ends.
    async fn answer(&mut self) -> Outcome {
        self.side.outcome(self.last).await
    }
}
