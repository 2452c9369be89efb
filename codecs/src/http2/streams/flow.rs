//! Windows: how much may be sent, and how much was allowed.
//!
//! A peer that makes its initial window smaller takes back what it had granted, so that a window
//! can fall below zero: with 60 000 octets sent of 65 535 and an initial window of 16 384, it is
//! 16 384 − 60 000 = −43 616, and nothing is sent until updates have lifted it above zero.
//!
//! Specification: RFC 9113 §5.2 and §6.9.

/// Octets that we may send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::http2) struct Window(i64);

/// A window that would exceed 2^31 - 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::http2) struct Overflow;

impl Window {
    /// A window of `size` octets.
    pub(in crate::http2) fn new(size: u32) -> Self {
        Self(size.into())
    }

    /// Octets that may be sent now.
    pub(in crate::http2) fn available(self) -> usize {
        self.0.max(0) as usize
    }

    /// Octets were sent.
    pub(in crate::http2) fn take(&mut self, octets: usize) {
        self.0 -= octets as i64;
    }

    /// The peer granted more, or took some back; says whether sending became possible by it.
    pub(in crate::http2) fn shift(&mut self, octets: i64) -> Result<bool, Overflow> {
        let was_shut = self.0 <= 0;
        let now = self.0 + octets;
        if now > MAX {
            return Err(Overflow);
        }
        self.0 = now;
        Ok(was_shut && now > 0)
    }
}

/// Octets that the peer may send, and what became of those it did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::http2) struct Inflow {
    window: i64,
    size: u32,
    /// Given to the driver and not reported as consumed.
    unread: usize,
    /// Consumed, and not granted again yet.
    owed: u32,
}

/// More than the window allowed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::http2) struct Exceeded;

impl Inflow {
    /// A window that is kept at `size` octets.
    pub(in crate::http2) fn new(size: u32) -> Self {
        Self {
            window: size.into(),
            size,
            unread: 0,
            owed: 0,
        }
    }

    /// Octets arrived.
    pub(in crate::http2) fn receive(&mut self, octets: usize) -> Result<(), Exceeded> {
        let rest = self.window - octets as i64;
        if rest < 0 {
            return Err(Exceeded);
        }
        self.window = rest;
        self.unread += octets;
        Ok(())
    }

    /// Octets were consumed, of those unread; says how much to grant now. Half a window is saved up
    /// before that, so that small pieces do not each cost a frame.
    pub(in crate::http2) fn release(&mut self, octets: usize) -> Option<u32> {
        let octets = octets.min(self.unread);
        self.unread -= octets;
        self.owed += octets as u32;
        if self.owed == 0 || self.owed < self.size / 2 {
            return None;
        }
        let owed = std::mem::take(&mut self.owed);
        self.window += i64::from(owed);
        Some(owed)
    }

    /// Octets that the driver holds.
    pub(in crate::http2) fn unread(&self) -> usize {
        self.unread
    }
}

/// Largest window. RFC 9113 §6.9.1.
const MAX: i64 = (1 << 31) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_was_taken_back_opens_only_above_zero() {
        let mut window = Window::new(65_535);
        window.take(60_000);
        assert_eq!(window.shift(16_384 - 65_535), Ok(false));
        assert_eq!(window, Window(-43_616));
        assert_eq!(window.available(), 0);
        assert_eq!(window.shift(43_616), Ok(false));
        assert_eq!(window.shift(1), Ok(true));
        assert_eq!(window.shift(1), Ok(false));
        assert_eq!(window.available(), 2);
    }

    #[test]
    fn a_window_cannot_exceed_its_largest() {
        let mut window = Window::new(65_535);
        assert_eq!(window.shift(MAX - 65_535), Ok(false));
        assert_eq!(window.shift(1), Err(Overflow));
    }

    #[test]
    fn what_was_consumed_is_granted_by_halves_and_no_more_than_arrived() {
        let mut inflow = Inflow::new(100);
        inflow.receive(60).unwrap();
        assert_eq!(inflow.receive(41), Err(Exceeded));
        assert_eq!(inflow.release(49), None);
        assert_eq!(inflow.release(1), Some(50));
        assert_eq!(inflow.receive(91), Err(Exceeded));
        inflow.receive(90).unwrap();
        assert_eq!(inflow.unread(), 100);
        assert_eq!(inflow.release(1_000), Some(100));
        assert_eq!(inflow.unread(), 0);
    }
}
