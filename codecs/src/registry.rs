//! The protocols that come with sabir.

use sabir_core::protocol::Registry;

use crate::dubbo;

/// A registry of the built-in protocols; embedders add theirs to it.
pub fn built_in() -> Registry {
    let mut registry = Registry::default();
    registry.add(dubbo::NAME, dubbo::factory);
    registry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dubbo_is_built_in() {
        assert_eq!(built_in().names().collect::<Vec<_>>(), ["dubbo"]);
        assert!(
            built_in()
                .make("dubbo", &serde_json::Value::Null)
                .is_some_and(|made| made.is_ok())
        );
    }
}
