//! A whole message as it arrived: its transport, and the message header inside.

use bytes::Bytes;
use sabir_core::head::{Head, Kind};
use sabir_core::message::u32_at;
use sabir_core::metadata::{Metadata, Span};
use sabir_core::name::Field;

use super::NAME;
use super::exception;
use super::fault::{Bad, Fault};
use super::header::{self, Header, Transform};
use super::message::{self, Encoding, Message};
use super::options::Options;
use super::transport::{self, Transport};
use super::walk::Walk;
use super::zlib;

/// A whole message and where its parts are.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) transport: Transport,
    /// Of THeader.
    pub(super) header: Option<Header>,
    /// Start of the message, if it lies behind a transform.
    pub(super) inflated: Option<Vec<u8>>,
    /// Header of the message, if it can be read; offsets into [`bytes`](Self::bytes).
    pub(super) message: Option<Message>,
    /// What is wrong with it, if its frame is sound.
    pub(super) fault: Option<Bad>,
    /// Whether it is a call that nobody answers, although its type does not say so.
    is_unanswered: bool,
}

impl Packet {
    /// Reads the whole message `wire`, of which at most `longest` bytes come out of a transform.
    ///
    /// # Errors
    /// Whatever leaves nobody to answer: the connection cannot go on.
    pub(super) fn read(wire: &[u8], options: &Options, longest: usize) -> Result<Self, Bad> {
        let transport = transport_of(wire);
        let mut packet = Self::of(wire, transport, longest)?;
        if let Some(message) = &packet.message {
            transport::check(message.encoding, options).map_err(|fault| fault.at(0))?;
            if !message.is_known() {
                packet.fault = packet
                    .fault
                    .or_else(|| Some(Fault::MessageType.at(transport.prefix())));
            }
        }
        packet.is_unanswered = options.one_way.contains(packet.name(wire));
        if options.validate && transport != Transport::Unframed && packet.fault.is_none() {
            packet.fault = packet.walk(wire).err();
        }
        Ok(packet)
    }

    /// Reads no more of `wire` than the headers.
    pub(super) fn peek(wire: &[u8], transport: Transport) -> Result<Self, Bad> {
        Self::of(wire, transport, message::MAX_HEADER)
    }

    /// Bytes that the offsets of the message count in.
    pub(super) fn bytes<'a>(&'a self, wire: &'a [u8]) -> &'a [u8] {
        self.inflated.as_deref().unwrap_or(wire)
    }

    /// How values are written, as far as one can tell.
    pub(super) fn encoding(&self) -> Encoding {
        match (&self.message, &self.header) {
            (Some(message), _) => message.encoding,
            (None, Some(header)) if header.protocol == header::COMPACT => Encoding::Compact,
            (None, _) => Encoding::Strict,
        }
    }

    /// Sequence id of the message, or of the frame around it.
    pub(super) fn seqid(&self) -> u32 {
        match &self.message {
            Some(message) => message.seqid,
            None => self.outer(),
        }
    }

    /// Sequence id in the header of THeader.
    pub(super) fn outer(&self) -> u32 {
        self.header.as_ref().map_or(0, |header| header.seqid)
    }

    /// Name of the message; empty if it cannot be read.
    pub(super) fn name<'a>(&'a self, wire: &'a [u8]) -> &'a [u8] {
        let name = self.message.as_ref().map(|message| message.name.clone());
        name.and_then(|name| self.bytes(wire).get(name))
            .unwrap_or_default()
    }

    /// The head that stands for this message in the proxy.
    pub(super) fn head(&self, wire: Bytes) -> Head {
        let kind = match self.message.as_ref().map(|message| message.kind) {
            Some(message::REPLY | message::EXCEPTION) => Kind::Response,
            Some(message::ONE_WAY) => Kind::OneWay,
            Some(message::CALL) if self.is_unanswered => Kind::OneWay,
            _ => Kind::Request,
        };
        let parse = match self.transport {
            Transport::Unframed => parse_unframed,
            Transport::Framed => parse_framed,
            Transport::Header => parse_header,
        };
        let mut head = Head::new(NAME, kind, wire.clone(), parse);
        if kind == Kind::Response
            && let Some(message) = &self.message
        {
            head.outcome = exception::outcome(message, self.bytes(&wire));
        }
        head.echo = exception::Addressee::of(self).echo();
        self.set_name(&mut head, &wire, kind);
        if let Some(fault) = self.fault {
            head.set_fault(fault.into());
        }
        head
    }

    /// Finds service and method.
    fn set_name(&self, head: &mut Head, wire: &[u8], kind: Kind) {
        let Some(message) = &self.message else { return };
        let name = self.name(wire);
        let colon = match kind {
            // Servers strip the service before they answer.
            Kind::Response => None,
            _ => message::split(name).0,
        };
        let (start, end) = (message.name.start, message.name.end);
        let method = colon.map_or(start, |colon| start + colon + 1);
        let mut set = |field, range: std::ops::Range<usize>| match &self.inflated {
            None => head.set_field_span(field, Span::new(range.start, range.end)),
            Some(bytes) => {
                head.set_field_decoded(field, bytes.get(range).unwrap_or_default());
            }
        };
        set(Field::Method, method..end);
        if let Some(colon) = colon {
            set(Field::Service, start..start + colon);
        }
    }

    fn of(wire: &[u8], transport: Transport, longest: usize) -> Result<Self, Bad> {
        let mut packet = Self {
            transport,
            header: None,
            inflated: None,
            message: None,
            fault: None,
            is_unanswered: false,
        };
        match transport {
            Transport::Unframed | Transport::Framed => {
                packet.message = Some(whole(wire, transport.prefix())?);
            }
            Transport::Header => packet.read_header(wire, longest)?,
        }
        Ok(packet)
    }

    fn read_header(&mut self, wire: &[u8], longest: usize) -> Result<(), Bad> {
        let header = Header::read(wire)?;
        let payload = header.payload;
        let expected = match header.protocol {
            header::BINARY => Some(false),
            header::COMPACT => Some(true),
            _ => None,
        };
        let read = match (expected, header.transform) {
            (None, _) => Err(Fault::ProtocolId.at(header.lead.start)),
            (_, Transform::Other) => Err(Fault::Transform.at(header.lead.start)),
            (_, Transform::None) => Ok(Some(whole(wire, payload)?)),
            (_, Transform::Zlib) => self.inflate(wire, payload, longest),
        };
        match read {
            Ok(message) => self.message = message,
            Err(fault) => self.fault = Some(fault),
        }
        if let Some(message) = &self.message
            && expected != Some(message.encoding == Encoding::Compact)
        {
            self.fault = Some(Fault::ProtocolId.at(header.lead.start));
        }
        let blocks = header.pairs(wire, &mut |_| {});
        self.fault = self.fault.or_else(|| blocks.err());
        self.header = Some(header);
        Ok(())
    }

    /// Undoes the transform as far as the message header goes.
    fn inflate(
        &mut self,
        wire: &[u8],
        payload: usize,
        longest: usize,
    ) -> Result<Option<Message>, Bad> {
        let stream = wire.get(payload..).unwrap_or_default();
        let (kept, result) = zlib::inflate(stream, KEPT, longest);
        let message = Message::read(&kept, 0);
        self.inflated = Some(kept);
        let fault = result.err().map(|fault| fault.at(payload));
        match message {
            Ok(Some(message)) => {
                self.fault = fault;
                Ok(Some(message))
            }
            Ok(None) => Err(fault.unwrap_or_else(|| Fault::Truncated.at(payload))),
            Err(bad) => Err(fault.unwrap_or_else(|| bad.fault.at(payload))),
        }
    }

    /// Walks over the arguments of a call; what lies behind a transform is left to the server.
    fn walk(&self, wire: &[u8]) -> Result<(), Bad> {
        match &self.message {
            Some(message) if self.inflated.is_none() && message.is_request() => {
                let mut walk = Walk::new(message.encoding, message.body, wire.len());
                match walk.run(wire)? {
                    Some(_) => Ok(()),
                    None => Err(Fault::Truncated.at(wire.len())),
                }
            }
            _ => Ok(()),
        }
    }
}

/// The transport of a whole message.
pub(super) fn transport_of(wire: &[u8]) -> Transport {
    // The old binary protocol starts with the length of its name, never with that of the rest.
    let is_framed = u32_at(wire, 0).is_some_and(|len| u64::from(len) + 4 == wire.len() as u64);
    if !is_framed {
        Transport::Unframed
    } else if wire.get(4..6) == Some(&header::MAGIC[..]) {
        Transport::Header
    } else {
        Transport::Framed
    }
}

fn whole(wire: &[u8], at: usize) -> Result<Message, Bad> {
    Message::read(wire, at)?.ok_or_else(|| Fault::Truncated.at(wire.len()))
}

fn parse_unframed(head: &Head, metadata: &mut Metadata) {
    parse(head, metadata, Transport::Unframed);
}

fn parse_framed(head: &Head, metadata: &mut Metadata) {
    parse(head, metadata, Transport::Framed);
}

fn parse_header(head: &Head, metadata: &mut Metadata) {
    parse(head, metadata, Transport::Header);
}

/// Lists what is on the wire beside service and method, and the pairs of THeader.
fn parse(head: &Head, metadata: &mut Metadata, transport: Transport) {
    let wire = head.wire();
    let packet = match Packet::peek(wire, transport) {
        Ok(packet) => packet,
        Err(bad) => return metadata.set_fault(bad.into()),
    };
    let mut push = |name: &[u8], value: &[u8]| {
        // No part of any pair, and not empty: where nothing can be cut.
        metadata.push_owned(name, value, Span::new(0, 1));
        metadata.fix_last();
    };
    if let Some(message) = &packet.message {
        push(TYPE, type_name(message.kind).as_bytes());
        // Signed on the wire, and in the logs of peers.
        push(SEQID, (message.seqid as i32).to_string().as_bytes());
    }
    push(TRANSPORT, transport.as_str().as_bytes());
    push(PROTOCOL, packet.encoding().protocol().as_str().as_bytes());
    let Some(header) = packet.header else { return };
    let found = header.pairs(wire, &mut |pair| {
        let span = |range: &std::ops::Range<usize>| Span::new(range.start, range.end);
        let raw = Span::new(pair.name.start, pair.value.end);
        metadata.push(span(&pair.name), span(&pair.value), raw);
    });
    if let Err(bad) = found {
        metadata.set_fault(bad.into());
    }
}

fn type_name(kind: u8) -> &'static str {
    match kind {
        message::CALL => "call",
        message::REPLY => "reply",
        message::EXCEPTION => "exception",
        message::ONE_WAY => "oneway",
        _ => "unknown",
    }
}

/// Bytes that are kept of what comes out of a transform: enough to tell how a call ended.
const KEPT: usize = message::MAX_HEADER + 1024;

/// Metadata name of the message type: `call`, `reply`, `exception` or `oneway`.
const TYPE: &[u8] = b":type";
/// Metadata name of the sequence id, in decimal.
const SEQID: &[u8] = b":seqid";
/// Metadata name of the transport.
const TRANSPORT: &[u8] = b":transport";
/// Metadata name of how values are written.
const PROTOCOL: &[u8] = b":protocol";
