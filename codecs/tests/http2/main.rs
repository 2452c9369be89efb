//! HTTP/2 from its bytes: scripts of frames, pairs of connections, and the crate `h2` as a peer.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails its test")]

mod bridge;
mod differential;
mod floods;
mod flow;
mod fuzz;
mod grpc;
mod hpack;
mod lifetime;
mod messages;
mod side;
mod streams;
