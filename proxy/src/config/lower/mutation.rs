//! Changes of metadata, and whether a protocol can make them.

use std::collections::BTreeMap;

use sabir_core::mutation::Mutation;
use sabir_core::name::Name;
use sabir_core::protocol::Protocol;
use sabir_core::template::{Messages, Template};
use sabir_proto::config::v1;
use sabir_proto::path::FieldPath;

use super::problem::{Fault, NotWritable, Problems};
use super::scalar::Unique;

/// The changes at `path`, which `protocol` must be able to make, if it is known.
pub(super) fn mutation(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    given: Option<&v1::MetadataMutation>,
    protocol: Option<&dyn Protocol>,
    messages: Messages,
) -> Mutation {
    let Some(given) = given else {
        return Mutation::default();
    };
    let mut reader = Reader {
        problems,
        protocol,
        messages,
    };
    let field = path.field("remove");
    let remove = given.remove.iter().enumerate();
    Mutation {
        remove: remove
            .filter_map(|(i, name)| reader.name(&field.index(i), name))
            .collect(),
        set: reader.pairs(&path.field("set"), &given.set),
        add_if_absent: reader.pairs(&path.field("add_if_absent"), &given.add_if_absent),
        append: reader.pairs(&path.field("append"), &given.append),
        add: reader.pairs(&path.field("add"), &given.add),
    }
}

/// Reports at `path` every name of `mutation` that `protocol` cannot change.
pub(super) fn check(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    mutation: &Mutation,
    protocol: &dyn Protocol,
    messages: Messages,
) {
    for name in mutation.names() {
        let refused = refusal(protocol, messages, name);
        if let Some(fault) = refused {
            problems.add(path, fault);
        }
    }
}

/// A name that a route changes on requests, before a cluster's protocol has to write them.
pub(super) struct Change {
    path: String,
    name: Name,
}

/// The changes of `mutation`, given at `path`, that `listener` can make. That it cannot make others
/// is a problem already.
pub(super) fn changes(
    path: &FieldPath<'_>,
    mutation: &Mutation,
    listener: Option<&dyn Protocol>,
) -> Vec<Change> {
    let capabilities = listener.map(Protocol::capabilities);
    let can = |name: &&Name| capabilities.is_some_and(|can| can.can_write_request(name));
    let names = mutation.names().filter(can);
    let change = |name: &Name| Change {
        path: path.to_string(),
        name: name.clone(),
    };
    names.map(change).collect()
}

impl Change {
    /// Reports it if `protocol`, which the endpoints of `cluster` speak, has no place for it.
    pub(super) fn check(&self, problems: &mut Problems, cluster: &str, protocol: &dyn Protocol) {
        if let Some(reason) = reason(protocol, Messages::Requests, &self.name) {
            let fault = Fault::NotWritableThere {
                cluster: cluster.to_owned(),
                protocol: protocol.name(),
                name: self.name.to_string(),
                reason,
            };
            problems.at(self.path.clone(), fault);
        }
    }
}

struct Reader<'a> {
    problems: &'a mut Problems,
    protocol: Option<&'a dyn Protocol>,
    messages: Messages,
}

impl Reader<'_> {
    fn pairs(
        &mut self,
        path: &FieldPath<'_>,
        pairs: &BTreeMap<String, String>,
    ) -> Vec<(Name, Template)> {
        // Names that differ in case only are the same, and the order of a map says nothing.
        let mut unique = Unique::default();
        let pair = |(text, value): (&String, &String)| {
            let path = path.key(text);
            let name = self.name(&path, text)?;
            unique.take(self.problems, &path, &path, name.as_str());
            let value = Template::compile(value, self.messages);
            let value = value.map_err(|error| self.problems.add(&path, Fault::Template(error)));
            Some((name, value.ok()?))
        };
        pairs.iter().filter_map(pair).collect()
    }

    fn name(&mut self, path: &FieldPath<'_>, text: &str) -> Option<Name> {
        let name = self.problems.metadata_name(path, text)?;
        let refused = self.protocol.map(|p| refusal(p, self.messages, &name));
        if let Some(fault) = refused.flatten() {
            self.problems.add(path, fault);
        }
        Some(name)
    }
}

fn refusal(protocol: &dyn Protocol, messages: Messages, name: &Name) -> Option<Fault> {
    Some(Fault::NotWritable {
        protocol: protocol.name(),
        name: name.to_string(),
        messages,
        reason: reason(protocol, messages, name)?,
    })
}

/// Why `protocol` cannot change `name` on such messages; `None` if it can.
fn reason(protocol: &dyn Protocol, messages: Messages, name: &Name) -> Option<NotWritable> {
    let capabilities = protocol.capabilities();
    let writable = match messages {
        Messages::Requests => capabilities.can_write_request(name),
        Messages::Responses => capabilities.can_write_response(name),
    };
    if writable {
        return None;
    }
    Some(match (name.field(), messages) {
        _ if name.is_protocol() => NotWritable::Protocol,
        (Some(_), Messages::Requests) => NotWritable::Field {
            can: capabilities.rewritable,
        },
        (Some(_), Messages::Responses) => NotWritable::FieldOfResponse,
        (None, _) => NotWritable::NoMetadata,
    })
}
