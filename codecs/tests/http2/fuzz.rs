//! Whatever arrives and whatever the driver does: no panic, and windows that are never exceeded.

use bytes::Bytes;
use proptest::prelude::*;
use sabir_core::connection::{Connection, EventKind};
use sabir_core::frame::{Frame, Reason, StreamId};

use crate::side::{GET, Side, block, foreign, frames, get, greeting, raw, response, shuttle};

/// Frames that are nearly right.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        Just(block(&GET)),
        Just(block(&[(":status", "200")])),
        Just(block(&[("x", "1")])),
        Just(vec![0; 4]),
        Just(vec![0, 0, 0, 8]),
        Just(vec![0; 8]),
        Just(vec![0, 4, 0, 0, 0, 0]),
    ];
    (
        0u8..11,
        prop_oneof![any::<u8>(), Just(4), Just(5), Just(1)],
        0u32..8,
        payload,
    )
        .prop_map(|(kind, flags, stream, payload)| raw(kind, flags, stream, &payload))
}

#[derive(Clone, Debug)]
enum Act {
    Feed(Vec<u8>),
    Open(u64),
    Head(u64, bool),
    Data(u64, usize, bool),
    Trailers(u64),
    Reset(u64),
    Consumed(u64, usize),
    Drain,
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => frame().prop_map(Act::Feed),
        1 => (0u64..8).prop_map(Act::Open),
        2 => (0u64..8, any::<bool>()).prop_map(|(s, e)| Act::Head(s, e)),
        2 => (0u64..8, 0usize..70_000, any::<bool>()).prop_map(|(s, n, e)| Act::Data(s, n, e)),
        1 => (0u64..8).prop_map(Act::Trailers),
        1 => (0u64..8).prop_map(Act::Reset),
        1 => (0u64..8, 0usize..100_000).prop_map(|(s, n)| Act::Consumed(s, n)),
        1 => Just(Act::Drain),
        1 => (0u64..400).prop_map(Act::Wait),
    ]
}

/// Does what `act` says; whether the connection lives on.
fn perform(side: &mut Side, act: Act, head: impl Fn(bool) -> sabir_core::head::Head) -> bool {
    match act {
        Act::Feed(bytes) => return side.feed(&bytes).is_ok(),
        Act::Open(name) => {
            side.conn.open(StreamId(name));
        }
        Act::Head(name, end) => {
            let _: Result<_, _> = side.send(name, Frame::Head(head(end)));
        }
        Act::Data(name, n, end) => {
            let n = n.min(side.capacity(name));
            let bytes = Bytes::from(vec![0; n]);
            let _: Result<_, _> = side.send(name, Frame::Data { bytes, end });
        }
        Act::Trailers(name) => {
            let trailers = foreign(sabir_core::head::Kind::Response, true, &[("a", "b")]);
            let _: Result<_, _> = side.send(name, Frame::Trailers(trailers));
        }
        Act::Reset(name) => {
            let _: Result<_, _> = side.send(name, Frame::Reset(Reason::Cancelled));
        }
        Act::Consumed(name, n) => side.consumed(name, n),
        Act::Drain => side.turn(|conn, turn| conn.drain(turn)),
        Act::Wait(seconds) => {
            return side.wait(std::time::Duration::from_secs(seconds)).is_ok();
        }
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn servers_stand_anything(acts in prop::collection::vec(act(), 1..60)) {
        let mut server = Side::server();
        server.feed(&greeting()).unwrap();
        for act in acts {
            let lives = perform(&mut server, act, |end| response(end, "200"));
            frames(&server.written());
            if !lives {
                break;
            }
        }
    }

    #[test]
    fn clients_stand_anything(acts in prop::collection::vec(act(), 1..60)) {
        let mut client = Side::client();
        client.feed(&raw(4, 0, 0, b"")).unwrap();
        for name in 0..4 {
            client.request(name, get(name % 2 == 0)).unwrap();
        }
        for act in acts {
            let lives = perform(&mut client, act, get);
            frames(&client.written());
            if !lives {
                break;
            }
        }
    }

    #[test]
    fn bytes_of_any_kind(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        let mut server = Side::server();
        let _: Result<_, _> = server.feed(&bytes);
        let mut greeted = Side::greeted_server();
        let _: Result<_, _> = greeted.feed(&bytes);
        let mut client = Side::client();
        let _: Result<_, _> = client.feed(&bytes);
    }

    /// Two of ours, doing anything that drivers may, never find fault with each other.
    #[test]
    fn two_sides_agree(acts in prop::collection::vec((any::<bool>(), act()), 1..80)) {
        let (mut client, mut server) = (Side::client(), Side::server());
        shuttle(&mut client, &mut server);
        let mut owed = [Vec::new(), Vec::new()];
        for (ours, act) in acts {
            let side = if ours { &mut client } else { &mut server };
            match act {
                Act::Feed(_) | Act::Wait(_) | Act::Drain => {
                    for (name, n) in owed[usize::from(ours)].drain(..) {
                        side.consumed(name, n);
                    }
                }
                Act::Consumed(..) => {}
                act if ours => {
                    perform(&mut client, act, get);
                }
                act => {
                    perform(&mut server, act, |end| response(end, "200"));
                }
            }
            shuttle(&mut client, &mut server);
            for (of, side) in [(1, &mut client), (0, &mut server)] {
                for event in side.events.drain(..) {
                    if let EventKind::Frame(Frame::Data { bytes, .. }) = event.kind {
                        owed[of].push((event.stream.0, bytes.len()));
                    }
                }
            }
        }
    }
}
