//! The way that a path takes through directories and symbolic links.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// What a path passes through, as far as it exists.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Way {
    /// Directories, of which a change can lead the path elsewhere, each once; the last one is
    /// where the file is, or where the way ends without one.
    pub(super) directories: Vec<PathBuf>,
    /// Entries of those directories that the path passes through, also one that is missing.
    pub(super) entries: BTreeSet<PathBuf>,
}

impl Way {
    /// Follows `path`, which is absolute.
    pub(super) fn of(path: &Path) -> Self {
        let mut way = Self::default();
        let mut ahead = steps(path);
        let mut at = PathBuf::from("/");
        let mut links = 0;
        while let Some(step) = ahead.pop() {
            let Step::Down(name) = step else {
                if step == Step::Root {
                    at = PathBuf::from("/");
                } else {
                    at.pop();
                }
                continue;
            };
            let entry = at.join(name);
            way.directories.retain(|known| *known != at);
            way.directories.push(at.clone());
            way.entries.insert(entry.clone());
            if let Ok(target) = fs::read_link(&entry) {
                links += 1;
                if links > MAX_LINKS {
                    break;
                }
                ahead.extend(steps(&target));
            } else if entry.exists() {
                at = entry;
            } else {
                break;
            }
        }
        way
    }

    /// Whether what happened at `path` concerns the way.
    pub(super) fn passes(&self, path: &Path) -> bool {
        self.entries.contains(path) || self.directories.iter().any(|known| known == path)
    }
}

#[derive(Debug, Eq, PartialEq)]
enum Step {
    Root,
    Up,
    Down(OsString),
}

/// The steps of a path, the last one first.
fn steps(path: &Path) -> Vec<Step> {
    let step = |component: Component<'_>| match component {
        Component::RootDir | Component::Prefix(_) => Some(Step::Root),
        Component::ParentDir => Some(Step::Up),
        Component::CurDir => None,
        Component::Normal(name) => Some(Step::Down(name.to_owned())),
    };
    path.components().rev().filter_map(step).collect()
}

/// As Linux has it.
const MAX_LINKS: usize = 40;
