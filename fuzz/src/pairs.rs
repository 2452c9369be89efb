//! An exchange through a proxy that speaks one protocol to the client and another to the server.
//!
//! ```text
//! near ──▶ down │ up ──▶ far       requests, from a client that says what a listener understood
//! near ◀── down │ up ◀── …         responses, as a server may say them
//! ```

use sabir_core::frame::StreamId;
use sabir_core::head::{Head, Kind};
use sabir_core::kit::relay::{Heard, carry, shuttle};
use sabir_core::kit::script::Script;
use sabir_core::name::Field;
use sabir_core::protocol::Role;

use crate::subjects::{Name, subject};

/// Input: the two protocols, their settings, what a client says, and what a server answers.
pub fn of(input: &[u8]) {
    let mut script = Script::new(input);
    let (near, far) = *script.one_of(&PAIRS);
    let (near_setting, far_setting) = (script.below(2), script.below(8));
    let request = script.long_piece();
    let pair = Pair {
        near: (near, near_setting),
        far: (far, far_setting),
    };
    let Some(asked) = pair.understood(request) else {
        return;
    };
    pair.proxied(&asked, script.rest());
}

/// Protocols with their settings.
struct Pair {
    near: (Name, usize),
    far: (Name, usize),
}

impl Pair {
    /// What a listener makes of `request`, if it can be passed on.
    fn understood(&self, request: &[u8]) -> Option<Heard> {
        let mut listener = subject(self.near.0, self.near.1).side(Role::Server);
        listener.feed(request).ok()?;
        let asked = Heard::first(listener.events());
        let head = asked.heads.first()?;
        (head.kind == Kind::Request && head.fault().is_none()).then_some(asked)
    }

    /// Passes a request and its response through a proxy.
    fn proxied(&self, asked: &Heard, answer: &[u8]) {
        let (near_subject, far_subject) = (
            subject(self.near.0, self.near.1),
            subject(self.far.0, self.far.1),
        );
        let (mut near, mut down) = (
            near_subject.side(Role::Client),
            near_subject.side(Role::Server),
        );
        let (mut up, mut far) = (
            far_subject.side(Role::Client),
            far_subject.side(Role::Server),
        );
        shuttle(&mut near, &mut down, &mut Heard::default());
        shuttle(&mut up, &mut far, &mut Heard::default());
        let name = StreamId(1);
        if !near.open(name) || !up.open(name) {
            return;
        }
        // What one protocol has no words for is refused.
        let Ok(passed) = carry(asked.frames(), &mut near, name, &mut down) else {
            return;
        };
        self.same(asked, &passed, self.near.0);
        let Ok(arrived) = carry(passed.frames(), &mut up, name, &mut far) else {
            return;
        };
        self.same(&passed, &arrived, self.far.0);
        if up.is_finished() || up.feed(answer).is_err() {
            return;
        }
        let answered = Heard::first(up.events());
        let (Some(stream), false) = (passed.stream, answered.heads.is_empty()) else {
            return;
        };
        let Ok(heard) = carry(answered.frames(), &mut down, stream, &mut near) else {
            return;
        };
        self.same(&answered, &heard, self.near.0);
    }

    /// Checks that what arrived in the protocol `to` is what was sent.
    fn same(&self, sent: &Heard, heard: &Heard, to: Name) {
        // RFC 9113 §8.3.1: requests without an authority are malformed there.
        let nowhere = |head: &Head| head.kind == Kind::Request && head.service().is_empty();
        if to == Name::Http2 && sent.heads.last().is_some_and(nowhere) {
            return;
        }
        let (Some(was), Some(is)) = (sent.heads.last(), heard.heads.last()) else {
            return assert!(heard.reset || sent.heads.is_empty(), "{sent:?} was lost");
        };
        if is.fault().is_some() || was.fault().is_some() {
            return assert!(was.fault().is_some(), "{was:?} became {:?}", is.wire());
        }
        assert_eq!(was.kind, is.kind);
        assert_eq!(
            pairs(was),
            pairs(is),
            "{:?} became {:?}",
            was.wire(),
            is.wire()
        );
        if was.kind == Kind::Request && was.protocol() == to.as_str() {
            for field in Field::ALL {
                let (was, is) = (was.field(field), is.field(field));
                assert_eq!(was.unwrap_or_default(), is.unwrap_or_default(), "{field:?}");
            }
        }
        let http = matches!(to, Name::Http1 | Name::Http2);
        if http && !heard.reset && !sent.reset {
            let what = "the body of";
            assert!(sent.body == heard.body, "{what} {:?}", was.wire());
        }
    }
}

/// Pairs but for those that each protocol has of its own, by name and then in their order.
fn pairs(head: &Head) -> Vec<(String, Vec<u8>)> {
    let pairs = head.metadata().iter().map(|(name, value)| {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        (name, value.trim_ascii().to_vec())
    });
    let http = matches!(head.protocol(), "http1" | "http2");
    let own = |name: &str| match http {
        true => OWN.contains(&name) || name.starts_with("query:"),
        false => name.starts_with(':'),
    };
    let mut pairs: Vec<_> = pairs.filter(|(name, _)| !own(name)).collect();
    pairs.sort_by(|one, other| one.0.cmp(&other.0));
    pairs
}

/// Pairs of HTTP that speak of one connection, or that a version may add, join or leave out.
const OWN: [&str; 14] = [
    "content-length",
    "host",
    "te",
    "cookie",
    "connection",
    "upgrade",
    "via",
    "expect",
    "trailer",
    "x-forwarded-proto",
    ":scheme",
    ":protocol",
    "transfer-encoding",
    "date",
];

/// Protocols of a listener and a cluster.
const PAIRS: [(Name, Name); 7] = [
    (Name::Http1, Name::Http2),
    (Name::Http2, Name::Http1),
    (Name::Http1, Name::Http1),
    (Name::Http2, Name::Http2),
    (Name::Thrift, Name::Thrift),
    (Name::Dubbo, Name::Dubbo),
    (Name::Motan2, Name::Motan2),
];
