//! Flow control: what may be sent, and what is granted again.
//!
//! Specification: RFC 9113 §5.2 and §6.9.

use sabir_core::connection::{Event, EventKind, Turn};
use sabir_core::frame::StreamId;

use super::connection::Http2Connection;
use super::error::{ErrorCode, Fatal, Fault};
use super::frame::WindowUpdate;
use super::streams::Half;
use super::streams::flow::Overflow;

impl Http2Connection {
    /// Octets of body that the driver may send on a stream.
    pub(super) fn capacity_of(&self, name: StreamId) -> usize {
        let number = self.store.number(name);
        let Some(stream) = number.and_then(|id| self.store.get(id)) else {
            // It is closed, and sending says so.
            return usize::MAX;
        };
        match stream.state.local {
            Half::Head => 0,
            Half::Body => stream.send.available().min(self.flow.send.available()),
            Half::Muted | Half::Closed => usize::MAX,
        }
    }

    /// The driver is done with octets of a stream's body.
    pub(super) fn consume(&mut self, name: StreamId, octets: usize, turn: &mut Turn<'_>) {
        let Some(id) = self.store.number(name) else {
            let octets = self.store.consume_held(name, octets);
            return self.release(octets, turn);
        };
        self.release_on(id, octets, turn);
    }

    /// Octets that arrived on a stream may be granted again.
    pub(super) fn release_on(&mut self, id: u32, octets: usize, turn: &mut Turn<'_>) {
        let Some(stream) = self.store.get_mut(id) else {
            return;
        };
        let octets = octets.min(stream.receive.unread());
        let more = stream.receive.release(octets);
        // Nothing more comes on a stream that has ended.
        let more = more.filter(|_| stream.state.remote != Half::Closed);
        self.grant(id, more, turn);
        self.release(octets, turn);
    }

    /// Octets that arrived on the connection may be granted again.
    pub(super) fn release(&mut self, octets: usize, turn: &mut Turn<'_>) {
        let more = self.flow.receive.release(octets);
        self.grant(0, more, turn);
    }

    /// Tells the peer that it may send more.
    pub(super) fn grant(&self, id: u32, more: Option<u32>, turn: &mut Turn<'_>) {
        if let Some(increment) = more {
            WindowUpdate { increment }.encode(id, turn.out);
        }
    }

    /// The peer lets us send more on a stream, or on the connection.
    pub(super) fn on_window_update(
        &mut self,
        id: u32,
        update: WindowUpdate,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        if id == 0 {
            let opened = self.flow.send.shift(update.increment.into());
            if opened.map_err(|Overflow| too_large())? {
                self.flow.shut_since = None;
                self.tell_writable(turn);
            }
            return Ok(());
        }
        let connection_open = self.flow.send.available() > 0;
        let Some(stream) = self.store.get_mut(id) else {
            return Ok(()); // it crossed the end of the stream
        };
        let opened = stream.send.shift(update.increment.into());
        let (code, part) = (ErrorCode::FLOW_CONTROL_ERROR, "window larger than 2^31 - 1");
        let opened = opened.map_err(|Overflow| Fault::Stream { id, code, part })?;
        if stream.send.available() > 0 {
            stream.shut_since = None;
        }
        if opened && connection_open && stream.state.local == Half::Body {
            let (stream, kind) = (stream.name, EventKind::Writable);
            turn.events.push_back(Event { stream, kind });
        }
        Ok(())
    }

    /// The peer changed the window that streams start with, and so that of each.
    pub(super) fn on_initial_window(&mut self, new: u32, turn: &mut Turn<'_>) -> Result<(), Fatal> {
        let delta = i64::from(new) - i64::from(self.peer.window);
        let connection_open = self.flow.send.available() > 0;
        for (_, stream) in self.store.iter_mut() {
            let opened = stream.send.shift(delta).map_err(|Overflow| too_large())?;
            if stream.send.available() > 0 {
                stream.shut_since = None;
            } else if stream.state.local == Half::Body {
                stream.shut_since.get_or_insert(turn.now);
            }
            if opened && connection_open && stream.state.local == Half::Body {
                let (stream, kind) = (stream.name, EventKind::Writable);
                turn.events.push_back(Event { stream, kind });
            }
        }
        Ok(())
    }

    /// The connection's window opened: tells every stream, another one first each time.
    fn tell_writable(&mut self, turn: &mut Turn<'_>) {
        let open = self
            .store
            .iter()
            .filter(|(_, stream)| stream.state.local == Half::Body && stream.send.available() > 0);
        let mut ids: Vec<_> = open.map(|(id, stream)| (id, stream.name)).collect();
        ids.sort_unstable();
        let from = ids.partition_point(|&(id, _)| id <= self.flow.told);
        ids.rotate_left(from);
        if let Some(&(first, _)) = ids.first() {
            self.flow.told = first;
        }
        for (_, stream) in ids {
            let kind = EventKind::Writable;
            turn.events.push_back(Event { stream, kind });
        }
    }
}

fn too_large() -> Fatal {
    Fatal::Broken {
        code: ErrorCode::FLOW_CONTROL_ERROR,
        part: "window larger than 2^31 - 1",
    }
}
