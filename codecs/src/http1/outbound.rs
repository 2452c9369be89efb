//! Bodies on their way out: from pieces to framed bytes.

use bytes::Bytes;
use sabir_core::output::Output;

/// How a body is being written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outbound {
    /// There is none, whatever is given.
    Nothing,
    /// This many bytes are still to be written.
    Known(u64),
    /// As chunks.
    Chunked,
    /// As it is, until the connection closes or for as long as a tunnel stands.
    Raw,
}

/// A body is not as long as its head said, so that the connection cannot be used any further.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct WrongLength;

impl Outbound {
    /// Writes a piece of the body, and what ends the body after the last.
    pub(super) fn write(
        &mut self,
        bytes: Bytes,
        end: bool,
        out: &mut Output,
    ) -> Result<(), WrongLength> {
        match self {
            Self::Nothing => {}
            Self::Raw => out.put_bytes(bytes),
            Self::Known(left) => {
                let len = bytes.len() as u64;
                *left = left.checked_sub(len).ok_or(WrongLength)?;
                out.put_bytes(bytes);
                if end && *left > 0 {
                    return Err(WrongLength);
                }
            }
            Self::Chunked => {
                // An empty chunk would end the body.
                if !bytes.is_empty() {
                    put_size(bytes.len(), out);
                    out.put_bytes(bytes);
                    out.put(b"\r\n");
                }
                if end {
                    out.put(b"0\r\n\r\n");
                }
            }
        }
        Ok(())
    }

    /// Ends the body with trailer `lines`, each with its CRLF, where the framing has a place.
    pub(super) fn finish(&mut self, lines: &[u8], out: &mut Output) -> Result<(), WrongLength> {
        match self {
            Self::Chunked => {
                out.put(b"0\r\n");
                out.put(lines);
                out.put(b"\r\n");
                Ok(())
            }
            Self::Known(left) if *left > 0 => Err(WrongLength),
            Self::Nothing | Self::Known(_) | Self::Raw => Ok(()),
        }
    }
}

fn put_size(len: usize, out: &mut Output) {
    let mut line = [0; 18];
    let digits = (usize::BITS - len.leading_zeros()).div_ceil(4) as usize;
    for (i, octet) in line[..digits].iter_mut().enumerate() {
        let nibble = len >> (4 * (digits - 1 - i)) & 0xf;
        *octet = b"0123456789abcdef"[nibble];
    }
    line[digits..digits + 2].copy_from_slice(b"\r\n");
    out.put(&line[..digits + 2]);
}

/// Writes `number` in decimal.
pub(super) fn put_number(mut number: u64, out: &mut Output) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.put(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_framed_and_empty_ones_left_out() {
        let mut out = Output::default();
        let mut body = Outbound::Chunked;
        for piece in [vec![b'a'; 3], vec![], vec![b'b'; 0x12f]] {
            assert_eq!(body.write(piece.into(), false, &mut out), Ok(()));
        }
        assert_eq!(body.write(Bytes::new(), true, &mut out), Ok(()));
        let want = [b"3\r\naaa\r\n12f\r\n", &[b'b'; 0x12f][..], b"\r\n0\r\n\r\n"].concat();
        assert_eq!(out.to_vec(), want);
    }

    #[test]
    fn a_known_length_is_kept_to() {
        let mut out = Output::default();
        let mut body = Outbound::Known(3);
        assert_eq!(body.write("ab".into(), false, &mut out), Ok(()));
        assert_eq!(body.finish(b"", &mut out), Err(WrongLength));
        assert_eq!(body.write("cd".into(), true, &mut out), Err(WrongLength));
        assert_eq!(body.write("c".into(), true, &mut out), Ok(()));
        assert_eq!(
            Outbound::Known(1).write(Bytes::new(), true, &mut out),
            Err(WrongLength)
        );
    }

    #[test]
    fn numbers_are_written_in_decimal() {
        let mut out = Output::default();
        for number in [0, 9, 10, u64::MAX] {
            put_number(number, &mut out);
            out.put(b" ");
        }
        assert_eq!(out.to_vec(), b"0 9 10 18446744073709551615 ");
    }
}
