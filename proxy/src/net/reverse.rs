//! Requests that a server sends to its client, over connections bound to one another.

use std::rc::Rc;

use sabir_core::frame::{Frame, StreamId};
use sabir_core::head::{Head, Kind};
use sabir_core::outcome::{Code, Executed, Outcome, Party, Reply};
use tokio::io::{AsyncRead, AsyncWrite};

use super::session::Session;
use super::streams::Streams;
use super::upstream::Upstream;

/// Requests of servers that await the client's response.
pub(crate) type Reverse = Streams<(Rc<Upstream>, StreamId)>;

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// The server calls its client: its request gets a name of its own on the way down.
    pub(super) fn on_server_request(
        &mut self,
        upstream: Rc<Upstream>,
        stream: StreamId,
        head: Head,
    ) {
        self.touch();
        if head.kind == Kind::OneWay {
            return self.send_down(stream, head);
        }
        if self.reverse.len() >= self.listener.current().listener.bounds.max_streams {
            let outcome = Outcome::new(Party::Caller, Executed::No, Code::Overloaded);
            let reply = Reply::new(
                outcome,
                "the client has too many calls of its server in flight",
            );
            return upstream.reply(stream, head.echo, reply);
        }
        // As many as that can be told apart.
        if let Some(down) = self.reverse.insert((upstream, stream)) {
            self.send_down(down, head);
        }
    }

    fn send_down(&mut self, stream: StreamId, head: Head) {
        let sent = self
            .link
            .with(|conn, turn| conn.send(stream, Frame::Head(head), turn));
        // A protocol without such requests has not produced one; should it refuse, nobody waits.
        if sent.is_err() {
            self.reverse.remove(stream);
        }
    }

    /// The client answers its server.
    pub(super) fn on_client_response(&mut self, stream: StreamId, head: Head) {
        if let Some((upstream, stream)) = self.reverse.remove(stream) {
            upstream.frame(stream, Frame::Head(head));
        }
    }
}
