//! The command line.

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand, ValueEnum};

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

/// The sides.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send requests, check every reply, print one line of JSON.
    Load {
        /// What to speak.
        protocol: Protocol,
        /// How much, for how long.
        #[command(flatten)]
        plan: Plan,
        /// What is called.
        #[command(flatten)]
        call: Call,
    },
    /// Open connections, send one request on each, print one line of JSON; stay until standard input ends.
    Hold {
        /// What to speak.
        protocol: Protocol,
        /// How many.
        #[command(flatten)]
        crowd: Crowd,
        /// What is called.
        #[command(flatten)]
        call: Call,
    },
    /// Answer requests until the time is up or the process is ended.
    Backend {
        /// What to speak.
        protocol: Protocol,
        /// Where and what to answer.
        #[command(flatten)]
        service: Service,
    },
}

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// Dubbo TCP with Hessian2 bodies.
    Dubbo,
    /// Thrift, strict binary protocol in frames, with multiplexed names.
    Thrift,
    /// Motan2 with simple serialization.
    Motan2,
    /// HTTP/1.1 with bodies both ways.
    Http1,
    /// HTTP/2 with prior knowledge, with bodies both ways.
    Http2,
    /// Unary gRPC over HTTP/2.
    Grpc,
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
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) depth: u16,
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
    /// Each line that arrives on standard input begins a new phase, which has figures of its own in the report.
    #[arg(long)]
    pub(crate) phases: bool,
}

/// Connections that are opened and kept.
#[derive(Debug, Clone, Args)]
pub(crate) struct Crowd {
    /// Where to connect to.
    #[arg(long)]
    pub(crate) target: SocketAddr,
    /// Number of connections; beyond 20 000 they come from several loopback addresses, as the ports of one run out.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) connections: u32,
    /// Length of the argument and of the expected result, bytes.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u64).range(16..=MAX_BODY))]
    pub(crate) body: u64,
}

/// What a request names; the same for every protocol.
#[derive(Debug, Clone, Args)]
pub(crate) struct Call {
    /// Service that is called: interface, path, multiplexed name; the authority in HTTP.
    #[arg(long, default_value = "org.sabir.bench.EchoService")]
    pub(crate) service: String,
    /// Version of the service, where the protocol has one.
    #[arg(long, default_value = "1.0.0")]
    pub(crate) service_version: String,
    /// Method that is called; the path in HTTP.
    #[arg(long, default_value = "echo")]
    pub(crate) method: String,
    /// Group of the service, where the protocol has one.
    #[arg(long, default_value = "bench")]
    pub(crate) group: String,
    /// A further attachment, pair or header; may be repeated.
    #[arg(long = "attachment", value_name = "KEY=VALUE", value_parser = attachment)]
    pub(crate) attachments: Vec<(String, String)>,
    /// Calls so many services in turn, whose names end in a number of six digits. Dubbo only.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) services: u32,
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
