//! The side that speaks to a server: one exchange after the other.

use bytes::BytesMut;
use sabir_core::connection::{Connection, ConnectionError, SendError, Turn, Written};
use sabir_core::frame::{Frame, StreamId};
use sabir_core::head::{self, Echo, Head};
use sabir_core::metadata::Malformed;
use sabir_core::outcome::Reply;

use super::body::Body;
use super::inbox::Inbox;
use super::length::Length;
use super::lines_out::trailer_lines;
use super::options::Options;
use super::outbound::{Outbound, WrongLength};
use super::request::Verb;
use super::request_out;
use super::response::{self, Response};
use super::scan::{Scan, Section};

/// A connection that we opened.
#[derive(Debug)]
pub(super) struct Client {
    options: Options,
    scan: Scan,
    reading: Reading,
    exchange: Option<Exchange>,
    inbox: Inbox,
    finished: bool,
}

/// What the next bytes are.
#[derive(Debug)]
enum Reading {
    /// The head of a response.
    Head,
    /// Its body.
    Body(Body),
    /// The server's side of a tunnel.
    Tunnel,
    /// Nothing: the server's side of a tunnel has ended.
    Ended,
}

/// The request that is being answered.
#[derive(Debug)]
struct Exchange {
    stream: StreamId,
    request: Stage,
    verb: Verb,
    /// What the connection may be upgraded to.
    upgrade: Option<Box<[u8]>>,
    interims: u8,
    /// The server lets the connection go on.
    persists: bool,
}

impl Exchange {
    /// Whether the upgrade that `response` grants is the one that was asked for.
    fn asked_for(&self, response: &Response) -> bool {
        let granted = response.upgrade.map(|span| span.of(response.head.wire()));
        let asked = self.upgrade.as_deref();
        asked
            .zip(granted)
            .is_some_and(|(asked, granted)| asked.eq_ignore_ascii_case(granted))
    }
}

/// How far a request was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// Not at all.
    Opened,
    /// Its body is being written.
    Body(Outbound),
    /// It is complete.
    Done,
}

impl Client {
    /// A connection with `options`, of which the limit on bodies is for requests.
    pub(super) fn new(mut options: Options) -> Self {
        options.max_body_bytes = None;
        Self {
            options,
            scan: Scan::default(),
            reading: Reading::Head,
            exchange: None,
            inbox: Inbox::default(),
            finished: false,
        }
    }

    /// Says whether there may be more to read.
    fn read(&mut self, input: &mut BytesMut, turn: &mut Turn<'_>) -> Result<bool, ConnectionError> {
        if input.is_empty() {
            return Ok(false);
        }
        match &mut self.reading {
            Reading::Tunnel => {
                self.inbox.tunnel(input, turn);
                Ok(false)
            }
            Reading::Body(body) => {
                let read = self.inbox.read(body, input, &self.options, turn);
                let ended = read.map_err(|refusal| refusal.why)?;
                if ended {
                    self.finish();
                }
                Ok(ended)
            }
            Reading::Head => self.read_head(input, turn),
            Reading::Ended => Ok(false),
        }
    }

    fn read_head(
        &mut self,
        input: &mut BytesMut,
        turn: &mut Turn<'_>,
    ) -> Result<bool, ConnectionError> {
        let waits = |exchange: &Exchange| exchange.request != Stage::Opened;
        if !self.exchange.as_ref().is_some_and(waits) {
            // RFC 9112 §9.2: such bytes must not become the answer to the next request.
            return Err(ConnectionError::Unsolicited);
        }
        let found = self.scan.find(input, Section::Head, &self.options.head);
        let Some(found) = found.map_err(|refusal| refusal.why)? else {
            return Ok(false);
        };
        let block = input.split_to(found.len).freeze();
        let response = response::read(block, found.lines).map_err(|refusal| refusal.why)?;
        self.accept(response, turn)?;
        Ok(true)
    }

    fn accept(&mut self, response: Response, turn: &mut Turn<'_>) -> Result<(), Malformed> {
        let Some(exchange) = &mut self.exchange else {
            return Ok(());
        };
        let malformed = |part| Err(Malformed { part, at: 0 });
        match response.status {
            101 if !exchange.asked_for(&response) => return malformed("101: not asked for"),
            101 => self.tunnel(response.head, turn),
            100..=199 if exchange.interims >= MOST_INTERIMS => return malformed("1xx: too many"),
            100..=199 => {
                exchange.interims += 1;
                let mut head = response.head;
                (head.end, head.stage) = (false, head::Stage::Interim);
                self.inbox.head(head, turn);
            }
            200..=299 if exchange.verb == Verb::Connect => self.tunnel(response.head, turn),
            status => {
                let body = response_body(status, exchange.verb, response.length);
                self.begin_body(body, response.head, response.persists, turn);
            }
        }
        Ok(())
    }

    fn begin_body(
        &mut self,
        body: Option<Body>,
        mut head: Head,
        persists: bool,
        turn: &mut Turn<'_>,
    ) {
        let until_close = matches!(body, Some(Body::UntilClose));
        if let Some(exchange) = &mut self.exchange {
            exchange.persists = persists && !until_close;
            // A tunnel that was not granted is a request that has ended.
            if exchange.upgrade.is_some() || exchange.verb == Verb::Connect {
                exchange.request = Stage::Done;
            }
        }
        head.end = body.is_none();
        self.inbox.head(head, turn);
        match body {
            Some(body) => self.reading = Reading::Body(body),
            None => self.finish(),
        }
    }

    fn tunnel(&mut self, mut head: Head, turn: &mut Turn<'_>) {
        (head.end, head.stage) = (false, head::Stage::Tunnel);
        if let Some(exchange) = &mut self.exchange {
            exchange.request = Stage::Body(Outbound::Raw);
        }
        self.inbox.head(head, turn);
        self.reading = Reading::Tunnel;
    }

    /// The response is complete.
    fn finish(&mut self) {
        self.reading = Reading::Head;
        self.inbox.clear();
        let exchange = self.exchange.take();
        let reusable = exchange.is_some_and(|e| e.persists && e.request == Stage::Done);
        self.finished |= !reusable;
    }

    fn send_head(
        &mut self,
        stream: StreamId,
        head: &Head,
        turn: &mut Turn<'_>,
    ) -> Result<Written, SendError> {
        let opened = |e: &&mut Exchange| e.stream == stream && e.request == Stage::Opened;
        let Some(exchange) = self.exchange.as_mut().filter(opened) else {
            return Err(SendError::Closed);
        };
        let sent = match request_out::write(head, &self.options, turn.out) {
            Ok(sent) => sent,
            Err(error) => {
                self.exchange = None;
                return Err(error);
            }
        };
        exchange.request = match head.end {
            true => Stage::Done,
            false => Stage::Body(sent.body),
        };
        (exchange.verb, exchange.upgrade) = (sent.verb, sent.upgrade);
        self.inbox.start(stream);
        Ok(sent.written)
    }

    /// Writes a piece of the request; `last` says whether it is the last.
    fn send_body(
        &mut self,
        stream: StreamId,
        last: bool,
        write: impl FnOnce(&mut Outbound) -> Result<(), WrongLength>,
    ) -> Result<Written, SendError> {
        let Some(exchange) = self.exchange.as_mut().filter(|e| e.stream == stream) else {
            return Err(SendError::Closed);
        };
        let Stage::Body(body) = &mut exchange.request else {
            return Err(SendError::Closed);
        };
        if write(body).is_err() {
            self.finished = true;
            return Err(SendError::Closed);
        }
        if last {
            exchange.request = Stage::Done;
            self.finished |= matches!(self.reading, Reading::Ended);
        }
        Ok(Written::Whole)
    }
}

impl Connection for Client {
    fn recv(&mut self, input: &mut BytesMut, turn: &mut Turn<'_>) -> Result<(), ConnectionError> {
        loop {
            match self.read(input, turn) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => {
                    self.finished = true;
                    return Err(error);
                }
            }
        }
    }

    fn recv_eof(
        &mut self,
        input: &mut BytesMut,
        turn: &mut Turn<'_>,
    ) -> Result<(), ConnectionError> {
        if let Reading::Tunnel = self.reading {
            self.inbox.end(turn);
            self.reading = Reading::Ended;
            let is_done = |e: &Exchange| e.request == Stage::Done;
            self.finished |= self.exchange.as_ref().is_none_or(is_done);
            return Ok(());
        }
        self.finished = true;
        match (&self.reading, &self.exchange) {
            (Reading::Body(Body::UntilClose), _) => {
                self.inbox.end(turn);
                self.finish();
                Ok(())
            }
            (Reading::Head, None) => Ok(()),
            _ => Err(ConnectionError::Truncated { len: input.len() }),
        }
    }

    fn send(
        &mut self,
        stream: StreamId,
        frame: Frame,
        turn: &mut Turn<'_>,
    ) -> Result<Written, SendError> {
        match frame {
            Frame::Head(head) => self.send_head(stream, &head, turn),
            Frame::Data { bytes, end } => {
                self.send_body(stream, end, |body| body.write(bytes, end, turn.out))
            }
            Frame::Trailers(head) => self.send_body(stream, true, |body| {
                let lines = match body {
                    Outbound::Chunked => trailer_lines(&head),
                    _ => Vec::new(),
                };
                body.finish(&lines, turn.out)
            }),
            Frame::Reset(_) => {
                let exchange = self.exchange.take_if(|e| e.stream == stream);
                let exchange = exchange.ok_or(SendError::Closed)?;
                // Whatever still comes must reach nobody else.
                self.finished |= exchange.request != Stage::Opened;
                Ok(Written::Whole)
            }
        }
    }

    fn reply(&mut self, _: StreamId, _: Echo, _: &Reply, _: &mut Turn<'_>) {
        // Servers send no requests.
    }

    fn open(&mut self, stream: StreamId) -> bool {
        if self.finished || self.exchange.is_some() {
            return false;
        }
        self.exchange = Some(Exchange {
            stream,
            request: Stage::Opened,
            verb: Verb::Other,
            upgrade: None,
            interims: 0,
            persists: true,
        });
        true
    }

    fn consumed(&mut self, stream: StreamId, bytes: usize, _turn: &mut Turn<'_>) {
        self.inbox.consumed(stream, bytes);
    }

    fn wants_read(&self) -> bool {
        !self.inbox.is_full()
    }

    /// The client's side of a tunnel has ended.
    fn wants_shutdown(&self) -> bool {
        let ended = |e: &Exchange| e.request == Stage::Done;
        let is_tunnel = matches!(self.reading, Reading::Tunnel | Reading::Ended);
        is_tunnel && self.exchange.as_ref().is_some_and(ended)
    }

    fn is_finished(&self) -> bool {
        self.finished
    }
}

/// The body of a final response. RFC 9112 §6.3.
fn response_body(status: u16, verb: Verb, length: Option<Length>) -> Option<Body> {
    match (status, length) {
        (204 | 304, _) => None,
        _ if verb == Verb::Head => None,
        (_, Some(length)) => Body::of(length),
        (_, None) => Some(Body::UntilClose),
    }
}

/// Responses of 1xx to one request.
const MOST_INTERIMS: u8 = 16;
