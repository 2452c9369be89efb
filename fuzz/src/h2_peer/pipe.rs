//! Their end of a connection.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes on their way, in both directions.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    to_them: VecDeque<u8>,
    from_them: VecDeque<u8>,
    written: usize,
}

impl Pipe {
    /// Bytes that they have written so far.
    pub(super) fn written(&self) -> usize {
        self.written
    }

    /// At most `most` of the bytes that they have written.
    pub(super) fn take(&mut self, most: usize) -> Vec<u8> {
        let len = most.min(self.from_them.len());
        self.from_them.drain(..len).collect()
    }

    /// Lets them read `bytes`.
    pub(super) fn give(&mut self, bytes: &[u8]) {
        self.to_them.extend(bytes);
    }
}

/// The pipe as a socket.
pub(super) struct Io(pub(super) Rc<RefCell<Pipe>>);

// Nobody is woken: everything is polled until there is no progress.
impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut pipe = self.0.borrow_mut();
        let len = buf.remaining().min(pipe.to_them.len());
        if len == 0 {
            return Poll::Pending;
        }
        let bytes: Vec<_> = pipe.to_them.drain(..len).collect();
        buf.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut pipe = self.0.borrow_mut();
        pipe.from_them.extend(bytes);
        pipe.written += bytes.len();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
