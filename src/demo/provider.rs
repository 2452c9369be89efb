//! A provider of `org.sabir.demo.UserService` in all protocols, told by a connection's first bytes.
//!
//! `whoami()` answers with the provider's name, `echo(String)` with the name, a colon and the
//! argument, and so does `linger(String)`: in Dubbo, not before the provider is told to.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use sabir::core::frame::StreamId;
use sabir::core::head::{Echo, Head, Kind};
use sabir::core::outcome::{Code, Outcome, Reply};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::dialect::{self, Asked};
use super::link::{Link, LinkError, Read};
use super::{grpc, message, turns};

/// A provider.
#[derive(Debug)]
pub(super) struct Provider {
    address: SocketAddr,
    desk: Arc<Desk>,
    server: Option<Server>,
}

/// What became of the calls that arrived.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Counts {
    /// Were answered.
    pub(super) answered: u64,
    /// Wanted no answer.
    pub(super) one_way: u64,
    /// Wait for their answer.
    pub(super) lingering: u64,
}

/// What connections share.
#[derive(Debug)]
struct Desk {
    name: &'static str,
    counts: watch::Sender<Counts>,
    lingers: watch::Sender<bool>,
}

#[derive(Debug)]
struct Server {
    kill: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

/// A call that waits for its answer.
#[derive(Debug)]
struct Lingering {
    stream: StreamId,
    echo: Echo,
    reply: Reply,
}

impl Provider {
    /// Starts a provider that calls itself `name`, on a free port of loopback.
    ///
    /// # Errors
    /// The system's.
    pub(super) async fn start(name: &'static str) -> io::Result<Self> {
        let listener = TcpListener::bind((LOOPBACK, 0)).await?;
        let address = listener.local_addr()?;
        let desk = Arc::new(Desk {
            name,
            counts: watch::Sender::default(),
            lingers: watch::Sender::new(true),
        });
        let server = Some(Server::start(listener, desk.clone()));
        Ok(Self {
            address,
            desk,
            server,
        })
    }

    /// Closes its listener and its connections at once, whatever they are doing.
    pub(super) async fn kill(&mut self) {
        if let Some(Server { kill, ended }) = self.server.take() {
            // Either fails only if the server is gone already.
            let _: Result<_, _> = kill.send(());
            let _: Result<_, _> = ended.await;
        }
    }

    /// Starts it again, on the same port. Calls do not linger any longer.
    ///
    /// # Errors
    /// The system's.
    pub(super) async fn restart(&mut self) -> io::Result<()> {
        self.release();
        if self.server.is_none() {
            let listener = TcpListener::bind(self.address).await?;
            self.server = Some(Server::start(listener, self.desk.clone()));
        }
        Ok(())
    }

    /// Answers the calls that linger, and from now on those like them at once.
    pub(super) fn release(&self) {
        self.desk.lingers.send_replace(false);
    }

    /// Waits until its counts are as `wanted`.
    pub(super) async fn wait_for(&self, wanted: impl FnMut(&Counts) -> bool) -> Counts {
        let mut counts = self.desk.counts.subscribe();
        // The sender lives as long as this provider.
        let found = counts.wait_for(wanted).await;
        found.map(|counts| *counts).unwrap_or_default()
    }

    /// What became of the calls that arrived so far.
    pub(super) fn counts(&self) -> Counts {
        *self.desk.counts.borrow()
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Server {
    fn start(listener: TcpListener, desk: Arc<Desk>) -> Self {
        let (kill, killed) = oneshot::channel();
        let ended = tokio::spawn(serve(listener, desk, killed));
        Self { kill, ended }
    }
}

/// Accepts connections until told to stop; then none of them is left.
async fn serve(listener: TcpListener, desk: Arc<Desk>, mut killed: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut killed => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    connections.spawn(converse(socket, desk.clone()));
                }
                Err(error) => {
                    tracing::warn!(provider = desk.name, %error, "cannot accept");
                    break;
                }
            },
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn converse(socket: TcpStream, desk: Arc<Desk>) {
    if let Err(error) = answer_all(socket, &desk).await {
        tracing::debug!(provider = desk.name, %error, "connection failed");
    }
}

/// Answers what arrives until the peer closes, in the peer's protocol.
async fn answer_all(socket: TcpStream, desk: &Desk) -> Result<(), LinkError> {
    // Peers send more than this at once.
    let mut first = [0; 2];
    let len = socket.peek(&mut first).await?;
    let first = &first[..len];
    let answer = |asked: Asked<'_>| {
        desk.count(|counts| counts.answered += 1);
        desk.reply(asked)
    };
    match dialect::of(first) {
        Some(dialect) => turns::answer_all(socket, dialect, &answer).await,
        None if grpc::starts_with(first) => grpc::answer_all(socket, &answer).await,
        None => answer_dubbo(socket, desk).await,
    }
}

async fn answer_dubbo(socket: TcpStream, desk: &Desk) -> Result<(), LinkError> {
    let mut link = Link::new(socket)?;
    let mut lingers = desk.lingers.subscribe();
    let mut lingering = Vec::new();
    loop {
        tokio::select! {
            read = link.read() => if read? == Read::End {
                return Ok(());
            },
            // The sender is the desk's own.
            _ = lingers.changed() => {}
        }
        while let Some((stream, head)) = link.next_message() {
            desk.take(&mut link, stream, &head, &mut lingering);
        }
        if !*lingers.borrow() {
            for Lingering {
                stream,
                echo,
                reply,
            } in lingering.drain(..)
            {
                link.reply(stream, echo, &reply);
                desk.count(|counts| counts.lingering -= 1);
                desk.count(|counts| counts.answered += 1);
            }
        }
        link.flush().await?;
    }
}

impl Desk {
    /// Answers a request, or lets it linger.
    fn take(&self, link: &mut Link, stream: StreamId, head: &Head, queue: &mut Vec<Lingering>) {
        match head.kind {
            Kind::OneWay => self.count(|counts| counts.one_way += 1),
            Kind::Request => {
                let reply = self.reply(Asked {
                    service: head.service(),
                    method: head.method(),
                    argument: message::argument(head.wire()),
                });
                let echo = head.echo;
                if head.method() == LINGER && *self.lingers.borrow() {
                    queue.push(Lingering {
                        stream,
                        echo,
                        reply,
                    });
                    return self.count(|counts| counts.lingering += 1);
                }
                link.reply(stream, echo, &reply);
                self.count(|counts| counts.answered += 1);
            }
            // Heartbeats do not come here, and nobody answers a provider.
            _ => {}
        }
    }

    fn reply(&self, asked: Asked<'_>) -> Reply {
        let name = self.name;
        if asked.service != SERVICE.as_bytes() {
            return Reply::refused(Code::NotFound, format!("{name} has only {SERVICE}"));
        }
        match (asked.method, asked.argument) {
            (b"whoami", _) => Reply::new(Outcome::OK, name),
            (b"echo" | LINGER, Some(argument)) => {
                Reply::new(Outcome::OK, format!("{name}: {argument}"))
            }
            (b"echo" | LINGER, None) => {
                Reply::refused(Code::BadRequest, format!("{name}: not one string"))
            }
            _ => Reply::refused(Code::Unimplemented, format!("{name}: no such method")),
        }
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        self.counts.send_modify(change);
    }
}

/// The interface of all providers.
pub(super) const SERVICE: &str = "org.sabir.demo.UserService";

/// What the providers call themselves.
pub(super) const NAMES: [&str; 3] = ["user-v1", "user-v2", "batch"];

const LOOPBACK: &str = "127.0.0.1";
const LINGER: &[u8] = b"linger";
