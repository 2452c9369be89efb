//! Connections that become something else: WebSocket and CONNECT.

use sabir_core::frame::Frame;
use sabir_core::outcome::Code;
use sabir_core::protocol::Role;
use serde_json::{Value, json};

use crate::rig::{End, GET, Proxy, response};

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: k\r\n\r\n";
const GRANT: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n";

#[test]
fn websockets_pass_as_bytes() {
    let mut proxy = Proxy::new(Value::Null);
    let up = proxy.client_says([ASK, "early"].concat());
    let want = "GET /chat HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: k\r\nconnection: upgrade\r\nupgrade: WebSocket\r\n\r\n";
    assert_eq!(up, want, "nothing more before it is granted");
    let down = proxy.server_says([GRANT, "first"].concat());
    let want = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\nconnection: upgrade\r\n\r\nfirst";
    assert_eq!(down, want);
    assert_eq!(proxy.up.sent(), "early");
    assert_eq!(
        proxy.client_says("GET / HTTP/1.1\r\n\r\n"),
        "GET / HTTP/1.1\r\n\r\n"
    );
    assert_eq!(proxy.server_says("\0\r\n"), "\0\r\n");
    assert_eq!(proxy.server_closes(), "");
    assert!(proxy.down.conn.wants_shutdown() && !proxy.up.conn.is_finished());
    assert_eq!(proxy.client_says("more"), "more");
    proxy.down.eof().unwrap();
    proxy.client_says("");
    assert!(proxy.up.conn.is_finished());
}

#[test]
fn each_side_of_a_tunnel_may_end_alone() {
    let mut proxy = Proxy::new(Value::Null);
    proxy.client_says(ASK);
    proxy.server_says(GRANT);
    assert!(!proxy.up.conn.wants_shutdown());
    proxy.down.eof().unwrap();
    proxy.client_says("");
    assert!(proxy.up.conn.wants_shutdown() && !proxy.up.conn.is_finished());
    assert_eq!(proxy.server_says("the rest"), "the rest");
    proxy.server_closes();
    assert!(proxy.up.conn.is_finished() && proxy.down.conn.wants_shutdown());
}

#[test]
fn an_upgrade_that_is_not_granted_is_an_exchange_as_any() {
    let mut proxy = Proxy::new(Value::Null);
    proxy.client_says(ASK);
    let down =
        proxy.server_says("HTTP/1.1 200 OK\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nno");
    assert_eq!(down, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno");
    assert_eq!(proxy.client_says(GET), GET, "on the same connections");
    let mut server = End::server();
    server.feed([ASK, GET].concat()).unwrap();
    let (stream, _) = server.head();
    server.reply(stream, Code::NotFound);
    server.again().unwrap();
    assert!(server.head().1.end);
}

#[test]
fn only_what_was_asked_for_is_granted() {
    for grant in [
        GRANT.replace("websocket", "other"),
        GRANT.replace("Upgrade: websocket\r\n", ""),
        GRANT.replace("Connection: Upgrade\r\n", ""),
    ] {
        let mut proxy = Proxy::new(Value::Null);
        proxy.client_says(ASK);
        assert!(
            proxy.server_says(&grant).starts_with("HTTP/1.1 502 "),
            "{grant}"
        );
    }
}

#[test]
fn upgrades_that_are_not_on_the_list_are_ignored() {
    for text in [
        ASK.replace(": WebSocket", ": h2c"),
        ASK.replace(": WebSocket", ": websocket, h2c"),
        ASK.replace(
            "Upgrade: WebSocket\r\n",
            "Upgrade: websocket\r\nUpgrade: websocket\r\n",
        ),
        ASK.replace("HTTP/1.1", "HTTP/1.0"),
        ASK.replace("Connection: keep-alive, Upgrade\r\n", ""),
    ] {
        let mut proxy = Proxy::new(Value::Null);
        let up = proxy.client_says(&text);
        assert!(
            up.starts_with("GET /chat ") && !up.to_lowercase().contains("upgrade"),
            "{up}"
        );
    }
    // With a body it is a request as any.
    let text = ASK.replace("\r\n\r\n", "\r\nContent-Length: 2\r\n\r\nhi");
    let up = Proxy::new(Value::Null).client_says(text);
    assert!(
        up.ends_with("content-length: 2\r\n\r\nhi") && !up.contains("pgrade"),
        "{up}"
    );
    let up = Proxy::new(json!({"upgrades": ["foo/2"]}))
        .client_says(ASK.replace(": WebSocket", ": FOO/2"));
    assert!(up.contains("upgrade: FOO/2\r\n"), "{up}");
}

#[test]
fn connect_opens_a_tunnel_where_it_is_allowed() {
    let ask = "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n";
    let mut proxy = Proxy::new(json!({"connect": true}));
    assert_eq!(
        proxy.client_says([ask, "hello"].concat()),
        "CONNECT b:443 HTTP/1.1\r\nhost: b:443\r\n\r\n"
    );
    let down = proxy.server_says("HTTP/1.1 200 Connected\r\nContent-Length: 5\r\n\r\nhi");
    assert_eq!(
        down, "HTTP/1.1 200 Connected\r\n\r\nhi",
        "a length means nothing here"
    );
    assert_eq!(proxy.up.sent(), "hello");
    let mut proxy = Proxy::new(json!({"connect": true}));
    proxy.client_says(ask);
    let down = proxy.server_says("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno");
    assert_eq!(down, "HTTP/1.1 403 No\r\ncontent-length: 2\r\n\r\nno");
    assert_eq!(proxy.client_says(GET), GET);
}

/// HTTP/2 can grant a tunnel and end its side of it at once.
#[test]
fn a_tunnel_that_is_granted_and_ended_at_once_is_over() {
    let mut server = End::new(Role::Server, json!({"connect": true}));
    server
        .feed("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\nearly")
        .unwrap();
    let (stream, _) = server.head();
    let granted = response("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert!(granted.end);
    let _ = server.send(stream, Frame::Head(granted)).unwrap();
    assert!(server.conn.is_finished());
    assert!(server.frames().is_empty(), "the exchange is over");
}
