//! Conditions on metadata and addresses, as rules of filters write them.

use std::net::IpAddr;

use ipnet::IpNet;
use sabir_core::bytes::Bytes;
use sabir_core::protocol::OptionsError;
use sabir_core::value::{Case, Pattern, Sense, ValueMatcher};
use serde::Deserialize;

use crate::setting::wrong;

/// A condition on the values of one name, as in the `match` of a route: exactly one pattern.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ValueMatch {
    /// The value is this.
    pub exact: Option<String>,
    /// The value begins with this, which is not empty.
    pub prefix: Option<String>,
    /// The value ends with this, which is not empty.
    pub suffix: Option<String>,
    /// The value has this somewhere in it, which is not empty.
    pub contains: Option<String>,
    /// The whole value matches this regular expression, in the syntax of the crate `regex`.
    pub regex: Option<String>,
    /// The value is a decimal integer in this range.
    pub range: Option<Int64Range>,
    /// True: there is a value, possibly empty. False: there is none.
    pub present: Option<bool>,
    /// The value is one of these.
    pub one_of: Option<StringList>,
    /// Letters compare without regard to case. Only with patterns of text. Default: false.
    pub ignore_case: bool,
    /// The condition holds if there are values and none of them does. Not with `present`. Default:
    /// false.
    pub invert: bool,
}

/// The integers from `start` up to, but not including, `end`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Int64Range {
    /// The first integer of the range. Default: 0.
    pub start: i64,
    /// The first integer after the range. More than `start`.
    pub end: i64,
}

/// A list of strings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StringList {
    /// At least one.
    pub values: Vec<String>,
}

/// A network, as xDS writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CidrRange {
    /// An address of it, whose bits behind the prefix do not matter. Required.
    pub address_prefix: String,
    /// Bits that addresses of it have in common. Absent: 0, every address of that family.
    #[serde(default)]
    pub prefix_len: u8,
}

impl ValueMatch {
    pub(crate) fn compile(&self, path: &str) -> Result<ValueMatcher, OptionsError> {
        let text = |text: &Option<String>| text.clone().map(Bytes::from);
        let list = |list: &StringList| list.values.iter().cloned().map(Bytes::from).collect();
        let patterns = [
            text(&self.exact).map(Pattern::Exact),
            text(&self.prefix).map(Pattern::Prefix),
            text(&self.suffix).map(Pattern::Suffix),
            text(&self.contains).map(Pattern::Contains),
            self.regex.clone().map(Pattern::Regex),
            self.range
                .map(|range| Pattern::Range(range.start..range.end)),
            self.present.map(|present| match present {
                true => Pattern::Present,
                false => Pattern::Absent,
            }),
            self.one_of.as_ref().map(list).map(Pattern::OneOf),
        ];
        let mut patterns = patterns.into_iter().flatten();
        let (Some(pattern), None) = (patterns.next(), patterns.next()) else {
            let one = "give one of exact, prefix, suffix, contains, regex, range, present, one_of";
            return Err(wrong(path, one));
        };
        let case = match self.ignore_case {
            true => Case::Ignore,
            false => Case::Sensitive,
        };
        let sense = match self.invert {
            true => Sense::Inverted,
            false => Sense::Positive,
        };
        ValueMatcher::new(pattern, case, sense).map_err(|error| wrong(path, error))
    }
}

impl CidrRange {
    pub(crate) fn compile(&self, path: &str) -> Result<IpNet, OptionsError> {
        let address: Option<IpAddr> = self.address_prefix.parse().ok();
        let Some(address) = address else {
            let problem = format!("`{}` is no IP address", self.address_prefix);
            return Err(wrong(&format!("{path}.address_prefix"), problem));
        };
        let network = IpNet::new(address, self.prefix_len);
        let longest = if address.is_ipv4() { 32 } else { 128 };
        network.map_err(|_| wrong(&format!("{path}.prefix_len"), format!("at most {longest}")))
    }
}
