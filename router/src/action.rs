//! What is done with a request once its route is found.

use std::time::Duration;

use sabir_core::head::Head;
use sabir_core::mutation::Mutation;
use sabir_core::outcome::Reply;

use crate::cluster::SubsetId;
use crate::hash_policy::HashPolicy;
use crate::retry::RetryPolicy;
use crate::split::WeightedSplit;

/// What happens to the requests of a route.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Route {
    /// Name in metrics and logs; may be empty.
    pub name: Box<str>,
    /// What is done with a request.
    pub action: Action,
    /// Applied to the request before it is forwarded.
    pub request: Mutation,
    /// Applied to the response before the caller gets it, not to an answer of the proxy's own.
    pub response: Mutation,
}

impl Route {
    /// A route called `name` that changes no metadata.
    pub fn new(name: impl Into<Box<str>>, action: impl Into<Action>) -> Self {
        Self {
            name: name.into(),
            action: action.into(),
            request: Mutation::default(),
            response: Mutation::default(),
        }
    }
}

/// What is done with a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// It goes to a cluster.
    Forward(Forward),
    /// The proxy answers itself.
    DirectResponse(Reply),
}

/// Where requests go, and for how long.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Forward {
    /// The cluster, or a choice of clusters.
    pub destination: Destination,
    /// Time from the arrival of the request to the end of its response. `None`: no limit.
    pub timeout: Option<Duration>,
    /// What requests are sticky to, in clusters that choose by hash.
    pub hash_policy: HashPolicy,
    /// How long a streamed exchange may stand still. `None`: as long as it may take.
    pub idle_timeout: Option<Duration>,
    /// Whether the caller's own deadline counts, if it is stricter.
    pub caller_deadline: CallerDeadline,
    /// Whether the endpoint is told how much of the time is left, in the protocol's words.
    pub forward_deadline: bool,
    /// Whether a request that failed is sent again. `None`: only one that certainly was not acted
    /// on.
    pub retry: Option<RetryPolicy>,
}

/// Whether the caller's own deadline counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum CallerDeadline {
    /// Where the protocol says it in a place that is read anyway (gRPC).
    #[default]
    Auto,
    /// It is looked for, even if that is all that the metadata is parsed for.
    Read,
    /// It does not.
    Ignore,
}

impl Forward {
    /// Time a request may take where configuration does not say.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

    /// To `destination`, within [`DEFAULT_TIMEOUT`](Self::DEFAULT_TIMEOUT).
    pub fn to(destination: impl Into<Destination>) -> Self {
        Self {
            destination: destination.into(),
            timeout: Some(Self::DEFAULT_TIMEOUT),
            hash_policy: HashPolicy::default(),
            idle_timeout: None,
            caller_deadline: CallerDeadline::default(),
            forward_deadline: false,
            retry: None,
        }
    }

    /// Where this request goes; `random` is uniform over all 64 bits.
    pub fn target(&self, head: &Head, random: impl FnOnce() -> u64) -> Target {
        match &self.destination {
            Destination::One(target) => *target,
            Destination::Split(split) => *split.pick(head, random()),
        }
    }

    /// Every target a request may go to.
    pub fn targets(&self) -> impl Iterator<Item = Target> {
        let (one, split) = match &self.destination {
            Destination::One(target) => (Some(*target), None),
            Destination::Split(split) => (None, Some(split)),
        };
        let split = split.into_iter().flat_map(WeightedSplit::targets);
        one.into_iter().chain(split.map(|(target, _)| *target))
    }
}

/// One target, or a choice of several.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Destination {
    /// Every request goes here.
    One(Target),
    /// Each request goes to one of these.
    Split(WeightedSplit<Target>),
}

/// A cluster, or a part of it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Target {
    /// The cluster.
    pub cluster: ClusterId,
    /// Endpoints of the cluster to choose from. `None`: any.
    pub subset: Option<SubsetId>,
}

/// Position of a cluster among those of the same configuration.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClusterId(pub u32);

impl From<Forward> for Action {
    fn from(forward: Forward) -> Self {
        Self::Forward(forward)
    }
}

impl From<Reply> for Action {
    fn from(reply: Reply) -> Self {
        Self::DirectResponse(reply)
    }
}

impl From<Target> for Destination {
    fn from(target: Target) -> Self {
        Self::One(target)
    }
}

impl From<WeightedSplit<Target>> for Destination {
    fn from(split: WeightedSplit<Target>) -> Self {
        Self::Split(split)
    }
}

impl From<ClusterId> for Target {
    fn from(cluster: ClusterId) -> Self {
        Self {
            cluster,
            subset: None,
        }
    }
}
