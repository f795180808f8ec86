//! The log as the rest of the process uses it: topics, appends that return when durable, reads, waiting, offsets.
//! Refuses to block a thread that serves others: whatever touches the disk runs elsewhere.

mod changes;
mod housekeeping;

use crate::batch::{RawBatch, encode};
use crate::chunk::Chunk;
use crate::committed;
use crate::folder::Folder;
use crate::group::Groups;
use crate::partition::{Appended, Partition, Settings};
use crate::topics::{Catalogue, topic_folder};
use crate::writer::Writers;
use crate::{Committed, Error, NewRecord, Options, Topic};
use bytes::Bytes;
use kernel::Instant;
use parking_lot::RwLock;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

/// Which offsets a partition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offsets {
    /// The first offset that is there.
    pub start: i64,
    /// The offset after the last durable record.
    pub end: i64,
}

/// The log. Cheap to clone; the last clone dropped closes it.
#[derive(Clone)]
pub struct Broker {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) cluster: String,
    catalogue: tokio::sync::Mutex<Catalogue>,
    logs: RwLock<Logs>,
    producers: parking_lot::Mutex<std::ops::Range<i64>>,
    pub(crate) writers: Writers,
    pub(crate) offsets: committed::Offsets,
    pub(crate) groups: Groups,
    /// Bytes of requests and appends under way.
    pub(crate) inflight: Arc<Semaphore>,
    /// Bytes of records on their way to consumers.
    pub(crate) replies: Arc<Semaphore>,
    // Dropped last: nobody else may open the folder while a writer runs.
    folder: Folder,
}

#[derive(Default)]
struct Logs {
    by_name: BTreeMap<String, Arc<TopicLog>>,
    by_id: HashMap<Uuid, Arc<TopicLog>>,
}

/// A topic and its partitions.
pub(crate) struct TopicLog {
    pub(crate) topic: Topic,
    pub(crate) partitions: Vec<Arc<Partition>>,
}

impl TopicLog {
    pub(crate) fn partition(&self, index: u32) -> Result<&Arc<Partition>, Error> {
        let (topic, last) = (self.topic.name.clone(), self.topic.partitions.saturating_sub(1));
        self.partitions.get(index as usize).ok_or(Error::UnknownPartition { topic, partition: index, last })
    }
}

impl Broker {
    /// Opens the log in a folder, or begins one, and takes the folder for this process.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] when another process has it, [`Error::BadSetting`], [`Error::Corrupt`] when a closed segment is damaged, [`Error::Io`].
    pub async fn open(folder: impl AsRef<Path>, options: Options) -> Result<Broker, Error> {
        options.check()?;
        let folder = folder.as_ref().to_owned();
        let inner = blocking(move || Inner::open(&folder, options)).await?;
        let broker = Broker { inner: Arc::new(inner) };
        housekeeping::start(&broker.inner);
        Ok(broker)
    }

    /// The topics, by name.
    pub fn topics(&self) -> Vec<Topic> {
        self.inner.logs.read().by_name.values().map(|log| log.topic.clone()).collect()
    }

    /// One topic, if there is one of this name.
    pub fn topic(&self, name: &str) -> Option<Topic> {
        self.inner.log(name).ok().map(|log| log.topic.clone())
    }

    /// Appends records and returns the first one's offset when all are durable. Many are split into batches that lie one after the other.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownTopic`], [`Error::UnknownPartition`], [`Error::TooLarge`] when one record is larger than `batch_max`, or all
    /// together larger than `inflight_bytes_max`; [`Error::Io`] when the disk refused: then none of them is in the log.
    pub async fn append(&self, topic: &str, partition: u32, records: &[NewRecord<'_>]) -> Result<i64, Error> {
        let partition = self.inner.partition(topic, partition)?;
        let limits = &self.inner.options.limits;
        let bytes: usize = records.iter().map(|record| record.value.len() + record.key.map_or(0, <[u8]>::len) + 16).sum();
        if bytes > limits.inflight_bytes_max {
            return Err(Error::TooLarge { bytes: bytes as u64, limit: limits.inflight_bytes_max as u64 });
        }
        let share = share(&self.inner.inflight, bytes).await?;
        let batches = encode(records, self.inner.options.clock.now_ms(), limits.batch_max)?;
        let appended = self.inner.writers.submit(&partition, batches, Some(share)).await.map_err(|_| Error::Closed)??;
        Ok(appended.base_offset)
    }

    /// Appends one batch that a Kafka producer made. Errors as [`RawBatch::check`] and [`Broker::append`], [`Error::OutOfOrder`], [`Error::Fenced`].
    pub async fn append_batch(&self, topic: &str, partition: u32, batch: Bytes) -> Result<Appended, Error> {
        let partition = self.inner.partition(topic, partition)?;
        let share = share(&self.inner.inflight, batch.len()).await?;
        let batch = self.inner.clone().check(batch).await?;
        self.inner.writers.submit(&partition, vec![batch], Some(share)).await.map_err(|_| Error::Closed)?
    }

    /// Durable records from `offset` on: whole batches of about `max_bytes` unpacked, at least one where there is one. Empty at the end of the log.
    ///
    /// # Errors
    ///
    /// [`Error::OffsetOutOfRange`], [`Error::UnknownTopic`], [`Error::UnknownPartition`], [`Error::Corrupt`], [`Error::Io`].
    pub async fn read(&self, topic: &str, partition: u32, offset: i64, max_bytes: usize) -> Result<Chunk, Error> {
        let (partition, inner) = (self.inner.partition(topic, partition)?, self.inner.clone());
        blocking(move || {
            let (raw, end) = partition.read(offset, max_bytes)?;
            Chunk::new(&raw, offset, end, max_bytes, &inner.options.limits)
        })
        .await
    }

    /// Returns when the record at `offset` is durable, and says where the log then ends.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownTopic`] (also when it is deleted meanwhile), [`Error::UnknownPartition`].
    pub async fn wait(&self, topic: &str, partition: u32, offset: i64) -> Result<i64, Error> {
        let partition = self.inner.partition(topic, partition)?;
        let mut end = partition.watch();
        let seen = end.wait_for(|end| *end > offset || partition.is_gone()).await.map(|end| *end).map_err(|_| Error::Closed)?;
        if partition.is_gone() { Err(Error::UnknownTopic(topic.to_owned())) } else { Ok(seen) }
    }

    /// Where a partition begins and ends. Errors: [`Error::UnknownTopic`], [`Error::UnknownPartition`].
    pub fn offsets(&self, topic: &str, partition: u32) -> Result<Offsets, Error> {
        let partition = self.inner.partition(topic, partition)?;
        Ok(Offsets { start: partition.start(), end: partition.end() })
    }

    /// The first offset of the first batch whose newest record was appended at `at` or later; none when all are older.
    /// Errors as [`Broker::read`].
    pub async fn offset_at(&self, topic: &str, partition: u32, at: Instant) -> Result<Option<i64>, Error> {
        let partition = self.inner.partition(topic, partition)?;
        // Stamps are whole milliseconds: the first that is not before `at` is rounded up.
        let at_ms = at.0.div_euclid(1_000) + i64::from(at.0.rem_euclid(1_000) > 0);
        blocking(move || Ok(partition.batch_at(at_ms)?.map(|header| header.base_offset))).await
    }

    /// How far a group has come, as it was last committed.
    pub fn committed(&self, group: &str, topic: &str, partition: u32) -> Option<Committed> {
        let log = self.inner.log(topic).ok()?;
        self.inner.offsets.get(group, (log.topic.id, partition))
    }

    /// Commits an offset for a group that is not managed through Kafka's protocol; durable when it returns.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownTopic`], [`Error::UnknownPartition`], [`Error::Limit`], [`Error::Io`].
    pub async fn commit(&self, group: &str, topic: &str, partition: u32, offset: i64) -> Result<(), Error> {
        let log = self.inner.log(topic)?;
        log.partition(partition)?;
        let at = Instant(self.inner.options.clock.now_ms().saturating_mul(1_000));
        let committed = Committed { offset, epoch: -1, note: String::new(), at };
        self.inner.offsets.commit(&self.inner.writers, group, vec![((log.topic.id, partition), committed)]).await
    }

    /// Removes what is too old or too much now, instead of when it is next due. Returns how many segments went.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub async fn retain(&self) -> Result<usize, Error> {
        let inner = self.inner.clone();
        blocking(move || inner.retain()).await
    }

    /// Finishes the appends that wait and refuses new ones.
    pub async fn close(&self) {
        let inner = self.inner.clone();
        let closed = blocking(move || {
            inner.writers.close();
            Ok(())
        });
        if let Err(error) = closed.await {
            tracing::error!(%error, "closing the log");
        }
    }
}

impl Inner {
    fn open(path: &Path, options: Options) -> Result<Inner, Error> {
        let folder = Folder::lock(path)?;
        let catalogue = Catalogue::load(path)?;
        catalogue.save(path)?;
        remove_unnamed(path, &catalogue)?;
        let writers = Writers::start(options.writers, &options.clock)?;
        let offsets = committed::Offsets::open(path, &options)?;
        let (limits, cluster) = (&options.limits, catalogue.cluster.clone());
        let inner = Inner {
            cluster,
            logs: RwLock::default(),
            producers: parking_lot::Mutex::new(0..0),
            writers,
            offsets,
            groups: Groups::new(&options),
            inflight: Arc::new(Semaphore::new(limits.inflight_bytes_max)),
            replies: Arc::new(Semaphore::new(limits.reply_bytes_max)),
            folder,
            options,
            catalogue: tokio::sync::Mutex::new(catalogue.clone()),
        };
        for topic in catalogue.topics.values() {
            let log = inner.open_topic(topic)?;
            inner.show(Arc::new(log));
        }
        Ok(inner)
    }

    pub(crate) fn log(&self, topic: &str) -> Result<Arc<TopicLog>, Error> {
        self.logs.read().by_name.get(topic).cloned().ok_or_else(|| Error::UnknownTopic(topic.to_owned()))
    }

    pub(crate) fn log_by_id(&self, id: Uuid) -> Option<Arc<TopicLog>> {
        self.logs.read().by_id.get(&id).cloned()
    }

    pub(crate) fn partition(&self, topic: &str, partition: u32) -> Result<Arc<Partition>, Error> {
        self.log(topic)?.partition(partition).cloned()
    }

    /// Checks a batch: packed ones away from the threads that serve connections.
    pub(crate) async fn check(self: Arc<Inner>, batch: Bytes) -> Result<RawBatch, Error> {
        if RawBatch::is_packed(&batch) {
            blocking(move || RawBatch::check(batch, &self.options.limits)).await
        } else {
            RawBatch::check(batch, &self.options.limits)
        }
    }

    fn open_topic(&self, topic: &Topic) -> Result<TopicLog, Error> {
        let name: Arc<str> = topic.name.as_str().into();
        let folder = topic_folder(&self.folder.path, topic);
        let open = |index: u32| {
            let lane = usize::try_from(topic.id.as_u128() % 1_000).unwrap_or(0) + index as usize;
            let settings = Settings::of(&topic.config, &self.options);
            Partition::open(folder.join(index.to_string()), name.clone(), index, lane, settings).map(Arc::new)
        };
        Ok(TopicLog { topic: topic.clone(), partitions: (0..topic.partitions).map(open).collect::<Result<_, _>>()? })
    }

    fn show(&self, log: Arc<TopicLog>) {
        let mut logs = self.logs.write();
        logs.by_id.insert(log.topic.id, log.clone());
        logs.by_name.insert(log.topic.name.clone(), log);
    }

    fn hide(&self, topic: &Topic) {
        let mut logs = self.logs.write();
        logs.by_name.remove(&topic.name);
        if let Some(log) = logs.by_id.remove(&topic.id) {
            log.partitions.iter().for_each(|partition| partition.leave());
        }
    }
}

/// Runs what touches the disk away from the threads that serve others.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let failed = |error: tokio::task::JoinError| Error::Io { what: "working on the log".to_owned(), reason: error.to_string() };
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

/// Waits for so many bytes of a bounded memory.
pub(crate) async fn share(of: &Arc<Semaphore>, bytes: usize) -> Result<OwnedSemaphorePermit, Error> {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    of.clone().acquire_many_owned(bytes).await.map_err(|_| Error::Closed)
}

/// Folders of topics that were deleted, or never quite created, before a crash.
fn remove_unnamed(path: &Path, catalogue: &Catalogue) -> Result<(), Error> {
    let named: Vec<PathBuf> = catalogue.topics.values().map(|topic| topic_folder(path, topic)).collect();
    let Ok(entries) = std::fs::read_dir(path.join("topics")) else { return Ok(()) };
    for entry in entries.flatten().map(|entry| entry.path()).filter(|folder| !named.contains(folder)) {
        std::fs::remove_dir_all(&entry).map_err(|error| Error::io("removing", &entry, &error))?;
    }
    Ok(())
}
