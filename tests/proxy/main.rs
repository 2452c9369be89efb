//! The driver through the public facade: real listeners, loopback sockets, hand-written peers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod admin;
mod backend;
mod balancing;
mod callbacks;
mod calls;
mod congestion;
mod dubbo;
mod ejecting;
mod events;
mod faults;
mod filters;
mod half_closed;
mod http1;
mod http2;
mod hyper;
mod limits;
mod live;
mod mutation;
mod pending;
mod policy;
mod running;
mod several;
mod streaming;
mod stress;
mod tally;
mod tube;
