//! Protocol codecs of sabir: Dubbo, Thrift and others.

pub mod dubbo;
pub mod registry;
pub mod thrift;
