//! The groups that a cluster's requests choose from: all, the default subset, and each subset.

use super::group::{Group, Picked};
use super::scene::{Chance, Member, Scene};
use crate::cluster::{Cluster, Endpoint, Fallback, Labels, Subset, SubsetId};
use crate::slots::{EndpointId, Slots};

/// Every group of a cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    pub(super) all: Group,
    default_subset: Group,
    default_labels: Labels,
    subsets: Vec<(Subset, Group)>,
}

impl Groups {
    /// Takes over what `cluster` says of subsets and which endpoints there are now. Subsets of the
    /// same labels go on, whatever their number was.
    pub(super) fn update(&mut self, cluster: &Cluster, scene: &Scene<'_>) {
        if self.default_labels != *cluster.default_subset() {
            self.default_labels.clone_from(cluster.default_subset());
            self.default_subset = Group::default();
        }
        let old = std::mem::take(&mut self.subsets);
        let group = |subset: &Subset| {
            let known = old.iter().find(|(o, _)| o.labels == subset.labels);
            known.map_or_else(Group::default, |(_, known)| known.clone())
        };
        let subsets = cluster.subsets().iter().map(|s| (s.clone(), group(s)));
        self.subsets = subsets.collect();
        self.all
            .update(&members(scene.slots, &Labels::new()), scene);
        let falls_back = |subset: &Subset| subset.fallback == Fallback::DefaultSubset;
        let default = match cluster.subsets().iter().any(falls_back) {
            true => members(scene.slots, &self.default_labels),
            false => Vec::new(),
        };
        self.default_subset.update(&default, scene);
        for (subset, group) in &mut self.subsets {
            group.update(&members(scene.slots, &subset.labels), scene);
        }
    }

    /// Takes over how fit the endpoints are now.
    pub(super) fn refresh(&mut self, scene: &Scene<'_>) {
        self.all.refresh(scene);
        self.default_subset.refresh(scene);
        for (_, group) in &mut self.subsets {
            group.refresh(scene);
        }
    }

    pub(super) fn pick(
        &mut self,
        subset: Option<SubsetId>,
        chance: &mut Chance<'_>,
    ) -> Option<Picked> {
        let Some(SubsetId(id)) = subset else {
            return self.all.pick(chance);
        };
        let (subset, group) = self.subsets.get_mut(id as usize)?;
        // Others that are fit are better than its own that are not.
        let own = subset.fallback == Fallback::NoFallback || !group.is_down();
        let picked = own.then(|| group.pick(chance)).flatten();
        match subset.fallback {
            _ if picked.is_some() => picked,
            Fallback::NoFallback => None,
            Fallback::AnyEndpoint => self.all.pick(chance),
            Fallback::DefaultSubset => self.default_subset.pick(chance),
        }
    }
}

fn members(slots: &Slots, labels: &Labels) -> Vec<Member> {
    let chosen = slots.live().filter(|(_, e)| e.has(labels));
    let member = |(id, e): (EndpointId, &Endpoint)| Member {
        id,
        weight: e.weight,
        priority: e.priority,
        locality: e.locality,
    };
    chosen.map(member).collect()
}
