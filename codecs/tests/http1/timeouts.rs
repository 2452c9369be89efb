//! What takes too long.

use std::time::Duration;

use sabir_core::frame::{Frame, Reason};
use sabir_core::protocol::Role;
use serde_json::json;

use crate::rig::{End, GET, Proxy};

const SECOND: Duration = Duration::from_secs(1);

fn server() -> End {
    let options = json!({"header_timeout": 5, "body_timeout": 3, "tunnel_timeout": 7});
    End::new(Role::Server, options)
}

#[test]
fn a_slow_head_is_answered_408() {
    let mut server = server();
    assert_eq!(
        server.conn.next_timeout(),
        None,
        "idle connections are the driver's"
    );
    server.feed("GET / ").unwrap();
    let due = server.now + 5 * SECOND;
    assert_eq!(server.conn.next_timeout(), Some(due));
    server.wait(4 * SECOND).unwrap();
    server.feed("HTTP/1.1\r\n").unwrap();
    assert_eq!(
        server.conn.next_timeout(),
        Some(due),
        "a byte now and then does not help"
    );
    server.wait(SECOND).unwrap();
    let said = server.sent();
    assert!(
        said.starts_with("HTTP/1.1 408 ") && said.contains("connection: close"),
        "{said}"
    );
    assert!(server.conn.wants_shutdown() && !server.conn.is_finished());
    server.feed("Host: a\r\n\r\n").unwrap();
    assert!(server.frames().is_empty());
    server.wait(SECOND).unwrap();
    assert!(server.conn.is_finished());
}

#[test]
fn a_whole_head_stops_the_clock() {
    let mut server = server();
    server.feed("GET / ").unwrap();
    server.feed("HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(server.conn.next_timeout(), None);
}

#[test]
fn a_body_must_make_progress_while_it_is_wanted() {
    let mut server = server();
    server
        .feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        .unwrap();
    let (stream, _) = server.head();
    server.wait(2 * SECOND).unwrap();
    server.feed(vec![b'x'; 70_000]).unwrap();
    server.wait(3 * SECOND).unwrap();
    assert_eq!(server.sent(), "", "it is the proxy that does not read");
    server.frames();
    server.with(|conn, turn| conn.consumed(stream, 70_000, turn));
    server.wait(3 * SECOND).unwrap();
    assert!(server.sent().starts_with("HTTP/1.1 408 "));
    let frames = server.frames();
    assert!(
        matches!(frames[..], [(_, Frame::Reset(Reason::Protocol))]),
        "{frames:?}"
    );
}

#[test]
fn a_silent_tunnel_is_closed() {
    let mut proxy = Proxy::new(json!({"tunnel_timeout": 7}));
    proxy.client_says(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    proxy.server_says("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    proxy.down.wait(5 * SECOND).unwrap();
    assert_eq!(proxy.server_says("x"), "x", "either side keeps it");
    proxy.down.wait(5 * SECOND).unwrap();
    assert!(!proxy.down.conn.is_finished());
    proxy.down.wait(2 * SECOND).unwrap();
    assert!(proxy.down.conn.is_finished());
    assert!(matches!(proxy.down.frames()[..], [(_, Frame::Reset(_))]));
}

#[test]
fn timeouts_can_be_switched_off() {
    let options = json!({"header_timeout": 0, "body_timeout": 0, "tunnel_timeout": 0});
    let mut server = End::new(Role::Server, options);
    server.feed("GET / ").unwrap();
    assert_eq!(server.conn.next_timeout(), None);
    let mut server = End::server();
    server.feed(GET).unwrap();
    assert_eq!(
        server.conn.next_timeout(),
        None,
        "nor is an answer waited for here"
    );
}
