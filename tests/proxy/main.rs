//! The driver through the public facade: real listeners, loopback sockets, hand-written peers.

mod backend;
mod callbacks;
mod calls;
mod congestion;
mod dubbo;
mod events;
mod limits;
mod pending;
mod running;
mod streaming;
mod tube;
