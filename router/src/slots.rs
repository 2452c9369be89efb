//! Endpoints of a worker, each in a slot of its own for as long as anything refers to it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::balancer::Tier;
use crate::balancer::ewma::Cost;
use crate::cluster::{Endpoint, Health};
use crate::outlier::{Detector, Host, Standing};
use crate::policy::PeakEwma;

/// An endpoint of a load balancer. Stays valid over updates for as long as the endpoint is
/// configured or has requests in flight, and is never given to another one afterwards.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct EndpointId {
    slot: u32,
    generation: u32,
}

impl EndpointId {
    /// Small number to index tables with; given again to another endpoint when this one is gone.
    pub fn slot(self) -> usize {
        self.slot as usize
    }
}

/// What an update changed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Changes {
    /// Endpoints that are new.
    pub added: Vec<EndpointId>,
    /// Endpoints that are gone: no request is sent to them any more, those in flight finish.
    pub removed: Vec<EndpointId>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
    by_address: HashMap<SocketAddr, u32>,
    free: Vec<u32>,
    /// Requests in flight to all of them.
    total_active: u64,
}

#[derive(Clone, Debug)]
struct Slot {
    generation: u32,
    active: u32,
    state: State,
    /// The worst of what is known.
    health: Health,
    /// What checks say.
    checked: Health,
    /// When it began to take requests.
    since: Instant,
    cost: Cost,
    /// What all workers know of it, if it is watched.
    host: Option<Arc<Host>>,
    /// Calls that this worker may still give it while it is on probation.
    trials: Option<u32>,
    endpoint: Endpoint,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Configured.
    Live,
    /// No longer configured, with requests in flight.
    Retired,
    /// Nobody's.
    Free,
}

impl Slots {
    /// Makes `endpoints` those that are configured. Addresses that stay keep their slots.
    pub(crate) fn update(&mut self, endpoints: &[Endpoint], now: Instant) -> Changes {
        let mut changes = Changes::default();
        let mut kept = vec![false; self.slots.len()];
        for endpoint in endpoints {
            match self.by_address.get(&endpoint.address).copied() {
                Some(slot) => {
                    kept[slot as usize] = true;
                    if self.keep(slot, endpoint, now) {
                        changes.added.push(self.id(slot));
                    }
                }
                None => {
                    let id = self.insert(endpoint, now);
                    // It may lie past the end: then it is new, and nobody asks.
                    kept.get_mut(id.slot()).into_iter().for_each(|k| *k = true);
                    changes.added.push(id);
                }
            }
        }
        for (slot, _) in kept.iter().enumerate().filter(|(_, kept)| !**kept) {
            if self.slots[slot].state == State::Live {
                changes.removed.push(self.id(slot as u32));
                self.retire(slot as u32);
            }
        }
        changes
    }

    /// Counts a request to `id`.
    pub(crate) fn acquire(&mut self, id: EndpointId) {
        if let Some(slot) = self.slot_mut(id) {
            slot.active += 1;
            self.total_active += 1;
        }
    }

    /// Counts a request to `id` as ended; gives up the slot with the last one of a retired endpoint.
    pub(crate) fn release(&mut self, id: EndpointId) {
        let Some(slot) = self.slot_mut(id) else {
            return;
        };
        let counted = slot.active > 0;
        slot.active = slot.active.saturating_sub(1);
        let unused = slot.active == 0 && slot.state == State::Retired;
        self.total_active -= u64::from(counted);
        if unused {
            self.free(id.slot);
        }
    }

    /// Takes over what checks say of an endpoint; whether that changes where it belongs.
    pub(crate) fn set_checked(&mut self, id: EndpointId, health: Health, now: Instant) -> bool {
        let Some(slot) = self.slot_mut(id) else {
            return false;
        };
        slot.checked = health;
        slot.assess(now)
    }

    /// Takes over who is watched by whom, and what is known of them.
    pub(crate) fn watch(&mut self, detector: Option<&Detector>, now: Instant) {
        for slot in self.slots.iter_mut().filter(|s| s.state == State::Live) {
            let host = detector.and_then(|d| d.host(slot.endpoint.address));
            slot.host = host.cloned();
            slot.judge(detector, now);
        }
    }

    /// Takes over what is known of those that are watched.
    pub(crate) fn judge(&mut self, detector: &Detector, now: Instant) {
        for slot in self.slots.iter_mut().filter(|s| s.state == State::Live) {
            slot.judge(Some(detector), now);
        }
    }

    /// What all workers know of an endpoint.
    pub(crate) fn host(&self, id: EndpointId) -> Option<&Host> {
        self.slot(id)?.host.as_deref()
    }

    /// Whether an endpoint takes one more call, if it is on probation.
    pub(crate) fn may_try(&self, id: EndpointId) -> bool {
        self.slot(id).is_some_and(|slot| slot.trials != Some(0))
    }

    /// Counts a call to an endpoint that may be on probation.
    pub(crate) fn try_out(&mut self, id: EndpointId) {
        if let Some(trials) = self.slot_mut(id).and_then(|slot| slot.trials.as_mut()) {
            *trials = trials.saturating_sub(1);
        }
    }

    /// Takes in what an answer cost.
    pub(crate) fn observe(
        &mut self,
        id: EndpointId,
        policy: &PeakEwma,
        now: Instant,
        elapsed: Duration,
    ) {
        if let Some(slot) = self.slot_mut(id) {
            slot.cost.observe(policy, now, elapsed);
        }
    }

    /// What an answer is expected to cost.
    pub(crate) fn cost(&self, id: EndpointId, policy: &PeakEwma, now: Instant) -> f64 {
        let slot = self.slot(id);
        slot.map_or(f64::MAX, |s| {
            s.cost.expected(policy, s.since, now, s.active)
        })
    }

    /// Whether an endpoint is among those that a tier consists of.
    pub(crate) fn is_in(&self, id: EndpointId, tier: Tier) -> bool {
        let health = self.health(id);
        match tier {
            Tier::Healthy => health <= Health::Healthy,
            Tier::Degraded => health == Health::Degraded,
            Tier::All => health <= Health::Unhealthy,
        }
    }

    /// The worst of what is known.
    pub(crate) fn health(&self, id: EndpointId) -> Health {
        self.slot(id).map_or(Health::Draining, |slot| slot.health)
    }

    /// How long it has been taking requests.
    pub(crate) fn age(&self, id: EndpointId, now: Instant) -> Duration {
        let slot = self.slot(id);
        slot.map_or(Duration::ZERO, |s| now.saturating_duration_since(s.since))
    }

    /// Requests in flight to all endpoints.
    pub(crate) fn total_active(&self) -> u64 {
        self.total_active
    }

    pub(crate) fn active(&self, id: EndpointId) -> u32 {
        self.slot(id).map_or(0, |slot| slot.active)
    }

    pub(crate) fn endpoint(&self, id: EndpointId) -> Option<&Endpoint> {
        self.slot(id).map(|slot| &slot.endpoint)
    }

    pub(crate) fn by_address(&self, address: SocketAddr) -> Option<EndpointId> {
        self.by_address.get(&address).map(|&slot| self.id(slot))
    }

    /// Endpoints that are configured.
    pub(crate) fn live(&self) -> impl Iterator<Item = (EndpointId, &Endpoint)> {
        let live = |(_, slot): &(usize, &Slot)| slot.state == State::Live;
        let slots = self.slots.iter().enumerate().filter(live);
        slots.map(|(at, slot)| (self.id(at as u32), &slot.endpoint))
    }

    /// Takes over what changed; says whether the endpoint had been removed.
    fn keep(&mut self, slot: u32, endpoint: &Endpoint, now: Instant) -> bool {
        let slot = &mut self.slots[slot as usize];
        let revived = slot.state == State::Retired;
        slot.state = State::Live;
        slot.endpoint.clone_from(endpoint);
        if revived {
            slot.since = now;
        }
        slot.assess(now);
        revived
    }

    fn insert(&mut self, endpoint: &Endpoint, now: Instant) -> EndpointId {
        let slot = self.free.pop().unwrap_or(self.slots.len() as u32);
        self.by_address.insert(endpoint.address, slot);
        match self.slots.get_mut(slot as usize) {
            Some(free) => *free = Slot::new(endpoint, free.generation, now),
            None => self.slots.push(Slot::new(endpoint, 0, now)),
        }
        self.id(slot)
    }

    fn retire(&mut self, slot: u32) {
        let at = slot as usize;
        self.slots[at].state = State::Retired;
        if self.slots[at].active == 0 {
            self.free(slot);
        }
    }

    fn free(&mut self, slot: u32) {
        let at = &mut self.slots[slot as usize];
        at.state = State::Free;
        at.generation = at.generation.wrapping_add(1);
        self.by_address.remove(&at.endpoint.address);
        self.free.push(slot);
    }

    fn id(&self, slot: u32) -> EndpointId {
        let generation = self.slots[slot as usize].generation;
        EndpointId { slot, generation }
    }

    fn slot(&self, id: EndpointId) -> Option<&Slot> {
        let slot = self.slots.get(id.slot())?;
        (slot.generation == id.generation && slot.state != State::Free).then_some(slot)
    }

    fn slot_mut(&mut self, id: EndpointId) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(id.slot())?;
        (slot.generation == id.generation && slot.state != State::Free).then_some(slot)
    }
}

impl Slot {
    fn new(endpoint: &Endpoint, generation: u32, now: Instant) -> Self {
        Self {
            generation,
            active: 0,
            state: State::Live,
            health: endpoint.health,
            checked: Health::Unknown,
            since: now,
            cost: Cost::default(),
            host: None,
            trials: None,
            endpoint: endpoint.clone(),
        }
    }

    /// Takes over what all workers know of it.
    fn judge(&mut self, detector: Option<&Detector>, now: Instant) {
        let standing = self.host.as_ref().map(|host| host.standing());
        let trials = detector.and_then(|d| d.settings().ejection.half_open_requests);
        self.trials = trials.filter(|_| standing == Some(Standing::Probation));
        self.assess(now);
    }

    /// Finds the worst of what is known; whether it changed.
    fn assess(&mut self, now: Instant) -> bool {
        let before = self.health;
        let standing = self.host.as_ref().map(|host| host.standing());
        let ejected = matches!(standing, Some(Standing::Ejected(_)));
        let watched = if ejected {
            Health::Unhealthy
        } else {
            Health::Unknown
        };
        self.health = self.endpoint.health.max(self.checked).max(watched);
        if !before.is_available() && self.health.is_available() {
            self.since = now;
        }
        self.health != before
    }
}
