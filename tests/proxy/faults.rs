//! What peers must not do is counted under a name of its own, and answered as its protocol has it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::backend::Backend;
use crate::dubbo::{Message, PATIENCE};
use crate::http2::{
    CALM, CONTINUATION, Client, END_HEADERS, END_STREAM, Frame, GET, GO_AWAY, HEADERS, PING,
    REFUSED, RESET, SETTINGS, WINDOW_UPDATE, frame,
};
use crate::running::{Running, Setup};

/// A proxy in front of a server that takes connections and never says a word.
async fn start(change: impl FnOnce(Setup) -> Setup) -> (Running, TcpListener) {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let setup = Setup::one([silent.local_addr().unwrap()]).protocol("http2");
    (change(setup).start().await, silent)
}

async fn assert_counted(running: &Running, fault: &str, count: u64) {
    let series = format!("sabir_downstream_fault_total{{listener=\"in\",fault=\"{fault}\"}}");
    running.until(&series, |n| n == count).await;
    let all = running.metric("sabir_downstream_fault_total").await;
    assert_eq!(all, count, "nothing else is counted");
    let total = running.metric("sabir_downstream_cx_protocol_error_total");
    assert_eq!(total.await, count);
}

/// Pours what is to be too much, and expects to be told so.
async fn assert_flood(fault: &str, flood: &[u8]) {
    let (running, _silent) = start(|setup| setup).await;
    let mut client = Client::greeted(&running, b"").await;
    let mut other = Client::greeted(&running, b"").await;
    client.pours(flood).await;
    assert_eq!(client.told().await, CALM, "{fault}");
    assert_counted(&running, fault, 1).await;
    let reason = "sabir_downstream_cx_destroy_total{listener=\"in\",reason=\"protocol_error\"}";
    running.until(reason, |n| n == 1).await;
    other.assert_alive().await;
    running.assert_balanced().await;
}

#[tokio::test]
async fn rapid_reset() {
    let given_up = |n: u32| {
        let head = frame(HEADERS, END_STREAM | END_HEADERS, 2 * n + 1, GET);
        [head, frame(RESET, 0, 2 * n + 1, &[0, 0, 0, 8])].concat()
    };
    let flood: Vec<_> = (0..300).flat_map(given_up).collect();
    assert_flood("resets", &flood).await;
}

#[tokio::test]
async fn resets_that_are_provoked() {
    let provoking = |n: u32| {
        let head = frame(HEADERS, END_STREAM | END_HEADERS, 2 * n + 1, GET);
        [head, frame(WINDOW_UPDATE, 0, 2 * n + 1, &[0; 4])].concat()
    };
    let flood: Vec<_> = (0..300).flat_map(provoking).collect();
    let (running, _silent) = start(|setup| setup).await;
    let mut client = Client::greeted(&running, b"").await;
    client.pours(&flood).await;
    assert_eq!(client.told().await, CALM);
    let name = "sabir_downstream_fault_total{listener=\"in\",fault=";
    let flood = format!("{name}\"provoked_resets\"}}");
    running.until(&flood, |n| n == 1).await;
    // Each of the streams was malformed as well.
    let malformed = running.metric(&format!("{name}\"malformed\"}}")).await;
    assert!((100..300).contains(&malformed), "{malformed}");
}

#[tokio::test]
async fn continuations_without_end() {
    let begin = frame(HEADERS, END_STREAM, 1, GET);
    let flood = [begin, frame(CONTINUATION, 0, 1, b"").repeat(100)].concat();
    assert_flood("continuations", &flood).await;
}

#[tokio::test]
async fn settings_without_end() {
    assert_flood("settings", &frame(SETTINGS, 0, 0, b"").repeat(300)).await;
}

#[tokio::test]
async fn pings_without_end() {
    assert_flood("pings", &frame(PING, 0, 0, &[0; 8]).repeat(2_000)).await;
}

#[tokio::test]
async fn data_without_data() {
    let begin = frame(HEADERS, END_HEADERS, 1, GET);
    let flood = [begin, frame(0, 0, 1, b"").repeat(200)].concat();
    assert_flood("empty_data", &flood).await;
}

#[tokio::test]
async fn windows_that_open_by_the_octet() {
    let flood = frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]).repeat(3_000);
    assert_flood("window_updates", &flood).await;
}

#[tokio::test]
async fn frames_without_a_meaning() {
    assert_flood("ignored_frames", &frame(0xbe, 0, 0, b"").repeat(3_000)).await;
}

#[tokio::test]
async fn heads_of_any_size() {
    // Four times the limit ends the connection: literals of 1 000 octets, seventeen to a frame.
    let literal = [&[0, 1, b'x', 0x7f, 0xe9, 0x06][..], &[b'v'; 1_000]].concat();
    let fields = literal.repeat(16);
    let begin = frame(HEADERS, END_STREAM, 1, &fields);
    let flood = [begin, frame(CONTINUATION, 0, 1, &fields).repeat(20)].concat();
    assert_flood("header_list", &flood).await;
}

#[tokio::test]
async fn a_head_beyond_the_limit_costs_no_more_than_its_request() {
    let limit = "protocol_options: {max_header_list_bytes: 1024}";
    let (running, _silent) = start(|setup| setup.listener(limit)).await;
    let mut client = Client::greeted(&running, b"").await;
    let literal = [&[0, 1, b'x', 0x7f, 0xe9, 0x06][..], &[b'v'; 1_000]].concat();
    let fields = [GET, &literal].concat();
    client
        .says(HEADERS, END_STREAM | END_HEADERS, 1, &fields)
        .await;
    let answer = client.hears(|f| f.kind == HEADERS).await.unwrap();
    assert_eq!(answer.flags, END_STREAM | END_HEADERS);
    client.assert_alive().await;
    assert_counted(&running, "header_list", 1).await;
}

#[tokio::test]
async fn streams_beyond_the_limit_are_refused() {
    let limit = "protocol_options: {max_concurrent_streams: 2}";
    let (running, _silent) = start(|setup| setup.listener(limit)).await;
    let mut client = Client::greeted(&running, b"").await;
    for stream in [1, 3, 5] {
        client
            .says(HEADERS, END_STREAM | END_HEADERS, stream, GET)
            .await;
    }
    assert_eq!(client.reset(5).await, REFUSED);
    client.assert_alive().await;
    assert_counted(&running, "streams", 1).await;
}

#[tokio::test]
async fn a_window_that_stays_shut_costs_its_stream() {
    let limit = "protocol_options: {stall_timeout_seconds: 1}";
    let (running, server) = start(|setup| {
        let setup = setup.listener(limit);
        setup
            .cluster("protocol: http1")
            .cluster("protocol_options: {}")
    })
    .await;
    // Streams begin with room for a single octet.
    let mut client = Client::greeted(&running, &[0, 4, 0, 0, 0, 1]).await;
    client.says(HEADERS, END_STREAM | END_HEADERS, 1, GET).await;
    let (mut upstream, _) = server.accept().await.unwrap();
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    upstream.write_all(answer).await.unwrap();
    assert_eq!(client.reset(1).await, CALM);
    client.assert_alive().await;
    assert_counted(&running, "stalled", 1).await;
}

#[tokio::test]
async fn what_other_protocols_do_not_allow_has_a_name_too() {
    let long = Message::call(1, "hi", &"x".repeat(2_000)).bytes();
    let cases: [(&'static str, &str, &[u8]); 5] = [
        (
            "dubbo",
            "malformed",
            b"\xda\xbb\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ),
        ("dubbo", "too_long", &long),
        ("dubbo", "truncated", &long[..100]),
        ("http1", "malformed", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
        (
            "auto",
            "unknown_protocol",
            b"what is this, nobody knows it at all\r\n",
        ),
    ];
    for (protocol, fault, bytes) in cases {
        let backend = Backend::echoing("a").await;
        let most = match fault {
            "truncated" => 4_096,
            _ => 1_024,
        };
        let mut setup = Setup::one([backend])
            .protocol(protocol)
            .listener(format!("max_message_bytes: {most}"));
        if protocol == "auto" {
            setup = setup.listener("protocol_options: {protocols: {dubbo: {}}}");
        }
        let running = setup.start().await;
        let mut io = TcpStream::connect(running.at("in")).await.unwrap();
        io.write_all(bytes).await.unwrap();
        io.shutdown().await.unwrap();
        assert_counted(&running, fault, 1).await;
    }
}

#[tokio::test]
async fn what_endpoints_do_has_names_as_well() {
    let (running, server) = start(|setup| setup).await;
    let mut client = Client::greeted(&running, b"").await;
    client.says(HEADERS, END_STREAM | END_HEADERS, 1, GET).await;
    let (mut upstream, _) = server.accept().await.unwrap();
    upstream
        .write_all(&frame(SETTINGS, 0, 0, b"").repeat(300))
        .await
        .unwrap();
    let told = async {
        let mut preface = [0; 24];
        upstream.read_exact(&mut preface).await.unwrap();
        loop {
            let frame = Frame::read(&mut upstream).await.expect("GOAWAY");
            if frame.kind == GO_AWAY {
                return u32::from_be_bytes(frame.payload[4..8].try_into().unwrap());
            }
        }
    };
    assert_eq!(timeout(PATIENCE, told).await, Ok(CALM));
    let series = "sabir_upstream_fault_total{cluster=\"main\",fault=\"settings\"}";
    running.until(series, |n| n == 1).await;
    // Who waited for the endpoint is answered.
    let answer = client.hears(|f| f.kind == HEADERS && f.stream == 1).await;
    assert!(answer.is_some());
    running.assert_balanced().await;
}
