//! What our connection does, driven as the proxy drives it.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use sabir_codecs::http2::hpack::{FieldList, fields};
use sabir_codecs::http2::{Http2, Options};
use sabir_core::connection::{Event, EventKind};
use sabir_core::frame::{Frame, Reason, StreamId};
use sabir_core::head::{Head, Kind};
use sabir_core::kit::side::{Promises, Side, Streams};
use sabir_core::metadata::Metadata;
use sabir_core::name::Name;
use sabir_core::protocol::{Limits, Role};

use super::calls::{Body, Call, Heard, Windows};

/// Our side of the connection.
pub(super) struct Ours {
    side: Side,
    calls: Rc<[Call]>,
    /// Calls that were begun, by the name of their stream.
    open: HashMap<StreamId, Exchange>,
    /// Calls that a client of ours has yet to make.
    unasked: Vec<usize>,
    /// Calls that were dealt with.
    done: usize,
    unsent: Vec<u8>,
    round: usize,
}

/// A call on its way.
#[derive(Debug)]
struct Exchange {
    at: usize,
    heard: Heard,
    /// Octets that were sent; `None` if the head was not.
    sent: Option<usize>,
    said_all: bool,
}

impl std::fmt::Debug for Ours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let capacity = |&stream: &StreamId| (stream, self.side.capacity(stream));
        f.debug_struct("Ours")
            .field("calls", &self.calls)
            .field("open", &self.open)
            .field("unasked", &self.unasked)
            .field("unsent", &self.unsent.len())
            .field(
                "capacity",
                &self.open.keys().map(capacity).collect::<Vec<_>>(),
            )
            .finish()
    }
}

impl Ours {
    pub(super) fn new(role: Role, windows: &Windows, calls: Rc<[Call]>) -> Self {
        let options = Options {
            max_streams: windows.streams,
            stream_window: windows.ours.0,
            connection_window: windows.ours.1,
            ..Options::default()
        };
        let promises = Promises {
            streams: Streams::Exchanges,
            most_unread: windows.ours.1 as usize,
            most_input: 9 + (16 << 10),
        };
        let unasked = match role {
            Role::Client => (0..calls.len()).collect(),
            Role::Server => Vec::new(),
        };
        Self {
            side: Side::new(&Http2::new(options), role, &Limits::default(), promises),
            calls,
            open: HashMap::new(),
            unasked,
            done: 0,
            unsent: Vec::new(),
            round: 0,
        }
    }

    /// Lets `bytes` of theirs arrive.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            let heard = self.side.feed(bytes);
            assert_eq!(heard, Ok(()), "what they say is understood");
        }
        for event in self.side.events() {
            self.note(event);
        }
    }

    /// At most `most` of the bytes that we have written.
    pub(super) fn say(&mut self, most: usize) -> Vec<u8> {
        self.unsent.extend_from_slice(&self.side.written());
        let len = most.min(self.unsent.len());
        self.unsent.drain(..len).collect()
    }

    /// Does what is to be done next; whether there was anything.
    pub(super) fn act(&mut self) -> bool {
        self.round += 1;
        let mut acted = self.ask();
        acted |= self.consume();
        let mut streams: Vec<_> = self.open.keys().copied().collect();
        streams.sort_unstable();
        for stream in streams {
            acted |= self.go_on(stream);
        }
        // Timeouts are far away: none of them is due.
        assert_eq!(self.side.wait(Duration::ZERO), Ok(()));
        acted
    }

    /// Whether every call has come to its end.
    pub(super) fn is_done(&self) -> bool {
        let given_up = match self.side.role() {
            Role::Client => 0,
            // Those may never have been heard of.
            Role::Server => self
                .calls
                .iter()
                .filter(|call| call.client_resets())
                .count(),
        };
        self.open.is_empty() && self.unasked.is_empty() && self.done + given_up >= self.calls.len()
    }

    fn ask(&mut self) -> bool {
        let Some(&at) = self.unasked.last() else {
            return false;
        };
        let stream = StreamId(100 + at as u64);
        if !self.side.open(stream) {
            return false;
        }
        self.unasked.pop();
        let call = &self.calls[at];
        let path = format!("/{at}");
        let fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", &path),
            (":authority", "example.com"),
            ("x-word", &call.word),
        ];
        let head = head(Kind::Request, call.request.is_bare(), &fields);
        let sent = self.side.send(stream, Frame::Head(head));
        assert!(sent.is_ok(), "{sent:?}");
        let exchange = Exchange {
            at,
            heard: Heard::default(),
            sent: Some(0),
            said_all: call.request.is_bare(),
        };
        self.open.insert(stream, exchange);
        true
    }

    /// Consumes what arrived, later for those that are slow.
    fn consume(&mut self) -> bool {
        let due = |exchange: &Exchange| self.round % (self.calls[exchange.at].slow + 1) == 0;
        let due = self.open.iter().filter(|(_, exchange)| due(exchange));
        let owed = due.map(|(&stream, _)| (stream, self.side.unconsumed(stream)));
        let owed: Vec<_> = owed.filter(|&(_, bytes)| bytes > 0).collect();
        for &(stream, bytes) in &owed {
            self.side.consumed(stream, bytes);
        }
        !owed.is_empty()
    }

    /// Sends what there is room for on a stream; whether that was anything.
    fn go_on(&mut self, stream: StreamId) -> bool {
        let Some(exchange) = self.open.get_mut(&stream) else {
            return false;
        };
        let call = &self.calls[exchange.at];
        let mut acted = false;
        if exchange.sent.is_none() && (call.early || exchange.heard.ended) {
            let status = call.status.to_string();
            let bare = call.response.is_bare();
            let head = head(Kind::Response, bare, &[(":status", &status)]);
            let sent = self.side.send(stream, Frame::Head(head));
            assert!(sent.is_ok(), "{sent:?}");
            (exchange.sent, exchange.said_all, acted) = (Some(0), bare, true);
        }
        let body = match self.side.role() {
            Role::Client => call.request,
            Role::Server => call.response,
        };
        if let (Some(sent), false) = (exchange.sent, exchange.said_all) {
            let room = self.side.capacity(stream);
            if let Some((frame, len)) = next(call, &body, sent, room) {
                exchange.said_all = frame.ends();
                exchange.sent = Some(sent + len);
                let resets = matches!(frame, Frame::Reset(_));
                let result = self.side.send(stream, frame);
                assert!(result.is_ok(), "{result:?} of {call:?}");
                exchange.heard.reset |= resets;
                acted = true;
            }
        }
        self.close(stream) || acted
    }

    /// Lets an exchange go that is over; whether it is.
    fn close(&mut self, stream: StreamId) -> bool {
        let Some(exchange) = self.open.get(&stream) else {
            return false;
        };
        let answered = match self.side.role() {
            // Nobody reads a request that was answered.
            Role::Server => exchange.said_all,
            Role::Client => exchange.heard.ended,
        };
        if !answered && !exchange.heard.reset {
            return false;
        }
        let unread = self.side.unconsumed(stream);
        self.side.consumed(stream, unread);
        let call = &self.calls[exchange.at];
        match self.side.role() {
            Role::Server => exchange.heard.check_request(call),
            Role::Client => exchange.heard.check_response(call),
        }
        // Those are counted apart.
        self.done += usize::from(self.side.role() == Role::Client || !call.client_resets());
        self.open.remove(&stream);
        true
    }

    fn note(&mut self, event: Event) {
        let Event { stream, kind } = event;
        let frame = match kind {
            EventKind::Frame(frame) => frame,
            EventKind::Writable => return,
            other => panic!("{other:?}"),
        };
        if self.side.role() == Role::Server
            && let Frame::Head(head) = &frame
        {
            self.open.insert(stream, Exchange::of(head));
        }
        let Some(exchange) = self.open.get_mut(&stream) else {
            return;
        };
        let call = &self.calls[exchange.at];
        exchange.heard.ended |= frame.ends();
        match frame {
            Frame::Head(head) => {
                exchange.heard.word = value(&head, "x-word");
                exchange.heard.status = value(&head, ":status").and_then(|s| s.parse().ok());
            }
            Frame::Data { bytes, .. } => exchange.heard.piece(call, &bytes),
            Frame::Trailers(head) => exchange.heard.trailers = value(&head, "x-at"),
            Frame::Reset(reason) => {
                let theirs = reason != Reason::Protocol;
                assert!(theirs, "they break no rule of the protocol: {call:?}");
                exchange.heard.reset = true;
            }
        }
        self.close(stream);
    }
}

impl Exchange {
    fn of(head: &Head) -> Self {
        let path = value(head, ":path").expect("requests have a path");
        Self {
            at: path[1..].parse().expect("a path of theirs"),
            heard: Heard::default(),
            sent: None,
            said_all: false,
        }
    }
}

/// The next frame of a body of which `sent` octets were sent, and the octets in it.
fn next(call: &Call, body: &Body, sent: usize, room: usize) -> Option<(Frame, usize)> {
    let left = body.sent() - sent;
    if left > 0 {
        let len = left.min(body.piece).min(room);
        let bytes = Bytes::from(call.octets(sent..sent + len));
        return (len > 0).then_some((Frame::Data { bytes, end: false }, len));
    }
    let frame = match (body.reset_at, body.trailers) {
        (Some(_), _) => Frame::Reset(Reason::Cancelled),
        (None, true) => {
            let kind = Kind::Response;
            Frame::Trailers(head(kind, true, &[("x-at", &call.at.to_string())]))
        }
        (None, false) => Frame::Data {
            bytes: Bytes::new(),
            end: true,
        },
    };
    Some((frame, 0))
}

/// A head of another protocol with these pairs.
fn head(kind: Kind, end: bool, pairs: &[(&str, &str)]) -> Head {
    let mut list = FieldList::new(1 << 20);
    for (name, value) in pairs {
        list.push(name.as_bytes(), value.as_bytes(), false);
    }
    let parse = |head: &Head, metadata: &mut Metadata| {
        for field in fields(head.wire()) {
            metadata.push(field.name_span(), field.value_span(), field.raw());
        }
    };
    let mut head = Head::new("scripted", kind, list.into_wire(), parse);
    head.end = end;
    head
}

fn value(head: &Head, name: &str) -> Option<String> {
    let name = Name::new(name);
    let value = head.get(&name)?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// Most rounds that pass before something slow is done.
pub(super) const SLOWEST: usize = 4;
