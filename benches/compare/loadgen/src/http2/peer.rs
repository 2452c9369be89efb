//! What a connection owes to the other side, whichever side that is: acknowledged settings, answered pings, windows.

use super::block::Table;
use super::frame::{
    ACK, END_HEADERS, Frame, GOAWAY, HEADER_TABLE_SIZE, HEADERS, INITIAL_WINDOW_SIZE, PING,
    SETTINGS, WINDOW_UPDATE, put,
};
use super::outflow::Outflow;
use crate::protocol::Violation;

/// Windows that this side opens: a gigabyte, as other load generators do.
pub(super) const WINDOW: u32 = 1 << 30;
/// RFC 9113 §6.9.2: what the connection's is before it is widened.
const FIRST_WINDOW: u32 = 65_535;
/// Received octets after which the connection's window is opened again.
const OWED: u32 = 64 << 20;

/// One connection's other side.
#[derive(Debug, Default)]
pub(super) struct Peer {
    /// What may be sent to it.
    pub(super) outflow: Outflow,
    /// What its decoder holds.
    pub(super) table: Table,
    /// Octets of bodies received since the connection's window was opened last.
    received: u32,
}

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handled {
    /// It is the caller's to deal with.
    No,
    /// It was dealt with, and nothing else changes.
    Yes,
    /// More may leave now.
    Widened,
}

impl Peer {
    /// Opens the connection's window, once settings were sent.
    pub(super) fn open_window(out: &mut Vec<u8>) {
        let more = (WINDOW - FIRST_WINDOW).to_be_bytes();
        put(WINDOW_UPDATE, 0, 0, &more, out);
    }

    /// Deals with frames that do not concern one exchange.
    pub(super) fn handle(
        &mut self,
        frame: &Frame<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Handled, Violation> {
        match frame.kind {
            SETTINGS => self.settle(frame, out),
            WINDOW_UPDATE => {
                self.outflow
                    .widen(frame.stream, frame.number()? & 0x7fff_ffff);
                return Ok(Handled::Widened);
            }
            PING if !frame.has(ACK) => put(PING, ACK, 0, frame.payload, out),
            GOAWAY => return Err(Violation::Leaving),
            // Blocks that do not fit into one frame are never seen here.
            HEADERS if !frame.has(END_HEADERS) => return Err(Violation::Body),
            super::frame::DATA | HEADERS | super::frame::RST_STREAM => return Ok(Handled::No),
            super::frame::CONTINUATION => return Err(Violation::Kind),
            _ => {}
        }
        Ok(if frame.kind == SETTINGS {
            Handled::Widened
        } else {
            Handled::Yes
        })
    }

    /// Counts a body's octets, and opens the connection's window again in time.
    pub(super) fn receive(&mut self, octets: usize, out: &mut Vec<u8>) {
        self.received += octets as u32;
        if self.received >= OWED {
            put(WINDOW_UPDATE, 0, 0, &self.received.to_be_bytes(), out);
            self.received = 0;
        }
    }

    fn settle(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) {
        if frame.has(ACK) {
            return;
        }
        for (name, value) in frame.settings() {
            match name {
                INITIAL_WINDOW_SIZE => self.outflow.resize(value),
                HEADER_TABLE_SIZE => self.table.resize(value),
                _ => {}
            }
        }
        put(SETTINGS, ACK, 0, &[], out);
    }
}
