//! Delays and fails requests on purpose, to see what becomes of those who made them.
//!
//! Named as in Envoy's `envoy.filters.http.fault`, for every protocol:
//!
//! ```yaml
//! filters:
//! - type: fault
//!   match: {metadata: {x-chaos: {exact: "on"}}}
//!   config:
//!     delay: {fixed_delay: 0.5s, percentage: 10}
//!     abort: {status: unavailable, percentage: {numerator: 5, denominator: TEN_THOUSAND}}
//!     max_active_faults: 100
//! ```
//!
//! Whether a request is delayed and whether it is aborted are drawn apart; one that is both is
//! aborted after its delay. A delay takes from the route's `timeout`, and costs no task and no
//! timer of its own. The requests that are held count as in flight. An abort never reaches an
//! endpoint: retry policies and outlier detection do not see it.
//!
//! Counted as `delayed`, `aborted`, and `overflow`: spared by `max_active_faults`. A request that
//! is let alone is not counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sabir_core::filter::{Context, Filter, Flow};
use sabir_core::head::Head;
use sabir_core::name::Name;
use sabir_core::outcome::{Code, Outcome, Reply};
use sabir_core::protocol::OptionsError;
use serde::Deserialize;
use serde_json::Value;

use crate::setting::{self, Share, Span, Status, wrong};

/// Name of the type in configuration.
pub const TYPE: &str = "fault";

/// What configuration can say. At least one of `delay` and `abort` is required.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Holds requests. Absent: none.
    pub delay: Option<Delay>,
    /// Answers requests instead of sending them. Absent: none.
    pub abort: Option<Abort>,
    /// Requests with a fault in flight at once, over all workers; further ones are let alone. A
    /// fault is in flight until its exchange ends. Absent: no limit.
    pub max_active_faults: Option<u32>,
}

/// Which requests are held, and for how long: exactly one of `fixed_delay` and `header_delay`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    /// All for this long; more than zero, at most an hour.
    pub fixed_delay: Option<Span>,
    /// Each for as long as its caller says.
    pub header_delay: Option<HeaderDelay>,
    /// Share of requests. Absent: all.
    #[serde(default = "all")]
    pub percentage: Share,
}

/// Metadata in which callers ask for a delay. A request without it, or with a value that cannot be
/// read, is not delayed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeaderDelay {
    /// Name of the metadata with the delay in milliseconds. Absent: `x-envoy-fault-delay-request`.
    pub name: String,
    /// Name of the metadata with the percentage of requests, which only makes `percentage` less.
    /// Absent: `x-envoy-fault-delay-request-percentage`.
    pub percentage_name: String,
    /// What longer ones become. Absent: 30s. More than zero, at most an hour.
    pub max_delay: Span,
}

/// Which requests are answered, and what: exactly one of `status` and `header_abort`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Abort {
    /// All with this outcome, in the words of the caller's protocol.
    pub status: Option<Status>,
    /// Each with what its caller says.
    pub header_abort: Option<HeaderAbort>,
    /// Share of requests. Absent: all.
    #[serde(default = "all")]
    pub percentage: Share,
}

/// Metadata in which callers ask for an abort. A request without it, or with a value that cannot be
/// read, is not aborted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeaderAbort {
    /// Name of the metadata with the outcome, `unavailable`, or a status of HTTP that stands for
    /// one, `503`. Absent: `x-envoy-fault-abort-request`.
    pub name: String,
    /// Name of the metadata with the percentage of requests, which only makes `percentage` less.
    /// Absent: `x-envoy-fault-abort-request-percentage`.
    pub percentage_name: String,
}

impl Default for HeaderDelay {
    fn default() -> Self {
        Self {
            name: "x-envoy-fault-delay-request".to_owned(),
            percentage_name: "x-envoy-fault-delay-request-percentage".to_owned(),
            max_delay: Span(Duration::from_secs(30)),
        }
    }
}

impl Default for HeaderAbort {
    fn default() -> Self {
        Self {
            name: "x-envoy-fault-abort-request".to_owned(),
            percentage_name: "x-envoy-fault-abort-request-percentage".to_owned(),
        }
    }
}

/// The filter.
#[derive(Debug)]
pub struct Fault {
    delay: Option<Part<Duration>>,
    /// No delay is longer.
    max_delay: Duration,
    abort: Option<Part<Code>>,
    max_active: u32,
    active: AtomicU32,
}

/// A kind of fault.
#[derive(Debug)]
struct Part<T> {
    share: Share,
    what: What<T>,
}

#[derive(Debug)]
enum What<T> {
    Fixed(T),
    Asked {
        name: Name,
        percentage: Name,
        read: fn(&str) -> Option<T>,
    },
}

impl Fault {
    /// A filter that does so.
    ///
    /// # Errors
    ///
    /// Says which field is out of its range or missing.
    pub fn new(config: &Config) -> Result<Self, OptionsError> {
        if config.delay.is_none() && config.abort.is_none() {
            return Err(OptionsError(
                "nothing to do: give delay or abort".to_owned(),
            ));
        }
        let asked = config.delay.as_ref().and_then(|d| d.header_delay.as_ref());
        let max_delay = asked.map(|asked| within("delay.header_delay.max_delay", asked.max_delay));
        Ok(Self {
            max_delay: max_delay.transpose()?.unwrap_or(LONGEST),
            delay: config.delay.as_ref().map(Delay::compile).transpose()?,
            abort: config.abort.as_ref().map(Abort::compile).transpose()?,
            max_active: config.max_active_faults.unwrap_or(u32::MAX),
            active: AtomicU32::new(0),
        })
    }

    /// Takes a fault into account, if there is room for one more.
    fn begin(&self) -> bool {
        let more = |active: u32| (active < self.max_active).then_some(active + 1);
        let begun = self
            .active
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        begun.is_ok()
    }
}

impl Filter for Fault {
    fn results(&self) -> &'static [&'static str] {
        &["delayed", "aborted", "overflow"]
    }

    fn on_request(&self, request: &mut Head, cx: &mut Context) -> Flow {
        let random = cx.random;
        let delay = self.delay.as_ref().and_then(|d| d.of(request, random));
        let abort = self.abort.as_ref().and_then(|a| a.of(request, random));
        if delay.is_none() && abort.is_none() {
            return Flow::Skip;
        }
        if !self.begin() {
            cx.count(OVERFLOW);
            return Flow::Skip;
        }
        let reply = abort.map(|code| {
            cx.count(ABORTED);
            Reply::refused(code, "aborted by fault injection")
        });
        if delay.is_some() {
            cx.count(DELAYED);
        }
        match (delay, reply) {
            (Some(delay), reply) => Flow::Delay(delay.min(self.max_delay), reply),
            (None, Some(reply)) => Flow::Reply(reply),
            (None, None) => Flow::Continue,
        }
    }

    /// Called for exchanges with a fault only: the others were skipped.
    fn on_end(&self, _: Outcome, _: &mut Context) {
        self.active.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T: Copy> Part<T> {
    /// The fault that the request shall have.
    fn of(&self, request: &Head, random: fn() -> u64) -> Option<T> {
        let (fault, share) = match &self.what {
            What::Fixed(fault) => (*fault, self.share),
            What::Asked {
                name,
                percentage,
                read,
            } => {
                let asked = read(text(request, name)?)?;
                let share = text(request, percentage)
                    .map_or(Some(Share::ALL), |text| Share::percent(text.parse().ok()?));
                (asked, self.share.min(share?))
            }
        };
        share.has(random()).then_some(fault)
    }
}

impl Delay {
    fn compile(&self) -> Result<Part<Duration>, OptionsError> {
        let what = match (self.fixed_delay, &self.header_delay) {
            (Some(delay), None) => What::Fixed(within("delay.fixed_delay", delay)?),
            (None, Some(asked)) => What::Asked {
                name: name("delay.header_delay.name", &asked.name)?,
                percentage: name("delay.header_delay.percentage_name", &asked.percentage_name)?,
                read: |text| {
                    let delay = Duration::from_millis(text.parse().ok()?);
                    (!delay.is_zero()).then_some(delay)
                },
            },
            _ => return Err(wrong("delay", "give one of fixed_delay and header_delay")),
        };
        let share = self.percentage;
        Ok(Part { share, what })
    }
}

impl Abort {
    fn compile(&self) -> Result<Part<Code>, OptionsError> {
        let what = match (self.status, &self.header_abort) {
            (Some(Status(code)), None) => What::Fixed(code),
            (None, Some(asked)) => What::Asked {
                name: name("abort.header_abort.name", &asked.name)?,
                percentage: name("abort.header_abort.percentage_name", &asked.percentage_name)?,
                read: code,
            },
            _ => return Err(wrong("abort", "give one of status and header_abort")),
        };
        let share = self.percentage;
        Ok(Part { share, what })
    }
}

fn within(path: &str, Span(delay): Span) -> Result<Duration, OptionsError> {
    match delay {
        Duration::ZERO => Err(wrong(path, "more than zero")),
        delay if delay > LONGEST => Err(wrong(path, "at most 3600s")),
        delay => Ok(delay),
    }
}

fn name(path: &str, text: &str) -> Result<Name, OptionsError> {
    match text {
        "" => Err(wrong(path, "an empty name")),
        text => Ok(Name::new(text)),
    }
}

fn text<'a>(request: &'a Head, name: &'a Name) -> Option<&'a str> {
    std::str::from_utf8(request.get(name)?).ok()
}

/// The outcome of this name, or that this status of HTTP stands for.
fn code(text: &str) -> Option<Code> {
    Some(match text {
        "400" => Code::BadRequest,
        "401" | "403" => Code::Denied,
        "404" => Code::NotFound,
        "408" | "504" => Code::TimedOut,
        "429" => Code::RateLimited,
        "500" => Code::Internal,
        "501" => Code::Unimplemented,
        "502" => Code::BadResponse,
        "503" => Code::Unavailable,
        name => return Code::from_name(name).filter(|code| *code != Code::Ok),
    })
}

/// Makes the filter from its `config`.
///
/// # Errors
///
/// What does not follow [`Config`], with the path of the field.
pub fn factory(config: &Value) -> Result<Arc<dyn Filter>, OptionsError> {
    let config: Config = setting::read(config)?;
    Ok(Arc::new(Fault::new(&config)?))
}

fn all() -> Share {
    Share::ALL
}

/// Longest delay.
const LONGEST: Duration = Duration::from_secs(3600);

// Positions in the list of results.
const DELAYED: u8 = 0;
const ABORTED: u8 = 1;
const OVERFLOW: u8 = 2;

#[cfg(test)]
#[path = "fault_tests.rs"]
mod tests;
