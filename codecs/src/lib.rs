//! Protocol codecs of sabir: Dubbo and others.

pub mod dubbo;
pub mod http1;
pub mod registry;
