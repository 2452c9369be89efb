//! From a file to a snapshot, with the position of everything that is wrong.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io, thread};

use sabir_proto::config::v1::Bootstrap;
use sabir_proto::yaml::{self, Position, SourceMap};

use super::lower::{self, Problem, Registries};
use super::resolved::Snapshot;

/// Reads, checks and resolves the file at `path`.
///
/// `previous` is the configuration in force, as for [`lower`](lower::lower).
pub fn load(
    path: &Path,
    registries: &Registries<'_>,
    previous: Option<&Snapshot>,
) -> Result<Snapshot, LoadError> {
    let bytes = read(path)?;
    parse(&path.display().to_string(), &bytes, registries, previous)
}

/// The bytes of the file at `path`, for [`parse`] and for
/// [`FileWatch::start`](super::watch::FileWatch::start).
pub fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    fs::read(path).map_err(|source| LoadError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Checks and resolves the text of a configuration. `file` is its name as errors shall show it.
pub fn parse(
    file: &str,
    bytes: &[u8],
    registries: &Registries<'_>,
    previous: Option<&Snapshot>,
) -> Result<Snapshot, LoadError> {
    let bootstrap = read_apart(file, bytes)?;
    let snapshot = lower::lower(&bootstrap, registries, previous);
    drop_apart(bootstrap);
    match snapshot {
        Ok(snapshot) => Ok(snapshot),
        // Positions are made only now: kept for this, they would take more memory than all else.
        Err(problems) => {
            let (_, source) = yaml::parse(file, bytes)?;
            Err(LoadError::Invalid(Located::new(&source, problems)))
        }
    }
}

/// Reads the text on a thread of its own: allocators keep what threads allocate apart. So what is
/// gone when the snapshot is made lies in one piece, which goes back to the system, and not between
/// the parts of the snapshot, which stay.
fn read_apart(file: &str, bytes: &[u8]) -> Result<Bootstrap, yaml::Errors> {
    let read = || yaml::read(file, bytes);
    thread::scope(|scope| {
        let name = "config-read".into();
        match thread::Builder::new().name(name).spawn_scoped(scope, read) {
            Ok(reading) => reading.join().unwrap_or_else(|panic| resume_unwind(panic)),
            // The system has no room for a thread; it takes more memory then.
            Err(_) => read(),
        }
    })
}

/// Drops what was read on a thread that ends: a thread that goes on keeps the first pieces that it
/// frees for itself, and with them all that lies below.
fn drop_apart(bootstrap: Bootstrap) {
    let dropping = thread::Builder::new()
        .name("config-drop".into())
        .spawn(move || drop(bootstrap));
    // Where the system has no room for a thread, the closure was dropped here.
    if let Ok(thread) = dropping {
        thread.join().unwrap_or_else(|panic| resume_unwind(panic));
    }
}

/// Why there is no configuration in a file. Displayed with one line for each thing that is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It does not follow the schema.
    #[error("{0}")]
    Schema(#[from] yaml::Errors),
    /// It follows the schema, but cannot work.
    #[error("{0}")]
    Invalid(Located),
}

/// Problems with their positions in a file, in the order of its text.
///
/// Displayed as `FILE:LINE:COLUMN: PATH: FAULT`, a line each, at most
/// [`SHOWN`](Self::SHOWN) of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Located {
    file: String,
    problems: Vec<(Position, Problem)>,
}

impl Located {
    /// Problems that are displayed; of the rest, only the number is.
    pub const SHOWN: usize = 1000;

    fn new(source: &SourceMap, problems: Vec<Problem>) -> Self {
        let locate = |problem: Problem| (source.position(&problem.path), problem);
        let mut problems: Vec<_> = problems.into_iter().map(locate).collect();
        problems.sort_by_key(|&(position, _)| position);
        Self {
            file: source.file().to_owned(),
            problems,
        }
    }

    /// The file's name, as it was given.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The problems, at least one.
    pub fn problems(&self) -> &[(Position, Problem)] {
        &self.problems
    }
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (position, problem)) in self.problems.iter().take(Self::SHOWN).enumerate() {
            let separator = if i == 0 { "" } else { "\n" };
            write!(f, "{separator}{}:{position}: {problem}", self.file)?;
        }
        match self.problems.len().saturating_sub(Self::SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}
