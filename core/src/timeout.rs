//! Timeouts that stand in a request's metadata as a number of milliseconds, as most RPC protocols
//! say them.

use std::time::Duration;

use crate::head::Head;
use crate::name::Name;

/// The time that the first of `names` with a number says; negative ones are no time at all.
pub fn read_millis(request: &Head, names: &[&str]) -> Option<Duration> {
    names.iter().find_map(|name| {
        let mut pairs = request.metadata().iter();
        let (_, value) = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))?;
        let millis: i64 = std::str::from_utf8(value).ok()?.trim().parse().ok()?;
        Some(Duration::from_millis(millis.max(0) as u64))
    })
}

/// Writes `left` under each of `names` that `request` has, rounded up to whole milliseconds, so that
/// a little is not nothing; whether it has any.
pub fn rewrite_millis(request: &mut Head, names: &[&str], left: Duration) -> bool {
    let mut rewritten = false;
    for name in names {
        let has = |(key, _): (&[u8], &[u8])| key.eq_ignore_ascii_case(name.as_bytes());
        if request.metadata().iter().any(has) {
            write_millis(request, name, left);
            rewritten = true;
        }
    }
    rewritten
}

/// Writes `left` under `name`, in whole milliseconds, rounded up.
pub fn write_millis(request: &mut Head, name: &str, left: Duration) {
    let millis = left.as_nanos().div_ceil(1_000_000).to_string();
    request.set(&Name::new(name), millis.as_bytes());
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::head::Kind;

    fn request(value: &[u8]) -> Head {
        let mut head = Head::new("toy", Kind::Request, Bytes::new(), |_, _| {});
        head.set(&Name::new("tmo"), value);
        head
    }

    #[test]
    fn milliseconds_are_read_and_rounded_up_when_written() {
        for (value, millis) in [("250", Some(250)), ("0", Some(0)), ("-1", Some(0))] {
            let read = read_millis(&request(value.as_bytes()), &["other", "TMO"]);
            assert_eq!(read, millis.map(Duration::from_millis), "{value}");
        }
        for wrong in ["", "x", "1s", "99999999999999999999"] {
            assert_eq!(read_millis(&request(wrong.as_bytes()), &["tmo"]), None);
        }
        let mut head = request(b"9");
        assert!(!rewrite_millis(&mut head, &["other"], Duration::ZERO));
        assert!(rewrite_millis(
            &mut head,
            &["tmo"],
            Duration::from_micros(1_001)
        ));
        assert_eq!(head.get(&Name::new("tmo")), Some(&b"2"[..]));
    }
}
