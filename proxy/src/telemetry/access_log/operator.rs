//! Command operators: the value of each, and how a value is written.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use sabir_core::name::{Field, Name};

use super::record::{Record, flag};
use super::time::TimeFormat;
use super::{Style, escape};

/// A command operator with its arguments.
#[derive(Clone, Debug)]
pub(super) struct Operator {
    pub(super) command: Command,
    /// Bytes of the value that are written at most.
    pub(super) max_bytes: usize,
}

/// What an operator asks for.
#[derive(Clone, Debug)]
pub(super) enum Command {
    StartTime(TimeFormat),
    Duration(Unit),
    Protocol,
    Metadata(Name, Option<Name>),
    ResponseCode,
    ResponseFlags,
    ResponseParty,
    ResponseCodeDetails,
    RouteName,
    UpstreamCluster,
    UpstreamHost,
    UpstreamAttempts,
    RemoteAddress(Port),
    LocalAddress(Port),
    ListenerName,
    BytesReceived,
    BytesSent,
}

/// Unit of a duration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unit {
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

/// Whether an address is written with its port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Port {
    Shown,
    Hidden,
}

/// The value of an operator in one record.
enum Value<'a> {
    Absent,
    Bytes(&'a [u8]),
    Number(u64),
    Address(SocketAddr),
    Ip(IpAddr),
    Time(SystemTime, &'a TimeFormat),
}

impl Operator {
    pub(super) fn needs_request(&self) -> bool {
        let is_beside = |name: &Name| {
            let field = name.field();
            name.is_protocol() || matches!(field, Some(Field::Service | Field::Method))
        };
        match &self.command {
            Command::Metadata(name, other) => {
                !is_beside(name) || other.as_ref().is_some_and(|other| !is_beside(other))
            }
            _ => false,
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, record: &Record<'_>, style: Style) {
        match self.command.value(record) {
            Value::Absent if style == Style::Json => out.extend_from_slice(b"null"),
            Value::Absent => out.push(b'-'),
            value @ Value::Number(_) => self.write_plain(out, &value, style),
            value if style == Style::Json => {
                out.push(b'"');
                self.write_string(out, &value, style);
                out.push(b'"');
            }
            value => self.write_string(out, &value, style),
        }
    }

    fn write_string(&self, out: &mut Vec<u8>, value: &Value<'_>, style: Style) {
        match value {
            Value::Bytes(bytes) => {
                let bytes = escape::cut(bytes, self.max_bytes);
                match style {
                    Style::Text => escape::text(out, bytes),
                    Style::Json | Style::JsonPart => escape::json(out, bytes),
                }
            }
            Value::Number(_) | Value::Absent => {}
            value => self.write_plain(out, value, style),
        }
    }

    /// Writes what needs no escapes, and cuts it.
    fn write_plain(&self, out: &mut Vec<u8>, value: &Value<'_>, style: Style) {
        let start = out.len();
        match value {
            Value::Number(number) => escape::decimal(out, *number, 1),
            Value::Address(address) => write_address(out, address),
            Value::Ip(ip) => write_ip(out, ip),
            Value::Time(time, format) => format.write(out, *time, style),
            Value::Bytes(_) | Value::Absent => {}
        }
        out.truncate(start.saturating_add(self.max_bytes));
    }
}

impl Command {
    fn value<'a>(&'a self, record: &Record<'a>) -> Value<'a> {
        match self {
            Self::StartTime(format) => Value::Time(record.start, format),
            Self::Duration(unit) => Value::Number(unit.of(record.duration)),
            Self::Protocol => text(record.protocol),
            Self::Metadata(name, other) => match (metadata(record, name), other) {
                (Value::Absent, Some(other)) => metadata(record, other),
                (value, _) => value,
            },
            Self::ResponseCode => text(record.outcome.code.as_str()),
            Self::ResponseFlags => text(flag(record.outcome)),
            Self::ResponseParty => text(record.outcome.party.as_str()),
            Self::ResponseCodeDetails => text(record.details),
            Self::RouteName => text(record.upstream.route),
            Self::UpstreamCluster => record.upstream.cluster.map_or(Value::Absent, text),
            Self::UpstreamHost => {
                let endpoint = record.upstream.endpoint;
                endpoint.map_or(Value::Absent, Value::Address)
            }
            Self::UpstreamAttempts => Value::Number(record.upstream.attempts.into()),
            Self::RemoteAddress(port) => port.of(record.downstream.peer),
            Self::LocalAddress(port) => port.of(record.downstream.local),
            Self::ListenerName => text(record.downstream.listener),
            Self::BytesReceived => Value::Number(record.bytes_received),
            Self::BytesSent => Value::Number(record.bytes_sent),
        }
    }
}

impl Unit {
    fn of(self, duration: Duration) -> u64 {
        let count = match self {
            Self::Milliseconds => duration.as_millis(),
            Self::Microseconds => duration.as_micros(),
            Self::Nanoseconds => duration.as_nanos(),
        };
        count.try_into().unwrap_or(u64::MAX)
    }
}

impl Port {
    fn of<'a>(self, address: SocketAddr) -> Value<'a> {
        match self {
            Self::Shown => Value::Address(address),
            Self::Hidden => Value::Ip(address.ip()),
        }
    }
}

fn write_address(out: &mut Vec<u8>, address: &SocketAddr) {
    match address {
        SocketAddr::V4(_) => {
            write_ip(out, &address.ip());
            out.push(b':');
            escape::decimal(out, address.port().into(), 1);
        }
        // Writing into a vector does not fail.
        SocketAddr::V6(address) => drop(write!(out, "{address}")),
    }
}

fn write_ip(out: &mut Vec<u8>, ip: &IpAddr) {
    match ip {
        IpAddr::V4(ip) => {
            for (index, octet) in ip.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                escape::decimal(out, octet.into(), 1);
            }
        }
        // Writing into a vector does not fail.
        IpAddr::V6(ip) => drop(write!(out, "{ip}")),
    }
}

fn metadata<'a>(record: &Record<'a>, name: &'a Name) -> Value<'a> {
    match name.field() {
        Some(Field::Service) => bytes(record.service),
        Some(Field::Method) => bytes(record.method),
        _ if name.is_protocol() => text(record.protocol),
        _ => {
            let value = record.request.and_then(|request| request.get(name));
            value.map_or(Value::Absent, Value::Bytes)
        }
    }
}

fn text(value: &str) -> Value<'_> {
    bytes(value.as_bytes())
}

/// `value`, which if empty means that there is none.
fn bytes(value: &[u8]) -> Value<'_> {
    match value {
        [] => Value::Absent,
        value => Value::Bytes(value),
    }
}
