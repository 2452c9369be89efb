//! `protocol_options` of Thrift.

use std::sync::Arc;

use sabir_core::protocol::{OptionsError, Protocol};
use serde_json::Value;

use super::Thrift;
use super::transport::Transport;

/// What peers speak, and how [`Thrift`] behaves where the wire leaves a choice.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Options {
    /// `transport`: `auto`, `framed`, `unframed` or `header`. Default `auto`, which tells them by
    /// the first bytes of each message. Of a listener: others than the given one end the connection.
    /// Of a cluster: what servers get, whatever the caller speaks; with `auto`, the caller's own.
    pub transport: Choice<Transport>,
    /// `protocol`: `auto`, `binary` or `compact`. Default `auto`. As `transport` otherwise.
    pub protocol: Choice<Values>,
    /// `multiplexing`: whether many exchanges share a connection, told apart by their sequence ids.
    /// Only for servers and clients that answer in any order or await that. Default `false`: one at
    /// a time.
    pub multiplexing: bool,
    /// `validate`: whether the arguments of calls in frames are walked over, so that servers get
    /// none that are malformed. Those of unframed calls always are. Default `false`.
    pub validate: bool,
    /// `one_way`: names of calls that nobody answers, as on the wire: `method`, or `Service:method`.
    /// Of a listener, for clients that write their one-way calls as ordinary ones, as those of the Go
    /// library do: without it the next call of their connection waits for the answer to the one
    /// before. Default none.
    pub one_way: Names,
}

/// Names of calls.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Names(Option<Arc<[Box<str>]>>);

/// One of several, or whichever the peer chooses.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Choice<T> {
    /// Whichever the peer chooses.
    #[default]
    Auto,
    /// This one.
    Only(T),
}

/// How values are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Values {
    /// Binary protocol, with or without a version in its message header.
    Binary,
    /// Compact protocol.
    Compact,
}

impl Values {
    /// Name in metadata and options.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Compact => "compact",
        }
    }
}

impl Names {
    /// No names.
    pub const NONE: Self = Self(None);

    /// Whether `name` is one of them.
    pub fn contains(&self, name: &[u8]) -> bool {
        let mut names = self.0.iter().flat_map(|names| names.iter());
        names.any(|one| one.as_bytes() == name)
    }
}

impl FromIterator<String> for Names {
    fn from_iter<I: IntoIterator<Item = String>>(names: I) -> Self {
        let names: Arc<[_]> = names.into_iter().map(String::into_boxed_str).collect();
        Self((!names.is_empty()).then_some(names))
    }
}

impl<T: PartialEq> Choice<T> {
    /// Whether it leaves room for `value`.
    pub fn is(&self, value: T) -> bool {
        match self {
            Self::Auto => true,
            Self::Only(only) => *only == value,
        }
    }
}

impl Options {
    /// Reads options as configuration spells them; null for the defaults.
    ///
    /// # Errors
    /// Unknown options, and values that an option does not know.
    pub fn read(value: &Value) -> Result<Self, OptionsError> {
        let mut options = Self::default();
        let map = match value {
            Value::Null => return Ok(options),
            Value::Object(map) => map,
            _ => return refuse("protocol_options of thrift: not a map"),
        };
        for (key, value) in map {
            match key.as_str() {
                "transport" => options.transport = transport(value)?,
                "protocol" => options.protocol = values(value)?,
                "multiplexing" => options.multiplexing = flag(key, value)?,
                "validate" => options.validate = flag(key, value)?,
                "one_way" => options.one_way = names(key, value)?,
                _ => {
                    let known = "thrift knows transport, protocol, multiplexing, validate, one_way";
                    return Err(OptionsError(format!("unknown option {key}; {known}")));
                }
            }
        }
        Ok(options)
    }
}

/// Makes the protocol `thrift` from its options.
///
/// # Errors
/// As [`Options::read`].
pub fn factory(options: &Value) -> Result<Arc<dyn Protocol>, OptionsError> {
    Ok(Arc::new(Thrift::new(Options::read(options)?)))
}

fn transport(value: &Value) -> Result<Choice<Transport>, OptionsError> {
    Ok(match value.as_str() {
        Some("auto") => Choice::Auto,
        Some("framed") => Choice::Only(Transport::Framed),
        Some("unframed") => Choice::Only(Transport::Unframed),
        Some("header") => Choice::Only(Transport::Header),
        _ => return refuse("transport: not one of auto, framed, unframed, header"),
    })
}

fn values(value: &Value) -> Result<Choice<Values>, OptionsError> {
    Ok(match value.as_str() {
        Some("auto") => Choice::Auto,
        Some("binary") => Choice::Only(Values::Binary),
        Some("compact") => Choice::Only(Values::Compact),
        _ => return refuse("protocol: not one of auto, binary, compact"),
    })
}

fn flag(key: &str, value: &Value) -> Result<bool, OptionsError> {
    let wrong = || OptionsError(format!("{key}: neither true nor false"));
    value.as_bool().ok_or_else(wrong)
}

fn names(key: &str, value: &Value) -> Result<Names, OptionsError> {
    let wrong = || OptionsError(format!("{key}: not a list of names"));
    let names = value.as_array().ok_or_else(wrong)?.iter();
    let read = |name: &Value| match name.as_str() {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err(wrong()),
    };
    names.map(read).collect()
}

fn refuse<T>(text: &str) -> Result<T, OptionsError> {
    Err(OptionsError(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn options_are_read_and_checked() {
        assert_eq!(Options::read(&Value::Null), Ok(Options::default()));
        let given = json!({
            "transport": "header", "protocol": "compact", "multiplexing": true, "validate": true,
            "one_way": ["note", "Demo:note"],
        });
        let read = Options {
            transport: Choice::Only(Transport::Header),
            protocol: Choice::Only(Values::Compact),
            multiplexing: true,
            validate: true,
            one_way: ["note", "Demo:note"]
                .map(str::to_owned)
                .into_iter()
                .collect(),
        };
        assert_eq!(Options::read(&given), Ok(read));
        let auto = json!({"transport": "auto", "protocol": "auto", "one_way": []});
        assert_eq!(Options::read(&auto), Ok(Options::default()));
        for wrong in [
            json!({"transport": "http"}),
            json!({"transport": 1}),
            json!({"protocol": "json"}),
            json!({"multiplexing": "yes"}),
            json!({"validate": 1}),
            json!({"one_way": "note"}),
            json!({"one_way": [""]}),
            json!({"one_way": [1]}),
            json!({"typo": true}),
            json!([]),
        ] {
            assert!(factory(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_can_be_changed_depends_on_the_transport() {
        let capabilities = |options| factory(&options).map(|thrift| thrift.capabilities());
        for (transport, metadata) in [
            ("auto", true),
            ("header", true),
            ("framed", false),
            ("unframed", false),
        ] {
            let can = capabilities(json!({"transport": transport})).unwrap();
            assert_eq!(
                (can.request_metadata, can.response_metadata),
                (metadata, metadata)
            );
            assert_eq!(can.rewritable, ["service", "method"]);
            assert!(!can.multiplexed);
        }
        let can = capabilities(json!({"multiplexing": true})).unwrap();
        assert!(can.multiplexed);
    }
}
