//! What can be wrong with a configuration that the schema alone cannot say.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use sabir_core::protocol::OptionsError;
use sabir_core::template::{Messages, TemplateError};
use sabir_proto::path::FieldPath;
use sabir_router::split::SplitError;
use sabir_router::value::MatchError;

use crate::telemetry::access_log;

/// One thing that is wrong with a configuration. Displayed as `PATH: FAULT`.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The field, as [`FieldPath`] writes it; empty for the whole configuration.
    pub path: String,
    /// What is wrong with it.
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        self.fault.fmt(f)
    }
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It is not given.
    #[error("required, but absent")]
    Required,
    /// None of the members of a `oneof` is given.
    #[error("one of {} is required", .members.join(", "))]
    OneRequired {
        /// The members.
        members: &'static [&'static str],
    },
    /// A list has nothing in it.
    #[error("at least one is required")]
    Empty,
    /// Something else has the same name or address.
    #[error("`{value}` is already taken by {first}")]
    Taken {
        /// The name or address.
        value: String,
        /// Path of what has it.
        first: String,
    },
    /// A name that nothing has.
    #[error("there is no {what} `{name}`{}", alternatives(.suggestion.as_deref(), known))]
    Unknown {
        /// What was looked for.
        what: &'static str,
        /// Its name.
        name: String,
        /// The name that is spelled most like it, if one is near.
        suggestion: Option<String>,
        /// The names there are, where they are few.
        known: Vec<String>,
    },
    /// A number that is too small or too large.
    #[error("{value} is out of range; it can be {}", range(*min, *max))]
    OutOfRange {
        /// The number.
        value: u64,
        /// The least it can be.
        min: u64,
        /// The most it can be.
        max: u64,
    },
    /// A fraction that is too small or too large.
    #[error("{value} is out of range; it can be from {min} to {max}")]
    Fraction {
        /// The number.
        value: f64,
        /// The least it can be.
        min: f64,
        /// The most it can be.
        max: f64,
    },
    /// Settings of a policy that the cluster does not have.
    #[error("lb_policy is {policy}, which does not use it")]
    OtherPolicy {
        /// The policy it has.
        policy: &'static str,
    },
    /// A number that has to be prime.
    #[error("{0} is not a prime number")]
    NotPrime(u32),
    /// Weights of localities that nobody asks for.
    #[error("common_lb_config has no locality_weighted_lb_config, which they are for")]
    UnusedLocalities,
    /// A locality that no endpoint has.
    #[error("no endpoint is in this locality")]
    EmptyLocality,
    /// All localities have weight zero.
    #[error("the weights add up to zero")]
    NoLocalityWeight,
    /// A flag that is only there to be set.
    #[error("has to be true")]
    NotSet,
    /// A number of an enum that has no such value.
    #[error("the enum has no value {0}")]
    UnknownEnumValue(i32),
    /// A duration that is negative or too long to count with.
    #[error("not a duration")]
    Duration,
    /// A duration that is too short.
    #[error("{value:?} is too short; it is at least {min:?}{}", or_none(*zero))]
    TooShort {
        /// The duration.
        value: Duration,
        /// The shortest it can be.
        min: Duration,
        /// Whether zero has a meaning.
        zero: bool,
    },
    /// A duration that is zero and must not be.
    #[error("more than 0s is required")]
    ZeroDuration,
    /// A text that is too long.
    #[error("{bytes} bytes, more than {limit}")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
        /// The most it can have.
        limit: usize,
    },
    /// Not an address and a port.
    #[error(
        "{value:?} is not an IP address and port, such as 127.0.0.1:20880 or [::1]:20880; host names are not resolved"
    )]
    Address {
        /// What was given.
        value: String,
    },
    /// Something that another field leaves no room for.
    #[error("not together with `{other}`")]
    Excluded {
        /// The other field.
        other: &'static str,
    },
    /// An endpoint on port 0, where nothing can listen.
    #[error("an endpoint has a port other than 0")]
    NoPort,
    /// What the codec says about its options.
    #[error("{0}")]
    ProtocolOptions(OptionsError),
    /// What the filter's type says about its configuration.
    #[error("{0}")]
    FilterConfig(OptionsError),
    /// An exchange would pass more filters than can be.
    #[error("{count} filters, those of the listener among them; there can be {limit}")]
    TooManyFilters {
        /// How many there are.
        count: usize,
        /// How many there can be.
        limit: usize,
    },
    /// A condition that cannot be compiled.
    #[error("{}", condition(.0))]
    Match(MatchError),
    /// Weights that cannot be chosen by.
    #[error("{0}")]
    Split(SplitError),
    /// A direct response that says that all went well.
    #[error("`ok` cannot be: sabir has no answer of its own to give to a call that succeeded")]
    StatusOk,
    /// Metadata that the protocol cannot carry or change.
    #[error("`{protocol}` cannot change `{name}` on {messages}: {reason}")]
    NotWritable {
        /// The protocol.
        protocol: &'static str,
        /// The name of the metadata.
        name: String,
        /// The messages it would be changed on.
        messages: Messages,
        /// Why it cannot.
        reason: NotWritable,
    },
    /// Metadata that the protocol of the endpoints cannot carry as they speak it.
    #[error(
        "`{protocol}`, as the endpoints of `{cluster}` speak it, cannot change `{name}` on requests: {reason}"
    )]
    NotWritableThere {
        /// The cluster that the route leads to.
        cluster: String,
        /// Its protocol.
        protocol: &'static str,
        /// The name of the metadata.
        name: String,
        /// Why it cannot.
        reason: NotWritable,
    },
    /// A value of metadata with an operator that cannot be understood.
    #[error("{0}")]
    Template(TemplateError),
    /// Calls cannot share connections in this protocol.
    #[error("`{protocol}` has no request ids, so that calls cannot share a connection")]
    NotMultiplexed {
        /// The protocol.
        protocol: &'static str,
    },
    /// A listener leads to a cluster that speaks another protocol.
    #[error(
        "the endpoints speak `{cluster}`, but {listener}, whose routes lead here, speaks `{spoken}`; sabir does not translate one into the other"
    )]
    NoTranslation {
        /// The cluster's protocol.
        cluster: String,
        /// Path of the listener.
        listener: String,
        /// The listener's protocol.
        spoken: String,
    },
    /// Which protocol a cluster speaks cannot be told.
    #[error(
        "required, because no route leads here and the listeners do not all speak the same protocol"
    )]
    UndecidedProtocol,
    /// Which options the cluster's protocol has cannot be told.
    #[error(
        "required, because {first} and {second}, whose routes lead here, have different protocol_options"
    )]
    UndecidedOptions {
        /// Path of a listener.
        first: String,
        /// Path of another one.
        second: String,
    },
    /// A format of an access log that cannot be understood.
    #[error("{problem} at offset {at}")]
    LogFormat {
        /// Offset in the format in bytes.
        at: usize,
        /// What is wrong there.
        problem: access_log::Problem,
    },
    /// The configuration has no JSON form, as with numbers that are not finite.
    #[error("{0}")]
    NoJson(String),
}

/// Why a protocol cannot change a name of metadata.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotWritable {
    /// It names the codec.
    #[error("it is the name of the codec itself")]
    Protocol,
    /// It is a well-known name whose value stands where it cannot be replaced.
    #[error("of the well-known names, it can change {}", names(.can))]
    Field {
        /// Those it can.
        can: &'static [&'static str],
    },
    /// Responses have no well-known names.
    #[error("these have no service, method and the like")]
    FieldOfResponse,
    /// There are no pairs of metadata.
    #[error("these carry no metadata of this kind")]
    NoMetadata,
}

/// The problems found so far.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: Vec<Problem>,
    /// A table of routes that several listeners use has its problems once.
    seen: HashSet<String>,
    /// What each unknown name of a kind probably meant.
    pub(super) suggestions: HashMap<(&'static str, String), Option<String>>,
}

impl Problems {
    pub(super) fn add(&mut self, path: &FieldPath<'_>, fault: Fault) {
        self.at(path.to_string(), fault);
    }

    pub(super) fn at(&mut self, path: String, fault: Fault) {
        let problem = Problem { path, fault };
        if self.seen.insert(problem.to_string()) {
            self.found.push(problem);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn into_vec(self) -> Vec<Problem> {
        self.found
    }
}

/// In one line, which the errors of the crate `regex` are not.
fn condition(error: &MatchError) -> String {
    let text = error.to_string();
    match text.rsplit_once("error: ") {
        Some((_, reason)) => format!("invalid regular expression: {}", reason.trim()),
        None => text,
    }
}

fn alternatives(suggestion: Option<&str>, known: &[String]) -> String {
    match suggestion {
        Some(name) => format!("; did you mean `{name}`?"),
        None if known.is_empty() => String::new(),
        None => format!("; there are: {}", known.join(", ")),
    }
}

fn range(min: u64, max: u64) -> String {
    match max {
        u64::MAX => format!("{min} or more"),
        max => format!("from {min} to {max}"),
    }
}

fn or_none(zero: bool) -> &'static str {
    if zero { ", or 0s" } else { "" }
}

fn names(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}
