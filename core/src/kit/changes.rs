//! Changes of a message's metadata, whatever the message is.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::script::Script;
use super::{decoded, encoded, pairs};
use crate::connection::Written;
use crate::head::{Echo, Head, Kind};
use crate::message::MessageCodec;
use crate::name::{Field, Name};

/// Looks at everything in `wire`, changes what `script` says, and looks at what is written then.
///
/// A message that nobody changed is written as it came. One that was changed is written with every
/// change, and reads as the head did that was written, or it is written as it came. Responses are
/// written for a request with this `echo`.
pub fn carries_changes<C: MessageCodec>(
    codec: &C,
    wire: &Bytes,
    echo: Echo,
    script: &mut Script<'_>,
) {
    let Ok(message) = codec.decode(wire.clone()) else {
        return;
    };
    let (stream, mut head) = (message.stream, message.head);
    if !matches!(head.kind, Kind::Request | Kind::OneWay | Kind::Response) {
        return;
    }
    if head.kind == Kind::Response {
        head.echo = echo;
    }
    let fields = |head: &Head| Field::ALL.map(|field| head.field(field).map(<[u8]>::to_vec));
    let _ = (pairs(&head), fields(&head), head.fault());
    assert_eq!(
        encoded(codec, stream, &head),
        (Written::Whole, wire.clone())
    );
    let names: Vec<_> = pairs(&head).into_iter().map(|(name, _)| name).collect();
    while !script.is_over() {
        change(&mut head, &names, script);
    }
    let (written, changed) = encoded(codec, stream, &head);
    if written == Written::Unmodified {
        return assert_eq!(&changed, wire, "left as it was, or not at all");
    }
    assert_eq!(codec.frame_len(&changed), Ok(Some(changed.len())));
    let (_, read) = decoded(codec, &changed);
    assert_eq!(read.kind, head.kind);
    let rewritten = |field: &Field| head.is_rewritten(*field);
    // What is no message is answered, and passed on to nobody.
    let sound = head.fault().is_none();
    for field in Field::ALL
        .into_iter()
        .filter(|field| sound && rewritten(field))
    {
        // Without one, protocols write what stands for none.
        if let Some(wanted) = head.field(field) {
            assert_eq!(read.field(field), Some(wanted), "{field:?}");
        }
    }
    // Fields may be pairs of the message's own, too.
    if !Field::ALL.iter().any(rewritten) {
        assert_eq!(last_values(&read), last_values(&head));
    }
}

/// The last value of each name, of which protocols may have one only.
fn last_values(head: &Head) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let lower = |(name, value): (Vec<u8>, Vec<u8>)| (name.to_ascii_lowercase(), value);
    pairs(head).into_iter().map(lower).collect()
}

fn change(head: &mut Head, names: &[Vec<u8>], script: &mut Script<'_>) {
    let what = script.below(8);
    if what == 0 {
        let names = names
            .iter()
            .filter_map(|name| std::str::from_utf8(name).ok());
        let names: Vec<_> = names.collect();
        if !names.is_empty() {
            head.remove(&Name::new(script.one_of::<&str>(&names)));
        }
        return;
    }
    let name = Name::new(script.one_of::<&str>(&NAMES));
    let value = match script.piece() {
        // What an empty value means differs between protocols.
        b"" => b"value",
        piece => piece,
    };
    match what {
        1 => head.remove(&name),
        2 => head.add(&name, value),
        _ => head.set(&name, value),
    }
}

/// Names that any message may get.
const NAMES: [&str; 6] = [
    "x-added", "service", "method", "version", "X-Other", "group",
];
