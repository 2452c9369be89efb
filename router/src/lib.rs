//! Matchers, route index, clusters and load balancers of sabir.
//!
//! ```text
//! Head ──▶ RouteTable ──▶ Route ──▶ Action ─┬─ DirectResponse
//!          (Matcher, index)                 └─ Forward ──▶ Target ──▶ LoadBalancer ──▶ EndpointId
//!                                              (WeightedSplit)        (Cluster, subsets)
//! ```
//!
//! Everything is compiled when configuration is loaded, where bad input is refused with a typed
//! error. Nothing here performs I/O, locks or reads a clock; randomness is a parameter. Choosing a
//! route, a target and an endpoint allocates nothing.

pub mod action;
pub mod balancer;
pub mod cluster;
mod hash;
pub mod hash_policy;
mod index;
pub mod limits;
pub mod matcher;
pub mod outlier;
pub mod policy;
pub mod retry;
pub mod slots;
pub mod split;
pub mod table;

pub use sabir_core::value;
