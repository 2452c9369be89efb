//! What requests are sticky to.

use sabir_core::name::Name;
use sabir_proto::config::v1;
use sabir_proto::config::v1::hash_policy::PolicySpecifier;
use sabir_proto::path::FieldPath;
use sabir_router::hash_policy::{HashPolicy, Source, Then};

use super::problem::{Fault, Problems};

/// The sources at `path`. Lacks those that have problems.
pub(super) fn hash_policy(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    given: &v1::RouteAction,
) -> HashPolicy {
    let sources = given.hash_policy.iter().enumerate();
    let source = |(i, given): (usize, &v1::HashPolicy)| {
        let then = match given.terminal {
            true => Then::Stop,
            false => Then::Continue,
        };
        Some((source(problems, &path.index(i), given)?, then))
    };
    HashPolicy::new(sources.filter_map(source).collect())
}

fn source(problems: &mut Problems, path: &FieldPath<'_>, given: &v1::HashPolicy) -> Option<Source> {
    let Some(given) = &given.policy_specifier else {
        let members = &["metadata", "cookie", "connection_properties"];
        problems.add(path, Fault::OneRequired { members });
        return None;
    };
    match given {
        PolicySpecifier::Metadata(given) => {
            let path = path.field("metadata");
            let name = problems.metadata_name(&path.field("name"), &given.name)?;
            Some(Source::Metadata(name))
        }
        PolicySpecifier::Cookie(given) => {
            if given.name.is_empty() {
                let path = path.field("cookie");
                problems.add(&path.field("name"), Fault::Required);
            }
            let metadata = match given.metadata.as_str() {
                "" => "cookie",
                name => name,
            };
            Some(Source::Cookie {
                metadata: Name::new(metadata),
                name: given.name.as_bytes().into(),
            })
        }
        PolicySpecifier::ConnectionProperties(given) => {
            if !given.source_ip {
                let path = path.field("connection_properties");
                problems.add(&path.field("source_ip"), Fault::NotSet);
            }
            Some(Source::SourceIp)
        }
    }
}
