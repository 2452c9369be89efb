//! Permissions and principals, and what they become.

use std::collections::BTreeMap;
use std::ops::Range;

use ipnet::IpNet;
use sabir_core::filter::Context;
use sabir_core::head::Head;
use sabir_core::name::Name;
use sabir_core::protocol::OptionsError;
use sabir_core::value::ValueMatcher;
use serde::Deserialize;

use crate::condition::{CidrRange, ValueMatch};
use crate::setting::{is_in, wrong};

/// What is called: exactly one of these.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// True: everything.
    Any(bool),
    /// All of these hold.
    AndRules {
        /// At least one.
        rules: Vec<Self>,
    },
    /// Any of these holds.
    OrRules {
        /// At least one.
        rules: Vec<Self>,
    },
    /// This does not hold.
    NotRule(Box<Self>),
    /// All of these conditions on the request's metadata hold, by name: `service`, `method`, and
    /// whatever else the `match` of a route knows.
    Metadata(BTreeMap<String, ValueMatch>),
    /// The address that the caller connected to is in this network.
    DestinationIp(CidrRange),
    /// The port that the caller connected to is this.
    DestinationPort(u16),
    /// The port that the caller connected to is in this range.
    DestinationPortRange(PortRange),
}

/// Who calls: exactly one of these.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Principal {
    /// True: everybody.
    Any(bool),
    /// All of these hold.
    AndIds {
        /// At least one.
        ids: Vec<Self>,
    },
    /// Any of these holds.
    OrIds {
        /// At least one.
        ids: Vec<Self>,
    },
    /// This does not hold.
    NotId(Box<Self>),
    /// All of these conditions on the request's metadata hold, by name.
    Metadata(BTreeMap<String, ValueMatch>),
    /// The address of the connection's other end is in this network.
    DirectRemoteIp(CidrRange),
}

/// The ports from `start` up to, but not including, `end`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortRange {
    /// The first port of the range.
    pub start: u32,
    /// The first port after the range. More than `start`, at most 65536.
    pub end: u32,
}

/// Either of them, compiled.
#[derive(Debug)]
pub(super) enum Rule {
    Any,
    AllOf(Box<[Self]>),
    AnyOf(Box<[Self]>),
    Not(Box<Self>),
    Metadata(Name, ValueMatcher),
    Local(IpNet),
    LocalPort(Range<u32>),
    Remote(IpNet),
}

impl Rule {
    pub(super) fn holds(&self, request: &Head, cx: &Context) -> bool {
        match self {
            Self::Any => true,
            Self::AllOf(rules) => rules.iter().all(|rule| rule.holds(request, cx)),
            Self::AnyOf(rules) => rules.iter().any(|rule| rule.holds(request, cx)),
            Self::Not(rule) => !rule.holds(request, cx),
            Self::Metadata(name, value) => value.matches(request, name),
            Self::Local(network) => is_in(network, cx.local.ip()),
            Self::LocalPort(ports) => ports.contains(&cx.local.port().into()),
            Self::Remote(network) => is_in(network, cx.peer.ip()),
        }
    }

    fn any(path: &str, any: bool) -> Result<Self, OptionsError> {
        match any {
            true => Ok(Self::Any),
            false => Err(wrong(&format!("{path}.any"), "only true means something")),
        }
    }

    fn metadata(
        path: &str,
        conditions: &BTreeMap<String, ValueMatch>,
    ) -> Result<Self, OptionsError> {
        if conditions.is_empty() {
            return Err(wrong(&format!("{path}.metadata"), "at least one name"));
        }
        let rules = conditions.iter().map(|(name, value)| {
            let path = format!("{path}.metadata.{name}");
            match name.as_str() {
                "" => Err(wrong(&path, "an empty name")),
                name => Ok(Self::Metadata(Name::new(name), value.compile(&path)?)),
            }
        });
        Ok(Self::AllOf(rules.collect::<Result<_, _>>()?))
    }
}

impl Permission {
    /// Any of `rules`, which are at `path`, nested `depth` levels deep.
    pub(super) fn any_of(rules: &[Self], path: &str, depth: usize) -> Result<Rule, OptionsError> {
        Ok(Rule::AnyOf(Self::list(rules, path, depth)?))
    }

    fn list(rules: &[Self], path: &str, depth: usize) -> Result<Box<[Rule]>, OptionsError> {
        check(rules.len(), path, depth)?;
        let compile = |(i, rule): (usize, &Self)| rule.compile(&format!("{path}[{i}]"), depth);
        rules.iter().enumerate().map(compile).collect()
    }

    fn compile(&self, path: &str, depth: usize) -> Result<Rule, OptionsError> {
        let at = |field: &str| format!("{path}.{field}");
        Ok(match self {
            Self::Any(any) => Rule::any(path, *any)?,
            Self::AndRules { rules } => {
                Rule::AllOf(Self::list(rules, &at("and_rules.rules"), depth + 1)?)
            }
            Self::OrRules { rules } => {
                Rule::AnyOf(Self::list(rules, &at("or_rules.rules"), depth + 1)?)
            }
            Self::NotRule(rule) => {
                check(1, path, depth + 1)?;
                Rule::Not(Box::new(rule.compile(&at("not_rule"), depth + 1)?))
            }
            Self::Metadata(conditions) => Rule::metadata(path, conditions)?,
            Self::DestinationIp(range) => Rule::Local(range.compile(&at("destination_ip"))?),
            Self::DestinationPort(port) => {
                let port = u32::from(*port);
                Rule::LocalPort(port..port + 1)
            }
            Self::DestinationPortRange(PortRange { start, end }) => {
                if start >= end || *end > 65536 {
                    let problem = "start is less than end, end at most 65536";
                    return Err(wrong(&at("destination_port_range"), problem));
                }
                Rule::LocalPort(*start..*end)
            }
        })
    }
}

impl Principal {
    /// Any of `ids`, which are at `path`, nested `depth` levels deep.
    pub(super) fn any_of(ids: &[Self], path: &str, depth: usize) -> Result<Rule, OptionsError> {
        Ok(Rule::AnyOf(Self::list(ids, path, depth)?))
    }

    fn list(ids: &[Self], path: &str, depth: usize) -> Result<Box<[Rule]>, OptionsError> {
        check(ids.len(), path, depth)?;
        let compile = |(i, id): (usize, &Self)| id.compile(&format!("{path}[{i}]"), depth);
        ids.iter().enumerate().map(compile).collect()
    }

    fn compile(&self, path: &str, depth: usize) -> Result<Rule, OptionsError> {
        let at = |field: &str| format!("{path}.{field}");
        Ok(match self {
            Self::Any(any) => Rule::any(path, *any)?,
            Self::AndIds { ids } => Rule::AllOf(Self::list(ids, &at("and_ids.ids"), depth + 1)?),
            Self::OrIds { ids } => Rule::AnyOf(Self::list(ids, &at("or_ids.ids"), depth + 1)?),
            Self::NotId(id) => {
                check(1, path, depth + 1)?;
                Rule::Not(Box::new(id.compile(&at("not_id"), depth + 1)?))
            }
            Self::Metadata(conditions) => Rule::metadata(path, conditions)?,
            Self::DirectRemoteIp(range) => Rule::Remote(range.compile(&at("direct_remote_ip"))?),
        })
    }
}

/// Refuses lists that say nothing, and what nests too deeply.
fn check(rules: usize, path: &str, depth: usize) -> Result<(), OptionsError> {
    match (rules, depth) {
        (0, _) => Err(wrong(path, "at least one")),
        (_, depth) if depth > MAX_DEPTH => {
            Err(wrong(path, format!("nests deeper than {MAX_DEPTH} levels")))
        }
        _ => Ok(()),
    }
}

/// Levels that rules may nest.
const MAX_DEPTH: usize = 16;
