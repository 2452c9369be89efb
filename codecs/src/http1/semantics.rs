//! What HTTP says in either version of asking again, and of how long somebody waits.
//!
//! Specification: RFC 9110 §9.2.2 and §10.2.3.

use std::sync::LazyLock;
use std::time::Duration;

use sabir_core::head::Head;
use sabir_core::name::Name;
use sabir_core::protocol::RetryAfter;

/// Whether a request of this method may be made twice. RFC 9110 §9.2.2.
pub(crate) fn is_idempotent(verb: &[u8]) -> bool {
    matches!(
        verb,
        b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"PUT" | b"DELETE"
    )
}

/// How long the caller waits, where its proxy or client says so: `x-envoy-expected-rq-timeout-ms`,
/// or else `x-request-timeout`, a number with `ms`, `s` or `m`; of milliseconds if it is bare.
pub(crate) fn caller_timeout(request: &Head) -> Option<Duration> {
    let value = |name| request.metadata().all(name).next();
    let expected = value(&EXPECTED).and_then(millis);
    expected.or_else(|| duration(value(&ASKED)?))
}

/// Says how long the caller waits, as Envoy says it to whom it asks; rounded up, so that a little
/// is not nothing.
pub(crate) fn set_timeout(request: &mut Head, left: Duration) {
    let millis = left.as_nanos().div_ceil(1_000_000).to_string();
    if request.metadata().all(&ASKED).next().is_some() {
        request.set(&ASKED, format!("{millis}ms").as_bytes());
    }
    request.set(&EXPECTED, millis.as_bytes());
}

/// `Retry-After` in seconds. Dates are not looked at: the clock they mean is not ours.
pub(crate) fn retry_after(response: &Head) -> Option<RetryAfter> {
    let value = response.metadata().all(&RETRY_AFTER).next()?;
    let seconds = number(value.trim_ascii())?;
    Some(RetryAfter::After(Duration::from_secs(seconds)))
}

fn duration(value: &[u8]) -> Option<Duration> {
    let value = value.trim_ascii();
    let digits = value.iter().take_while(|b| b.is_ascii_digit()).count();
    let (count, unit) = value.split_at(digits);
    let count = number(count)?;
    match unit {
        b"" | b"ms" => Some(Duration::from_millis(count)),
        b"s" => Some(Duration::from_secs(count)),
        b"m" => Some(Duration::from_secs(count.checked_mul(60)?)),
        _ => None,
    }
}

/// Milliseconds in decimal; `None` for what is no number.
fn millis(value: &[u8]) -> Option<Duration> {
    number(value.trim_ascii()).map(Duration::from_millis)
}

fn number(digits: &[u8]) -> Option<u64> {
    let all = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    all.then(|| std::str::from_utf8(digits).ok()?.parse().ok())?
}

static EXPECTED: LazyLock<Name> = LazyLock::new(|| Name::new("x-envoy-expected-rq-timeout-ms"));
static ASKED: LazyLock<Name> = LazyLock::new(|| Name::new("x-request-timeout"));
static RETRY_AFTER: LazyLock<Name> = LazyLock::new(|| Name::new("retry-after"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_or_are_milliseconds() {
        let (ms, s) = (Duration::from_millis, Duration::from_secs);
        for (text, means) in [
            ("250", Some(ms(250))),
            (" 250ms", Some(ms(250))),
            ("2s", Some(s(2))),
            ("1m", Some(s(60))),
            ("0", Some(Duration::ZERO)),
            ("", None),
            ("s", None),
            ("-1", None),
            ("1.5s", None),
            ("1h", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(duration(text.as_bytes()), means, "{text}");
        }
    }

    #[test]
    fn what_may_be_repeated() {
        for verb in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
            assert!(is_idempotent(verb.as_bytes()), "{verb}");
        }
        for verb in ["POST", "PATCH", "CONNECT", "get", ""] {
            assert!(!is_idempotent(verb.as_bytes()), "{verb}");
        }
    }
}
