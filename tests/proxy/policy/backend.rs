//! Servers that do as a script says, in any protocol.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use sabir::core::connection::EventKind;
use sabir::core::frame::{Frame, Reason, StreamId};
use sabir::core::head::{Echo, Head, Kind};
use sabir::core::outcome::{Code, Executed, Outcome, Party};
use tokio::net::{TcpListener, TcpStream};

use super::dialect::Dialect;
use super::side::Side;

/// What a server does with a request.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Answers well.
    Answer,
    /// Answers that its business logic failed.
    Business,
    /// Answers that its framework failed, in this way.
    Fail(Code),
    /// Closes the connection.
    Close,
    /// Says that it did not look at it, where the protocol has a word for that.
    Refuse,
    /// Does nothing.
    Hold,
    /// Answers well, after it has answered what it held back on the same connection.
    AnswerHeld,
    /// Answers well, after a while.
    Slow(Duration),
    /// Answers, in HTTP, that it is asked too often, and not to ask for so many seconds.
    NotBefore(u32),
}

/// A request as a server saw it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// Which of the server's connections it came on, from 0.
    pub(super) connection: usize,
    /// How long its caller is said to wait.
    pub(super) timeout: Option<Duration>,
    /// Bytes of its body, where that is streamed.
    pub(super) body: usize,
}

/// A server that does as its script says, and answers well once that is over.
pub(super) struct Backend {
    pub(super) address: SocketAddr,
    state: Arc<RwLock<State>>,
}

#[derive(Default)]
struct State {
    script: VecDeque<Act>,
    seen: Vec<Seen>,
    connections: usize,
}

impl Backend {
    pub(super) async fn start(dialect: Dialect, script: impl IntoIterator<Item = Act>) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let state = Arc::new(RwLock::new(State {
            script: script.into_iter().collect(),
            ..State::default()
        }));
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((io, _)) = socket.accept().await {
                let connection = {
                    let mut state = shared.write().unwrap();
                    state.connections += 1;
                    state.connections - 1
                };
                tokio::spawn(serve(io, dialect, connection, shared.clone()));
            }
        });
        Self { address, state }
    }

    /// The requests so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.state.write().unwrap().seen.clone()
    }
}

async fn serve(io: TcpStream, dialect: Dialect, connection: usize, state: Arc<RwLock<State>>) {
    let codec = dialect.codec();
    let mut side = Side::server(io, &dialect);
    let mut requests: Vec<(StreamId, Head, usize)> = Vec::new();
    let mut held: Vec<(StreamId, Echo)> = Vec::new();
    while let Some(event) = side.next().await {
        let EventKind::Frame(frame) = event.kind else {
            continue;
        };
        let ends = frame.ends();
        match frame {
            Frame::Head(head) if head.kind == Kind::Request => {
                requests.push((event.stream, head, 0));
            }
            Frame::Data { bytes, .. } => {
                let mut of = requests.iter_mut().filter(|(s, ..)| *s == event.stream);
                if let Some((_, _, body)) = of.next() {
                    *body += bytes.len();
                }
            }
            Frame::Reset(_) => {
                requests.retain(|(stream, ..)| *stream != event.stream);
                continue;
            }
            Frame::Head(_) | Frame::Trailers(_) => {}
        }
        let whole = requests
            .iter()
            .position(|(s, ..)| ends && *s == event.stream);
        let Some(whole) = whole else {
            continue;
        };
        let (stream, head, body) = requests.remove(whole);
        let act = {
            let mut state = state.write().unwrap();
            state.seen.push(Seen {
                connection,
                timeout: codec.caller_timeout(&head),
                body,
            });
            state.script.pop_front().unwrap_or(Act::Answer)
        };
        match act {
            Act::Hold => held.push((stream, head.echo)),
            Act::AnswerHeld => {
                for (stream, echo) in held.drain(..) {
                    side.reply(stream, echo, Outcome::OK).await;
                }
            }
            _ => {}
        }
        if !act.play(&mut side, &dialect, stream, head.echo).await {
            return;
        }
    }
}

impl Act {
    /// Whether the connection goes on.
    async fn play(self, side: &mut Side, dialect: &Dialect, stream: StreamId, echo: Echo) -> bool {
        match self {
            Self::Answer | Self::AnswerHeld => side.reply(stream, echo, Outcome::OK).await,
            Self::Business => side.reply(stream, echo, Outcome::BUSINESS_ERROR).await,
            Self::Fail(code) => {
                let outcome = Outcome::new(Party::Infrastructure, Executed::Maybe, code);
                side.reply(stream, echo, outcome).await;
            }
            Self::Close => return false,
            Self::Refuse => side.send(stream.0, Frame::Reset(Reason::Refused)).await,
            Self::Hold => {}
            Self::NotBefore(seconds) => {
                let lines = format!("429 Slow down\r\nretry-after: {seconds}");
                let response = dialect.response(&lines);
                side.send(stream.0, response).await;
            }
            Self::Slow(time) => {
                tokio::time::sleep(time).await;
                side.reply(stream, echo, Outcome::OK).await;
            }
        }
        true
    }
}
