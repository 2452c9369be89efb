//! Octets told apart by what they may be, in the texts of heads.

/// Whether these are one or more token characters. RFC 9110 §5.6.2.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&o| TOKEN[usize::from(o)])
}

/// Whether these are a token without upper case, as HTTP/2 spells names. RFC 9113 §8.2.1.
pub(crate) fn is_lower_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&o| LOWER_TOKEN[usize::from(o)])
}

/// How many token characters `text` starts with.
pub(crate) fn token_len(text: &[u8]) -> usize {
    let other = text.iter().position(|&o| !TOKEN[usize::from(o)]);
    other.unwrap_or(text.len())
}

/// How many characters of a field value `text` starts with: all but controls other than tab.
/// RFC 9110 §5.5.
pub(crate) fn value_len(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks();
    let mut len = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        // Tops of octets below space, and of those that are DEL. The lowest top that is set is one
        // of these for sure, which is all that matters here.
        let low = word.wrapping_sub(ONES * 0x20) & !word;
        let from_del = word ^ (ONES * 0x7f);
        let del = from_del.wrapping_sub(ONES) & !from_del;
        let found = (low | del) & TOPS;
        if found != 0 {
            len += found.trailing_zeros() as usize / 8;
            if text[len] != b'\t' {
                return len;
            }
            len += 1;
            return len + value_len_by_octet(&text[len..]);
        }
        len += 8;
    }
    len + value_len_by_octet(rest)
}

fn value_len_by_octet(text: &[u8]) -> usize {
    let other = text
        .iter()
        .position(|&o| o != b'\t' && (o < b' ' || o == 0x7f));
    other.unwrap_or(text.len())
}

/// Whether none of these ends a line or a string: NUL, CR, LF.
pub(crate) fn is_one_line(text: &[u8]) -> bool {
    if text.len() > NEAR {
        return memchr::memchr3(0, b'\r', b'\n', text).is_none();
    }
    text.iter().all(|&o| !ENDS_LINE[usize::from(o)])
}

/// Whether `name` is `lower`, without regard to its case.
pub(crate) fn is_name<const N: usize>(name: &[u8], lower: &[u8; N]) -> bool {
    let name: Option<&[u8; N]> = name.try_into().ok();
    name.is_some_and(|name| name.map(|o| o.to_ascii_lowercase()) == *lower)
}

/// What a token may consist of.
const TOKEN: [bool; 256] = {
    let mut table = among(b"!#$%&'*+-.^_`|~");
    let mut octet = 0;
    while octet < 128 {
        table[octet] |= (octet as u8).is_ascii_alphanumeric();
        octet += 1;
    }
    table
};

const LOWER_TOKEN: [bool; 256] = {
    let mut table = TOKEN;
    let mut octet = b'A';
    while octet <= b'Z' {
        table[octet as usize] = false;
        octet += 1;
    }
    table
};

const ENDS_LINE: [bool; 256] = among(b"\0\r\n");

/// A table of `octets`.
const fn among(octets: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut at = 0;
    while at < octets.len() {
        table[octets[at] as usize] = true;
        at += 1;
    }
    table
}

const ONES: u64 = 0x0101_0101_0101_0101;
const TOPS: u64 = 0x8080_8080_8080_8080;

/// Length up to which octets are looked up one by one: starting a vectorised search takes as long.
const NEAR: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_those_of_the_specification() {
        for octet in 0..=255u8 {
            let is = octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet);
            assert_eq!(is_token(&[b'a', octet]), is, "{octet}");
            let lower = is && !octet.is_ascii_uppercase();
            assert_eq!(is_lower_token(&[b'a', octet]), lower, "{octet}");
        }
        assert!(!is_token(b"") && !is_lower_token(b""));
    }

    #[test]
    fn values_end_at_the_first_control() {
        for len in 0..40 {
            for octet in 0..=255u8 {
                let mut text = vec![b'!'; len];
                text.extend([octet, 0x20, 0x80, b'~', 0x1f]);
                let is = octet == b'\t' || (octet >= b' ' && octet != 0x7f);
                let want = if is { len + 4 } else { len };
                assert_eq!(value_len(&text), want, "{octet} at {len}");
            }
        }
        assert_eq!(token_len(b"x-y: z"), 3);
        assert_eq!(token_len(b"x"), 1);
    }

    #[test]
    fn line_ends_are_found_in_short_texts_and_long_ones() {
        for len in [1, NEAR, NEAR + 1, 3 * NEAR] {
            for octet in 0..=255u8 {
                let mut text = vec![b'a'; len];
                text[len / 2] = octet;
                let is = !matches!(octet, 0 | b'\r' | b'\n');
                assert_eq!(is_one_line(&text), is, "{octet} of {len}");
            }
        }
    }

    #[test]
    fn names_differ_in_case_alone() {
        assert!(is_name(b"Http2-Settings", b"http2-settings"));
        for octet in 0..=255u8 {
            let same = matches!(octet, b'T' | b't');
            assert_eq!(is_name(&[octet, b'e'], b"te"), same, "{octet}");
            assert_eq!(is_name(&[b'a', octet], b"a-"), octet == b'-', "{octet}");
        }
        assert!(!is_name(b"te", b"tee"));
    }
}
