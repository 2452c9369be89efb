//! Integers that start within an octet.
//!
//! Specification: RFC 7541 §5.1.

use super::decoder::DecodeError;

/// Reads an integer with a prefix of `bits` at `at`, and moves `at` past it.
///
/// Values stay below 2^28 or so: nothing in HPACK that is longer is within anybody's limits.
pub(super) fn read(block: &[u8], at: &mut usize, bits: u32) -> Result<usize, DecodeError> {
    let mask = (1 << bits) - 1;
    let first = *block.get(*at).ok_or(DecodeError::Truncated)? & mask as u8;
    *at += 1;
    let mut value = usize::from(first);
    if value < mask {
        return Ok(value);
    }
    for shift in (0..MOST_SHIFT).step_by(7) {
        let octet = *block.get(*at).ok_or(DecodeError::Truncated)?;
        *at += 1;
        value += usize::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(DecodeError::IntegerTooLarge)
}

/// Appends `value` with a prefix of `bits`, below the bits of `first`.
pub(super) fn write(block: &mut Vec<u8>, first: u8, bits: u32, value: usize) {
    let mask = (1 << bits) - 1;
    if value < mask {
        return block.push(first | value as u8);
    }
    block.push(first | mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        block.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    block.push(rest as u8);
}

/// Bits after which a continued integer is refused.
const MOST_SHIFT: usize = 28;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_specification() {
        for (bits, value, octets) in [
            (5, 10, &[0x0a][..]),
            (5, 1337, &[0x1f, 0x9a, 0x0a]),
            (8, 42, &[0x2a]),
            (5, 31, &[0x1f, 0]),
            (7, 127 + 128, &[0x7f, 0x80, 0x01]),
        ] {
            let mut block = Vec::new();
            write(&mut block, 0, bits, value);
            assert_eq!(block, octets);
            let mut at = 0;
            assert_eq!(read(&block, &mut at, bits), Ok(value));
            assert_eq!(at, octets.len());
        }
    }

    #[test]
    fn what_is_cut_short_or_endless_is_an_error() {
        assert_eq!(read(&[0x1f, 0x9a], &mut 0, 5), Err(DecodeError::Truncated));
        assert_eq!(read(&[], &mut 0, 5), Err(DecodeError::Truncated));
        let endless = [0xff; 12];
        assert_eq!(read(&endless, &mut 0, 7), Err(DecodeError::IntegerTooLarge));
        let zeros = [0x7f, 0x80, 0x80, 0x80, 0x80, 0x80, 0];
        assert_eq!(read(&zeros, &mut 0, 7), Err(DecodeError::IntegerTooLarge));
    }
}
