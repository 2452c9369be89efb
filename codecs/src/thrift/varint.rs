//! Numbers of the compact protocol: seven bits a byte, the lowest first.

use super::fault::{Bad, Fault};

/// Reads a varint of at most `bits` bits at `at`: its value and the offset behind it, or `None` if
/// it has not arrived completely.
///
/// # Errors
/// [`Fault::Varint`] if it is longer, which readers disagree about.
pub(super) fn read(bytes: &[u8], at: usize, bits: u32) -> Result<Option<(u64, usize)>, Bad> {
    let mut value = 0;
    let mut shift = 0;
    let rest = bytes.get(at..).unwrap_or_default();
    for (i, &byte) in rest.iter().enumerate() {
        let part = u64::from(byte & 0x7f);
        if shift >= bits || (bits - shift < 7 && part >> (bits - shift) != 0) {
            return Err(Fault::Varint.at(at + i));
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            return Ok(Some((value, at + i + 1)));
        }
        shift += 7;
    }
    if shift >= bits {
        return Err(Fault::Varint.at(bytes.len()));
    }
    Ok(None)
}

/// Appends `value`.
pub(super) fn write(mut value: u32, out: &mut impl Extend<u8>) {
    while value >= 0x80 {
        out.extend([value as u8 | 0x80]);
        value >>= 7;
    }
    out.extend([value as u8]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u32::MAX] {
            let mut out = vec![9];
            write(value, &mut out);
            let read_back = read(&out, 1, 32);
            assert_eq!(read_back, Ok(Some((value.into(), out.len()))));
            for cut in 1..out.len() {
                assert_eq!(read(&out[..cut], 1, 32), Ok(None));
            }
        }
    }

    #[test]
    fn longer_ones_are_refused() {
        assert_eq!(
            read(&[0xff, 0xff, 0xff, 0xff, 0x10], 0, 32),
            Err(Fault::Varint.at(4))
        );
        assert_eq!(read(&[0xff; 5], 0, 32), Err(Fault::Varint.at(4)));
        assert_eq!(
            read(&[0x80, 0x80, 0x80, 0x80, 0x80, 0], 0, 32),
            Err(Fault::Varint.at(5))
        );
        let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(read(&most, 0, 64), Ok(Some((u64::MAX, 10))));
        assert_eq!(read(&[0x80; 11], 0, 64), Err(Fault::Varint.at(10)));
    }
}
