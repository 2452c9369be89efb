//! Tests of the router on its public surface.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod allocating;
mod balancing;
mod clusters;
mod ejecting;
mod hash_policies;
mod hashing;
mod levels;
mod limiting;
mod matching;
mod proportions;
mod routing;
mod scene;
mod splitting;
mod toy;
