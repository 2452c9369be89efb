//! Servers that tests script.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::dubbo::{Message, PATIENCE, Peer};

/// A server whose connections the test serves itself.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    connections: mpsc::UnboundedReceiver<Peer>,
}

impl Backend {
    pub(crate) async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// One whose system takes little that it does not read.
    pub(crate) fn narrow() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(256 << 10).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self::on(socket.listen(16).unwrap())
    }

    fn on(socket: TcpListener) -> Self {
        let address = socket.local_addr().unwrap();
        let (send, connections) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((io, _)) = socket.accept().await {
                if send.send(Peer::new(io)).is_err() {
                    return;
                }
            }
        });
        Self {
            address,
            connections,
        }
    }

    /// One that answers every request with `name` and its argument.
    pub(crate) async fn echoing(name: &'static str) -> SocketAddr {
        Self::answering(move |request| {
            let text = format!("{name}:{}", request.argument());
            Some(Message::answer(request.id, &text))
        })
        .await
    }

    /// One that answers requests with what `answer` makes of them.
    pub(crate) async fn answering(
        answer: impl Fn(&Message) -> Option<Message> + Send + Sync + 'static,
    ) -> SocketAddr {
        let mut backend = Self::start().await;
        let address = backend.address;
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            while let Some(mut peer) = backend.connections.recv().await {
                let answer = answer.clone();
                tokio::spawn(async move {
                    while let Some(request) = peer.next_unhurried().await {
                        if request.is_heartbeat() {
                            peer.send(&pong(&request)).await;
                        } else if request.is_request()
                            && let Some(answer) = answer(&request)
                            && peer.try_send(&answer).await.is_err()
                        {
                            return;
                        }
                    }
                });
            }
        });
        address
    }

    pub(crate) async fn accept(&mut self) -> Peer {
        let accepted = timeout(PATIENCE, self.connections.recv()).await;
        accepted.expect("a connection in time").unwrap()
    }

    /// Whether a further connection has arrived.
    pub(crate) fn has_connection(&self) -> bool {
        !self.connections.is_empty()
    }
}

/// An address at which nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap()
}

/// The answer to a heartbeat.
pub(crate) fn pong(ping: &Message) -> Message {
    Message {
        flags: 0x22,
        status: 20,
        ..ping.clone()
    }
}
