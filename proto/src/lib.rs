//! The configuration schema `sabir.config.v1` and its YAML form.
//!
//! ```text
//! sabir/config/v1/*.proto   the schema, the one source of truth
//! config::v1                its messages in Rust, generated and committed
//! descriptor                its descriptors, for whoever walks messages by name
//! path                      where a field is in a message
//! yaml                      a file's bytes -> Bootstrap, with the position of every field
//! json                      a message -> its canonical JSON
//! ```
//!
//! The crate checks what the schema can say: names, types, ranges of types, one
//! member of a `oneof`. What takes more than that (references, unique names,
//! required fields, ranges of meaning) is checked by whoever uses the messages,
//! with positions from [`yaml::SourceMap`].

pub mod config;
pub mod descriptor;
pub mod json;
pub mod path;
pub mod yaml;
