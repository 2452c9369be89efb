//! `auto`: several protocols on one listener, told apart by the first bytes of each connection.
//!
//! ```text
//! bytes ──▶ each candidate is asked ─┬─ one says yes ──▶ its own connection, for good
//!                                    ├─ some say more ──▶ wait, for so many bytes and so long
//!                                    └─ none ──▶ the fallback's connection, or the end
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use sabir_core::connection::{Connection, ConnectionError, SendError, Turn, Written};
use sabir_core::frame::{Frame, StreamId};
use sabir_core::head::Echo;
use sabir_core::outcome::Reply;
use sabir_core::protocol::{Capabilities, Limits, OptionsError, Protocol, Registry, Role, Sniff};
use serde::Deserialize;
use serde_json::Value;

/// Name in configuration.
pub const NAME: &str = "auto";

/// What configuration says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// `protocols`: those that a connection may speak, by name and with their options, at least one:
    /// `{dubbo: {}, thrift: {transport: framed}}`. Asked in alphabetical order; of real protocols'
    /// first bytes no two are alike.
    pub protocols: BTreeMap<String, Value>,
    /// `fallback`: the protocol of what is none of them, `tcp` for instance, without options. Absent:
    /// such connections are closed.
    pub fallback: Option<String>,
    /// `detection_timeout_ms`: time in milliseconds after which a connection that has not said enough
    /// counts as none of them. Default 5000; at least 1.
    #[serde(default = "default_timeout")]
    pub detection_timeout_ms: u32,
}

fn default_timeout() -> u32 {
    5_000
}

/// Makes the protocol from its [`Options`].
///
/// # Errors
/// Unknown options, protocols that are not there or groups themselves, and errors in their options.
pub fn factory(options: &Value, registry: &Registry) -> Result<Arc<dyn Protocol>, OptionsError> {
    let options = Options::deserialize(options).map_err(|error| OptionsError(error.to_string()))?;
    if options.protocols.is_empty() {
        return Err(OptionsError("`protocols` names none".to_owned()));
    }
    if options.detection_timeout_ms == 0 {
        return Err(OptionsError("`detection_timeout_ms` is 0".to_owned()));
    }
    let make = |name: &str, options: &Value| {
        if name == NAME {
            return Err(OptionsError(format!(
                "`{NAME}` cannot be one of its own protocols"
            )));
        }
        let known = || registry.names().collect::<Vec<_>>().join(", ");
        let made = registry.make(name, options);
        made.unwrap_or_else(|| {
            Err(OptionsError(format!(
                "there is no protocol `{name}`; there are {}",
                known()
            )))
        })
        .map_err(|OptionsError(error)| OptionsError(format!("{name}: {error}")))
    };
    let protocols: Result<Vec<_>, _> = options
        .protocols
        .iter()
        .map(|(name, options)| make(name, options))
        .collect();
    let none = Value::Object(serde_json::Map::new());
    let fallback = options
        .fallback
        .map(|name| make(&name, &none))
        .transpose()?;
    let timeout = Duration::from_millis(options.detection_timeout_ms.into());
    Ok(Arc::new(Auto::new(protocols?, fallback, timeout)))
}

/// Several protocols that are told apart by the first bytes of a connection.
pub struct Auto(Arc<Candidates>);

/// What a connection may turn out to speak.
struct Candidates {
    protocols: Vec<Arc<dyn Protocol>>,
    fallback: Option<Arc<dyn Protocol>>,
    timeout: Duration,
}

impl Auto {
    /// Detects one of `protocols`, asked in this order. What is none of them is `fallback`'s, at the
    /// latest after `timeout`; without a fallback it ends the connection.
    pub fn new(
        protocols: Vec<Arc<dyn Protocol>>,
        fallback: Option<Arc<dyn Protocol>>,
        timeout: Duration,
    ) -> Self {
        Self(Arc::new(Candidates {
            protocols,
            fallback,
            timeout,
        }))
    }

    fn members(&self) -> impl Iterator<Item = &Arc<dyn Protocol>> {
        self.0.protocols.iter().chain(&self.0.fallback)
    }
}

impl Protocol for Auto {
    fn name(&self) -> &'static str {
        NAME
    }

    /// What every one of them can carry.
    fn capabilities(&self) -> Capabilities {
        let all = |can: fn(&Capabilities) -> bool| self.members().all(|p| can(&p.capabilities()));
        Capabilities {
            request_metadata: all(|c| c.request_metadata),
            response_metadata: all(|c| c.response_metadata),
            rewritable: &[],
            multiplexed: all(|c| c.multiplexed),
        }
    }

    fn connection(&self, _role: Role, limits: &Limits, now: Instant) -> Box<dyn Connection> {
        Box::new(Detecting {
            candidates: self.0.clone(),
            limits: *limits,
            until: now + self.0.timeout,
            found: None,
        })
    }

    fn member(&self, name: &str) -> Option<Arc<dyn Protocol>> {
        self.members().find(|p| p.name() == name).cloned()
    }
}

/// A connection of which it is not known yet, or is known, what it speaks.
struct Detecting {
    candidates: Arc<Candidates>,
    limits: Limits,
    until: Instant,
    found: Option<Box<dyn Connection>>,
}

impl Detecting {
    /// The connection of what the bytes so far turn out to be.
    fn detect(
        &mut self,
        input: &[u8],
        now: Instant,
    ) -> Result<Option<&mut Box<dyn Connection>>, ConnectionError> {
        if self.found.is_none() {
            self.found = self
                .verdict(input, now)?
                .map(|p| p.connection(Role::Server, &self.limits, now));
        }
        Ok(self.found.as_mut())
    }

    fn verdict(
        &self,
        input: &[u8],
        now: Instant,
    ) -> Result<Option<&Arc<dyn Protocol>>, ConnectionError> {
        let mut open = false;
        for protocol in &self.candidates.protocols {
            match protocol.sniff(input) {
                Sniff::Yes => return Ok(Some(protocol)),
                Sniff::More => open = true,
                Sniff::No => {}
            }
        }
        if open && input.len() < ENOUGH && now < self.until {
            return Ok(None);
        }
        match &self.candidates.fallback {
            Some(fallback) => Ok(Some(fallback)),
            None => Err(unknown(input)),
        }
    }
}

impl Connection for Detecting {
    fn recv(&mut self, input: &mut BytesMut, turn: &mut Turn<'_>) -> Result<(), ConnectionError> {
        match self.detect(input, turn.now)? {
            Some(conn) => conn.recv(input, turn),
            None => Ok(()),
        }
    }

    fn recv_eof(
        &mut self,
        input: &mut BytesMut,
        turn: &mut Turn<'_>,
    ) -> Result<(), ConnectionError> {
        match &mut self.found {
            Some(conn) => conn.recv_eof(input, turn),
            None if input.is_empty() => Ok(()),
            None => Err(unknown(input)),
        }
    }

    fn send(
        &mut self,
        stream: StreamId,
        frame: Frame,
        turn: &mut Turn<'_>,
    ) -> Result<Written, SendError> {
        match &mut self.found {
            Some(conn) => conn.send(stream, frame, turn),
            None => Err(SendError::Closed),
        }
    }

    fn reply(&mut self, stream: StreamId, echo: Echo, reply: &Reply, turn: &mut Turn<'_>) {
        if let Some(conn) = &mut self.found {
            conn.reply(stream, echo, reply, turn);
        }
    }

    fn cut_short(&mut self, stream: StreamId, reply: &Reply, turn: &mut Turn<'_>) {
        if let Some(found) = &mut self.found {
            found.cut_short(stream, reply, turn);
        }
    }

    fn open(&mut self, stream: StreamId) -> bool {
        self.found.as_mut().is_some_and(|conn| conn.open(stream))
    }

    fn capacity(&self, stream: StreamId) -> usize {
        self.found.as_ref().map_or(0, |conn| conn.capacity(stream))
    }

    fn consumed(&mut self, stream: StreamId, bytes: usize, turn: &mut Turn<'_>) {
        if let Some(conn) = &mut self.found {
            conn.consumed(stream, bytes, turn);
        }
    }

    fn wants_read(&self) -> bool {
        self.found.as_ref().is_none_or(|conn| conn.wants_read())
    }

    fn wants_shutdown(&self) -> bool {
        self.found
            .as_ref()
            .is_some_and(|conn| conn.wants_shutdown())
    }

    fn is_finished(&self) -> bool {
        self.found.as_ref().is_some_and(|conn| conn.is_finished())
    }

    fn next_timeout(&self) -> Option<Instant> {
        match &self.found {
            Some(conn) => conn.next_timeout(),
            None => Some(self.until),
        }
    }

    fn handle_timeout(&mut self, turn: &mut Turn<'_>) -> Result<(), ConnectionError> {
        match &mut self.found {
            Some(conn) => conn.handle_timeout(turn),
            // A client that waits for its server to speak first is the fallback's, or nobody's.
            None if turn.now >= self.until => self.detect(&[], turn.now).map(drop),
            None => Ok(()),
        }
    }

    fn drain(&mut self, turn: &mut Turn<'_>) {
        if let Some(conn) = &mut self.found {
            conn.drain(turn);
        }
    }
}

fn unknown(input: &[u8]) -> ConnectionError {
    let mut first = [0; UNKNOWN];
    let len = input.len().min(UNKNOWN);
    first[..len].copy_from_slice(&input[..len]);
    ConnectionError::UnknownProtocol {
        first,
        len: input.len(),
    }
}

/// Bytes after which every protocol must have said yes or no.
const ENOUGH: usize = 1024;

/// First bytes of an unknown protocol that the error keeps.
const UNKNOWN: usize = 16;
