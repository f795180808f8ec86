//! Which topics there are, kept in one small file that is replaced whole.
//! Refuses names that cannot be a topic's, and more topics or partitions than the limits say.

use crate::Error;
use crate::options::Limits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Producer ids are taken from the file in blocks, so that most of them cost no write.
pub(crate) const PRODUCER_BLOCK: i64 = 1_000;
const NAME_MAX: usize = 249;
const FILE: &str = "topics.json";

/// Whose time a record bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stamp {
    /// The log's, when it took the record: lateness is judged by it.
    #[default]
    Log,
    /// The producer's.
    Producer,
}

/// What a topic has of its own; none: as the log's options say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TopicConfig {
    /// Whose time its records bear.
    #[serde(default)]
    pub stamp: Stamp,
    /// Bytes of a segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment_bytes: Option<u64>,
    /// Bytes a partition keeps; -1 keeps all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_bytes: Option<i64>,
    /// Milliseconds records are kept; -1 keeps them for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_ms: Option<i64>,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its id: a topic deleted and created again has another one.
    pub id: Uuid,
    /// How many partitions it has, numbered from 0.
    pub partitions: u32,
    /// Its own settings.
    #[serde(default)]
    pub config: TopicConfig,
}

/// What the file holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Catalogue {
    pub(crate) cluster: String,
    pub(crate) next_producer: i64,
    pub(crate) topics: BTreeMap<String, Topic>,
}

impl Catalogue {
    /// Reads the file, or begins with nothing where there is none.
    pub(crate) fn load(folder: &Path) -> Result<Catalogue, Error> {
        let path = folder.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| Error::Corrupt { place: path.display().to_string(), reason: format!("it does not parse: {error}") }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let cluster = Uuid::now_v7().simple().to_string();
                Ok(Catalogue { cluster, next_producer: PRODUCER_BLOCK, topics: BTreeMap::new() })
            }
            Err(error) => Err(Error::io("reading", &path, &error)),
        }
    }

    /// Replaces the file; a crash leaves the old one or the new one.
    pub(crate) fn save(&self, folder: &Path) -> Result<(), Error> {
        let (path, fresh) = (folder.join(FILE), folder.join("topics.json.new"));
        let text = serde_json::to_vec_pretty(self).expect("names and numbers can always be written");
        let write = || {
            let mut file = File::create(&fresh)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&fresh, &path)?;
            sync_folder(folder)
        };
        write().map_err(|error| Error::io("writing", &path, &error))
    }

    /// The topic that would be created, or why not.
    pub(crate) fn plan(&self, name: &str, partitions: u32, config: TopicConfig, limits: &Limits) -> Result<Topic, Error> {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if name.is_empty() || name.len() > NAME_MAX || name == "." || name == ".." || !name.bytes().all(letters) {
            return Err(Error::BadName(name.chars().take(NAME_MAX).collect()));
        }
        if self.topics.contains_key(name) {
            return Err(Error::TopicExists(name.to_owned()));
        }
        if partitions == 0 {
            return Err(Error::BadSetting(format!("topic {name:?} would have no partition: at least 1 would be right")));
        }
        let limit =
            |what, asked, limit: usize| if asked > limit as u64 { Err(Error::Limit { what, asked, limit: limit as u64 }) } else { Ok(()) };
        limit("topics_max", self.topics.len() as u64 + 1, limits.topics_max)?;
        let held: u64 = self.topics.values().map(|topic| u64::from(topic.partitions)).sum();
        limit("partitions_max", held + u64::from(partitions), limits.partitions_max)?;
        Ok(Topic { name: name.to_owned(), id: Uuid::now_v7(), partitions, config })
    }
}

/// Where a topic's partitions lie; by id, so that a topic created again never finds the old one's records.
pub(crate) fn topic_folder(folder: &Path, topic: &Topic) -> PathBuf {
    folder.join("topics").join(topic.id.simple().to_string())
}

/// Makes names in a folder durable: a file that was created, renamed or removed.
pub(crate) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
