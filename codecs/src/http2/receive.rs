//! Frames of the peer's, one by one.
//!
//! Specification: RFC 9113 §3.4, §4 and §6.

use bytes::{Buf, Bytes, BytesMut};
use sabir_core::connection::{Event, EventKind, Turn};
use sabir_core::frame::Frame;
use sabir_core::protocol::Role;

use super::connection::Http2Connection;
use super::error::{ErrorCode, Fatal, Fault, Flood};
use super::frame::{
    self, DEFAULT_MAX_LEN, Data, GoAway, HEAD_LEN, Head, Kind, PREFACE, Ping, Priority, Reset,
    Setting, Settings, WindowUpdate, flags,
};
use super::streams::flow::Exceeded;
use super::streams::{Closed, Half};

impl Http2Connection {
    /// Takes every whole frame of `input`.
    pub(super) fn receive(
        &mut self,
        input: &mut BytesMut,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fatal> {
        self.skip_preface(input)?;
        if self.opening.preface > 0 {
            return Ok(());
        }
        while let Some(head) = Head::load(input) {
            if head.len > DEFAULT_MAX_LEN {
                return Err(Fatal::frame_size(
                    "frame longer than SETTINGS_MAX_FRAME_SIZE",
                ));
            }
            if input.len() < HEAD_LEN + head.len {
                break;
            }
            self.check_order(head)?;
            let result = if head.kind == Kind::Data {
                input.advance(HEAD_LEN);
                let payload = take(input, head.len);
                self.on_data(head, payload, turn)
            } else {
                let payload = &input[HEAD_LEN..HEAD_LEN + head.len];
                let result = self.on_frame(head, payload, turn);
                input.advance(HEAD_LEN + head.len);
                result
            };
            match result {
                Ok(()) => {}
                Err(Fault::Connection(fatal)) => return Err(fatal),
                Err(Fault::Stream { id, code, .. }) => self.reset_for_fault(id, code, turn)?,
            }
        }
        Ok(())
    }

    /// Takes the preface of a client off `input`, as far as it is there.
    fn skip_preface(&mut self, input: &mut BytesMut) -> Result<(), Fatal> {
        let at = PREFACE.len() - self.opening.preface;
        let len = input.len().min(self.opening.preface);
        if self.opening.preface > 0 && input[..len] != PREFACE[at..at + len] {
            return Err(Fatal::protocol("connection preface"));
        }
        input.advance(len);
        self.opening.preface -= len;
        Ok(())
    }

    /// Some frames must come first, and some together.
    fn check_order(&self, head: Head) -> Result<(), Fatal> {
        if let Some(partial) = &self.partial {
            let continues = head.kind == Kind::Continuation && head.stream == partial.id;
            let part = "header block interrupted by another frame";
            return continues.then_some(()).ok_or_else(|| Fatal::protocol(part));
        }
        if head.kind == Kind::Continuation {
            return Err(Fatal::protocol("CONTINUATION of nothing"));
        }
        let settings = head.kind == Kind::Settings && !head.has(flags::ACK);
        let in_order = self.peer.is_known || settings;
        let part = "connection preface without SETTINGS";
        in_order.then_some(()).ok_or_else(|| Fatal::protocol(part))
    }

    fn on_frame(&mut self, head: Head, payload: &[u8], turn: &mut Turn<'_>) -> Result<(), Fault> {
        match head.kind {
            Kind::Headers => self.on_headers(head, payload, turn),
            Kind::Continuation => self.on_continuation(head, payload, turn),
            Kind::Priority => {
                self.guard.count(Flood::Ignored, turn.now)?;
                Priority::load(head, payload).map(|_| ())
            }
            Kind::Reset => self.on_reset(head, Reset::load(head, payload)?, turn),
            Kind::Settings => self.on_settings(&Settings::load(head, payload)?, turn),
            Kind::PushPromise => Err(Fatal::protocol("PUSH_PROMISE").into()),
            Kind::Ping => self.on_ping(Ping::load(head, payload)?, turn),
            Kind::GoAway => {
                self.on_go_away(GoAway::load(head, payload)?, turn);
                Ok(())
            }
            Kind::WindowUpdate => {
                self.guard.count(Flood::WindowUpdates, turn.now)?;
                self.check_not_idle(head.stream)?;
                let update = WindowUpdate::load(head, payload)?;
                self.on_window_update(head.stream, update, turn)
            }
            Kind::Unknown(_) => Ok(self.guard.count(Flood::Ignored, turn.now)?),
            // It is taken whole, in `receive`.
            Kind::Data => Ok(()),
        }
    }

    fn on_data(&mut self, head: Head, payload: Bytes, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let Data { body, end } = Data::load(head, &payload)?;
        self.check_not_idle(head.stream)?;
        let received = self.flow.receive.receive(payload.len());
        received.map_err(|Exceeded| exceeded())?;
        if let Err(fault) = self.check_data(head.stream, payload.len()) {
            self.release(payload.len(), turn);
            return fault;
        }
        if body.is_empty() && !end {
            self.guard.empty_data()?;
        } else {
            self.guard.useful();
        }
        // Padding is read by nobody else.
        self.release_on(head.stream, payload.len() - body.len(), turn);
        let Some(stream) = self.store.get_mut(head.stream) else {
            return Ok(());
        };
        if let Some(announced) = stream.announced {
            let left = announced.checked_sub(body.len() as u64);
            let left = left.filter(|&left| left == 0 || !end);
            if left.is_none() {
                let (id, code) = (head.stream, ErrorCode::PROTOCOL_ERROR);
                let part = "body that is not as long as content-length says";
                return Err(Fault::Stream { id, code, part });
            }
            stream.announced = left;
        }
        if !body.is_empty() || end {
            let bytes = payload.slice(body);
            let kind = EventKind::Frame(Frame::Data { bytes, end });
            let stream = stream.name;
            turn.events.push_back(Event { stream, kind });
        }
        if end {
            self.remote_ended(head.stream, turn);
        }
        Ok(())
    }

    /// Checks that data may come on a stream. What was ours to reset is no fault of the peer's.
    fn check_data(&mut self, id: u32, len: usize) -> Result<(), Result<(), Fault>> {
        let fault = |code, part| Err(Err(Fault::Stream { id, code, part }));
        let Some(stream) = self.store.get_mut(id) else {
            return match self.store.closed(id) {
                Some(Closed::ByUs) => Err(Ok(())),
                _ => fault(ErrorCode::STREAM_CLOSED, "DATA on a closed stream"),
            };
        };
        match stream.state.remote {
            Half::Body => {}
            Half::Head => return fault(ErrorCode::PROTOCOL_ERROR, "DATA before a head"),
            Half::Muted | Half::Closed => {
                return fault(ErrorCode::STREAM_CLOSED, "DATA after the end");
            }
        }
        if stream.receive.receive(len) == Err(Exceeded) {
            return fault(ErrorCode::FLOW_CONTROL_ERROR, "DATA beyond the window");
        }
        Ok(())
    }

    /// The peer is done with a stream.
    pub(super) fn remote_ended(&mut self, id: u32, turn: &mut Turn<'_>) {
        let Some(stream) = self.store.get_mut(id) else {
            return;
        };
        stream.state.remote = Half::Closed;
        if stream.state.is_closed() {
            self.close(id, Closed::Ended, turn);
        } else if self.role == Role::Client {
            // Answered before all of the request was sent: nobody reads the rest.
            self.reset(id, ErrorCode::NO_ERROR, turn);
        }
    }

    fn on_reset(&mut self, head: Head, reset: Reset, turn: &mut Turn<'_>) -> Result<(), Fault> {
        self.check_not_idle(head.stream)?;
        let Some(stream) = self.store.get(head.stream) else {
            return Ok(());
        };
        let kind = EventKind::Frame(Frame::Reset(reset.code.reason()));
        let stream = stream.name;
        turn.events.push_back(Event { stream, kind });
        self.close(head.stream, Closed::ByPeer, turn);
        if self.role == Role::Server {
            self.guard.count(Flood::Resets, turn.now)?;
        }
        Ok(())
    }

    fn on_settings(&mut self, settings: &Settings<'_>, turn: &mut Turn<'_>) -> Result<(), Fault> {
        self.guard.count(Flood::Settings, turn.now)?;
        if *settings == Settings::Ack {
            self.peer.knows_ours = true;
            return Ok(());
        }
        self.peer.spoke();
        for setting in settings.values() {
            let setting = setting?;
            match setting {
                Setting::InitialWindowSize(new) => self.on_initial_window(new, turn)?,
                Setting::HeaderTableSize(size) => {
                    self.writer.encoder.set_max_table(size as usize);
                }
                Setting::EnablePush(true) if self.role == Role::Client => {
                    return Err(Fatal::protocol("SETTINGS_ENABLE_PUSH of a server").into());
                }
                _ => {}
            }
            self.peer.apply(setting);
        }
        frame::encode_settings_ack(turn.out);
        Ok(())
    }

    fn on_ping(&mut self, ping: Ping, turn: &mut Turn<'_>) -> Result<(), Fault> {
        if ping.ack {
            self.on_pong(ping.payload, turn);
            return Ok(());
        }
        self.guard.count(Flood::Pings, turn.now)?;
        Ping { ack: true, ..ping }.encode(turn.out);
        Ok(())
    }

    /// Checks that a stream was opened at some time; zero is the connection itself.
    fn check_not_idle(&self, id: u32) -> Result<(), Fatal> {
        let ours = self.role == Role::Client;
        let opened = match id % 2 {
            _ if id == 0 => true,
            1 if ours => id < self.numbers.next,
            1 => id <= self.numbers.last,
            _ => false,
        };
        opened
            .then_some(())
            .ok_or_else(|| Fatal::protocol("frame on a stream that was never opened"))
    }
}

/// Takes a payload out of `input`.
///
/// A short one is copied: as a slice it would keep the whole buffer, and cost as much.
fn take(input: &mut BytesMut, len: usize) -> Bytes {
    if len >= SHARE_FROM {
        return input.split_to(len).freeze();
    }
    let payload = Bytes::copy_from_slice(&input[..len]);
    input.advance(len);
    payload
}

fn exceeded() -> Fatal {
    Fatal::Broken {
        code: ErrorCode::FLOW_CONTROL_ERROR,
        part: "DATA beyond the connection's window",
    }
}

/// Payloads at least this long are taken by reference, in octets.
const SHARE_FROM: usize = 4096;
