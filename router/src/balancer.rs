//! A worker's view of a cluster: which endpoint gets the next request.
//!
//! ```text
//! Cluster ──new, update──▶ LoadBalancer ─┬─ all endpoints ─────┐
//!                                        ├─ default subset ────┼─ a group each: by priority, by
//!                                        └─ subset 0, 1, … ────┘  locality, then by policy
//! ```

mod draws;
mod edf;
pub(crate) mod ewma;
mod group;
mod groups;
mod hashed;
mod load;
mod pool;
mod scene;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sabir_core::outcome::Outcome;

use crate::cluster::{Cluster, Endpoint, Health, SubsetId};
use crate::outlier::{Detector, Verdict};
use crate::policy::LbPolicy;
use crate::slots::{Changes, EndpointId, Slots};
use group::Picked;
use groups::Groups;
pub(crate) use scene::Tier;
use scene::{Chance, Ground};

/// Chooses endpoints for the requests of one worker, and counts those in flight to each.
#[derive(Clone, Debug)]
pub struct LoadBalancer {
    ground: Ground,
    groups: Groups,
    /// Health has changed since the groups were filed.
    stale: bool,
    watch: Option<Watch>,
    panics: u64,
}

/// Who watches the endpoints for all workers.
#[derive(Clone, Debug)]
struct Watch {
    detector: Arc<Detector>,
    /// The epoch that the groups were filed in.
    epoch: u64,
    seat: usize,
}

/// What an endpoint is wanted for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Pick<'a> {
    /// Endpoints to choose from, as the cluster last given to the balancer numbers them. `None`:
    /// any.
    pub subset: Option<SubsetId>,
    /// Hash of what the request is to be sticky to, for policies that are. `None`: it may go
    /// anywhere.
    pub hash: Option<u64>,
    /// Endpoints that are not wanted, such as those that failed the request already.
    pub exclude: &'a [EndpointId],
}

impl From<Option<SubsetId>> for Pick<'_> {
    fn from(subset: Option<SubsetId>) -> Self {
        Self {
            subset,
            ..Self::default()
        }
    }
}

impl<'a> Pick<'a> {
    /// For a request that is sticky to what has this hash.
    pub fn hash(self, hash: Option<u64>) -> Self {
        Self { hash, ..self }
    }

    /// Of any endpoint but these.
    pub fn exclude(self, exclude: &'a [EndpointId]) -> Self {
        Self { exclude, ..self }
    }
}

impl LoadBalancer {
    /// A balancer for `cluster`. `seed` decides where round robin starts: give each worker another
    /// one, so that they do not all begin with the first endpoint.
    pub fn new(cluster: &Cluster, seed: u64, now: Instant) -> Self {
        let ground = Ground {
            slots: Slots::default(),
            balancing: *cluster.balancing(),
            locality_weights: BTreeMap::new(),
            seed,
        };
        let mut balancer = Self {
            ground,
            groups: Groups::default(),
            stale: false,
            watch: None,
            panics: 0,
        };
        balancer.update(cluster, now);
        balancer
    }

    /// Takes over a changed cluster. Endpoints are told apart by address: those that stay keep
    /// their id, their requests in flight, what was measured, and their turn.
    pub fn update(&mut self, cluster: &Cluster, now: Instant) -> Changes {
        let ground = &mut self.ground;
        let changes = ground.slots.update(cluster.endpoints(), now);
        let seat = self.watch.as_ref().map(|watch| watch.seat);
        self.watch = cluster.detector().map(|detector| Watch {
            epoch: detector.epoch(),
            seat: seat.unwrap_or_else(|| detector.seat()),
            detector: detector.clone(),
        });
        let detector = cluster.detector().map(|d| &**d);
        ground.slots.watch(detector, now);
        if ground.balancing != *cluster.balancing() {
            ground.balancing = *cluster.balancing();
            self.groups = Groups::default();
        }
        let weights = cluster.locality_weights();
        ground.locality_weights.clone_from(weights);
        self.groups.update(cluster, &ground.at(now));
        self.stale = false;
        changes
    }

    /// The endpoint for the next request, of those that `usable` accepts; `None` if it accepts
    /// none of those the request may go to, or the subset is not one of the cluster's.
    ///
    /// Refused endpoints lose their turn to all others in proportion. `random` is uniform over all
    /// 64 bits. Allocates nothing, but for the first choice after health has changed; does not
    /// count the request, see [`acquire`](Self::acquire).
    pub fn pick(
        &mut self,
        pick: Pick<'_>,
        now: Instant,
        mut usable: impl FnMut(EndpointId) -> bool,
        mut random: impl FnMut() -> u64,
    ) -> Option<EndpointId> {
        self.keep_up(now, &mut random);
        let chance = &mut Chance {
            scene: self.ground.at(now),
            tier: Tier::Healthy,
            hash: pick.hash,
            exclude: pick.exclude,
            usable: &mut usable,
            random: &mut random,
        };
        let picked = self.groups.pick(pick.subset, chance);
        let Picked { id, in_panic } = picked?;
        self.panics += u64::from(in_panic);
        self.ground.slots.try_out(id);
        Some(id)
    }

    /// Counts a request to `id` as in flight. Each one is followed by one
    /// [`release`](Self::release).
    pub fn acquire(&mut self, id: EndpointId) {
        self.ground.slots.acquire(id);
    }

    /// Counts a request to `id` as ended.
    pub fn release(&mut self, id: EndpointId) {
        self.ground.slots.release(id);
    }

    /// Takes in how a request to `id` ended, and how long it took. `random` is uniform over all
    /// 64 bits. Takes no lock and allocates nothing.
    pub fn report(
        &mut self,
        id: EndpointId,
        outcome: Outcome,
        elapsed: Duration,
        now: Instant,
        random: impl FnMut() -> u64,
    ) {
        let Some(verdict) = Verdict::of(outcome) else {
            return;
        };
        self.observe(id, now, elapsed, verdict.is_failure());
        if let Some(watch) = &self.watch
            && let Some(host) = self.ground.slots.host(id)
        {
            let detector = &watch.detector;
            detector.report(host, watch.seat, verdict, now, random);
        }
    }

    /// Takes in that a request to `id` was answered, or `failed`, after `elapsed`.
    pub fn observe(&mut self, id: EndpointId, now: Instant, elapsed: Duration, failed: bool) {
        if let LbPolicy::PeakEwma(settings) = &self.ground.balancing.policy {
            let penalty = if failed {
                settings.failure_penalty
            } else {
                Duration::ZERO
            };
            self.ground
                .slots
                .observe(id, settings, now, elapsed.max(penalty));
        }
    }

    /// Takes over what checks of the endpoint `id` say; of that and what is configured, the worse
    /// counts. An endpoint that has become fit starts slowly, if the cluster's do.
    pub fn set_health(&mut self, id: EndpointId, health: Health, now: Instant) {
        self.stale |= self.ground.slots.set_checked(id, health, now);
    }

    /// Requests in flight to `id` from this worker.
    pub fn active(&self, id: EndpointId) -> u32 {
        self.ground.slots.active(id)
    }

    /// The endpoint of this id; `None` if it is gone and its last request has ended.
    pub fn endpoint(&self, id: EndpointId) -> Option<&Endpoint> {
        self.ground.slots.endpoint(id)
    }

    /// The worst of what is known of the endpoint of this id.
    pub fn health(&self, id: EndpointId) -> Health {
        self.ground.slots.health(id)
    }

    /// The id of the endpoint at `address`, configured or with requests in flight.
    pub fn id_of(&self, address: SocketAddr) -> Option<EndpointId> {
        self.ground.slots.by_address(address)
    }

    /// Configured endpoints, in no particular order.
    pub fn endpoints(&self) -> impl Iterator<Item = (EndpointId, &Endpoint)> {
        self.ground.slots.live()
    }

    /// How many requests were given to endpoints whatever their health.
    pub fn panics(&self) -> u64 {
        self.panics
    }

    /// Whether some priority of the cluster uses all its endpoints, whatever their health, as of
    /// the last choice.
    pub fn is_panicking(&self) -> bool {
        self.groups.all.panics()
    }

    /// Takes over what became known of health since the last choice, by others too.
    fn keep_up(&mut self, now: Instant, random: impl FnMut() -> u64) {
        if let Some(watch) = &mut self.watch {
            watch.detector.sweep(now, random);
            let epoch = watch.detector.epoch();
            if watch.epoch != epoch {
                watch.epoch = epoch;
                self.ground.slots.judge(&watch.detector, now);
                self.stale = true;
            }
        }
        if self.stale {
            self.refresh(now);
        }
    }

    /// Files the endpoints under what they are fit for now. Once for any number of changes, and
    /// seldom enough to allocate.
    #[cold]
    fn refresh(&mut self, now: Instant) {
        self.stale = false;
        self.groups.refresh(&self.ground.at(now));
    }
}
