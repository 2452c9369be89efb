//! Hashes that are the same in every process.

/// FNV-1a over 64 bits, finished with the mixer of MurmurHash3 so that every bit of the result
/// depends on every byte. Part of what sticky choices promise: it never changes.
pub(crate) struct StableHash(u64);

impl StableHash {
    pub(crate) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds `bytes` and their number, so that neighbours cannot run into each other.
    pub(crate) fn write_framed(&mut self, bytes: &[u8]) {
        self.write(bytes);
        self.write_number(bytes.len() as u64);
    }

    pub(crate) fn write_number(&mut self, number: u64) {
        self.write(&number.to_le_bytes());
    }

    pub(crate) fn finish(&self) -> u64 {
        mix(self.0)
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// The mixer of MurmurHash3: a permutation in which every bit depends on every other.
pub(crate) fn mix(number: u64) -> u64 {
    let mixed = (number ^ number >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ mixed >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ mixed >> 33
}

/// Maps `random`, uniform over 64 bits, to `0..bound`; 0 if `bound` is.
pub(crate) fn scale(random: u64, bound: u64) -> u64 {
    ((u128::from(random) * u128::from(bound)) >> 64) as u64
}

/// Hash of a text that is the same for texts that differ in nothing but the case of ASCII letters.
///
/// For the route index only: eight bytes a step, and not one to promise stability for.
pub(crate) fn folded(text: &[u8]) -> u64 {
    // Setting the bit that tells cases apart folds some punctuation too, which only adds collisions.
    const FOLD: u64 = 0x2020_2020_2020_2020;
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let step = |hash: u64, word: u64| {
        let product = u128::from(hash ^ (word | FOLD)) * u128::from(MULTIPLIER);
        product as u64 ^ (product >> 64) as u64
    };
    let (words, rest) = text.as_chunks::<8>();
    let mut hash = text.len() as u64;
    for word in words {
        hash = step(hash, u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    step(hash, u64::from_le_bytes(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changing these values would send every sticky caller elsewhere.
    #[test]
    fn stable_hash_is_stable() {
        assert_eq!(StableHash::new().finish(), 0xefd0_1f60_ba99_2926);
        let mut hash = StableHash::new();
        hash.write_framed(b"user-1");
        assert_eq!(hash.finish(), 0x4e4c_76ca_c3e1_80fe);
    }

    #[test]
    fn folded_ignores_case_only() {
        let long = b"com.Example.DemoService";
        assert_eq!(folded(long), folded(&long.to_ascii_uppercase()));
        let texts: [&[u8]; 6] = [b"", b"\0", b"a", b"a\0", b"ab", b"abcdefgh\0"];
        for (at, text) in texts.iter().enumerate() {
            assert!(
                texts[..at]
                    .iter()
                    .all(|other| folded(other) != folded(text))
            );
        }
    }

    #[test]
    fn scale_covers_its_range() {
        assert_eq!(
            (scale(0, 10), scale(u64::MAX, 10), scale(u64::MAX, 0)),
            (0, 9, 0)
        );
        assert_eq!(scale(1 << 63, 10), 5);
    }
}
