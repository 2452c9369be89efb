//! The built-in filters by the names of their types.

use sabir_core::filter::Registry;

use crate::{fault, local_rate_limit, metadata, rbac};

/// Every filter of this crate. An embedder adds its own.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.add(fault::TYPE, fault::factory);
    registry.add(local_rate_limit::TYPE, local_rate_limit::factory);
    registry.add(metadata::TYPE, metadata::factory);
    registry.add(rbac::TYPE, rbac::factory);
    registry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_is_there_and_refuses_unknown_keys() {
        let registry = registry();
        let names: Vec<_> = registry.names().collect();
        assert_eq!(names, ["fault", "local_rate_limit", "metadata", "rbac"]);
        for name in names {
            let config = serde_json::json!({"no-such-key": 1});
            let made = registry.make(name, &config);
            let error = made.expect("it is registered").err();
            let error = error.expect("the key is unknown").to_string();
            assert!(error.contains("no-such-key"), "{error}");
        }
    }
}
