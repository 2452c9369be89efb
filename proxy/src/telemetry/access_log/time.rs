//! Points in time as text, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

use super::escape::decimal;
use super::{Style, escape};

/// How a point in time is written.
#[derive(Clone, Debug)]
pub(super) struct TimeFormat(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Literal(Box<str>),
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    EpochSeconds,
    /// This many digits of the second's fraction, 1 to 9.
    Fraction(u8),
}

/// A point in time that a format's letters ask for.
struct Moment {
    year: u64,
    month: u64,
    day: u64,
    /// Since 1970-01-01T00:00:00Z.
    seconds: u64,
    nanos: u32,
}

impl TimeFormat {
    /// RFC 3339 with milliseconds.
    pub(super) fn rfc3339() -> Self {
        let text = |text: &str| Part::Literal(text.into());
        let date = [Part::Year, text("-"), Part::Month, text("-"), Part::Day];
        let hours = [text("T"), Part::Hour, text(":"), Part::Minute, text(":")];
        let rest = [Part::Second, text("."), Part::Fraction(3), text("Z")];
        Self(date.into_iter().chain(hours).chain(rest).collect())
    }

    /// Compiles `format`. The error is the offset of a letter that is not known.
    pub(super) fn parse(format: &str) -> Result<Self, usize> {
        let mut parts = Vec::new();
        let mut rest = format;
        while let Some(at) = rest.find('%') {
            let offset = format.len() - rest.len() + at;
            push_text(&mut parts, &rest[..at]);
            rest = &rest[at + 1..];
            let digits = rest.bytes().next().filter(|b| matches!(b, b'1'..=b'9'));
            rest = &rest[usize::from(digits.is_some())..];
            let letter = rest.chars().next().ok_or(offset)?;
            rest = &rest[letter.len_utf8()..];
            push_letter(&mut parts, letter, digits.map(|b| b - b'0')).ok_or(offset)?;
        }
        push_text(&mut parts, rest);
        Ok(Self(parts))
    }

    /// Appends `time`. A time before 1970 is written as 1970.
    pub(super) fn write(&self, out: &mut Vec<u8>, time: SystemTime, style: Style) {
        let moment = Moment::of(time);
        let of_day = moment.seconds % 86_400;
        for part in &self.0 {
            match part {
                Part::Literal(text) if style == Style::Text => {
                    out.extend_from_slice(text.as_bytes());
                }
                Part::Literal(text) => escape::json(out, text.as_bytes()),
                Part::Year => decimal(out, moment.year, 4),
                Part::Month => decimal(out, moment.month, 2),
                Part::Day => decimal(out, moment.day, 2),
                Part::Hour => decimal(out, of_day / 3600, 2),
                Part::Minute => decimal(out, of_day / 60 % 60, 2),
                Part::Second => decimal(out, of_day % 60, 2),
                Part::EpochSeconds => decimal(out, moment.seconds, 1),
                &Part::Fraction(digits) => {
                    let value = moment.nanos / 10_u32.pow(9 - u32::from(digits));
                    decimal(out, value.into(), digits.into());
                }
            }
        }
    }
}

impl Moment {
    fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = since.as_secs();
        let (year, month, day) = civil(seconds / 86_400);
        Self {
            year,
            month,
            day,
            seconds,
            nanos: since.subsec_nanos(),
        }
    }
}

/// Year, month and day in the Gregorian calendar, so many days after 1970-01-01.
///
/// Counts from 1 March of year 0, so that the leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let january_first = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(january_first <= 2);
    (year, january_first, day)
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Literal(text.into()));
    }
}

/// Appends what `letter` asks for; `None` if there is no such letter.
fn push_letter(parts: &mut Vec<Part>, letter: char, digits: Option<u8>) -> Option<()> {
    let text = |text: &str| Part::Literal(text.into());
    let date = || [Part::Year, text("-"), Part::Month, text("-"), Part::Day];
    let hours = || [Part::Hour, text(":"), Part::Minute, text(":"), Part::Second];
    match (letter, digits) {
        ('f', digits) => parts.push(Part::Fraction(digits.unwrap_or(9))),
        (_, Some(_)) => return None,
        ('Y', _) => parts.push(Part::Year),
        ('m', _) => parts.push(Part::Month),
        ('d', _) => parts.push(Part::Day),
        ('H', _) => parts.push(Part::Hour),
        ('M', _) => parts.push(Part::Minute),
        ('S', _) => parts.push(Part::Second),
        ('s', _) => parts.push(Part::EpochSeconds),
        ('F', _) => parts.extend(date()),
        ('T', _) => parts.extend(hours()),
        ('%', _) => parts.push(text("%")),
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn written(format: &TimeFormat, seconds: u64, nanos: u32) -> String {
        let mut out = Vec::new();
        let time = UNIX_EPOCH + Duration::new(seconds, nanos);
        format.write(&mut out, time, Style::Text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_written_as_rfc_3339() {
        let format = TimeFormat::rfc3339();
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(written(&format, seconds, 0), expected);
        }
        assert_eq!(written(&format, 1, 9_999_999), "1970-01-01T00:00:01.009Z");
    }

    #[test]
    fn formats_take_letters() {
        let format = TimeFormat::parse("%s.%3f %F %T %% %f %Y%m%dT%H%M%S").unwrap();
        let expected = "86399.012 1970-01-01 23:59:59 % 012345678 19700101T235959";
        assert_eq!(written(&format, 86_399, 12_345_678), expected);
    }

    #[test]
    fn unknown_letters_are_refused_where_they_stand() {
        assert_eq!(TimeFormat::parse("%Y-%q").unwrap_err(), 3);
        assert_eq!(TimeFormat::parse("%3Y").unwrap_err(), 0);
        assert_eq!(TimeFormat::parse("ab%").unwrap_err(), 2);
    }
}
