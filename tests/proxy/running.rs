//! A proxy that runs, from a configuration that a test writes.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sabir::proxy::Control;
use sabir::{Options, Proxy};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::dubbo::{PATIENCE, Peer};

/// What a test configures, as pieces of YAML.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) workers: usize,
    pub(crate) drain_timeout: &'static str,
    pub(crate) listeners: Vec<ListenerSetup>,
    pub(crate) clusters: Vec<ClusterSetup>,
}

#[derive(Clone)]
pub(crate) struct ListenerSetup {
    pub(crate) name: &'static str,
    pub(crate) address: String,
    pub(crate) protocol: &'static str,
    /// Lines of `key: value`.
    pub(crate) more: Vec<String>,
    /// Each a route in flow style.
    pub(crate) routes: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct ClusterSetup {
    pub(crate) name: &'static str,
    pub(crate) endpoints: Vec<SocketAddr>,
    /// Pairs of `key: value` for the first of them.
    pub(crate) each: Vec<&'static str>,
    /// A list of their localities, in flow style.
    pub(crate) localities: &'static str,
    /// Lines of `key: value`.
    pub(crate) more: Vec<String>,
}

impl Setup {
    /// One listener, `in`, whose calls all go to one cluster, `main`.
    pub(crate) fn one(endpoints: impl Into<Vec<SocketAddr>>) -> Self {
        Self {
            workers: 1,
            drain_timeout: "5s",
            listeners: vec![ListenerSetup {
                name: "in",
                address: "127.0.0.1:0".to_owned(),
                protocol: "dubbo",
                more: Vec::new(),
                routes: vec!["{route: {cluster: main}}".to_owned()],
            }],
            clusters: vec![ClusterSetup::new("main", endpoints)],
        }
    }

    pub(crate) fn listener(mut self, line: impl Into<String>) -> Self {
        self.listeners[0].more.push(line.into());
        self
    }

    pub(crate) fn cluster(mut self, line: impl Into<String>) -> Self {
        self.clusters[0].more.push(line.into());
        self
    }

    /// Says more of each endpoint.
    pub(crate) fn each<const N: usize>(mut self, more: [&'static str; N]) -> Self {
        self.clusters[0].each = more.to_vec();
        self
    }

    pub(crate) fn routes<const N: usize>(mut self, routes: [&str; N]) -> Self {
        self.listeners[0].routes = routes.map(str::to_owned).to_vec();
        self
    }

    pub(crate) fn protocol(mut self, name: &'static str) -> Self {
        self.listeners[0].protocol = name;
        self
    }

    pub(crate) fn also(mut self, cluster: ClusterSetup) -> Self {
        self.clusters.push(cluster);
        self
    }

    pub(crate) fn yaml(&self) -> String {
        let (workers, drain) = (self.workers, self.drain_timeout);
        let mut yaml = format!(
            "admin: {{address: \"127.0.0.1:0\"}}\nworkers: {workers}\ndrain_timeout: {drain}\n"
        );
        yaml.push_str(if self.listeners.is_empty() {
            "listeners: []\n"
        } else {
            "listeners:\n"
        });
        for listener in &self.listeners {
            let ListenerSetup {
                name,
                address,
                protocol,
                ..
            } = listener;
            writeln!(yaml, "- name: {name}\n  address: \"{address}\"").unwrap();
            writeln!(yaml, "  protocol: {protocol}").unwrap();
            for line in &listener.more {
                writeln!(yaml, "  {line}").unwrap();
            }
            yaml.push_str("  route_configuration:\n    routes:\n");
            for route in &listener.routes {
                writeln!(yaml, "    - {route}").unwrap();
            }
        }
        yaml.push_str("clusters:\n");
        for cluster in &self.clusters {
            writeln!(yaml, "- name: {}", cluster.name).unwrap();
            let each = cluster.each.iter().chain(std::iter::repeat(&""));
            let endpoints = cluster.endpoints.iter().zip(each);
            let endpoints = endpoints.map(|(a, more)| format!("{{address: \"{a}\", {more}}}"));
            let endpoints: Vec<_> = endpoints.collect();
            let endpoints = endpoints.join(", ");
            let localities = cluster.localities;
            writeln!(yaml, "  load_assignment:").unwrap();
            writeln!(yaml, "    endpoints: [{endpoints}]").unwrap();
            writeln!(yaml, "    localities: {localities}").unwrap();
            for line in &cluster.more {
                writeln!(yaml, "  {line}").unwrap();
            }
        }
        yaml
    }

    pub(crate) async fn start(self) -> Running {
        self.start_with(|_| {}).await
    }

    pub(crate) async fn start_with(self, change: impl FnOnce(&mut Options)) -> Running {
        Running::start(&self, change).await
    }
}

impl ClusterSetup {
    pub(crate) fn new(name: &'static str, endpoints: impl Into<Vec<SocketAddr>>) -> Self {
        Self {
            name,
            endpoints: endpoints.into(),
            each: Vec::new(),
            localities: "[]",
            more: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, line: impl Into<String>) -> Self {
        self.more.push(line.into());
        self
    }
}

/// A proxy that runs.
pub(crate) struct Running {
    pub(crate) control: Control,
    pub(crate) directory: TempDir,
    admin: SocketAddr,
    addresses: Vec<(&'static str, SocketAddr)>,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

impl Running {
    async fn start(setup: &Setup, change: impl FnOnce(&mut Options)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("sabir.yaml");
        std::fs::write(&file, setup.yaml()).unwrap();
        let mut options = Options::new(&file);
        change(&mut options);
        let proxy = Proxy::start(options).await.unwrap();
        let known = |l: &ListenerSetup| (l.name, proxy.address(l.name).unwrap());
        let addresses = setup.listeners.iter().map(known).collect();
        let (stop, stopped) = oneshot::channel();
        let (control, admin) = (proxy.control(), proxy.admin_address().unwrap());
        let task = tokio::spawn(proxy.run(async {
            let _: Result<(), _> = stopped.await;
        }));
        Self {
            control,
            directory,
            admin,
            addresses,
            stop: Some(stop),
            task: Some(task),
        }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join("sabir.yaml")
    }

    /// Address of a listener the proxy was started with.
    pub(crate) fn at(&self, listener: &str) -> SocketAddr {
        let found = self.addresses.iter().find(|(name, _)| *name == listener);
        found.unwrap().1
    }

    pub(crate) async fn client(&self) -> Peer {
        Peer::to(self.at("in")).await
    }

    /// Puts another configuration in force, and waits until it is.
    pub(crate) async fn change(&self, setup: &Setup) {
        let accepted = "sabir_config_updates_total{result=\"accepted\"}";
        let before = self.metric(accepted).await;
        self.write(&setup.yaml());
        self.until(accepted, |n| n > before).await;
    }

    /// Replaces the file's content at once.
    pub(crate) fn write(&self, content: &str) {
        let new = self.directory.path().join(".new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(&new, self.file()).unwrap();
    }

    /// Begins to drain.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until the proxy has ended.
    pub(crate) async fn ended(&mut self) {
        let task = self.task.take().unwrap();
        let ended = timeout(PATIENCE, task).await;
        ended.expect("the proxy ends in time").unwrap();
    }

    /// Status and body of an answer of the operators' listener.
    pub(crate) async fn admin(&self, path: &str) -> (u16, String) {
        let mut io = TcpStream::connect(self.admin).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        io.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        io.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    /// Sum of the samples whose name and labels start with `series`.
    pub(crate) async fn metric(&self, series: &str) -> u64 {
        let (status, page) = self.admin("/metrics").await;
        assert_eq!(status, 200);
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            let value = value.parse::<f64>().ok()?;
            name.starts_with(series).then_some(value as u64)
        };
        page.lines().filter_map(sample).sum()
    }

    /// Waits until this many connections to endpoints were closed for `reason`.
    pub(crate) async fn until_closed(&self, reason: &str, count: u64) {
        let family = "sabir_upstream_cx_destroy_total";
        let series = format!("{family}{{cluster=\"main\",reason=\"{reason}\"}}");
        self.until(&series, |n| n == count).await;
    }

    /// Waits until a metric is as `is` wants it.
    pub(crate) async fn until(&self, series: &str, is: impl Fn(u64) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let value = self.metric(series).await;
            if is(value) {
                return;
            }
            assert!(Instant::now() < end, "{series} stays {value}");
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until nothing is in flight, and asserts that every request was counted once.
    pub(crate) async fn assert_balanced(&self) {
        for gauge in [
            "sabir_downstream_rq_active",
            "sabir_upstream_rq_active",
            "sabir_upstream_rq_pending_active",
            "sabir_upstream_cx_connecting",
        ] {
            self.until(gauge, |n| n == 0).await;
        }
    }
}

/// How often a condition is looked at that nothing announces.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(5);
