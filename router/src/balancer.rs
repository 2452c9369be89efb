//! A worker's view of a cluster: which endpoint gets the next request.
//!
//! ```text
//! Cluster ──new, update──▶ LoadBalancer ─┬─ all endpoints ─────┐
//!                                        ├─ default subset ────┼─ a scheduler each, by policy
//!                                        └─ subset 0, 1, … ────┘
//! ```

mod least_request;
mod round_robin;

use std::net::SocketAddr;

use crate::cluster::{Cluster, Endpoint, Fallback, Labels, LbPolicy, Subset, SubsetId};
use crate::slots::{Changes, EndpointId, Slots};
use least_request::LeastRequest;
use round_robin::RoundRobin;

/// Chooses endpoints for the requests of one worker, and counts those in flight to each.
#[derive(Clone, Debug)]
pub struct LoadBalancer {
    slots: Slots,
    all: Scheduler,
    default_subset: Scheduler,
    subsets: Vec<(Subset, Scheduler)>,
    default_labels: Labels,
    policy: LbPolicy,
    seed: u64,
}

/// What an endpoint is wanted for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Pick {
    /// Endpoints to choose from, as the cluster last given to the balancer numbers them. `None`:
    /// any.
    pub subset: Option<SubsetId>,
}

impl From<Option<SubsetId>> for Pick {
    fn from(subset: Option<SubsetId>) -> Self {
        Self { subset }
    }
}

impl LoadBalancer {
    /// A balancer for `cluster`. `seed` decides where round robin starts: give each worker another
    /// one, so that they do not all begin with the first endpoint.
    pub fn new(cluster: &Cluster, seed: u64) -> Self {
        let scheduler = Scheduler::new(cluster.policy(), seed);
        let mut balancer = Self {
            slots: Slots::default(),
            all: scheduler.clone(),
            default_subset: scheduler,
            subsets: Vec::new(),
            default_labels: Labels::new(),
            policy: cluster.policy(),
            seed,
        };
        balancer.update(cluster);
        balancer
    }

    /// Takes over a changed cluster. Endpoints are told apart by address: those that stay keep
    /// their id, their requests in flight and their turn.
    pub fn update(&mut self, cluster: &Cluster) -> Changes {
        let changes = self.slots.update(cluster.endpoints());
        if self.policy != cluster.policy() {
            self.policy = cluster.policy();
            self.all = self.scheduler();
            self.default_subset = self.scheduler();
            self.subsets.clear();
        }
        if self.default_labels != *cluster.default_subset() {
            self.default_labels.clone_from(cluster.default_subset());
            self.default_subset = self.scheduler();
        }
        self.subsets = self.carry_over(cluster.subsets());
        self.all.update(&members(&self.slots, &Labels::new()));
        let default = members(&self.slots, &self.default_labels);
        self.default_subset.update(&default);
        for (subset, scheduler) in &mut self.subsets {
            scheduler.update(&members(&self.slots, &subset.labels));
        }
        changes
    }

    /// The endpoint for the next request, of those that `usable` accepts; `None` if it accepts
    /// none of those the request may go to, or the subset is not one of the cluster's.
    ///
    /// Refused endpoints lose their turn to all others in proportion. `random` is uniform over all
    /// 64 bits. Allocates nothing; does not count the request, see [`acquire`](Self::acquire).
    pub fn pick(
        &mut self,
        pick: Pick,
        mut usable: impl FnMut(EndpointId) -> bool,
        mut random: impl FnMut() -> u64,
    ) -> Option<EndpointId> {
        let chance = &mut Chance {
            slots: &self.slots,
            usable: &mut usable,
            random: &mut random,
        };
        let Some(SubsetId(id)) = pick.subset else {
            return self.all.pick(chance);
        };
        let (subset, scheduler) = self.subsets.get_mut(id as usize)?;
        let picked = scheduler.pick(chance);
        match subset.fallback {
            _ if picked.is_some() => picked,
            Fallback::NoFallback => None,
            Fallback::AnyEndpoint => self.all.pick(chance),
            Fallback::DefaultSubset => self.default_subset.pick(chance),
        }
    }

    /// Counts a request to `id` as in flight. Each one is followed by one
    /// [`release`](Self::release).
    pub fn acquire(&mut self, id: EndpointId) {
        self.slots.acquire(id);
    }

    /// Counts a request to `id` as ended.
    pub fn release(&mut self, id: EndpointId) {
        self.slots.release(id);
    }

    /// Requests in flight to `id` from this worker.
    pub fn active(&self, id: EndpointId) -> u32 {
        self.slots.active(id)
    }

    /// The endpoint of this id; `None` if it is gone and its last request has ended.
    pub fn endpoint(&self, id: EndpointId) -> Option<&Endpoint> {
        self.slots.endpoint(id)
    }

    /// The id of the endpoint at `address`, configured or with requests in flight.
    pub fn id_of(&self, address: SocketAddr) -> Option<EndpointId> {
        self.slots.by_address(address)
    }

    /// Configured endpoints, in no particular order.
    pub fn endpoints(&self) -> impl Iterator<Item = (EndpointId, &Endpoint)> {
        self.slots.live()
    }

    /// Schedulers for `subsets`: those of the same labels go on, whatever their number was.
    fn carry_over(&mut self, subsets: &[Subset]) -> Vec<(Subset, Scheduler)> {
        let old = std::mem::take(&mut self.subsets);
        let scheduler = |subset: &Subset| {
            let known = old.iter().find(|(o, _)| o.labels == subset.labels);
            known.map_or_else(|| self.scheduler(), |(_, known)| known.clone())
        };
        let subsets = subsets.iter().map(|s| (s.clone(), scheduler(s)));
        subsets.collect()
    }

    fn scheduler(&self) -> Scheduler {
        Scheduler::new(self.policy, self.seed)
    }
}

/// An endpoint that a scheduler chooses from.
#[derive(Clone, Copy, Debug)]
struct Member {
    id: EndpointId,
    weight: u32,
}

/// What a scheduler needs to know for one choice.
struct Chance<'a> {
    slots: &'a Slots,
    usable: &'a mut dyn FnMut(EndpointId) -> bool,
    random: &'a mut dyn FnMut() -> u64,
}

/// A policy with its state over one list of members.
#[derive(Clone, Debug)]
enum Scheduler {
    RoundRobin(RoundRobin),
    LeastRequest(LeastRequest),
}

impl Scheduler {
    fn new(policy: LbPolicy, seed: u64) -> Self {
        match policy {
            LbPolicy::RoundRobin => Self::RoundRobin(RoundRobin::new(seed)),
            LbPolicy::LeastRequest => Self::LeastRequest(LeastRequest::default()),
        }
    }

    fn update(&mut self, members: &[Member]) {
        match self {
            Self::RoundRobin(scheduler) => scheduler.update(members),
            Self::LeastRequest(scheduler) => scheduler.update(members),
        }
    }

    fn pick(&mut self, chance: &mut Chance<'_>) -> Option<EndpointId> {
        match self {
            Self::RoundRobin(scheduler) => scheduler.pick(chance),
            Self::LeastRequest(scheduler) => scheduler.pick(chance),
        }
    }
}

fn members(slots: &Slots, labels: &Labels) -> Vec<Member> {
    let eligible = slots.live().filter(|(_, e)| e.health.is_eligible());
    let chosen = eligible.filter(|(_, e)| e.has(labels));
    let member = |(id, e): (EndpointId, &Endpoint)| Member {
        id,
        weight: e.weight,
    };
    chosen.map(member).collect()
}
