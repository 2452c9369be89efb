//! Values that are made for each message: text with operators, named as in Envoy's header
//! formatters.
//!
//! | operator | what it says |
//! | --- | --- |
//! | `%DOWNSTREAM_REMOTE_ADDRESS%` | address and port of the caller |
//! | `%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%` | address of the caller |
//! | `%DOWNSTREAM_LOCAL_ADDRESS%` | address and port the caller connected to |
//! | `%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%` | address the caller connected to |
//! | `%DOWNSTREAM_LOCAL_PORT%` | port the caller connected to |
//! | `%PROTOCOL%` | name of the codec that read the message |
//! | `%REQ(NAME)%`, `%REQ(NAME?OTHER)%` | on requests: first value of that metadata, or of the other if there is none |
//! | `%RESP(NAME)%`, `%RESP(NAME?OTHER)%` | on responses: the same of the response |
//! | `%METADATA(NAME)%`, `%METADATA(NAME?OTHER)%` | the same of whichever message is changed |
//! | `%UPSTREAM_HOST%` | on responses: address and port of the endpoint that was chosen |
//! | `%%` | a percent sign |
//!
//! What is absent is nothing. An IPv4 address that reached an IPv6 socket is written as what it is.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use thiserror::Error;

use crate::filter::Context;
use crate::head::Head;
use crate::name::Name;

/// A value as configuration gives it, compiled once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template(Parts);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Parts {
    /// The same for every message.
    Text(Bytes),
    Pieces(Box<[Piece]>),
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Text(Box<[u8]>),
    Operator(Operator),
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Operator {
    Remote(Port),
    Local(Port),
    LocalPort,
    Protocol,
    Endpoint,
    Metadata(Name, Option<Name>),
}

/// Whether an address is written with its port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Port {
    Shown,
    Hidden,
}

/// The messages that values are made for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Messages {
    /// From callers to endpoints.
    Requests,
    /// From endpoints to callers.
    Responses,
}

/// A value that cannot be understood.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{problem} at offset {at}")]
pub struct TemplateError {
    /// Offset in the text, in bytes.
    pub at: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a value.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// There is no such operator.
    #[error("unknown operator %{0}%")]
    UnknownOperator(String),
    /// The operator has no meaning for messages of this direction.
    #[error("%{operator}% says nothing of {messages}")]
    OtherDirection {
        /// Its name.
        operator: &'static str,
        /// The messages.
        messages: Messages,
    },
    /// A percent sign starts an operator that does not end. A percent sign itself is `%%`.
    #[error("an operator that does not end with %; a percent sign itself is written %%")]
    Unterminated,
    /// The operator asks for an argument.
    #[error("%{0}% without a name in parentheses")]
    MissingArgument(String),
    /// The operator takes no argument.
    #[error("%{0}% takes no argument")]
    UnexpectedArgument(String),
}

impl std::fmt::Display for Messages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Requests => "requests",
            Self::Responses => "responses",
        })
    }
}

impl Template {
    /// Compiles `text`, of which values for `messages` are made.
    ///
    /// # Errors
    ///
    /// The first operator that cannot be understood, with its offset.
    pub fn compile(text: &str, messages: Messages) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            literal.push_str(&rest[..at]);
            let offset = text.len() - rest.len() + at;
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('%') {
                literal.push('%');
                rest = after;
                continue;
            }
            let (name, argument, after) = split(rest).ok_or(TemplateError {
                at: offset,
                problem: Problem::Unterminated,
            })?;
            let operator = operator(name, argument, messages);
            let operator = operator.map_err(|problem| TemplateError {
                at: offset,
                problem,
            })?;
            if !literal.is_empty() {
                pieces.push(Piece::Text(
                    std::mem::take(&mut literal).into_bytes().into(),
                ));
            }
            pieces.push(Piece::Operator(operator));
            rest = after;
        }
        literal.push_str(rest);
        if pieces.is_empty() {
            return Ok(Self::from(literal));
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal.into_bytes().into()));
        }
        Ok(Self(Parts::Pieces(pieces.into())))
    }

    /// The value, if it is the same for every message.
    pub fn fixed(&self) -> Option<&Bytes> {
        match &self.0 {
            Parts::Text(text) => Some(text),
            Parts::Pieces(_) => None,
        }
    }

    /// The value for the message `head` of the exchange `cx`.
    pub fn make(&self, head: &Head, cx: &Context) -> Vec<u8> {
        let pieces = match &self.0 {
            Parts::Text(text) => return text.to_vec(),
            Parts::Pieces(pieces) => pieces,
        };
        let mut value = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => value.extend_from_slice(text),
                Piece::Operator(operator) => operator.write(head, cx, &mut value),
            }
        }
        value
    }
}

impl<T: Into<Bytes>> From<T> for Template {
    /// A value that is the same for every message; percent signs mean nothing.
    fn from(text: T) -> Self {
        Self(Parts::Text(text.into()))
    }
}

impl Operator {
    fn write(&self, head: &Head, cx: &Context, out: &mut Vec<u8>) {
        match self {
            Self::Remote(port) => port.write(cx.peer, out),
            Self::Local(port) => port.write(cx.local, out),
            Self::LocalPort => out.extend_from_slice(cx.local.port().to_string().as_bytes()),
            Self::Protocol => out.extend_from_slice(head.protocol().as_bytes()),
            Self::Endpoint => {
                if let Some(endpoint) = cx.endpoint {
                    Port::Shown.write(endpoint, out);
                }
            }
            Self::Metadata(name, other) => {
                let value = head.get(name).filter(|value| !value.is_empty());
                let value = value.or_else(|| head.get(other.as_ref()?));
                out.extend_from_slice(value.unwrap_or_default());
            }
        }
    }
}

impl Port {
    fn write(self, address: SocketAddr, out: &mut Vec<u8>) {
        let ip: IpAddr = address.ip().to_canonical();
        let mut text = String::new();
        let written = match self {
            Self::Shown => write!(text, "{}", SocketAddr::new(ip, address.port())),
            Self::Hidden => write!(text, "{ip}"),
        };
        debug_assert!(written.is_ok(), "writing into a string does not fail");
        out.extend_from_slice(text.as_bytes());
    }
}

/// Name and argument of the operator that `rest` begins with, and what follows it.
fn split(rest: &str) -> Option<(&str, Option<&str>, &str)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (name, after) = rest.split_at(rest.find(|c| !is_name(c))?);
    let (argument, after) = match after.strip_prefix('(') {
        Some(inside) => {
            let (argument, after) = inside.split_once(')')?;
            (Some(argument), after)
        }
        None => (None, after),
    };
    Some((name, argument, after.strip_prefix('%')?))
}

fn operator(name: &str, argument: Option<&str>, messages: Messages) -> Result<Operator, Problem> {
    let only = |operator, of: Messages| match messages == of {
        true => Ok(()),
        false => Err(Problem::OtherDirection { operator, messages }),
    };
    match name {
        "REQ" => only("REQ", Messages::Requests)?,
        "RESP" => only("RESP", Messages::Responses)?,
        "UPSTREAM_HOST" => only("UPSTREAM_HOST", Messages::Responses)?,
        _ => {}
    }
    let operator = match name {
        "REQ" | "RESP" | "METADATA" => return metadata(name, argument),
        "DOWNSTREAM_REMOTE_ADDRESS" => Operator::Remote(Port::Shown),
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => Operator::Remote(Port::Hidden),
        "DOWNSTREAM_LOCAL_ADDRESS" => Operator::Local(Port::Shown),
        "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => Operator::Local(Port::Hidden),
        "DOWNSTREAM_LOCAL_PORT" => Operator::LocalPort,
        "PROTOCOL" => Operator::Protocol,
        "UPSTREAM_HOST" => Operator::Endpoint,
        _ => return Err(Problem::UnknownOperator(name.to_owned())),
    };
    match argument {
        None => Ok(operator),
        Some(_) => Err(Problem::UnexpectedArgument(name.to_owned())),
    }
}

fn metadata(operator: &str, argument: Option<&str>) -> Result<Operator, Problem> {
    let argument = argument.unwrap_or_default();
    let (first, other) = match argument.split_once('?') {
        Some((first, other)) => (first, Some(other)),
        None => (argument, None),
    };
    if first.is_empty() || other.is_some_and(str::is_empty) {
        return Err(Problem::MissingArgument(operator.to_owned()));
    }
    Ok(Operator::Metadata(Name::new(first), other.map(Name::new)))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::head::Kind;

    fn made(text: &str, messages: Messages) -> String {
        let mut head = Head::new("toy", Kind::Request, Bytes::new(), |_, _| {});
        head.add(&Name::new("a"), b"1");
        head.add(&Name::new("a"), b"2");
        head.add(&Name::new("empty"), b"");
        head.set(&Name::new("service"), b"S");
        let peer = "[::ffff:10.0.0.1]:7".parse().unwrap();
        let mut cx = Context::new(peer, "[::1]:80".parse().unwrap(), Instant::now());
        cx.endpoint = Some("10.0.0.9:90".parse().unwrap());
        let template = Template::compile(text, messages).unwrap();
        String::from_utf8(template.make(&head, &cx)).unwrap()
    }

    #[test]
    fn operators_say_what_they_are_named_after() {
        let request = |text| made(text, Messages::Requests);
        assert_eq!(request("%DOWNSTREAM_REMOTE_ADDRESS%"), "10.0.0.1:7");
        assert_eq!(
            request("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
            "10.0.0.1"
        );
        assert_eq!(request("<%DOWNSTREAM_LOCAL_ADDRESS%>"), "<[::1]:80>");
        assert_eq!(request("%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%"), "::1");
        assert_eq!(request("%DOWNSTREAM_LOCAL_PORT%"), "80");
        assert_eq!(request("%PROTOCOL%/%REQ(a)%"), "toy/1");
        assert_eq!(request("%REQ(b?service)%%REQ(empty?A)%%REQ(b)%"), "S1");
        assert_eq!(made("%RESP(a)% %METADATA(a)%", Messages::Responses), "1 1");
        assert_eq!(made("%UPSTREAM_HOST%", Messages::Responses), "10.0.0.9:90");
        assert_eq!(request("100%% of %PROTOCOL%%%"), "100% of toy%");
    }

    #[test]
    fn text_without_operators_is_fixed() {
        let fixed = |text| {
            let template = Template::compile(text, Messages::Requests).unwrap();
            template.fixed().map(|text| text.to_vec())
        };
        assert_eq!(fixed(""), Some(b"".to_vec()));
        assert_eq!(fixed("50%%"), Some(b"50%".to_vec()));
        assert_eq!(fixed("%PROTOCOL%"), None);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let error = |text| {
            let error = Template::compile(text, Messages::Requests).unwrap_err();
            error.to_string()
        };
        assert_eq!(error("ab%NOPE%"), "unknown operator %NOPE% at offset 2");
        assert_eq!(
            error("é%PROTOCOL(x)%"),
            "%PROTOCOL% takes no argument at offset 2"
        );
        assert_eq!(
            error("%%%REQ%"),
            "%REQ% without a name in parentheses at offset 2"
        );
        assert_eq!(
            error("%REQ(a?)%"),
            "%REQ% without a name in parentheses at offset 0"
        );
        assert_eq!(
            error("%RESP(a)%"),
            "%RESP% says nothing of requests at offset 0"
        );
        let unterminated =
            "an operator that does not end with %; a percent sign itself is written %% at offset";
        for (text, at) in [
            ("5%", 1),
            ("%REQ(a", 0),
            ("%REQ(a)x%", 0),
            ("% %", 0),
            ("%é%", 0),
        ] {
            assert_eq!(error(text), format!("{unterminated} {at}"), "{text}");
        }
    }
}
