//! Holds the line on allocations: a small unmodified Dubbo request and its response on warm
//! connections make next to none, in the whole process.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of a test, where a panic is how it fails"
)]

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use sabir::{Options, Proxy};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A two-way request: `org.demo.Hello`/0.0.0/`hi("bob")` with five attachments.
const REQUEST: &str = "dabbc20000000000000000010000008805322e302e320e6f72672e64656d6f2e48656c6c6f05\
    302e302e30026869124c6a6176612f6c616e672f537472696e673b03626f624804706174680e6f72672e64656d6f2e\
    48656c6c6f09696e746572666163650e6f72672e64656d6f2e48656c6c6f0776657273696f6e05302e302e30056772\
    6f75700267310774696d656f757404313030305a";

/// Its response: "hi bob", with one attachment.
const RESPONSE: &str =
    "dabb02140000000000000001000000169406686920626f624805647562626f05322e302e325a";

/// Requests in flight at once.
const DEPTH: usize = 16;

#[test]
fn a_warm_exchange_allocates_next_to_nothing() {
    let backend = echo(hex(RESPONSE));
    let file = tempfile::NamedTempFile::new().unwrap();
    let config = format!(
        r#"
workers: 1
listeners:
- name: in
  address: "127.0.0.1:0"
  protocol: dubbo
  route_configuration:
    routes:
    - match: {{metadata: {{service: {{exact: org.demo.Hello}}, method: {{exact: hi}}}}}}
      route: {{cluster: main}}
clusters:
- name: main
  load_assignment: {{endpoints: [{{address: "{backend}"}}]}}
"#
    );
    std::fs::write(file.path(), config).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let proxy = runtime
        .block_on(Proxy::start(Options::new(file.path())))
        .unwrap();
    let mut client = Client::to(proxy.address("in").unwrap());
    client.rounds(500);
    let region = Region::new(GLOBAL);
    const ROUNDS: usize = 1_000;
    client.rounds(ROUNDS);
    let change = region.change();
    let allocations = change.allocations + change.reallocations;
    let per_exchange = allocations as f64 / (ROUNDS * DEPTH) as f64;
    println!("{per_exchange} allocations for an exchange");
    assert!(
        per_exchange <= 0.1,
        "{per_exchange} allocations for an exchange: {change:?}"
    );
}

/// A client that allocates nothing once it is made.
struct Client {
    io: TcpStream,
    requests: Vec<u8>,
    responses: Vec<u8>,
}

impl Client {
    fn to(address: SocketAddr) -> Self {
        let io = TcpStream::connect(address).unwrap();
        io.set_nodelay(true).unwrap();
        let mut requests = Vec::new();
        for id in 0..DEPTH as u64 {
            let mut request = hex(REQUEST);
            request[4..12].copy_from_slice(&id.to_be_bytes());
            requests.extend_from_slice(&request);
        }
        let responses = vec![0; hex(RESPONSE).len() * DEPTH];
        Self {
            io,
            requests,
            responses,
        }
    }

    fn rounds(&mut self, count: usize) {
        for _ in 0..count {
            self.io.write_all(&self.requests).unwrap();
            self.io.read_exact(&mut self.responses).unwrap();
            let len = self.responses.len() / DEPTH;
            for response in self.responses.chunks(len) {
                assert_eq!(response[..4], [0xda, 0xbb, 0x02, 20]);
            }
        }
    }
}

/// A server that answers everything with `response`, without allocating once it runs.
fn echo(mut response: Vec<u8>) -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let (mut io, _) = socket.accept().unwrap();
        io.set_nodelay(true).unwrap();
        let mut head = [0; 16];
        let mut body = [0; 4096];
        while io.read_exact(&mut head).is_ok() {
            let len = u32::from_be_bytes([head[12], head[13], head[14], head[15]]) as usize;
            io.read_exact(&mut body[..len]).unwrap();
            response[4..12].copy_from_slice(&head[4..12]);
            io.write_all(&response).unwrap();
        }
    });
    address
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).unwrap();
        u8::from_str_radix(text, 16).unwrap()
    };
    digits.chunks(2).map(byte).collect()
}
