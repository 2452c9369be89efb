//! What makes a request, a response and trailers well-formed, and what routing needs of them.
//!
//! What is malformed is refused, never repaired: behind an HTTP/1 connection a repaired message
//! may be two.
//!
//! Specification: RFC 9113 §8.

use std::time::Duration;

use sabir_core::metadata::Span;

use super::grpc;
use super::hpack::{Field, fields};

/// What a stream's request is, as far as its response depends on it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Traits {
    /// gRPC: how it ended is in the trailers.
    pub(super) grpc: bool,
    /// HEAD: the response announces a body that does not come.
    pub(super) head: bool,
    /// CONNECT: a tunnel.
    pub(super) connect: bool,
}

/// What was found in a head.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parts {
    /// `:method`.
    pub(super) method: Option<Span>,
    /// `:scheme`.
    pub(super) scheme: Option<Span>,
    /// `:path`.
    pub(super) path: Option<Span>,
    /// `:authority`, or `host` in its place.
    pub(super) authority: Option<Span>,
    /// `:protocol`.
    pub(super) protocol: Option<Span>,
    /// `:status`.
    pub(super) status: Option<u16>,
    /// `content-length`.
    pub(super) length: Option<u64>,
    /// `grpc-status`.
    pub(super) grpc_status: Option<u32>,
    /// A content type of gRPC.
    pub(super) grpc: bool,
    /// What `grpc-timeout` allows.
    pub(super) timeout: Option<Duration>,
    host: Option<Span>,
}

/// Why a message is malformed, in the specification's words.
pub(super) type Malformed = &'static str;

impl Parts {
    /// Looks through the fields of a head or of trailers in `wire`.
    pub(super) fn of(wire: &[u8]) -> Result<Self, Malformed> {
        let mut parts = Self::default();
        let mut regular = false;
        for field in fields(wire) {
            if !is_value(field.value) {
                return Err("field value");
            }
            if let Some(pseudo) = field.name.strip_prefix(b":") {
                if regular {
                    return Err("pseudo-header field after a regular one");
                }
                parts.pseudo(pseudo, field)?;
            } else {
                regular = true;
                parts.regular(field)?;
            }
        }
        Ok(parts)
    }

    fn pseudo(&mut self, name: &[u8], field: Field<'_>) -> Result<(), Malformed> {
        let place = match name {
            b"method" => &mut self.method,
            b"scheme" => &mut self.scheme,
            b"path" => &mut self.path,
            b"authority" => &mut self.authority,
            b"protocol" => &mut self.protocol,
            b"status" if self.status.is_none() => {
                self.status = Some(status(field.value).ok_or("status")?);
                return Ok(());
            }
            _ => return Err("pseudo-header field"),
        };
        let twice = place.replace(field.value_span()).is_some();
        (!twice).then_some(()).ok_or("pseudo-header field twice")
    }

    fn regular(&mut self, field: Field<'_>) -> Result<(), Malformed> {
        let Field { name, value, .. } = field;
        if !is_name(name) {
            return Err("field name");
        }
        match name {
            b"te" if value != b"trailers" => return Err("te"),
            _ if is_connection_specific(name) => return Err("connection-specific field"),
            b"content-length" => {
                let length = length(value).ok_or("content-length")?;
                if self.length.is_some_and(|other| other != length) {
                    return Err("two values of content-length");
                }
                self.length = Some(length);
            }
            b"content-type" => self.grpc |= grpc::is_content_type(value),
            b"grpc-timeout" => self.timeout = grpc::timeout(value),
            b"grpc-status" => self.grpc_status = grpc::status(value),
            b"host" if self.host.is_some() => return Err("host twice"),
            b"host" => self.host = Some(field.value_span()),
            _ => {}
        }
        Ok(())
    }

    /// Checks that it is a request; RFC 9113 §8.3.1.
    pub(super) fn into_request(mut self, wire: &[u8]) -> Result<Self, Malformed> {
        if self.status.is_some() {
            return Err("request with :status");
        }
        let method = self.method.ok_or("request without :method")?.of(wire);
        if !is_token(method) {
            return Err(":method");
        }
        self.reconcile_host(wire)?;
        if method == b"CONNECT" && self.protocol.is_none() {
            let extra = self.scheme.is_some() || self.path.is_some();
            return match self.authority {
                Some(_) if !extra => Ok(self),
                _ => Err("CONNECT"),
            };
        }
        if self.protocol.is_some() && method != b"CONNECT" {
            return Err(":protocol without CONNECT");
        }
        let scheme = self.scheme.ok_or("request without :scheme")?.of(wire);
        let path = self.path.ok_or("request without :path")?.of(wire);
        if !is_path(path, method) {
            return Err(":path");
        }
        let web = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
        if web && self.authority.is_none() {
            return Err("request without :authority or host");
        }
        Ok(self)
    }

    /// `host` stands in for `:authority`, and never contradicts it.
    fn reconcile_host(&mut self, wire: &[u8]) -> Result<(), Malformed> {
        match (self.authority, self.host) {
            (Some(a), Some(b)) if !a.of(wire).eq_ignore_ascii_case(b.of(wire)) => {
                return Err("host that is not :authority");
            }
            (None, host) => self.authority = host,
            _ => {}
        }
        let sound = self.authority.is_none_or(|a| is_authority(a.of(wire)));
        sound.then_some(()).ok_or(":authority")
    }

    /// Checks that it is a response; returns its status.
    pub(super) fn response_status(&self) -> Result<u16, Malformed> {
        if self.is_of_request() {
            return Err("response with a pseudo-header field of requests");
        }
        self.status.ok_or("response without :status")
    }

    /// Checks that it is trailers.
    pub(super) fn check_trailers(&self) -> Result<(), Malformed> {
        let pseudo = self.status.is_some() || self.is_of_request();
        (!pseudo)
            .then_some(())
            .ok_or("trailers with a pseudo-header field")
    }

    fn is_of_request(&self) -> bool {
        let of_request = [self.method, self.scheme, self.path, self.authority];
        self.protocol.is_some() || of_request.iter().any(Option::is_some)
    }
}

/// Whether octets are a field name: a token in lower case. RFC 9113 §8.2.1, RFC 9110 §5.6.2.
pub(super) fn is_name(name: &[u8]) -> bool {
    is_token(name) && !name.iter().any(u8::is_ascii_uppercase)
}

/// Whether octets are a field value: none that ends a line, no space at either end.
pub(super) fn is_value(value: &[u8]) -> bool {
    let space = |o: Option<&u8>| matches!(o, Some(b' ' | b'\t'));
    memchr::memchr3(0, b'\r', b'\n', value).is_none()
        && !space(value.first())
        && !space(value.last())
}

/// Whether a field belongs to one connection of HTTP/1. RFC 9113 §8.2.2.
pub(super) fn is_connection_specific(name: &[u8]) -> bool {
    matches!(
        name,
        b"connection" | b"proxy-connection" | b"keep-alive" | b"transfer-encoding" | b"upgrade"
    )
}

fn is_token(name: &[u8]) -> bool {
    let char = |&o: &u8| o.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&o);
    !name.is_empty() && name.iter().all(char)
}

fn is_path(path: &[u8], method: &[u8]) -> bool {
    let visible = path.iter().all(|o| o.is_ascii_graphic() && *o != b'#');
    visible && (path.starts_with(b"/") || (path == b"*" && method == b"OPTIONS"))
}

/// RFC 9113 §8.3.1: no userinfo. RFC 3986 §3.2 has no other delimiters in it.
fn is_authority(authority: &[u8]) -> bool {
    let char = |o: &u8| o.is_ascii_graphic() && !b"/?#@\\\"<>".contains(o);
    !authority.is_empty() && authority.iter().all(char)
}

fn status(value: &[u8]) -> Option<u16> {
    let &[a @ b'1'..=b'9', b, c] = value else {
        return None;
    };
    let digits = b.is_ascii_digit() && c.is_ascii_digit();
    digits.then(|| {
        [a, b, c]
            .iter()
            .fold(0, |n, d| n * 10 + u16::from(d - b'0'))
    })
}

fn length(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(value).ok()?.parse().ok())?
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
