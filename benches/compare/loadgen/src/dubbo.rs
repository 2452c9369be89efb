//! Dubbo TCP: real two-way requests with Hessian2 bodies, and the replies of a current Java provider.
//!
//! Frame: `da bb`, flags, status, id (8), length of the body (4), body; see
//! <https://cn.dubbo.apache.org/en/overview/reference/protocols/tcp/>.

use std::ops::Range;

use crate::arguments::Call;
use crate::hessian::{read_string, string_head, write_string};
use crate::protocol::{Answers, CallError, Calls, Step, Ticket, Verdict, Violation};
use crate::token::{TOKEN, filler, token};

const HEADER: usize = 16;
const MAGIC: [u8; 2] = [0xda, 0xbb];
const REQUEST: u8 = 0x80;
const TWO_WAY: u8 = 0x40;
const EVENT: u8 = 0x20;
const HESSIAN2: u8 = 0x02;
const OK: u8 = 20;
const NULL: u8 = 0x4e;
/// Larger bodies are refused; Dubbo's own default limit.
const MAX_BODY: u64 = 8 << 20;

/// The load side: prepared requests and the reply that is expected for any of them.
#[derive(Debug)]
pub(crate) struct Caller {
    /// One for each service that is called.
    requests: Vec<Request>,
    reply: Reply,
}

/// A prepared request.
#[derive(Debug)]
struct Request {
    bytes: Vec<u8>,
    token_at: usize,
}

impl Caller {
    /// Prepares the requests of `call` with an argument of `body` bytes.
    pub(crate) fn new(call: &Call, body: u64) -> Result<Self, CallError> {
        let requests = if call.services == 1 {
            vec![Request::new(call, &call.service, body)?]
        } else {
            let name = |number| format!("{}{number:06}", call.service);
            (0..call.services)
                .map(|number| Request::new(call, &name(number), body))
                .collect::<Result<_, _>>()?
        };
        Ok(Self {
            requests,
            reply: Reply::new(body),
        })
    }

    fn verdict(&self, frame: &[u8], connection: u32, ticket: Ticket) -> Verdict {
        if frame[3] != OK {
            return Verdict::Status(frame[3].into());
        }
        let place = self.reply.token();
        let same = frame.len() == self.reply.bytes.len()
            && frame[HEADER..place.start] == self.reply.bytes[HEADER..place.start]
            && frame[place.clone()] == token(connection, ticket)
            && frame[place.end..] == self.reply.bytes[place.end..];
        if same {
            Verdict::Right
        } else {
            Verdict::Content
        }
    }
}

impl Request {
    fn new(call: &Call, service: &str, body: u64) -> Result<Self, CallError> {
        let mut attachments = vec![
            ("path", service),
            ("interface", service),
            ("version", &call.service_version),
            ("group", &call.group),
            ("timeout", "3000"),
        ];
        let further = call.attachments.iter();
        attachments.extend(further.map(|(key, value)| (key.as_str(), value.as_str())));

        let mut bytes = header(REQUEST | TWO_WAY | HESSIAN2, 0);
        for text in [
            "2.0.2",
            service,
            &call.service_version,
            &call.method,
            "Ljava/lang/String;",
        ] {
            write_text(text, &mut bytes)?;
        }
        let token_at = write_string(&filler(body), &mut bytes);
        bytes.push(b'H');
        for (key, value) in attachments {
            write_text(key, &mut bytes)?;
            write_text(value, &mut bytes)?;
        }
        bytes.push(b'Z');
        write_length(&mut bytes);
        Ok(Self { bytes, token_at })
    }
}

impl Calls for Caller {
    /// The connection's number.
    type State = u32;

    fn open(&self, connection: u32, _: &mut Vec<u8>) -> u32 {
        connection
    }

    fn write_request(&self, connection: &mut u32, ticket: Ticket, out: &mut Vec<u8>) {
        // Connections begin at different services, or all would call the same at the same time.
        let turn = ticket.started() + u64::from(*connection) * 127;
        let request = &self.requests[turn as usize % self.requests.len()];
        let start = out.len();
        out.extend_from_slice(&request.bytes);
        let frame = &mut out[start..];
        frame[4..12].copy_from_slice(&ticket.0.to_be_bytes());
        frame[request.token_at..request.token_at + TOKEN]
            .copy_from_slice(&token(*connection, ticket));
    }

    fn read_reply(
        &self,
        connection: &mut u32,
        received: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Step, Violation> {
        let frame = match whole_frame(received)? {
            Ok(frame) => frame,
            Err(needed) => return Ok(Step::Wait { needed }),
        };
        let consumed = frame.len();
        if frame[2] & EVENT != 0 {
            answer_event(frame, out);
            return Ok(Step::Skip { consumed });
        }
        if frame[2] & REQUEST != 0 {
            return Err(Violation::Kind);
        }
        let ticket = Ticket(id(frame));
        Ok(Step::Reply {
            consumed,
            ticket,
            verdict: self.verdict(frame, *connection, ticket),
        })
    }
}

/// The backend side: answers each two-way request with a string that begins with the request's token.
#[derive(Debug)]
pub(crate) struct Echo {
    reply: Reply,
}

impl Echo {
    /// A backend whose results have `body` bytes.
    pub(crate) fn new(body: u64) -> Self {
        Self {
            reply: Reply::new(body),
        }
    }
}

impl Answers for Echo {
    type State = ();

    fn answer(&self, (): &mut (), received: &[u8], out: &mut Vec<u8>) -> Result<Step, Violation> {
        let frame = match whole_frame(received)? {
            Ok(frame) => frame,
            Err(needed) => return Ok(Step::Wait { needed }),
        };
        let consumed = frame.len();
        if frame[2] & EVENT != 0 {
            answer_event(frame, out);
        } else if frame[2] & REQUEST == 0 {
            return Err(Violation::Kind);
        } else if frame[2] & TWO_WAY != 0 {
            let token = request_token(frame).ok_or(Violation::Body)?;
            let start = out.len();
            out.extend_from_slice(&self.reply.bytes);
            let reply = &mut out[start..];
            reply[4..12].copy_from_slice(&frame[4..12]);
            reply[self.reply.token()].copy_from_slice(token);
        }
        Ok(Step::Skip { consumed })
    }
}

/// A prepared reply: value with attachments, as a provider sends to a consumer that says 2.0.2.
#[derive(Debug)]
struct Reply {
    bytes: Vec<u8>,
    token_at: usize,
}

impl Reply {
    fn new(body: u64) -> Self {
        const VALUE_WITH_ATTACHMENTS: u8 = 0x94;
        let mut bytes = header(HESSIAN2, OK);
        bytes.push(VALUE_WITH_ATTACHMENTS);
        let token_at = write_string(&filler(body), &mut bytes);
        bytes.push(b'H');
        write_string(b"dubbo", &mut bytes);
        write_string(b"2.0.2", &mut bytes);
        bytes.push(b'Z');
        write_length(&mut bytes);
        Self { bytes, token_at }
    }

    fn token(&self) -> Range<usize> {
        self.token_at..self.token_at + TOKEN
    }
}

/// A frame's header with id and length still zero.
fn header(flags: u8, status: u8) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    bytes[..2].copy_from_slice(&MAGIC);
    bytes[2] = flags;
    bytes[3] = status;
    bytes
}

fn write_length(frame: &mut [u8]) {
    let length = (frame.len() - HEADER) as u32;
    frame[12..HEADER].copy_from_slice(&length.to_be_bytes());
}

fn write_text(text: &str, out: &mut Vec<u8>) -> Result<(), CallError> {
    if !text.is_ascii() || text.len() >= 0x8000 {
        return Err(CallError::Text(text.to_owned()));
    }
    write_string(text.as_bytes(), out);
    Ok(())
}

/// The token of a request: the first characters of its first argument, behind five strings.
fn request_token(frame: &[u8]) -> Option<&[u8]> {
    let mut at = HEADER;
    for _ in 0..5 {
        (_, at) = read_string(frame, at)?;
    }
    let (_, start) = string_head(frame, at)?;
    frame.get(start..start + TOKEN)
}

/// The frame at the front, or how many bytes it takes.
fn whole_frame(received: &[u8]) -> Result<Result<&[u8], usize>, Violation> {
    let Some(header) = received.first_chunk::<HEADER>() else {
        return Ok(Err(HEADER));
    };
    if header[..2] != MAGIC {
        return Err(Violation::Magic);
    }
    let length = u64::from(u32::from_be_bytes([
        header[12], header[13], header[14], header[15],
    ]));
    if length > MAX_BODY {
        return Err(Violation::TooLarge(length));
    }
    let needed = HEADER + length as usize;
    Ok(received.get(..needed).ok_or(needed))
}

fn id(frame: &[u8]) -> u64 {
    frame[4..12]
        .iter()
        .fold(0, |id, &byte| (id << 8) | u64::from(byte))
}

/// A heartbeat that wants an answer gets it; other events want none.
fn answer_event(frame: &[u8], out: &mut Vec<u8>) {
    if frame[2] & (REQUEST | TWO_WAY) == REQUEST | TWO_WAY && frame[HEADER..] == [NULL] {
        let start = out.len();
        out.extend_from_slice(&header(EVENT | HESSIAN2, OK));
        out[start + 4..start + 12].copy_from_slice(&frame[4..12]);
        out.push(NULL);
        write_length(&mut out[start..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::call;

    fn exchange(body: u64, connection: u32, ticket: Ticket) -> (Caller, Vec<u8>) {
        let caller = Caller::new(&call(), body).expect("ASCII only");
        let (mut request, mut reply) = (Vec::new(), Vec::new());
        caller.write_request(&mut connection.clone(), ticket, &mut request);
        let step = Echo::new(body).answer(&mut (), &request, &mut reply);
        assert_eq!(
            step,
            Ok(Step::Skip {
                consumed: request.len()
            })
        );
        (caller, reply)
    }

    #[test]
    fn a_request_has_the_bytes_of_a_java_consumer() {
        let mut request = Vec::new();
        Caller::new(&call(), 16).expect("ASCII only").write_request(
            &mut 0,
            Ticket(1),
            &mut request,
        );
        let mut expected =
            b"\xda\xbb\xc2\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\xa6".to_vec();
        expected
            .extend_from_slice(b"\x052.0.2\x0eorg.demo.Hello\x050.0.0\x02hi\x12Ljava/lang/String;");
        expected.extend_from_slice(
            b"\x100000000000000001H\x04path\x0eorg.demo.Hello\x09interface\x0eorg.demo.Hello",
        );
        expected.extend_from_slice(
            b"\x07version\x050.0.0\x05group\x02g1\x07timeout\x043000\x08batchjob\x04trueZ",
        );
        expected[15] = (expected.len() - HEADER) as u8;
        assert_eq!(request, expected);
    }

    #[test]
    fn the_backends_reply_is_right_at_every_length() {
        for body in [16, 31, 32, 128, 1024, 32768, 65536, 100_000] {
            let (caller, reply) = exchange(body, 7, Ticket(99));
            assert_eq!(
                caller.read_reply(&mut 7, &reply, &mut Vec::new()),
                Ok(Step::Reply {
                    consumed: reply.len(),
                    ticket: Ticket(99),
                    verdict: Verdict::Right
                }),
                "{body}"
            );
        }
    }

    #[test]
    fn a_reply_to_another_connection_or_with_a_changed_byte_is_wrong() {
        let (caller, reply) = exchange(128, 7, Ticket(99));
        let verdict = |connection: u32, bytes: &[u8]| match caller.read_reply(
            &mut connection.clone(),
            bytes,
            &mut Vec::new(),
        ) {
            Ok(Step::Reply { verdict, .. }) => verdict,
            other => panic!("{other:?}"),
        };
        assert_eq!(verdict(8, &reply), Verdict::Content);
        for at in HEADER..reply.len() {
            let mut changed = reply.clone();
            changed[at] ^= 1;
            assert_eq!(verdict(7, &changed), Verdict::Content, "{at}");
        }
        let mut refused = reply;
        refused[3] = 60;
        assert_eq!(verdict(7, &refused), Verdict::Status(60));
    }

    #[test]
    fn a_part_of_a_frame_waits_for_the_rest() {
        let (caller, reply) = exchange(128, 0, Ticket(1));
        for length in 0..reply.len() {
            let needed = if length < HEADER { HEADER } else { reply.len() };
            assert_eq!(
                caller.read_reply(&mut 0, &reply[..length], &mut Vec::new()),
                Ok(Step::Wait { needed })
            );
        }
    }

    #[test]
    fn a_heartbeat_is_answered_on_both_sides_and_other_events_are_not() {
        let heartbeat = b"\xda\xbb\xe2\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x01\x4e";
        let answer = b"\xda\xbb\x22\x14\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x01\x4e";
        let read_only = b"\xda\xbb\xa2\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x02\x01R";
        let caller = Caller::new(&call(), 16).expect("ASCII only");
        let mut out = Vec::new();
        assert_eq!(
            Echo::new(16).answer(&mut (), heartbeat, &mut out),
            Ok(Step::Skip { consumed: 17 })
        );
        assert_eq!(out, answer);
        assert_eq!(
            caller.read_reply(&mut 0, heartbeat, &mut out),
            Ok(Step::Skip { consumed: 17 })
        );
        assert_eq!(&out[17..], answer);
        assert_eq!(
            caller.read_reply(&mut 0, read_only, &mut out),
            Ok(Step::Skip { consumed: 18 })
        );
        assert_eq!(out.len(), 34);
    }

    #[test]
    fn what_is_not_dubbo_or_too_large_or_of_the_wrong_kind_ends_the_connection() {
        let (caller, reply) = exchange(128, 0, Ticket(1));
        let mut out = Vec::new();
        assert_eq!(
            Echo::new(16).answer(&mut (), b"GET / HTTP/1.1\r\n\r\n", &mut out),
            Err(Violation::Magic)
        );
        assert_eq!(
            Echo::new(16).answer(&mut (), &reply, &mut out),
            Err(Violation::Kind)
        );
        let mut large = reply.clone();
        large[12] = 0x80;
        assert!(matches!(
            caller.read_reply(&mut 0, &large, &mut out),
            Err(Violation::TooLarge(_))
        ));
        let unreadable = b"\xda\xbb\xc2\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x01\x4e";
        assert_eq!(
            Echo::new(16).answer(&mut (), unreadable, &mut out),
            Err(Violation::Body)
        );
        assert!(out.is_empty());
    }

    #[test]
    fn a_one_way_request_is_not_answered() {
        let mut request = Vec::new();
        Caller::new(&call(), 16).expect("ASCII only").write_request(
            &mut 0,
            Ticket(1),
            &mut request,
        );
        request[2] &= !TWO_WAY;
        let mut out = Vec::new();
        assert_eq!(
            Echo::new(16).answer(&mut (), &request, &mut out),
            Ok(Step::Skip {
                consumed: request.len()
            })
        );
        assert!(out.is_empty());
    }

    #[test]
    fn text_beyond_ascii_is_refused() {
        let refused = Caller::new(
            &Call {
                method: "grüß".to_owned(),
                ..call()
            },
            16,
        );
        assert!(matches!(refused, Err(CallError::Text(_))));
    }
}
