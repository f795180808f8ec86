//! A member of the consumer group: partitions come and go, and each that came has a worker with a queue of its own.
//! Refuses to read before the worker has claimed the partition: until then it is paused.

use super::{ASK_MAX, KafkaOptions, bounds, read, unreachable};
use crate::guard::Bounds;
use crate::partitions::Place;
use crate::record::{Batch, ReadLimit};
use crate::source::{PartitionLog, Trouble};
use crate::workers::Workers;
use kernel::GameId;
use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

/// The group's thread looks this often whether it is to stop or to subscribe anew.
const LOOK: Duration = Duration::from_millis(100);
/// Offsets are told to Kafka, for its own tools, this often at most.
const NOTE_EVERY: Duration = Duration::from_secs(2);
/// A partition that was just assigned may refuse to be sought in for a moment.
const SEEK_TRIES: u32 = 50;

/// Which game a topic belongs to.
pub(crate) type GameOf = Arc<dyn Fn(&str) -> Option<GameId> + Send + Sync>;

/// What callbacks of the client need.
pub(crate) struct Context {
    options: KafkaOptions,
    workers: Arc<Workers>,
    games: GameOf,
    consumer: OnceLock<Weak<BaseConsumer<Context>>>,
    /// Ends of partitions as the client last heard of them.
    ends: Mutex<BTreeMap<Place, i64>>,
}

impl ClientContext for Context {
    fn stats(&self, statistics: Statistics) {
        let mut ends = self.ends.lock();
        for topic in statistics.topics.values() {
            for partition in topic.partitions.values().filter(|partition| partition.hi_offset >= 0) {
                ends.insert(Place::new(&topic.topic, partition.partition), partition.hi_offset);
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "the Kafka client met trouble");
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, err: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let changed = match err {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(consumer, partitions),
            _ => self.revoke(consumer, partitions),
        };
        if let Err(error) = changed {
            tracing::error!(%error, "partitions could not be taken or given back");
        }
    }
}

impl Context {
    fn assign(&self, consumer: &BaseConsumer<Context>, partitions: &mut TopicPartitionList) -> KafkaResult<()> {
        // The worker says where; nothing is fetched before that. A logical offset would be asked for, and its answer may come after the
        // worker has said so, as when a broker is started again: then the client would read from there.
        partitions.set_all_offsets(Offset::Offset(0))?;
        let shared = self.consumer.get().and_then(Weak::upgrade);
        let mut queues = Vec::new();
        for place in places(partitions) {
            // A queue that is split off before it is assigned gets every record.
            let queue = shared.as_ref().and_then(|shared| shared.split_partition_queue(&place.topic, place.partition));
            queues.push((place, queue));
        }
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions)?,
            _ => consumer.assign(partitions)?,
        }
        consumer.pause(partitions)?;
        // A client that is being closed may be given what another one left; nobody reads it here any more.
        let Some(consumer) = shared else { return Ok(()) };
        for (place, queue) in queues {
            let (Some(queue), Some(game)) = (queue, (self.games)(&place.topic)) else {
                tracing::error!(%place, "a partition was assigned that no game has");
                continue;
            };
            let log = Partition {
                consumer: consumer.clone(),
                queue,
                place: place.clone(),
                next: 0,
                noted: (0, Instant::now()),
                is_paused: true,
                doubt: Doubt::default(),
            };
            self.workers.start(&place, &game, Box::new(log));
        }
        Ok(())
    }

    fn revoke(&self, consumer: &BaseConsumer<Context>, partitions: &TopicPartitionList) -> KafkaResult<()> {
        self.workers.stop(&places(partitions));
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
            _ => consumer.unassign(),
        }
    }
}

fn places(partitions: &TopicPartitionList) -> Vec<Place> {
    partitions.elements().iter().map(|one| Place::new(one.topic(), one.partition())).collect()
}

/// A partition the group gave us.
struct Partition {
    consumer: Arc<BaseConsumer<Context>>,
    queue: PartitionQueue<Context>,
    place: Place,
    next: i64,
    noted: (i64, Instant),
    is_paused: bool,
    doubt: Doubt,
}

/// Whether the client reads on where it was told to. It has been seen to go on elsewhere after a broker was started again, and records
/// that are passed over would never be counted.
#[derive(Default)]
struct Doubt {
    /// Nothing has come since the last seek.
    is_fresh: bool,
    /// The offset at which a gap was met once already; met again it is the log's own.
    met: Option<i64>,
    /// Since when nothing came, although the log goes on.
    quiet_since: Option<Instant>,
}

/// Records that are there and do not come for so long are sought again.
const QUIET_MAX: Duration = Duration::from_secs(5);

impl Doubt {
    fn gap_max(&self, next: i64) -> i64 {
        match (self.met == Some(next), self.is_fresh) {
            (true, _) => i64::MAX,
            (false, true) => 0,
            (false, false) => super::GAP_MAX,
        }
    }
}

impl Partition {
    /// Reads on where the worker is, once more.
    fn seek_again(&mut self, why: &str) -> Result<(), Trouble> {
        tracing::warn!(place = %self.place, next = self.next, why, "the Kafka client is told again where to read on");
        self.seek(self.next)
    }

    fn alone(&self, offset: Offset) -> Result<TopicPartitionList, Trouble> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.place.topic, self.place.partition, offset).map_err(|e| unreachable(&e))?;
        Ok(list)
    }
}

impl PartitionLog for Partition {
    fn bounds(&mut self) -> Result<Bounds, Trouble> {
        let context = self.consumer.context();
        let bounds = bounds(&context.options, &self.consumer, &self.place.topic, self.place.partition)?;
        // The client's own word of it comes within a second: until then a backlog would look like none.
        context.ends.lock().insert(self.place.clone(), bounds.end);
        Ok(bounds)
    }

    fn seek(&mut self, offset: i64) -> Result<(), Trouble> {
        let mut tries = 0;
        while let Err(error) = self.consumer.seek(&self.place.topic, self.place.partition, Offset::Offset(offset), ASK_MAX) {
            tries += 1;
            let is_settling = matches!(
                error.rdkafka_error_code(),
                Some(RDKafkaErrorCode::State | RDKafkaErrorCode::InProgress | RDKafkaErrorCode::Outdated)
            );
            if !is_settling || tries >= SEEK_TRIES {
                return Err(unreachable(&error));
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        self.next = offset;
        (self.doubt.is_fresh, self.doubt.quiet_since) = (true, None);
        if self.is_paused {
            self.consumer.resume(&self.alone(Offset::Invalid)?).map_err(|e| unreachable(&e))?;
            self.is_paused = false;
        }
        Ok(())
    }

    fn read(&mut self, batch: &mut Batch, limit: &ReadLimit, wait: Duration) -> Result<(), Trouble> {
        let due = self.next;
        let gap_max = self.doubt.gap_max(due);
        let jumped = read(|wait| self.queue.poll(wait), batch, limit, wait, &mut self.next, gap_max)?;
        if self.next > due {
            self.doubt = Doubt::default();
        }
        if let Some(found) = jumped {
            self.doubt.met = Some(self.next);
            return self.seek_again(&format!("the record at {found} came instead"));
        }
        let is_waiting = self.next == due && self.end().is_some_and(|end| end > self.next);
        match self.doubt.quiet_since {
            _ if !is_waiting => self.doubt.quiet_since = None,
            None => self.doubt.quiet_since = Some(Instant::now()),
            Some(since) if since.elapsed() > QUIET_MAX => return self.seek_again("there are records, and none comes"),
            Some(_) => {}
        }
        Ok(())
    }

    fn end(&self) -> Option<i64> {
        let heard = self.consumer.context().ends.lock().get(&self.place).copied();
        Some(heard.unwrap_or(0).max(self.next))
    }

    fn note(&mut self, next: i64) {
        let (noted, at) = self.noted;
        if next == noted || at.elapsed() < NOTE_EVERY {
            return;
        }
        self.noted = (next, Instant::now());
        let Ok(list) = self.alone(Offset::Offset(next)) else { return };
        if let Err(error) = self.consumer.commit(&list, CommitMode::Async) {
            tracing::debug!(place = %self.place, %error, "Kafka did not note an offset");
        }
    }
}

/// This process as a member of the group.
pub(crate) struct Member {
    stopping: Arc<AtomicBool>,
    topics: Arc<Mutex<Vec<String>>>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Member {
    /// Joins the group once there are topics to read.
    pub(crate) fn join(options: &KafkaOptions, workers: Arc<Workers>, games: GameOf) -> Result<Member, Trouble> {
        let mut config = options.consumer();
        config.set("group.id", &options.group);
        config.set("partition.assignment.strategy", "cooperative-sticky");
        config.set("statistics.interval.ms", "1000");
        options.further(&mut config);
        let context =
            Context { options: options.clone(), workers: workers.clone(), games, consumer: OnceLock::new(), ends: Mutex::default() };
        let consumer: BaseConsumer<Context> = config.create_with_context(context).map_err(|e| unreachable(&e))?;
        let consumer = Arc::new(consumer);
        // Set once, here.
        let _ = consumer.context().consumer.set(Arc::downgrade(&consumer));
        let (stopping, topics) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (stop, wanted) = (stopping.clone(), topics.clone());
        let member = std::thread::Builder::new().name("kafka group".to_owned()).spawn(move || serve(consumer, &workers, &stop, &wanted));
        let thread = member.map_err(|e| Trouble::Unreachable(format!("no thread for the Kafka group: {e}")))?;
        Ok(Member { stopping, topics, thread: Mutex::new(Some(thread)) })
    }

    /// Reads these topics from now on.
    pub(crate) fn subscribe(&self, topics: Vec<String>) {
        *self.topics.lock() = topics;
    }

    /// Writes what was stepped, leaves the group. Blocks.
    pub(crate) fn leave(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.lock().take() {
            // It logs its own troubles.
            drop(thread.join());
        }
    }
}

/// Serves the client's callbacks until it is told to stop.
fn serve(consumer: Arc<BaseConsumer<Context>>, workers: &Workers, stop: &AtomicBool, wanted: &Mutex<Vec<String>>) {
    let mut subscribed: Vec<String> = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let topics = wanted.lock().clone();
        if topics != subscribed {
            let names: Vec<&str> = topics.iter().map(String::as_str).collect();
            match consumer.subscribe(&names) {
                Ok(()) => subscribed = topics,
                Err(error) => tracing::warn!(%error, "the topics cannot be subscribed to"),
            }
        }
        // Records come by the partitions' own queues; what comes here are callbacks and troubles.
        if let Some(Err(error)) = consumer.poll(LOOK) {
            tracing::warn!(%error, "the Kafka group met trouble");
        }
    }
    workers.stop_all();
    drop(consumer);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_right_after_a_seek_is_doubted_once_and_then_taken_as_the_logs_own() {
        let sought = Doubt { is_fresh: true, ..Doubt::default() };
        assert_eq!(sought.gap_max(7), 0);
        let again = Doubt { met: Some(7), ..sought };
        assert_eq!((again.gap_max(7), again.gap_max(8)), (i64::MAX, 0));
        assert_eq!(Doubt::default().gap_max(7), super::super::GAP_MAX, "markers of transactions are no reason for doubt");
    }
}
