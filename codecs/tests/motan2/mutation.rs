//! Changes of metadata.

use bytes::Bytes;
use sabir_core::connection::Written;
use sabir_core::head::Head;
use sabir_core::name::Name;

use crate::messages::{self, message, request, response};
use crate::vectors::bytes;
use crate::{decode, encode};

/// What `wire` becomes when `change` is made to it.
fn changed(wire: &Bytes, change: impl FnOnce(&mut Head)) -> (Written, Bytes) {
    let (id, mut head) = decode(wire);
    change(&mut head);
    encode(id, &head)
}

fn set(name: &str, value: &str) -> impl FnOnce(&mut Head) {
    move |head| head.set(&Name::new(name), value.as_bytes())
}

fn remove(name: &str) -> impl FnOnce(&mut Head) {
    move |head| head.remove(&Name::new(name))
}

/// A request's metadata before and after a change that is written.
fn becomes(before: &str, change: impl FnOnce(&mut Head), after: &str) {
    let expected = (Written::Whole, request(after));
    assert_eq!(changed(&request(before), change), expected, "{before:?}");
}

/// A change for which the message has no place.
fn stays(wire: &Bytes, change: impl FnOnce(&mut Head)) {
    assert_eq!(changed(wire, change), (Written::Unmodified, wire.clone()));
}

#[test]
fn a_pair_is_added_at_the_end() {
    let traced = (Written::Whole, messages::m1_traced());
    assert_eq!(changed(&messages::m1(), set("x-trace", "t1")), traced);
    let removed = (Written::Whole, messages::m1());
    assert_eq!(changed(&messages::m1_traced(), remove("X-Trace")), removed);
}

#[test]
fn a_pair_is_replaced_not_repeated() {
    becomes(
        "M_p\nS\nk\n1\nM_m\nf",
        set("K", "2"),
        "M_p\nS\nM_m\nf\nk\n2",
    );
    // Spelled in two ways, it is two pairs to the peers, and one name here.
    becomes(
        "M_p\nS\nk\n1\nK\n2\nM_m\nf",
        set("k", "3"),
        "M_p\nS\nM_m\nf\nk\n3",
    );
    becomes("M_p\nS\nk\n1\nK\n2\nM_m\nf", remove("k"), "M_p\nS\nM_m\nf");
}

#[test]
fn a_key_that_was_there_twice_is_there_once() {
    let twice = "M_p\nold\nx\n1\nM_p\nS\nM_m\nf\nx\n2";
    becomes(twice, set("y", "3"), "M_p\nS\nM_m\nf\nx\n2\ny\n3");
    becomes(twice, remove("x"), "M_p\nS\nM_m\nf");
    becomes(twice, set("service", "T"), "M_m\nf\nx\n2\nM_p\nT");
}

#[test]
fn the_value_added_last_is_the_one_peers_see() {
    let add = |head: &mut Head| {
        head.add(&Name::new("k"), b"2");
        head.add(&Name::new("k"), b"3");
    };
    becomes("M_p\nS\nM_m\nf\nk\n1", add, "M_p\nS\nM_m\nf\nk\n3");
}

#[test]
fn fields_are_rewritten_under_their_keys() {
    let all = "M_p\nS\nM_m\nf\nM_g\ng1\nM_v\n1.0\nk\nv";
    let rest = |rest: &str, line: &str| format!("{rest}\nk\nv\n{line}");
    becomes(
        all,
        set("service", "T"),
        &rest("M_m\nf\nM_g\ng1\nM_v\n1.0", "M_p\nT"),
    );
    becomes(
        all,
        set("method", "g"),
        &rest("M_p\nS\nM_g\ng1\nM_v\n1.0", "M_m\ng"),
    );
    becomes(
        all,
        set("group", "g2"),
        &rest("M_p\nS\nM_m\nf\nM_v\n1.0", "M_g\ng2"),
    );
    becomes(
        all,
        set("version", "2"),
        &rest("M_p\nS\nM_m\nf\nM_g\ng1", "M_v\n2"),
    );
    becomes(all, remove("group"), "M_p\nS\nM_m\nf\nM_v\n1.0\nk\nv");
    becomes(all, remove("version"), "M_p\nS\nM_m\nf\nM_g\ng1\nk\nv");
    becomes(
        "M_p\nS\nM_m\nf",
        set("group", "g1"),
        "M_p\nS\nM_m\nf\nM_g\ng1",
    );
    becomes("M_p\nS\nM_m\nf", remove("group"), "M_p\nS\nM_m\nf");
}

#[test]
fn fields_are_rewritten_wherever_java_says_them() {
    let java = "M_p\nS\nM_m\nf\nversion\n1.0\ngroup\ng1\nM_g\ng1";
    becomes(
        java,
        set("version", "2"),
        "M_p\nS\nM_m\nf\ngroup\ng1\nM_g\ng1\nM_v\n2\nversion\n2",
    );
    becomes(
        java,
        set("group", "g2"),
        "M_p\nS\nM_m\nf\nversion\n1.0\nM_g\ng2\ngroup\ng2",
    );
    becomes(
        java,
        |head| {
            head.remove(&Name::new("version"));
            head.remove(&Name::new("group"));
        },
        "M_p\nS\nM_m\nf",
    );
}

#[test]
fn keys_of_the_protocol_keep_their_capitals() {
    for key in [
        "M_s",
        "M_tmo",
        "M_g",
        "M_v",
        "M_mdu",
        "M_md",
        "requestIdFromClient",
    ] {
        let added = format!("M_p\nS\nM_m\nf\n{key}\nv");
        becomes("M_p\nS\nM_m\nf", set(key, "v"), &added);
    }
    let rewritten = |head: &mut Head| {
        head.set(&Name::new("service"), b"T");
        head.set(&Name::new("M_p"), b"U");
    };
    // Under its own name it wins.
    becomes("M_p\nS\nM_m\nf", rewritten, "M_m\nf\nM_p\nU");
    becomes(
        "M_p\nS\nM_m\nf\nHost\na",
        set("host", "b"),
        "M_p\nS\nM_m\nf\nHost\nb",
    );
}

#[test]
fn an_empty_value_is_none() {
    becomes("M_p\nS\nM_m\nf\nk\nv", set("k", ""), "M_p\nS\nM_m\nf");
    becomes("M_p\nS\nM_m\nf\nM_g\ng", set("group", ""), "M_p\nS\nM_m\nf");
    // One that was there is none of our business.
    becomes(
        "M_p\nS\ne\n\nM_m\nf",
        set("k", "v"),
        "M_p\nS\ne\n\nM_m\nf\nk\nv",
    );
    becomes(
        "M_p\nS\nM_m\nf\ne\n",
        set("k", "v"),
        "M_p\nS\nM_m\nf\ne\n\nk\nv",
    );
    becomes(
        "M_p\nS\nM_m\nf\nk\nv\ne\n",
        remove("k"),
        "M_p\nS\nM_m\nf\ne\n",
    );
}

#[test]
fn nothing_can_be_smuggled_in() {
    stays(&messages::m1(), set("k", "v\nM_p\nother"));
    stays(&messages::m1(), set("k\nM_p", "v"));
    stays(&messages::m1(), set("service", "S\nM_p\nother"));
    // All or nothing.
    stays(&messages::m1(), |head| {
        head.set(&Name::new("fine"), b"v");
        head.set(&Name::new("bad"), b"\n");
    });
}

#[test]
fn what_a_request_cannot_do_without_stays() {
    for name in ["service", "method", "m_p", "m_m"] {
        stays(&messages::m1(), remove(name));
        stays(&messages::m1(), set(name, ""));
    }
    stays(&messages::m1(), set("signature", "int"));
}

#[test]
fn the_body_the_flags_and_the_id_are_not_touched() {
    let body = bytes(messages::GZIPPED);
    for flags in [0x00, 0x02, 0x04, 0x06, 0x08, 0x0a, 0x0e] {
        for serialization in 0..32 {
            let before = message(flags, 0, serialization, b"M_p\nS\nM_m\nf", &body);
            let after = message(flags, 0, serialization, b"M_p\nS\nM_m\nf\nk\nv", &body);
            assert_eq!(changed(&before, set("k", "v")), (Written::Whole, after));
        }
    }
    // Unused bits of the serialization's octet are kept.
    let mut wire = messages::m1().to_vec();
    wire[4] |= 0x05;
    let (_, after) = changed(&wire.into(), set("k", "v"));
    assert_eq!(after[4], 0x35);
    let (_, mut head) = decode(&messages::m1());
    head.set(&Name::new("x-trace"), b"t1");
    let (_, after) = encode(0x0102_0304_0506_0708, &head);
    assert_eq!(after[5..13], [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(after[13..], messages::m1_traced()[13..]);
}

#[test]
fn responses_change_as_requests_do() {
    for status in [0, 1] {
        let before = response(status, "M_pt\n3");
        let expected = (Written::Whole, response(status, "M_pt\n3\nk\nv"));
        assert_eq!(changed(&before, set("k", "v")), expected);
        let expected = (Written::Whole, response(status, ""));
        assert_eq!(changed(&before, remove("m_pt")), expected);
        let expected = (Written::Whole, response(status, "k\nv"));
        assert_eq!(changed(&response(status, ""), set("k", "v")), expected);
    }
    stays(&messages::m2(), set("service", "S"));
}

#[test]
fn metadata_that_make_no_sense_are_passed_on() {
    for metadata in ["odd", "k\nv\nodd", "\nempty key"] {
        let wire = response(0, metadata);
        assert_eq!(changed(&wire, |_| {}), (Written::Whole, wire.clone()));
        stays(&wire, set("k", "v"));
    }
}

#[test]
fn pairs_have_a_limit() {
    let pairs = |count: usize| {
        let more = (2..count).map(|n| format!("\nk{n}\nv"));
        format!("M_p\nS\nM_m\nf{}", more.collect::<String>())
    };
    let added = format!("{}\nx\ny", pairs(511));
    becomes(&pairs(511), set("x", "y"), &added);
    stays(&request(&pairs(512)), set("x", "y"));
}

#[test]
fn a_bad_request_is_not_made_better() {
    let wire = message(0, 0, 6, b"M_p\nS\nM_m\nf\nM_g\n\xff", b"");
    stays(&wire, set("k", "v"));
}

/// Servers refuse such requests, as our own listener does.
#[test]
fn fields_that_are_no_text_are_not_written() {
    for name in ["version", "service", "M_g", "group"] {
        let name = Name::new(name);
        stays(&messages::m1(), |head| head.set(&name, b"\xff\x02"));
    }
}
