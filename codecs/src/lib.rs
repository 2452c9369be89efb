//! Protocol codecs of sabir: Dubbo, Thrift and others.

pub mod auto;
pub mod dubbo;
pub mod http1;
pub mod http2;
pub mod motan2;
mod octets;
pub mod registry;
pub mod tcp;
pub mod thrift;
