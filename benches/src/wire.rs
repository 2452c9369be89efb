//! Frames of HTTP/2 as peers wrote them, for one stream after the other.

/// Whole frames, with the places where the number of their stream stands.
pub(crate) struct Frames {
    octets: Vec<u8>,
    numbers: Vec<usize>,
}

impl Frames {
    pub(crate) fn new(octets: Vec<u8>) -> Self {
        let mut numbers = Vec::new();
        let mut at = 0;
        while let Some(&[a, b, c, _, _, ref stream @ ..]) = octets[at..].first_chunk::<9>() {
            // Frames of the connection as a whole stay as they are.
            if *stream != [0; 4] {
                numbers.push(at + 5);
            }
            at += 9 + u32::from_be_bytes([0, a, b, c]) as usize;
        }
        assert_eq!(at, octets.len(), "whole frames");
        Self { octets, numbers }
    }

    /// Adds WINDOW_UPDATE for the connection: what the peer takes of `bytes` it may be sent again.
    pub(crate) fn grant(mut self, bytes: usize) -> Self {
        // RFC 9113 §6.9: not for nothing.
        if bytes > 0 {
            self.octets.extend_from_slice(&[0, 0, 4, 8, 0, 0, 0, 0, 0]);
            self.octets.extend_from_slice(&(bytes as u32).to_be_bytes());
        }
        self
    }

    /// The octets on `stream`.
    pub(crate) fn on(&mut self, stream: u32) -> &[u8] {
        for &at in &self.numbers {
            self.octets[at..at + 4].copy_from_slice(&stream.to_be_bytes());
        }
        &self.octets
    }
}
