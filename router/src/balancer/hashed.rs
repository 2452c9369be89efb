//! Choices by a hash of the request, the same in every worker and process.
//!
//! The table is made of all endpoints, fit or not; a request whose endpoint is not goes to the
//! next one that its hash leads to. So only the keys of that endpoint move, and come back with it.

mod maglev;
mod ring;

use super::scene::{Chance, Member, Tier};
use crate::hash::{StableHash, mix};
use crate::policy::LbPolicy;
use crate::slots::{EndpointId, Slots};
use maglev::Table;
use ring::Ring;

/// Endpoints to choose from by hash.
#[derive(Clone, Debug)]
pub(super) struct Hashed {
    /// In the order of their hashes, which is the same for everybody.
    members: Vec<Member>,
    places: Places,
    /// Percentage of its share that an endpoint may have in flight.
    bound: Option<u32>,
    /// Sums of the weights of each tier.
    weights: [u64; 3],
}

/// Where hashes lead.
#[derive(Clone, Debug)]
enum Places {
    Ring(Ring),
    Table(Table),
}

impl Hashed {
    /// Nobody, under `policy`; `None` if that is not by hash.
    pub(super) fn new(policy: &LbPolicy) -> Option<Self> {
        let (places, bound) = match policy {
            LbPolicy::RingHash(settings) => (Places::Ring(Ring::new(*settings)), settings.bound),
            LbPolicy::Maglev(settings) => (Places::Table(Table::new(*settings)), settings.bound),
            _ => return None,
        };
        Some(Self {
            members: Vec::new(),
            places,
            bound: bound.0,
            weights: [0; 3],
        })
    }

    /// Makes `members` those to choose from.
    pub(super) fn update(&mut self, members: &[Member], slots: &Slots) {
        let seeded = members.iter().map(|m| (seed(slots, m.id), *m));
        let mut seeded: Vec<_> = seeded.collect();
        seeded.sort_by_key(|(seed, _)| *seed);
        let shares: Vec<_> = seeded.iter().map(|(seed, m)| (*seed, m.weight)).collect();
        let is_same = self.members.len() == members.len()
            && (self.members.iter().zip(&seeded)).all(|(old, (_, new))| old == new);
        self.members = seeded.into_iter().map(|(_, member)| member).collect();
        if is_same {
            return;
        }
        match &mut self.places {
            Places::Ring(ring) => ring.fill(&shares),
            Places::Table(table) => table.fill(&shares),
        }
    }

    /// Takes over which endpoints are fit for what.
    pub(super) fn sort_by_health(&mut self, slots: &Slots) {
        self.weights = Tier::EACH.map(|tier| {
            let members = self.members.iter();
            let fit = members.filter(|m| slots.is_in(m.id, tier));
            fit.map(|m| u64::from(m.weight)).sum()
        });
    }

    /// The endpoint that the hash of the chance leads to, without a hash a random one.
    pub(super) fn pick(&self, chance: &mut Chance<'_>) -> Option<EndpointId> {
        if self.members.is_empty() {
            return None;
        }
        let hash = chance.hash.unwrap_or_else(|| (chance.random)());
        for step in 0..STEPS {
            let member = self.members[self.place(hash, step)];
            if chance.accepts(member.id) && self.has_room(chance, member) {
                return Some(member.id);
            }
        }
        self.search(chance, hash)
    }

    /// Where the hash leads first, then next, and so on.
    fn place(&self, hash: u64, step: usize) -> usize {
        match &self.places {
            Places::Ring(ring) => ring.after(hash, step),
            // Every further one is as good as random, so that an endpoint's keys are spread over
            // all others.
            Places::Table(table) => match step {
                0 => table.at(hash),
                _ => table.at(mix(hash.wrapping_add(step as u64))),
            },
        }
    }

    /// Whether the endpoint may have one more in flight: it has then no more than the bound allows
    /// of all that will be.
    fn has_room(&self, chance: &Chance<'_>, member: Member) -> bool {
        let Some(percent) = self.bound else {
            return true;
        };
        let total = u128::from(chance.scene.slots.total_active() + 1);
        let weights = u128::from(self.weights[chance.tier as usize].max(1));
        let share = total * u128::from(percent) * u128::from(member.weight);
        let most = share.div_ceil(weights * 100);
        u128::from(chance.scene.slots.active(member.id)) < most
    }

    /// The first one with room in an order that the hash gives, else the one with the least in
    /// flight per weight.
    fn search(&self, chance: &mut Chance<'_>, hash: u64) -> Option<EndpointId> {
        let start = (hash % self.members.len() as u64) as usize;
        let (before, after) = self.members.split_at(start);
        let mut least: Option<(f64, EndpointId)> = None;
        for &member in after.iter().chain(before) {
            if !chance.accepts(member.id) {
                continue;
            }
            if self.has_room(chance, member) {
                return Some(member.id);
            }
            let load = f64::from(chance.scene.slots.active(member.id)) / f64::from(member.weight);
            if least.is_none_or(|(least, _)| load < least) {
                least = Some((load, member.id));
            }
        }
        least.map(|(_, id)| id)
    }
}

/// What an endpoint's places are derived from: its address alone.
fn seed(slots: &Slots, id: EndpointId) -> u64 {
    let mut hash = StableHash::new();
    if let Some(endpoint) = slots.endpoint(id) {
        match endpoint.address.ip() {
            std::net::IpAddr::V4(ip) => hash.write_framed(&ip.octets()),
            std::net::IpAddr::V6(ip) => hash.write_framed(&ip.octets()),
        }
        hash.write_number(endpoint.address.port().into());
    }
    hash.finish()
}

/// Places that are tried before all members are looked at. With half of the endpoints unfit, one
/// request in four billion gets that far.
const STEPS: usize = 32;
