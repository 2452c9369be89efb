//! A codec and a filter of one's own, and a proxy that has them.

pub mod courier;
pub mod tenants;

use std::sync::Arc;

use sabir::Options;
use sabir::core::message::MessageProtocol;

/// sabir's own protocols and filters, and ours.
pub fn options(config: &str) -> Options {
    let mut options = Options::new(config);
    options
        .protocols
        .add("courier", |_options| Ok(Arc::new(MessageProtocol::new(courier::Courier))));
    options.filters.add("tenants", tenants::factory);
    options
}
