//! SETTINGS: what a peer allows.
//!
//! Specification: RFC 9113 §6.5, RFC 8441 §3.

use sabir_core::output::Output;

use super::{Head, Kind, flags};
use crate::http2::error::{ErrorCode, Fatal};

/// One thing that a peer allows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Setting {
    /// Size of the table for our header fields, in octets.
    HeaderTableSize(u32),
    /// Whether promises may be pushed.
    EnablePush(bool),
    /// Streams that we may open at a time.
    MaxConcurrentStreams(u32),
    /// Window that each stream starts with, in octets.
    InitialWindowSize(u32),
    /// Longest payload, in octets.
    MaxFrameSize(u32),
    /// Largest list of header fields, in octets.
    MaxHeaderListSize(u32),
    /// Whether CONNECT may name a protocol.
    EnableConnectProtocol(bool),
}

/// A SETTINGS frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Settings<'a> {
    /// Ours are in force.
    Ack,
    /// The peer's, as they stand on the wire.
    Values(&'a [u8]),
}

impl<'a> Settings<'a> {
    /// Reads a SETTINGS frame.
    ///
    /// # Errors
    /// A stream, or a wrong length.
    pub fn load(head: Head, payload: &'a [u8]) -> Result<Self, Fatal> {
        if head.stream != 0 {
            return Err(Fatal::protocol("SETTINGS on a stream"));
        }
        if head.has(flags::ACK) {
            let empty = payload.is_empty().then_some(Self::Ack);
            let part = "SETTINGS acknowledgement with values";
            return empty.ok_or_else(|| Fatal::frame_size(part));
        }
        if !payload.len().is_multiple_of(SETTING_LEN) {
            return Err(Fatal::frame_size("SETTINGS of a wrong length"));
        }
        Ok(Self::Values(payload))
    }

    /// The settings that are known, in order; none of an acknowledgement.
    pub fn values(&self) -> impl Iterator<Item = Result<Setting, Fatal>> {
        let octets = match self {
            Self::Ack => &[],
            Self::Values(octets) => *octets,
        };
        let (settings, _) = octets.as_chunks();
        settings.iter().filter_map(Setting::read)
    }
}

/// Writes settings of ours.
pub(in crate::http2) fn encode(settings: &[Setting], out: &mut Output) {
    let len = settings.len() * SETTING_LEN;
    Head::new(Kind::Settings, 0, 0, len).encode(out);
    for setting in settings {
        let (id, value) = setting.pair();
        out.put(&id.to_be_bytes());
        out.put(&value.to_be_bytes());
    }
}

/// Says that the peer's settings are in force.
pub(in crate::http2) fn encode_ack(out: &mut Output) {
    Head::new(Kind::Settings, flags::ACK, 0, 0).encode(out);
}

impl Setting {
    fn read(&[a, b, c, d, e, f]: &[u8; SETTING_LEN]) -> Option<Result<Self, Fatal>> {
        let value = u32::from_be_bytes([c, d, e, f]);
        let setting = match u16::from_be_bytes([a, b]) {
            1 => Self::HeaderTableSize(value),
            2 if value <= 1 => Self::EnablePush(value == 1),
            2 => return Some(Err(Fatal::protocol("SETTINGS_ENABLE_PUSH"))),
            3 => Self::MaxConcurrentStreams(value),
            4 if value <= MAX_WINDOW => Self::InitialWindowSize(value),
            4 => {
                let code = ErrorCode::FLOW_CONTROL_ERROR;
                let part = "SETTINGS_INITIAL_WINDOW_SIZE";
                return Some(Err(Fatal::Broken { code, part }));
            }
            5 if (16_384..1 << 24).contains(&value) => Self::MaxFrameSize(value),
            5 => return Some(Err(Fatal::protocol("SETTINGS_MAX_FRAME_SIZE"))),
            6 => Self::MaxHeaderListSize(value),
            8 if value <= 1 => Self::EnableConnectProtocol(value == 1),
            8 => return Some(Err(Fatal::protocol("SETTINGS_ENABLE_CONNECT_PROTOCOL"))),
            _ => return None,
        };
        Some(Ok(setting))
    }

    fn pair(self) -> (u16, u32) {
        match self {
            Self::HeaderTableSize(value) => (1, value),
            Self::EnablePush(on) => (2, on.into()),
            Self::MaxConcurrentStreams(value) => (3, value),
            Self::InitialWindowSize(value) => (4, value),
            Self::MaxFrameSize(value) => (5, value),
            Self::MaxHeaderListSize(value) => (6, value),
            Self::EnableConnectProtocol(on) => (8, on.into()),
        }
    }
}

/// Octets of one setting.
const SETTING_LEN: usize = 6;

/// Largest window, in octets. RFC 9113 §6.9.1.
const MAX_WINDOW: u32 = (1 << 31) - 1;
