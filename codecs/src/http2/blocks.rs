//! Header blocks, and the messages they start or end.
//!
//! Every block is decoded, also one that nobody wants: the table of the next depends on it.
//!
//! Specification: RFC 9113 §4.3, §8.1 and §8.2.

use bytes::Bytes;
use sabir_core::connection::{Event, EventKind, Turn};
use sabir_core::frame::{Frame, StreamId};
use sabir_core::head::{Head as Message, Kind as What, Stage};
use sabir_core::protocol::Role;

use super::connection::Http2Connection;
use super::error::{ErrorCode, Fatal, Fault, Flood};
use super::frame::{DEFAULT_MAX_LEN, Head, Headers, flags};
use super::hpack::FieldList;
use super::message::{Parts, Traits};
use super::streams::{Closed, Half};
use super::{grpc, heads, status};

/// A header block of which more is to come.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) id: u32,
    start: Start,
    octets: Vec<u8>,
    frames: usize,
}

/// What the first frame of a block says.
#[derive(Clone, Copy, Debug)]
struct Start {
    end_stream: bool,
    depends_on_itself: bool,
}

/// A block that was decoded.
struct Block {
    id: u32,
    start: Start,
    wire: Bytes,
    /// Fields are missing, because there were too many.
    is_cut: bool,
}

impl Http2Connection {
    pub(super) fn on_headers(
        &mut self,
        head: Head,
        payload: &[u8],
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        let headers = Headers::load(head, payload)?;
        if head.stream.is_multiple_of(2) {
            return Err(Fatal::protocol("HEADERS on a stream with an even number").into());
        }
        let fragment = &payload[headers.fragment];
        let start = Start {
            end_stream: headers.end_stream,
            depends_on_itself: headers.depends_on_itself,
        };
        if headers.end_headers {
            return self.on_block(head.stream, start, fragment, turn);
        }
        self.partial = Some(Partial {
            id: head.stream,
            start,
            octets: fragment.to_vec(),
            frames: 0,
        });
        Ok(())
    }

    pub(super) fn on_continuation(
        &mut self,
        head: Head,
        payload: &[u8],
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        let most = self.most_octets();
        let Some(partial) = &mut self.partial else {
            return Err(Fatal::protocol("CONTINUATION of nothing").into());
        };
        partial.frames += 1;
        let (flood, limit) = (Flood::Continuations, FRAMES + most / DEFAULT_MAX_LEN);
        if partial.frames > limit {
            return Err(Fatal::Flood { flood, limit }.into());
        }
        let (flood, limit) = (Flood::Fields, most);
        if partial.octets.len() + payload.len() > limit {
            return Err(Fatal::Flood { flood, limit }.into());
        }
        partial.octets.extend_from_slice(payload);
        if !head.has(flags::END_HEADERS) {
            return Ok(());
        }
        let Some(partial) = self.partial.take() else {
            return Ok(());
        };
        self.on_block(partial.id, partial.start, &partial.octets, turn)
    }

    /// Octets of one block, compressed or not, beyond which a peer means harm.
    fn most_octets(&self) -> usize {
        self.options.max_header_list as usize * 4
    }

    fn on_block(
        &mut self,
        id: u32,
        start: Start,
        octets: &[u8],
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        let mut list = FieldList::new(self.options.max_header_list as usize);
        let decoded = self.decoder.decode(octets, &mut list);
        decoded.map_err(Fatal::Compression)?;
        let (flood, limit) = (Flood::Fields, self.most_octets());
        if list.size() > limit {
            return Err(Fatal::Flood { flood, limit }.into());
        }
        let is_cut = list.is_cut();
        let wire = list.into_wire();
        let block = Block {
            id,
            start,
            wire,
            is_cut,
        };
        match (self.store.get(id).map(|s| s.state.remote), self.role) {
            (Some(Half::Body), _) => self.on_trailers(block, turn),
            (Some(Half::Head), _) => self.on_response(block, turn),
            (Some(Half::Muted | Half::Closed), _) => {
                let (code, part) = (ErrorCode::STREAM_CLOSED, "HEADERS after the end");
                Err(Fault::Stream { id, code, part })
            }
            (None, Role::Server) if id > self.numbers.last => self.on_request(block, turn),
            (None, Role::Client) if id >= self.numbers.next => {
                Err(Fatal::protocol("response on a stream that was never opened").into())
            }
            (None, role) => self.on_late_block(id, role),
        }
    }

    /// A block on a stream that is closed.
    fn on_late_block(&self, id: u32, role: Role) -> Result<(), Fault> {
        let (code, part) = (ErrorCode::STREAM_CLOSED, "HEADERS on a closed stream");
        match self.store.closed(id) {
            Some(Closed::ByUs) => Ok(()),
            Some(Closed::ByPeer) => Err(Fault::Stream { id, code, part }),
            Some(Closed::Ended) => Err(Fatal::Broken { code, part }.into()),
            // Too long ago to tell.
            None if role == Role::Client => Ok(()),
            None => Err(Fatal::protocol("stream with a smaller number than the last").into()),
        }
    }

    fn on_request(&mut self, block: Block, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let Block { id, start, .. } = block;
        self.numbers.last = id;
        self.guard.opened();
        let full = self.store.len() >= self.options.max_streams as usize;
        if full || self.lifetime.goodbye.refuses() {
            // A peer that has not heard of the limit cannot be blamed.
            if full && self.peer.knows_ours {
                Self::note_fault(TOO_MANY_STREAMS, turn);
                self.guard.count(Flood::Provoked, turn.now)?;
            }
            self.reset(id, ErrorCode::REFUSED_STREAM, turn);
            return Ok(());
        }
        if start.depends_on_itself {
            return Err(malformed(id, "stream depends on itself"));
        }
        let parts = Parts::of(&block.wire);
        if block.is_cut {
            Self::note_fault(Flood::Fields.name(), turn);
            return self.refuse_request(&block, parts.is_ok_and(|p| p.grpc), TOO_LARGE, turn);
        }
        let parts = parts.and_then(|parts| parts.into_request(&block.wire));
        let parts = parts.map_err(|part| malformed(id, part))?;
        if start.end_stream && parts.length.is_some_and(|length| length > 0) {
            return Err(malformed(id, "content-length without a body"));
        }
        let traits = Traits::of_request(&parts, &block.wire);
        if traits.connect && !self.options.connect {
            return match parts.protocol {
                Some(_) => Err(malformed(id, ":protocol")),
                None => self.refuse_request(&block, false, NOT_ALLOWED, turn),
            };
        }
        self.take_in(id, start.end_stream, traits, parts.length);
        let mut message = heads::head(What::Request, block.wire, &parts);
        message.end = start.end_stream;
        emit(StreamId(id.into()), Frame::Head(message), turn);
        Ok(())
    }

    /// Takes a stream in that the peer opened.
    fn take_in(&mut self, id: u32, end: bool, traits: Traits, length: Option<u64>) {
        let mut stream = self.new_stream(StreamId(id.into()));
        stream.state.remote = Half::after(end);
        stream.traits = traits;
        stream.announced = length.filter(|_| !traits.connect);
        self.store.insert(id, stream);
    }

    /// Answers a request that the driver never sees.
    fn refuse_request(
        &mut self,
        block: &Block,
        grpc: bool,
        status: u16,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        let traits = Traits {
            grpc,
            ..Traits::default()
        };
        self.take_in(block.id, block.start.end_stream, traits, None);
        self.refuse(block.id, status, turn);
        Ok(self.guard.count(Flood::Provoked, turn.now)?)
    }

    fn on_response(&mut self, block: Block, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let (id, end) = (block.id, block.start.end_stream);
        if block.is_cut {
            let (code, part) = (ErrorCode::ENHANCE_YOUR_CALM, "header list too large");
            return Err(Fault::Stream { id, code, part });
        }
        let parts = Parts::of(&block.wire).map_err(|part| malformed(id, part))?;
        let status = parts.response_status();
        let status = status.map_err(|part| malformed(id, part))?;
        let Some(stream) = self.store.get_mut(id) else {
            return Ok(());
        };
        let mut message = heads::head(What::Response, block.wire, &parts);
        message.end = end;
        let name = stream.name;
        if status < 200 {
            if end || status == 101 {
                return Err(malformed(id, "interim response that ends its stream"));
            }
            message.stage = Stage::Interim;
            emit(name, Frame::Head(message), turn);
            return Ok(());
        }
        let traits = stream.traits;
        let bodiless = traits.head || status == 204 || status == 304;
        let tunnel = traits.connect && status < 300;
        stream.announced = match parts.length {
            _ if tunnel => None,
            _ if bodiless => Some(0),
            length => length,
        };
        if end && stream.announced.is_some_and(|left| left > 0) {
            return Err(malformed(id, "content-length without a body"));
        }
        message.outcome = match (traits.grpc, parts.grpc_status) {
            (false, _) => status::outcome(status),
            (true, Some(of_grpc)) => grpc::outcome(of_grpc),
            (true, None) if status != 200 => grpc::outcome(grpc::of_http(status)),
            (true, None) if end => grpc::NO_STATUS,
            (true, None) => message.outcome,
        };
        stream.state.remote = Half::Body;
        emit(name, Frame::Head(message), turn);
        if end {
            self.remote_ended(id, turn);
        }
        Ok(())
    }

    fn on_trailers(&mut self, block: Block, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let id = block.id;
        if !block.start.end_stream {
            return Err(malformed(id, "trailers that do not end their stream"));
        }
        if block.is_cut {
            let (code, part) = (ErrorCode::ENHANCE_YOUR_CALM, "header list too large");
            return Err(Fault::Stream { id, code, part });
        }
        let parts = Parts::of(&block.wire).and_then(|parts| {
            parts.check_trailers()?;
            Ok(parts)
        });
        let parts = parts.map_err(|part| malformed(id, part))?;
        let Some(stream) = self.store.get(id) else {
            return Ok(());
        };
        if stream.announced.is_some_and(|left| left > 0) {
            return Err(malformed(id, "body shorter than content-length says"));
        }
        let what = match self.role {
            Role::Server => What::Request,
            Role::Client => What::Response,
        };
        let mut message = Message::new(super::NAME, what, block.wire, heads::parse);
        if stream.traits.grpc && self.role == Role::Client {
            message.outcome = parts.grpc_status.map_or(grpc::NO_STATUS, grpc::outcome);
        }
        emit(stream.name, Frame::Trailers(message), turn);
        self.remote_ended(id, turn);
        Ok(())
    }
}

impl Traits {
    fn of_request(parts: &Parts, wire: &[u8]) -> Self {
        let method = parts.method.map_or(&[][..], |method| method.of(wire));
        Self {
            grpc: parts.grpc,
            head: method == b"HEAD",
            connect: method == b"CONNECT",
        }
    }
}

fn emit(stream: StreamId, frame: Frame, turn: &mut Turn<'_>) {
    let kind = EventKind::Frame(frame);
    turn.events.push_back(Event { stream, kind });
}

/// RFC 9113 §8.1.1: what is malformed costs its stream.
fn malformed(id: u32, part: &'static str) -> Fault {
    let code = ErrorCode::PROTOCOL_ERROR;
    Fault::Stream { id, code, part }
}

/// CONTINUATION frames of one block, beside those that are full.
const FRAMES: usize = 8;

/// Name of the fault of more streams than are allowed.
const TOO_MANY_STREAMS: &str = "streams";

/// Status for heads beyond the limit. RFC 6585 §5.
const TOO_LARGE: u16 = 431;

/// Status for CONNECT where it is not allowed.
const NOT_ALLOWED: u16 = 405;
