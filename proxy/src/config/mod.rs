//! Configuration: from a file to what the data path uses.

pub mod resolved;
