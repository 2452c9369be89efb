//! Establishing connections to endpoints.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use sabir_core::protocol::Role;
use sabir_router::limits::Permit;
use tokio::net::TcpStream;

use super::carrier::Carrier;
use super::link::Link;
use super::session::ToSession;
use super::upstream::Upstream;
use super::worker::Worker;
use crate::config::resolved;
use crate::telemetry::{ClusterCounter, ClusterGauge};

/// Starts the task of a new connection, which connects and then carries requests until it ends.
pub(crate) fn spawn(
    worker: &Rc<Worker>,
    upstream: Rc<Upstream>,
    config: Arc<resolved::Cluster>,
    permit: Permit,
) {
    let worker = worker.clone();
    let task = worker.clone();
    task.spawn(async move {
        let established = drive(&worker, &upstream, &config).await;
        upstream.endpoint.forget(&upstream, Instant::now());
        config.breaker.release(permit);
        // What never was a connection kept no state: its client may be bound to another.
        if let Some(owner) = upstream.owner.as_ref().filter(|_| established) {
            owner.push(ToSession::Unbound);
        }
    });
}

/// Connects, and carries requests until the end; whether it came to be established.
async fn drive(worker: &Rc<Worker>, upstream: &Rc<Upstream>, config: &resolved::Cluster) -> bool {
    let endpoint = &upstream.endpoint;
    let cluster = endpoint.cluster.stats_id;
    let address = endpoint.address;
    worker.adjust(cluster, ClusterGauge::CxConnecting, 1);
    let connecting = TcpStream::connect(address);
    let connected = tokio::time::timeout(config.connect_timeout, connecting).await;
    worker.adjust(cluster, ClusterGauge::CxConnecting, -1);
    let connected = connected.unwrap_or_else(|_| {
        worker.count(cluster, ClusterCounter::CxConnectTimeout);
        Err(io::ErrorKind::TimedOut.into())
    });
    // Latency counts: what is written together leaves together.
    let connected = connected.and_then(|io| io.set_nodelay(true).map(|()| io));
    match connected {
        Ok(io) => {
            endpoint.reached();
            worker.count(cluster, ClusterCounter::CxTotal);
            let bound = i64::from(upstream.owner.is_some());
            worker.adjust(cluster, ClusterGauge::CxActive, 1);
            worker.adjust(cluster, ClusterGauge::CxBoundActive, bound);
            let now = Instant::now();
            let conn = upstream
                .protocol
                .connection(Role::Client, &config.limits, now);
            let link = Link::new(io, conn, now);
            Carrier::new(link, upstream.clone(), worker.clone())
                .run()
                .await;
            worker.adjust(cluster, ClusterGauge::CxActive, -1);
            worker.adjust(cluster, ClusterGauge::CxBoundActive, -bound);
            true
        }
        Err(error) => {
            tracing::debug!(cluster = &*config.name, %address, %error, "cannot connect");
            worker.count(cluster, ClusterCounter::CxConnectFail);
            endpoint.unreachable(Instant::now());
            upstream.fail_unconnected(worker);
            false
        }
    }
}
