//! One connection: a nonblocking socket, what arrived on it and what still has to leave.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use crate::poller::{Interest, Poller};

/// What is read at once at first, and at most until a message needs more, bytes. Most of ten thousand idle connections
/// never fill the first.
const FIRST_READ: usize = 4 << 10;
const READ: usize = 64 << 10;

/// What reading found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    /// Bytes, or nothing for now.
    Open,
    /// The other side has closed.
    Closed,
}

/// A connection registered with a poller.
#[derive(Debug)]
pub(crate) struct Link {
    socket: TcpStream,
    number: u64,
    interest: Interest,
    inbox: Vec<u8>,
    filled: usize,
    outbox: Vec<u8>,
    sent: usize,
}

impl Link {
    /// Takes over a connected socket and registers it for reading under `number`.
    pub(crate) fn new(socket: TcpStream, number: u64, poller: &Poller) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        poller.add(&socket, number, Interest::Read)?;
        Ok(Self {
            socket,
            number,
            interest: Interest::Read,
            inbox: vec![0; FIRST_READ],
            filled: 0,
            outbox: Vec::new(),
            sent: 0,
        })
    }

    /// Where to append what is to be sent; [`Self::flush`] sends it.
    pub(crate) fn outbox(&mut self) -> &mut Vec<u8> {
        &mut self.outbox
    }

    /// What arrived and is not consumed yet, and where to append what it calls for.
    pub(crate) fn received(&mut self) -> (&[u8], &mut Vec<u8>) {
        (&self.inbox[..self.filled], &mut self.outbox)
    }

    /// Forgets the first `consumed` bytes, and makes room so that a message of `needed` bytes fits.
    pub(crate) fn consume(&mut self, consumed: usize, needed: usize) {
        if consumed > 0 {
            self.inbox.copy_within(consumed..self.filled, 0);
            self.filled -= consumed;
        }
        if needed > self.inbox.len() {
            self.inbox.resize(needed.next_multiple_of(READ), 0);
        }
    }

    /// Reads once.
    pub(crate) fn receive(&mut self) -> io::Result<Received> {
        match self.socket.read(&mut self.inbox[self.filled..]) {
            Ok(0) => Ok(Received::Closed),
            Ok(count) => {
                self.filled += count;
                if self.filled == self.inbox.len() && self.filled < READ {
                    self.inbox.resize(READ, 0);
                }
                Ok(Received::Open)
            }
            Err(error) if retryable(&error) => Ok(Received::Open),
            Err(error) => Err(error),
        }
    }

    /// Writes what there is. What the socket does not take now leaves later: the link then also waits for room.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while self.has_unsent() {
            match self.socket.write(&self.outbox[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.sent += count,
                Err(error) if retryable(&error) => break,
                Err(error) => return Err(error),
            }
        }
        if !self.has_unsent() {
            self.outbox.clear();
            self.sent = 0;
        }
        Ok(())
    }

    /// Whether something waits for room in the socket.
    pub(crate) fn has_unsent(&self) -> bool {
        self.sent < self.outbox.len()
    }

    /// Waits for `interest` from now on.
    pub(crate) fn wait_for(&mut self, interest: Interest, poller: &Poller) -> io::Result<()> {
        if interest != self.interest {
            poller.change(&self.socket, self.number, interest)?;
            self.interest = interest;
        }
        Ok(())
    }
}

fn retryable(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
