//! The protocols that come with sabir.

use sabir_core::protocol::Registry;

use crate::dubbo;
use crate::thrift;

/// A registry of the built-in protocols; embedders add theirs to it.
pub fn built_in() -> Registry {
    let mut registry = Registry::default();
    registry.add(dubbo::NAME, dubbo::factory);
    registry.add(thrift::NAME, thrift::factory);
    registry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_made_with_its_defaults() {
        let registry = built_in();
        assert_eq!(registry.names().collect::<Vec<_>>(), ["dubbo", "thrift"]);
        for name in registry.names() {
            let made = registry.make(name, &serde_json::Value::Null);
            assert!(made.is_some_and(|made| made.is_ok_and(|made| made.name() == name)));
        }
    }
}
