//! A message from one transport or protocol into another.

use std::borrow::Cow;

use sabir_core::connection::Written;
use sabir_core::head::Head;

use super::fault::{Bad, Fault};
use super::header;
use super::message::{Encoding, Message};
use super::options::{Choice, Options, Values};
use super::packet::Packet;
use super::rewrite;
use super::transcode::transcode;
use super::transport::Transport;
use super::walk::Walk;
use super::zlib;

/// What a message is to be written as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Target {
    pub(super) transport: Transport,
    pub(super) encoding: Encoding,
}

/// What takes the place of parts of a message's headers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    /// Name of the message.
    pub(super) name: &'a [u8],
    pub(super) seqid: u32,
    /// Sequence id in the header of THeader.
    pub(super) outer: u32,
}

impl Target {
    /// What a server with `options` gets of `packet`.
    pub(super) fn of_server(options: &Options, packet: &Packet) -> Self {
        let transport = match options.transport {
            Choice::Auto => packet.transport,
            Choice::Only(transport) => transport,
        };
        let values = match options.protocol {
            Choice::Auto => packet.encoding().protocol(),
            Choice::Only(values) => values,
        };
        let encoding = match values {
            Values::Binary => Encoding::Strict,
            Values::Compact => Encoding::Compact,
        };
        let target = Self {
            transport,
            encoding,
        };
        target.like(packet)
    }

    /// This target, with the version in its message header that `packet` has, if it can have it.
    ///
    /// Whoever reads the binary protocol reads both; THeader has the strict one only.
    pub(super) fn like(mut self, packet: &Packet) -> Self {
        let encoding = packet.encoding();
        if self.encoding.protocol() == encoding.protocol() {
            self.encoding = encoding;
        }
        let moves = self.transport != packet.transport;
        if moves && self.transport == Transport::Header && self.encoding == Encoding::Lax {
            self.encoding = Encoding::Strict;
        }
        self
    }

    /// Whether `packet` is what it should be already.
    pub(super) fn is(self, packet: &Packet) -> bool {
        (self.transport, self.encoding) == (packet.transport, packet.encoding())
    }

    /// Writes the message of `head` as this; says whether its pairs have a place there. At most
    /// `longest` bytes come out of a transform or a translation.
    pub(super) fn write(
        self,
        head: &Head,
        packet: &Packet,
        parts: Parts<'_>,
        longest: usize,
    ) -> Result<(Vec<u8>, Written), Bad> {
        let wire = head.wire();
        let Some(message) = &packet.message else {
            return Err(Fault::Transport.at(0));
        };
        let (mut out, written) = self.envelope(head, packet, parts)?;
        let payload = out.len();
        let encoding = self.encoding;
        encoding.write_header(message.kind, parts.name, parts.seqid, &mut out);
        let plain = plain(wire, packet, longest)?;
        out.extend_from_slice(&self.body(message, &plain, longest)?);
        if self.transport != Transport::Unframed {
            let len = i32::try_from(out.len() - 4);
            let len = len.map_err(|_| Fault::FrameLength.at(payload))?;
            out[..4].copy_from_slice(&len.to_be_bytes());
        }
        Ok((out, written))
    }

    /// What stands before the message; the length is not known yet.
    fn envelope(
        self,
        head: &Head,
        packet: &Packet,
        parts: Parts<'_>,
    ) -> Result<(Vec<u8>, Written), Bad> {
        let mut out = vec![0; self.transport.prefix()];
        let is_modified = head.is_modified() && head.metadata().is_modified();
        if self.transport != Transport::Header {
            let written = if is_modified {
                Written::Unmodified
            } else {
                Written::Whole
            };
            return Ok((out, written));
        }
        let pairs = rewrite::pairs(head, packet.header.as_ref());
        let written = if pairs.is_none() && is_modified {
            Written::Unmodified
        } else {
            Written::Whole
        };
        let pairs = pairs.unwrap_or_default();
        let lead = [header::protocol_of(self.encoding), 0];
        let data = header::data(&lead, pairs.iter().copied(), &[]);
        let data = data.ok_or_else(|| Fault::Header.at(0))?;
        // Not more words than fit, which is seen to where the data are made.
        let words = (data.len() / 4) as u16;
        out[4..6].copy_from_slice(&header::MAGIC);
        out[8..12].copy_from_slice(&parts.outer.to_be_bytes());
        out[12..14].copy_from_slice(&words.to_be_bytes());
        out.extend_from_slice(&data);
        Ok((out, written))
    }

    /// The struct of `message` in `plain`, as it is or in the other protocol.
    fn body<'a>(
        self,
        message: &Message,
        plain: &'a [u8],
        longest: usize,
    ) -> Result<Cow<'a, [u8]>, Bad> {
        let from = message.encoding.protocol();
        let body = plain.get(message.body..).unwrap_or_default();
        if from != self.encoding.protocol() {
            let (body, _) = transcode(body, from, longest)?;
            return Ok(body.into());
        }
        if self.transport != Transport::Unframed {
            return Ok(body.into());
        }
        // What follows the message in its frame would be taken for the next one.
        let mut walk = Walk::new(message.encoding, 0, body.len());
        match walk.run(body)? {
            Some(end) => Ok(body[..end].into()),
            None => Err(Fault::Truncated.at(plain.len())),
        }
    }
}

/// The message without its transform.
fn plain<'a>(wire: &'a [u8], packet: &Packet, longest: usize) -> Result<Cow<'a, [u8]>, Bad> {
    match &packet.header {
        Some(header) if packet.inflated.is_some() => {
            let stream = wire.get(header.payload..).unwrap_or_default();
            let (plain, result) = zlib::inflate(stream, longest, longest);
            result.map_err(|fault| fault.at(header.payload))?;
            Ok(plain.into())
        }
        _ => Ok(wire.into()),
    }
}
