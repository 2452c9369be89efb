//! Frames of the driver's.
//!
//! Specification: RFC 9113 §8.1.

use bytes::Bytes;
use sabir_core::connection::{SendError, Turn, Written};
use sabir_core::frame::{Frame, Reason, StreamId};
use sabir_core::head::{Head, Kind};
use sabir_core::output::Output;
use sabir_core::protocol::Role;

use super::connection::{Http2Connection, Writer};
use super::error::ErrorCode;
use super::frame::{Data, encode_block};
use super::grpc;
use super::heads::{self, Out, Outs};
use super::hpack::Representation;
use super::message::Traits;
use super::streams::{Closed, Half};

impl Http2Connection {
    /// Writes a frame of the driver's.
    pub(super) fn transmit(
        &mut self,
        name: StreamId,
        frame: Frame,
        turn: &mut Turn<'_>,
    ) -> Result<Written, SendError> {
        match frame {
            Frame::Head(head) if self.role == Role::Client => self.send_request(name, &head, turn),
            Frame::Head(head) => self.send_response(name, &head, turn),
            Frame::Data { bytes, end } => self.send_data(name, bytes, end, turn),
            Frame::Trailers(head) => self.send_trailers(name, &head, turn),
            Frame::Reset(reason) => {
                self.send_reset(name, reason, turn);
                Ok(Written::Whole)
            }
        }
    }

    fn send_request(
        &mut self,
        name: StreamId,
        head: &Head,
        turn: &mut Turn<'_>,
    ) -> Result<Written, SendError> {
        if !self.store.is_reserved(name) {
            return Err(SendError::Closed);
        }
        let (outs, written) = heads::outgoing(head);
        let value = |name: &[u8]| outs.iter().find(|o| *o.name == *name).map(|o| &*o.value);
        let method = value(b":method").filter(|_| head.kind == Kind::Request);
        let connect = method == Some(b"CONNECT");
        let extended = value(b":protocol").is_some();
        let whole = method.is_some() && (value(b":path").is_some() || connect);
        if !whole || (extended && !self.peer.connect) {
            self.store.unreserve(name);
            return Err(SendError::Unsupported);
        }
        let traits = Traits {
            grpc: value(b"content-type").is_some_and(grpc::is_content_type),
            head: method == Some(b"HEAD"),
            connect,
        };
        let id = self.numbers.next;
        self.numbers.next += 2;
        let mut stream = self.new_stream(name);
        stream.traits = traits;
        stream.state.local = Half::after(head.end);
        self.store.insert(id, stream);
        self.guard.opened();
        self.write_block(id, &outs, head.end, turn.out);
        Ok(written)
    }

    fn send_response(
        &mut self,
        name: StreamId,
        head: &Head,
        turn: &mut Turn<'_>,
    ) -> Result<Written, SendError> {
        let id = self.store.number(name).ok_or(SendError::Closed)?;
        let stream = self.store.get(id).ok_or(SendError::Closed)?;
        if stream.state.local != Half::Head {
            return Err(SendError::Closed);
        }
        let grpc = stream.traits.grpc;
        let (outs, written) = heads::outgoing(head);
        let value = |name: &[u8]| outs.iter().find(|o| *o.name == *name).map(|o| &*o.value);
        let status = value(b":status").and_then(|v| std::str::from_utf8(v).ok()?.parse().ok());
        let status: u16 = status.ok_or(SendError::Unsupported)?;
        if status == 101 {
            return Ok(written); // RFC 9113 §8.6: it does not exist here
        }
        if status < 200 {
            self.write_block(id, &outs, false, turn.out);
            return Ok(written);
        }
        let foreign = grpc && status != 200 && value(b"grpc-status").is_none();
        if foreign {
            // Clients of gRPC make little of an answer that is not one.
            self.write_block(id, &trailers_only(status), true, turn.out);
        } else {
            self.write_block(id, &outs, head.end, turn.out);
        }
        if let Some(stream) = self.store.get_mut(id) {
            stream.state.local = if foreign { Half::Muted } else { Half::Body };
            if stream.send.available() == 0 {
                stream.shut_since.get_or_insert(turn.now);
            }
        }
        self.note_shut(turn.now);
        if head.end {
            self.local_ended(id, turn);
        }
        Ok(written)
    }

    fn send_data(
        &mut self,
        name: StreamId,
        bytes: Bytes,
        end: bool,
        turn: &mut Turn<'_>,
    ) -> Result<Written, SendError> {
        let id = self.store.number(name).ok_or(SendError::Closed)?;
        let stream = self.store.get_mut(id).ok_or(SendError::Closed)?;
        match stream.state.local {
            Half::Body => {}
            Half::Muted => {
                if end {
                    self.local_ended(id, turn);
                }
                return Ok(Written::Whole);
            }
            Half::Head => return Err(SendError::Unsupported),
            Half::Closed => return Err(SendError::Closed),
        }
        let room = stream.send.available().min(self.flow.send.available());
        if bytes.len() > room {
            return Err(SendError::Unsupported);
        }
        if bytes.is_empty() && !end {
            return Ok(Written::Whole);
        }
        stream.send.take(bytes.len());
        if stream.send.available() == 0 {
            stream.shut_since.get_or_insert(turn.now);
        }
        self.flow.send.take(bytes.len());
        self.guard.useful();
        Data::encode(id, bytes, end, self.peer.max_len, turn.out);
        self.note_shut(turn.now);
        if end {
            self.local_ended(id, turn);
        }
        Ok(Written::Whole)
    }

    fn send_trailers(
        &mut self,
        name: StreamId,
        head: &Head,
        turn: &mut Turn<'_>,
    ) -> Result<Written, SendError> {
        let id = self.store.number(name).ok_or(SendError::Closed)?;
        let stream = self.store.get(id).ok_or(SendError::Closed)?;
        match stream.state.local {
            Half::Body => {}
            Half::Muted => {
                self.local_ended(id, turn);
                return Ok(Written::Whole);
            }
            Half::Head => return Err(SendError::Unsupported),
            Half::Closed => return Err(SendError::Closed),
        }
        let (mut outs, written) = heads::outgoing(head);
        outs.retain(|out| !out.name.starts_with(b":"));
        if outs.is_empty() {
            Data::encode(id, Bytes::new(), true, self.peer.max_len, turn.out);
        } else {
            self.write_block(id, &outs, true, turn.out);
        }
        self.local_ended(id, turn);
        Ok(written)
    }

    /// The driver gives a stream up, with all it holds of it.
    pub(super) fn send_reset(&mut self, name: StreamId, reason: Reason, turn: &mut Turn<'_>) {
        self.store.unreserve(name);
        let Some(id) = self.store.number(name) else {
            let held = self.store.consume_held(name, usize::MAX);
            return self.release(held, turn);
        };
        if let Some(stream) = self.store.get_mut(id) {
            stream.state.remote = Half::Closed;
            let begun = self.role == Role::Server && stream.state.local != Half::Head;
            let code = ErrorCode::of(reason, begun);
            self.release_on(id, usize::MAX, turn);
            self.reset(id, code, turn);
        }
    }

    /// We are done with a stream.
    pub(super) fn local_ended(&mut self, id: u32, turn: &mut Turn<'_>) {
        let Some(stream) = self.store.get_mut(id) else {
            return;
        };
        stream.state.local = Half::Closed;
        if stream.state.is_closed() {
            self.close(id, Closed::Ended, turn);
        } else if self.role == Role::Server {
            // RFC 9113 §8.1: answered, and nobody reads the rest of the request.
            self.reset(id, ErrorCode::NO_ERROR, turn);
        }
    }

    /// Writes a whole header block.
    pub(super) fn write_block(&mut self, id: u32, outs: &Outs<'_>, end: bool, out: &mut Output) {
        let Writer { encoder, block } = &mut self.writer;
        block.clear();
        encoder.begin(block);
        for field in outs {
            encoder.encode(&field.name, &field.value, representation(field), block);
        }
        encode_block(id, block, end, self.peer.max_len, out);
        block.shrink_to(KEEP);
    }
}

/// What a client of gRPC is told instead of an HTTP status.
fn trailers_only(status: u16) -> Outs<'static> {
    let message = format!("the callee answered with HTTP status {status}");
    super::reply::trailers_only(grpc::of_http(status), message.into_bytes())
}

/// RFC 7541 §7.1.3, and what hardly ever comes twice.
fn representation(field: &Out<'_>) -> Representation {
    let secret = match &*field.name {
        b"authorization" | b"proxy-authorization" => true,
        // A short one can be guessed octet by octet.
        b"cookie" => field.value.len() < SHORT_COOKIE,
        _ => field.sensitive,
    };
    match &*field.name {
        _ if secret => Representation::NeverIndexed,
        b"content-length" | b"grpc-timeout" | b"traceparent" | b"etag" | b"set-cookie"
        | b"if-none-match" | b"if-modified-since" | b"last-modified" | b"location" => {
            Representation::Plain
        }
        _ => Representation::Indexed,
    }
}

const SHORT_COOKIE: usize = 20;

/// Memory for header blocks that is kept, in octets.
const KEEP: usize = 16 << 10;
