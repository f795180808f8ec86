//! Where partitions begin and end, what lies at a moment, and how far groups have come.
//! Refuses commits of members that are not in their group any more.

use super::groups::who;
use super::refusal::{code, number};
use super::{Call, text};
use crate::batch::Header;
use crate::broker::{TopicLog, blocking};
use crate::chunk::Chunk;
use crate::options::Limits;
use crate::partition::Partition;
use crate::{Committed, Error};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{
    GroupId, ListOffsetsRequest, ListOffsetsResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
    TopicName,
};
use kernel::Instant;
use std::collections::BTreeMap;
use std::sync::Arc;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const NEWEST_STAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

/// What was found, by topic and partition.
type Rows = Vec<(TopicName, Vec<(i32, Option<Committed>)>)>;

pub(super) async fn list(call: Call, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let log = call.inner().log(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in topic.partitions {
            partitions.push(list_one(&call, log.as_ref(), asked).await);
        }
        topics.push(ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions));
    }
    ListOffsetsResponse::default().with_topics(topics)
}

async fn list_one(call: &Call, log: Result<&Arc<TopicLog>, &Error>, asked: ListOffsetsPartition) -> ListOffsetsPartitionResponse {
    let row = ListOffsetsPartitionResponse::default().with_partition_index(asked.partition_index);
    let index = u32::try_from(asked.partition_index).unwrap_or(u32::MAX);
    let partition = log.map_err(code).and_then(|log| log.partition(index).cloned().map_err(|error| code(&error)));
    let found = match partition {
        Ok(partition) => at(call, partition, asked.timestamp).await.map_err(|error| code(&error)),
        Err(error) => Err(error),
    };
    match found {
        Ok(Some((offset, timestamp))) => {
            let row = row.with_offset(offset).with_timestamp(timestamp);
            if call.version >= 4 { row.with_leader_epoch(0) } else { row }
        }
        Ok(None) => row,
        Err(error) => row.with_error_code(error.code()),
    }
}

/// Offset and stamp for a moment or one of the moments with a name.
async fn at(call: &Call, partition: Arc<Partition>, timestamp: i64) -> Result<Option<(i64, i64)>, Error> {
    let inner = call.inner().clone();
    match timestamp {
        LATEST => Ok(Some((partition.end(), -1))),
        EARLIEST | EARLIEST_LOCAL => Ok(Some((partition.start(), -1))),
        LATEST_TIERED => Ok(None),
        NEWEST_STAMP => {
            blocking(move || {
                partition.newest()?.map_or(Ok(None), |batch| within(&partition, &batch, batch.max_time, &inner.options.limits))
            })
            .await
        }
        at_ms => {
            blocking(move || partition.batch_at(at_ms)?.map_or(Ok(None), |batch| within(&partition, &batch, at_ms, &inner.options.limits)))
                .await
        }
    }
}

/// The first record of a batch whose stamp is not before `at_ms`.
fn within(partition: &Partition, batch: &Header, at_ms: i64, limits: &Limits) -> Result<Option<(i64, i64)>, Error> {
    let (raw, end) = partition.read(batch.base_offset, 1)?;
    let chunk = Chunk::new(&raw, batch.base_offset, end, 1, limits)?;
    for record in chunk.records() {
        let record = record?;
        if record.appended_at.0.div_euclid(1_000) >= at_ms {
            return Ok(Some((record.offset, record.appended_at.0.div_euclid(1_000))));
        }
    }
    Ok(Some((batch.base_offset, batch.max_time)))
}

pub(super) async fn commit(call: Call, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let who = who(request.generation_id_or_member_epoch, &request.member_id, request.group_instance_id.as_ref());
    let refused = call.inner().groups.may_commit(&request.group_id, &who).err();
    let mut entries = Vec::new();
    let mut answers = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        answers.push(take(&call, topic, refused, &mut entries));
    }
    let stored = match refused {
        Some(_) => Ok(()),
        None => call.inner().offsets.commit(&call.inner().writers, &request.group_id, entries).await,
    };
    let failed = stored.err().map_or(0, |error| code(&error).code());
    let mut topics = Vec::with_capacity(answers.len());
    for (name, partitions) in answers {
        let row = |(index, code): (i32, i16)| {
            OffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(if code == 0 { failed } else { code })
        };
        topics.push(OffsetCommitResponseTopic::default().with_name(name).with_partitions(partitions.into_iter().map(row).collect()));
    }
    OffsetCommitResponse::default().with_topics(topics)
}

type Entries = Vec<((uuid::Uuid, u32), Committed)>;

/// Collects what of a topic may be committed, and says per partition what may not.
fn take(
    call: &Call,
    topic: OffsetCommitRequestTopic,
    refused: Option<ResponseError>,
    entries: &mut Entries,
) -> (TopicName, Vec<(i32, i16)>) {
    let log = call.inner().log(&topic.name);
    let at = Instant(call.inner().options.clock.now_ms().saturating_mul(1_000));
    let mut one = |asked: OffsetCommitRequestPartition| {
        let index = u32::try_from(asked.partition_index).unwrap_or(u32::MAX);
        let note = asked.committed_metadata.map(|note| note.to_string()).unwrap_or_default();
        let checked = match (&refused, &log) {
            (Some(refused), _) => Err(*refused),
            (None, Err(error)) => Err(code(error)),
            (None, Ok(_)) if note.len() > call.inner().options.limits.offset_note_max => Err(ResponseError::OffsetMetadataTooLarge),
            (None, Ok(log)) => log.partition(index).map(|_| log.topic.id).map_err(|error| code(&error)),
        };
        let committed = checked.map(|id| {
            let (offset, epoch) = (asked.committed_offset, asked.committed_leader_epoch);
            entries.push(((id, index), Committed { offset, epoch, note, at }));
        });
        (asked.partition_index, number(committed))
    };
    let partitions = topic.partitions.into_iter().map(&mut one).collect();
    (topic.name, partitions)
}

pub(super) async fn fetch(call: Call, request: OffsetFetchRequest) -> OffsetFetchResponse {
    if call.version < 8 {
        let wanted = request.topics.map(|topics| topics.into_iter().map(|topic| (topic.name, topic.partition_indexes)).collect());
        let topics = found(&call, &request.group_id, wanted).into_iter().map(|(name, rows)| {
            let rows = rows.into_iter().map(|(index, committed)| old_row(&call, index, committed)).collect();
            OffsetFetchResponseTopic::default().with_name(name).with_partitions(rows)
        });
        return OffsetFetchResponse::default().with_topics(topics.collect());
    }
    let groups = request.groups.into_iter().map(|group| {
        let wanted = group.topics.map(|topics| topics.into_iter().map(|topic| (topic.name, topic.partition_indexes)).collect());
        let topics = found(&call, &group.group_id, wanted).into_iter().map(|(name, rows)| {
            let rows = rows.into_iter().map(|(index, committed)| row(index, committed)).collect();
            OffsetFetchResponseTopics::default().with_name(name).with_partitions(rows)
        });
        OffsetFetchResponseGroup::default().with_group_id(group.group_id).with_topics(topics.collect())
    });
    OffsetFetchResponse::default().with_groups(groups.collect())
}

/// The offsets of a group in the partitions asked for, or in all it has committed in.
fn found(call: &Call, group: &GroupId, wanted: Option<Vec<(TopicName, Vec<i32>)>>) -> Rows {
    let inner = call.inner();
    if let Some(wanted) = wanted {
        let get = |name: &TopicName, index: i32| {
            let log = inner.log(name).ok()?;
            inner.offsets.get(group, (log.topic.id, u32::try_from(index).ok()?))
        };
        let topic = |(name, indexes): (TopicName, Vec<i32>)| {
            let rows = indexes.into_iter().map(|index| (index, get(&name, index))).collect();
            (name, rows)
        };
        return wanted.into_iter().map(topic).collect();
    }
    let mut rows: BTreeMap<TopicName, Vec<(i32, Option<Committed>)>> = BTreeMap::new();
    for ((topic, partition), committed) in inner.offsets.of(group) {
        if let Some(log) = inner.log_by_id(topic) {
            let index = i32::try_from(partition).unwrap_or(i32::MAX);
            rows.entry(TopicName(text(&log.topic.name))).or_default().push((index, Some(committed)));
        }
    }
    rows.into_iter().collect()
}

fn old_row(call: &Call, index: i32, committed: Option<Committed>) -> OffsetFetchResponsePartition {
    let row = OffsetFetchResponsePartition::default().with_partition_index(index);
    match committed {
        Some(committed) => {
            let row = row.with_committed_offset(committed.offset).with_metadata(Some(text(&committed.note)));
            if call.version >= 5 { row.with_committed_leader_epoch(committed.epoch) } else { row }
        }
        None => row.with_committed_offset(-1),
    }
}

fn row(index: i32, committed: Option<Committed>) -> OffsetFetchResponsePartitions {
    let row = OffsetFetchResponsePartitions::default().with_partition_index(index);
    match committed {
        Some(committed) => row
            .with_committed_offset(committed.offset)
            .with_metadata(Some(text(&committed.note)))
            .with_committed_leader_epoch(committed.epoch),
        None => row.with_committed_offset(-1),
    }
}
