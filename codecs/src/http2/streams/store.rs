//! The streams of a connection.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use foldhash::fast::RandomState;
use sabir_core::frame::StreamId;
use sabir_core::protocol::Role;

use super::State;
use super::flow::{Inflow, Window};
use crate::http2::message::Traits;

/// A stream that is not closed.
#[derive(Debug)]
pub(in crate::http2) struct Stream {
    /// What the driver calls it.
    pub(in crate::http2) name: StreamId,
    /// What may come next.
    pub(in crate::http2) state: State,
    /// What we may send.
    pub(in crate::http2) send: Window,
    /// What the peer may send.
    pub(in crate::http2) receive: Inflow,
    /// Octets of body that are still announced, if the peer announced any.
    pub(in crate::http2) announced: Option<u64>,
    /// What its request is.
    pub(in crate::http2) traits: Traits,
    /// Since when its window has been shut.
    pub(in crate::http2) shut_since: Option<Instant>,
}

/// How a stream was closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::http2) enum Closed {
    /// Both sides ended it.
    Ended,
    /// We reset it; frames that the peer sent before it knew are to be ignored.
    ByUs,
    /// The peer reset it.
    ByPeer,
}

/// The streams of a connection.
#[derive(Debug)]
pub(in crate::http2) struct Store {
    role: Role,
    streams: HashMap<u32, Stream, RandomState>,
    /// Numbers of the streams that the driver named; zero for those that have none yet.
    numbers: HashMap<StreamId, u32, RandomState>,
    /// Octets the driver still holds of streams that are closed.
    held: HashMap<StreamId, usize, RandomState>,
    closed: VecDeque<(u32, Closed)>,
}

impl Store {
    pub(in crate::http2) fn new(role: Role) -> Self {
        Self {
            role,
            streams: HashMap::default(),
            numbers: HashMap::default(),
            held: HashMap::default(),
            closed: VecDeque::new(),
        }
    }

    /// Keeps a name for a stream that is about to be opened.
    pub(in crate::http2) fn reserve(&mut self, name: StreamId) {
        self.numbers.insert(name, 0);
    }

    /// Whether `name` is kept for a stream without a number.
    pub(in crate::http2) fn is_reserved(&self, name: StreamId) -> bool {
        self.numbers.get(&name) == Some(&0)
    }

    /// Gives a kept name back.
    pub(in crate::http2) fn unreserve(&mut self, name: StreamId) {
        if self.is_reserved(name) {
            self.numbers.remove(&name);
        }
    }

    /// Takes a stream in.
    pub(in crate::http2) fn insert(&mut self, id: u32, stream: Stream) -> &mut Stream {
        if self.role == Role::Client {
            self.numbers.insert(stream.name, id);
        }
        self.streams.entry(id).insert_entry(stream).into_mut()
    }

    /// Lets a stream go; returns how many octets of it are unread and may be granted again now.
    pub(in crate::http2) fn remove(&mut self, id: u32, closed: Closed) -> usize {
        if self.closed.len() == REMEMBERED {
            self.closed.pop_front();
        }
        self.closed.push_back((id, closed));
        let Some(stream) = self.streams.remove(&id) else {
            return 0; // it was refused before it was one
        };
        let unread = stream.receive.unread();
        if self.role == Role::Server {
            // Its exchange is over, and what was left of its request with it.
            return unread;
        }
        self.numbers.remove(&stream.name);
        if unread > 0 {
            self.held.insert(stream.name, unread);
        }
        0
    }

    /// Says that octets of a closed stream were consumed; returns how many may be granted again.
    pub(in crate::http2) fn consume_held(&mut self, name: StreamId, octets: usize) -> usize {
        let Some(held) = self.held.get_mut(&name) else {
            return 0;
        };
        let octets = octets.min(*held);
        *held -= octets;
        if *held == 0 {
            self.held.remove(&name);
        }
        octets
    }

    /// How a stream was closed, if it was not long ago.
    pub(in crate::http2) fn closed(&self, id: u32) -> Option<Closed> {
        let found = self.closed.iter().rev().find(|&&(closed, _)| closed == id);
        found.map(|&(_, how)| how)
    }

    pub(in crate::http2) fn get_mut(&mut self, id: u32) -> Option<&mut Stream> {
        self.streams.get_mut(&id)
    }

    pub(in crate::http2) fn get(&self, id: u32) -> Option<&Stream> {
        self.streams.get(&id)
    }

    /// Number of the stream that the driver calls `name`.
    pub(in crate::http2) fn number(&self, name: StreamId) -> Option<u32> {
        let id = match self.role {
            Role::Server => u32::try_from(name.0).ok()?,
            Role::Client => *self.numbers.get(&name)?,
        };
        self.streams.contains_key(&id).then_some(id)
    }

    /// Streams that are open or about to be.
    pub(in crate::http2) fn len(&self) -> usize {
        match self.role {
            Role::Server => self.streams.len(),
            Role::Client => self.numbers.len(),
        }
    }

    pub(in crate::http2) fn iter(&self) -> impl Iterator<Item = (u32, &Stream)> {
        self.streams.iter().map(|(&id, stream)| (id, stream))
    }

    pub(in crate::http2) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut Stream)> {
        self.streams.iter_mut().map(|(&id, stream)| (id, stream))
    }
}

/// Closed streams that are remembered, to tell what crossed their end from what is out of turn.
const REMEMBERED: usize = 256;
