//! The test suite that comes with the codec traits.
//!
//! A codec's author lists a few whole messages and writes one line:
//!
//! ```text
//! sabir_core::codec_kit!(MyCodec::default(), Samples {
//!     requests: vec![Bytes::from_static(b"...")],
//!     responses: vec![Bytes::from_static(b"...")],
//!     others: vec![],
//! });
//! ```
//!
//! which becomes tests that hold for every sample: each way to split it in two arrives as the same
//! events; forwarded unchanged it is byte-identical but for the id; a pair that was set is read
//! back, and removing it again restores every byte; what is cut short waits; what is corrupted is
//! an error or a message, never a panic, nor memory out of proportion; and a reply of the proxy's
//! own parses as a response of the same id.
//!
//! A third argument measures memory, for which the test needs an allocator that counts: with the
//! crate `allocation-counter` as a dev-dependency it is
//! `|f: &mut dyn FnMut()| allocation_counter::measure(f).bytes_max`.

pub mod changes;
pub mod relay;
pub mod script;
pub mod side;
pub mod subject;
pub mod windowed;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use crate::connection::{Connection, ConnectionError, Event, EventKind, Turn, Written};
use crate::frame::{Frame, StreamId};
use crate::head::{Head, Kind};
use crate::message::{MessageCodec, MessageConnection};
use crate::name::Name;
use crate::outcome::{Code, Outcome, Reply};
use crate::output::Output;
use crate::protocol::Limits;

/// Whole messages of a protocol, as real peers write them.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// Requests that await a response or do not.
    pub requests: Vec<Bytes>,
    /// Responses, good and bad.
    pub responses: Vec<Bytes>,
    /// Keep-alives and other messages that the connection handles itself.
    pub others: Vec<Bytes>,
}

impl Samples {
    fn forwarded(&self) -> impl Iterator<Item = &Bytes> {
        self.requests.iter().chain(&self.responses)
    }

    fn all(&self) -> impl Iterator<Item = &Bytes> {
        self.forwarded().chain(&self.others)
    }
}

/// Makes a test of each property; see the [module](self).
#[macro_export]
macro_rules! codec_kit {
    ($codec:expr, $samples:expr) => {
        // Without a way to measure, everything counts as nothing.
        $crate::codec_kit!($codec, $samples, |f: &mut dyn FnMut()| {
            f();
            0
        });
    };
    ($codec:expr, $samples:expr, $measure:expr) => {
        mod codec_kit {
            use super::*;
            $crate::codec_kit!(@ $codec, $samples, every_split_gives_the_same_events);
            $crate::codec_kit!(@ $codec, $samples, unchanged_is_identical_but_for_the_id);
            $crate::codec_kit!(@ $codec, $samples, mutation_keeps_the_rest);
            $crate::codec_kit!(@ $codec, $samples, truncation_waits);
            $crate::codec_kit!(@ $codec, $samples, replies_parse_back);

            #[test]
            fn corruption_is_an_error_or_a_message() {
                $crate::kit::corruption_is_an_error_or_a_message(|| $codec, &$samples, $measure);
            }
        }
    };
    (@ $codec:expr, $samples:expr, $property:ident) => {
        #[test]
        fn $property() {
            $crate::kit::$property(|| $codec, &$samples);
        }
    };
}

/// What a sample did to a connection, in comparable form.
#[derive(Debug, PartialEq)]
struct Seen {
    result: Result<(), ConnectionError>,
    events: Vec<String>,
    sent: Vec<u8>,
    left: usize,
}

fn feed<C: MessageCodec>(codec: C, pieces: &[&[u8]]) -> Seen {
    let now = Instant::now();
    let mut conn = MessageConnection::new(Arc::new(codec), &Limits::default(), now);
    let (mut events, mut out) = (VecDeque::new(), Output::default());
    let mut input = BytesMut::new();
    let mut result = Ok(());
    for piece in pieces {
        input.extend_from_slice(piece);
        let mut turn = Turn {
            now,
            events: &mut events,
            out: &mut out,
        };
        result = conn.recv(&mut input, &mut turn);
        if result.is_err() {
            break;
        }
    }
    Seen {
        result,
        events: events.iter().map(describe).collect(),
        sent: out.to_vec(),
        left: input.len(),
    }
}

fn describe(event: &Event) -> String {
    let EventKind::Frame(Frame::Head(head)) = &event.kind else {
        return format!("{event:?}");
    };
    let pairs: Vec<_> = head.metadata().iter().collect();
    let Head {
        kind,
        outcome,
        echo,
        ..
    } = head;
    let (service, method, wire) = (head.service(), head.method(), head.wire());
    format!(
        "{:?} {kind:?} {outcome:?} {echo:?} {service:?} {method:?} {pairs:?} {wire:?}",
        event.stream
    )
}

fn encoded<C: MessageCodec>(codec: &C, stream: StreamId, head: &Head) -> (Written, Bytes) {
    let mut out = Output::default();
    let written = codec.encode(stream, head, &mut out);
    (written, out.to_vec().into())
}

fn decoded<C: MessageCodec>(codec: &C, wire: &Bytes) -> (StreamId, Head) {
    let message = codec.decode(wire.clone()).expect("a sample is sound");
    (message.stream, message.head)
}

/// Every way to cut a sample in two arrives as the same events.
pub fn every_split_gives_the_same_events<C: MessageCodec>(make: impl Fn() -> C, samples: &Samples) {
    for sample in samples.all() {
        let whole = feed(make(), &[sample]);
        assert_eq!((&whole.result, whole.left), (&Ok(()), 0));
        for cut in cuts(sample.len()) {
            let split = feed(make(), &[&sample[..cut], &sample[cut..]]);
            assert_eq!(split, whole, "cut at {cut}");
        }
        let twice = feed(make(), &[&[&sample[..], sample].concat()]);
        if C::CORRELATION == crate::message::Correlation::ById {
            assert_eq!(twice.events.len(), 2 * whole.events.len());
        }
    }
}

/// Offsets to cut at: all of them in short messages, a spread in long ones.
fn cuts(len: usize) -> impl Iterator<Item = usize> {
    (1..len).step_by(len.div_ceil(2048).max(1))
}

/// A message that nobody changed leaves as it came, but for the id.
pub fn unchanged_is_identical_but_for_the_id<C: MessageCodec>(
    make: impl Fn() -> C,
    samples: &Samples,
) {
    let codec = make();
    for sample in samples.forwarded() {
        let (stream, head) = decoded(&codec, sample);
        assert_eq!(
            encoded(&codec, stream, &head),
            (Written::Whole, sample.clone())
        );
        let _ = head.metadata();
        let other = StreamId((stream.0 ^ 0x0101) & C::MAX_ID);
        let (_, moved) = encoded(&codec, other, &head);
        let (read, moved) = decoded(&codec, &moved);
        if C::CORRELATION == crate::message::Correlation::ById && head.kind != Kind::OneWay {
            assert_eq!(read, other);
        }
        assert_eq!(encoded(&codec, stream, &moved).1, sample);
    }
}

/// A pair that is set is read back, and removing it restores every other byte.
pub fn mutation_keeps_the_rest<C: MessageCodec>(make: impl Fn() -> C, samples: &Samples) {
    let codec = make();
    let name = Name::new("x-kit-probe");
    let can = C::CAPABILITIES;
    let requests = samples.requests.iter().filter(|_| can.request_metadata);
    let responses = samples.responses.iter().filter(|_| can.response_metadata);
    for sample in requests.chain(responses) {
        let (stream, mut head) = decoded(&codec, sample);
        let before = pairs(&head);
        head.set(&name, b"caf\xc3\xa9");
        let (written, changed) = encoded(&codec, stream, &head);
        if written == Written::Unmodified {
            assert_eq!(&changed, sample, "left as it was, or not at all");
            continue;
        }
        let (_, mut changed) = decoded(&codec, &changed);
        assert_eq!(changed.get(&name), Some(&b"caf\xc3\xa9"[..]));
        changed.remove(&name);
        assert_eq!(pairs(&changed), before);
        let (written, restored) = encoded(&codec, stream, &changed);
        assert_eq!(written, Written::Whole);
        let (_, restored) = decoded(&codec, &restored);
        assert_eq!(pairs(&restored), before);
        assert_eq!(
            (restored.service(), restored.method()),
            (head.service(), head.method())
        );
        removal_of_each_pair(&codec, stream, sample);
    }
}

fn removal_of_each_pair<C: MessageCodec>(codec: &C, stream: StreamId, sample: &Bytes) {
    for (name, _) in pairs(&decoded(codec, sample).1) {
        let Ok(name) = String::from_utf8(name) else {
            continue;
        };
        let name = Name::new(&name);
        let (_, mut head) = decoded(codec, sample);
        head.remove(&name);
        let (written, cut) = encoded(codec, stream, &head);
        let (_, left) = decoded(codec, &cut);
        match written {
            Written::Unmodified => assert_eq!(&cut, sample),
            Written::Whole if name.field().is_none() => {
                assert_eq!(pairs(&left), pairs(&head), "without {name}");
            }
            Written::Whole => {}
        }
    }
}

fn pairs(head: &Head) -> Vec<(Vec<u8>, Vec<u8>)> {
    let owned = |(k, v): (&[u8], &[u8])| (k.to_vec(), v.to_vec());
    head.metadata().iter().map(owned).collect()
}

/// A message that is cut short is waited for, at every length.
pub fn truncation_waits<C: MessageCodec>(make: impl Fn() -> C, samples: &Samples) {
    for sample in samples.all() {
        for cut in cuts(sample.len()) {
            let seen = feed(make(), &[&sample[..cut]]);
            assert_eq!(
                (seen.result, seen.events.len()),
                (Ok(()), 0),
                "cut at {cut}"
            );
        }
    }
}

/// A corrupted message is an error, a message or waited for; memory stays in proportion.
///
/// `measure` runs what it is given and returns the most bytes that were allocated at a time.
pub fn corruption_is_an_error_or_a_message<C: MessageCodec>(
    make: impl Fn() -> C,
    samples: &Samples,
    mut measure: impl FnMut(&mut dyn FnMut()) -> u64,
) {
    for sample in samples.all() {
        let mut bytes = sample.to_vec();
        // Descriptions print each byte as up to four characters, several times over.
        let allowed = 64 * 1024 + 256 * sample.len() as u64;
        for at in cuts(sample.len()) {
            let was = bytes[at];
            for value in [0, 0x7f, 0x80, 0xff, was ^ 1, was.wrapping_add(1)] {
                bytes[at] = value;
                let peak = measure(&mut || drop(feed(make(), &[&bytes])));
                assert!(peak < allowed, "{value:#x} at {at} took {peak} bytes");
            }
            bytes[at] = was;
        }
    }
}

/// The proxy's own replies are responses that the codec itself understands.
pub fn replies_parse_back<C: MessageCodec>(make: impl Fn() -> C, samples: &Samples) {
    let codec = make();
    for sample in &samples.requests {
        let (stream, head) = decoded(&codec, sample);
        if head.kind != Kind::Request {
            continue;
        }
        for code in Code::ALL.into_iter().filter(|&c| c != Code::Ok) {
            let reply = Reply::new(Outcome::refused(code), "the \"message\": \u{e9}\u{1f600}");
            let mut out = Output::default();
            codec.reply(stream, head.echo, &reply, &mut out);
            let bytes = Bytes::from(out.to_vec());
            let len = codec.frame_len(&bytes);
            assert_eq!(len, Ok(Some(bytes.len())), "{code:?}");
            let (answered, response) = decoded(&codec, &bytes);
            assert_eq!(response.kind, Kind::Response);
            assert!(!response.outcome.is_ok(), "{code:?} reads as success");
            if C::CORRELATION == crate::message::Correlation::ById {
                assert_eq!(answered, stream);
            }
        }
    }
}
