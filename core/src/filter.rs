//! Filters: protocol-agnostic steps that every exchange passes.

use std::any::Any;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use smallvec::SmallVec;

use crate::head::Head;
use crate::mutation::Mutation;
use crate::outcome::{Outcome, Reply};
use crate::protocol::OptionsError;

/// A step that sees every exchange of a listener.
///
/// One value serves all exchanges concurrently, hence `&self`; state of an exchange goes into
/// [`Context::slot`]. Hooks are plain functions; a filter that has to wait for something (a
/// rate-limit service, say) returns [`Flow::Wait`] and pays for its future then, so that filters
/// which never wait cost one virtual call.
pub trait Filter: Send + Sync {
    /// Whether [`on_data`](Self::on_data) is to be called at all.
    fn sees_data(&self) -> bool {
        false
    }

    /// What it always changes on requests and on responses, so that configuration that asks a
    /// protocol for what it cannot carry is refused when loaded. `None`: that depends on the
    /// exchange, or is nothing.
    fn mutations(&self) -> Option<(&Mutation, &Mutation)> {
        None
    }

    /// Names of what it [counts](Context::count), in `snake_case`, for the label `result` of
    /// metrics. At most 256 are told apart.
    fn results(&self) -> &'static [&'static str] {
        &[]
    }

    /// A request head arrived.
    fn on_request(&self, _request: &mut Head, _cx: &mut Context) -> Flow {
        Flow::Continue
    }

    /// A response head arrived, or was made by the proxy's upstream side. Only `Continue` and
    /// `Reply` are honoured: a response waits for nobody.
    fn on_response(&self, _response: &mut Head, _cx: &mut Context) -> Flow {
        Flow::Continue
    }

    /// A chunk of a streamed body arrived.
    fn on_data(&self, _data: &mut Bytes, _cx: &mut Context) -> Flow {
        Flow::Continue
    }

    /// The exchange ended, whichever way. Called exactly once for each
    /// [`on_request`](Self::on_request).
    fn on_end(&self, _outcome: Outcome, _cx: &mut Context) {}
}

/// A future that ends in the decision of a filter that had to wait.
pub type Decision = Pin<Box<dyn Future<Output = Flow> + Send>>;

/// What becomes of an exchange after a hook.
pub enum Flow {
    /// On to the next filter.
    Continue,
    /// On to the next filter, and this one is spared the other hooks of the exchange.
    Skip,
    /// Answer now, without going upstream.
    Reply(Reply),
    /// Hold the request for this long; then answer it if there is an answer, else on to the next
    /// filter. Costs no task. The exchange's deadline holds meanwhile.
    Delay(Duration, Option<Reply>),
    /// Decide later. The exchange's deadline holds meanwhile.
    Wait(Decision),
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Continue => f.write_str("Continue"),
            Self::Skip => f.write_str("Skip"),
            Self::Reply(reply) => f.debug_tuple("Reply").field(reply).finish(),
            Self::Delay(delay, then) => f.debug_tuple("Delay").field(delay).field(then).finish(),
            Self::Wait(_) => f.write_str("Wait"),
        }
    }
}

/// What filters know of an exchange besides its frames.
#[derive(Debug)]
pub struct Context {
    /// When the request head was complete.
    pub started: Instant,
    /// When the current turn began; for filters that measure time.
    pub now: Instant,
    /// Address of the caller.
    pub peer: SocketAddr,
    /// Address the caller connected to.
    pub local: SocketAddr,
    /// When the exchange fails with [`TimedOut`](crate::outcome::Code::TimedOut), once known.
    pub deadline: Option<Instant>,
    /// Endpoint that was chosen, once known.
    pub endpoint: Option<SocketAddr>,
    /// Draws a random number, evenly over all of them; for filters that act on a share of requests.
    /// [`new`](Self::new) has one that always draws 0, which is in every share but none at all.
    pub random: fn() -> u64,
    slots: Vec<Option<Box<dyn Any + Send>>>,
    /// Filters, by position, and what they counted since somebody took it.
    counted: SmallVec<[(u8, u8); 8]>,
    current: usize,
    /// A bit for each filter that asked to be spared.
    skipped: u64,
}

impl Context {
    /// The context of an exchange with `peer`, which connected to `local`, whose request was
    /// complete at `now`.
    pub fn new(peer: SocketAddr, local: SocketAddr, now: Instant) -> Self {
        Self {
            started: now,
            now,
            peer,
            local,
            deadline: None,
            endpoint: None,
            random: || 0,
            slots: Vec::new(),
            counted: SmallVec::new(),
            current: 0,
            skipped: 0,
        }
    }

    /// Counts one more of the result at position `result` of this filter's
    /// [`results`](Filter::results).
    ///
    /// It is noted here and added to counters of the worker after the hooks, so that no worker
    /// writes what another one reads.
    pub fn count(&mut self, result: u8) {
        // A chain has 64 filters at most.
        self.counted.push((self.current as u8, result));
    }

    /// Takes what was counted: positions of filters, over all chains, and of their results.
    pub fn take_counted(&mut self) -> impl Iterator<Item = (usize, u8)> + '_ {
        let counted = self.counted.drain(..);
        counted.map(|(filter, result)| (usize::from(filter), result))
    }

    /// This filter's own state for this exchange, made when first asked for.
    pub fn slot<T: Any + Send + Default>(&mut self) -> &mut T {
        if self.slots.len() <= self.current {
            self.slots.resize_with(self.current + 1, || None);
        }
        let slot = &mut self.slots[self.current];
        if !slot.as_ref().is_some_and(|s| s.is::<T>()) {
            *slot = Some(Box::new(T::default()));
        }
        slot.as_mut()
            .and_then(|s| s.downcast_mut())
            .expect("made of this type just above")
    }
}

/// The filters of one listener, or of one route, in order.
#[derive(Clone, Default)]
pub struct Chain {
    filters: Arc<[Arc<dyn Filter>]>,
    /// What metrics call the filters, by position.
    names: Arc<[Arc<str>]>,
    /// Number of filters that run before this chain, in another one.
    base: usize,
}

/// Where a request stands in a [`Chain`].
#[derive(Debug)]
pub enum Step {
    /// Every filter let it pass.
    Done,
    /// The filter before this index answered it.
    Reply(usize, Reply),
    /// The filter before this index holds the request for this long; then answer it, or go on from
    /// there.
    Delay(usize, Duration, Option<Reply>),
    /// The filter before this index waits; go on from there once it decided.
    Wait(usize, Decided),
}

/// A pending [`Decision`], with a `Debug` of its own.
pub struct Decided(pub Decision);

impl std::fmt::Debug for Decided {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decided(..)")
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Chain({})", self.len())
    }
}

impl Chain {
    /// Filters an exchange can pass, those of its listener and its route together.
    pub const MAX_FILTERS: usize = 64;

    /// A chain that runs `filters` first to last on requests, last to first on responses, after
    /// `base` filters of another chain. Those past [`MAX_FILTERS`](Self::MAX_FILTERS) in all are
    /// left out: whoever loads configuration refuses them.
    pub fn new(mut filters: Vec<Arc<dyn Filter>>, base: usize) -> Self {
        filters.truncate(Self::MAX_FILTERS.saturating_sub(base));
        let filters = filters.into();
        let names = Arc::default();
        Self {
            filters,
            names,
            base,
        }
    }

    /// The chain with names for its filters, in order, under which metrics show what they count.
    #[must_use]
    pub fn named(mut self, names: Vec<Arc<str>>) -> Self {
        self.names = names.into();
        self
    }

    /// The name of the filter at position `filter` over all chains, and of its result at `result`;
    /// `None` if it is not in this chain, has no name or no such result.
    pub fn counter(&self, filter: usize, result: u8) -> Option<(&Arc<str>, &'static str)> {
        let at = filter.checked_sub(self.base)?;
        let result = self.filters.get(at)?.results().get(usize::from(result))?;
        Some((self.names.get(at)?, result))
    }

    /// Number of filters.
    pub fn len(&self) -> usize {
        self.filters.len()
    }

    /// Whether there is no filter.
    pub fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// Whether any filter looks at streamed bodies.
    pub fn sees_data(&self) -> bool {
        self.filters.iter().any(|f| f.sees_data())
    }

    /// Runs the request hooks from index `from` until one does not continue.
    pub fn on_request(&self, from: usize, request: &mut Head, cx: &mut Context) -> Step {
        for (i, filter) in self.filters.iter().enumerate().skip(from) {
            cx.current = self.base + i;
            match filter.on_request(request, cx) {
                Flow::Continue => {}
                Flow::Skip => cx.skipped |= 1 << cx.current,
                Flow::Reply(reply) => return Step::Reply(i + 1, reply),
                Flow::Delay(delay, then) => return Step::Delay(i + 1, delay, then),
                Flow::Wait(decision) => return Step::Wait(i + 1, Decided(decision)),
            }
        }
        Step::Done
    }

    /// Runs the response hooks of the first `passed` filters in reverse until one answers instead.
    pub fn on_response(
        &self,
        passed: usize,
        response: &mut Head,
        cx: &mut Context,
    ) -> Option<Reply> {
        for (i, filter) in self.filters.iter().enumerate().take(passed).rev() {
            if self.enter(i, cx)
                && let Flow::Reply(reply) = filter.on_response(response, cx)
            {
                return Some(reply);
            }
        }
        None
    }

    /// Runs the data hooks of those filters that look at data.
    pub fn on_data(&self, data: &mut Bytes, cx: &mut Context) -> Option<Reply> {
        for (i, filter) in self.filters.iter().enumerate() {
            if filter.sees_data()
                && self.enter(i, cx)
                && let Flow::Reply(reply) = filter.on_data(data, cx)
            {
                return Some(reply);
            }
        }
        None
    }

    /// Tells the first `passed` filters, those that saw the request, that the exchange ended.
    pub fn on_end(&self, passed: usize, outcome: Outcome, cx: &mut Context) {
        for (i, filter) in self.filters.iter().enumerate().take(passed) {
            if self.enter(i, cx) {
                filter.on_end(outcome, cx);
            }
        }
    }

    /// Makes `cx` that of filter `i`, unless that asked to be spared.
    fn enter(&self, i: usize, cx: &mut Context) -> bool {
        cx.current = self.base + i;
        cx.skipped & 1 << cx.current == 0
    }
}

/// Makes a filter from the `config` of configuration.
pub type Factory = fn(config: &serde_json::Value) -> Result<Arc<dyn Filter>, OptionsError>;

/// Filters by the name of their type. Open: an embedder adds its own beside the built-in ones.
#[derive(Clone, Debug, Default)]
pub struct Registry(BTreeMap<&'static str, Factory>);

impl Registry {
    /// Adds a type of filter, or replaces the one of this name.
    pub fn add(&mut self, name: &'static str, factory: Factory) -> &mut Self {
        self.0.insert(name, factory);
        self
    }

    /// Makes a filter of type `name`; `None` if there is no such type.
    pub fn make(
        &self,
        name: &str,
        config: &serde_json::Value,
    ) -> Option<Result<Arc<dyn Filter>, OptionsError>> {
        self.0.get(name).map(|factory| factory(config))
    }

    /// Names in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Kind;
    use crate::outcome::Code;

    struct Count(Option<Code>);

    impl Filter for Count {
        fn on_request(&self, _: &mut Head, cx: &mut Context) -> Flow {
            *cx.slot::<u32>() += 1;
            match self.0 {
                Some(code) => Flow::Reply(Reply::refused(code, "no")),
                None => Flow::Continue,
            }
        }

        fn on_end(&self, _: Outcome, cx: &mut Context) {
            *cx.slot::<u32>() += 10;
        }
    }

    #[test]
    fn the_chain_stops_at_a_reply_and_ends_only_who_saw_the_request() {
        let filters: Vec<Arc<dyn Filter>> = vec![
            Arc::new(Count(None)),
            Arc::new(Count(Some(Code::Denied))),
            Arc::new(Count(None)),
        ];
        let chain = Chain::new(filters, 0);
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut cx = Context::new(peer, peer, Instant::now());
        let mut head = Head::new("toy", Kind::Request, Bytes::new(), |_, _| {});
        let Step::Reply(passed, reply) = chain.on_request(0, &mut head, &mut cx) else {
            panic!("the second filter answers")
        };
        assert_eq!((passed, reply.outcome.code), (2, Code::Denied));
        chain.on_end(passed, reply.outcome, &mut cx);
        let seen: Vec<u32> = (0..3)
            .map(|i| {
                cx.current = i;
                *cx.slot::<u32>()
            })
            .collect();
        assert_eq!(seen, [11, 11, 0]);
    }

    #[test]
    fn what_filters_count_has_their_names() {
        struct Two;
        impl Filter for Two {
            fn results(&self) -> &'static [&'static str] {
                &["first", "second"]
            }

            fn on_request(&self, _: &mut Head, cx: &mut Context) -> Flow {
                cx.count(1);
                Flow::Continue
            }
        }
        let chain = Chain::new(vec![Arc::new(Two)], 3).named(vec!["a".into()]);
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut cx = Context::new(peer, peer, Instant::now());
        let mut head = Head::new("toy", Kind::Request, Bytes::new(), |_, _| {});
        assert!(matches!(
            chain.on_request(0, &mut head, &mut cx),
            Step::Done
        ));
        let counted: Vec<_> = cx.take_counted().collect();
        assert_eq!(counted, [(3, 1)]);
        assert_eq!(cx.take_counted().count(), 0);
        let (name, result) = chain.counter(3, 1).unwrap();
        assert_eq!((&**name, result), ("a", "second"));
        assert_eq!(chain.counter(2, 1), None, "another chain's");
        assert_eq!(chain.counter(3, 2), None);
    }
}
