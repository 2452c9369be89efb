//! Routes in order, of which the first that matches is found.

use sabir_core::head::Head;

use crate::index::Index;
use crate::matcher::Matcher;

/// Routes in the order of configuration, with an index over their conditions.
///
/// [`find`](Self::find) gives what trying one after the other would give, without doing so.
#[derive(Clone, Debug)]
pub struct RouteTable<T> {
    matchers: Vec<Matcher>,
    routes: Vec<T>,
    index: Index,
}

impl<T> RouteTable<T> {
    /// Compiles `routes`; the first that matches a request is its route.
    pub fn new(routes: Vec<(Matcher, T)>) -> Self {
        let (matchers, routes): (Vec<_>, _) = routes.into_iter().unzip();
        let index = Index::new(&matchers);
        Self {
            matchers,
            routes,
            index,
        }
    }

    /// The first route that matches `head`, and its position.
    pub fn find(&self, head: &Head) -> Option<(usize, &T)> {
        let at = self.index.find(&self.matchers, head)?;
        Some((at, &self.routes[at]))
    }

    /// What [`find`](Self::find) must equal: every route tried in order. For tests and explanations.
    pub fn find_linear(&self, head: &Head) -> Option<(usize, &T)> {
        let at = self.matchers.iter().position(|m| m.matches(head))?;
        Some((at, &self.routes[at]))
    }

    /// The route at `position`.
    pub fn route(&self, position: usize) -> Option<&T> {
        self.routes.get(position)
    }

    /// Conditions and routes in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Matcher, &T)> {
        self.matchers.iter().zip(&self.routes)
    }

    /// Number of routes.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there are no routes, so that no request has one.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }
}
