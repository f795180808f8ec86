//! Committed offsets of consumer groups: an ordinary partition of the log, with what is newest of it in memory.
//! Refuses to show an offset before it is durable. The partition is written anew when most of it is outdated.

#[cfg(test)]
mod tests;

use crate::batch::{NewRecord, encode};
use crate::chunk::Chunk;
use crate::partition::{Partition, Settings};
use crate::topics::Stamp;
use crate::writer::Writers;
use crate::{Error, Options};
use kernel::Instant;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

const READ_BYTES: usize = 1 << 20;
const SEGMENT_BYTES: u64 = 64 << 20;
/// Below this it is not worth writing anew.
const COMPACT_BYTES_MIN: u64 = 8 << 20;
/// About what one entry takes; the log is written anew at four times what is live.
const ENTRY_BYTES: u64 = 250;

/// How far a group has come in one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    /// The offset to read next.
    pub offset: i64,
    /// The leader's epoch as the client knew it, or -1.
    pub epoch: i32,
    /// What the client wrote beside it.
    pub note: String,
    /// When it was committed.
    pub at: Instant,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Key {
    group: String,
    topic: Uuid,
    partition: u32,
}

#[derive(Debug)]
struct Kept {
    committed: Committed,
    /// Its place in the log: of two commits under way at once the later one there counts.
    place: i64,
}

type Group = BTreeMap<(Uuid, u32), Kept>;

/// The offsets of all groups.
pub(crate) struct Offsets {
    log: Arc<Partition>,
    known: RwLock<BTreeMap<String, Group>>,
    /// Commits share it; writing the log anew excludes them, so that it cannot put an older offset after a newer one.
    turn: tokio::sync::RwLock<()>,
    batch_max: usize,
    offsets_max: usize,
}

impl Offsets {
    pub(crate) fn open(folder: &Path, options: &Options) -> Result<Offsets, Error> {
        let settings = Settings {
            stamp: Stamp::Log,
            segment_bytes: SEGMENT_BYTES,
            segment_age_ms: i64::MAX,
            retention_bytes: None,
            retention_ms: None,
            producers_max: 1,
        };
        let log = Arc::new(Partition::open(folder.join("offsets"), "offsets".into(), 0, 0, settings)?);
        let mut known = BTreeMap::new();
        let mut next = log.start();
        while next < log.end() {
            let (raw, end) = log.read(next, READ_BYTES)?;
            let chunk = Chunk::new(&raw, next, end, READ_BYTES, &options.limits)?;
            for record in chunk.records() {
                let record = record?;
                apply(&mut known, record.key.unwrap_or_default(), record.value.unwrap_or_default(), record.offset)?;
            }
            next = chunk.next_offset();
        }
        let (batch_max, offsets_max) = (options.limits.batch_max, options.limits.offsets_max);
        Ok(Offsets { log, known: RwLock::new(known), turn: tokio::sync::RwLock::new(()), batch_max, offsets_max })
    }

    /// Commits offsets of one group together; returns when they are durable.
    pub(crate) async fn commit(&self, writers: &Writers, group: &str, entries: Vec<((Uuid, u32), Committed)>) -> Result<(), Error> {
        let held: usize = self.known.read().values().map(BTreeMap::len).sum();
        let limit = self.offsets_max;
        if held + entries.len() > limit && entries.iter().any(|(place, _)| self.get(group, *place).is_none()) {
            return Err(Error::Limit { what: "offsets_max", asked: (held + entries.len()) as u64, limit: limit as u64 });
        }
        if !entries.is_empty() {
            let _turn = self.turn.read().await;
            let entries: Vec<_> = entries.into_iter().map(|(place, committed)| (key(group, place), Some(committed))).collect();
            self.write(writers, &entries).await?;
        }
        self.compact(writers).await
    }

    /// Forgets offsets: of deleted topics, of a group that is deleted or outdated.
    pub(crate) async fn forget(&self, writers: &Writers, outdated: impl Fn(&str, Uuid, &Committed) -> bool) -> Result<(), Error> {
        let _turn = self.turn.read().await;
        let mut gone = Vec::new();
        for (group, offsets) in self.known.read().iter() {
            let matching = offsets.iter().filter(|((topic, _), kept)| outdated(group, *topic, &kept.committed));
            gone.extend(matching.map(|(place, _)| (key(group, *place), None)));
        }
        if gone.is_empty() { Ok(()) } else { self.write(writers, &gone).await }
    }

    pub(crate) fn get(&self, group: &str, place: (Uuid, u32)) -> Option<Committed> {
        self.known.read().get(group)?.get(&place).map(|kept| kept.committed.clone())
    }

    /// All offsets of a group, by topic id and partition.
    pub(crate) fn of(&self, group: &str) -> Vec<((Uuid, u32), Committed)> {
        let known = self.known.read();
        known.get(group).into_iter().flatten().map(|(place, kept)| (*place, kept.committed.clone())).collect()
    }

    /// The groups that have committed anything.
    pub(crate) fn groups(&self) -> Vec<String> {
        self.known.read().keys().cloned().collect()
    }

    async fn write(&self, writers: &Writers, entries: &[(Key, Option<Committed>)]) -> Result<(), Error> {
        let text: Vec<(Vec<u8>, Vec<u8>)> =
            entries.iter().map(|(key, committed)| (json(key), committed.as_ref().map_or_else(Vec::new, json))).collect();
        let records: Vec<_> = text.iter().map(|(key, value)| NewRecord { key: Some(key), value }).collect();
        let batches = encode(&records, 0, self.batch_max)?;
        let appended = writers.submit(&self.log, batches, None).await.map_err(|_| Error::Closed)??;
        let mut known = self.known.write();
        for ((key, committed), place) in entries.iter().zip(appended.base_offset..) {
            put(&mut known, key, committed.clone(), place);
        }
        Ok(())
    }

    async fn compact(&self, writers: &Writers) -> Result<(), Error> {
        let live = |known: &BTreeMap<String, Group>| known.values().map(|group| group.len() as u64).sum::<u64>() * ENTRY_BYTES;
        if self.log.bytes() < COMPACT_BYTES_MIN.max(4 * live(&self.known.read())) {
            return Ok(());
        }
        let _alone = self.turn.write().await;
        let mut entries = Vec::new();
        for (group, offsets) in self.known.read().iter() {
            entries.extend(offsets.iter().map(|(place, kept)| (key(group, *place), Some(kept.committed.clone()))));
        }
        let log = self.log.clone();
        let base = tokio::task::spawn_blocking(move || log.roll_now()).await.map_err(|_| Error::Closed)??;
        if !entries.is_empty() {
            self.write(writers, &entries).await?;
        }
        let log = self.log.clone();
        tokio::task::spawn_blocking(move || log.remove_before(base)).await.map_err(|_| Error::Closed)?
    }
}

fn key(group: &str, (topic, partition): (Uuid, u32)) -> Key {
    Key { group: group.to_owned(), topic, partition }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts and numbers can always be written")
}

fn apply(known: &mut BTreeMap<String, Group>, key: &[u8], value: &[u8], place: i64) -> Result<(), Error> {
    let broken = |error: serde_json::Error| Error::Corrupt { place: format!("the offsets' log at {place}"), reason: error.to_string() };
    let key: Key = serde_json::from_slice(key).map_err(broken)?;
    let committed = if value.is_empty() { None } else { Some(serde_json::from_slice(value).map_err(broken)?) };
    put(known, &key, committed, place);
    Ok(())
}

fn put(known: &mut BTreeMap<String, Group>, key: &Key, committed: Option<Committed>, place: i64) {
    let at = (key.topic, key.partition);
    match committed {
        Some(committed) => {
            let group = known.entry(key.group.clone()).or_default();
            if group.get(&at).is_none_or(|kept| kept.place < place) {
                group.insert(at, Kept { committed, place });
            }
        }
        None => {
            if let Some(group) = known.get_mut(&key.group) {
                if group.get(&at).is_some_and(|kept| kept.place < place) {
                    group.remove(&at);
                }
                if group.is_empty() {
                    known.remove(&key.group);
                }
            }
        }
    }
}
