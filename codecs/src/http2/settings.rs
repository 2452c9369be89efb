//! What each side allows the other.
//!
//! Specification: RFC 9113 §6.5.2.

use super::frame::{DEFAULT_MAX_LEN, Setting};

/// What the peer allows us.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    /// Window that our streams start with.
    pub(super) window: u32,
    /// Longest payload of ours.
    pub(super) max_len: usize,
    /// Streams of ours at a time.
    pub(super) streams: usize,
    /// Whether CONNECT may name a protocol.
    pub(super) connect: bool,
    /// Whether it said anything so far.
    pub(super) is_known: bool,
    /// Whether it knows what we allow.
    pub(super) knows_ours: bool,
}

impl Default for Peer {
    fn default() -> Self {
        Self {
            window: DEFAULT_WINDOW,
            max_len: DEFAULT_MAX_LEN,
            streams: UNTIL_KNOWN,
            connect: false,
            is_known: false,
            knows_ours: false,
        }
    }
}

impl Peer {
    /// It spoke for the first time: what it does not limit has no limit.
    pub(super) fn spoke(&mut self) {
        if !std::mem::replace(&mut self.is_known, true) {
            self.streams = usize::MAX;
        }
    }

    /// Takes over a setting that nothing else depends on.
    pub(super) fn apply(&mut self, setting: Setting) {
        match setting {
            Setting::MaxConcurrentStreams(streams) => self.streams = streams as usize,
            Setting::InitialWindowSize(window) => self.window = window,
            // Longer frames would only hold the others up.
            Setting::MaxFrameSize(len) => self.max_len = (len as usize).min(DEFAULT_MAX_LEN),
            Setting::EnableConnectProtocol(on) => self.connect = on,
            // Push is not used; a list that is too large for the peer is the peer's to refuse.
            Setting::EnablePush(_)
            | Setting::HeaderTableSize(_)
            | Setting::MaxHeaderListSize(_) => {}
        }
    }
}

/// Window that every stream and connection starts with, in octets.
pub(super) const DEFAULT_WINDOW: u32 = 65_535;

/// Streams that we open before the peer has said how many it allows. RFC 9113 §6.5.2 recommends
/// that peers allow at least as many.
const UNTIL_KNOWN: usize = 100;
