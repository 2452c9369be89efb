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
pub(crate) struct Desks(Vec<Desk>);

impl Desks {
    /// The desk left last, or a new one.
    pub(crate) fn take(&mut self) -> Desk {
        self.0.pop().unwrap_or_default()
    }

    /// Takes a desk back; one too many is thrown away, and so is what one burst made large.
    pub(crate) fn put(&mut self, mut desk: Desk) {
        if self.0.len() < MOST {
            desk.trim();
            self.0.push(desk);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Takes a desk, unless it has one.
    pub(super) fn sit_down(&mut self) {
        if self.is_seated {
            return;
        }
        self.is_seated = true;
        let mut desk = self.worker.desks.borrow_mut().take();
        self.link.swap_buffers(&mut desk.out, &mut desk.events);
        self.inbox.swap_memory(&mut desk.inbox);
        self.exchanges.take_room(desk.exchanges);
        self.waits.letters = desk.letters;
        self.streams = desk.streams;
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
        let mut desk = Desk {
            exchanges: self.exchanges.give_up_room(),
            letters: std::mem::take(&mut self.waits.letters),
            streams: std::mem::take(&mut self.streams),
            ..Desk::default()
        };
        self.link.swap_buffers(&mut desk.out, &mut desk.events);
        self.inbox.swap_memory(&mut desk.inbox);
        self.worker.desks.borrow_mut().put(desk);
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
