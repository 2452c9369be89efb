//! The README's table of what each protocol carries, held against the protocols.

use std::time::Duration;

use sabir_codecs::registry::built_in;
use sabir_core::connection::EventKind;
use sabir_core::frame::{Frame, StreamId};
use sabir_core::head::{Head, Kind};
use sabir_core::kit::side::{Promises, Side, Streams};
use sabir_core::name::Name;
use sabir_core::outcome::{Code, Reply};
use sabir_core::protocol::{Capabilities, Limits, Protocol, Role};
use serde_json::{Value, json};

mod vectors;

const README: &str = include_str!("../../README.md");

/// A row of the table.
struct Row {
    name: &'static str,
    cells: Vec<&'static str>,
    requests: Vec<Vec<u8>>,
}

/// Position of each column behind the protocol's name.
const COLUMNS: [&str; 8] = [
    "pairs of requests",
    "pairs of responses",
    "names rewritten",
    "one-way",
    "streaming",
    "multiplexing",
    "caller's deadline",
    "says that it drains",
];

fn rows() -> Vec<Row> {
    let cells = |line: &'static str| -> Vec<_> {
        let line = line.trim_matches('|').split('|');
        line.map(str::trim).collect()
    };
    let mut lines = README.lines().skip_while(|line| {
        let line = cells(line);
        line[0] != "`protocol`" || line[1..] != COLUMNS
    });
    let header = lines.next().map(cells);
    assert!(header.is_some(), "the README has the table");
    let body = lines.skip(1).take_while(|line| line.starts_with('|'));
    let rows = body.map(cells).map(|cells| {
        let name = cells[0].trim_matches('`');
        Row {
            name,
            requests: requests(name),
            cells,
        }
    });
    rows.collect()
}

/// Requests as the protocol's peers write them.
fn requests(name: &str) -> Vec<Vec<u8>> {
    if name == "tcp" {
        return vec![b"anything".to_vec()];
    }
    let path = format!("{}/../fuzz/samples/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("samples of each protocol");
    let samples = text.lines().filter_map(|l| l.strip_prefix("request "));
    let octets = samples.filter_map(|sample| Some(sample.split_once(' ')?.1));
    octets
        .map(|octets| match name {
            "http1" => octets.replace("\\r", "\r").replace("\\n", "\n").into(),
            _ => vectors::bytes(octets),
        })
        .collect()
}

impl Row {
    fn cell(&self, column: &str) -> &'static str {
        let at = COLUMNS.iter().position(|known| *known == column);
        self.cells[at.expect("a column") + 1]
    }

    fn assert(&self, column: &str, is: &str) {
        assert_eq!(self.cell(column), is, "{}: {column}", self.name);
    }

    fn made(&self, options: &Value) -> std::sync::Arc<dyn Protocol> {
        let made = built_in().make(self.name, options);
        made.expect("a protocol").expect("sound options")
    }

    fn capabilities(&self, options: &Value) -> Capabilities {
        self.made(options).capabilities()
    }

    /// The first heads of the samples, as a listener hears them.
    fn heads(&self) -> Vec<Head> {
        let protocol = self.made(&json!({}));
        let heard = self.requests.iter();
        let heads = heard.filter_map(|octets| Some(asked(&*protocol, octets)?.2));
        heads.collect()
    }
}

/// A connection on which a request has just arrived, its stream and its head.
fn asked(protocol: &dyn Protocol, octets: &[u8]) -> Option<(Side, StreamId, Head)> {
    let promises = Promises {
        streams: Streams::Unknown,
        most_unread: usize::MAX,
        most_input: usize::MAX,
    };
    let mut side = Side::new(protocol, Role::Server, &Limits::default(), promises);
    // Some of the samples are no sound requests.
    let _: Result<(), _> = side.feed(octets);
    let head = side
        .events()
        .into_iter()
        .find_map(|event| match event.kind {
            EventKind::Frame(Frame::Head(head)) => Some((event.stream, head)),
            _ => None,
        });
    let (stream, head) = head?;
    side.written();
    Some((side, stream, head))
}

fn yes_or_no(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

#[test]
fn the_table_has_each_protocol_once() {
    let mut names: Vec<_> = rows().iter().map(|row| row.name).collect();
    names.sort_unstable();
    let registry = built_in();
    let known: Vec<_> = registry.names().filter(|name| *name != "auto").collect();
    assert_eq!(names, known);
}

#[test]
fn what_can_be_changed_is_what_capabilities_say() {
    for row in rows() {
        let can = row.capabilities(&json!({}));
        let pairs = [
            ("pairs of requests", can.request_metadata),
            ("pairs of responses", can.response_metadata),
        ];
        for (column, can) in pairs {
            match row.name {
                "thrift" => row.assert(column, "THeader"),
                _ => row.assert(column, yes_or_no(can)),
            }
        }
        let names = match can.rewritable {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        row.assert("names rewritten", &names);
    }
}

#[test]
fn thrift_has_pairs_in_theader_alone() {
    let rows = rows();
    let thrift = rows.iter().find(|row| row.name == "thrift");
    let thrift = thrift.expect("a row of thrift");
    for (transport, has) in [("header", true), ("framed", false), ("unframed", false)] {
        let can = thrift.capabilities(&json!({"transport": transport}));
        assert_eq!((can.request_metadata, can.response_metadata), (has, has));
    }
}

#[test]
fn one_way_calls_and_bodies_in_pieces_are_where_it_says() {
    for row in rows() {
        let heads = row.heads();
        assert!(!heads.is_empty(), "{}: no request was heard", row.name);
        let one_way = heads.iter().any(|head| head.kind == Kind::OneWay);
        row.assert("one-way", yes_or_no(one_way));
        let streamed = heads.iter().any(|head| !head.end);
        row.assert("streaming", yes_or_no(streamed));
    }
}

#[test]
fn calls_share_connections_where_it_says() {
    for row in rows() {
        let shares = row.capabilities(&json!({})).multiplexed;
        if row.name == "thrift" {
            row.assert("multiplexing", "by option");
            let wanted = row.capabilities(&json!({"multiplexing": true}));
            assert_eq!((shares, wanted.multiplexed), (false, true));
        } else {
            row.assert("multiplexing", yes_or_no(shares));
        }
    }
}

#[test]
fn deadlines_are_read_from_the_words_it_names_and_no_others() {
    let rows = rows();
    let words = |row: &Row| -> Vec<_> {
        let parts = row.cell("caller's deadline").split('`');
        parts.skip(1).step_by(2).collect()
    };
    let mut known: Vec<_> = rows.iter().flat_map(words).collect();
    known.sort_unstable();
    known.dedup();
    assert_eq!(known.len(), 7, "{known:?}");
    for row in &rows {
        assert_eq!(
            words(row).is_empty(),
            row.cell("caller's deadline") == "none"
        );
        let read: Vec<_> = known.iter().filter(|word| reads(row, word)).collect();
        let named = words(row);
        let named: Vec<_> = known.iter().filter(|word| named.contains(word)).collect();
        assert_eq!(read, named, "{}", row.name);
    }
}

/// Whether a request that has 1500 ms under `word` is understood so.
fn reads(row: &Row, word: &str) -> bool {
    let unit = if word == "grpc-timeout" { "m" } else { "" };
    let mut heads = row.heads();
    let head = heads.first_mut().expect("a request");
    head.set(&Name::new(word), format!("1500{unit}").as_bytes());
    let read = row.made(&json!({})).caller_timeout(head);
    read == Some(Duration::from_millis(1500))
}

#[test]
fn clients_are_told_of_a_drain_as_it_says() {
    for row in rows() {
        let (at_once, drained) = answered(&row, Drains::Yes);
        let (_, plain) = answered(&row, Drains::No);
        let is_goodbye = |frame: &[u8]| frame.len() >= 17 && frame[3] == GO_AWAY;
        let closes = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
            text.contains("connection: close\r\n")
        };
        let word = match &at_once[..] {
            [] if closes(&drained) && !closes(&plain) => "`Connection: close`",
            [] => {
                assert_eq!(drained, plain, "{}: it says something", row.name);
                "nothing"
            }
            // A one-way event whose content is "R". Dubbo has a flag for events.
            [0xda, 0xbb, flags, _, .., b'R'] if flags & 0x60 == 0x20 => "read-only event",
            frames if is_goodbye(frames) => "GOAWAY",
            other => panic!("{}: what is {other:?}?", row.name),
        };
        row.assert("says that it drains", word);
    }
}

/// Whether the connection is told to drain before the answer.
#[derive(Clone, Copy, PartialEq)]
enum Drains {
    Yes,
    No,
}

/// What is written at once, and then as an answer to the first request.
fn answered(row: &Row, drains: Drains) -> (Vec<u8>, Vec<u8>) {
    let protocol = row.made(&json!({}));
    let request = row.requests.first().expect("a request");
    let (mut side, stream, head) = asked(&*protocol, request).expect("a sound request");
    if drains == Drains::Yes {
        side.drain();
    }
    let at_once = side.written().to_vec();
    let reply = Reply::refused(Code::Denied, "no");
    side.reply(stream, head.echo, &reply);
    (at_once, side.written().to_vec())
}

/// Kind of frame. RFC 9113 §6.8.
const GO_AWAY: u8 = 7;
