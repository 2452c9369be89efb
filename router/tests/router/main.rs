//! Tests of the router on its public surface.

mod balancing;
mod clusters;
mod limiting;
mod matching;
mod routing;
mod splitting;
mod toy;
