//! HTTP/1.1: what its state machines take, refuse and pass on.

#![expect(clippy::unwrap_used, reason = "what tests share panics as tests do")]

mod bodies;
mod connections;
mod foreign;
mod fuzz;
mod heads;
mod mutation;
mod replies;
mod rig;
mod smuggling;
mod splits;
mod timeouts;
mod tunnels;
