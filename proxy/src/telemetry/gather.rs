//! Asks for the counters of every worker, and waits only so long.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::snapshot::Snapshot;

/// The sum of the workers' answers that arrive `within` this time. How many answered is in
/// [`Snapshot::workers`]; a worker that hangs, or ended, is left out.
pub async fn gather(answers: Vec<oneshot::Receiver<Snapshot>>, within: Duration) -> Snapshot {
    let deadline = Instant::now() + within;
    let mut sum = Snapshot::default();
    for answer in answers {
        // Past the deadline this still takes answers that are there already.
        if let Ok(Ok(snapshot)) = timeout_at(deadline, answer).await {
            sum.merge(snapshot);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_does_not_answer_is_left_out() {
        let (hung, waiting) = oneshot::channel();
        let (ended, gone) = oneshot::channel();
        let (sender, answer) = oneshot::channel();
        drop(ended);
        let snapshot = Snapshot {
            workers: 1,
            ..Snapshot::default()
        };
        sender.send(snapshot).unwrap();
        let start = Instant::now();
        let sum = gather(vec![waiting, gone, answer], Duration::from_secs(2)).await;
        assert_eq!(sum.workers, 1);
        assert_eq!(start.elapsed(), Duration::from_secs(2));
        drop(hung);
    }
}
