//! Commands: run, check, demo.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{ArgAction, Parser, Subcommand};
use sabir::proxy::Control;
use sabir::proxy::telemetry::log::{self, Style, Verbosity};
use sabir::{Options, Proxy};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::demo;

/// The L7 framework and proxy for arbitrary RPC.
///
/// sabir reads RPC protocols (Dubbo, Motan2, Thrift, HTTP and gRPC), routes their calls by any metadata
/// they carry, splits traffic by weight, keeps batch work away from users' instances, and says what
/// happened. Its configuration is one YAML file that is followed while it runs.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    /// Say more in the log: -v for debug, -vv for trace. RUST_LOG takes precedence
    #[arg(short, long, action = ArgAction::Count, global = true)]
    verbose: u8,

    /// Write the log as JSON lines
    #[arg(long, global = true)]
    log_json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the proxy
    ///
    /// The file is watched: a change takes effect within a second, without touching established
    /// connections; a wrong one is refused, said in the log and counted in
    /// sabir_config_updates_total{result="rejected"}, and the configuration in force stays.
    ///
    /// SIGTERM and SIGINT drain: nothing new is accepted, clients are told in their protocol's
    /// words, calls in flight finish within drain_timeout, and the exit status is 0. A second
    /// signal ends at once. SIGHUP loads the file again; SIGUSR1 reopens the access logs.
    #[command(
        after_help = "Example:\n  sabir run -c sabir.yaml\n  curl http://127.0.0.1:9901/metrics"
    )]
    Run {
        /// Configuration file (YAML)
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Check a configuration file
    ///
    /// Prints every problem as FILE:LINE:COLUMN: path: message. Exit status: 0 if the file is right,
    /// 1 if not.
    Check {
        /// Configuration file (YAML)
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
    },
    /// See it work: sample services, real traffic, routed, split, isolated, changed live
    Demo {
        /// Stay up afterwards, so that a consumer of your own can be pointed at it
        #[arg(long)]
        serve: bool,
    },
}

/// Runs the command that was asked for.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    // The demo's table is for reading; what the proxy says meanwhile is there for who asks.
    let quiet = matches!(cli.command, Command::Demo { .. }) && cli.verbose == 0;
    let style = if cli.log_json {
        Style::Json
    } else {
        Style::Text
    };
    let verbosity = if quiet {
        Verbosity::Warn
    } else {
        Verbosity::from(cli.verbose)
    };
    if let Err(error) = log::init(verbosity, style) {
        eprintln!("sabir: {error}");
        return ExitCode::FAILURE;
    }
    let result = match cli.command {
        Command::Run { config } => run(config),
        Command::Check { config } => return check(config),
        Command::Demo { serve } => runtime().and_then(|rt| rt.block_on(demo::run(serve))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sabir: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: PathBuf) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        let mut signals = Signals::new().context("cannot listen to signals")?;
        let proxy = Proxy::start(Options::new(config)).await?;
        let control = proxy.control();
        proxy.run(signals.until_told_to_stop(&control)).await;
        Ok(())
    })
}

/// Signals that the process understands.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user: signal(SignalKind::user_defined1())?,
        })
    }

    /// Does what signals ask for until one asks to stop. From then on another one ends at once.
    async fn until_told_to_stop(&mut self, control: &Control) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.hangup.recv() => control.reload(),
                _ = self.user.recv() => control.reopen_logs(),
            }
        }
        tokio::spawn(async {
            let (Ok(mut terminate), Ok(mut interrupt)) = (
                signal(SignalKind::terminate()),
                signal(SignalKind::interrupt()),
            ) else {
                return;
            };
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(EXIT_INTERRUPTED);
        });
    }
}

/// Exit status after a second signal.
const EXIT_INTERRUPTED: i32 = 130;

fn check(config: PathBuf) -> ExitCode {
    match Options::new(&config).check() {
        Ok(_) => {
            println!("{}: ok", config.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> anyhow::Result<Runtime> {
    // Configuration, admin and signals need little; the data path has threads of its own.
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the runtime")
}
