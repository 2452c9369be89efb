//! What operators see of a proxy that runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sabir_proto::json::Document;
use sabir_router::cluster::Health;
use sabir_router::limits::Resource;
use sabir_router::policy::LbPolicy;

use crate::admin::{
    Answer, ClusterStatus, EndpointHealth, EndpointStatus, ListenerState, ListenerStatus, Source,
};
use crate::config::resolved::{Cluster, Snapshot};
use crate::health;
use crate::net::worker::EndpointView;
use crate::server::View;
use crate::telemetry::{self, Process};

/// A proxy's configuration, counters and condition.
pub(crate) struct State {
    view: Arc<View>,
    process: Process,
    draining: AtomicBool,
}

impl State {
    pub(crate) fn new(view: Arc<View>, process: Process) -> Self {
        Self {
            view,
            process,
            draining: AtomicBool::new(false),
        }
    }

    /// Says that no new calls are accepted from now on.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn current(&self) -> Option<Arc<Snapshot>> {
        self.view.current()
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    async fn summary(&self) -> telemetry::Summary {
        let stats = self.view.stats().await;
        let mut summary = telemetry::Summary::of(stats.into_iter().flatten());
        if let Some(snapshot) = self.current() {
            health::add(&mut summary, &snapshot);
        }
        summary
    }

    async fn cluster_statuses(&self) -> Vec<ClusterStatus> {
        let Some(snapshot) = self.current() else {
            return Vec::new();
        };
        let views: Vec<_> = self.view.endpoints().await.into_iter().flatten().collect();
        let status = |cluster: &Arc<Cluster>| {
            let mut status = empty_status(cluster);
            for worker in &views {
                let own = worker.iter().filter(|v| v.cluster == cluster.name);
                let endpoints = own.map(endpoint_status).collect();
                status.merge(ClusterStatus {
                    endpoints,
                    ..empty_status(cluster)
                });
            }
            let waiting = cluster.breaker.in_use(Resource::PendingRequests);
            status.pending = waiting.into();
            status
        };
        snapshot.clusters.iter().map(status).collect()
    }

    fn listener_statuses(&self) -> Vec<ListenerStatus> {
        let Some(snapshot) = self.current() else {
            return Vec::new();
        };
        let addresses = self.view.addresses();
        let state = match self.is_draining() {
            true => ListenerState::Draining,
            false => ListenerState::Active,
        };
        let listeners = snapshot.listeners.iter().map(|listener| {
            let bound = addresses.iter().find(|(name, _)| *name == listener.name);
            ListenerStatus {
                name: listener.name.to_string(),
                address: bound.map_or(listener.address, |(_, address)| *address),
                protocol: listener.protocol.name().to_owned(),
                state,
                connections: listener.connections.load(Ordering::Relaxed).into(),
            }
        });
        listeners.collect()
    }
}

fn empty_status(cluster: &Cluster) -> ClusterStatus {
    let lb_policy = match cluster.balancing.policy() {
        LbPolicy::LeastRequest(_) => "LEAST_REQUEST",
        LbPolicy::Random => "RANDOM",
        LbPolicy::PeakEwma(_) => "PEAK_EWMA",
        LbPolicy::RingHash(_) => "RING_HASH",
        LbPolicy::Maglev(_) => "MAGLEV",
        _ => "ROUND_ROBIN",
    };
    ClusterStatus {
        name: cluster.name.to_string(),
        lb_policy: lb_policy.to_owned(),
        pending: 0,
        endpoints: Vec::new(),
    }
}

fn endpoint_status(view: &EndpointView) -> EndpointStatus {
    let health = match view.health {
        Health::Unknown if !view.reachable => EndpointHealth::Unhealthy,
        Health::Unknown => EndpointHealth::Unknown,
        Health::Healthy => EndpointHealth::Healthy,
        Health::Degraded => EndpointHealth::Degraded,
        Health::Unhealthy => EndpointHealth::Unhealthy,
        Health::Draining => EndpointHealth::Draining,
    };
    EndpointStatus {
        address: view.endpoint.address,
        labels: view.endpoint.labels.clone(),
        weight: view.endpoint.weight,
        priority: view.endpoint.priority,
        health,
        ejected: view.ejected,
        draining: view.draining,
        connections: view.connections as u64,
        active: view.active as u64,
    }
}

impl Source for State {
    fn stats(&self) -> Answer<'_, telemetry::Summary> {
        Box::pin(self.summary())
    }

    fn config(&self) -> Answer<'_, Option<Document>> {
        let dump = self.current().map(|s| s.dump.clone());
        Box::pin(async move { dump })
    }

    fn clusters(&self) -> Answer<'_, Vec<ClusterStatus>> {
        Box::pin(self.cluster_statuses())
    }

    fn listeners(&self) -> Answer<'_, Vec<ListenerStatus>> {
        let statuses = self.listener_statuses();
        Box::pin(async move { statuses })
    }

    fn is_ready(&self) -> bool {
        !self.is_draining() && self.current().is_some()
    }

    fn process(&self) -> &Process {
        &self.process
    }
}
