//! The data path: one task per connection on workers of one thread each.
//!
//! ```text
//! listener ─▶ session ──Request──▶ upstream (one of the pool's connections to an endpoint)
//!             client's  ◀──Frame── endpoint's connection
//!             connection
//! ```
//!
//! A session owns the exchanges of its client: it runs the filters, finds the route, chooses the
//! endpoint, watches the deadlines. The upstream side owns the streams of its connection. They
//! leave each other letters; nothing is shared between threads, and no task, channel or timer is
//! made for a request.

mod books;
mod buffers;
mod carrier;
mod connect;
mod desk;
mod due;
mod exchange;
mod exchanges;
mod filtering;
mod finish;
mod forward;
mod link;
mod listener;
mod logs;
mod mailbox;
mod pool;
mod respond;
mod retry;
mod reverse;
mod session;
mod stream;
mod streams;
mod upstream;
pub(crate) mod worker;
