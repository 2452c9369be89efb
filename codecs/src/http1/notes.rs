//! Which lines of a head concern the proxy, noted when it is read and wanted when it is written, so
//! that the others are looked at once.

use sabir_core::head::{Head, Notes};

use super::edits::Edits;
use super::field::{Block, Known, Line, Lines};
use super::hops::Hops;
use super::options::{Options, Underscores};

/// Notes where the lines of known names among `lines` start; nothing if there are too many, or too
/// far on.
pub(super) fn note(lines: &[Line]) -> Notes {
    let mut notes = Notes::default();
    let known = lines.iter().filter(|line| line.known != Known::Other);
    for line in known {
        let count = usize::from(notes[0].max(1));
        let (Some(place), Ok(start)) = (notes.get_mut(count), line.raw.start.try_into()) else {
            return Notes::default();
        };
        *place = start;
        notes[0] = count as u16 + 1;
    }
    // Zero says that nothing was noted.
    notes[0] = notes[0].max(1);
    notes
}

/// Lines of `head` that are not simply copied: all of them, where any may be left out.
pub(super) fn lines(head: &Head, edits: &Edits<'_>, options: &Options) -> Block {
    let (wire, notes) = (head.wire(), head.notes());
    let by_name = options.underscores == Underscores::Drop;
    let Some(noted) = notes.get(1..usize::from(notes[0])) else {
        return Lines::of_head(wire).collect();
    };
    if by_name || !edits.removed.is_empty() {
        return Lines::of_head(wire).collect();
    }
    let start = |&at: &u16| Lines::from(wire, at.into()).next();
    let lines: Block = noted.iter().filter_map(start).collect();
    match Hops::of(wire, lines.iter().copied()).names_any() {
        true => Lines::of_head(wire).collect(),
        false => lines,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(block: &[u8]) -> Vec<u16> {
        let lines: Block = Lines::of_head(block).collect();
        let notes = note(&lines);
        notes[..usize::from(notes[0])].to_vec()
    }

    #[test]
    fn lines_of_known_names_are_noted() {
        let block = b"GET / HTTP/1.1\r\nHost:a\r\nX-A:b\r\nTE:trailers\r\n\r\n";
        assert_eq!(noted(block), [3, 16, 31]);
        assert_eq!(noted(b"GET / HTTP/1.1\r\nX-A:b\r\n\r\n"), [1]);
    }

    #[test]
    fn too_many_and_too_far_are_not_noted() {
        let few = [&b"GET / HTTP/1.1\r\n"[..], &b"TE:a\r\n".repeat(7), b"\r\n"].concat();
        assert_eq!(noted(&few).len(), 8);
        let many = [&b"GET / HTTP/1.1\r\n"[..], &b"TE:a\r\n".repeat(8), b"\r\n"].concat();
        assert!(noted(&many).is_empty());
        let far = format!(
            "GET / HTTP/1.1\r\nX-A:{}\r\nTE:a\r\n\r\n",
            "a".repeat(1 << 16)
        );
        assert!(noted(far.as_bytes()).is_empty());
    }
}
