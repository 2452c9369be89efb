//! Changed metadata, spliced into what arrived.

use sabir_core::connection::Written;
use sabir_core::head::Head;
use sabir_core::name::Name;

use crate::rig::{GET, answered, forwarded, request, response};

const REQUEST: &str = "GET /old?q=1 HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nX-B: 2\r\nx-a: 3\r\n\r\n";

fn changed(change: impl FnOnce(&mut Head)) -> (Written, String) {
    let mut head = request(REQUEST);
    change(&mut head);
    forwarded(head)
}

#[test]
fn fields_are_set_added_and_removed() {
    let (_, up) = changed(|head| head.set(&"x-a".into(), b"9"));
    assert_eq!(
        up,
        "GET /old?q=1 HTTP/1.1\r\nHost: a\r\nX-B: 2\r\nX-A: 9\r\n\r\n"
    );
    let (_, up) = changed(|head| head.add(&"x-b".into(), b"9"));
    assert!(up.ends_with("x-a: 3\r\nx-b: 9\r\n\r\n"), "{up}");
    let (_, up) = changed(|head| head.remove(&"X-B".into()));
    assert_eq!(
        up,
        "GET /old?q=1 HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a: 3\r\n\r\n"
    );
}

#[test]
fn the_service_is_the_host() {
    for name in ["service", ":authority", "host"] {
        let (written, up) = changed(|head| head.set(&name.into(), b"b:80"));
        assert_eq!(written, Written::Whole, "{name}");
        let want = "GET /old?q=1 HTTP/1.1\r\nhost: b:80\r\nX-A: 1\r\nX-B: 2\r\nx-a: 3\r\n\r\n";
        assert_eq!(up, want, "{name}");
    }
    let mut head = request("GET http://c/p HTTP/1.1\r\nHost: a\r\n\r\n");
    head.set(&"service".into(), b"b");
    assert_eq!(forwarded(head).1, "GET /p HTTP/1.1\r\nhost: b\r\n\r\n");
}

#[test]
fn the_method_is_the_path() {
    let (_, up) = changed(|head| head.set(&"method".into(), b"/new"));
    assert!(
        up.starts_with("GET /new?q=1 HTTP/1.1\r\nHost: a\r\nX-A"),
        "{up}"
    );
    let (_, up) = changed(|head| head.set(&":path".into(), b"/new?r"));
    assert!(up.starts_with("GET /new?r HTTP/1.1\r\nHost: a\r\n"), "{up}");
    let (_, up) = changed(|head| {
        head.set(&":path".into(), b"/new?r");
        head.set(&"method".into(), b"/newer");
        head.set(&":method".into(), b"HEAD");
    });
    assert!(
        up.starts_with("HEAD /newer?r HTTP/1.1\r\nHost: a\r\n"),
        "{up}"
    );
}

#[test]
fn what_has_no_place_leaves_the_message_as_it_is() {
    for (name, value) in [
        ("query:q", "2"),
        ("x-new", "a\r\nEvil: 1"),
        ("x-new", "a\0"),
        ("x new", "a"),
        ("content-length", "5"),
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
        ("upgrade", "websocket"),
        ("te", "trailers"),
        (":scheme", "https"),
        (":unknown", "x"),
        (":path", "/a b"),
        (":path", "http://b/"),
        (":method", "G T"),
        ("service", "a b"),
        ("service", ""),
        ("host", "b\r\nX: y"),
        ("method", "no/slash"),
        ("method", "/a?b"),
        ("method", "/a HTTP/1.1\r\nX: y"),
    ] {
        let both = |head: &mut Head| {
            head.set(&"x-fine".into(), b"1");
            head.set(&name.into(), value.as_bytes());
        };
        assert_eq!(
            changed(both),
            (Written::Unmodified, REQUEST.to_owned()),
            "{name}: {value:?}"
        );
    }
    assert_eq!(
        changed(|head| head.remove(&"service".into())).0,
        Written::Unmodified
    );
}

#[test]
fn the_host_cannot_be_removed() {
    let (_, up) = changed(|head| head.remove(&"host".into()));
    assert_eq!(up, REQUEST);
}

#[test]
fn responses_are_changed_too() {
    let text = "HTTP/1.1 200 Fine\r\nX-A: 1\r\nContent-Length: 0\r\n\r\n";
    let changed = |change: &dyn Fn(&mut Head)| {
        let mut head = response(text);
        change(&mut head);
        answered(GET, head)
    };
    let (_, down) = changed(&|head| head.set(&"x-a".into(), b"2"));
    assert_eq!(
        down,
        "HTTP/1.1 200 Fine\r\ncontent-length: 0\r\nX-A: 2\r\n\r\n"
    );
    let (_, down) = changed(&|head| head.set(&":status".into(), b"404"));
    assert_eq!(
        down,
        "HTTP/1.1 404 Not Found\r\nX-A: 1\r\ncontent-length: 0\r\n\r\n"
    );
    for (name, value) in [
        (":status", "204"),
        (":status", "99"),
        (":status", "1000"),
        ("x-b", "\n"),
    ] {
        let (written, down) = changed(&|head| head.set(&name.into(), value.as_bytes()));
        assert_eq!(written, Written::Unmodified, "{name} {value:?}");
        assert_eq!(
            down,
            "HTTP/1.1 200 Fine\r\nX-A: 1\r\ncontent-length: 0\r\n\r\n"
        );
    }
}

#[test]
fn what_was_changed_reads_back() {
    let mut head = request(REQUEST);
    head.set(&"x-probe".into(), "caf\u{e9}".as_bytes());
    head.set(&"service".into(), b"b");
    head.set(&"method".into(), b"/new");
    let back = request(&forwarded(head).1);
    assert_eq!(
        back.get(&Name::new("x-probe")),
        Some("caf\u{e9}".as_bytes())
    );
    assert_eq!((back.service(), back.method()), (&b"b"[..], &b"/new"[..]));
    assert_eq!(back.get(&Name::new("query:q")), Some(&b"1"[..]));
}
