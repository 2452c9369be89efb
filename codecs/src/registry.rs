//! The protocols that come with sabir.

use sabir_core::protocol::Registry;

use crate::{dubbo, http1};

/// A registry of the built-in protocols; embedders add theirs to it.
pub fn built_in() -> Registry {
    let mut registry = Registry::default();
    registry.add(dubbo::NAME, dubbo::factory);
    registry.add(http1::NAME, http1::factory);
    registry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_can_be_made_without_options() {
        let registry = built_in();
        assert_eq!(registry.names().collect::<Vec<_>>(), ["dubbo", "http1"]);
        for name in registry.names() {
            let made = registry.make(name, &serde_json::Value::Null);
            assert!(made.is_some_and(|made| made.is_ok()), "{name}");
        }
    }
}
