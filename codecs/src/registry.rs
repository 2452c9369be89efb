//! The protocols that come with sabir.

use sabir_core::protocol::Registry;

use crate::{auto, dubbo, http1, motan2, tcp, thrift};

/// A registry of the built-in protocols; embedders add theirs to it.
pub fn built_in() -> Registry {
    let mut registry = Registry::default();
    registry.add_group(auto::NAME, auto::factory);
    registry.add(dubbo::NAME, dubbo::factory);
    registry.add(http1::NAME, http1::factory);
    registry.add(motan2::NAME, motan2::factory);
    registry.add(tcp::NAME, tcp::factory);
    registry.add(thrift::NAME, thrift::factory);
    registry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_is_made_from_empty_options_or_says_what_it_needs() {
        let none = serde_json::json!({});
        for name in built_in().names() {
            let made = built_in().make(name, &none);
            assert_eq!(
                made.is_some_and(|made| made.is_ok()),
                name != "auto",
                "{name}"
            );
        }
    }

    #[test]
    fn auto_refuses_what_it_cannot_stand_for() {
        let error = |options| match built_in().make("auto", &options) {
            Some(Err(error)) => error.to_string(),
            _ => panic!("{options} is refused"),
        };
        let refused = [
            (
                serde_json::json!({"protocols": {}}),
                "`protocols` names none",
            ),
            (
                serde_json::json!({"protocols": {"auto": {}}}),
                "cannot be one of its own",
            ),
            (
                serde_json::json!({"protocols": {"dubo": {}}}),
                "there is no protocol `dubo`",
            ),
            (
                serde_json::json!({"protocols": {"dubbo": {"x": 1}}}),
                "dubbo: ",
            ),
            (
                serde_json::json!({"protocols": {"dubbo": {}}, "fallback": "x"}),
                "protocol `x`",
            ),
            (
                serde_json::json!({"protocols": {"dubbo": {}}, "timeout": 1}),
                "unknown field",
            ),
        ];
        for (options, expected) in refused {
            let error = error(options);
            assert!(error.contains(expected), "{error}");
        }
    }
}
