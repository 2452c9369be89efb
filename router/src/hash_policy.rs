//! What of a request decides where hash policies send it.
//!
//! As `hash_policy` of xDS v3, `envoy.config.route.v3.RouteAction`: sources are combined in order,
//! one that the request lacks is passed over, and without any the request may go anywhere.

use std::net::SocketAddr;

use sabir_core::head::Head;
use sabir_core::name::Name;

use crate::hash::StableHash;

/// Sources, in order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HashPolicy {
    sources: Vec<(Source, Then)>,
}

/// Something of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Source {
    /// Every value of this name of metadata, or a field such as `service`.
    Metadata(Name),
    /// The value of this name in metadata that is made up like the header `cookie` of HTTP:
    /// `name=value; other=value`.
    Cookie {
        /// Name of the metadata.
        metadata: Name,
        /// Name of the cookie; case counts.
        name: Box<[u8]>,
    },
    /// The address of the caller without its port.
    SourceIp,
}

/// What follows a source that the request has.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Then {
    /// The next ones count as well.
    #[default]
    Continue,
    /// The next ones are for requests that lack this one.
    Stop,
}

impl HashPolicy {
    /// A policy of these sources.
    pub fn new(sources: Vec<(Source, Then)>) -> Self {
        Self { sources }
    }

    /// Whether no request has a hash.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// The hash of a request; the same in every process and version. `None` if it has nothing of
    /// what counts.
    pub fn hash(&self, head: &Head, peer: SocketAddr) -> Option<u64> {
        let mut sum: Option<u64> = None;
        for (source, then) in &self.sources {
            let Some(hash) = source.hash(head, peer) else {
                continue;
            };
            sum = Some(sum.map_or(hash, |sum| sum.rotate_left(1) ^ hash));
            if *then == Then::Stop {
                break;
            }
        }
        sum
    }
}

impl Source {
    fn hash(&self, head: &Head, peer: SocketAddr) -> Option<u64> {
        let mut hash = StableHash::new();
        let mut found = false;
        match self {
            Self::Metadata(name) => {
                head.any(name, |value| {
                    hash.write_framed(value);
                    found = true;
                    false
                });
            }
            Self::Cookie { metadata, name } => {
                head.any(metadata, |value| {
                    let crumb = crumb(value, name);
                    if let Some(value) = crumb {
                        hash.write_framed(value);
                    }
                    found = crumb.is_some();
                    found
                });
            }
            Self::SourceIp => {
                found = true;
                // An IPv4 address is the same one on a socket for both versions.
                match peer.ip().to_canonical() {
                    std::net::IpAddr::V4(ip) => hash.write_framed(&ip.octets()),
                    std::net::IpAddr::V6(ip) => hash.write_framed(&ip.octets()),
                }
            }
        }
        found.then(|| hash.finish())
    }
}

/// The value of `name` in `pairs`, without quotes and surrounding blanks.
fn crumb<'a>(pairs: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut crumbs = pairs.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let value = crumbs.find_map(|crumb| crumb.strip_prefix(name)?.strip_prefix(b"="))?;
    let quoted = value.strip_prefix(b"\"");
    Some(quoted.and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value))
}
