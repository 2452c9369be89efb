//! The protocols as they are tried: with few of each limit, so that inputs of some hundred bytes
//! reach them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sabir_codecs::registry::built_in;
use sabir_core::kit::side::{Promises, Streams};
use sabir_core::kit::subject::Subject;
use sabir_core::protocol::{Limits, Protocol};
use serde_json::{Value, json};

use crate::samples::{self, Sample};

/// A protocol by its name in configuration.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Name {
    /// Dubbo.
    Dubbo,
    /// Motan, version 2 and 1.
    Motan2,
    /// Thrift.
    Thrift,
    /// HTTP/1.
    Http1,
    /// HTTP/2.
    Http2,
}

impl Name {
    /// Every protocol.
    pub const ALL: [Self; 5] = [
        Self::Dubbo,
        Self::Motan2,
        Self::Thrift,
        Self::Http1,
        Self::Http2,
    ];

    /// Name in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dubbo => "dubbo",
            Self::Motan2 => "motan2",
            Self::Thrift => "thrift",
            Self::Http1 => "http1",
            Self::Http2 => "http2",
        }
    }

    /// Messages of it.
    pub fn samples(self) -> Vec<Sample> {
        match self {
            Self::Dubbo => samples::dubbo(),
            Self::Motan2 => samples::motan2(),
            Self::Thrift => samples::thrift(),
            Self::Http1 => samples::http1(),
            Self::Http2 => samples::http2(),
        }
    }

    /// Options that make a difference to what is read or written.
    fn options(self) -> Vec<Value> {
        match self {
            Self::Dubbo => vec![json!({}), json!({"callbacks": true})],
            Self::Motan2 => vec![
                json!({}),
                json!({"motan1": false, "max_metadata_bytes": 64}),
                json!({"answer_one_way": true}),
            ],
            Self::Thrift => vec![
                json!({}),
                json!({"multiplexing": true}),
                json!({"validate": true}),
                json!({"transport": "framed", "protocol": "binary"}),
                json!({"transport": "unframed", "protocol": "compact"}),
                json!({"transport": "header", "protocol": "compact", "validate": true}),
                json!({"transport": "unframed"}),
                json!({"transport": "header", "multiplexing": true}),
            ],
            Self::Http1 => vec![
                json!({"connect": true}),
                json!({"via": "fuzz", "underscores": "drop", "x_forwarded_proto": true}),
                json!({"max_body_bytes": 16, "max_headers": 3, "max_request_line": 64, "connect": true}),
                json!({"ambiguous_paths": "reject", "underscores": "reject"}),
            ],
            Self::Http2 => vec![
                json!({"connect": true}),
                json!({"max_concurrent_streams": 2, "stream_window_bytes": 65_535,
                       "connection_window_bytes": 65_535, "max_header_list_bytes": 1024}),
            ],
        }
    }

    /// How many ways there are to set it.
    pub fn settings(self) -> usize {
        self.options().len()
    }

    fn protocol(self, setting: usize) -> Arc<dyn Protocol> {
        let options = &self.options()[setting];
        let made = built_in().make(self.as_str(), options);
        made.expect("it is built in").expect("options are sound")
    }

    fn limits(self) -> Limits {
        Limits {
            max_message_bytes: LONGEST,
            max_streams: 4,
            keepalive: Some(Duration::from_secs(60)),
        }
    }

    fn promises(self, setting: usize) -> Promises {
        let of_messages = Promises::of_messages(&self.limits());
        match self {
            Self::Dubbo | Self::Motan2 => of_messages,
            Self::Thrift => Promises {
                streams: match self.options()[setting].get("multiplexing") {
                    Some(_) => Streams::Messages,
                    None => Streams::Exchanges,
                },
                ..of_messages
            },
            // A window, and what came with the byte that filled it.
            Self::Http1 => Promises {
                streams: Streams::Exchanges,
                most_unread: (64 << 10) + LONGEST_INPUT,
                most_input: 64 << 10,
            },
            Self::Http2 => Promises {
                streams: Streams::Exchanges,
                most_unread: 4 << 20,
                most_input: 9 + (16 << 10),
            },
        }
    }

    fn subject(self, setting: usize) -> Subject {
        let (limits, promises) = (self.limits(), self.promises(setting));
        let samples = samples::by_kind(&self.samples());
        Subject::new(self.protocol(setting), limits, promises, samples)
    }
}

/// The subject of a protocol with one of its settings; HTTP gets heads of the other version too.
pub fn subject(name: Name, setting: usize) -> &'static Subject {
    thread_local! {
        static MADE: RefCell<HashMap<(Name, usize), &'static Subject>> = RefCell::default();
    }
    let setting = setting % name.settings();
    if let Some(made) = MADE.with_borrow(|made| made.get(&(name, setting)).copied()) {
        return made;
    }
    let subject = name.subject(setting);
    let subject = match name {
        Name::Http1 => subject.with_heads_of(&Name::Http2.subject(0)),
        Name::Http2 => subject.with_heads_of(&Name::Http1.subject(0)),
        _ => subject,
    };
    // Made once, and used until the process ends.
    let subject: &'static Subject = Box::leak(Box::new(subject));
    MADE.with_borrow_mut(|made| made.insert((name, setting), subject));
    subject
}

/// Longest message, in bytes.
pub const LONGEST: usize = 32 << 10;

/// Longest input of a target, in bytes.
pub const LONGEST_INPUT: usize = 64 << 10;
