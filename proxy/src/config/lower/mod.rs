//! From the messages of the schema to what the data path uses: checks everything the schema's
//! comments promise, and resolves names.
//!
//! Every problem is found at once, each with the path of its field, which
//! [`SourceMap`](sabir_proto::yaml::SourceMap) turns into a position. Nothing that is in use is
//! touched unless all is well.

mod access_log;
mod balancing;
mod cluster;
mod condition;
mod filter;
mod hash_policy;
mod listener;
mod mutation;
mod outlier_detection;
mod problem;
mod retry;
mod route;
mod scalar;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use sabir_core::protocol::Protocol;
use sabir_core::{filter as core_filter, protocol};
use sabir_proto::config::v1;
use sabir_proto::config::v1::listener::RouteSpecifier;
use sabir_proto::json::Document;
use sabir_proto::path::FieldPath;
use sabir_router::table::RouteTable;

pub use self::problem::{Fault, NotWritable, Problem};

use self::cluster::Clusters;
use self::filter::Place;
use self::listener::Taken;
use self::problem::Problems;
use self::route::Routes;
use self::scalar::Unique;
use super::resolved::{Cluster, Listener, Route, Snapshot, Startup};

/// What configuration can name besides what it defines.
#[derive(Clone, Copy, Debug)]
pub struct Registries<'a> {
    /// Protocols of listeners and clusters.
    pub protocols: &'a protocol::Registry,
    /// Types of filters.
    pub filters: &'a core_filter::Registry,
}

/// Checks and resolves `bootstrap`.
///
/// Listeners and clusters go on with the counts of those of the same name in `previous`, the
/// configuration in force. The limits of their circuit breakers stay as they are until the
/// result is put in force.
///
/// # Errors
///
/// All problems, at least one, in the order they were found.
pub fn lower(
    bootstrap: &v1::Bootstrap,
    registries: &Registries<'_>,
    previous: Option<&Snapshot>,
) -> Result<Snapshot, Vec<Problem>> {
    let mut lowering = Lowering {
        bootstrap,
        registries,
        problems: Problems::default(),
    };
    let mut taken = Taken::default();
    let startup = lowering.startup(&mut taken);
    let given = bootstrap.drain_timeout.as_ref();
    let field = FieldPath::ROOT.field("drain_timeout");
    let drain_timeout = lowering.problems.duration(&field, given, DEFAULT_DRAIN);
    let (listeners, clusters) = lowering.traffic(&mut taken);
    let dump = Document::new(bootstrap);
    let dump = dump.map_err(|error| {
        let fault = Fault::NoJson(error.to_string());
        lowering.problems.add(&FieldPath::ROOT, fault);
    });
    let (Ok(dump), true) = (dump, lowering.problems.is_empty()) else {
        return Err(lowering.problems.into_vec());
    };
    Ok(Snapshot {
        listeners: continue_listeners(listeners, previous),
        clusters: continue_clusters(clusters, startup.workers.get(), previous),
        drain_timeout,
        startup,
        dump,
    })
}

struct Lowering<'a> {
    bootstrap: &'a v1::Bootstrap,
    registries: &'a Registries<'a>,
    problems: Problems,
}

impl<'a> Lowering<'a> {
    fn startup(&mut self, taken: &mut Taken) -> Startup {
        let node = self.bootstrap.node.clone().unwrap_or_default();
        let field = FieldPath::ROOT.field("workers");
        let given = self.bootstrap.workers;
        let workers = self.problems.number(&field, given, 0..=MAX_WORKERS) as usize;
        let cores = || available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Startup {
            node_id: node.id.into(),
            node_cluster: node.cluster.into(),
            admin: self.admin(taken),
            workers: NonZeroUsize::new(workers).unwrap_or_else(cores),
        }
    }

    fn admin(&mut self, taken: &mut Taken) -> Option<SocketAddr> {
        let admin = self.bootstrap.admin.as_ref()?;
        let section = FieldPath::ROOT.field("admin");
        let field = section.field("address");
        let address = match admin.address.as_str() {
            "" => DEFAULT_ADMIN,
            address => address,
        };
        let address = self.problems.address(&field, address)?;
        taken.admin(&mut self.problems, &section, address);
        Some(address)
    }

    fn traffic(&mut self, taken: &mut Taken) -> (Vec<Listener>, Vec<Cluster>) {
        let path = FieldPath::ROOT.field("listeners");
        let listeners = self.bootstrap.listeners.iter().enumerate();
        let registry = self.registries.protocols;
        let spoken: Vec<_> = listeners
            .clone()
            .map(|(i, l)| listener::spoken(&mut self.problems, &path.index(i), l, registry))
            .collect();
        let field = FieldPath::ROOT.field("clusters");
        let given = &self.bootstrap.clusters;
        let mut clusters = Clusters::read(&mut self.problems, &field, given);
        self.route_configurations(&mut clusters);
        let listeners = listeners.filter_map(|(i, given)| {
            let (path, spoken) = (path.index(i), &spoken[i]);
            let place = self.place(spoken.protocol.as_deref(), 0);
            let filters = path.field("filters");
            // What they change, routes may look at, whatever endpoints hear of it.
            let (filters, _) = filter::chain(&mut self.problems, &filters, &given.filters, place);
            let place = Place {
                base: given.filters.len(),
                ..place
            };
            let routes = self.routes(&path, (i, given), place, &mut clusters);
            let parts = (spoken, filters, routes);
            listener::listener(&mut self.problems, &path, given, taken, parts)
        });
        let listeners = listeners.collect();
        let clusters = clusters.finish(&mut self.problems, &field, &spoken, registry);
        (listeners, clusters)
    }

    /// Checks names, and the tables that no listener uses.
    fn route_configurations(&mut self, clusters: &mut Clusters<'_>) {
        let path = FieldPath::ROOT.field("route_configurations");
        let mut names = Unique::default();
        for (i, table) in self.bootstrap.route_configurations.iter().enumerate() {
            let path = path.index(i);
            let field = path.field("name");
            if table.name.is_empty() {
                self.problems.add(&field, Fault::Required);
            } else {
                names.take(&mut self.problems, &field, &path, &table.name);
            }
            let uses = |l: &v1::Listener| {
                matches!(&l.route_specifier,
                    Some(RouteSpecifier::RouteConfigurationName(name)) if *name == table.name)
            };
            // The second one of a name is nobody's either.
            let first = self.position(&table.name) == Some(i);
            if !(first && self.bootstrap.listeners.iter().any(uses)) {
                let place = self.place(None, 0);
                let mut routes = self.resolver(clusters, None, place);
                routes.table(&path, table);
            }
        }
    }

    fn routes(
        &mut self,
        path: &FieldPath<'_>,
        (position, given): (usize, &v1::Listener),
        place: Place<'_>,
        clusters: &mut Clusters<'_>,
    ) -> RouteTable<Route> {
        let tables = &self.bootstrap.route_configurations;
        match &given.route_specifier {
            Some(RouteSpecifier::RouteConfiguration(table)) => {
                let path = path.field("route_configuration");
                let mut routes = self.resolver(clusters, Some(position), place);
                return routes.table(&path, table);
            }
            Some(RouteSpecifier::RouteConfigurationName(name)) => {
                if let Some(at) = self.position(name) {
                    let path = FieldPath::ROOT.field("route_configurations");
                    let mut routes = self.resolver(clusters, Some(position), place);
                    return routes.table(&path.index(at), &tables[at]);
                }
                let field = path.field("route_configuration_name");
                let names = tables.iter().map(|table| table.name.as_str());
                let what = "route configuration";
                self.problems.unknown(&field, what, name, names);
            }
            None => {
                let members = &["route_configuration_name", "route_configuration"];
                self.problems.add(path, Fault::OneRequired { members });
            }
        }
        RouteTable::new(Vec::new())
    }

    fn resolver<'r, 'c>(
        &'r mut self,
        clusters: &'r mut Clusters<'c>,
        listener: Option<usize>,
        place: Place<'r>,
    ) -> Routes<'r, 'c> {
        Routes {
            problems: &mut self.problems,
            clusters,
            listener,
            place,
        }
    }

    fn place<'p>(&self, protocol: Option<&'p dyn Protocol>, base: usize) -> Place<'p>
    where
        'a: 'p,
    {
        Place {
            registry: self.registries.filters,
            protocol,
            base,
        }
    }

    /// Position of the route configuration of this name.
    fn position(&self, name: &str) -> Option<usize> {
        let mut tables = self.bootstrap.route_configurations.iter();
        tables.position(|table| !name.is_empty() && table.name == name)
    }
}

/// Lets listeners count on from where those of the same name are.
fn continue_listeners(listeners: Vec<Listener>, previous: Option<&Snapshot>) -> Vec<Arc<Listener>> {
    let previous = previous.iter().flat_map(|previous| &previous.listeners);
    let previous: HashMap<_, _> = previous.map(|l| (&l.name, l)).collect();
    let adopt = |mut listener: Listener| {
        if let Some(before) = previous.get(&listener.name) {
            listener.connections = Arc::clone(&before.connections);
        }
        Arc::new(listener)
    };
    listeners.into_iter().map(adopt).collect()
}

/// Lets clusters count on from where those of the same name are.
fn continue_clusters(
    clusters: Vec<Cluster>,
    workers: usize,
    previous: Option<&Snapshot>,
) -> Vec<Arc<Cluster>> {
    let now = Instant::now();
    let previous = previous.iter().flat_map(|previous| &previous.clusters);
    let previous: HashMap<_, _> = previous.map(|c| (&c.name, c)).collect();
    let adopt = |mut cluster: Cluster| {
        let before = previous.get(&cluster.name);
        if let Some(before) = before {
            cluster.breaker = Arc::clone(&before.breaker);
        }
        let before = before.map(|before| &before.balancing);
        cluster.balancing.watch(workers, before, now);
        Arc::new(cluster)
    };
    clusters.into_iter().map(adopt).collect()
}

const DEFAULT_ADMIN: &str = "127.0.0.1:9901";
const DEFAULT_DRAIN: Duration = Duration::from_secs(30);
const MAX_WORKERS: u32 = 1024;
