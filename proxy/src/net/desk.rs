//! What a session works with while it is busy.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;
use sabir_core::connection::Event;
use sabir_core::frame::StreamId;
use sabir_core::output::Output;
use slotmap::DefaultKey;
use tokio::io::{AsyncRead, AsyncWrite};

use super::exchanges::Room;
use super::session::{Session, ToSession};

/// Empty containers with the memory they have grown to.
///
/// A connection without exchanges holds none: ten thousand idle ones share what a worker keeps for
/// the few that are busy, and those find it warm in the cache.
#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) out: Output,
    pub(crate) events: VecDeque<Event>,
    /// What the session has taken out of its inbox.
    pub(crate) letters: VecDeque<ToSession>,
    /// What is left in its inbox.
    pub(crate) inbox: VecDeque<ToSession>,
    pub(crate) exchanges: Room,
    pub(crate) streams: Streams,
}

/// Exchanges whose request or response is streamed, by the client's name for them.
pub(crate) type Streams = HashMap<StreamId, DefaultKey, RandomState>;

/// The desks of a worker that nobody sits at.
#[derive(Default)]
pub(crate) struct Desks {
    /// The first `free` are to be had; the others were, and stay for what their place is worth.
    places: Vec<Desk>,
    free: usize,
}

impl Desks {
    /// The desk left last, to be swapped with what a session has; `None` if there is none.
    fn take(&mut self) -> Option<&mut Desk> {
        self.free = self.free.checked_sub(1)?;
        self.places.get_mut(self.free)
    }

    /// A place for a desk; `None` if there are enough of them.
    fn room(&mut self) -> Option<&mut Desk> {
        if self.free == MOST {
            return None;
        }
        if self.free == self.places.len() {
            self.places.push(Desk::default());
        }
        self.free += 1;
        self.places.get_mut(self.free - 1)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Takes a desk, unless it has one.
    pub(super) fn sit_down(&mut self) {
        if self.is_seated {
            return;
        }
        self.is_seated = true;
        let worker = self.worker.clone();
        if let Some(desk) = worker.desks.borrow_mut().take() {
            self.swap(desk);
        }
    }

    /// Gives the desk back, if nothing lies on it.
    pub(super) fn stand_up(&mut self) {
        let is_idle = self.exchanges.is_empty()
            && self.streams.is_empty()
            && self.waits.letters.is_empty()
            && self.link.is_quiet();
        if !is_idle || !self.is_seated {
            return;
        }
        self.is_seated = false;
        let worker = self.worker.clone();
        let mut desks = worker.desks.borrow_mut();
        match desks.room() {
            Some(desk) => {
                self.swap(desk);
                desk.trim();
            }
            // One desk too many: its memory is given back.
            None => self.swap(&mut Desk::default()),
        }
    }

    fn swap(&mut self, desk: &mut Desk) {
        self.link.swap_buffers(&mut desk.out, &mut desk.events);
        self.inbox.swap_memory(&mut desk.inbox);
        self.exchanges.swap_room(&mut desk.exchanges);
        std::mem::swap(&mut self.waits.letters, &mut desk.letters);
        std::mem::swap(&mut self.streams, &mut desk.streams);
    }
}

impl Desk {
    fn trim(&mut self) {
        self.out.shrink_to(LARGEST_OUTPUT);
        self.events.shrink_to(LARGEST);
        self.letters.shrink_to(LARGEST);
        self.inbox.shrink_to(LARGEST);
        self.exchanges.shrink_to(LARGEST);
        self.streams.shrink_to(LARGEST);
    }
}

/// Desks a worker keeps for sessions that become busy.
const MOST: usize = 128;

/// Entries of each container that are kept: a desk has up to 45 KiB with them, most have three.
const LARGEST: usize = 32;

/// Bytes of output that are kept.
const LARGEST_OUTPUT: usize = 16 << 10;
