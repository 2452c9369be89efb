//! An exchange from one connection to the next: what is said, and what is heard of it.

use crate::connection::{Event, EventKind, SendError};
use crate::frame::{Frame, StreamId};
use crate::head::Head;
use crate::pump::Pump;

use super::side::Side;

/// What arrived on a stream in one direction.
#[derive(Debug, Default)]
pub struct Heard {
    /// The stream.
    pub stream: Option<StreamId>,
    /// Heads, interim ones first.
    pub heads: Vec<Head>,
    /// The body.
    pub body: Vec<u8>,
    /// What came after the body.
    pub trailers: Option<Head>,
    /// Whether all of it arrived.
    pub ended: bool,
    /// Whether it was given up.
    pub reset: bool,
}

impl Heard {
    /// What `events` say of the stream that a head arrives on first; the other events are dropped.
    pub fn first(events: Vec<Event>) -> Self {
        let mut heard = Self::default();
        heard.note(events);
        heard
    }

    /// Takes note of more events of the stream.
    pub fn note(&mut self, events: Vec<Event>) {
        for Event { stream, kind } in events {
            let EventKind::Frame(frame) = kind else {
                continue;
            };
            if *self.stream.get_or_insert(stream) == stream {
                self.take(frame);
            }
        }
    }

    fn take(&mut self, frame: Frame) {
        self.ended |= frame.ends();
        match frame {
            Frame::Head(head) => self.heads.push(head),
            Frame::Data { bytes, .. } => self.body.extend_from_slice(&bytes),
            Frame::Trailers(head) => self.trailers = Some(head),
            Frame::Reset(_) => self.reset = true,
        }
    }

    /// What was heard, as frames to say it with.
    pub fn frames(&self) -> Vec<Frame> {
        let mut frames: Vec<_> = self.heads.iter().cloned().map(Frame::Head).collect();
        let whole = self.heads.last().is_some_and(|head| head.end);
        let bytes = self.body.clone().into();
        match (&self.trailers, self.ended && !self.reset) {
            _ if whole => {}
            (Some(trailers), _) => {
                frames.push(Frame::Data { bytes, end: false });
                frames.push(Frame::Trailers(trailers.clone()));
            }
            (None, end) => frames.push(Frame::Data { bytes, end }),
        }
        frames
    }
}

/// Carries bytes between two sides until neither has any, and consumes what bodies `b` hears;
/// returns what `b` has heard.
///
/// Both must understand what the other says.
pub fn shuttle(a: &mut Side, b: &mut Side, heard: &mut Heard) {
    loop {
        let (from_a, from_b) = (a.written(), b.written());
        heard.note(b.events());
        b.consume_all();
        if from_a.is_empty() && from_b.is_empty() && b.backlog() == 0 {
            return;
        }
        for (side, bytes) in [(&mut *b, from_a), (&mut *a, from_b)] {
            if !bytes.is_empty() && !side.is_finished() {
                let understood = side.feed(&bytes);
                assert_eq!(understood, Ok(()), "{}", bytes.escape_ascii());
            }
        }
    }
}

/// Sends `frames` on `stream` of `from` to its peer `to`, as far as windows let it; returns what
/// arrived.
///
/// # Errors
/// As [`Connection::send`](crate::connection::Connection::send): what this protocol cannot say.
pub fn carry(
    frames: Vec<Frame>,
    from: &mut Side,
    stream: StreamId,
    to: &mut Side,
) -> Result<Heard, SendError> {
    let (mut heard, mut pump) = (Heard::default(), Pump::default());
    for frame in frames {
        match frame {
            Frame::Head(_) => drop(from.send(stream, frame)?),
            frame => pump.push(frame),
        }
    }
    loop {
        let held = pump.held();
        from.pump(&mut pump, stream)?;
        shuttle(from, to, &mut heard);
        if pump.is_empty() {
            return Ok(heard);
        }
        assert!(pump.held() < held, "{held} bytes have no way to go on");
    }
}
