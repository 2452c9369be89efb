//! sabir, the L7 framework and proxy for arbitrary RPC: the facade to embed.
//!
//! A codec turns a protocol's bytes into frames with uniform metadata; generic filters and a router
//! act on them; the codec writes them again. [`core`] has the traits, [`codecs`] the protocols that
//! come with sabir, [`filters`] its filters, [`router`] what routes are made of, [`proto`] the
//! schema of the configuration, and [`proxy`] runs it all: see [`Proxy`].

pub use sabir_codecs as codecs;
pub use sabir_core as core;
pub use sabir_filters as filters;
pub use sabir_proto as proto;
pub use sabir_proxy as proxy;
pub use sabir_router as router;

pub use sabir_proxy::{Options, Proxy};
