//! Tests of the admin listener over loopback sockets, with plain bytes as the client.

use std::collections::BTreeMap;
use std::future::{pending, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sabir_core::outcome::Outcome;
use sabir_proto::config::v1;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::telemetry::WorkerStats;

struct Fixed {
    ready: AtomicBool,
    process: Process,
}

impl Source for Fixed {
    fn stats(&self) -> Answer<'_, Summary> {
        // One of the two workers.
        Box::pin(async { summary() })
    }

    fn config(&self) -> Answer<'_, Option<Document>> {
        let bootstrap = v1::Bootstrap {
            workers: 3,
            ..Default::default()
        };
        Box::pin(ready(Document::new(&bootstrap).ok()))
    }

    fn clusters(&self) -> Answer<'_, Vec<ClusterStatus>> {
        Box::pin(ready(vec![cluster()]))
    }

    fn listeners(&self) -> Answer<'_, Vec<ListenerStatus>> {
        // As if all workers hung and the source forgot to stop waiting.
        Box::pin(pending())
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    fn process(&self) -> &Process {
        &self.process
    }
}

fn summary() -> Summary {
    let mut stats = WorkerStats::default();
    let (listener, cluster) = (stats.listener("in"), stats.cluster("c"));
    let series = stats.series(listener, Some(cluster), b"s", b"m");
    stats.record(series, Outcome::OK, Duration::from_millis(4));
    Summary::of([stats.snapshot()])
}

fn cluster() -> ClusterStatus {
    ClusterStatus {
        name: "c".into(),
        lb_policy: "ROUND_ROBIN".into(),
        pending: 0,
        endpoints: vec![EndpointStatus {
            address: "10.0.0.1:20880".parse().unwrap(),
            labels: BTreeMap::from([("lane".into(), "batch".into())]),
            weight: 1,
            priority: 0,
            health: EndpointHealth::Healthy,
            ejected: true,
            draining: true,
            connections: 2,
            active: 7,
        }],
    }
}

struct Server {
    address: SocketAddr,
    source: Arc<Fixed>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn start() -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let source = Arc::new(Fixed {
        ready: AtomicBool::new(true),
        process: Process::new("1.2.3", 2),
    });
    let (stop, stopped) = oneshot::channel();
    let stopped = async {
        let _ = stopped.await;
    };
    let task = tokio::spawn(serve(listener, source.clone(), stopped));
    Server {
        address,
        source,
        stop,
        task,
    }
}

impl Server {
    /// What the server sends to a client that sends `request`, until it closes.
    async fn exchange(&self, request: &[u8]) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.write_all(request).await?;
        let mut response = String::new();
        stream.read_to_string(&mut response).await?;
        Ok(response)
    }

    /// Head and body of the answer to a `method` at `path`.
    async fn ask(&self, method: &str, path: &str) -> (String, String) {
        let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let response = self.exchange(request.as_bytes()).await.unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    async fn read(&self, path: &str) -> String {
        let (head, body) = self.ask("GET", path).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        body
    }

    async fn read_json(&self, path: &str) -> Value {
        serde_json::from_str(&self.read(path).await).unwrap()
    }
}

#[tokio::test]
async fn probes() {
    let server = start().await;
    assert_eq!(server.read("/live").await, "live\n");
    assert_eq!(server.read("/ready").await, "ready\n");
    server.source.ready.store(false, Ordering::Relaxed);
    let (head, body) = server.ask("GET", "/ready").await;
    assert!(head.starts_with("HTTP/1.1 503 "));
    assert_eq!(body, "not ready\n");
    assert_eq!(server.read("/live").await, "live\n");
}

#[tokio::test]
async fn metrics_say_that_a_worker_did_not_answer() {
    let server = start().await;
    let (head, body) = server.ask("GET", "/metrics").await;
    assert!(head.contains("content-type: text/plain; version=0.0.4"));
    assert!(body.contains("\nsabir_workers_unresponsive 1\n"));
    assert!(body.contains("\nsabir_requests_total{listener=\"in\",cluster=\"c\",service=\"s\""));
    let request = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                    accept: application/openmetrics-text\r\n\r\n";
    let response = server.exchange(request).await.unwrap();
    assert!(response.contains("content-type: application/openmetrics-text; version=1.0.0"));
    assert!(response.ends_with("# EOF\n"));
}

#[tokio::test]
async fn stats_in_both_forms() {
    let server = start().await;
    let text = server.read("/stats").await;
    assert!(
        text.contains("1 of 2 workers did not answer in time"),
        "{text}"
    );
    assert!(
        text.contains("\nrequests in -> c s m\n  ok (nobody) 1\n  p50 3.968"),
        "{text}"
    );
    assert!(
        text.contains("\n  sabir_downstream_cx_destroy_total.remote 0\n"),
        "{text}"
    );
    let json = server.read_json("/stats?format=json").await;
    assert_eq!(json["workers_unresponsive"], 1);
    assert_eq!(json["requests"][0]["outcomes"][0]["code"], "ok");
    let p99 = json["requests"][0]["p99_seconds"].as_f64().unwrap();
    assert!((0.0035..0.0045).contains(&p99), "{p99}");
    assert_eq!(json["clusters"]["c"]["sabir_upstream_rq_active"], 0);
}

#[tokio::test]
async fn clusters_and_configuration() {
    let server = start().await;
    let text = "c  ROUND_ROBIN  endpoints 1  pending 0\n  10.0.0.1:20880  healthy  ejected  draining  \
                weight 1  connections 2  active 7  lane=batch\n";
    assert_eq!(server.read("/clusters").await, text);
    let json = server.read_json("/clusters?format=json").await;
    assert_eq!(
        json["clusters"][0]["endpoints"][0]["labels"]["lane"],
        "batch"
    );
    assert_eq!(
        server.read_json("/config_dump").await,
        json!({ "workers": 3 })
    );
}

#[test]
fn workers_add_up() {
    let mut sum = cluster();
    let mut other = cluster();
    other.endpoints[0].draining = false;
    other.endpoints.push(EndpointStatus {
        address: "10.0.0.2:20880".parse().unwrap(),
        ..other.endpoints[0].clone()
    });
    sum.merge(other);
    let [first, second] = &sum.endpoints[..] else {
        panic!("{sum:?}");
    };
    assert_eq!((first.active, first.draining), (14, true));
    assert_eq!((second.active, second.draining), (7, false));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_does_not_hang_its_reader() {
    let server = start().await;
    let (head, body) = server.ask("GET", "/listeners").await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert_eq!(body, "the workers did not answer in time\n");
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed() {
    let server = start().await;
    let (head, body) = server.ask("GET", "/nope").await;
    assert!(head.starts_with("HTTP/1.1 404 "));
    assert!(body.contains("/metrics\n"));
    let (head, body) = server.ask("POST", "/live").await;
    assert!(head.starts_with("HTTP/1.1 405 ") && head.contains("allow: GET, HEAD"));
    assert!(body.starts_with("POST is not allowed"));
    let (head, _) = server.ask("GET", "/stats?format=xml").await;
    assert!(head.starts_with("HTTP/1.1 400 "));
    let index = server.read("/").await;
    assert!(index.contains("<a href=\"/config_dump\">"));
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let server = start().await;
    let (head, body) = server.ask("HEAD", "/live").await;
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.contains("content-length: 5"),
        "{head}"
    );
    assert_eq!(body, "");
}

#[tokio::test]
async fn bodies_are_short_or_refused() {
    let server = start().await;
    let get = "GET /live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    let short = format!("{get}content-length: 3\r\n\r\nabc");
    let response = server.exchange(short.as_bytes()).await.unwrap();
    assert!(response.ends_with("live\n"));
    let long = format!("{get}content-length: 65537\r\n\r\n");
    let response = server.exchange(long.as_bytes()).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
    let chunk = "x".repeat(0x10001);
    let chunked = format!("{get}transfer-encoding: chunked\r\n\r\n10001\r\n{chunk}\r\n0\r\n\r\n");
    let response = server.exchange(chunked.as_bytes()).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_cut_off() {
    let server = start().await;
    // Reads to the end, which comes only when the server closes.
    let response = server.exchange(b"GET /live HT").await.unwrap();
    assert!(!response.contains("200"));
}

#[tokio::test]
async fn it_stops_when_told() {
    let server = start().await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = [0; 12];
    idle.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    server.stop.send(()).unwrap();
    server.task.await.unwrap();
    idle.read_to_end(&mut Vec::new()).await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn connections_beyond_the_limit_wait_their_turn() {
    let server = start().await;
    let request = b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut answer = [0; 12];
    let mut open = Vec::new();
    for _ in 0..64 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        stream.read_exact(&mut answer).await.unwrap();
        open.push(stream);
    }
    let mut last = TcpStream::connect(server.address).await.unwrap();
    last.write_all(request).await.unwrap();
    let waited = timeout(Duration::from_secs(1), last.read_exact(&mut answer)).await;
    assert!(waited.is_err());
    open.pop();
    last.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}
