//! gRPC through the state machine of the proxy's own HTTP/2 connections.
//!
//! Messages have one field, a string with the number 1, as `google.protobuf.StringValue` has. The
//! pairs are header fields.
//!
//! Specification: `doc/PROTOCOL-HTTP2.md` of grpc/grpc.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use sabir::codecs::http2::Http2;
use sabir::core::bytes::{Bytes, BytesMut};
use sabir::core::frame::{Frame, StreamId};
use sabir::core::head::{Head, Kind};
use sabir::core::name::Name;
use sabir::core::outcome::Reply;
use sabir::core::protocol::{Limits, Protocol, Role};
use tokio::net::TcpStream;

use super::dialect::Asked;
use super::link::{Link, LinkError, Read};
use super::load::Client;
use super::message::{CallError, Request};

/// What it is called in the table.
pub(super) const NAME: &str = "gRPC";

/// Whether a connection that starts with these bytes speaks it.
pub(super) fn starts_with(first: &[u8]) -> bool {
    first.starts_with(b"PR")
}

/// A connection to call through, one call at a time.
pub(super) struct Caller {
    link: Link,
    last_id: u64,
}

/// What arrived on a stream so far.
#[derive(Debug, Default)]
struct Stream {
    head: Option<Head>,
    body: BytesMut,
    trailers: Option<Head>,
}

impl Caller {
    /// Connects to `address`.
    ///
    /// # Errors
    /// The system's.
    pub(super) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let link = link(TcpStream::connect(address).await?, Role::Client)?;
        Ok(Self { link, last_id: 0 })
    }

    /// Sends `request` and awaits all of the answer; `None` if it was given up.
    async fn exchange(&mut self, request: &Request) -> Result<Option<Stream>, LinkError> {
        let id = StreamId(self.last_id);
        let mut answer = Stream::default();
        let bytes = message(request.argument.as_deref().unwrap_or_default());
        let sent = self.link.open(id)
            && self.link.send(id, Frame::Head(head_of(request)))
            && self.link.send(id, Frame::Data { bytes, end: true });
        self.link.flush().await?;
        if !sent {
            return Ok(None);
        }
        loop {
            while let Some((stream, frame)) = self.link.next_frame() {
                let ends = frame.ends();
                if stream != id || !answer.take(frame) {
                    return Ok(None);
                }
                if ends {
                    self.link.flush().await?;
                    return Ok(Some(answer));
                }
            }
            if self.link.read().await? == Read::End {
                return Ok(None);
            }
            self.link.flush().await?;
        }
    }
}

impl Client for Caller {
    async fn call(&mut self, request: Request) -> Result<String, CallError> {
        self.last_id += 1;
        match self.exchange(&request).await {
            Ok(Some(answer)) => answer.said(),
            Ok(None) => Err(CallError::Lost),
            Err(error) => {
                tracing::debug!(protocol = NAME, %error, "connection to the proxy failed");
                Err(CallError::Lost)
            }
        }
    }
}

/// Answers calls with what `desk` says, until the peer closes.
///
/// # Errors
/// What ends the connection before that.
pub(super) async fn answer_all(
    socket: TcpStream,
    desk: &(dyn Fn(Asked<'_>) -> Reply + Sync),
) -> Result<(), LinkError> {
    let mut link = link(socket, Role::Server)?;
    let mut streams: HashMap<StreamId, Stream> = HashMap::new();
    while link.read().await? == Read::Some {
        while let Some((id, frame)) = link.next_frame() {
            let ends = frame.ends();
            let goes_on = streams.entry(id).or_default().take(frame);
            if (ends || !goes_on)
                && let Some(call) = streams.remove(&id)
                && goes_on
            {
                call.serve(id, &mut link, desk);
            }
        }
        link.flush().await?;
    }
    Ok(())
}

impl Stream {
    /// Notes what arrived; says whether the stream was not given up.
    fn take(&mut self, frame: Frame) -> bool {
        match frame {
            Frame::Head(head) => self.head = Some(head),
            Frame::Data { bytes, .. } => self.body.extend_from_slice(&bytes),
            Frame::Trailers(head) => self.trailers = Some(head),
            Frame::Reset(_) => return false,
        }
        true
    }

    /// What this answer says. Its end does, which is its head if there is nothing else.
    fn said(&self) -> Result<String, CallError> {
        let end = self.trailers.as_ref().or(self.head.as_ref());
        let field = |name: &str| {
            let value = end.and_then(|end| end.get(&Name::new(name)).map(<[u8]>::to_vec));
            String::from_utf8_lossy(&value.unwrap_or_default()).into_owned()
        };
        match (field("grpc-status").as_str(), text(&self.body)) {
            ("0", Some(text)) => Ok(text),
            ("0", None) => Err(CallError::Refused("not one string".into())),
            (status, _) => {
                let message = field("grpc-message");
                Err(CallError::Refused(format!("status {status}: {message}")))
            }
        }
    }

    /// Answers this call.
    fn serve(&self, id: StreamId, link: &mut Link, desk: &(dyn Fn(Asked<'_>) -> Reply + Sync)) {
        let Some(head) = &self.head else { return };
        let reply = desk(Asked {
            service: head.service(),
            method: head.method(),
            argument: text(&self.body),
        });
        if !reply.outcome.is_ok() {
            return link.reply(id, head.echo, &reply);
        }
        let mut begin = fields(Kind::Response, &[(":status", "200"), CONTENT_TYPE]);
        begin.end = false;
        let bytes = message(&reply.message);
        let end = fields(Kind::Response, &[("grpc-status", "0")]);
        // A caller that has given up has no need of the rest.
        let _: bool = link.send(id, Frame::Head(begin))
            && link.send(id, Frame::Data { bytes, end: false })
            && link.send(id, Frame::Trailers(end));
    }
}

fn link(socket: TcpStream, role: Role) -> io::Result<Link> {
    let connection = Http2::default().connection(role, &Limits::default(), Instant::now());
    Link::with(socket, connection)
}

/// The head of a call.
fn head_of(request: &Request) -> Head {
    let path = format!("/{}/{}", request.service, request.method);
    let mut pairs = vec![
        (":method", "POST"),
        (":scheme", "http"),
        (":path", &*path),
        (":authority", "localhost"),
        ("te", "trailers"),
        CONTENT_TYPE,
    ];
    pairs.extend_from_slice(request.attachments);
    let mut head = fields(Kind::Request, &pairs);
    head.end = false;
    head
}

/// A head with these fields, which the connection writes in HTTP/2.
fn fields(kind: Kind, pairs: &[(&str, &str)]) -> Head {
    let mut head = Head::new("demo", kind, Bytes::new(), |_, _| {});
    for (name, value) in pairs {
        head.set(&Name::new(name), value.as_bytes());
    }
    head
}

/// A message with `text`, and before it that it is not compressed, and its length.
fn message(text: &str) -> Bytes {
    let mut message = vec![FIELD_1];
    let mut len = text.len();
    while len >= 0x80 {
        message.push(len as u8 | 0x80);
        len >>= 7;
    }
    message.push(len as u8);
    message.extend_from_slice(text.as_bytes());
    // Messages of the demo are a few hundred bytes long.
    let prefix = (message.len() as u32).to_be_bytes();
    [&[0][..], &prefix, &message].concat().into()
}

/// The text of the one message in `body`, if there is one of this kind; empty if it has no fields.
fn text(body: &[u8]) -> Option<String> {
    let (&[compressed, a, b, c, d], message) = body.split_first_chunk()?;
    let len = u32::from_be_bytes([a, b, c, d]) as usize;
    if compressed != 0 || len != message.len() {
        return None;
    }
    let Some(mut rest) = message.strip_prefix(&[FIELD_1]) else {
        return message.is_empty().then(String::new);
    };
    let mut len = 0;
    for shift in [0, 7, 14, 21] {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        len |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return (len == rest.len()).then(|| String::from_utf8(rest.to_vec()).ok())?;
        }
    }
    None
}

const CONTENT_TYPE: (&str, &str) = ("content-type", "application/grpc+proto");
/// Number 1, with a length.
const FIELD_1: u8 = 0x0a;

#[cfg(test)]
mod tests {
    use super::super::load::Lane;
    use super::super::provider::{NAMES, Provider};
    use super::*;

    #[test]
    fn messages_are_read_as_they_were_written() {
        for len in [0, 1, 127, 128, 20_000] {
            let written = "x".repeat(len);
            assert_eq!(text(&message(&written)), Some(written));
        }
        assert_eq!(text(&[0, 0, 0, 0, 0]).as_deref(), Some(""));
        for wrong in [
            &b""[..],
            b"\x01\0\0\0\0",
            b"\0\0\0\0\x01",
            b"\0\0\0\0\x02\x0a\x01",
            b"\0\0\0\0\x02\x12\0",
        ] {
            assert_eq!(text(wrong), None, "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn a_provider_answers_calls_and_refuses_others() {
        let mut provider = Provider::start(NAMES[0]).await.unwrap();
        let mut caller = Caller::connect(provider.address()).await.unwrap();
        for argument in ["a", "b"] {
            let answer = caller.call(Lane::Batch.request("echo", argument.to_owned()));
            assert_eq!(answer.await, Ok(format!("user-v1: {argument}")));
        }
        let answer = caller.call(Lane::User.request("fly", String::new())).await;
        assert!(matches!(answer, Err(CallError::Refused(_))), "{answer:?}");
        assert!(starts_with(b"PR") && !starts_with(b"PO"));
        provider.kill().await;
        let answer = caller.call(Lane::User.request("echo", String::new())).await;
        assert_eq!(answer, Err(CallError::Lost));
    }
}
