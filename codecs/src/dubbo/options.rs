//! `protocol_options` of Dubbo.

use std::sync::Arc;

use sabir_core::message::MessageProtocol;
use sabir_core::protocol::{OptionsError, Protocol};
use serde_json::Value;

use super::Dubbo;

/// How [`Dubbo`] behaves where the wire leaves a choice.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Options {
    /// `exception_class`: Java class of the exceptions that tell a caller of a rate limit or a
    /// denial, so that it does not retry. Default `org.apache.dubbo.rpc.RpcException`, which
    /// consumers of 2.7 and later have; those of 2.6 have `com.alibaba.dubbo.rpc.RpcException`, and
    /// all have `java.lang.RuntimeException`. The code is set if the class is an `RpcException`.
    pub exception_class: String,
    /// `callbacks`: whether calls with callback arguments are recognised and kept on a connection
    /// of their own to the callee, which sends requests back on it. Costs a search of the last
    /// 32 KiB of each request with object arguments. Default `true`.
    pub callbacks: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            exception_class: "org.apache.dubbo.rpc.RpcException".to_owned(),
            callbacks: true,
        }
    }
}

impl Options {
    /// Reads options as configuration spells them; null for the defaults.
    ///
    /// # Errors
    /// Unknown options, and values of the wrong type.
    pub fn read(value: &Value) -> Result<Self, OptionsError> {
        let mut options = Self::default();
        let map = match value {
            Value::Null => return Ok(options),
            Value::Object(map) => map,
            _ => {
                return Err(OptionsError(
                    "protocol_options of dubbo: not a map".to_owned(),
                ));
            }
        };
        for (key, value) in map {
            match (key.as_str(), value) {
                ("exception_class", Value::String(class)) if is_class(class) => {
                    options.exception_class.clone_from(class);
                }
                ("callbacks", Value::Bool(callbacks)) => options.callbacks = *callbacks,
                ("exception_class", _) => {
                    let wanted = "exception_class: not the full name of a Java class";
                    return Err(OptionsError(wanted.to_owned()));
                }
                ("callbacks", _) => {
                    return Err(OptionsError("callbacks: neither true nor false".to_owned()));
                }
                _ => {
                    let known = "dubbo knows exception_class and callbacks";
                    return Err(OptionsError(format!("unknown option {key}; {known}")));
                }
            }
        }
        Ok(options)
    }
}

/// Makes the protocol `dubbo` from its options.
///
/// # Errors
/// As [`Options::read`].
pub fn factory(options: &Value) -> Result<Arc<dyn Protocol>, OptionsError> {
    let codec = Dubbo::new(Options::read(options)?);
    Ok(Arc::new(MessageProtocol::new(codec)))
}

fn is_class(name: &str) -> bool {
    let is_part = |part: &str| {
        let mut chars = part.chars();
        chars
            .next()
            .is_some_and(|first| first.is_alphabetic() || first == '_' || first == '$')
            && chars.all(|char| char.is_alphanumeric() || char == '_' || char == '$')
    };
    name.contains('.') && name.split('.').all(is_part)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn options_are_read_and_checked() {
        assert_eq!(Options::read(&Value::Null), Ok(Options::default()));
        assert_eq!(Options::read(&json!({})), Ok(Options::default()));
        let class = "com.alibaba.dubbo.rpc.RpcException".to_owned();
        let read = Options::read(&json!({"exception_class": class, "callbacks": false}));
        assert_eq!(
            read,
            Ok(Options {
                exception_class: class,
                callbacks: false
            })
        );
        for wrong in [
            json!({"exception_class": 1}),
            json!({"exception_class": ""}),
            json!({"exception_class": "a..b"}),
            json!({"exception_class": "Plain"}),
            json!({"callbacks": "yes"}),
            json!({"typo": true}),
            json!([]),
        ] {
            assert!(Options::read(&wrong).is_err(), "{wrong}");
        }
        assert!(factory(&json!({"typo": 1})).is_err());
        assert_eq!(factory(&Value::Null).map(|dubbo| dubbo.name()), Ok("dubbo"));
    }
}
