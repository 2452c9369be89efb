//! Dubbo messages as bytes, and a socket that speaks them.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(crate) const TWO_WAY: u8 = 0xc2;
pub(crate) const ONE_WAY: u8 = 0x82;
pub(crate) const RESPONSE: u8 = 0x02;
pub(crate) const OK: u8 = 20;

/// A message of the Dubbo protocol.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Message {
    pub(crate) flags: u8,
    pub(crate) status: u8,
    pub(crate) id: u64,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// A two-way call of `method("argument")` of `org.demo.Hello`.
    pub(crate) fn call(id: u64, method: &str, argument: &str) -> Self {
        Self::request("org.demo.Hello", method, argument, &[]).with_id(id)
    }

    /// A two-way request with one string argument.
    pub(crate) fn request(
        service: &str,
        method: &str,
        argument: &str,
        attachments: &[(&str, &str)],
    ) -> Self {
        let mut body = Vec::new();
        for text in [
            "2.0.2",
            service,
            "0.0.0",
            method,
            "Ljava/lang/String;",
            argument,
        ] {
            string(&mut body, text);
        }
        body.push(b'H');
        for (key, value) in [("path", service)].iter().chain(attachments) {
            string(&mut body, key);
            string(&mut body, value);
        }
        body.push(b'Z');
        Self {
            flags: TWO_WAY,
            status: 0,
            id: 0,
            body,
        }
    }

    /// The answer `value` to the request `id`.
    pub(crate) fn answer(id: u64, value: &str) -> Self {
        let mut body = vec![0x91];
        string(&mut body, value);
        Self {
            flags: RESPONSE,
            status: OK,
            id,
            body,
        }
    }

    pub(crate) fn ping(id: u64) -> Self {
        Self::event(id, 0xe2, b"N")
    }

    pub(crate) fn read_only() -> Self {
        Self::event(0, 0xa2, b"\x01R")
    }

    pub(crate) fn writeable() -> Self {
        Self::event(0, 0xa2, b"\x01W")
    }

    fn event(id: u64, flags: u8, body: &[u8]) -> Self {
        Self {
            flags,
            status: 0,
            id,
            body: body.to_vec(),
        }
    }

    pub(crate) fn with_id(self, id: u64) -> Self {
        Self { id, ..self }
    }

    pub(crate) fn one_way(self) -> Self {
        Self {
            flags: ONE_WAY,
            ..self
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0xda, 0xbb, self.flags, self.status];
        bytes.extend_from_slice(&self.id.to_be_bytes());
        bytes.extend_from_slice(&(self.body.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }

    pub(crate) fn is_request(&self) -> bool {
        self.flags & 0xa0 == 0x80
    }

    pub(crate) fn is_heartbeat(&self) -> bool {
        self.flags & 0xe0 == 0xe0
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.flags & 0xe0 == 0xa0 && self.body == b"\x01R"
    }

    /// Service, method and argument of a request.
    pub(crate) fn called(&self) -> (String, String, String) {
        let (strings, _) = self.strings(0, 6);
        let [_, service, _, method, _, argument] = <[String; 6]>::try_from(strings).unwrap();
        (service, method, argument)
    }

    pub(crate) fn argument(&self) -> String {
        self.called().2
    }

    /// Attachments of a request with one string argument.
    pub(crate) fn attachments(&self) -> Vec<(String, String)> {
        let (_, at) = self.strings(0, 6);
        self.map(at)
    }

    /// The value of an answer.
    pub(crate) fn value(&self) -> String {
        assert_eq!(self.status, OK, "{}", self.error());
        assert!(matches!(self.body[0], 0x91 | 0x94), "{:x?}", self.body);
        self.strings(1, 1).0.remove(0)
    }

    /// Attachments of an answer with a string value.
    pub(crate) fn response_attachments(&self) -> Vec<(String, String)> {
        match self.body[0] {
            0x94 => self.map(self.strings(1, 1).1),
            _ => Vec::new(),
        }
    }

    /// What a status other than OK says.
    pub(crate) fn error(&self) -> String {
        if self.status == OK {
            return String::new();
        }
        self.strings(0, 1).0.remove(0)
    }

    fn map(&self, mut at: usize) -> Vec<(String, String)> {
        assert_eq!(self.body[at], b'H');
        at += 1;
        let mut entries = Vec::new();
        while self.body[at] != b'Z' {
            let (mut pair, next) = self.strings(at, 2);
            let value = pair.remove(1);
            entries.push((pair.remove(0), value));
            at = next;
        }
        entries
    }

    /// `count` strings from `at`, and where they end.
    fn strings(&self, mut at: usize, count: usize) -> (Vec<String>, usize) {
        let mut strings = Vec::new();
        for _ in 0..count {
            let mut text = Vec::new();
            loop {
                let (len, start, last) = match self.body[at] {
                    tag @ 0..=0x1f => (usize::from(tag), at + 1, true),
                    tag @ 0x30..=0x33 => {
                        let len = usize::from(tag - 0x30) << 8 | usize::from(self.body[at + 1]);
                        (len, at + 2, true)
                    }
                    tag @ (b'S' | b'R') => {
                        let len = usize::from(self.body[at + 1]) << 8;
                        (len | usize::from(self.body[at + 2]), at + 3, tag == b'S')
                    }
                    tag => panic!("not a string: {tag:x}"),
                };
                text.extend_from_slice(&self.body[start..start + len]);
                at = start + len;
                if last {
                    break;
                }
            }
            strings.push(String::from_utf8(text).unwrap());
        }
        (strings, at)
    }
}

/// Appends `text`, which is ASCII.
pub(crate) fn string(body: &mut Vec<u8>, text: &str) {
    assert!(text.is_ascii());
    let mut rest = text.as_bytes();
    while rest.len() > CHUNK {
        body.push(b'R');
        body.extend_from_slice(&(CHUNK as u16).to_be_bytes());
        body.extend_from_slice(&rest[..CHUNK]);
        rest = &rest[CHUNK..];
    }
    match rest.len() {
        len @ 0..=31 => body.push(len as u8),
        len @ 32..=1023 => body.extend_from_slice(&[0x30 + (len >> 8) as u8, len as u8]),
        len => {
            body.push(b'S');
            body.extend_from_slice(&(len as u16).to_be_bytes());
        }
    }
    body.extend_from_slice(rest);
}

/// A socket that speaks Dubbo, on either side.
pub(crate) struct Peer {
    pub(crate) io: TcpStream,
    unread: Vec<u8>,
}

impl Peer {
    pub(crate) fn new(io: TcpStream) -> Self {
        io.set_nodelay(true).unwrap();
        Self {
            io,
            unread: Vec::new(),
        }
    }

    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) async fn send(&mut self, message: &Message) {
        self.io.write_all(&message.bytes()).await.unwrap();
    }

    /// The next message; `None` when the other side closed.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        timeout(PATIENCE, self.read())
            .await
            .expect("a message or the end in time")
    }

    /// As [`next`](Self::next), for servers that may wait as long as the test lasts.
    pub(crate) async fn next_unhurried(&mut self) -> Option<Message> {
        self.read().await
    }

    /// Sends to a peer that may be gone.
    pub(crate) async fn try_send(&mut self, message: &Message) -> std::io::Result<()> {
        self.io.write_all(&message.bytes()).await
    }

    pub(crate) async fn call(&mut self, message: &Message) -> Message {
        self.send(message).await;
        let answer = self.next().await.expect("an answer");
        assert_eq!(answer.id, message.id);
        answer
    }

    /// What arrived before the answer to a heartbeat of ours, if anything did.
    pub(crate) async fn next_of_two(&mut self, id: u64) -> Option<Message> {
        self.send(&Message::ping(id)).await;
        let first = self.next().await.unwrap();
        if !first.is_request() {
            return None;
        }
        assert_eq!(self.next().await.unwrap().flags, 0x22);
        Some(first)
    }

    /// Asserts that nothing arrives before the answer to a heartbeat of ours.
    pub(crate) async fn assert_quiet(&mut self, id: u64) {
        let pong = self.call(&Message::ping(id)).await;
        assert_eq!((pong.flags, pong.status), (0x22, OK), "{pong:?}");
    }

    async fn read(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.take() {
                return Some(message);
            }
            // A reset is an end, too.
            match self.io.read_buf(&mut self.unread).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    fn take(&mut self) -> Option<Message> {
        let header = self.unread.first_chunk::<16>()?;
        assert_eq!(header[..2], [0xda, 0xbb]);
        let id = u64::from_be_bytes(header[4..12].try_into().unwrap());
        let len = u32::from_be_bytes(header[12..].try_into().unwrap()) as usize;
        let (flags, status) = (header[2], header[3]);
        let body = self.unread.get(16..16 + len)?.to_vec();
        self.unread.drain(..16 + len);
        Some(Message {
            flags,
            status,
            id,
            body,
        })
    }
}

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

const CHUNK: usize = 0x8000;
