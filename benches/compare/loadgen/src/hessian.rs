//! The two things of Hessian 2.0 that both sides need: writing an ASCII string, and stepping over one.
//!
//! See the grammar of strings in <http://hessian.caucho.com/doc/hessian-serialization.html##string>.

/// Longest chunk that Java's writer makes, UTF-16 units.
const CHUNK: usize = 0x8000;

/// Appends `text` as Java's writer would: the shortest form, in chunks when long. Returns where its first character is.
///
/// The text is expected to be ASCII, where bytes and UTF-16 units are the same number.
pub(crate) fn write_string(text: &[u8], out: &mut Vec<u8>) -> usize {
    debug_assert!(
        text.is_ascii(),
        "lengths count UTF-16 units, which are bytes only in ASCII"
    );
    let before = out.len();
    let mut rest = text;
    while rest.len() > CHUNK {
        out.extend_from_slice(&[0x52, 0x80, 0x00]);
        out.extend_from_slice(&rest[..CHUNK]);
        rest = &rest[CHUNK..];
    }
    let length = (rest.len() as u16).to_be_bytes();
    match rest.len() {
        0..=0x1f => out.push(length[1]),
        0x20..=0x3ff => out.extend_from_slice(&[0x30 + length[0], length[1]]),
        _ => out.extend_from_slice(&[0x53, length[0], length[1]]),
    }
    let head = if text.len() > CHUNK {
        3
    } else {
        out.len() - before
    };
    out.extend_from_slice(rest);
    before + head
}

/// The text of an unchunked ASCII string at `at`, and where it ends; `None` if there is no such string.
pub(crate) fn read_string(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let (length, start) = string_head(bytes, at)?;
    let end = start.checked_add(length)?;
    Some((bytes.get(start..end)?, end))
}

/// Length of the (first chunk of the) string at `at`, and where its first character is.
pub(crate) fn string_head(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let byte = |offset: usize| bytes.get(at + offset).map(|&value| usize::from(value));
    match byte(0)? {
        tag @ 0x00..=0x1f => Some((tag, at + 1)),
        tag @ 0x30..=0x33 => Some((((tag - 0x30) << 8) | byte(1)?, at + 2)),
        0x52 | 0x53 => Some(((byte(1)? << 8) | byte(2)?, at + 3)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(length: usize) -> (Vec<u8>, usize) {
        let mut out = vec![0xff];
        let start = write_string(&vec![b'a'; length], &mut out);
        (out, start)
    }

    #[test]
    fn the_form_follows_the_length() {
        for (length, head) in [
            (0, &[0x00][..]),
            (31, &[0x1f]),
            (32, &[0x30, 0x20]),
            (1023, &[0x33, 0xff]),
            (1024, &[0x53, 0x04, 0x00]),
            (32768, &[0x53, 0x80, 0x00]),
            (32769, &[0x52, 0x80, 0x00]),
        ] {
            let (out, start) = written(length);
            assert_eq!(&out[1..1 + head.len()], head, "{length}");
            assert_eq!(start, 1 + head.len(), "{length}");
        }
    }

    #[test]
    fn a_long_string_is_cut_into_chunks() {
        let (out, _) = written(65536 + 5);
        assert_eq!(out.len(), 1 + 3 + 32768 + 3 + 32768 + 1 + 5);
        assert_eq!(out[1 + 3 + 32768 + 3 + 32768], 5);
    }

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 31, 32, 1023, 1024, 32768] {
            let (out, start) = written(length);
            assert_eq!(
                read_string(&out, 1),
                Some((&out[start..], out.len())),
                "{length}"
            );
        }
    }

    #[test]
    fn what_is_cut_short_or_no_string_is_not_read() {
        let (out, _) = written(40);
        assert_eq!(read_string(&out[..out.len() - 1], 1), None);
        assert_eq!(read_string(&[0x4e], 0), None);
        assert_eq!(read_string(&[], 0), None);
    }
}
