//! What a scalar says, by YAML's core schema (YAML 1.2.2 §10.3.2).

use prost_types::Duration;

use super::error::ErrorKind;
use super::tree::{Content, Node, is_null};

/// What a node is, as the core schema sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape<'a> {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(&'a str),
    Sequence,
    Mapping,
    Tagged(&'a str),
}

impl<'a> Shape<'a> {
    pub(super) fn of(node: &'a Node) -> Self {
        match &node.content {
            Content::Scalar { text, plain: true } => resolve(text),
            Content::Scalar { text, plain: false } => Self::Text(text),
            Content::Sequence(_) => Self::Sequence,
            Content::Mapping(_) => Self::Mapping,
            Content::Tagged(tag) => Self::Tagged(tag),
        }
    }

    /// The error of a node that should have been something else.
    pub(super) fn instead_of(self, expected: &'static str) -> ErrorKind {
        let found = match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a string",
            Self::Sequence => "a list",
            Self::Mapping => "a mapping",
            Self::Tagged(tag) => {
                return ErrorKind::UnsupportedTag {
                    tag: tag.to_owned(),
                };
            }
        };
        ErrorKind::WrongType { expected, found }
    }
}

/// An integer from `min` to `max`; proto-JSON takes it as a number, with a
/// fraction of zero too, or as a string of digits.
pub(super) fn integer(shape: Shape<'_>, min: i128, max: i128) -> Result<i128, ErrorKind> {
    let expected = "a whole number";
    let value = match shape {
        Shape::Integer(value) => value,
        Shape::Float(value) if value.is_nan() || (value.is_finite() && value.fract() != 0.0) => {
            return Err(ErrorKind::NotWhole {
                value: value.to_string(),
            });
        }
        // Saturates, which is out of range for every type there is.
        Shape::Float(value) => value as i128,
        Shape::Text(text) => text.parse().map_err(|_| shape.instead_of(expected))?,
        other => return Err(other.instead_of(expected)),
    };
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    Err(out_of_range(value, min, max))
}

/// A floating-point number not beyond `max`; proto-JSON takes it as a number or
/// a string, and "NaN", "Infinity" and "-Infinity".
pub(super) fn float(shape: Shape<'_>, max: f64) -> Result<f64, ErrorKind> {
    let expected = "a number";
    let value = match shape {
        Shape::Integer(value) => value as f64,
        Shape::Float(value) => value,
        Shape::Text("NaN") => f64::NAN,
        Shape::Text("Infinity") => f64::INFINITY,
        Shape::Text("-Infinity") => f64::NEG_INFINITY,
        Shape::Text(text) => match resolve(text) {
            Shape::Integer(value) => value as f64,
            Shape::Float(value) => value,
            _ => return Err(shape.instead_of(expected)),
        },
        other => return Err(other.instead_of(expected)),
    };
    if value.is_finite() && value.abs() > max {
        return Err(out_of_range(value, -max, max));
    }
    Ok(value)
}

/// A number of free-form data, which keeps its value or is refused.
pub(super) fn free_number(shape: Shape<'_>) -> Result<f64, ErrorKind> {
    let inexact = |value: String| Err(ErrorKind::Inexact { value });
    match shape {
        Shape::Integer(value) if value.unsigned_abs() <= EXACT_IN_DOUBLE => Ok(value as f64),
        Shape::Integer(value) => inexact(value.to_string()),
        Shape::Float(value) if !value.is_finite() => inexact(value.to_string()),
        Shape::Float(value) => Ok(value),
        other => Err(other.instead_of("a number")),
    }
}

/// proto-JSON's duration: seconds with up to nine digits of fraction and an s.
pub(super) fn duration(shape: Shape<'_>) -> Result<Duration, ErrorKind> {
    let Shape::Text(text) = shape else {
        return Err(shape.instead_of("a duration"));
    };
    let invalid = || ErrorKind::Duration {
        value: text.to_owned(),
    };
    let number = text.strip_suffix('s').ok_or_else(invalid)?;
    let (number, negative) = match number.strip_prefix('-') {
        Some(number) => (number, true),
        None => (number, false),
    };
    let (seconds, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(seconds) || !digits(fraction) || fraction.len() > 9 {
        return Err(invalid());
    }
    if negative {
        return Err(ErrorKind::NegativeDuration);
    }
    // Both are digits only: what fails is too large.
    let seconds = seconds.parse().unwrap_or(i64::MAX);
    if seconds > MAX_SECONDS {
        return Err(out_of_range(
            format!("{seconds}s"),
            "0s".into(),
            format!("{MAX_SECONDS}s"),
        ));
    }
    let nanos = format!("{fraction:0<9}").parse().map_err(|_| invalid())?;
    Ok(Duration { seconds, nanos })
}

/// The value of a plain scalar.
pub(super) fn resolve(text: &str) -> Shape<'_> {
    match text {
        _ if is_null(text) => Shape::Null,
        "true" | "True" | "TRUE" => Shape::Bool(true),
        "false" | "False" | "FALSE" => Shape::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Shape::Float(f64::NAN),
        _ => number(text).unwrap_or(Shape::Text(text)),
    }
}

fn number(text: &str) -> Option<Shape<'_>> {
    let radix = |digits, radix| i128::from_str_radix(digits, radix).ok().map(Shape::Integer);
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(unsigned(digits)?, 8);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(unsigned(digits)?, 16);
    }
    let (magnitude, sign) = match text.as_bytes().first()? {
        b'-' => (&text[1..], -1.0),
        b'+' => (&text[1..], 1.0),
        _ => (text, 1.0),
    };
    if matches!(magnitude, ".inf" | ".Inf" | ".INF") {
        return Some(Shape::Float(sign * f64::INFINITY));
    }
    let first = magnitude.bytes().find(|&byte| byte != b'.')?;
    let allowed = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    if !first.is_ascii_digit() || !magnitude.bytes().all(allowed) {
        return None;
    }
    let integer = text.parse().ok().map(Shape::Integer);
    integer.or_else(|| text.parse().ok().map(Shape::Float))
}

/// The digits, unless a sign comes first.
fn unsigned(digits: &str) -> Option<&str> {
    (!digits.starts_with(['+', '-'])).then_some(digits)
}

fn out_of_range<T: ToString>(value: T, min: T, max: T) -> ErrorKind {
    ErrorKind::OutOfRange {
        value: value.to_string(),
        min: min.to_string(),
        max: max.to_string(),
    }
}

/// Integers up to 2^53 are themselves in a double.
const EXACT_IN_DOUBLE: u128 = 1 << 53;

/// google/protobuf/duration.proto: 10 000 years.
const MAX_SECONDS: i64 = 315_576_000_000;

#[cfg(test)]
mod tests {
    use super::{Shape, duration, float, free_number, integer, resolve};

    #[test]
    fn plain_scalars_are_what_the_core_schema_says() {
        for text in ["", "~", "null", "Null", "NULL"] {
            assert_eq!(resolve(text), Shape::Null, "{text:?}");
        }
        for (text, value) in [
            ("0", 0),
            ("-12", -12),
            ("+7", 7),
            ("0x1F", 31),
            ("0o17", 15),
            ("007", 7),
        ] {
            assert_eq!(resolve(text), Shape::Integer(value), "{text:?}");
        }
        for (text, value) in [
            ("1.5", 1.5),
            ("-.5", -0.5),
            ("1.", 1.0),
            ("2e3", 2000.0),
            ("1E-1", 0.1),
        ] {
            assert_eq!(resolve(text), Shape::Float(value), "{text:?}");
        }
        assert_eq!(resolve("-.inf"), Shape::Float(f64::NEG_INFINITY));
        assert_eq!(resolve("TRUE"), Shape::Bool(true));
    }

    #[test]
    fn everything_else_is_text() {
        for text in [
            "yes", "no", "on", "1.2.3", "10.0.0.1", "1_000", "1.5s", "e3", "-", "+", ".", "..1x",
            "0x", "0x+1", "0o8", "inf", "nan", "infinity", "1e", "--1", "tRue",
        ] {
            assert_eq!(resolve(text), Shape::Text(text));
        }
    }

    #[test]
    fn integers_come_as_numbers_or_digits() {
        let read = |shape| integer(shape, 0, 255).map_err(|error| error.to_string());
        assert_eq!(read(Shape::Integer(255)), Ok(255));
        assert_eq!(read(Shape::Float(1e2)), Ok(100));
        assert_eq!(read(Shape::Text("17")), Ok(17));
        assert_eq!(
            read(Shape::Integer(256)),
            Err("256 is out of range; it can be from 0 to 255".into())
        );
        assert!(
            read(Shape::Float(f64::INFINITY))
                .unwrap_err()
                .contains("out of range")
        );
        assert_eq!(
            read(Shape::Float(1.5)),
            Err("1.5 is not a whole number".into())
        );
        assert_eq!(
            read(Shape::Text("x")),
            Err("expected a whole number, found a string".into())
        );
    }

    #[test]
    fn floats_come_as_numbers_or_text() {
        let read = |shape| float(shape, f64::from(f32::MAX)).map_err(|error| error.to_string());
        assert_eq!(read(Shape::Integer(3)), Ok(3.0));
        assert_eq!(read(Shape::Text("0.5")), Ok(0.5));
        assert_eq!(read(Shape::Text("-Infinity")), Ok(f64::NEG_INFINITY));
        assert!(
            read(Shape::Float(1e39))
                .unwrap_err()
                .contains("out of range")
        );
        assert_eq!(
            read(Shape::Bool(true)),
            Err("expected a number, found a boolean".into())
        );
    }

    #[test]
    fn free_numbers_keep_their_value_or_are_refused() {
        assert_eq!(
            free_number(Shape::Integer(1 << 53)),
            Ok(9_007_199_254_740_992.0)
        );
        assert!(free_number(Shape::Integer((1 << 53) + 1)).is_err());
        assert!(free_number(Shape::Float(f64::NAN)).is_err());
    }

    #[test]
    fn durations_are_seconds_with_an_s() {
        let read = |text| duration(Shape::Text(text)).map(|read| (read.seconds, read.nanos));
        assert_eq!(read("0s"), Ok((0, 0)));
        assert_eq!(read("1.5s"), Ok((1, 500_000_000)));
        assert_eq!(read("0.000000001s"), Ok((0, 1)));
        assert_eq!(read("315576000000s"), Ok((315_576_000_000, 0)));
        for text in [
            "1",
            "s",
            "1ms",
            "1.s",
            ".5s",
            "1.0000000001s",
            "1 s",
            "+1s",
            "1e3s",
            "five s",
            "-s",
        ] {
            let message = read(text).unwrap_err().to_string();
            assert_eq!(
                message,
                format!("{text:?} is not a duration; write seconds, with an s: \"1.5s\"")
            );
        }
        assert_eq!(
            read("-1s").unwrap_err().to_string(),
            "a duration cannot be negative"
        );
        for text in ["315576000001s", "99999999999999999999s"] {
            assert!(
                read(text).unwrap_err().to_string().contains("out of range"),
                "{text}"
            );
        }
    }
}
