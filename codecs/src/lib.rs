//! Protocol codecs of sabir: Dubbo and others.

pub mod dubbo;
pub mod http2;
pub mod registry;
