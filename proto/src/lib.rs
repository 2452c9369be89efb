//! The configuration schema sabir.config.v1 and its YAML form.
