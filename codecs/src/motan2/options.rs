//! `protocol_options` of Motan2.

use std::sync::Arc;

use sabir_core::message::MessageProtocol;
use sabir_core::protocol::{OptionsError, Protocol};
use serde_json::Value;

use super::Motan2;

/// How [`Motan2`] behaves where the wire leaves a choice.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Options {
    /// `max_metadata_bytes`: longest metadata of a message, in bytes, at most 2 GiB less one. The
    /// peers' own limit is 10 MiB. A longer request is answered with code 10201 and ends its
    /// connection. Default 1 MiB.
    pub max_metadata_bytes: usize,
    /// `motan1`: whether messages of motan1, which peers speak on the same port, are passed on too.
    /// They have no place for changes of metadata. Default `true`; otherwise they end their
    /// connection.
    pub motan1: bool,
    /// `answer_one_way`: whether requests with the one-way flag are answered. Nobody should wait
    /// for that, but motan-go's client does, as the servers of motan-go and Java answer all the
    /// same. Default `false`: such answers are dropped, and motan-go's client runs into its timeout.
    pub answer_one_way: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_metadata_bytes: 1 << 20,
            motan1: true,
            answer_one_way: false,
        }
    }
}

impl Options {
    /// Reads options as configuration spells them; null for the defaults.
    ///
    /// # Errors
    /// Unknown options, and values of the wrong type or out of range.
    pub fn read(value: &Value) -> Result<Self, OptionsError> {
        let mut options = Self::default();
        let map = match value {
            Value::Null => return Ok(options),
            Value::Object(map) => map,
            _ => return Err(refused("protocol_options of motan2: not a map")),
        };
        for (key, value) in map {
            match (key.as_str(), value) {
                ("max_metadata_bytes", value) => {
                    let bytes = value.as_u64().and_then(|bytes| i32::try_from(bytes).ok());
                    let bytes = bytes.filter(|&bytes| bytes > 0);
                    let wanted = "max_metadata_bytes: not a number from 1 to 2147483647";
                    options.max_metadata_bytes = bytes.ok_or_else(|| refused(wanted))? as usize;
                }
                ("motan1", Value::Bool(motan1)) => options.motan1 = *motan1,
                ("answer_one_way", Value::Bool(answer)) => options.answer_one_way = *answer,
                ("motan1" | "answer_one_way", _) => {
                    return Err(OptionsError(format!("{key}: neither true nor false")));
                }
                _ => {
                    let known = "motan2 knows max_metadata_bytes, motan1 and answer_one_way";
                    return Err(OptionsError(format!("unknown option {key}; {known}")));
                }
            }
        }
        Ok(options)
    }
}

/// Makes the protocol `motan2` from its options.
///
/// # Errors
/// As [`Options::read`].
pub fn factory(options: &Value) -> Result<Arc<dyn Protocol>, OptionsError> {
    let codec = Motan2::new(Options::read(options)?);
    Ok(Arc::new(MessageProtocol::new(codec)))
}

fn refused(why: &str) -> OptionsError {
    OptionsError(why.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn options_are_read_and_checked() {
        assert_eq!(Options::read(&Value::Null), Ok(Options::default()));
        assert_eq!(Options::read(&json!({})), Ok(Options::default()));
        let read = Options::read(
            &json!({"max_metadata_bytes": 65536, "motan1": false, "answer_one_way": true}),
        );
        let expected = Options {
            max_metadata_bytes: 65536,
            motan1: false,
            answer_one_way: true,
        };
        assert_eq!(read, Ok(expected));
        for wrong in [
            json!({"max_metadata_bytes": 0}),
            json!({"max_metadata_bytes": -1}),
            json!({"max_metadata_bytes": 2_147_483_648_u32}),
            json!({"max_metadata_bytes": "1M"}),
            json!({"motan1": "yes"}),
            json!({"answer_one_way": 1}),
            json!({"typo": true}),
            json!([]),
        ] {
            assert!(Options::read(&wrong).is_err(), "{wrong}");
        }
        assert!(factory(&json!({"typo": 1})).is_err());
        assert_eq!(factory(&Value::Null).map(|made| made.name()), Ok("motan2"));
    }
}
