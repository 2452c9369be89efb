//! A Dubbo consumer: one connection, any number of calls at once.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

use super::link::{Link, LinkError, Read};
use super::load::Client;
use super::message::{self, CallError, Request, Way};

/// A connection to call through. Clones share it; the last one closes it.
#[derive(Clone, Debug)]
pub(super) struct Consumer {
    calls: mpsc::UnboundedSender<Call>,
    strays: Arc<AtomicU64>,
}

type Answer = Result<String, CallError>;

#[derive(Debug)]
struct Call {
    request: Request,
    /// Absent for calls that want no answer.
    answer: Option<oneshot::Sender<Answer>>,
}

impl Consumer {
    /// Connects to `address`.
    ///
    /// # Errors
    /// The system's.
    pub(super) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let link = Link::new(TcpStream::connect(address).await?)?;
        let (calls, orders) = mpsc::unbounded_channel();
        let strays = Arc::new(AtomicU64::new(0));
        let line = Line {
            link,
            waiting: HashMap::new(),
            last_id: 0,
            strays: strays.clone(),
        };
        tokio::spawn(line.run(orders));
        Ok(Self { calls, strays })
    }

    /// Calls and waits for the answer.
    ///
    /// # Errors
    /// The error the answer is, or the lack of one.
    pub(super) async fn call(&self, request: Request) -> Answer {
        let (sender, answer) = oneshot::channel();
        self.order(request, Some(sender))?;
        answer.await.unwrap_or(Err(CallError::Lost))
    }

    /// Calls without waiting for anything.
    ///
    /// # Errors
    /// [`CallError::Lost`].
    pub(super) fn send(&self, request: Request) -> Result<(), CallError> {
        self.order(request, None)
    }

    /// Answers that arrived for nobody.
    pub(super) fn strays(&self) -> u64 {
        self.strays.load(Ordering::Relaxed)
    }

    fn order(
        &self,
        request: Request,
        answer: Option<oneshot::Sender<Answer>>,
    ) -> Result<(), CallError> {
        let call = Call { request, answer };
        self.calls.send(call).map_err(|_| CallError::Lost)
    }
}

impl Client for Consumer {
    async fn call(&mut self, request: Request) -> Answer {
        Self::call(self, request).await
    }
}

/// The connection's end.
struct Line {
    link: Link,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    last_id: u64,
    strays: Arc<AtomicU64>,
}

impl Line {
    /// Runs until nobody can call any longer, or the connection ends; whoever waits is then told.
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Call>) {
        if let Err(error) = self.carry(&mut orders).await {
            tracing::debug!(%error, "connection to the proxy failed");
        }
    }

    async fn carry(&mut self, orders: &mut mpsc::UnboundedReceiver<Call>) -> Result<(), LinkError> {
        loop {
            tokio::select! {
                read = self.link.read() => if read? == Read::End {
                    return Ok(());
                },
                order = orders.recv() => match order {
                    Some(call) => self.call(call),
                    None => return Ok(()),
                },
            }
            // What was asked for at the same time leaves together.
            while let Ok(call) = orders.try_recv() {
                self.call(call);
            }
            self.take_answers();
            self.link.flush().await?;
        }
    }

    fn call(&mut self, Call { request, answer }: Call) {
        self.last_id += 1;
        let way = if answer.is_some() { Way::Two } else { Way::One };
        self.link.put(&request.write(self.last_id, way));
        if let Some(answer) = answer {
            self.waiting.insert(self.last_id, answer);
        }
    }

    fn take_answers(&mut self) {
        while let Some((stream, head)) = self.link.next_message() {
            match self.waiting.remove(&stream.0) {
                // A caller that waits no longer has no need to be told.
                Some(caller) => drop(caller.send(message::answer(head.wire()))),
                None => {
                    self.strays.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::provider::{Provider, SERVICE};
    use super::*;

    fn request(method: &'static str, argument: &str) -> Request {
        Request {
            service: SERVICE,
            method,
            argument: Some(argument.to_owned()),
            attachments: &[],
        }
    }

    #[tokio::test]
    async fn a_provider_answers_each_call_with_its_argument() {
        let provider = Provider::start("p").await.unwrap();
        let consumer = Consumer::connect(provider.address()).await.unwrap();
        let (a, b) = tokio::join!(
            consumer.call(request("echo", "a")),
            consumer.call(request("echo", "b")),
        );
        assert_eq!((a, b), (Ok("p: a".into()), Ok("p: b".into())));
        let mut whoami = request("whoami", "");
        whoami.argument = None;
        assert_eq!(consumer.call(whoami).await.as_deref(), Ok("p"));
        assert_eq!(provider.counts().answered, 3);
    }

    #[tokio::test]
    async fn wrong_calls_are_answered_with_errors() {
        let provider = Provider::start("p").await.unwrap();
        let consumer = Consumer::connect(provider.address()).await.unwrap();
        let status = |answer| match answer {
            Err(CallError::Status { status, .. }) => status,
            answer => panic!("{answer:?}"),
        };
        assert_eq!(status(consumer.call(request("fly", "")).await), 70);
        let mut other = request("echo", "");
        other.service = "org.sabir.demo.Other";
        assert_eq!(status(consumer.call(other).await), 60);
    }

    #[tokio::test]
    async fn one_way_calls_arrive_and_are_not_answered() {
        let provider = Provider::start("p").await.unwrap();
        let consumer = Consumer::connect(provider.address()).await.unwrap();
        consumer.send(request("echo", "a")).unwrap();
        assert!(consumer.call(request("echo", "b")).await.is_ok());
        let counts = provider.wait_for(|counts| counts.one_way == 1).await;
        assert_eq!((counts.answered, consumer.strays()), (1, 0));
    }

    #[tokio::test]
    async fn lingering_calls_are_answered_on_release() {
        let provider = Provider::start("p").await.unwrap();
        let consumer = Consumer::connect(provider.address()).await.unwrap();
        let call = tokio::spawn({
            let consumer = consumer.clone();
            async move { consumer.call(request("linger", "a")).await }
        });
        provider.wait_for(|counts| counts.lingering == 1).await;
        provider.release();
        assert_eq!(call.await.unwrap().as_deref(), Ok("p: a"));
    }

    #[tokio::test]
    async fn a_killed_provider_is_gone_until_it_is_started_again() {
        let mut provider = Provider::start("p").await.unwrap();
        let consumer = Consumer::connect(provider.address()).await.unwrap();
        let call = tokio::spawn({
            let consumer = consumer.clone();
            async move { consumer.call(request("linger", "a")).await }
        });
        provider.wait_for(|counts| counts.lingering == 1).await;
        provider.kill().await;
        assert_eq!(call.await.unwrap(), Err(CallError::Lost));
        assert!(Consumer::connect(provider.address()).await.is_err());
        provider.restart().await.unwrap();
        let consumer = Consumer::connect(provider.address()).await.unwrap();
        assert!(consumer.call(request("linger", "b")).await.is_ok());
    }
}
