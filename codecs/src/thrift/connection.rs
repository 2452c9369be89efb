//! A connection: whose turn it is, who asked, and what a peer said for good.
//!
//! Peers take turns unless both are known to tell exchanges apart by their sequence ids. A request
//! whose caller gave up leaves a server that will answer all the same, so that its connection is
//! closed: the late answer must not be taken for that to the next request.

use bytes::{Bytes, BytesMut};
use sabir_core::connection::{
    Connection, ConnectionError, Event, EventKind, SendError, Turn, Written,
};
use sabir_core::frame::{Frame, StreamId};
use sabir_core::head::{Echo, Head, Kind};
use sabir_core::metadata::Malformed;
use sabir_core::outcome::{Code, Executed, Outcome, Party, Reply};
use sabir_core::output::Output;
use sabir_core::protocol::Role;
use smallvec::SmallVec;

use super::Codec;
use super::exception::Addressee;
use super::fault::{Bad, Fault};
use super::message::{self, Message};
use super::packet::{Packet, transport_of};
use super::persistent::{Persistent, TooMany};
use super::rewrite::{self, Rewrite};
use super::translate::{Parts, Target};
use super::transport::{Start, Transport, start};
use super::unanswered::Unanswered;
use super::walk::Walk;

/// One side of a Thrift connection.
#[derive(Debug)]
pub(super) struct ThriftConnection {
    codec: Codec,
    side: Side,
    persistent: Persistent,
    /// The walk over an unframed message that has not arrived completely.
    walk: Option<Walk>,
    /// Whether more arrived than may be looked at before an answer.
    is_ahead: bool,
    finished: bool,
}

#[derive(Debug)]
enum Side {
    Server(Server),
    Client(Option<Call>),
}

/// Requests that were not answered yet, and the name of the last one.
#[derive(Debug, Default)]
struct Server {
    last: u64,
    asked: Unanswered<Asked>,
}

type NameBytes = SmallVec<[u8; 32]>;

/// A request that awaits a response.
#[derive(Debug)]
struct Asked {
    addressee: Addressee,
    /// Without the service: what the client compares the response's with.
    method: NameBytes,
    seqid: u32,
}

/// The one request that a server has to answer.
#[derive(Debug)]
struct Call {
    stream: StreamId,
    name: NameBytes,
    seqid: u32,
}

impl ThriftConnection {
    pub(super) fn new(codec: Codec, role: Role) -> Self {
        let side = match role {
            Role::Server => Side::Server(Server::default()),
            Role::Client => Side::Client(None),
        };
        Self {
            codec,
            side,
            persistent: Persistent::default(),
            walk: None,
            is_ahead: false,
            finished: false,
        }
    }

    /// Whether what arrived has to wait for an answer to what arrived before.
    fn holds_back(&self) -> bool {
        match &self.side {
            Side::Server(server) => !self.codec.options.multiplexing && !server.asked.is_empty(),
            Side::Client(_) => false,
        }
    }

    /// Length of the first whole message in `input`, if one has arrived.
    fn whole(&mut self, input: &[u8]) -> Result<Option<usize>, ConnectionError> {
        let limit = self.codec.longest;
        if self.walk.is_none() {
            match start(input, &self.codec.options, limit).map_err(malformed)? {
                Some(Start::Frame(len)) if len > limit => {
                    return Err(ConnectionError::TooLong { len, limit });
                }
                Some(Start::Frame(len)) => {
                    return Ok((len <= input.len()).then_some(len));
                }
                Some(Start::Struct(walk)) => self.walk = Some(walk),
                None => {}
            }
        }
        let ended = match &mut self.walk {
            Some(walk) => walk.run(input).map_err(malformed)?,
            None => None,
        };
        if ended.is_some() {
            self.walk = None;
        }
        let len = ended.unwrap_or(input.len());
        if len > limit {
            return Err(ConnectionError::TooLong { len, limit });
        }
        Ok(ended)
    }

    fn accept(&mut self, wire: Bytes, turn: &mut Turn<'_>) -> Result<(), ConnectionError> {
        let Codec { options, longest } = &self.codec;
        let wire = match transport_of(&wire) {
            Transport::Header => self.persistent.settle(wire).map_err(too_many)?,
            Transport::Unframed | Transport::Framed => wire,
        };
        let packet = Packet::read(&wire, options, *longest).map_err(malformed)?;
        let head = packet.head(wire);
        let stream = match &mut self.side {
            Side::Server(server) => server.accept(&packet, &head, turn),
            Side::Client(call) => Some(answered(call, options.multiplexing, &packet, &head)?),
        };
        if let Some(stream) = stream {
            let kind = EventKind::Frame(Frame::Head(head));
            turn.events.push_back(Event { stream, kind });
        }
        Ok(())
    }

    /// Tells the caller of an unframed message what is wrong with it, before the connection ends.
    fn lament(&self, input: &[u8], error: &ConnectionError, turn: &mut Turn<'_>) {
        let (Side::Server(_), Some(_), ConnectionError::Malformed(fault)) =
            (&self.side, &self.walk, error)
        else {
            return;
        };
        if let Ok(Some(message)) = Message::read(input, 0)
            && message.kind == message::CALL
            && let name = input.get(message.name).unwrap_or_default()
            && !self.codec.options.one_way.contains(name)
        {
            let addressee = Addressee {
                transport: Transport::Unframed,
                encoding: message.encoding,
                outer: 0,
                fault: Fault::Type.exception(),
            };
            let reply = Reply::refused(Code::BadRequest, fault.to_string());
            let method = message::split(name).1;
            turn.out
                .put(&addressee.answer(method, message.seqid, &reply));
        }
    }

    /// Writes a response for the caller of `stream`.
    fn respond(
        &mut self,
        stream: StreamId,
        head: &Head,
        turn: &mut Turn<'_>,
    ) -> Result<Written, SendError> {
        let Side::Server(server) = &mut self.side else {
            return Err(SendError::Unsupported);
        };
        let asked = server.asked.remove(stream).ok_or(SendError::Closed)?;
        let written = self.codec.respond(head, &asked, turn.out);
        Ok(written.unwrap_or_else(|bad| {
            // What cannot be translated cannot be passed on either.
            let outcome = Outcome::new(Party::Infrastructure, Executed::Yes, Code::BadResponse);
            let reply = Reply::new(outcome, format!("answer of the server: {bad}"));
            turn.out.put(&asked.answer(&reply));
            Written::Whole
        }))
    }

    /// Writes a request.
    fn request(
        &mut self,
        stream: StreamId,
        head: &Head,
        turn: &mut Turn<'_>,
    ) -> Result<Written, SendError> {
        let Side::Client(call) = &mut self.side else {
            return Err(SendError::Unsupported);
        };
        // Ids have 31 bits, as `max_stream` says.
        let multiplexing = self.codec.options.multiplexing;
        let id = multiplexing.then_some(stream.0 as u32);
        let sent = self.codec.request(head, id, turn.out);
        let (written, seqid) = sent.map_err(|_| SendError::Unsupported)?;
        if !multiplexing && head.kind == Kind::Request {
            *call = Some(Call {
                stream,
                name: head.method().into(),
                seqid,
            });
        }
        Ok(written)
    }
}

impl Codec {
    /// Writes a response to what was `asked`.
    fn respond(&self, head: &Head, asked: &Asked, out: &mut Output) -> Result<Written, Bad> {
        let wire = head.wire();
        let packet = Packet::peek(wire, transport_of(wire))?;
        let Addressee {
            transport,
            encoding,
            outer,
            ..
        } = asked.addressee;
        let target = Target {
            transport,
            encoding,
        };
        let target = target.like(&packet);
        if !target.is(&packet) {
            let parts = Parts {
                name: &asked.method,
                seqid: asked.seqid,
                outer,
            };
            let (bytes, written) = target.write(head, &packet, parts, self.longest)?;
            out.put_bytes(bytes.into());
            return Ok(written);
        }
        let change = |rewrite: &mut Rewrite| {
            rewrite.renumber(&packet, asked.seqid, outer);
            if head.method() != &asked.method[..] {
                rewrite.rename(&asked.method);
            }
        };
        Ok(self.write(head, &packet, change, out))
    }

    /// Writes a request, with this sequence id or its own; returns the one it has.
    fn request(
        &self,
        head: &Head,
        id: Option<u32>,
        out: &mut Output,
    ) -> Result<(Written, u32), Bad> {
        let wire = head.wire();
        let packet = Packet::peek(wire, transport_of(wire))?;
        let target = Target::of_server(&self.options, &packet);
        let seqid = id.unwrap_or_else(|| packet.seqid());
        if target.is(&packet) {
            let change = |rewrite: &mut Rewrite| rewrite.renumber(&packet, seqid, seqid);
            return Ok((self.write(head, &packet, change, out), seqid));
        }
        let is_renamed = rewrite::is_renamed(head);
        let renamed = is_renamed.then(|| rewrite::name_of(head)).flatten();
        let parts = Parts {
            name: renamed.as_deref().unwrap_or_else(|| packet.name(wire)),
            seqid,
            outer: seqid,
        };
        let (bytes, mut written) = target.write(head, &packet, parts, self.longest)?;
        out.put_bytes(bytes.into());
        if is_renamed && renamed.is_none() {
            written = Written::Unmodified;
        }
        Ok((written, seqid))
    }
}

impl Connection for ThriftConnection {
    fn recv(&mut self, input: &mut BytesMut, turn: &mut Turn<'_>) -> Result<(), ConnectionError> {
        while !input.is_empty() && !self.finished && !self.holds_back() {
            let len = match self.whole(input) {
                Ok(Some(len)) => len,
                Ok(None) => break,
                Err(error) => {
                    self.lament(input, &error, turn);
                    return Err(error);
                }
            };
            self.accept(input.split_to(len).freeze(), turn)?;
        }
        self.is_ahead = !input.is_empty();
        Ok(())
    }

    fn send(
        &mut self,
        stream: StreamId,
        frame: Frame,
        turn: &mut Turn<'_>,
    ) -> Result<Written, SendError> {
        match frame {
            Frame::Head(head) if head.kind == Kind::Response => self.respond(stream, &head, turn),
            Frame::Head(head) => self.request(stream, &head, turn),
            Frame::Reset(_) => {
                self.finished |= match &mut self.side {
                    Side::Server(server) => server.asked.remove(stream).is_some(),
                    Side::Client(call) => call.as_ref().is_some_and(|c| c.stream == stream),
                };
                Ok(Written::Whole)
            }
            Frame::Data { .. } | Frame::Trailers(_) => Err(SendError::Unsupported),
        }
    }

    fn reply(&mut self, stream: StreamId, _echo: Echo, reply: &Reply, turn: &mut Turn<'_>) {
        if let Side::Server(server) = &mut self.side
            && let Some(asked) = server.asked.remove(stream)
        {
            turn.out.put(&asked.answer(reply));
        }
    }

    fn open(&mut self, _stream: StreamId) -> bool {
        match &self.side {
            Side::Client(call) => call.is_none() && !self.finished,
            Side::Server(_) => false,
        }
    }

    fn wants_read(&self) -> bool {
        // Who sends on before it is answered is not buffered; who does not is heard when it leaves.
        !self.is_ahead || !self.holds_back()
    }

    fn is_finished(&self) -> bool {
        self.finished
    }
}

impl Server {
    /// Names the stream of a request; `None` if it was answered at once.
    fn accept(&mut self, packet: &Packet, head: &Head, turn: &mut Turn<'_>) -> Option<StreamId> {
        if head.kind == Kind::OneWay {
            return Some(self.next());
        }
        let asked = Asked {
            addressee: Addressee::of(packet),
            method: head.method().into(),
            seqid: packet.seqid(),
        };
        let refusal = match head.kind {
            Kind::Response => Some(Reply::refused(Code::BadRequest, DIRECTION)),
            _ if asked.is_upgrade() => Some(Reply::refused(Code::Unimplemented, UPGRADE)),
            _ => None,
        };
        if let Some(reply) = refusal {
            let fault = Fault::Direction.exception();
            let addressee = Addressee {
                fault,
                ..asked.addressee
            };
            turn.out.put(&Asked { addressee, ..asked }.answer(&reply));
            return None;
        }
        let stream = self.next();
        self.asked.insert(stream, asked);
        Some(stream)
    }

    fn next(&mut self) -> StreamId {
        self.last += 1;
        StreamId(self.last)
    }
}

impl Asked {
    fn answer(&self, reply: &Reply) -> Vec<u8> {
        self.addressee.answer(&self.method, self.seqid, reply)
    }

    /// Whether it asks for Finagle's extension, which holds for a connection. Clients take a method
    /// that is unknown as a no, and stay with plain Thrift.
    fn is_upgrade(&self) -> bool {
        self.method.starts_with(b"__can__finagle__trace__")
    }
}

/// The stream of the request that a message from a server answers.
fn answered(
    call: &mut Option<Call>,
    multiplexing: bool,
    packet: &Packet,
    head: &Head,
) -> Result<StreamId, ConnectionError> {
    if head.kind != Kind::Response {
        return Err(malformed(Fault::Direction.at(0)));
    }
    if multiplexing {
        return Ok(StreamId(packet.seqid().into()));
    }
    let call = call.take().ok_or(ConnectionError::Unsolicited)?;
    // A server that answers a one-way call, say, would be a step behind from then on.
    let is_same = call.seqid == packet.seqid() && method_of(head) == &call.name[..];
    if is_same {
        Ok(call.stream)
    } else {
        Err(ConnectionError::Unsolicited)
    }
}

/// Method that a response names, also if the server did not strip the service.
fn method_of(head: &Head) -> &[u8] {
    message::split(head.method()).1
}

fn malformed(bad: Bad) -> ConnectionError {
    ConnectionError::Malformed(Malformed::from(bad))
}

fn too_many(TooMany { len }: TooMany) -> ConnectionError {
    let limit = Persistent::LIMIT;
    ConnectionError::TooLong { len, limit }
}

/// Text for a client that sends a response.
const DIRECTION: &str = "a reply or exception where a call is due";

/// Text for a client that asks for Finagle's extension.
const UPGRADE: &str = "the proxy speaks Thrift without extensions";
