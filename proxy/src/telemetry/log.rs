//! The process's own log, on standard error.

use std::env::{self, VarError};
use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::{MakeWriter, fmt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// The log could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The environment's `RUST_LOG` is not a filter.
    #[error("RUST_LOG: {0}")]
    Filter(#[from] ParseError),
    /// The environment's `RUST_LOG` is not UTF-8.
    #[error("RUST_LOG: {0}")]
    Variable(#[from] VarError),
    /// There is a log already.
    #[error(transparent)]
    Twice(#[from] TryInitError),
}

/// How much the log says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Verbosity {
    /// Only what is wrong.
    Warn,
    /// What an operator should know.
    #[default]
    Info,
    /// What happens to connections too.
    Debug,
    /// Everything.
    Trace,
}

impl From<u8> for Verbosity {
    /// By the number of `-v` on a command line.
    fn from(count: u8) -> Self {
        match count {
            0 => Self::Info,
            1 => Self::Debug,
            _ => Self::Trace,
        }
    }
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Style {
    /// For people; in colour on a terminal.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// Writes the log to standard error from now on.
///
/// `RUST_LOG`, if set, decides instead of `verbosity`.
pub fn init(verbosity: Verbosity, style: Style) -> Result<(), Error> {
    let filter = match env::var(EnvFilter::DEFAULT_ENV) {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(text)?,
        Ok(_) | Err(VarError::NotPresent) => EnvFilter::try_new(default_filter(verbosity))?,
        Err(error) => return Err(error.into()),
    };
    let colour = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none();
    match style {
        Style::Text => text(filter, colour, io::stderr).try_init()?,
        Style::Json => json(filter, io::stderr).try_init()?,
    }
    Ok(())
}

/// Levels of sabir's own crates, and of those it uses.
fn default_filter(verbosity: Verbosity) -> &'static str {
    match verbosity {
        Verbosity::Warn => "warn",
        Verbosity::Info => "warn,sabir=info,sabir_proxy=info",
        Verbosity::Debug => {
            "info,sabir=debug,sabir_proxy=debug,sabir_router=debug,sabir_filters=debug"
        }
        Verbosity::Trace => {
            "debug,sabir=trace,sabir_proxy=trace,sabir_router=trace,sabir_filters=trace"
        }
    }
}

fn text<W>(filter: EnvFilter, colour: bool, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    fmt()
        .with_env_filter(filter)
        .with_ansi(colour)
        .with_writer(writer)
        .finish()
}

fn json<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(writer)
        .finish()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::sync::Arc;

    use tempfile::tempdir;

    use super::*;

    /// What a subscriber writes when `log` logs.
    fn written<S>(subscriber: impl FnOnce(Arc<File>) -> S, log: impl FnOnce()) -> String
    where
        S: Subscriber + Send + Sync + 'static,
    {
        let folder = tempdir().unwrap();
        let path = folder.path().join("log");
        let file = Arc::new(File::create(&path).unwrap());
        tracing::subscriber::with_default(subscriber(file), log);
        fs::read_to_string(&path).unwrap()
    }

    #[test]
    fn verbosity_raises_the_level() {
        let lines = |count: u8| {
            let filter = EnvFilter::new(default_filter(count.into()));
            let log = || {
                tracing::info!(target: "sabir_proxy", "one");
                tracing::debug!(target: "sabir_proxy", "two");
                tracing::trace!(target: "sabir_proxy", "three");
                tracing::info!(target: "hyper", "four");
                tracing::warn!(target: "hyper", "five");
            };
            written(|file| text(filter, false, file), log)
                .lines()
                .count()
        };
        assert_eq!([lines(0), lines(1), lines(2)], [2, 4, 5]);
    }

    #[test]
    fn json_lines_have_fields() {
        let filter = EnvFilter::new("info");
        let log = || tracing::warn!(listener = "in", count = 3, "full");
        let text = written(|file| json(filter, file), log);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "full");
        assert_eq!(
            (&line["listener"], &line["count"]),
            (&"in".into(), &3.into())
        );
    }
}
