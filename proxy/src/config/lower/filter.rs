//! Chains of filters.

use std::sync::Arc;

use bytes::Bytes;
use sabir_core::filter::{Chain, Context, Filter, Flow, Registry};
use sabir_core::head::Head;
use sabir_core::mutation::Mutation;
use sabir_core::outcome::Outcome;
use sabir_core::protocol::Protocol;
use sabir_core::template::Messages;
use sabir_proto::config::v1;
use sabir_proto::path::FieldPath;
use sabir_router::matcher::Matcher;

use super::condition::condition;
use super::mutation::{Change, changes, check};
use super::problem::{Fault, Problems};
use super::scalar::{Unique, free_form};

/// Where a chain stands.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The types there are.
    pub(super) registry: &'a Registry,
    /// What the exchanges speak, if it is known.
    pub(super) protocol: Option<&'a dyn Protocol>,
    /// Filters that run before the chain, in another one.
    pub(super) base: usize,
}

/// The chain at `path`, and what its filters change on requests.
pub(super) fn chain(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    filters: &[v1::Filter],
    place: Place<'_>,
) -> (Chain, Vec<Change>) {
    let (count, limit) = (place.base + filters.len(), Chain::MAX_FILTERS);
    if count > limit && !filters.is_empty() {
        problems.add(path, Fault::TooManyFilters { count, limit });
    }
    let (mut unique, mut changed) = (Unique::default(), Vec::new());
    let made = filters.iter().enumerate().filter_map(|(i, filter)| {
        let path = path.index(i);
        name(problems, &path, &mut unique, filter);
        let made = one(problems, &path, filter, place)?;
        if let Some((request, _)) = made.mutations() {
            changed.extend(changes(&path.field("config"), request, place.protocol));
        }
        Some((Arc::from(shown(filter).1), made))
    });
    let (names, made) = made.unzip();
    (Chain::new(made, place.base).named(names), changed)
}

/// What a filter is called, and the field that says so.
fn shown(filter: &v1::Filter) -> (&'static str, &str) {
    match filter.name.as_str() {
        "" => ("type", filter.r#type.as_str()),
        name => ("name", name),
    }
}

fn name(problems: &mut Problems, path: &FieldPath<'_>, names: &mut Unique, filter: &v1::Filter) {
    let (field, name) = shown(filter);
    if !name.is_empty() {
        names.take(problems, &path.field(field), path, name);
    }
}

fn one(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    filter: &v1::Filter,
    place: Place<'_>,
) -> Option<Arc<dyn Filter>> {
    let matcher = condition(problems, &path.field("match"), filter.r#match.as_ref());
    let made = make(problems, path, filter, place)?;
    match filter.r#match {
        None => Some(made),
        Some(_) => Some(Arc::new(Conditional {
            matcher: matcher?,
            filter: made,
        })),
    }
}

fn make(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    filter: &v1::Filter,
    place: Place<'_>,
) -> Option<Arc<dyn Filter>> {
    let field = path.field("type");
    if filter.r#type.is_empty() {
        problems.add(&field, Fault::Required);
        return None;
    }
    let config = free_form(filter.config.as_ref());
    let Some(made) = place.registry.make(&filter.r#type, &config) else {
        let known: Vec<_> = place.registry.names().collect();
        problems.unknown(&field, "filter type", &filter.r#type, known.iter().copied());
        return None;
    };
    let field = path.field("config");
    let made = made
        .map_err(|error| problems.add(&field, Fault::FilterConfig(error)))
        .ok()?;
    if let (Some(protocol), Some((request, response))) = (place.protocol, made.mutations()) {
        check(problems, &field, request, protocol, Messages::Requests);
        check(problems, &field, response, protocol, Messages::Responses);
    }
    Some(made)
}

/// A filter that sees only the requests that match, and what follows from them.
struct Conditional {
    matcher: Matcher,
    filter: Arc<dyn Filter>,
}

impl Filter for Conditional {
    fn sees_data(&self) -> bool {
        self.filter.sees_data()
    }

    fn mutations(&self) -> Option<(&Mutation, &Mutation)> {
        self.filter.mutations()
    }

    fn results(&self) -> &'static [&'static str] {
        self.filter.results()
    }

    fn on_request(&self, request: &mut Head, cx: &mut Context) -> Flow {
        if self.matcher.matches(request) {
            self.filter.on_request(request, cx)
        } else {
            Flow::Skip
        }
    }

    fn on_response(&self, response: &mut Head, cx: &mut Context) -> Flow {
        self.filter.on_response(response, cx)
    }

    fn on_data(&self, data: &mut Bytes, cx: &mut Context) -> Flow {
        self.filter.on_data(data, cx)
    }

    fn on_end(&self, outcome: Outcome, cx: &mut Context) {
        self.filter.on_end(outcome, cx);
    }
}
