//! Tests of the router on its public surface.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod allocating;
mod balancing;
mod clusters;
mod limiting;
mod matching;
mod routing;
mod splitting;
mod toy;
