//! Matchers, route index, clusters and load balancers of sabir.
