//! Names of metadata: the well-known ones every codec fills, and any other.

use std::sync::Arc;

/// Codec that read the message, as in configuration (`dubbo`).
pub const PROTOCOL: &str = "protocol";
/// Service: Dubbo interface, Motan path, HTTP authority, Thrift multiplexed service.
pub const SERVICE: &str = "service";
/// Method: Dubbo method (the real one of a generic call), Motan method, HTTP path.
pub const METHOD: &str = "method";
/// Version of the service.
pub const VERSION: &str = "version";
/// Parameter types in the protocol's own notation (a JVM descriptor in Dubbo).
pub const SIGNATURE: &str = "signature";
/// Group of the service: the tenant, lane or deployment that serves it.
pub const GROUP: &str = "group";

/// A well-known value that lives outside the protocol's key-value pairs, or under a name of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Field {
    /// See [`SERVICE`].
    Service,
    /// See [`METHOD`].
    Method,
    /// See [`VERSION`].
    Version,
    /// See [`SIGNATURE`].
    Signature,
    /// See [`GROUP`].
    Group,
}

impl Field {
    /// Every field, in the order of their discriminants.
    pub const ALL: [Self; 5] = [
        Self::Service,
        Self::Method,
        Self::Version,
        Self::Signature,
        Self::Group,
    ];

    /// Name in configuration and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => SERVICE,
            Self::Method => METHOD,
            Self::Version => VERSION,
            Self::Signature => SIGNATURE,
            Self::Group => GROUP,
        }
    }
}

/// A metadata name, resolved once when configuration is loaded so that a look-up compares no more
/// than it must.
///
/// Names compare without regard to ASCII case.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Name {
    text: Arc<str>,
    known: Known,
}

/// Where the value of a name is found.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Known {
    Protocol,
    Field(u8),
    Pair,
}

impl Name {
    /// Resolves `text`.
    pub fn new(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        let field = Field::ALL.iter().find(|f| f.as_str() == text);
        let known = match field {
            Some(&field) => Known::Field(field as u8),
            None if text == PROTOCOL => Known::Protocol,
            None => Known::Pair,
        };
        Self {
            text: text.into(),
            known,
        }
    }

    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The well-known field it names, if it does.
    pub fn field(&self) -> Option<Field> {
        match self.known {
            Known::Field(i) => Field::ALL.get(i as usize).copied(),
            Known::Protocol | Known::Pair => None,
        }
    }

    /// Whether it names the protocol, which no mutation can change.
    pub fn is_protocol(&self) -> bool {
        self.known == Known::Protocol
    }

    pub(crate) fn known(&self) -> Known {
        self.known
    }

    pub(crate) fn matches(&self, key: &[u8]) -> bool {
        key.eq_ignore_ascii_case(self.text.as_bytes())
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_resolve_without_regard_to_case() {
        assert_eq!(Name::new("Service").field(), Some(Field::Service));
        assert_eq!(Name::new("group").field(), Some(Field::Group));
        assert!(Name::new("PROTOCOL").is_protocol());
        assert_eq!(Name::new("X-Lane"), Name::new("x-lane"));
        assert_eq!(Name::new("x-lane").field(), None);
    }
}
