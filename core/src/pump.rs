//! One direction of an exchange: frames that arrived on one connection and leave on another.

use std::collections::VecDeque;

use crate::connection::{Connection, SendError, Turn, Written};
use crate::frame::{Frame, StreamId};

/// Frames of one direction that the destination could not take yet.
///
/// Holds no more body than the source's window, because the source is told of consumed bytes only
/// once they left. For message protocols it stays empty.
#[derive(Debug, Default)]
pub struct Pump {
    backlog: VecDeque<Frame>,
}

/// What a [`Pump`] moved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Moved {
    /// Body bytes that left, of which the source may be told.
    pub bytes: usize,
    /// The message is complete: nothing follows in this direction.
    pub ended: bool,
    /// Whether every frame was written as asked.
    pub written: Written,
}

impl Pump {
    /// Queues `frame`, which arrived from the source.
    pub fn push(&mut self, frame: Frame) {
        self.backlog.push_back(frame);
    }

    /// Body bytes held.
    pub fn held(&self) -> usize {
        let body = |f: &Frame| match f {
            Frame::Data { bytes, .. } => bytes.len(),
            _ => 0,
        };
        self.backlog.iter().map(body).sum()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.backlog.is_empty()
    }

    /// Moves what `to` has room for, and [`Turn::out`] too: it is given body only while it holds
    /// less than `limit` bytes, which bounds what waits for a peer without windows.
    pub fn run(
        &mut self,
        to: &mut dyn Connection,
        stream: StreamId,
        limit: usize,
        turn: &mut Turn<'_>,
    ) -> Result<Moved, SendError> {
        let mut moved = Moved {
            bytes: 0,
            ended: false,
            written: Written::Whole,
        };
        while let Some(frame) = self.backlog.pop_front() {
            let room = limit.saturating_sub(turn.out.len());
            let Some(frame) = self.fit(frame, to.capacity(stream).min(room)) else {
                break;
            };
            if let Frame::Data { bytes, .. } = &frame {
                moved.bytes += bytes.len();
            }
            moved.ended |= frame.ends();
            if to.send(stream, frame, turn)? == Written::Unmodified {
                moved.written = Written::Unmodified;
            }
        }
        Ok(moved)
    }

    /// Cuts a body chunk to `capacity` and puts the rest back; `None` if nothing of it fits.
    fn fit(&mut self, frame: Frame, capacity: usize) -> Option<Frame> {
        let Frame::Data { mut bytes, end } = frame else {
            return Some(frame);
        };
        if bytes.len() <= capacity {
            return Some(Frame::Data { bytes, end });
        }
        let chunk = bytes.split_to(capacity);
        self.backlog.push_front(Frame::Data { bytes, end });
        (!chunk.is_empty()).then_some(Frame::Data {
            bytes: chunk,
            end: false,
        })
    }
}

#[cfg(test)]
#[path = "pump_tests.rs"]
mod tests;
