//! Bytes on their way to a socket.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// Outgoing bytes of one connection, written once per turn with a vectored write.
///
/// Small pieces are copied next to each other into `scratch`; long ones are queued by reference.
/// Both keep their order in `pieces`. Once everything is written the memory is reused, so a warm
/// connection allocates nothing here.
#[derive(Debug, Default)]
pub struct Output {
    scratch: Vec<u8>,
    written: usize,
    pieces: VecDeque<Piece>,
    len: usize,
}

#[derive(Debug)]
enum Piece {
    /// The next `0` bytes of `scratch`.
    Copied(usize),
    Shared(Bytes),
}

impl Output {
    /// Appends a copy of `bytes`.
    pub fn put(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.scratch.extend_from_slice(bytes);
        self.len += bytes.len();
        match self.pieces.back_mut() {
            Some(Piece::Copied(n)) => *n += bytes.len(),
            _ => self.pieces.push_back(Piece::Copied(bytes.len())),
        }
    }

    /// Appends `range` of `bytes`, by reference when that is cheaper.
    pub fn put_slice(&mut self, bytes: &Bytes, range: std::ops::Range<usize>) {
        if range.len() < SHARE_FROM {
            return self.put(&bytes[range]);
        }
        self.len += range.len();
        self.pieces.push_back(Piece::Shared(bytes.slice(range)));
    }

    /// Appends `bytes`, by reference when that is cheaper.
    pub fn put_bytes(&mut self, bytes: Bytes) {
        if bytes.len() < SHARE_FROM {
            return self.put(&bytes);
        }
        self.len += bytes.len();
        self.pieces.push_back(Piece::Shared(bytes));
    }

    /// Bytes not yet written.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether everything was written.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Gives memory back beyond what `bytes` of copied output need; for connections that fall idle.
    pub fn shrink_to(&mut self, bytes: usize) {
        self.scratch.shrink_to(bytes);
        self.pieces.shrink_to(KEEP_PIECES);
    }

    /// Everything not yet written, copied; for tests.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut slices = vec![IoSlice::new(&[]); self.pieces.len()];
        let used = self.chunks_vectored(&mut slices);
        slices[..used]
            .iter()
            .flat_map(|s| s.iter().copied())
            .collect()
    }
}

impl Buf for Output {
    fn remaining(&self) -> usize {
        self.len
    }

    fn chunk(&self) -> &[u8] {
        match self.pieces.front() {
            Some(Piece::Copied(n)) => &self.scratch[self.written..self.written + n],
            Some(Piece::Shared(bytes)) => bytes,
            None => &[],
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut at = self.written;
        let mut used = 0;
        for (slot, piece) in slices.iter_mut().zip(&self.pieces) {
            *slot = IoSlice::new(match piece {
                Piece::Copied(n) => &self.scratch[at..at + n],
                Piece::Shared(bytes) => bytes,
            });
            if let Piece::Copied(n) = piece {
                at += n;
            }
            used += 1;
        }
        used
    }

    /// Forgets the first `n` bytes, which were written.
    fn advance(&mut self, mut n: usize) {
        self.len -= n;
        while let Some(front) = self.pieces.front_mut() {
            let taken = match front {
                Piece::Copied(left) => {
                    let taken = n.min(*left);
                    self.written += taken;
                    *left -= taken;
                    if *left > 0 { return } else { taken }
                }
                Piece::Shared(bytes) if n < bytes.len() => return bytes.advance(n),
                Piece::Shared(bytes) => bytes.len(),
            };
            n -= taken;
            self.pieces.pop_front();
        }
        self.scratch.clear();
        self.scratch.shrink_to(KEEP);
        self.written = 0;
    }
}

/// Pieces at least this long are queued by reference instead of copied, in bytes.
///
/// Below it, one `memcpy` is cheaper than one more `iovec` and one more reference count.
const SHARE_FROM: usize = 4096;

/// Pieces a connection keeps room for when it falls idle.
const KEEP_PIECES: usize = 64;

/// Scratch memory a connection keeps between bursts, in bytes.
const KEEP: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copied_and_shared_pieces_keep_their_order_at_every_write_length() {
        let long = Bytes::from(vec![7; SHARE_FROM]);
        for step in [1, 3, 100, SHARE_FROM, 10_000] {
            let mut out = Output::default();
            out.put(b"abc");
            out.put_bytes(long.clone());
            out.put(b"");
            out.put(b"de");
            out.put_slice(&long, 0..2);
            let want = [&b"abc"[..], &long, b"de", &long[..2]].concat();
            assert_eq!((out.len(), out.to_vec()), (want.len(), want.clone()));
            let mut got = Vec::new();
            while out.has_remaining() {
                let n = step.min(out.chunk().len());
                got.extend_from_slice(&out.chunk()[..n]);
                out.advance(n);
            }
            assert_eq!(got, want);
            assert!(out.is_empty());
        }
    }
}
