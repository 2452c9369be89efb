//! gRPC: how an exchange ended, as its trailers say.
//!
//! Specification: `doc/PROTOCOL-HTTP2.md`, `doc/statuscodes.md` and
//! `doc/http-grpc-status-mapping.md` of grpc/grpc.

use std::sync::LazyLock;
use std::time::Duration;

use sabir_core::head::Head;
use sabir_core::name::Name;
use sabir_core::outcome::{Code, Executed, Outcome, Party};
use sabir_core::protocol::RetryAfter;

/// `content-type` of messages in the encoding that every server knows.
pub(super) const CONTENT_TYPE: &[u8] = b"application/grpc";

/// The status of success.
pub(super) const OK: u32 = 0;

const CANCELLED: u32 = 1;
const UNKNOWN: u32 = 2;
const INVALID_ARGUMENT: u32 = 3;
const DEADLINE_EXCEEDED: u32 = 4;
const PERMISSION_DENIED: u32 = 7;
/// Of limits, which clients do not retry.
pub(super) const RESOURCE_EXHAUSTED: u32 = 8;
const UNIMPLEMENTED: u32 = 12;
const INTERNAL: u32 = 13;
const UNAVAILABLE: u32 = 14;
const DATA_LOSS: u32 = 15;
const UNAUTHENTICATED: u32 = 16;

/// Whether a content type is gRPC's, with any encoding of messages. gRPC-Web is another protocol.
pub(super) fn is_content_type(value: &[u8]) -> bool {
    let of_grpc = value.get(..CONTENT_TYPE.len());
    let rest = value.get(CONTENT_TYPE.len());
    of_grpc.is_some_and(|v| v.eq_ignore_ascii_case(CONTENT_TYPE))
        && matches!(rest, None | Some(b'+' | b';' | b' '))
}

/// Service and method of a path, `/package.Service/Method`.
pub(super) fn split_path(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = memchr::memrchr(b'/', path).filter(|&at| at > 1)?;
    Some((path.get(1..slash)?, &path[slash + 1..]))
}

/// A status as trailers spell it; what is no number is [`UNKNOWN`].
pub(super) fn status(value: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(value).ok();
    Some(text.and_then(|t| t.parse().ok()).unwrap_or(UNKNOWN))
}

/// How an exchange with this status ended.
pub(super) fn outcome(status: u32) -> Outcome {
    let (party, executed, code) = match status {
        OK => return Outcome::OK,
        CANCELLED => (Party::Caller, Executed::Maybe, Code::Cancelled),
        DEADLINE_EXCEEDED => (Party::Infrastructure, Executed::Maybe, Code::TimedOut),
        PERMISSION_DENIED | UNAUTHENTICATED => (Party::Business, Executed::Yes, Code::Denied),
        RESOURCE_EXHAUSTED => (Party::Infrastructure, Executed::Maybe, Code::RateLimited),
        UNIMPLEMENTED => (Party::Infrastructure, Executed::No, Code::Unimplemented),
        INTERNAL | DATA_LOSS => (Party::Infrastructure, Executed::Maybe, Code::Internal),
        UNAVAILABLE => (Party::Infrastructure, Executed::Maybe, Code::Unavailable),
        // The rest say what the callee's own code found.
        _ => return Outcome::BUSINESS_ERROR,
    };
    Outcome::new(party, executed, code)
}

/// How an exchange whose trailers have no status ended.
pub(super) const NO_STATUS: Outcome =
    Outcome::new(Party::Infrastructure, Executed::Maybe, Code::BadResponse);

/// Status of an answer of the proxy's own.
pub(super) fn of_code(code: Code) -> u32 {
    match code {
        Code::Ok => OK,
        Code::BadRequest => INVALID_ARGUMENT,
        Code::NotFound | Code::Unimplemented => UNIMPLEMENTED,
        Code::Unavailable | Code::Overloaded => UNAVAILABLE,
        Code::TimedOut => DEADLINE_EXCEEDED,
        Code::RateLimited => RESOURCE_EXHAUSTED,
        Code::Denied => PERMISSION_DENIED,
        Code::Cancelled => CANCELLED,
        Code::BadResponse | Code::Internal => INTERNAL,
        _ => UNKNOWN,
    }
}

/// Status that stands for an answer of HTTP's.
pub(super) fn of_http(status: u16) -> u32 {
    match status {
        400 | 431 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => UNIMPLEMENTED,
        429 | 502 | 503 | 504 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

/// Text as `grpc-message` carries it: what is not printable, and `%`, as `%XX` of its UTF-8.
pub fn percent_encode(text: &str) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(text.len());
    for &octet in text.as_bytes() {
        if matches!(octet, b' '..=b'~') && octet != b'%' {
            encoded.push(octet);
            continue;
        }
        let digit = |nibble: u8| b"0123456789ABCDEF"[usize::from(nibble & 0xf)];
        encoded.extend([b'%', digit(octet >> 4), digit(octet)]);
    }
    // Space at an end is no part of a field value.
    let trimmed = encoded.trim_ascii();
    if trimmed.len() == encoded.len() {
        return encoded;
    }
    trimmed.to_vec()
}

/// The time that `grpc-timeout` allows; `None` if it is malformed. What exceeds the largest
/// duration is cut to it.
pub fn timeout(value: &[u8]) -> Option<Duration> {
    let (&unit, digits) = value.split_last()?;
    if !(1..=MOST_DIGITS).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |n: u64, d: &u8| n * 10 + u64::from(d - b'0');
    let count = digits.iter().fold(0, digit);
    Some(match unit {
        b'H' => Duration::from_secs(count * 3600),
        b'M' => Duration::from_secs(count * 60),
        b'S' => Duration::from_secs(count),
        b'm' => Duration::from_millis(count),
        b'u' => Duration::from_micros(count),
        b'n' => Duration::from_nanos(count),
        _ => return None,
    })
}

/// Whether a request, in HTTP of either version, is gRPC.
pub(super) fn is_request(request: &Head) -> bool {
    request.any(&CONTENT, is_content_type)
}

/// The time that the `grpc-timeout` of a request allows that HTTP/1 brought.
pub(super) fn caller_timeout(request: &Head) -> Option<Duration> {
    timeout(request.metadata().all(&TIMEOUT).next()?)
}

/// Says in a request how long its caller waits.
pub(super) fn set_timeout(request: &mut Head, left: Duration) {
    request.set(&TIMEOUT, spell_timeout(left).as_bytes());
}

/// A `grpc-timeout` of at least `left`, in the most precise unit that has room for it.
fn spell_timeout(left: Duration) -> String {
    let units = [
        (1, 'n'),
        (1_000, 'u'),
        (1_000_000, 'm'),
        (1_000_000_000, 'S'),
        (60_000_000_000, 'M'),
    ];
    let count = |nanos: u128| left.as_nanos().div_ceil(nanos);
    let fits = units.iter().find(|&&(nanos, _)| count(nanos) <= MOST);
    match fits {
        Some(&(nanos, unit)) => format!("{}{unit}", count(nanos)),
        None => format!("{}H", count(3_600_000_000_000).min(MOST)),
    }
}

/// What `grpc-retry-pushback-ms` says: a time, or with anything else that nobody is to ask again.
///
/// Specification: gRFC A6 of grpc/proposal.
pub(super) fn retry_after(response: &Head) -> Option<RetryAfter> {
    let value = response.metadata().all(&PUSHBACK).next()?;
    let millis = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
    Some(match millis {
        Some(millis) => RetryAfter::After(Duration::from_millis(millis)),
        None => RetryAfter::Never,
    })
}

static CONTENT: LazyLock<Name> = LazyLock::new(|| Name::new("content-type"));
static TIMEOUT: LazyLock<Name> = LazyLock::new(|| Name::new("grpc-timeout"));
static PUSHBACK: LazyLock<Name> = LazyLock::new(|| Name::new("grpc-retry-pushback-ms"));
const MOST_DIGITS: usize = 8;
const MOST: u128 = 99_999_999;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_of_grpc() {
        for value in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc;x=1",
        ] {
            assert!(is_content_type(value.as_bytes()), "{value}");
        }
        for value in [
            "application/grpc-web",
            "application/json",
            "application/grpcx",
            "",
        ] {
            assert!(!is_content_type(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn paths_name_service_and_method() {
        let (service, method) = split_path(b"/demo.Greeter/Hi").unwrap();
        assert_eq!((service, method), (&b"demo.Greeter"[..], &b"Hi"[..]));
        assert_eq!(split_path(b"/a/b/C"), Some((&b"a/b"[..], &b"C"[..])));
        assert_eq!(split_path(b"/only"), None);
        assert_eq!(split_path(b"//Method"), None);
    }

    #[test]
    fn timeouts_have_up_to_eight_digits_and_a_unit() {
        assert_eq!(timeout(b"1S"), Some(Duration::from_secs(1)));
        assert_eq!(
            timeout(b"99999999H"),
            Some(Duration::from_secs(359_999_996_400))
        );
        assert_eq!(timeout(b"250m"), Some(Duration::from_millis(250)));
        assert_eq!(timeout(b"5u"), Some(Duration::from_micros(5)));
        assert_eq!(timeout(b"7n"), Some(Duration::from_nanos(7)));
        assert_eq!(timeout(b"2M"), Some(Duration::from_secs(120)));
        for wrong in ["", "S", "100000000S", "1s", "1", "-1S", "1 S"] {
            assert_eq!(timeout(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn timeouts_are_spelled_as_precisely_as_there_is_room() {
        for (left, text) in [
            (Duration::from_nanos(1), "1n"),
            (Duration::from_millis(50), "50000000n"),
            (Duration::from_millis(100), "100000u"),
            (Duration::from_nanos(100_000_001), "100001u"),
            (Duration::from_secs(100), "100000m"),
            (Duration::from_secs(100_000), "100000S"),
            (Duration::MAX, "99999999H"),
        ] {
            let spelled = spell_timeout(left);
            assert_eq!(spelled, text);
            assert!(left == Duration::MAX || timeout(spelled.as_bytes()) >= Some(left));
        }
    }

    #[test]
    fn every_status_has_an_outcome_and_every_code_a_status() {
        for status in 1..=16 {
            assert!(!outcome(status).is_ok(), "{status}");
        }
        assert!(outcome(OK).is_ok());
        for code in Code::ALL {
            assert_eq!(of_code(code) == OK, code == Code::Ok, "{code:?}");
        }
        assert_eq!(status(b"14"), Some(14));
        assert_eq!(status(b"x"), Some(UNKNOWN));
    }

    #[test]
    fn the_local_replies_of_the_table() {
        for (code, status) in [
            (Code::NotFound, 12),
            (Code::Unavailable, 14),
            (Code::Overloaded, 14),
            (Code::TimedOut, 4),
            (Code::RateLimited, 8),
            (Code::Denied, 7),
            (Code::BadRequest, 3),
            (Code::Cancelled, 1),
        ] {
            assert_eq!(of_code(code), status, "{code:?}");
        }
        for (http, status) in [(400, 13), (401, 16), (403, 7), (404, 12), (500, 2)] {
            assert_eq!(of_http(http), status, "{http}");
        }
        for http in [429, 502, 503, 504] {
            assert_eq!(of_http(http), 14, "{http}");
        }
    }

    #[test]
    fn messages_are_percent_encoded() {
        assert_eq!(percent_encode("100% \u{e9}\n"), b"100%25 %C3%A9%0A");
        assert_eq!(percent_encode(" a "), b"a");
    }
}
