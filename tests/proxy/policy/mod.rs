//! Policies, each case written once and run on every protocol.
//!
//! A case is an `async fn` of a [`Dialect`](dialect::Dialect). It scripts
//! [`Backend`](backend::Backend)s, calls through a proxy, and looks at neutral
//! outcomes and at what the backends saw. [`on_every_protocol`] makes a test of it for each dialect.

mod admitting;
mod backend;
mod baseline;
mod chaos;
mod deadlines;
mod dialect;
mod failing;
mod limiting;
mod resends;
mod retries;
mod side;
mod streams;

use std::net::SocketAddr;
use std::time::Instant;

use sabir::core::outcome::Outcome;
use tempfile::TempDir;

use crate::dubbo::PATIENCE;
use crate::running::{LOOK_AGAIN, Running, Setup};
use backend::Backend;
use dialect::{Ask, Dialect};
use side::Side;

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
    log: Option<TempDir>,
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
        endpoints: Vec<SocketAddr>,
        route: &str,
        cluster: &[&str],
    ) -> Self {
        Self::with(dialect, endpoints, route, cluster, &[]).await
    }

    /// As [`new`](Self::new), with an access log of `format`.
    async fn logging(dialect: Dialect, backend: &Backend, route: &str, format: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let line = format!(
            "access_log: [{{path: \"{}\", format: \"{format}\"}}]",
            path.display()
        );
        let endpoints = vec![backend.address];
        let mut stage = Self::with(dialect, endpoints, route, &[], &[&line]).await;
        stage.log = Some(directory);
        stage
    }

    async fn with(
        dialect: Dialect,
        endpoints: Vec<SocketAddr>,
        route: &str,
        cluster: &[&str],
        listener: &[&str],
    ) -> Self {
        let mut setup = Setup::one(endpoints).protocol(dialect.protocol);
        setup.listeners[0].routes = vec![format!("{{route: {{cluster: main, {route}}}}}")];
        setup.clusters[0].more = cluster.iter().map(|&line| line.to_owned()).collect();
        setup.listeners[0].more = listener.iter().map(|&line| line.to_owned()).collect();
        let proxy = setup.start().await;
        Self {
            dialect,
            proxy,
            log: None,
        }
    }

    /// As [`new`](Self::new), with filters of the listener and of the route, in flow style.
    async fn filtering(dialect: Dialect, backend: &Backend, listener: &str, route: &str) -> Self {
        Self::filtering_within(dialect, backend, "5s", listener, route).await
    }

    /// As [`filtering`](Self::filtering), with this timeout of the route.
    async fn filtering_within(
        dialect: Dialect,
        backend: &Backend,
        timeout: &str,
        listener: &str,
        route: &str,
    ) -> Self {
        let mut setup = Setup::one([backend.address]).protocol(dialect.protocol);
        let route = format!("{{route: {{cluster: main, timeout: {timeout}}}, filters: [{route}]}}");
        setup.listeners[0].routes = vec![route];
        let proxy = setup
            .listener(format!("filters: [{listener}]"))
            .start()
            .await;
        Self {
            dialect,
            proxy,
            log: None,
        }
    }

    /// What the log says once a line is there.
    async fn logged(&self) -> String {
        let path = self.log.as_ref().unwrap().path().join("log");
        let end = Instant::now() + PATIENCE;
        loop {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if !text.is_empty() {
                return text;
            }
            assert!(Instant::now() < end, "nothing is logged");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
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

    /// A client whose address is `from`, one of this machine's.
    async fn client_at(&self, from: [u8; 4]) -> Client {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        let io = socket.connect(self.proxy.at("in")).await.unwrap();
        Client {
            side: Side::client(io, &self.dialect),
            dialect: self.dialect,
            last: 0,
        }
    }

    /// How often the filter `name` came to `result`.
    async fn results(&self, name: &str, result: &str) -> u64 {
        let labels = format!("listener=\"in\",filter=\"{name}\",result=\"{result}\"");
        let series = format!("sabir_filter_results_total{{{labels}}}");
        self.proxy.metric(&series).await
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
