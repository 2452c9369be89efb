//! Numbers, durations, addresses, names and free-form data.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use prost_types::value::Kind;
use sabir_core::name::Name;
use sabir_proto::path::FieldPath;
use sabir_proto::yaml;
use serde_json::{Map, Number, Value};

use super::problem::{Fault, Problems};

impl Problems {
    /// `value` if it is in `range`; else the nearest number that is, and a problem.
    pub(super) fn number(
        &mut self,
        path: &FieldPath<'_>,
        value: u32,
        range: RangeInclusive<u32>,
    ) -> u32 {
        let (min, max) = (*range.start(), *range.end());
        if !range.contains(&value) {
            let unlimited = max == u32::MAX;
            let fault = Fault::OutOfRange {
                value: value.into(),
                min: min.into(),
                max: if unlimited { u64::MAX } else { max.into() },
            };
            self.add(path, fault);
        }
        value.clamp(min, max)
    }

    /// `value` if it is in `range`; else the nearest number that is, and a problem.
    pub(super) fn fraction(
        &mut self,
        path: &FieldPath<'_>,
        value: f64,
        range: RangeInclusive<f64>,
    ) -> f64 {
        let (min, max) = range.into_inner();
        if (min..=max).contains(&value) {
            return value;
        }
        self.add(path, Fault::Fraction { value, min, max });
        // Also what is not a number.
        value.max(min).min(max)
    }

    /// The duration given, or `default`; more than zero.
    pub(super) fn positive(
        &mut self,
        path: &FieldPath<'_>,
        given: Option<&prost_types::Duration>,
        default: Duration,
    ) -> Duration {
        let duration = self.duration(path, given, default);
        if duration.is_zero() {
            self.add(path, Fault::ZeroDuration);
            return default;
        }
        duration
    }

    /// The duration given, or `default`.
    pub(super) fn duration(
        &mut self,
        path: &FieldPath<'_>,
        given: Option<&prost_types::Duration>,
        default: Duration,
    ) -> Duration {
        let Some(given) = given else {
            return default;
        };
        Duration::try_from(*given).unwrap_or_else(|_| {
            self.add(path, Fault::Duration);
            default
        })
    }

    /// As [`duration`](Self::duration), where zero means never.
    pub(super) fn timeout(
        &mut self,
        path: &FieldPath<'_>,
        given: Option<&prost_types::Duration>,
        default: Duration,
    ) -> Option<Duration> {
        let duration = self.duration(path, given, default);
        (!duration.is_zero()).then_some(duration)
    }

    /// The IP address and port that `text` is.
    pub(super) fn address(&mut self, path: &FieldPath<'_>, text: &str) -> Option<SocketAddr> {
        if text.is_empty() {
            self.add(path, Fault::Required);
            return None;
        }
        let address = text.parse().ok();
        if address.is_none() {
            let value = text.to_owned();
            self.add(path, Fault::Address { value });
        }
        address
    }

    /// The value of an enum by its number.
    pub(super) fn choice<T: TryFrom<i32> + Default>(
        &mut self,
        path: &FieldPath<'_>,
        number: i32,
    ) -> T {
        T::try_from(number).unwrap_or_else(|_| {
            self.add(path, Fault::UnknownEnumValue(number));
            T::default()
        })
    }

    /// A name of metadata, which is not empty.
    pub(super) fn metadata_name(&mut self, path: &FieldPath<'_>, text: &str) -> Option<Name> {
        if text.is_empty() {
            self.add(path, Fault::Required);
            return None;
        }
        Some(Name::new(text))
    }

    /// Reports that there is no `what` called `name`. Many names to choose from are not listed.
    pub(super) fn unknown<'a>(
        &mut self,
        path: &FieldPath<'_>,
        what: &'static str,
        name: &str,
        known: impl Iterator<Item = &'a str> + Clone,
    ) {
        // What has no name has a problem of its own.
        let known = known.filter(|known| !known.is_empty());
        let asked = (what, name.to_owned());
        let suggestion = match self.suggestions.get(&asked) {
            Some(suggestion) => suggestion.clone(),
            // To compare thousands of names with thousands would take minutes.
            None if self.suggestions.len() >= SUGGESTIONS => None,
            None => {
                let nearest = yaml::nearest(name, known.clone());
                self.suggestions.insert(asked, nearest.clone());
                nearest
            }
        };
        let few = known.clone().nth(LISTED).is_none();
        let known = known.filter(|_| few).map(str::to_owned).collect();
        let name = name.to_owned();
        self.add(
            path,
            Fault::Unknown {
                what,
                name,
                suggestion,
                known,
            },
        );
    }
}

/// Values that must differ, and the path of what has each.
#[derive(Debug, Default)]
pub(super) struct Unique(HashMap<String, String>);

impl Unique {
    /// Takes `value` for what is at `owner`, unless somebody has it, which is reported at `path`.
    pub(super) fn take(
        &mut self,
        problems: &mut Problems,
        path: &FieldPath<'_>,
        owner: &FieldPath<'_>,
        value: &str,
    ) {
        if let Some(first) = self.0.get(value) {
            let (value, first) = (value.to_owned(), first.clone());
            return problems.add(path, Fault::Taken { value, first });
        }
        self.0.insert(value.to_owned(), owner.to_string());
    }
}

/// Free-form data as codecs and filters read it: an empty object if absent, whole numbers as such.
pub(super) fn free_form(data: Option<&prost_types::Struct>) -> Value {
    let none = Value::Object(Map::new());
    data.map_or(none, |data| Value::Object(object(data)))
}

pub(super) fn object(data: &prost_types::Struct) -> Map<String, Value> {
    let fields = data.fields.iter();
    fields
        .map(|(key, value)| (key.clone(), json(value)))
        .collect()
}

fn json(value: &prost_types::Value) -> Value {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(*value),
        Some(Kind::NumberValue(value)) => number(*value),
        Some(Kind::StringValue(value)) => Value::String(value.clone()),
        Some(Kind::ListValue(list)) => list.values.iter().map(json).collect(),
        Some(Kind::StructValue(data)) => Value::Object(object(data)),
    }
}

/// Free-form data has no integers, but readers do: beyond 2^53, doubles are not exact anyway.
fn number(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        return Value::Number(Number::from(value as i64));
    }
    // What is not finite has no JSON form, which is reported for the whole configuration.
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// Names that others are suggested for.
const SUGGESTIONS: usize = 100;

/// Names that an error lists.
const LISTED: usize = 12;
