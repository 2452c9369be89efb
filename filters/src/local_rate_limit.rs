//! Limits how often requests pass, with token buckets of this process.
//!
//! Named as in Envoy's `envoy.filters.http.local_ratelimit`, for every protocol:
//!
//! ```yaml
//! filters:
//! - type: local_rate_limit
//!   config:
//!     token_bucket: {max_tokens: 1000, tokens_per_fill: 1000, fill_interval: 1s}
//!     descriptors:
//!     - entries: [{key: tenant, value: trial}]      # those whose metadata says so
//!       token_bucket: {max_tokens: 10, fill_interval: 0.1s}
//!     - entries: [{key: remote_address}]            # each caller
//!       token_bucket: {max_tokens: 50, tokens_per_fill: 50, fill_interval: 1s}
//! ```
//!
//! A request takes a token from each bucket that concerns it; if one is empty, it takes none and is
//! answered with `status`. The buckets are shared by all workers and are full when a configuration
//! is loaded. A filter of a listener limits what arrives there, before there is a route; one of a
//! route limits that route, in addition. Requests spared by `match` take no token.
//!
//! Counted as `ok`, `rate_limited`, and `shadow`: over the limit but let pass, by
//! `filter_enforced`.

mod bucket;
mod keyed;

use std::hash::Hasher;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use sabir_core::filter::{Context, Filter, Flow};
use sabir_core::head::Head;
use sabir_core::name::Name;
use sabir_core::outcome::{Code, Reply};
use sabir_core::protocol::OptionsError;
use serde::Deserialize;
use serde_json::Value;

use self::bucket::{Bucket, Rate};
use self::keyed::Keyed;
use crate::setting::{self, Share, Span, Status, wrong};

/// Name of the type in configuration.
pub const TYPE: &str = "local_rate_limit";

/// What configuration can say. At least one bucket is required.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// For all requests. Absent: only `descriptors` limit.
    pub token_bucket: Option<TokenBucket>,
    /// For the requests that match. A request that matches several takes a token of each. At most
    /// [`MAX_DESCRIPTORS`].
    #[serde(default)]
    pub descriptors: Vec<Descriptor>,
    /// Whether requests that match a descriptor also take a token of `token_bucket`. Absent: true.
    #[serde(default = "yes")]
    pub always_consume_default_token_bucket: bool,
    /// Keys that a descriptor tells apart at once, if an entry of it has no value. Where more are
    /// limited at the same time, those that have asked for the least begin anew. Each takes 16
    /// bytes from the start. Absent: 8192. At least 1, at most 1048576.
    #[serde(default = "dynamic_descriptors")]
    pub max_dynamic_descriptors: usize,
    /// Share of requests that are looked at. Absent: all, unlike xDS.
    #[serde(default = "all")]
    pub filter_enabled: Share,
    /// Share of requests over the limit that are refused; the others pass and count as `shadow`.
    /// Absent: all, unlike xDS.
    #[serde(default = "all")]
    pub filter_enforced: Share,
    /// The outcome of those that are refused. Absent: `rate_limited`, which is 429 in HTTP,
    /// `RESOURCE_EXHAUSTED` in gRPC, `LIMIT_EXCEEDED_EXCEPTION` in Dubbo.
    #[serde(default = "rate_limited")]
    pub status: Status,
}

/// How a bucket fills.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenBucket {
    /// Tokens it holds, and has at first. At least 1. Required.
    pub max_tokens: u32,
    /// Tokens that are added each `fill_interval`. Absent: 1. At least 1.
    #[serde(default = "one")]
    pub tokens_per_fill: u32,
    /// Time between additions. At least 0.001s. Required.
    pub fill_interval: Span,
}

/// A bucket for the requests that have all of these entries.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descriptor {
    /// What a request must have. At least one.
    pub entries: Vec<Entry>,
    /// Its bucket. If an entry has no value, each value has a bucket of its own.
    pub token_bucket: TokenBucket,
}

/// A part of a [`Descriptor`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// A name of metadata, of which the first value counts, or `remote_address`, the address of the
    /// caller without its port.
    pub key: String,
    /// The value a request must have; of `remote_address` an address, or a network as `10.0.0.0/8`.
    /// Absent: each value counts apart, and requests without a value are not concerned.
    pub value: Option<String>,
}

/// The filter.
#[derive(Debug)]
pub struct LocalRateLimit {
    /// For all requests, and whether it is also for those with descriptors.
    general: Option<(Rate, Bucket)>,
    always: bool,
    descriptors: Box<[Limit]>,
    enabled: Share,
    enforced: Share,
    reply: Reply,
    /// When the first request came: the buckets are full then.
    began: OnceLock<Instant>,
}

/// A [`Descriptor`], compiled.
#[derive(Debug)]
struct Limit {
    entries: Box<[(Source, Wanted)]>,
    rate: Rate,
    buckets: Buckets,
}

#[derive(Debug)]
enum Source {
    Metadata(Name),
    RemoteAddress,
}

#[derive(Debug)]
enum Wanted {
    /// Any value; it is part of the key.
    Each,
    Text(Box<[u8]>),
    Network(IpNet),
}

#[derive(Debug)]
enum Buckets {
    One(Bucket),
    Keyed(Keyed),
}

/// A request, as buckets see it.
#[derive(Clone, Copy)]
struct Asking<'a> {
    request: &'a Head,
    from: IpAddr,
    /// Time since the first request.
    age: Duration,
}

impl LocalRateLimit {
    /// A filter that limits so.
    ///
    /// # Errors
    ///
    /// Says which field is out of its range, or that there is no bucket.
    pub fn new(config: &Config) -> Result<Self, OptionsError> {
        if config.token_bucket.is_none() && config.descriptors.is_empty() {
            return Err(wrong(
                "token_bucket",
                "required, unless there are descriptors",
            ));
        }
        let keys = config.max_dynamic_descriptors;
        if !(1..=MAX_KEYS).contains(&keys) {
            let problem = format!("{keys} is not from 1 to {MAX_KEYS}");
            return Err(wrong("max_dynamic_descriptors", problem));
        }
        if config.descriptors.len() > MAX_DESCRIPTORS {
            let problem = format!("more than {MAX_DESCRIPTORS}");
            return Err(wrong("descriptors", problem));
        }
        let general = config
            .token_bucket
            .map(|bucket| bucket.rate("token_bucket"));
        let limits = config.descriptors.iter().enumerate();
        let limits = limits.map(|(at, descriptor)| descriptor.limit(at, keys));
        Ok(Self {
            general: general.transpose()?.map(|rate| (rate, Bucket::default())),
            always: config.always_consume_default_token_bucket,
            descriptors: limits.collect::<Result<_, _>>()?,
            enabled: config.filter_enabled,
            enforced: config.filter_enforced,
            reply: Reply::refused(config.status.0, "too many requests: local rate limit"),
            began: OnceLock::new(),
        })
    }

    /// Takes a token from each bucket that concerns the request, from the descriptor `at` on, or
    /// none; whether there was one in each.
    fn take(&self, at: usize, has_matched: bool, asking: Asking<'_>) -> bool {
        let Some(limit) = self.descriptors.get(at) else {
            return self.take_general(has_matched, asking);
        };
        let filled = limit.rate.filled(asking.age);
        let Some(bucket) = limit.bucket(asking, filled) else {
            return self.take(at + 1, has_matched, asking);
        };
        if !bucket.take(&limit.rate, filled) {
            return false;
        }
        let taken = self.take(at + 1, true, asking);
        if !taken {
            bucket.put_back();
        }
        taken
    }

    fn take_general(&self, has_matched: bool, asking: Asking<'_>) -> bool {
        match &self.general {
            Some((rate, bucket)) if self.always || !has_matched => {
                bucket.take(rate, rate.filled(asking.age))
            }
            _ => true,
        }
    }
}

impl Filter for LocalRateLimit {
    fn results(&self) -> &'static [&'static str] {
        &["ok", "rate_limited", "shadow"]
    }

    fn on_request(&self, request: &mut Head, cx: &mut Context) -> Flow {
        let chosen = |share: Share| share == Share::ALL || share.has((cx.random)());
        if !chosen(self.enabled) {
            return Flow::Skip;
        }
        let began = *self.began.get_or_init(|| cx.now);
        let passes = self.take(
            0,
            false,
            Asking {
                request,
                from: cx.peer.ip().to_canonical(),
                age: cx.now.saturating_duration_since(began),
            },
        );
        let (result, flow) = match passes {
            true => (OK, Flow::Skip),
            false if chosen(self.enforced) => (RATE_LIMITED, Flow::Reply(self.reply.clone())),
            false => (SHADOW, Flow::Skip),
        };
        cx.count(result);
        flow
    }
}

impl TokenBucket {
    fn rate(&self, path: &str) -> Result<Rate, OptionsError> {
        let below = |field: &str, least: &str| {
            let path = format!("{path}.{field}");
            Err(wrong(&path, format!("at least {least}")))
        };
        let Span(fill_interval) = self.fill_interval;
        match self {
            Self { max_tokens: 0, .. } => below("max_tokens", "1"),
            Self {
                tokens_per_fill: 0, ..
            } => below("tokens_per_fill", "1"),
            _ if fill_interval < Duration::from_millis(1) => below("fill_interval", "0.001s"),
            _ => Ok(Rate {
                max_tokens: self.max_tokens,
                tokens_per_fill: self.tokens_per_fill,
                fill_interval,
            }),
        }
    }
}

impl Descriptor {
    fn limit(&self, at: usize, keys: usize) -> Result<Limit, OptionsError> {
        let path = format!("descriptors[{at}]");
        if self.entries.is_empty() {
            return Err(wrong(&format!("{path}.entries"), "at least one"));
        }
        let entries = self.entries.iter().enumerate();
        let entries = entries.map(|(i, entry)| entry.compile(&format!("{path}.entries[{i}]")));
        let entries: Box<[_]> = entries.collect::<Result<_, _>>()?;
        let each = |(_, wanted): &(Source, Wanted)| matches!(wanted, Wanted::Each);
        let buckets = match entries.iter().any(each) {
            true => Buckets::Keyed(Keyed::new(keys)),
            false => Buckets::One(Bucket::default()),
        };
        let rate = self.token_bucket.rate(&format!("{path}.token_bucket"))?;
        Ok(Limit {
            entries,
            rate,
            buckets,
        })
    }
}

impl Entry {
    fn compile(&self, path: &str) -> Result<(Source, Wanted), OptionsError> {
        let source = match self.key.as_str() {
            "" => return Err(wrong(&format!("{path}.key"), "an empty name")),
            "remote_address" => Source::RemoteAddress,
            name => Source::Metadata(Name::new(name)),
        };
        let wanted = match (&source, &self.value) {
            (_, None) => Wanted::Each,
            (Source::Metadata(_), Some(text)) => Wanted::Text(text.as_bytes().into()),
            (Source::RemoteAddress, Some(text)) => {
                let path = format!("{path}.value");
                let problem = || wrong(&path, "an address, or a network as 10.0.0.0/8");
                Wanted::Network(setting::network(text).ok_or_else(problem)?)
            }
        };
        Ok((source, wanted))
    }
}

impl Limit {
    /// The bucket that concerns the request, if one does.
    fn bucket(&self, asking: Asking<'_>, filled: u64) -> Option<&Bucket> {
        match &self.buckets {
            Buckets::One(bucket) => self.matches(asking, &mut NoKey).then_some(bucket),
            Buckets::Keyed(keyed) => {
                let mut key = keyed.hasher();
                let matches = self.matches(asking, &mut key);
                matches.then(|| keyed.bucket(key.finish(), filled))
            }
        }
    }

    fn matches(&self, asking: Asking<'_>, key: &mut impl Hasher) -> bool {
        self.entries.iter().all(|(source, wanted)| match source {
            Source::Metadata(name) => {
                let value = asking.request.get(name);
                value.is_some_and(|value| wanted.accepts(value, key))
            }
            Source::RemoteAddress => wanted.accepts_address(asking.from, key),
        })
    }
}

impl Wanted {
    fn accepts(&self, value: &[u8], key: &mut impl Hasher) -> bool {
        match self {
            Self::Each => {
                // With its length, so that values do not run into each other.
                key.write_usize(value.len());
                key.write(value);
                true
            }
            Self::Text(text) => **text == *value,
            Self::Network(_) => false,
        }
    }

    fn accepts_address(&self, address: IpAddr, key: &mut impl Hasher) -> bool {
        match (self, address) {
            (Self::Network(network), _) => setting::is_in(network, address),
            (_, IpAddr::V4(address)) => self.accepts(&address.octets(), key),
            (_, IpAddr::V6(address)) => self.accepts(&address.octets(), key),
        }
    }
}

/// The key of what has only one bucket.
struct NoKey;

impl Hasher for NoKey {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, _: &[u8]) {}
}

/// Makes the filter from its `config`.
///
/// # Errors
///
/// What does not follow [`Config`], with the path of the field.
pub fn factory(config: &Value) -> Result<Arc<dyn Filter>, OptionsError> {
    let config: Config = setting::read(config)?;
    Ok(Arc::new(LocalRateLimit::new(&config)?))
}

fn yes() -> bool {
    true
}

fn one() -> u32 {
    1
}

fn all() -> Share {
    Share::ALL
}

fn dynamic_descriptors() -> usize {
    8192
}

fn rate_limited() -> Status {
    Status(Code::RateLimited)
}

/// Descriptors of a filter.
pub const MAX_DESCRIPTORS: usize = 64;

const MAX_KEYS: usize = 1 << 20;

// Positions in the list of results.
const OK: u8 = 0;
const RATE_LIMITED: u8 = 1;
const SHADOW: u8 = 2;

#[cfg(test)]
#[path = "local_rate_limit_tests.rs"]
mod tests;
