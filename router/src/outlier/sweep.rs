//! What happens once in an interval.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::host::{Host, Share, Standing};
use super::{Cause, Detector};

impl Detector {
    /// One sweep, by whoever claimed it.
    pub(super) fn sweep_now(&self, moment: u64, mut random: impl FnMut() -> u64) {
        // Once in an interval, this may allocate.
        let mut seen = Vec::with_capacity(self.hosts.len());
        for host in self.hosts.values() {
            let shares = host.take();
            match host.standing() {
                Standing::Ejected(until) if until <= moment => self.bring_back(host),
                Standing::Ejected(_) => {}
                Standing::Probation => {
                    self.look_again(host, shares);
                    seen.push((host, shares));
                }
                Standing::Live => {
                    host.forgive();
                    seen.push((host, shares));
                }
            }
        }
        self.count_ejected();
        let kinds = [
            (Cause::SuccessRate, Cause::FailurePercentage),
            (
                Cause::LocalOriginSuccessRate,
                Cause::LocalOriginFailurePercentage,
            ),
        ];
        for (kind, (rate, percentage)) in kinds.into_iter().enumerate() {
            let shares = seen.iter().map(|(host, shares)| (*host, shares[kind]));
            let shares: Vec<_> = shares.collect();
            let outliers = self.below_the_others(&shares).into_iter();
            let outliers = outliers.map(|host| (host, rate));
            let failing = self.above_the_threshold(&shares).into_iter();
            let failing = failing.map(|host| (host, percentage));
            for (host, cause) in outliers.chain(failing) {
                self.detect(host, cause, moment, &mut random);
            }
        }
    }

    fn bring_back(&self, host: &Host) {
        host.bring_back(match self.settings.ejection.half_open_requests {
            Some(_) => Standing::Probation,
            None => Standing::Live,
        });
        self.board.epoch.fetch_add(1, Ordering::Release);
    }

    /// Ends the probation of an endpoint that did well; one that was not tried is tried further.
    fn look_again(&self, host: &Host, [answers, _]: [Share; 2]) {
        if answers.all > 0 && answers.failed == 0 {
            host.bring_back(Standing::Live);
        }
        self.board.epoch.fetch_add(1, Ordering::Release);
    }

    /// Those whose rate of success is less than the mean by so many standard deviations.
    fn below_the_others<'a>(&self, shares: &[(&'a Arc<Host>, Share)]) -> Vec<&'a Arc<Host>> {
        let settings = &self.settings.success_rate;
        let enough = |share: &Share| share.all > 0 && share.all >= settings.request_volume.into();
        let rate = |share: &Share| 1.0 - share.failed as f64 / share.all as f64;
        let rates = shares.iter().filter(|(_, share)| enough(share));
        let rates: Vec<_> = rates.map(|(host, share)| (*host, rate(share))).collect();
        if rates.is_empty() || rates.len() < settings.minimum_hosts as usize {
            return Vec::new();
        }
        let count = rates.len() as f64;
        let mean = rates.iter().map(|(_, rate)| rate).sum::<f64>() / count;
        let squares = rates.iter().map(|(_, rate)| (rate - mean).powi(2));
        let deviation = (squares.sum::<f64>() / count).sqrt();
        let threshold = mean - deviation * f64::from(settings.stdev_factor) / 1000.0;
        let below = rates.into_iter().filter(|(_, rate)| *rate < threshold);
        below.map(|(host, _)| host).collect()
    }

    /// Those that fail at least so often.
    fn above_the_threshold<'a>(&self, shares: &[(&'a Arc<Host>, Share)]) -> Vec<&'a Arc<Host>> {
        let settings = &self.settings.failure_percentage;
        if self.hosts.len() < settings.minimum_hosts as usize {
            return Vec::new();
        }
        let enough = |share: &Share| share.all > 0 && share.all >= settings.request_volume.into();
        let fails = |share: &Share| share.failed * 100 >= share.all * u64::from(settings.threshold);
        let failing = shares
            .iter()
            .filter(|(_, share)| enough(share) && fails(share));
        failing.map(|(host, _)| *host).collect()
    }
}
