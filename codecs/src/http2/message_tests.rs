use super::*;
use crate::http2::hpack::FieldList;

fn wire(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut list = FieldList::new(1 << 20);
    for (name, value) in pairs {
        list.push(name.as_bytes(), value.as_bytes(), false);
    }
    list.into_wire().to_vec()
}

const GET: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/a?b=c"),
    (":authority", "example.com:80"),
];

fn request(pairs: &[(&str, &str)]) -> Result<Parts, Malformed> {
    let wire = wire(pairs);
    Parts::of(&wire)?.into_request(&wire)
}

fn get_with(more: &[(&str, &str)]) -> Result<Parts, Malformed> {
    request(&[&GET[..], more].concat())
}

fn get_but(name: &str, value: Option<&str>) -> Result<Parts, Malformed> {
    let changed = GET.iter().filter_map(|&(k, v)| match value {
        _ if k != name => Some((k, v)),
        Some(value) => Some((k, value)),
        None => None,
    });
    request(&changed.collect::<Vec<_>>())
}

#[test]
fn sound_requests_pass() {
    assert!(request(&GET).is_ok());
    assert!(get_with(&[("host", "EXAMPLE.com:80"), ("te", "trailers")]).is_ok());
    assert!(get_with(&[("content-length", "5"), ("content-length", "5")]).is_ok());
    assert!(get_but(":path", Some("/")).is_ok());
    let options = [("OPTIONS", "*"), ("OPTIONS", "/")];
    for (method, path) in options {
        let pairs = [(":method", method), (":scheme", "https"), (":path", path)];
        let pairs = [&pairs[..], &[("host", "h")]].concat();
        assert!(request(&pairs).is_ok(), "{path}");
    }
    assert!(request(&[(":method", "CONNECT"), (":authority", "h:1")]).is_ok());
}

#[test]
fn pseudo_header_fields_are_first_known_and_once() {
    for name in [":method", ":scheme", ":path", ":authority"] {
        assert!(get_but(name, None).is_err(), "without {name}");
        let twice = GET.iter().find(|(k, _)| *k == name).unwrap();
        assert!(get_with(&[*twice]).is_err(), "{name} twice");
    }
    assert!(get_with(&[(":status", "200")]).is_err());
    assert!(get_with(&[(":unknown", "1")]).is_err());
    let late = [&[("a", "b")][..], &GET].concat();
    assert!(request(&late).is_err());
    assert!(get_with(&[(":protocol", "websocket")]).is_err());
    assert!(request(&[(":method", "CONNECT")]).is_err());
    let connect = [
        (":method", "CONNECT"),
        (":authority", "h:1"),
        (":path", "/"),
    ];
    assert!(request(&connect).is_err());
}

#[test]
fn values_of_pseudo_header_fields_are_checked() {
    for path in ["", "a", "*", "/a b", "/a#b", "/\u{e9}", "/a\r\nx: y"] {
        assert!(get_but(":path", Some(path)).is_err(), "{path:?}");
    }
    for authority in ["", "a b", "u@h", "h/p", "h?q", "h#f", "\u{e9}"] {
        assert!(
            get_but(":authority", Some(authority)).is_err(),
            "{authority:?}"
        );
    }
    for method in ["", "G T", "GET\r\n"] {
        assert!(get_but(":method", Some(method)).is_err(), "{method:?}");
    }
    assert!(get_with(&[("host", "other")]).is_err());
    assert!(get_with(&[("host", "a"), ("host", "a")]).is_err());
}

#[test]
fn fields_that_smuggle_are_refused() {
    for (name, value) in [
        ("transfer-encoding", "chunked"), // P13 of the collected vectors
        ("x", "a\r\nx: y"),               // P13
        ("connection", "close"),
        ("proxy-connection", "close"),
        ("keep-alive", "1"),
        ("upgrade", "h2c"),
        ("te", "chunked"),
        ("Upper", "1"),
        ("a b", "1"),
        ("a:b", "1"),
        ("a\u{e9}", "1"),
        ("", "1"),
        ("x", "a\0"),
        ("x", "a\nb"),
        ("x", " a"),
        ("x", "a\t"),
        ("content-length", "+5"),
        ("content-length", "5 5"),
        ("content-length", ""),
        ("content-length", "99999999999999999999"),
    ] {
        assert!(get_with(&[(name, value)]).is_err(), "{name}: {value:?}");
    }
    assert!(get_with(&[("content-length", "5"), ("content-length", "6")]).is_err());
}

#[test]
fn responses_have_a_status_and_nothing_of_requests() {
    let status = |pairs: &[(&str, &str)]| Parts::of(&wire(pairs))?.response_status();
    assert_eq!(status(&[(":status", "200"), ("a", "b")]), Ok(200));
    for wrong in ["", "20", "2000", "abc", "020"] {
        assert!(status(&[(":status", wrong)]).is_err(), "{wrong}");
    }
    assert!(status(&[("a", "b")]).is_err());
    assert!(status(&[(":status", "200"), (":path", "/")]).is_err());
    assert!(status(&[(":status", "200"), (":status", "200")]).is_err());
}

#[test]
fn trailers_have_no_pseudo_header_fields() {
    let check = |pairs: &[(&str, &str)]| Parts::of(&wire(pairs))?.check_trailers();
    assert_eq!(check(&[("grpc-status", "0")]), Ok(()));
    assert_eq!(check(&[]), Ok(()));
    assert!(check(&[(":status", "200")]).is_err());
    assert!(check(&[(":path", "/")]).is_err());
}
