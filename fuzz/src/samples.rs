//! Messages to begin with, from `samples/*.txt`.

use bytes::Bytes;
use sabir_core::kit::Samples;

/// A message with its name.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What the message is to: a `request`, a `response` or `other`.
    pub kind: &'static str,
    /// What it is.
    pub name: &'static str,
    /// Its octets.
    pub octets: Bytes,
}

/// Dubbo, in the order of the file.
pub fn dubbo() -> Vec<Sample> {
    read(include_str!("../samples/dubbo.txt"), from_hex)
}

/// Motan, version 2 and 1.
pub fn motan2() -> Vec<Sample> {
    read(include_str!("../samples/motan2.txt"), from_hex)
}

/// Thrift in each transport and protocol.
pub fn thrift() -> Vec<Sample> {
    read(include_str!("../samples/thrift.txt"), from_hex)
}

/// HTTP/1, sound and not.
pub fn http1() -> Vec<Sample> {
    read(include_str!("../samples/http1.txt"), unescape)
}

/// HTTP/2 from the first octet of a connection, and single frames.
pub fn http2() -> Vec<Sample> {
    read(include_str!("../samples/http2.txt"), from_hex)
}

/// The samples by their kind.
pub fn by_kind(samples: &[Sample]) -> Samples {
    let of = |kind| {
        let chosen = samples.iter().filter(|sample| sample.kind == kind);
        chosen.map(|sample| sample.octets.clone()).collect()
    };
    Samples {
        requests: of("request"),
        responses: of("response"),
        others: of("other"),
    }
}

fn read(text: &'static str, octets: fn(&str) -> Vec<u8>) -> Vec<Sample> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &'static str| {
        let (kind, rest) = line.split_once(' ')?;
        let (name, text) = rest.split_once(' ')?;
        let octets = octets(text).into();
        Some(Sample { kind, name, octets })
    };
    let read = lines.map(|line| sample(line).unwrap_or_else(|| panic!("no sample: {line}")));
    read.collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    let octet = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits");
    (0..text.len()).step_by(2).map(octet).collect()
}

/// Octets of text in which `\r`, `\n` and `\x00` stand for what they do elsewhere.
fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        (octets, rest) = match (first, after) {
            (b'\\', [b'r', after @ ..]) => (with(octets, b'\r'), after),
            (b'\\', [b'n', after @ ..]) => (with(octets, b'\n'), after),
            (b'\\', [b'x', a, b, after @ ..]) => {
                let digits = String::from_utf8_lossy(&[*a, *b]).into_owned();
                (with(octets, from_hex(&digits)[0]), after)
            }
            _ => (with(octets, *first), after),
        };
    }
    octets
}

fn with(mut octets: Vec<u8>, octet: u8) -> Vec<u8> {
    octets.push(octet);
    octets
}
