//! `protocol_options` of HTTP/1.1.

use std::sync::Arc;
use std::time::Duration;

use sabir_core::protocol::{OptionsError, Protocol};
use serde_json::{Map, Value};

use super::Http1;
use crate::octets::is_token;

/// How HTTP/1.1 connections behave. The same options serve listeners and clusters; each says which
/// of them it concerns.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Options {
    /// Limits of heads and trailer sections.
    pub head: HeadLimits,
    /// `max_body_bytes`: longest body of a request; longer ones are answered 413. Listeners.
    /// Default none.
    pub max_body_bytes: Option<u64>,
    /// `header_timeout`, in seconds: from the first byte of a request's head to its last; then 408.
    /// Listeners. Default 30 s; 0 for none.
    pub header_timeout: Option<Duration>,
    /// `body_timeout`, in seconds: how long a request's body may bring nothing while it is wanted;
    /// then 408. Listeners. Default 60 s; 0 for none.
    pub body_timeout: Option<Duration>,
    /// `tunnel_timeout`, in seconds: how long a tunnel (an upgraded connection or CONNECT) may be
    /// silent both ways. Listeners. Default 3600 s; 0 for none.
    pub tunnel_timeout: Option<Duration>,
    /// `upgrades`: values of `Upgrade` that may turn a connection into a tunnel; others are
    /// ignored, as a server may. `h2c` is never among them. Listeners. Default `["websocket"]`.
    pub upgrades: Vec<String>,
    /// `connect`: whether CONNECT is forwarded. Listeners. Default `false`, which answers 405.
    pub connect: bool,
    /// `via`: name to add to `Via` of every message passed on. Default none, which adds nothing.
    pub via: Option<String>,
    /// `x_forwarded_proto`: whether requests say by `X-Forwarded-Proto` how they reached the proxy,
    /// replacing what the client said. Clusters. Default `false`.
    pub x_forwarded_proto: bool,
    /// `underscores`: what becomes of fields with `_` in their names, which CGI-style servers take
    /// for `-`: `forward`, `drop` or `reject`. Default `forward`. Dropping concerns clusters.
    pub underscores: Underscores,
    /// `ambiguous_paths`: what becomes of requests whose path servers may read as another one (dot
    /// segments, backslashes, encoded slashes or dots): `forward` or `reject`. A path is never
    /// rewritten: routes match exactly what is forwarded. Listeners. Default `forward`.
    pub reject_ambiguous_paths: bool,
}

/// Limits of heads and trailer sections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HeadLimits {
    /// `max_request_line`: longest start line, in bytes; then 414. Default 8 KiB.
    pub max_request_line: usize,
    /// `max_head_bytes`: longest head, in bytes; then 431. Default 64 KiB. The connection's limit
    /// on messages holds for heads too, if it is lower.
    pub max_bytes: usize,
    /// `max_headers`: most field lines; then 431. Default 100.
    pub max_fields: usize,
}

/// What becomes of fields with an underscore in their names.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Underscores {
    /// They are passed on.
    #[default]
    Forward,
    /// They are left out.
    Drop,
    /// Their request is answered 400.
    Reject,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self {
            max_request_line: 8 << 10,
            max_bytes: 64 << 10,
            max_fields: 100,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            head: HeadLimits::default(),
            max_body_bytes: None,
            header_timeout: Some(Duration::from_secs(30)),
            body_timeout: Some(Duration::from_secs(60)),
            tunnel_timeout: Some(Duration::from_secs(3600)),
            upgrades: vec!["websocket".to_owned()],
            connect: false,
            via: None,
            x_forwarded_proto: false,
            underscores: Underscores::Forward,
            reject_ambiguous_paths: false,
        }
    }
}

impl Options {
    /// Reads options as configuration spells them; null for the defaults.
    ///
    /// # Errors
    /// Unknown options, and values of the wrong type or out of range.
    pub fn read(value: &Value) -> Result<Self, OptionsError> {
        match value {
            Value::Null => Ok(Self::default()),
            Value::Object(map) => Self::read_map(map),
            _ => Err(wrong("protocol_options of http1", "a map")),
        }
    }

    fn read_map(map: &Map<String, Value>) -> Result<Self, OptionsError> {
        let mut options = Self::default();
        for (key, value) in map {
            options.read_one(key, value)?;
        }
        Ok(options)
    }

    fn read_one(&mut self, key: &str, value: &Value) -> Result<(), OptionsError> {
        match key {
            "max_request_line" => self.head.max_request_line = size(key, value)?,
            "max_head_bytes" => self.head.max_bytes = size(key, value)?,
            "max_headers" => self.head.max_fields = size(key, value)?.min(MOST_FIELDS),
            "max_body_bytes" => self.max_body_bytes = Some(size(key, value)? as u64),
            "header_timeout" => self.header_timeout = seconds(key, value)?,
            "body_timeout" => self.body_timeout = seconds(key, value)?,
            "tunnel_timeout" => self.tunnel_timeout = seconds(key, value)?,
            "upgrades" => self.upgrades = upgrades(value)?,
            "connect" => self.connect = flag(key, value)?,
            "via" => self.via = Some(via(value)?),
            "x_forwarded_proto" => self.x_forwarded_proto = flag(key, value)?,
            "underscores" => {
                self.underscores = match value.as_str() {
                    Some("forward") => Underscores::Forward,
                    Some("drop") => Underscores::Drop,
                    Some("reject") => Underscores::Reject,
                    _ => return Err(wrong(key, "forward, drop or reject")),
                }
            }
            "ambiguous_paths" => {
                self.reject_ambiguous_paths = match value.as_str() {
                    Some("forward") => false,
                    Some("reject") => true,
                    _ => return Err(wrong(key, "forward or reject")),
                }
            }
            _ => {
                let known = "max_request_line, max_head_bytes, max_headers, max_body_bytes, \
                    header_timeout, body_timeout, tunnel_timeout, upgrades, connect, via, \
                    x_forwarded_proto, underscores and ambiguous_paths";
                return Err(OptionsError(format!(
                    "unknown option {key}; http1 knows {known}"
                )));
            }
        }
        Ok(())
    }
}

/// Makes the protocol `http1` from its options.
///
/// # Errors
/// As [`Options::read`].
pub fn factory(options: &Value) -> Result<Arc<dyn Protocol>, OptionsError> {
    Ok(Arc::new(Http1::new(Options::read(options)?)))
}

fn wrong(key: &str, wanted: &str) -> OptionsError {
    OptionsError(format!("{key}: not {wanted}"))
}

fn size(key: &str, value: &Value) -> Result<usize, OptionsError> {
    // Numbers of a configuration file arrive as floating point.
    let whole = value.as_f64().filter(|n| n.fract() == 0.0);
    let in_range = whole.filter(|n| (1.0..=LARGEST).contains(n));
    let number = in_range.map(|n| n as usize);
    number.ok_or_else(|| wrong(key, "a whole number from 1 to 2^53"))
}

/// A time in seconds; `None` for 0.
pub(crate) fn seconds(key: &str, value: &Value) -> Result<Option<Duration>, OptionsError> {
    let number = value.as_f64().filter(|n| (0.0..=LONGEST).contains(n));
    let seconds = number.ok_or_else(|| wrong(key, "a number of seconds from 0 to a year"))?;
    Ok((seconds > 0.0).then(|| Duration::from_secs_f64(seconds)))
}

fn flag(key: &str, value: &Value) -> Result<bool, OptionsError> {
    value.as_bool().ok_or_else(|| wrong(key, "true or false"))
}

fn upgrades(value: &Value) -> Result<Vec<String>, OptionsError> {
    let wanted = || wrong("upgrades", "a list of protocol names, none of them h2c");
    let protocol = |value: &Value| {
        let text = value.as_str().ok_or_else(wanted)?;
        let parts: Vec<_> = text.split('/').collect();
        let sound = parts.len() <= 2 && parts.iter().all(|part| is_token(part.as_bytes()));
        match sound && !text.eq_ignore_ascii_case("h2c") {
            true => Ok(text.to_owned()),
            false => Err(wanted()),
        }
    };
    let list = value.as_array().ok_or_else(wanted)?;
    list.iter().map(protocol).collect()
}

fn via(value: &Value) -> Result<String, OptionsError> {
    let sound = value.as_str().filter(|name| is_token(name.as_bytes()));
    let name = sound.ok_or_else(|| wrong("via", "a name without spaces or separators"))?;
    Ok(name.to_owned())
}

/// Most field lines that can be configured.
const MOST_FIELDS: usize = 10_000;

/// Largest size that can be configured, in bytes: 2^53.
const LARGEST: f64 = 9_007_199_254_740_992.0;

/// Longest time that can be configured, in seconds.
const LONGEST: f64 = 366.0 * 86_400.0;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn options_are_read() {
        assert_eq!(Options::read(&Value::Null), Ok(Options::default()));
        let read = Options::read(&json!({
            "max_request_line": 100, "max_head_bytes": 1000.0, "max_headers": 10,
            "max_body_bytes": 5, "header_timeout": 1.5, "body_timeout": 0, "tunnel_timeout": 9,
            "upgrades": ["websocket", "foo/2"], "connect": true, "via": "edge",
            "x_forwarded_proto": true, "underscores": "drop", "ambiguous_paths": "reject",
        }));
        let head = HeadLimits {
            max_request_line: 100,
            max_bytes: 1000,
            max_fields: 10,
        };
        let want = Options {
            head,
            max_body_bytes: Some(5),
            header_timeout: Some(Duration::from_millis(1500)),
            body_timeout: None,
            tunnel_timeout: Some(Duration::from_secs(9)),
            upgrades: vec!["websocket".to_owned(), "foo/2".to_owned()],
            connect: true,
            via: Some("edge".to_owned()),
            x_forwarded_proto: true,
            underscores: Underscores::Drop,
            reject_ambiguous_paths: true,
        };
        assert_eq!(read, Ok(want));
    }

    #[test]
    fn what_is_no_option_is_refused() {
        for wrong in [
            json!([]),
            json!({"typo": 1}),
            json!({"max_headers": 0}),
            json!({"max_headers": 1.5}),
            json!({"max_head_bytes": "1"}),
            json!({"header_timeout": -1}),
            json!({"body_timeout": "1s"}),
            json!({"upgrades": "websocket"}),
            json!({"upgrades": ["H2C"]}),
            json!({"upgrades": ["a b"]}),
            json!({"connect": "yes"}),
            json!({"via": "a b"}),
            json!({"underscores": "maybe"}),
            json!({"ambiguous_paths": true}),
        ] {
            assert!(Options::read(&wrong).is_err(), "{wrong}");
        }
        assert_eq!(factory(&Value::Null).map(|p| p.name()), Ok("http1"));
    }
}
