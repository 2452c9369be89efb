//! Reads formats.

use sabir_core::name::Name;

use super::operator::{Command, Operator, Port, Unit};
use super::time::TimeFormat;
use super::{Piece, Style};

/// A format that cannot be understood.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}{problem} at offset {at}", place(.field))]
pub struct Error {
    /// Path of the field in a JSON format, `request.service` or `list[0]`; empty in a text format.
    pub field: String,
    /// Offset in the format, or in the field's value, in bytes.
    pub at: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a format.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// There is no such operator.
    #[error("unknown operator %{0}%")]
    UnknownOperator(String),
    /// A percent sign starts an operator that does not end. A percent sign itself is `%%`.
    #[error("an operator that does not end with %; a percent sign itself is written %%")]
    Unterminated,
    /// The operator asks for an argument.
    #[error("%{0}% without its argument in parentheses")]
    MissingArgument(String),
    /// The operator takes no argument.
    #[error("%{0}% takes no argument")]
    UnexpectedArgument(String),
    /// The unit of a duration is not known.
    #[error("unknown unit of a duration, which is one of ms, us, ns")]
    UnknownUnit,
    /// The letter of a time format is not known.
    #[error("unknown letter in a time format, which has %Y %m %d %H %M %S %F %T %s %f %1f..%9f %%")]
    UnknownTimeLetter,
    /// The length after the colon is not a number from 1 to 65536.
    #[error("a length that is not a number from 1 to 65536")]
    BadLength,
    /// The JSON format is nested too deeply.
    #[error("more than 16 levels of nesting")]
    TooDeep,
}

/// Compiles `format`, writing values in `style`.
pub(super) fn text(format: &str, style: Style) -> Result<Vec<Piece>, Error> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        literal.push_str(&rest[..at]);
        let offset = format.len() - rest.len() + at;
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            literal.push('%');
            rest = after;
            continue;
        }
        let (operator, after) = operator(rest, offset)?;
        push_literal(&mut pieces, &mut literal, style);
        pieces.push(Piece::Value(operator, style));
        rest = after;
    }
    literal.push_str(rest);
    push_literal(&mut pieces, &mut literal, style);
    Ok(pieces)
}

/// Reads the operator whose percent sign stands at `offset`, before `rest`; also returns what
/// follows it.
fn operator(rest: &str, offset: usize) -> Result<(Operator, &str), Error> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name_len = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
    let (name, mut rest) = rest.split_at(name_len);
    let mut argument = None;
    let argument_at = offset + 1 + name_len + 1;
    if let Some(after) = rest.strip_prefix('(') {
        let end = after
            .find(')')
            .ok_or_else(|| error(offset, Problem::Unterminated))?;
        argument = Some((&after[..end], argument_at));
        rest = &after[end + 1..];
    }
    let end = rest
        .find('%')
        .ok_or_else(|| error(offset, Problem::Unterminated))?;
    let max_bytes = match &rest[..end] {
        "" => DEFAULT_MAX_BYTES,
        length => max_bytes(length).ok_or_else(|| error(offset, Problem::BadLength))?,
    };
    let command = command(name, argument, offset)?;
    Ok((Operator { command, max_bytes }, &rest[end + 1..]))
}

/// The operator of this name; `argument` has its offset.
fn command(name: &str, argument: Option<(&str, usize)>, at: usize) -> Result<Command, Error> {
    let command = match (name, argument) {
        ("START_TIME", None) => return Ok(Command::StartTime(TimeFormat::rfc3339())),
        ("START_TIME", Some((format, at))) => {
            let format = TimeFormat::parse(format);
            let format = format.map_err(|offset| error(at + offset, Problem::UnknownTimeLetter))?;
            return Ok(Command::StartTime(format));
        }
        ("DURATION", None) => return Ok(Command::Duration(Unit::Milliseconds)),
        ("DURATION", Some((unit, at))) => return Ok(Command::Duration(duration_unit(unit, at)?)),
        ("METADATA" | "REQ", argument) => return metadata(name, argument, at),
        (name, _) => plain(name).ok_or_else(|| error(at, Problem::UnknownOperator(name.into())))?,
    };
    match argument {
        None => Ok(command),
        Some((_, at)) => Err(error(at, Problem::UnexpectedArgument(name.into()))),
    }
}

/// The operator of this name that takes no argument.
fn plain(name: &str) -> Option<Command> {
    Some(match name {
        "PROTOCOL" => Command::Protocol,
        "RESPONSE_CODE" => Command::ResponseCode,
        "RESPONSE_FLAGS" => Command::ResponseFlags,
        "RESPONSE_PARTY" => Command::ResponseParty,
        "RESPONSE_CODE_DETAILS" => Command::ResponseCodeDetails,
        "ROUTE_NAME" => Command::RouteName,
        "UPSTREAM_CLUSTER" => Command::UpstreamCluster,
        "UPSTREAM_HOST" => Command::UpstreamHost,
        "UPSTREAM_REQUEST_ATTEMPT_COUNT" => Command::UpstreamAttempts,
        "DOWNSTREAM_REMOTE_ADDRESS" => Command::RemoteAddress(Port::Shown),
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => Command::RemoteAddress(Port::Hidden),
        "DOWNSTREAM_LOCAL_ADDRESS" => Command::LocalAddress(Port::Shown),
        "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => Command::LocalAddress(Port::Hidden),
        "LISTENER_NAME" => Command::ListenerName,
        "BYTES_RECEIVED" => Command::BytesReceived,
        "BYTES_SENT" => Command::BytesSent,
        _ => return None,
    })
}

fn metadata(name: &str, argument: Option<(&str, usize)>, at: usize) -> Result<Command, Error> {
    let argument = argument.map(|(argument, _)| argument).unwrap_or_default();
    let (first, other) = match argument.split_once('?') {
        Some((first, other)) => (first, Some(other)),
        None => (argument, None),
    };
    if first.is_empty() || other.is_some_and(str::is_empty) {
        return Err(error(at, Problem::MissingArgument(name.into())));
    }
    Ok(Command::Metadata(Name::new(first), other.map(Name::new)))
}

fn duration_unit(unit: &str, at: usize) -> Result<Unit, Error> {
    match unit {
        "ms" => Ok(Unit::Milliseconds),
        "us" => Ok(Unit::Microseconds),
        "ns" => Ok(Unit::Nanoseconds),
        _ => Err(error(at, Problem::UnknownUnit)),
    }
}

/// Reads `:20`.
fn max_bytes(length: &str) -> Option<usize> {
    let length = length.strip_prefix(':')?.parse().ok()?;
    (1..=MAX_BYTES).contains(&length).then_some(length)
}

fn push_literal(pieces: &mut Vec<Piece>, literal: &mut String, style: Style) {
    if literal.is_empty() {
        return;
    }
    let mut bytes = Vec::new();
    match style {
        Style::Text => bytes.extend_from_slice(literal.as_bytes()),
        Style::Json | Style::JsonPart => super::escape::json(&mut bytes, literal.as_bytes()),
    }
    pieces.push(Piece::Literal(bytes.into()));
    literal.clear();
}

fn error(at: usize, problem: Problem) -> Error {
    Error {
        field: String::new(),
        at,
        problem,
    }
}

fn place(field: &str) -> String {
    match field {
        "" => String::new(),
        field => format!("{field}: "),
    }
}

/// A value from the network is as long as its sender likes; a line is not.
const DEFAULT_MAX_BYTES: usize = 4096;
const MAX_BYTES: usize = 65_536;
