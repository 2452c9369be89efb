//! Callers and providers that take turns: one call at a time on a connection, in any dialect.

use std::io;
use std::net::SocketAddr;

use sabir::core::bytes::{Bytes, BytesMut};
use sabir::core::outcome::Reply;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::dialect::{Asked, Dialect};
use super::link::LinkError;
use super::load::Client;
use super::message::{CallError, Request};

/// A connection to call through.
#[derive(Debug)]
pub(super) struct Caller {
    line: Line,
    last_id: u32,
}

/// A socket that whole messages of a dialect go through.
#[derive(Debug)]
struct Line {
    socket: TcpStream,
    dialect: &'static dyn Dialect,
    input: BytesMut,
}

impl Caller {
    /// Connects to `address`.
    ///
    /// # Errors
    /// The system's.
    pub(super) async fn connect(
        address: SocketAddr,
        dialect: &'static dyn Dialect,
    ) -> io::Result<Self> {
        let line = Line::new(TcpStream::connect(address).await?, dialect)?;
        Ok(Self { line, last_id: 0 })
    }

    async fn exchange(&mut self, request: &Request) -> Result<Bytes, LinkError> {
        let message = self.line.dialect.call(self.last_id, request);
        self.line.socket.write_all(&message).await?;
        let answer = self.line.read().await?;
        answer.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof).into())
    }
}

impl Client for Caller {
    async fn call(&mut self, request: Request) -> Result<String, CallError> {
        self.last_id += 1;
        match self.exchange(&request).await {
            Ok(answer) => self.line.dialect.answer(self.last_id, answer),
            Err(error) => {
                let dialect = self.line.dialect.name();
                tracing::debug!(dialect, %error, "connection to the proxy failed");
                Err(CallError::Lost)
            }
        }
    }
}

/// Answers calls in `dialect` with what `desk` says, until the peer closes.
///
/// # Errors
/// What ends the connection before that.
pub(super) async fn answer_all(
    socket: TcpStream,
    dialect: &'static dyn Dialect,
    desk: &(dyn Fn(Asked<'_>) -> Reply + Sync),
) -> Result<(), LinkError> {
    let mut line = Line::new(socket, dialect)?;
    while let Some(call) = line.read().await? {
        let answer = dialect.serve(call, desk).map_err(malformed)?;
        line.socket.write_all(&answer).await?;
    }
    Ok(())
}

impl Line {
    fn new(socket: TcpStream, dialect: &'static dyn Dialect) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        let input = BytesMut::new();
        Ok(Self {
            socket,
            dialect,
            input,
        })
    }

    /// The next message; `None` if the peer has closed.
    async fn read(&mut self) -> Result<Option<Bytes>, LinkError> {
        loop {
            let len = self.dialect.message_len(&self.input).map_err(malformed)?;
            if let Some(len) = len.filter(|&len| len <= self.input.len()) {
                return Ok(Some(self.input.split_to(len).freeze()));
            }
            if self.socket.read_buf(&mut self.input).await? == 0 {
                return Ok(None);
            }
        }
    }
}

fn malformed(malformed: sabir::core::metadata::Malformed) -> LinkError {
    LinkError::Protocol(malformed.into())
}

#[cfg(test)]
mod tests {
    use super::super::dialect;
    use super::super::provider::{NAMES, Provider};
    use super::*;

    fn request(method: &'static str, argument: &str) -> Request {
        Request {
            method,
            ..super::super::load::Lane::User.request("", argument.to_owned())
        }
    }

    #[tokio::test]
    async fn a_provider_answers_in_the_dialect_it_is_asked_in() {
        let provider = Provider::start(NAMES[0]).await.unwrap();
        for dialect in dialect::ALL {
            let mut caller = Caller::connect(provider.address(), dialect).await.unwrap();
            for argument in ["a", "b"] {
                let answer = caller.call(request("echo", argument)).await;
                assert_eq!(answer, Ok(format!("user-v1: {argument}")), "{dialect:?}");
            }
            let answer = caller.call(request("fly", "")).await;
            assert!(matches!(answer, Err(CallError::Refused(_))), "{answer:?}");
        }
    }

    #[tokio::test]
    async fn callers_are_told_when_the_connection_is_lost() {
        let mut provider = Provider::start(NAMES[0]).await.unwrap();
        for dialect in dialect::ALL {
            provider.restart().await.unwrap();
            let mut caller = Caller::connect(provider.address(), dialect).await.unwrap();
            assert!(caller.call(request("echo", "a")).await.is_ok());
            provider.kill().await;
            assert_eq!(
                caller.call(request("echo", "b")).await,
                Err(CallError::Lost)
            );
        }
    }
}
