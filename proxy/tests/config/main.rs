//! From the text of a configuration to what the data path uses.

mod balancing;
mod clusters;
mod errors;
mod examples;
mod generations;
mod listeners;
mod references;
mod retries;
mod routes;
mod toy;
mod translations;
