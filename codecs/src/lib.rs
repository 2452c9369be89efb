//! Protocol codecs of sabir: Dubbo and others.

pub mod auto;
pub mod dubbo;
pub mod http2;
pub mod motan2;
pub mod registry;
pub mod tcp;
