//! What a connection to an endpoint counts.

use sabir_core::connection::ConnectionError;
use tokio::io::{AsyncRead, AsyncWrite};

use super::carrier::Carrier;
use super::link::LinkError;
use crate::telemetry::ClusterCounter;

impl<S: AsyncRead + AsyncWrite + Unpin> Carrier<S> {
    /// Why a connection that is done was closed.
    pub(super) fn why_done(&self) -> ClusterCounter {
        match (&self.handle.owner, self.closing) {
            (_, false) => ClusterCounter::CxDestroyRemote,
            (Some(_), true) => ClusterCounter::CxDestroyDownstream,
            (None, true) => ClusterCounter::CxDestroyEndpointRemoved,
        }
    }

    pub(super) fn count_end(&self, ended: &Result<ClusterCounter, LinkError>) {
        let reason = match ended {
            Ok(reason) => *reason,
            Err(LinkError::Io(_)) => ClusterCounter::CxDestroyIo,
            Err(LinkError::Protocol(ConnectionError::Silent { .. })) => {
                ClusterCounter::CxDestroyHeartbeat
            }
            Err(LinkError::Protocol(error)) => {
                if let ConnectionError::TooLong { .. } = error {
                    self.count(ClusterCounter::RsTooLarge);
                }
                self.handle.count_fault(error.name(), &self.worker);
                ClusterCounter::CxDestroyProtocol
            }
        };
        self.count(reason);
    }

    pub(super) fn account(&mut self) {
        let (received, sent) = self.link.take_traffic();
        if received + sent > 0 {
            let cluster = self.handle.endpoint.cluster.stats_id;
            let mut stats = self.worker.stats.borrow_mut();
            stats.add(ClusterCounter::RxBytes, cluster, received);
            stats.add(ClusterCounter::TxBytes, cluster, sent);
        }
    }

    pub(super) fn count(&self, counter: ClusterCounter) {
        self.worker
            .count(self.handle.endpoint.cluster.stats_id, counter);
    }
}
