//! How configuration of filters writes durations, shares of requests and ranges of addresses.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use sabir_core::outcome::Code;
use sabir_core::protocol::OptionsError;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, Unexpected};
use serde_json::Value;

/// Reads the `config` of a filter; errors have the path of the field.
pub(crate) fn read<T: DeserializeOwned>(config: &Value) -> Result<T, OptionsError> {
    serde_path_to_error::deserialize(config).map_err(|error| {
        let path = error.path().to_string();
        let problem = error.into_inner();
        OptionsError(match path.as_str() {
            "." => problem.to_string(),
            path => format!("{path}: {problem}"),
        })
    })
}

/// A problem of the field at `path`.
pub(crate) fn wrong(path: &str, problem: impl std::fmt::Display) -> OptionsError {
    OptionsError(format!("{path}: {problem}"))
}

/// A duration as the rest of the configuration has it: seconds with up to nine decimals and an
/// `s`, `"0.25s"`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let wanted = "a duration in seconds, as 1s or 0.25s";
        let span = span(&text);
        span.ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), &wanted))
    }
}

fn span(text: &str) -> Option<Span> {
    let text = text.strip_suffix('s')?;
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let sound = is_number(whole) && is_number(part) && (1..=9).contains(&part.len());
    let nanos = format!("{part:0<9}").parse().ok()?;
    sound.then_some(Span(Duration::new(whole.parse().ok()?, nanos)))
}

/// A share of requests: percent, `12.5`, or as in xDS, `{numerator: 125, denominator:
/// TEN_THOUSAND}`, whose denominator is `HUNDRED` if absent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Share {
    /// Requests of a million.
    millionths: u32,
}

impl Share {
    /// Every request.
    pub const ALL: Self = Self {
        millionths: MILLION,
    };
    /// No request.
    pub const NONE: Self = Self { millionths: 0 };

    /// So many percent; more than 100, or what is no number, is refused.
    pub fn percent(percent: f64) -> Option<Self> {
        let sound = (0.0..=100.0).contains(&percent);
        sound.then(|| Self {
            millionths: (percent * 10_000.0).round() as u32,
        })
    }

    /// Whether a request that drew this random number is one of them.
    pub fn has(self, random: u64) -> bool {
        // The high bits of the product are even over the million.
        let drawn = (u128::from(random) * u128::from(MILLION)) >> 64;
        drawn < u128::from(self.millionths)
    }

    /// The smaller of two.
    pub(crate) fn min(self, other: Self) -> Self {
        let millionths = self.millionths.min(other.millionths);
        Self { millionths }
    }
}

const MILLION: u32 = 1_000_000;

#[derive(Deserialize)]
#[serde(untagged)]
enum ShareForm {
    Percent(f64),
    Fraction(Fraction),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fraction {
    #[serde(default)]
    numerator: u32,
    #[serde(default)]
    denominator: Denominator,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Denominator {
    #[default]
    Hundred,
    TenThousand,
    Million,
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let wanted = "a percentage from 0 to 100, or a numerator with a denominator of HUNDRED, \
                      TEN_THOUSAND or MILLION";
        let form = ShareForm::deserialize(from).map_err(|_| D::Error::custom(wanted))?;
        let share = match form {
            ShareForm::Percent(percent) => Self::percent(percent),
            ShareForm::Fraction(fraction) => fraction.share(),
        };
        share.ok_or_else(|| D::Error::custom(wanted))
    }
}

impl Fraction {
    fn share(&self) -> Option<Share> {
        let each = match self.denominator {
            Denominator::Hundred => 10_000,
            Denominator::TenThousand => 100,
            Denominator::Million => 1,
        };
        let millionths = self.numerator.checked_mul(each)?;
        (millionths <= MILLION).then_some(Share { millionths })
    }
}

/// The neutral code of an answer that a filter gives: any but `ok`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Status(pub Code);

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let code = Code::from_name(&text).filter(|code| *code != Code::Ok);
        let known: Vec<_> = Code::ALL[1..].iter().map(|code| code.as_str()).collect();
        let known = format!("one of {}", known.join(", "));
        let error = || D::Error::invalid_value(Unexpected::Str(&text), &known.as_str());
        code.map(Self).ok_or_else(error)
    }
}

/// The network that `text` is: an address, or one with the length of its prefix.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    let alone = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(alone)
}

/// Whether `address` is in `network`. An IPv4 address that reached an IPv6 socket is one of IPv4.
pub(crate) fn is_in(network: &IpNet, address: IpAddr) -> bool {
    network.contains(&address.to_canonical())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations_are_read() {
        let nanos = |text: &str| span(text).map(|Span(span)| span.as_nanos());
        for (text, wanted) in [
            ("1s", 1_000_000_000),
            ("0.25s", 250_000_000),
            ("0.000000001s", 1),
            ("0s", 0),
        ] {
            assert_eq!(nanos(text), Some(wanted), "{text}");
        }
        for text in [
            "",
            "s",
            "1",
            "-1s",
            "1.s",
            "1.0000000001s",
            "1 s",
            "+1s",
            "1ms",
        ] {
            assert_eq!(nanos(text), None, "{text}");
        }
    }

    #[test]
    fn shares_are_read() {
        let share = |value: Value| read::<Share>(&value).ok().map(|share| share.millionths);
        assert_eq!(share(json!(12.5)), Some(125_000));
        assert_eq!(share(json!(100)), Some(MILLION));
        assert_eq!(share(json!({"numerator": 3})), Some(30_000));
        let million = json!({"numerator": 3, "denominator": "MILLION"});
        assert_eq!(share(million), Some(3));
        for wrong in [
            json!(-1),
            json!(100.1),
            json!("all"),
            json!({"numerator": 101}),
            json!({"numerator": 1, "denominator": "TEN"}),
            json!({"numerator": 1, "of": 2}),
        ] {
            assert_eq!(share(wrong.clone()), None, "{wrong}");
        }
    }

    #[test]
    fn a_share_has_that_part_of_all_numbers() {
        assert!(Share::ALL.has(u64::MAX) && Share::ALL.has(0));
        assert!(!Share::NONE.has(0));
        let half = Share::percent(50.0).unwrap();
        assert!(half.has(u64::MAX / 2) && !half.has(u64::MAX / 2 + 1));
    }

    #[test]
    fn networks_have_addresses() {
        let ten = network("10.0.0.0/8").unwrap();
        assert!(is_in(&ten, "::ffff:10.1.2.3".parse().unwrap()));
        assert!(!is_in(&ten, "11.1.2.3".parse().unwrap()));
        assert!(is_in(&network("::1").unwrap(), "::1".parse().unwrap()));
        assert_eq!(network("10.0.0.0/33"), None);
    }
}
