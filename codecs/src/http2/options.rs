//! `protocol_options` of HTTP/2.

use std::sync::Arc;
use std::time::Duration;

use sabir_core::protocol::{OptionsError, Protocol};
use serde_json::Value;

use super::Http2;
use super::settings::DEFAULT_WINDOW;

/// How [`Http2`] behaves where the specification leaves a choice.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Options {
    /// `max_concurrent_streams`: requests that a client may have in flight on one connection, at
    /// most the listener's own limit. Default 250, at least 1.
    pub max_streams: u32,
    /// `stream_window_bytes`: body that a peer may send on one stream before it was passed on, and
    /// so what an exchange holds of it in memory. Default 256 KiB, 65 535 to 2^31 - 1.
    pub stream_window: u32,
    /// `connection_window_bytes`: the same for all streams of a connection together. Default 4 MiB,
    /// at least one stream's.
    pub connection_window: u32,
    /// `max_header_list_bytes`: size of the fields of one head, counted with 32 octets each beside
    /// name and value. Requests of more are answered with status 431, four times as much ends the
    /// connection. Default 64 KiB, 1 KiB to 16 MiB.
    pub max_header_list: u32,
    /// `min_ping_interval_seconds`: shortest interval of keep-alives to servers, whatever the
    /// cluster's. gRPC servers end connections that ask more often than they like, by default once
    /// in 5 minutes. Default 300.
    pub min_ping_interval: Duration,
    /// `stall_timeout_seconds`: how long a client may keep a stream's window shut before the stream
    /// is reset. Default 300; 0 for any time.
    pub stall_timeout: Option<Duration>,
    /// `connect`: whether clients may open tunnels with CONNECT, also in its extended form
    /// (WebSocket, RFC 8441). Default `false`.
    pub connect: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_streams: 250,
            stream_window: 256 << 10,
            connection_window: 4 << 20,
            max_header_list: 64 << 10,
            min_ping_interval: Duration::from_secs(300),
            stall_timeout: Some(Duration::from_secs(300)),
            connect: false,
        }
    }
}

impl Options {
    /// Reads options as configuration spells them; null for the defaults.
    ///
    /// # Errors
    /// Unknown options, values of the wrong type or out of range, and a connection's window that is
    /// smaller than a stream's.
    pub fn read(value: &Value) -> Result<Self, OptionsError> {
        let mut options = Self::default();
        let map = match value {
            Value::Null => return Ok(options),
            Value::Object(map) => map,
            _ => return Err(OptionsError("protocol_options of http2: not a map".into())),
        };
        for (key, value) in map {
            options.set(key, value)?;
        }
        if options.connection_window < options.stream_window {
            let what = "connection_window_bytes: less than stream_window_bytes";
            return Err(OptionsError(what.to_owned()));
        }
        Ok(options)
    }

    fn set(&mut self, key: &str, value: &Value) -> Result<(), OptionsError> {
        let number = |least, most| number(key, value, least, most);
        match key {
            "max_concurrent_streams" => self.max_streams = number(1, MOST)?,
            "stream_window_bytes" => self.stream_window = number(DEFAULT_WINDOW, MOST)?,
            "connection_window_bytes" => self.connection_window = number(DEFAULT_WINDOW, MOST)?,
            "max_header_list_bytes" => self.max_header_list = number(1 << 10, 16 << 20)?,
            "min_ping_interval_seconds" => {
                self.min_ping_interval = Duration::from_secs(number(1, MOST)?.into());
            }
            "stall_timeout_seconds" => {
                let seconds = number(0, MOST)?;
                self.stall_timeout = (seconds > 0).then(|| Duration::from_secs(u64::from(seconds)));
            }
            "connect" => {
                let wrong = || OptionsError("connect: neither true nor false".to_owned());
                self.connect = value.as_bool().ok_or_else(wrong)?;
            }
            _ => {
                let known = "http2 knows max_concurrent_streams, stream_window_bytes, \
                    connection_window_bytes, max_header_list_bytes, min_ping_interval_seconds, \
                    stall_timeout_seconds and connect";
                return Err(OptionsError(format!("unknown option {key}; {known}")));
            }
        }
        Ok(())
    }
}

fn number(key: &str, value: &Value, least: u32, most: u32) -> Result<u32, OptionsError> {
    // Configuration may have read a number as one with a fraction.
    let whole = value.as_f64().filter(|n| n.fract() == 0.0);
    let number = whole.filter(|&n| n >= least.into() && n <= most.into());
    let wrong = || OptionsError(format!("{key}: not a whole number from {least} to {most}"));
    number.map(|n| n as u32).ok_or_else(wrong)
}

/// Makes the protocol `http2` from its options.
///
/// # Errors
/// As [`Options::read`].
pub fn factory(options: &Value) -> Result<Arc<dyn Protocol>, OptionsError> {
    Ok(Arc::new(Http2::new(Options::read(options)?)))
}

const MOST: u32 = (1 << 31) - 1;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn options_are_read_and_checked() {
        let options = Options::read(&json!({
            "max_concurrent_streams": 10.0,
            "connect": true,
            "stall_timeout_seconds": 0,
        }));
        let options = options.unwrap();
        assert_eq!((options.max_streams, options.connect), (10, true));
        assert_eq!(options.stall_timeout, None);
        assert_eq!(Options::read(&Value::Null), Ok(Options::default()));
        for wrong in [
            json!([]),
            json!({ "nonsense": 1 }),
            json!({ "connect": 1 }),
            json!({ "max_concurrent_streams": 0 }),
            json!({ "max_concurrent_streams": 1.5 }),
            json!({ "stream_window_bytes": 1000 }),
            json!({ "stream_window_bytes": 8_000_000 }),
        ] {
            assert!(Options::read(&wrong).is_err(), "{wrong}");
        }
    }
}
