//! Load: callers that call one after the other, each answer checked against its call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

use super::message::{CallError, Request};
use super::provider::{NAMES, SERVICE};

/// Who calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lane {
    /// Users.
    User,
    /// Batch jobs, which say so in an attachment.
    Batch,
}

/// What calls are made through.
pub(super) trait Client: Send + 'static {
    /// Calls and waits for the answer.
    ///
    /// # Errors
    /// The error the answer is, or the lack of one.
    fn call(&mut self, request: Request) -> impl Future<Output = Result<String, CallError>> + Send;
}

/// What became of some calls.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Tally {
    /// Calls that were made.
    pub(super) calls: u64,
    /// Right answers of each provider, as in [`NAMES`].
    pub(super) answered: [u64; 3],
    /// Answers to something else than was asked.
    pub(super) mistaken: u64,
    /// Why calls failed.
    pub(super) failures: Vec<CallError>,
}

/// Callers at work.
#[derive(Debug)]
pub(super) struct Load {
    quota: Arc<Quota>,
    tally: JoinHandle<Tally>,
}

/// How many calls are still to be made.
#[derive(Debug)]
struct Quota {
    made: AtomicU64,
    limit: AtomicU64,
    progress: Notify,
}

impl Lane {
    /// A call of this lane.
    pub(super) fn request(self, method: &'static str, argument: String) -> Request {
        let attachments: &[_] = match self {
            Self::User => &[],
            Self::Batch => &[("batchjob", "true")],
        };
        Request {
            service: SERVICE,
            method,
            argument: Some(argument),
            attachments,
        }
    }
}

impl Load {
    /// Lets a caller on each of `clients` make its share of `calls`.
    pub(super) fn start(
        clients: impl IntoIterator<Item = impl Client>,
        lane: Lane,
        calls: u64,
    ) -> Self {
        let quota = Arc::new(Quota {
            made: AtomicU64::new(0),
            limit: AtomicU64::new(calls),
            progress: Notify::new(),
        });
        let mut tasks = JoinSet::new();
        for client in clients {
            tasks.spawn(call_on(client, lane, quota.clone()));
        }
        let tally = tokio::spawn(async move {
            let mut sum = Tally::default();
            while let Some(part) = tasks.join_next().await {
                // A caller does not panic, and nobody ends one.
                sum.add(part.unwrap_or_default());
            }
            sum
        });
        Self { quota, tally }
    }

    /// Waits until so many more calls were begun, which the load has to have left.
    pub(super) async fn progress(&self, calls: u64) {
        let until = self.quota.made.load(Ordering::Relaxed) + calls;
        loop {
            // Asked for before the look, so that nothing is missed in between.
            let progress = self.quota.progress.notified();
            if self.quota.made.load(Ordering::Relaxed) >= until {
                return;
            }
            progress.await;
        }
    }

    /// No further calls, and what became of those that were made.
    pub(super) async fn stop(self) -> Tally {
        self.quota.limit.store(0, Ordering::Relaxed);
        self.finish().await
    }

    /// What became of all calls.
    pub(super) async fn finish(self) -> Tally {
        self.tally.await.unwrap_or_default()
    }
}

impl Tally {
    /// Notes what became of a call of `argument`.
    pub(super) fn note(&mut self, argument: &str, answer: Result<String, CallError>) {
        self.calls += 1;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return self.failures.push(error),
        };
        let right = answer.split_once(": ").and_then(|(name, said)| {
            let provider = NAMES.iter().position(|known| *known == name)?;
            (said == argument).then_some(provider)
        });
        match right {
            Some(provider) => self.answered[provider] += 1,
            None => self.mistaken += 1,
        }
    }

    /// Adds what became of other calls.
    pub(super) fn add(&mut self, other: Self) {
        self.calls += other.calls;
        for (sum, count) in self.answered.iter_mut().zip(other.answered) {
            *sum += count;
        }
        self.mistaken += other.mistaken;
        self.failures.extend(other.failures);
    }

    /// Calls without a right answer.
    pub(super) fn failed(&self) -> u64 {
        self.mistaken + self.failures.len() as u64
    }

    /// Failures of calls that had been given to a provider when it went away.
    pub(super) fn lost(&self) -> u64 {
        let is_it = |e: &&CallError| matches!(e, CallError::Status { status: 80, message } if message.contains("was lost"));
        self.failures.iter().filter(is_it).count() as u64
    }

    /// Failures with this status of Dubbo's.
    pub(super) fn with_status(&self, wanted: u8) -> u64 {
        let is_it =
            |e: &&CallError| matches!(e, CallError::Status { status, .. } if *status == wanted);
        self.failures.iter().filter(is_it).count() as u64
    }
}

impl Quota {
    /// The number of the next call, if there is to be one.
    fn take(&self) -> Option<u64> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        self.progress.notify_waiters();
        (number < self.limit.load(Ordering::Relaxed)).then_some(number)
    }
}

/// Calls one after the other until the quota is used up.
async fn call_on(mut client: impl Client, lane: Lane, quota: Arc<Quota>) -> Tally {
    let mut tally = Tally::default();
    while let Some(number) = quota.take() {
        let argument = format!("{lane:?} {number}");
        let answer = client.call(lane.request("echo", argument.clone())).await;
        tally.note(&argument, answer);
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::super::consumer::Consumer;
    use super::super::provider::Provider;
    use super::*;

    #[test]
    fn only_the_answer_to_the_same_argument_counts() {
        let mut tally = Tally::default();
        tally.note("a", Ok("user-v2: a".into()));
        tally.note("a", Ok("batch: b".into()));
        tally.note("a", Ok("nobody: a".into()));
        let message = String::new();
        let status = 80;
        tally.note("a", Err(CallError::Status { status, message }));
        tally.note("a", Err(CallError::Lost));
        assert_eq!((tally.answered, tally.mistaken), ([0, 1, 0], 2));
        assert_eq!((tally.calls, tally.failed()), (5, 4));
        assert_eq!((tally.with_status(80), tally.with_status(60)), (1, 0));
    }

    #[tokio::test]
    async fn a_load_makes_as_many_calls_as_it_was_told() {
        let provider = Provider::start(NAMES[2]).await.unwrap();
        let consumer = Consumer::connect(provider.address()).await.unwrap();
        let load = Load::start(vec![consumer; 3], Lane::Batch, 100);
        let tally = load.finish().await;
        assert_eq!((tally.calls, tally.answered), (100, [0, 0, 100]));
    }

    #[tokio::test]
    async fn a_load_stops_when_told_to() {
        let provider = Provider::start(NAMES[0]).await.unwrap();
        let consumer = Consumer::connect(provider.address()).await.unwrap();
        let load = Load::start(vec![consumer; 2], Lane::User, u64::MAX);
        load.progress(10).await;
        let tally = load.stop().await;
        assert!(tally.calls >= 8 && tally.failed() == 0, "{tally:?}");
        assert_eq!(tally.answered[0], provider.counts().answered);
    }
}
