//! Answers of our own.
//!
//! gRPC is answered with trailers only: clients make little of an HTTP status.

use std::borrow::Cow;

use bytes::Bytes;
use sabir_core::connection::Turn;
use sabir_core::frame::{Reason, StreamId};
use sabir_core::outcome::Reply;
use smallvec::smallvec;

use super::connection::Http2Connection;
use super::error::ErrorCode;
use super::frame::Data;
use super::grpc;
use super::heads::{Out, Outs};
use super::status;
use super::streams::{Half, Stream};

impl Http2Connection {
    /// Answers the request on a stream with what `reply` says.
    pub(super) fn answer(&mut self, name: StreamId, reply: &Reply, turn: &mut Turn<'_>) {
        let Some(id) = self.store.number(name) else {
            return;
        };
        let Some(stream) = self.store.get(id) else {
            return;
        };
        if stream.state.local != Half::Head {
            return self.reset(id, ErrorCode::INTERNAL_ERROR, turn);
        }
        let code = reply.outcome.code;
        if stream.traits.grpc {
            let message = grpc::percent_encode(&reply.message);
            let outs = trailers_only(grpc::of_code(code), message);
            self.write_block(id, &outs, true, turn.out);
            return self.local_ended(id, turn);
        }
        let status = status::of_outcome(reply.outcome);
        let room = stream.send.available().min(self.flow.send.available());
        let body = Some(&*reply.message).filter(|m| !m.is_empty() && m.len() <= room);
        let body = body.filter(|_| !stream.traits.head);
        let body = body.map(|message| Bytes::copy_from_slice(message.as_bytes()));
        self.answer_http(id, status, body, turn);
    }

    /// Ends an answer of which the head was sent: in gRPC with a status, as if the callee had found
    /// it, else by giving the stream up.
    pub(super) fn end_answer(&mut self, name: StreamId, reply: &Reply, turn: &mut Turn<'_>) {
        let begun = |s: &&Stream| s.traits.grpc && s.state.local == Half::Body;
        let number = self.store.number(name);
        let Some(id) = number.filter(|&id| self.store.get(id).as_ref().is_some_and(begun)) else {
            return self.send_reset(name, Reason::Cancelled, turn);
        };
        let message = grpc::percent_encode(&reply.message);
        let outs = trailers(grpc::of_code(reply.outcome.code), message);
        self.write_block(id, &outs, true, turn.out);
        self.local_ended(id, turn);
    }

    /// Answers a request that the driver never saw.
    pub(super) fn refuse(&mut self, id: u32, status: u16, turn: &mut Turn<'_>) {
        if self.store.get(id).is_some_and(|s| s.traits.grpc) {
            let message = b"request header fields too large".to_vec();
            let outs = trailers_only(grpc::RESOURCE_EXHAUSTED, message);
            self.write_block(id, &outs, true, turn.out);
            return self.local_ended(id, turn);
        }
        self.answer_http(id, status, None, turn);
    }

    fn answer_http(&mut self, id: u32, status: u16, body: Option<Bytes>, turn: &mut Turn<'_>) {
        let (status, end) = (status.to_string(), body.is_none());
        let length = body.as_ref().map_or(0, Bytes::len).to_string();
        let mut outs: Outs<'_> = smallvec![
            Out::new(b":status", status.as_bytes()),
            Out::new(b"content-length", length.as_bytes()),
        ];
        if !end {
            outs.push(Out::new(b"content-type", b"text/plain; charset=utf-8"));
        }
        self.write_block(id, &outs, end, turn.out);
        if let Some(body) = body {
            if let Some(stream) = self.store.get_mut(id) {
                stream.send.take(body.len());
            }
            self.flow.send.take(body.len());
            Data::encode(id, body, true, self.peer.max_len, turn.out);
        }
        self.local_ended(id, turn);
    }
}

/// A response of gRPC that is nothing but its end.
pub(super) fn trailers_only(status: u32, message: Vec<u8>) -> Outs<'static> {
    let mut outs: Outs<'_> = smallvec![
        Out::new(b":status", b"200"),
        Out::new(b"content-type", grpc::CONTENT_TYPE),
    ];
    outs.extend(trailers(status, message));
    outs
}

/// The end of a response of gRPC.
fn trailers(status: u32, message: Vec<u8>) -> Outs<'static> {
    let owned = |name: &'static [u8], value: Vec<u8>| Out {
        name: Cow::Borrowed(name),
        value: Cow::Owned(value),
        sensitive: false,
    };
    let status = status.to_string().into_bytes();
    let mut outs: Outs<'_> = smallvec![owned(b"grpc-status", status)];
    if !message.is_empty() {
        outs.push(owned(b"grpc-message", message));
    }
    outs
}
