//! Changes of metadata as configuration asks for them.

use std::borrow::Cow;

use crate::filter::Context;
use crate::head::Head;
use crate::name::Name;
use crate::template::Template;

/// Changes to apply to each message of a route, compiled once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Mutation {
    /// Names to drop, before anything is set.
    pub remove: Vec<Name>,
    /// Names whose values are replaced.
    pub set: Vec<(Name, Template)>,
    /// Values to add where the name is absent.
    pub add_if_absent: Vec<(Name, Template)>,
    /// Values to append to the list that a name's values are, which becomes one value with commas.
    pub append: Vec<(Name, Template)>,
    /// Values to add beside those that are there.
    pub add: Vec<(Name, Template)>,
}

impl Mutation {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.names().next().is_none()
    }

    /// Names it changes, to check against what a protocol can write.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        let pairs = self.pairs().map(|(name, _)| name);
        self.remove.iter().chain(pairs)
    }

    /// Changes `head`, a message of the exchange `cx`: removes, sets, adds where absent, appends,
    /// adds, in this order. Values that are made from the message are made before it is changed.
    ///
    /// A value of operators alone that comes out empty is none: `set` then leaves no value, so that
    /// a caller's own cannot pass for it, and the others do nothing.
    pub fn apply(&self, head: &mut Head, cx: &Context) {
        // Allocates only where there are operators.
        let made = self.pairs().filter(|(_, value)| value.fixed().is_none());
        let made: Vec<_> = made.map(|(_, value)| value.make(head, cx)).collect();
        let mut made = made.into_iter();
        for name in &self.remove {
            head.remove(name);
        }
        for (name, value) in &self.set {
            match next(value, &mut made) {
                Some(value) => head.set(name, &value),
                None => head.remove(name),
            }
        }
        for (name, value) in &self.add_if_absent {
            if let Some(value) = next(value, &mut made)
                && head.get(name).is_none()
            {
                head.add(name, &value);
            }
        }
        for (name, value) in &self.append {
            if let Some(value) = next(value, &mut made) {
                append(head, name, &value);
            }
        }
        for (name, value) in &self.add {
            if let Some(value) = next(value, &mut made) {
                head.add(name, &value);
            }
        }
    }

    /// Every value with its name, in the order in which they are applied.
    fn pairs(&self) -> impl Iterator<Item = &(Name, Template)> {
        let lists = [&self.set, &self.add_if_absent, &self.append, &self.add];
        lists.into_iter().flatten()
    }
}

/// The value of a pair: its own, or the next one that was `made`.
fn next<'a>(
    value: &'a Template,
    made: &mut impl Iterator<Item = Vec<u8>>,
) -> Option<Cow<'a, [u8]>> {
    match value.fixed() {
        Some(value) => Some(Cow::Borrowed(value)),
        None => made.next().filter(|v| !v.is_empty()).map(Cow::Owned),
    }
}

/// Makes one value of those of `name` and `value`, with commas.
fn append(head: &mut Head, name: &Name, value: &[u8]) {
    // One allocation, as the list has to be put together somewhere.
    let mut list = Vec::new();
    head.any(name, |known| {
        list.extend_from_slice(known);
        list.extend_from_slice(b", ");
        false
    });
    list.extend_from_slice(value);
    head.set(name, &list);
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Instant;

    use bytes::Bytes;

    use super::*;
    use crate::head::Kind;
    use crate::template::Messages;

    fn pair(name: &str, value: &str) -> (Name, Template) {
        let value = Template::compile(value, Messages::Requests).unwrap();
        (Name::new(name), value)
    }

    fn applied(mutation: &Mutation, pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut head = Head::new("toy", Kind::Request, Bytes::new(), |_, _| {});
        for (name, value) in pairs {
            head.add(&Name::new(name), value.as_bytes());
        }
        let peer = SocketAddr::from(([10, 0, 0, 1], 7));
        mutation.apply(&mut head, &Context::new(peer, peer, Instant::now()));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let pairs = head.metadata().iter();
        pairs
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    fn own(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(own).collect()
    }

    #[test]
    fn a_list_is_appended_to_as_one_value() {
        let mutation = Mutation {
            append: vec![pair(
                "x-forwarded-for",
                "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
            )],
            ..Mutation::default()
        };
        let cases: [(&[&str], &str); 3] = [
            (&[], "10.0.0.1"),
            (&["1.1.1.1"], "1.1.1.1, 10.0.0.1"),
            (
                &["1.1.1.1, 2.2.2.2", "3.3.3.3"],
                "1.1.1.1, 2.2.2.2, 3.3.3.3, 10.0.0.1",
            ),
        ];
        for (given, wanted) in cases {
            let given: Vec<_> = given.iter().map(|v| ("X-Forwarded-For", *v)).collect();
            let [(name, value)] = &applied(&mutation, &given)[..] else {
                panic!("one value");
            };
            assert!(name.eq_ignore_ascii_case("x-forwarded-for"));
            assert_eq!(value, wanted);
        }
    }

    #[test]
    fn what_was_removed_is_not_appended_to() {
        let mutation = Mutation {
            remove: vec![Name::new("via")],
            append: vec![pair("via", "sabir")],
            ..Mutation::default()
        };
        assert_eq!(
            applied(&mutation, &[("via", "x")]),
            own(&[("via", "sabir")])
        );
    }

    #[test]
    fn values_are_of_the_message_as_it_arrived() {
        let mutation = Mutation {
            remove: vec![Name::new("a")],
            set: vec![
                pair("b", "%REQ(c)%"),
                pair("c", "%REQ(b)%"),
                pair("d", "%REQ(a)%"),
            ],
            ..Mutation::default()
        };
        let given = [("a", "1"), ("b", "2"), ("c", "3")];
        assert_eq!(
            applied(&mutation, &given),
            own(&[("b", "3"), ("c", "2"), ("d", "1")])
        );
    }

    #[test]
    fn what_cannot_be_said_is_not_said() {
        let absent = "%REQ(absent)%";
        let mutation = Mutation {
            set: vec![pair("user", absent), pair("fixed", "")],
            add_if_absent: vec![pair("b", absent)],
            append: vec![pair("c", absent)],
            add: vec![pair("d", absent), pair("e", "%REQ(c)%")],
            ..Mutation::default()
        };
        let given = [("user", "forged"), ("c", "3")];
        let wanted = [("c", "3"), ("fixed", ""), ("e", "3")];
        assert_eq!(applied(&mutation, &given), own(&wanted));
    }
}
