//! What sockets are read into.

use std::collections::VecDeque;

use bytes::BytesMut;

/// The read buffers of a worker.
///
/// A connection reads into the buffer of the worker and keeps it only while it holds the larger part
/// of a message. Messages refer to the buffer they were read into; once the last of them is written
/// it is used again, so that a steady load takes no memory from the allocator and gives none back.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    /// The one that is read into, if it is not lent.
    current: Option<BytesMut>,
    /// Those that messages may still refer to, the oldest first.
    used: VecDeque<BytesMut>,
}

impl Buffers {
    /// Makes room for a read behind what `input` holds.
    pub(crate) fn lend(&mut self, input: &mut BytesMut) {
        let unread = input.len();
        if unread > 0 && input.capacity() - unread >= READ_AT_LEAST {
            return;
        }
        if unread > SIZE / 2 {
            // Grows with what has arrived, never with what was announced.
            return input.reserve(unread);
        }
        let mut room = self.take(unread + SIZE / 4);
        room.extend_from_slice(input);
        let old = std::mem::replace(input, room);
        // Little that was unread had a place of its own. What more held was copied: the rest of that
        // buffer is as good as any other.
        if unread > SMALL {
            self.keep(old);
        }
    }

    /// Takes back the buffer of a connection, unless it holds much that is unread.
    pub(crate) fn take_back(&mut self, input: &mut BytesMut) {
        if input.len() <= SMALL {
            // Empty most of the time, and then this allocates nothing.
            let rest = BytesMut::from(&input[..]);
            let buffer = std::mem::replace(input, rest);
            match self.current {
                None => self.current = Some(emptied(buffer)),
                Some(_) => self.keep(buffer),
            }
        }
    }

    /// Gives a buffer back to the system if there are more than a light load needs; called now and
    /// then, so that those of a burst go within seconds.
    pub(crate) fn shrink(&mut self) {
        if self.used.len() > FEW {
            self.used.pop_front();
        }
    }

    /// An empty buffer with room for at least `wanted` bytes.
    fn take(&mut self, wanted: usize) -> BytesMut {
        // From its start, which is in the cache, if nothing refers to it any longer; else from where
        // it was read to.
        let has_room = |b: &mut BytesMut| b.try_reclaim(SIZE) || b.capacity() >= wanted;
        if let Some(mut buffer) = self.current.take() {
            if has_room(&mut buffer) {
                return buffer;
            }
            self.keep(buffer);
        }
        // To look at all of them costs less than the pages of a new one.
        for _ in 0..self.used.len() {
            if let Some(mut buffer) = self.used.pop_front() {
                if has_room(&mut buffer) {
                    return buffer;
                }
                self.used.push_back(buffer);
            }
        }
        BytesMut::with_capacity(SIZE)
    }

    fn keep(&mut self, buffer: BytesMut) {
        // One that was read into has room left but for the smallest part, or was split up.
        let buffer = emptied(buffer);
        if buffer.capacity() <= LARGEST && self.used.len() < MOST {
            self.used.push_back(buffer);
        }
    }
}

fn emptied(mut buffer: BytesMut) -> BytesMut {
    buffer.clear();
    buffer
}

/// Bytes of a read buffer; as many are read at once: four bodies of 64 KiB with what is around them.
const SIZE: usize = 272 << 10;

/// Bytes of room below which a buffer is not read into.
const READ_AT_LEAST: usize = 4 << 10;

/// The most unread bytes that are copied out, so that a client that sends a message bit by bit holds
/// no more than what it has sent.
const SMALL: usize = 2 << 10;

/// Buffers that are kept until nothing refers to them: those of a load of long messages.
const MOST: usize = 32;

/// Buffers that are kept when there is little to do.
const FEW: usize = 4;

/// Room of a buffer, in bytes, beyond which it is given back: one message made it grow.
const LARGEST: usize = 2 * SIZE;

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `bytes` into what `input` was lent.
    fn read(input: &mut BytesMut, bytes: &[u8]) {
        assert!(input.capacity() - input.len() >= bytes.len());
        input.extend_from_slice(bytes);
    }

    #[test]
    fn what_is_written_before_the_next_read_leaves_the_buffer_as_it_was() {
        let mut buffers = Buffers::default();
        let mut input = BytesMut::new();
        let mut places = Vec::new();
        for _ in 0..1_000 {
            buffers.lend(&mut input);
            read(&mut input, &[1; 3_000]);
            places.push(input.as_ptr());
            drop(input.split_to(3_000).freeze());
            buffers.take_back(&mut input);
        }
        assert_eq!(input.capacity(), 0, "an idle connection holds no buffer");
        places.dedup();
        assert_eq!(places.len(), 1, "each read is into the same place");
    }

    #[test]
    fn buffers_are_used_again_once_their_messages_are_gone() {
        let mut buffers = Buffers::default();
        let mut input = BytesMut::new();
        let mut in_flight = VecDeque::new();
        let mut made = std::collections::HashSet::new();
        let mut made_late = 0;
        for n in 0..1_000u32 {
            buffers.lend(&mut input);
            let long = 50_000 + (n as usize * 7_919) % 20_000;
            read(&mut input, &vec![n as u8; long]);
            let is_new = made.insert(input.as_ptr() as usize / SIZE);
            made_late += usize::from(is_new && n > 300);
            in_flight.push_back((n as u8, input.split_to(long - 300).freeze()));
            buffers.take_back(&mut input);
            assert!(input.capacity() <= SMALL);
            input.clear();
            if in_flight.len() > 5 {
                let (n, message) = in_flight.pop_front().unwrap();
                assert!(
                    message.iter().all(|&byte| byte == n),
                    "nothing was overwritten"
                );
            }
        }
        assert!(made_late < 5, "{made_late} new places for a steady load");
        assert!(buffers.used.iter().all(|b| b.is_empty()) && buffers.used.len() < 8);
        while buffers.used.len() > FEW {
            buffers.shrink();
        }
    }

    #[test]
    fn parts_of_messages_stay_in_order_whatever_their_length() {
        for step in [1, 700, 5_000, 70_000] {
            let mut buffers = Buffers::default();
            let mut input = BytesMut::new();
            let whole: Vec<u8> = (0..400_000u32).map(|n| n as u8).collect();
            for part in whole.chunks(step) {
                let mut part = part;
                while !part.is_empty() {
                    buffers.lend(&mut input);
                    let room = input.capacity() - input.len();
                    let (now, later) = part.split_at(part.len().min(room));
                    read(&mut input, now);
                    buffers.take_back(&mut input);
                    part = later;
                }
                if step == 1 && input.len() == 1_000 {
                    assert!(
                        input.capacity() <= SMALL,
                        "little that is unread holds little"
                    );
                    break;
                }
            }
            assert_eq!(input[..], whole[..input.len()]);
        }
    }
}
