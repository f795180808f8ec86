//! Remembers in `target/` which services were left running, and where.
//! Ends nothing and starts nothing.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{kafka, postgres, repository};

/// A service that was left running.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) folder: PathBuf,
    /// What its variable is set to.
    pub(super) address: String,
}

/// All of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Detached {
    pub(super) postgres: Option<Left>,
    pub(super) kafka: Option<Left>,
}

/// Where it is written down.
pub(super) fn path() -> PathBuf {
    repository::root().join("target").join("guildhall-services")
}

impl Detached {
    /// What was written down; nothing when the file is gone. A line is `NAME FOLDER ADDRESS`, with tabs between.
    pub(super) fn read(path: &Path) -> Detached {
        let mut detached = Detached::default();
        for line in fs::read_to_string(path).unwrap_or_default().lines() {
            let mut fields = line.split('\t');
            let (Some(name), Some(folder), Some(address)) = (fields.next(), fields.next(), fields.next()) else { continue };
            let left = Some(Left { folder: folder.into(), address: address.to_owned() });
            match name {
                "postgres" => detached.postgres = left,
                "kafka" => detached.kafka = left,
                _ => {}
            }
        }
        detached
    }

    /// Without those that ended meanwhile.
    pub(super) fn running(self) -> Detached {
        Detached {
            postgres: self.postgres.filter(|left| postgres::runs_in(&left.folder)),
            kafka: self.kafka.filter(|left| kafka::runs_in(&left.folder)),
        }
    }

    pub(super) fn named(&self) -> Vec<(&'static str, &Left)> {
        let services = [("postgres", &self.postgres), ("kafka", &self.kafka)];
        services.into_iter().filter_map(|(name, left)| Some((name, left.as_ref()?))).collect()
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), String> {
        let parent = path.parent().expect("the file lies in target/");
        let line = |(name, left): (&str, &Left)| format!("{name}\t{}\t{}\n", left.folder.display(), left.address);
        let text: String = self.named().into_iter().map(line).collect();
        let written = fs::create_dir_all(parent).and_then(|()| fs::write(path, text));
        written.map_err(|error| format!("could not write {}: {error}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detached_services_are_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("target").join("state");
        assert_eq!(Detached::read(&path), Detached::default());
        let detached = Detached {
            postgres: Some(Left { folder: "/tmp/x".into(), address: "postgres://u:p@127.0.0.1:1/postgres".to_owned() }),
            kafka: Some(Left { folder: "/tmp/y".into(), address: "127.0.0.1:2".to_owned() }),
        };
        detached.write(&path).unwrap();
        assert_eq!(Detached::read(&path), detached);
    }

    #[test]
    fn a_service_that_ended_is_not_running() {
        let gone = Detached { postgres: None, kafka: Some(Left { folder: "/nowhere".into(), address: String::new() }) };
        assert_eq!(gone.running(), Detached::default());
    }
}
