//! Protocol codecs of sabir: Dubbo, Thrift and others.

pub mod auto;
pub mod dubbo;
pub mod http1;
pub mod motan2;
pub mod registry;
pub mod tcp;
pub mod thrift;
