//! Tests of formats and lines.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use sabir_core::head::{Head, Kind};
use sabir_core::metadata::{Metadata, Span};
use sabir_core::outcome::{Code, Outcome};
use serde_json::json;

use super::*;

/// A call of `sayHello` through listener `in` that took 12.345 ms.
pub(super) fn record() -> Record<'static> {
    Record {
        start: UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        duration: Duration::from_micros(12_345),
        protocol: "dubbo",
        service: b"org.demo.Greeter",
        method: b"sayHello",
        request: None,
        outcome: Outcome::OK,
        details: "",
        downstream: Downstream {
            listener: "in",
            peer: "10.0.0.1:4000".parse().unwrap(),
            local: "[::1]:20880".parse().unwrap(),
        },
        upstream: Upstream {
            route: "users",
            cluster: Some("greeter"),
            endpoint: Some("10.0.0.2:20880".parse().unwrap()),
            attempts: 1,
        },
        bytes_received: 100,
        bytes_sent: 200,
    }
}

fn request() -> Head {
    fn parse(_: &Head, metadata: &mut Metadata) {
        metadata.push(Span::new(0, 1), Span::new(2, 8), Span::new(0, 8));
    }
    let wire = Bytes::from_static(b"k=a\"b\nc\xff");
    Head::new("dubbo", Kind::Request, wire, parse)
}

fn line(layout: Layout<'_>, record: &Record<'_>) -> String {
    let log = AccessLog::compile(layout).unwrap();
    let mut out = Vec::new();
    log.write(&mut out, record);
    let line = String::from_utf8(out).unwrap();
    line.strip_suffix('\n').unwrap().to_owned()
}

#[track_caller]
fn refused(format: &str, at: usize, problem: Problem) {
    let error = AccessLog::compile(Layout::Text(format)).unwrap_err();
    assert_eq!((error.at, error.problem), (at, problem));
}

#[test]
fn the_default_format() {
    let expected = "[2023-11-14T22:13:20.123Z] dubbo \"org.demo.Greeter\" \"sayHello\" ok nobody - \
                    \"-\" 100 200 12 \"users\" \"greeter\" 10.0.0.2:20880 10.0.0.1:4000 \"in\"";
    assert_eq!(line(Layout::Default, &record()), expected);
    assert!(!AccessLog::compile(Layout::Default).unwrap().needs_request());
}

#[test]
fn a_refused_call_has_no_upstream() {
    let record = Record {
        service: b"",
        outcome: Outcome::refused(Code::NotFound),
        details: "no_route",
        upstream: Upstream::default(),
        ..record()
    };
    let format = "%METADATA(service)% %RESPONSE_CODE% %RESPONSE_PARTY% %RESPONSE_FLAGS% \
                  %RESPONSE_CODE_DETAILS% %ROUTE_NAME% %UPSTREAM_CLUSTER% %UPSTREAM_HOST% \
                  %UPSTREAM_REQUEST_ATTEMPT_COUNT%";
    let expected = "- not_found proxy NR no_route - - - 0";
    assert_eq!(line(Layout::Text(format), &record), expected);
}

#[test]
fn every_other_operator() {
    let format = "100%% %START_TIME(%s.%3f)% %DURATION(us)% %DURATION(ns)% %METADATA(PROTOCOL)% \
                  %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_LOCAL_ADDRESS% \
                  %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%";
    let expected = "100% 1700000000.123 12345 12345000 dubbo 10.0.0.1 [::1]:20880 ::1";
    assert_eq!(line(Layout::Text(format), &record()), expected);
}

#[test]
fn metadata_is_escaped_and_falls_back() {
    let request = request();
    let record = Record {
        request: Some(&request),
        ..record()
    };
    let format = "\"%METADATA(k)%\" %REQ(absent)% %REQ(absent?K):3% %REQ(absent?method):3%";
    let expected = r#""a\"b\nc\xff" - a\"b say"#;
    assert_eq!(line(Layout::Text(format), &record), expected);
    let log = AccessLog::compile(Layout::Text(format)).unwrap();
    assert!(log.needs_request());
}

#[test]
fn values_are_cut() {
    let long = vec![b'x'; 10_000];
    let record = Record {
        method: &long,
        ..record()
    };
    let length = |format| line(Layout::Text(format), &record).len();
    assert_eq!(length("%METADATA(method)%"), 4096);
    assert_eq!(length("%METADATA(method):9999%"), 9999);
    let text = line(Layout::Text("%START_TIME:10%/%UPSTREAM_HOST:8%"), &record);
    assert_eq!(text, "2023-11-14/10.0.0.2");
}

#[test]
fn json_keeps_types() {
    let format = json!({
        "ms": "%DURATION%",
        "text": "took %DURATION% \"ms\"",
        "k": "%METADATA(k)%",
        "none": "%METADATA(absent)%",
        "in text": "k=%METADATA(k)% %METADATA(absent)%",
        "at": {"list": ["%START_TIME(\"%Y)%", 1.5, true, null, "fixed\n"]},
    });
    let request = request();
    let record = Record {
        request: Some(&request),
        ..record()
    };
    let line = line(Layout::Json(format.as_object().unwrap()), &record);
    assert!(!line.contains('\n'));
    let read: Value = serde_json::from_str(&line).unwrap();
    let expected = json!({
        "ms": 12,
        "text": "took 12 \"ms\"",
        "k": "a\"b\nc\u{fffd}",
        "none": null,
        "in text": "k=a\"b\nc\u{fffd} -",
        "at": {"list": ["\"2023", 1.5, true, null, "fixed\n"]},
    });
    assert_eq!(read, expected);
}

#[test]
fn what_is_not_an_operator_is_refused_where_it_stands() {
    refused("ab %NOPE%", 3, Problem::UnknownOperator("NOPE".into()));
    refused("%DURATION", 0, Problem::Unterminated);
    refused("50% of %DURATION%", 2, Problem::BadLength);
    refused("%METADATA(x%", 0, Problem::Unterminated);
    refused(
        "a %METADATA%",
        2,
        Problem::MissingArgument("METADATA".into()),
    );
    refused("%REQ(?x)%", 0, Problem::MissingArgument("REQ".into()));
    refused(
        "%PROTOCOL(x)%",
        10,
        Problem::UnexpectedArgument("PROTOCOL".into()),
    );
    refused("%DURATION(h)%", 10, Problem::UnknownUnit);
    refused("%START_TIME(%Y %q)%", 15, Problem::UnknownTimeLetter);
    for length in [":0", ":65537", ":x", ":", "x"] {
        refused(&format!("%REQ(a){length}%"), 0, Problem::BadLength);
    }
}

#[test]
fn json_errors_say_which_field() {
    let format = json!({"a": {"b": ["x", "ab%NOPE%"]}});
    let error = AccessLog::compile(Layout::Json(format.as_object().unwrap())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a.b[1]: unknown operator %NOPE% at offset 2"
    );
    let mut deep = json!("x");
    for _ in 0..20 {
        deep = json!({ "a": deep });
    }
    let error = AccessLog::compile(Layout::Json(deep.as_object().unwrap())).unwrap_err();
    assert_eq!(error.problem, Problem::TooDeep);
}
