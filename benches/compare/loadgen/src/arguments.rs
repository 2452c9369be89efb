//! The command line.

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand};

/// Largest body accepted on either side, bytes; Dubbo's own default limit of a message is 8 MiB.
const MAX_BODY: u64 = 4 << 20;

/// A load generator that checks every reply, and the backend that answers it.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Arguments {
    /// Which side to be.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The two sides.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send requests, check every reply, print one line of JSON.
    Load {
        /// What to speak.
        #[command(subcommand)]
        protocol: LoadProtocol,
    },
    /// Answer requests until the time is up or the process is ended.
    Backend {
        /// What to speak.
        #[command(subcommand)]
        protocol: BackendProtocol,
    },
}

/// Protocols of the load side.
#[derive(Debug, Subcommand)]
pub(crate) enum LoadProtocol {
    /// Dubbo TCP with Hessian2 bodies.
    Dubbo {
        /// How much, for how long.
        #[command(flatten)]
        plan: Plan,
        /// What is called.
        #[command(flatten)]
        call: DubboCall,
    },
}

/// Protocols of the backend side.
#[derive(Debug, Subcommand)]
pub(crate) enum BackendProtocol {
    /// Dubbo TCP with Hessian2 bodies.
    Dubbo {
        /// Where and what to answer.
        #[command(flatten)]
        service: Service,
    },
}

/// How much load, for how long; the same for every protocol.
#[derive(Debug, Clone, Args)]
pub(crate) struct Plan {
    /// Where to connect to.
    #[arg(long)]
    pub(crate) target: SocketAddr,
    /// Number of connections.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) connections: u32,
    /// Most requests in flight on one connection; a closed loop keeps exactly so many there.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(crate) depth: u32,
    /// Length of the argument and of the expected result, bytes; at least 16, the length of the token that is echoed.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u64).range(16..=MAX_BODY))]
    pub(crate) body: u64,
    /// For how long to send, seconds; the last replies may take up to two seconds more.
    #[arg(long, default_value_t = 5.0, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Open loop: so many requests a second arrive (Poisson), whether or not earlier ones are answered; latency counts
    /// from the moment a request was due. Without it the loop is closed: each reply releases the next request.
    #[arg(long, value_parser = rate)]
    pub(crate) rate: Option<f64>,
}

/// What a Dubbo request names.
#[derive(Debug, Clone, Args)]
pub(crate) struct DubboCall {
    /// Interface that is called.
    #[arg(long, default_value = "org.sabir.bench.EchoService")]
    pub(crate) service: String,
    /// Version of the interface.
    #[arg(long, default_value = "1.0.0")]
    pub(crate) service_version: String,
    /// Method that is called; it takes one string.
    #[arg(long, default_value = "echo")]
    pub(crate) method: String,
    /// Group of the service.
    #[arg(long, default_value = "bench")]
    pub(crate) group: String,
    /// A further attachment, behind path, interface, version, group and timeout; may be repeated.
    #[arg(long = "attachment", value_name = "KEY=VALUE", value_parser = attachment)]
    pub(crate) attachments: Vec<(String, String)>,
}

/// Where a backend listens and what it answers; the same for every protocol.
#[derive(Debug, Clone, Args)]
pub(crate) struct Service {
    /// Where to listen.
    #[arg(long)]
    pub(crate) listen: SocketAddr,
    /// Length of every result, bytes.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u64).range(16..=MAX_BODY))]
    pub(crate) body: u64,
    /// Ends by itself after so many seconds, so that a lost backend does not stay.
    #[arg(long, default_value_t = 3600.0, value_parser = seconds)]
    pub(crate) seconds: f64,
}

fn seconds(text: &str) -> Result<f64, String> {
    bounded(text, 0.01, 86_400.0)
}

fn rate(text: &str) -> Result<f64, String> {
    bounded(text, 0.1, 10_000_000.0)
}

fn bounded(text: &str, least: f64, most: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value >= least && value <= most => Ok(value),
        _ => Err(format!("a number from {least} to {most} is expected")),
    }
}

fn attachment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("KEY=VALUE is expected".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert!(seconds("0").is_err());
        assert!(seconds("NaN").is_err());
        assert!(rate("inf").is_err());
        assert_eq!(seconds("2.5"), Ok(2.5));
    }

    #[test]
    fn an_attachment_needs_a_key() {
        assert!(attachment("=x").is_err());
        assert!(attachment("x").is_err());
        assert_eq!(attachment("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
    }
}
