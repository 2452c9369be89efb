//! Request targets and authorities. RFC 9112 §3.2, RFC 3986 §3.2.

use memchr::memchr;

use crate::octets::is_token;

/// The parts of a request target, as ranges of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Target<'a> {
    /// `/path?query`.
    Origin(&'a [u8]),
    /// `http://authority/path?query`, with what follows the authority.
    Absolute(&'a [u8], &'a [u8]),
    /// `host:port`, of CONNECT.
    Authority(&'a [u8]),
    /// `*`, of OPTIONS.
    Asterisk,
}

impl<'a> Target<'a> {
    /// Reads the target of a request with method `verb`; the error says what is wrong.
    pub(super) fn read(verb: &[u8], target: &'a [u8]) -> Result<Self, &'static str> {
        if let Some(wrong) = first_wrong(target) {
            return Err(wrong);
        }
        if verb == b"CONNECT" {
            let has_port = target.iter().rposition(|&b| b == b':');
            let port = has_port.map(|colon| &target[colon + 1..]);
            return match port {
                Some(port) if !port.is_empty() && is_authority(target) => {
                    Ok(Self::Authority(target))
                }
                _ => Err("request target: not host:port"),
            };
        }
        if target.starts_with(b"/") {
            return Ok(Self::Origin(target));
        }
        if target == b"*" {
            return match verb {
                b"OPTIONS" => Ok(Self::Asterisk),
                _ => Err("request target: * is for OPTIONS"),
            };
        }
        Self::absolute(target)
    }

    fn absolute(target: &'a [u8]) -> Result<Self, &'static str> {
        let is = |scheme: &[u8]| {
            let start = target.get(..scheme.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        };
        let rest = match (is(b"http://"), is(b"https://")) {
            (true, _) => &target[7..],
            (_, true) => &target[8..],
            _ => return Err("request target: neither a path nor an http URI"),
        };
        let end = rest.iter().position(|b| matches!(b, b'/' | b'?'));
        let (authority, path) = rest.split_at(end.unwrap_or(rest.len()));
        match is_authority(authority) {
            true => Ok(Self::Absolute(authority, path)),
            false => Err("request target: authority"),
        }
    }
}

/// The request line of a validated head.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestLine<'a> {
    pub(super) verb: &'a [u8],
    pub(super) target: &'a [u8],
    /// Minor version of HTTP/1.
    pub(super) minor: u8,
    /// Length with CRLF.
    pub(super) len: usize,
}

impl<'a> RequestLine<'a> {
    /// Takes the line apart; `None` if it is none.
    pub(super) fn of(block: &'a [u8]) -> Option<Self> {
        let len = memchr(b'\n', block)? + 1;
        let line = &block[..len.checked_sub(2)?];
        let verb = memchr(b' ', line)?;
        let version = line.len().checked_sub(8)?;
        Some(Self {
            verb: &line[..verb],
            target: line.get(verb + 1..version.checked_sub(1)?)?,
            minor: line.last()?.wrapping_sub(b'0'),
            len,
        })
    }
}

impl RequestLine<'_> {
    /// Whether the line of `block`, which was not validated, is one beyond doubt but for its target.
    pub(super) fn is_sound(&self, block: &[u8]) -> bool {
        let version = &block[self.verb.len() + 1 + self.target.len()..self.len];
        is_token(self.verb) && matches!(version, b" HTTP/1.1\r\n" | b" HTTP/1.0\r\n")
    }
}

/// Splits a path from its query, which keeps its question mark.
pub(super) fn split_query(path: &[u8]) -> (&[u8], &[u8]) {
    path.split_at(memchr(b'?', path).unwrap_or(path.len()))
}

/// Whether this may be written as `:path` is.
pub(super) fn is_path(path: &[u8]) -> bool {
    (path.starts_with(b"/") || path == b"*") && first_wrong(path).is_none()
}

/// Whether servers may read this path as another one: dot segments, backslashes, encoded slashes,
/// dots or controls.
pub(super) fn is_ambiguous(path: &[u8]) -> bool {
    let (path, _) = split_query(path);
    let segments = path.split(|&b| b == b'/');
    let is_dots = |segment: &[u8]| {
        let name = segment.split(|&b| b == b';').next().unwrap_or_default();
        matches!(name, b"." | b"..")
    };
    let encoded = path.windows(3).any(|w| {
        let hex = |b: u8| (b as char).to_digit(16);
        match (w[0], hex(w[1]), hex(w[2])) {
            (b'%', Some(high), Some(low)) => {
                let byte = high << 4 | low;
                byte < 0x20 || matches!(byte, 0x2e | 0x2f | 0x5c | 0x7f)
            }
            (b'%', ..) => true,
            _ => false,
        }
    });
    let cut = path.iter().rev().take(2).any(|&b| b == b'%');
    encoded || cut || path.contains(&b'\\') || segments.into_iter().any(is_dots)
}

/// Whether this is a host, with or without a port, and without user information.
pub(super) fn is_authority(authority: &[u8]) -> bool {
    let (host, port) = match authority.first() {
        Some(b'[') => {
            let Some(end) = memchr(b']', authority) else {
                return false;
            };
            let is_ip = |b: &u8| b.is_ascii_hexdigit() || matches!(b, b':' | b'.');
            if end == 1 || !authority[1..end].iter().all(is_ip) {
                return false;
            }
            (&authority[1..end], &authority[end + 1..])
        }
        _ => authority.split_at(memchr(b':', authority).unwrap_or(authority.len())),
    };
    let is_host = |b: &u8| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(b);
    let is_port = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let is_literal = authority.starts_with(b"[");
    !host.is_empty() && (is_literal || host.iter().all(is_host)) && is_port
}

/// Whether this is a method. RFC 9110 §9.1.
pub(super) fn is_verb(verb: &[u8]) -> bool {
    is_token(verb)
}

fn first_wrong(target: &[u8]) -> Option<&'static str> {
    let wrong = target.iter().find(|b| !b.is_ascii_graphic() || **b == b'#');
    match wrong {
        Some(b'#') => Some("request target: fragment"),
        Some(_) => Some("request target: character"),
        None if target.is_empty() => Some("request target: empty"),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_have_the_form_of_their_method() {
        let read = |verb: &str, target: &'static str| {
            Target::read(verb.as_bytes(), target.as_bytes()).ok()
        };
        assert_eq!(read("GET", "/a?b"), Some(Target::Origin(b"/a?b")));
        assert_eq!(
            read("GET", "http://b/p"),
            Some(Target::Absolute(b"b", b"/p"))
        );
        assert_eq!(
            read("GET", "HTTPS://b?q"),
            Some(Target::Absolute(b"b", b"?q"))
        );
        assert_eq!(read("OPTIONS", "*"), Some(Target::Asterisk));
        assert_eq!(read("CONNECT", "a:1"), Some(Target::Authority(b"a:1")));
        for (verb, wrong) in [
            ("GET", "*"),
            ("GET", "a"),
            ("GET", "/a#b"),
            ("GET", "/\u{e9}"),
            ("GET", ""),
            ("GET", "ftp://a/"),
            ("GET", "http://u@a/"),
            ("GET", "http:///x"),
            ("GET", "a:80"),
            ("CONNECT", "/"),
            ("CONNECT", "a"),
            ("CONNECT", "a:"),
            ("CONNECT", "http://a:80/"),
        ] {
            assert_eq!(read(verb, wrong), None, "{verb} {wrong}");
        }
    }

    #[test]
    fn authorities_are_hosts_with_or_without_ports() {
        for right in ["a", "a.b:80", "[::1]", "[::1]:8080", "a:", "1.2.3.4", "a_b"] {
            assert!(is_authority(right.as_bytes()), "{right}");
        }
        for wrong in [
            "", "a b", "a:x", "u@a", "a/b", "[::1", "[]", "[::1]x", ":80", "a:123456", "a[b", "a]",
            "a:b:1", "a\t",
        ] {
            assert!(!is_authority(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn ambiguous_paths_are_told() {
        for clear in [
            "/",
            "/a/b.c",
            "/a..b",
            "/%20",
            "/a?x=/../",
            "*",
            "/...",
            "/%C3%A9",
        ] {
            assert!(!is_ambiguous(clear.as_bytes()), "{clear}");
        }
        for odd in [
            "/../a", "/a/.", "/%2e", "/a%2Fb", "/a%5cb", "/a\\b", "/..;x/a", "/%00", "/%", "/%zz",
            "/a%2",
        ] {
            assert!(is_ambiguous(odd.as_bytes()), "{odd}");
        }
    }
}
