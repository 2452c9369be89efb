//! An index over the conditions of routes.

use sabir_core::head::Head;

use crate::matcher::Matcher;

#[derive(Clone, Debug)]
pub(crate) struct Index;

impl Index {
    pub(crate) fn new(_matchers: &[Matcher]) -> Self {
        Self
    }

    pub(crate) fn find(&self, matchers: &[Matcher], head: &Head) -> Option<usize> {
        matchers.iter().position(|m| m.matches(head))
    }
}
