//! Protocol-agnostic filters of sabir.

/// The built-in types of filters.
pub fn registry() -> sabir_core::filter::Registry {
    sabir_core::filter::Registry::default()
}
