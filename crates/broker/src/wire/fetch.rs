//! Fetch: whole batches as they lie on disk, at once where there is enough, else when there is or the wait is over.
//! Refuses sessions, so every fetch names its partitions.

use super::refusal::code;
use super::{Bad, Call, Reply, Waiting, count};
use crate::broker::{blocking, share};
use crate::partition::Partition;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::select_all;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{FetchRequest, FetchResponse, TopicName};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

/// One partition of the request.
#[derive(Clone)]
struct Asked {
    index: i32,
    log: Result<Arc<Partition>, ResponseError>,
    offset: i64,
    max_bytes: usize,
}

/// What was found for it.
struct Found {
    index: i32,
    error: Option<ResponseError>,
    start: i64,
    end: i64,
    records: Bytes,
}

struct Topic {
    name: TopicName,
    id: Uuid,
    partitions: Vec<Asked>,
}

pub(super) fn begin(call: Call, request: FetchRequest, share: OwnedSemaphorePermit) -> Waiting {
    answer(call, request, share).boxed()
}

async fn answer(call: Call, request: FetchRequest, held: OwnedSemaphorePermit) -> Result<Option<Reply>, Bad> {
    if request.session_id != 0 {
        let refused = FetchResponse::default().with_error_code(ResponseError::FetchSessionIdNotFound.code());
        return call.encode(&refused, vec![held]).map(Some);
    }
    let limits = &call.inner().options.limits;
    let max_bytes = count(request.max_bytes).min(limits.fetch_bytes_max);
    let wait_ms = u64::try_from(request.max_wait_ms).unwrap_or(0).min(limits.fetch_wait_max_ms);
    let until = Instant::now() + Duration::from_millis(wait_ms);
    let topics: Vec<Topic> = request.topics.into_iter().map(|topic| resolve(&call, topic)).collect();
    let asked: Vec<Asked> = topics.iter().flat_map(|topic| topic.partitions.iter().cloned()).collect();
    let mut moves: Vec<watch::Receiver<i64>> = asked.iter().filter_map(|one| one.log.as_ref().ok()).map(|log| log.watch()).collect();
    let (found, reserved) = loop {
        moves.iter_mut().for_each(|end| _ = end.borrow_and_update());
        let ready = asked.iter().any(Asked::is_ready);
        let over = Instant::now() >= until;
        if ready || over {
            // Reserved before it is read; one batch is always allowed, so that a small limit cannot stop a consumer.
            let mut reserved =
                share(&call.inner().replies, max_bytes.max(limits.batch_max)).await.map_err(|error| Bad::new(error.to_string()))?;
            let asked = asked.clone();
            let found = blocking(move || Ok(read(&asked, max_bytes))).await.map_err(|error| Bad::new(error.to_string()))?;
            let bytes: usize = found.iter().map(|found| found.records.len()).sum();
            if over || bytes >= count(request.min_bytes) || found.iter().any(|found| found.error.is_some()) {
                let spare = reserved.num_permits().saturating_sub(bytes);
                drop(reserved.split(spare));
                break (found, reserved);
            }
        }
        let any = async {
            match moves.iter_mut().map(|end| end.changed().boxed()).collect::<Vec<_>>() {
                none if none.is_empty() => std::future::pending().await,
                ends => _ = select_all(ends).await,
            }
        };
        _ = timeout_at(until, any).await;
    };
    let response = FetchResponse::default().with_responses(rows(&call, topics, found));
    call.encode(&response, vec![held, reserved]).map(Some)
}

impl Asked {
    /// Whether there is something to say at once: records, or an error.
    fn is_ready(&self) -> bool {
        match &self.log {
            Ok(log) => self.offset != log.end() || log.is_gone(),
            Err(_) => true,
        }
    }
}

fn resolve(call: &Call, topic: kafka_protocol::messages::fetch_request::FetchTopic) -> Topic {
    let log = if call.version >= 13 {
        call.inner().log_by_id(topic.topic_id).ok_or(ResponseError::UnknownTopicId)
    } else {
        call.inner().log(&topic.topic).map_err(|error| code(&error))
    };
    let one = |asked: kafka_protocol::messages::fetch_request::FetchPartition| {
        let index = u32::try_from(asked.partition).unwrap_or(u32::MAX);
        let partition = log.as_ref().map_err(|error| *error).and_then(|log| log.partition(index).cloned().map_err(|error| code(&error)));
        let fenced = asked.current_leader_epoch > 0;
        let log = if fenced { Err(ResponseError::UnknownLeaderEpoch) } else { partition };
        Asked { index: asked.partition, log, offset: asked.fetch_offset, max_bytes: count(asked.partition_max_bytes) }
    };
    Topic { name: topic.topic, id: topic.topic_id, partitions: topic.partitions.into_iter().map(one).collect() }
}

/// Reads the partitions in their order until the bytes are used up. The first batch comes even if it is larger.
fn read(asked: &[Asked], max_bytes: usize) -> Vec<Found> {
    let mut left = max_bytes;
    let mut nothing_yet = true;
    asked.iter().map(|one| found(one, &mut left, &mut nothing_yet)).collect()
}

fn found(one: &Asked, left: &mut usize, nothing_yet: &mut bool) -> Found {
    let nothing = |error| Found { index: one.index, error, start: -1, end: -1, records: Bytes::new() };
    let log = match &one.log {
        Ok(log) => log,
        Err(error) => return nothing(Some(*error)),
    };
    let (start, end) = (log.start(), log.end());
    let budget = one.max_bytes.min(*left);
    if budget == 0 && !*nothing_yet {
        return Found { start, end, ..nothing(None) };
    }
    match log.read(one.offset, budget) {
        Ok((records, end)) => {
            let fits = records.len() <= budget || *nothing_yet;
            let records = if fits { records } else { Bytes::new() };
            *nothing_yet &= records.is_empty();
            *left = left.saturating_sub(records.len());
            Found { index: one.index, error: None, start, end, records }
        }
        Err(error) => Found { start, end, ..nothing(Some(code(&error))) },
    }
}

fn rows(call: &Call, topics: Vec<Topic>, found: Vec<Found>) -> Vec<FetchableTopicResponse> {
    let mut found = found.into_iter();
    let mut partition = || {
        let found = found.next()?;
        let row = PartitionData::default()
            .with_partition_index(found.index)
            .with_error_code(found.error.map_or(0, |error| error.code()))
            .with_high_watermark(found.end)
            .with_last_stable_offset(found.end)
            .with_aborted_transactions(None)
            .with_records(Some(found.records));
        Some(if call.version >= 5 { row.with_log_start_offset(found.start) } else { row })
    };
    let row = |topic: Topic| {
        let partitions = topic.partitions.iter().map_while(|_| partition()).collect();
        let row = FetchableTopicResponse::default().with_partitions(partitions);
        if call.version >= 13 { row.with_topic_id(topic.id) } else { row.with_topic(topic.name) }
    };
    topics.into_iter().map(row).collect()
}
