//! Tables of routes, resolved for the listener that uses them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sabir_core::outcome::{Code, Reply};
use sabir_core::template::Messages;
use sabir_proto::config::v1;
use sabir_proto::config::v1::route::Action as Given;
use sabir_proto::config::v1::route_action::{CallerDeadline as Deadline, ClusterSpecifier};
use sabir_proto::path::FieldPath;
use sabir_router::action::{self, Action, CallerDeadline, Destination, Forward, Target};
use sabir_router::cluster::Fallback;
use sabir_router::matcher::Matcher;
use sabir_router::split::WeightedSplit;
use sabir_router::table::RouteTable;

use super::balancing::fallback;
use super::cluster::{Clusters, Request};
use super::condition::condition;
use super::filter::{self, Place};
use super::hash_policy::hash_policy;
use super::mutation::{changes, mutation};
use super::problem::{Fault, Problems};
use super::retry;
use super::scalar::Unique;
use crate::config::resolved::Route;

/// Resolves the routes of one listener.
pub(super) struct Routes<'a, 'c> {
    pub(super) problems: &'a mut Problems,
    pub(super) clusters: &'a mut Clusters<'c>,
    /// Position of the listener; `None` if no listener uses the routes.
    pub(super) listener: Option<usize>,
    /// Where the routes' filters stand.
    pub(super) place: Place<'a>,
}

impl Routes<'_, '_> {
    /// The table at `path`. Lacks the routes that have problems.
    pub(super) fn table(
        &mut self,
        path: &FieldPath<'_>,
        given: &v1::RouteConfiguration,
    ) -> RouteTable<Route> {
        let path = path.field("routes");
        let mut names = Unique::default();
        let mut routes = Vec::with_capacity(given.routes.len());
        for (i, route) in given.routes.iter().enumerate() {
            let path = path.index(i);
            if !route.name.is_empty() {
                names.take(self.problems, &path.field("name"), &path, &route.name);
            }
            routes.extend(self.route(&path, route));
        }
        if !self.problems.is_empty() {
            // Nobody will use it, and the index of a large table takes its time.
            routes.clear();
        }
        RouteTable::new(routes)
    }

    fn route(&mut self, path: &FieldPath<'_>, given: &v1::Route) -> Option<(Matcher, Route)> {
        let matcher = condition(self.problems, &path.field("match"), given.r#match.as_ref());
        let action = self.action(path, given);
        let protocol = self.place.protocol;
        let mut mutation = |name, given: &Option<v1::MetadataMutation>, messages| {
            let path = path.field(name);
            mutation(self.problems, &path, given.as_ref(), protocol, messages)
        };
        let request = &given.request_mutation;
        let request = mutation("request_mutation", request, Messages::Requests);
        let response = &given.response_mutation;
        let response = mutation("response_mutation", response, Messages::Responses);
        let field = path.field("filters");
        let (filters, mut changed) =
            filter::chain(self.problems, &field, &given.filters, self.place);
        let field = path.field("request_mutation");
        changed.extend(changes(&field, &request, protocol));
        if let Some(Action::Forward(forward)) = &action {
            self.clusters.demand(forward, &Arc::from(changed));
        }
        let rule = action::Route {
            name: given.name.as_str().into(),
            action: action?,
            request,
            response,
        };
        Some((matcher?, Route { rule, filters }))
    }

    fn action(&mut self, path: &FieldPath<'_>, given: &v1::Route) -> Option<Action> {
        match &given.action {
            Some(Given::Route(route)) => {
                let forward = self.forward(&path.field("route"), route)?;
                Some(forward.into())
            }
            Some(Given::DirectResponse(response)) => {
                let path = path.field("direct_response");
                let reply = direct_response(self.problems, &path, response)?;
                Some(reply.into())
            }
            None => {
                let members = &["route", "direct_response"];
                self.problems.add(path, Fault::OneRequired { members });
                None
            }
        }
    }

    fn forward(&mut self, path: &FieldPath<'_>, given: &v1::RouteAction) -> Option<Forward> {
        let field = path.field("timeout");
        let default = Forward::DEFAULT_TIMEOUT;
        let timeout = self
            .problems
            .timeout(&field, given.timeout.as_ref(), default);
        let hash_policy = hash_policy(self.problems, &path.field("hash_policy"), given);
        let field = path.field("idle_timeout");
        let idle = given.idle_timeout.as_ref();
        let idle_timeout = self.problems.timeout(&field, idle, Duration::ZERO);
        let field = path.field("caller_deadline");
        let caller_deadline = match self.problems.choice(&field, given.caller_deadline) {
            Deadline::Auto => CallerDeadline::Auto,
            Deadline::Read => CallerDeadline::Read,
            Deadline::Ignore => CallerDeadline::Ignore,
        };
        let field = path.field("retry_policy");
        let retry = given.retry_policy.as_deref();
        let retry = retry.map(|given| retry::policy(self.problems, &field, given));
        let policy = self.fallback(path, given.fallback_policy);
        let destination = match &given.cluster_specifier {
            Some(ClusterSpecifier::Cluster(name)) => {
                let labels = given.metadata_match.clone();
                let target = self.target(&path.field("cluster"), name, labels, policy);
                Destination::One(target?)
            }
            Some(ClusterSpecifier::WeightedClusters(weighted)) => {
                let path = path.field("weighted_clusters");
                let split = self.split(&path, weighted, &given.metadata_match, policy);
                Destination::Split(split?)
            }
            None => {
                let members = &["cluster", "weighted_clusters"];
                self.problems.add(path, Fault::OneRequired { members });
                return None;
            }
        };
        Some(Forward {
            destination,
            timeout,
            hash_policy,
            idle_timeout,
            caller_deadline,
            forward_deadline: given.forward_deadline,
            retry,
        })
    }

    fn split(
        &mut self,
        path: &FieldPath<'_>,
        given: &v1::WeightedCluster,
        labels: &BTreeMap<String, String>,
        policy: Option<Fallback>,
    ) -> Option<WeightedSplit<Target>> {
        let field = path.field("hash_key");
        let names = given.hash_key.iter().enumerate();
        let names = names.map(|(i, name)| self.problems.metadata_name(&field.index(i), name));
        let hash_key: Vec<_> = names.collect();
        let list = path.field("clusters");
        if given.clusters.is_empty() {
            self.problems.add(&list, Fault::Empty);
            return None;
        }
        let entries = given.clusters.iter().enumerate();
        let entries: Vec<_> = entries
            .map(|(i, entry)| {
                let path = list.index(i);
                let weight = self.weight(&path, entry);
                let mut labels = labels.clone();
                labels.extend(entry.metadata_match.clone());
                let policy = self.fallback(&path, entry.fallback_policy).or(policy);
                let target = self.target(&path.field("name"), &entry.name, labels, policy);
                (target, weight)
            })
            .collect();
        let weights = entries.iter().map(|&(_, weight)| Some(((), weight?)));
        // Also where a name is wrong, so that all there is to say is said at once.
        let checked = WeightedSplit::new(weights.collect::<Option<_>>()?, Vec::new());
        if let Err(error) = checked {
            self.problems.add(&list, Fault::Split(error));
            return None;
        }
        let targets = entries
            .into_iter()
            .map(|(target, weight)| Some((target?, weight?)));
        let hash_key = hash_key.into_iter().collect::<Option<_>>()?;
        WeightedSplit::new(targets.collect::<Option<_>>()?, hash_key).ok()
    }

    fn weight(&mut self, path: &FieldPath<'_>, entry: &v1::ClusterWeight) -> Option<u32> {
        if entry.weight.is_none() {
            self.problems.add(&path.field("weight"), Fault::Required);
        }
        entry.weight
    }

    fn target(
        &mut self,
        path: &FieldPath<'_>,
        name: &str,
        labels: BTreeMap<String, String>,
        fallback: Option<Fallback>,
    ) -> Option<Target> {
        let request = Request {
            name,
            labels,
            fallback,
            listener: self.listener,
        };
        self.clusters.target(self.problems, path, request)
    }

    fn fallback(&mut self, path: &FieldPath<'_>, given: Option<i32>) -> Option<Fallback> {
        let path = path.field("fallback_policy");
        given.map(|number| fallback(self.problems, &path, number))
    }
}

fn direct_response(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    given: &v1::DirectResponse,
) -> Option<Reply> {
    let bytes = given.message.len();
    if bytes > MAX_MESSAGE {
        let limit = MAX_MESSAGE;
        problems.add(&path.field("message"), Fault::TooLong { bytes, limit });
    }
    let field = path.field("status");
    let code = match Code::from_name(&given.status) {
        Some(Code::Ok) => {
            problems.add(&field, Fault::StatusOk);
            return None;
        }
        Some(code) => code,
        None if given.status.is_empty() => {
            problems.add(&field, Fault::Required);
            return None;
        }
        None => {
            let codes = Code::ALL.into_iter().filter(|&code| code != Code::Ok);
            let names = codes.map(Code::as_str);
            problems.unknown(&field, "status", &given.status, names);
            return None;
        }
    };
    let message = match given.message.as_str() {
        "" => code.as_str().replace('_', " "),
        message => message.to_owned(),
    };
    Some(Reply::refused(code, message))
}

const MAX_MESSAGE: usize = 4096;
