//! The configuration of the demo's proxy: a template, and the file it is written to.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// What the template leaves open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Settings {
    /// Where the proxy listens for calls.
    pub(super) listener: SocketAddr,
    /// Where its admin listener is.
    pub(super) admin: SocketAddr,
    /// Where the providers of each group listen, as in [`NAMES`](super::provider::NAMES).
    pub(super) providers: [SocketAddr; 3],
    /// How users' calls are split between the two versions.
    pub(super) split: Split,
}

/// Weights of the two versions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Split {
    /// Weight of the first version.
    pub(super) v1: u32,
    /// Weight of the second version.
    pub(super) v2: u32,
}

/// The file that the proxy watches.
#[derive(Debug)]
pub(super) struct ConfigFile {
    path: PathBuf,
    settings: Settings,
}

impl Settings {
    /// The template with all of this filled in.
    fn text(&self) -> String {
        let [user_v1, user_v2, batch] = self.providers;
        TEMPLATE
            .replace("$LISTENER", &self.listener.to_string())
            .replace("$ADMIN", &self.admin.to_string())
            .replace("$USER_V1", &user_v1.to_string())
            .replace("$USER_V2", &user_v2.to_string())
            .replace("$BATCH", &batch.to_string())
            .replace("$WEIGHT_V1", &self.split.v1.to_string())
            .replace("$WEIGHT_V2", &self.split.v2.to_string())
    }
}

impl ConfigFile {
    /// Writes `settings` to a new directory of temporary files.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn create(settings: Settings) -> io::Result<Self> {
        // It outlives the demo: whoever reads its path in the output may look at it afterwards.
        let directory = tempfile::Builder::new()
            .prefix("sabir-demo-")
            .disable_cleanup(true)
            .tempdir()?;
        let path = directory.path().join("config.yaml");
        fs::write(&path, settings.text())?;
        Ok(Self { path, settings })
    }

    /// Writes another split, so that no reader ever sees half a file.
    ///
    /// # Errors
    /// The system's; the file is then as it was.
    pub(super) fn set_split(&mut self, split: Split) -> io::Result<()> {
        let settings = Settings {
            split,
            ..self.settings
        };
        let new = self.path.with_extension("yaml.new");
        fs::write(&new, settings.text())?;
        fs::rename(&new, &self.path)?;
        self.settings = settings;
        Ok(())
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

const TEMPLATE: &str = include_str!("config.yaml");

#[cfg(test)]
mod tests {
    use sabir::proto::config::v1::Bootstrap;
    use sabir::proto::yaml;

    use super::*;

    fn settings() -> Settings {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Settings {
            listener: address(1),
            admin: address(2),
            providers: [address(3), address(4), address(5)],
            split: Split { v1: 90, v2: 10 },
        }
    }

    fn read(text: &str) -> Bootstrap {
        yaml::parse("config.yaml", text.as_bytes()).unwrap().0
    }

    fn weights(config: &Bootstrap) -> Vec<u32> {
        let json = sabir::proto::json::to_json(config).unwrap();
        super::super::admin::weights(&json)
    }

    #[test]
    fn the_template_is_filled_in_completely() {
        let text = settings().text();
        assert!(!text.contains('$'), "{text}");
        let config = read(&text);
        assert_eq!(config.listeners[0].address, "127.0.0.1:1");
        assert_eq!(config.admin.as_ref().unwrap().address, "127.0.0.1:2");
        let endpoints = &config.clusters[0]
            .load_assignment
            .as_ref()
            .unwrap()
            .endpoints;
        let addresses: Vec<_> = endpoints.iter().map(|e| &*e.address).collect();
        assert_eq!(addresses, ["127.0.0.1:3", "127.0.0.1:4", "127.0.0.1:5"]);
        assert_eq!(weights(&config), [90, 10]);
    }

    #[test]
    fn another_split_replaces_the_file_and_leaves_nothing_else() {
        let mut file = ConfigFile::create(settings()).unwrap();
        file.set_split(Split { v1: 50, v2: 50 }).unwrap();
        let text = fs::read_to_string(file.path()).unwrap();
        assert_eq!(weights(&read(&text)), [50, 50]);
        let directory = file.path().parent().unwrap();
        assert_eq!(fs::read_dir(directory).unwrap().count(), 1);
        fs::remove_dir_all(directory).unwrap();
    }
}
