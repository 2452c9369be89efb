//! The messages of the schema, by its packages.

/// Package `sabir.config.v1`: the messages that prost generates from
/// `sabir/config/v1/*.proto`, with that schema's comments.
///
/// Fields with a default that is not the type's zero are `Option`: `None` is
/// the default that the comment names.
#[expect(clippy::use_self, reason = "generated code")]
pub mod v1 {
    include!("generated/sabir.config.v1.rs");
}
