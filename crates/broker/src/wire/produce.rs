//! Produce: batches are checked and queued when the request is read, and answered when they are durable.
//! Refuses transactions, and formats older than the second.

use super::refusal::{code, told};
use super::{Bad, Call, Reply, Waiting};
use crate::broker::TopicLog;
use crate::writer::Outcome;
use crate::{Appended, Error};
use bytes::{Buf, BufMut, Bytes};
use futures::FutureExt;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse, ProducerId, TopicName};
use kafka_protocol::protocol::StrBytes;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// A batch that is queued, or was refused.
enum Queued {
    Waits(oneshot::Receiver<Outcome>),
    Refused(ResponseError, StrBytes),
}

struct Topic {
    name: TopicName,
    id: uuid::Uuid,
    partitions: Vec<(i32, Queued)>,
}

/// Queues every batch in the order of the request.
pub(super) async fn begin(call: Call, request: ProduceRequest, share: OwnedSemaphorePermit) -> Waiting {
    let refused = match (request.acks, &request.transactional_id) {
        (-1..=1, None) => None,
        (-1..=1, Some(_)) => Some((ResponseError::InvalidTxnState, told(&Error::Transactional))),
        (acks, _) => {
            Some((ResponseError::InvalidRequiredAcks, StrBytes::from_string(format!("acks {acks} cannot be: -1, 0 or 1 would be right"))))
        }
    };
    let mut topics = Vec::with_capacity(request.topic_data.len());
    for topic in request.topic_data {
        topics.push(queue(&call, topic, refused.as_ref()).await);
    }
    finish(call, topics, request.acks, share).boxed()
}

async fn queue(call: &Call, topic: TopicProduceData, refused: Option<&(ResponseError, StrBytes)>) -> Topic {
    let unknown_id = || (ResponseError::UnknownTopicId, StrBytes::from_static_str("no topic has this id"));
    let log = match refused {
        Some(refused) => Err(refused.clone()),
        None if call.version >= 13 => call.inner().log_by_id(topic.topic_id).ok_or_else(unknown_id),
        None => call.inner().log(&topic.name).map_err(|error| (code(&error), told(&error))),
    };
    let mut partitions = Vec::with_capacity(topic.partition_data.len());
    for partition in topic.partition_data {
        let index = partition.index;
        let queued = match &log {
            Ok(log) => enqueue(call, log, partition).await.unwrap_or_else(|error| Queued::Refused(code(&error), told(&error))),
            Err((code, told)) => Queued::Refused(*code, told.clone()),
        };
        partitions.push((index, queued));
    }
    Topic { name: topic.name, id: topic.topic_id, partitions }
}

async fn enqueue(call: &Call, log: &Arc<TopicLog>, data: PartitionProduceData) -> Result<Queued, Error> {
    let partition = log.partition(u32::try_from(data.index).unwrap_or(u32::MAX))?;
    let batch = call.inner().clone().check(data.records.unwrap_or_default()).await?;
    Ok(Queued::Waits(call.inner().writers.submit(partition, vec![batch], None)))
}

async fn finish(call: Call, topics: Vec<Topic>, acks: i16, share: OwnedSemaphorePermit) -> Result<Option<Reply>, Bad> {
    let mut responses = Vec::with_capacity(topics.len());
    for topic in topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for (index, queued) in topic.partitions {
            let outcome = match queued {
                Queued::Waits(outcome) => outcome.await.unwrap_or(Err(Error::Closed)).map_err(|error| (code(&error), told(&error))),
                Queued::Refused(code, told) => Err((code, told)),
            };
            partitions.push(partition(&call, index, outcome));
        }
        let response = TopicProduceResponse::default().with_partition_responses(partitions);
        responses.push(if call.version >= 13 { response.with_topic_id(topic.id) } else { response.with_name(topic.name) });
    }
    if acks == 0 {
        return Ok(None);
    }
    call.encode(&ProduceResponse::default().with_responses(responses), vec![share]).map(Some)
}

fn partition(call: &Call, index: i32, outcome: Result<Appended, (ResponseError, StrBytes)>) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(index);
    match outcome {
        Ok(appended) => {
            let response = response.with_base_offset(appended.base_offset).with_log_append_time_ms(appended.appended_ms);
            if call.version >= 5 { response.with_log_start_offset(appended.start_offset) } else { response }
        }
        Err((code, told)) => {
            let response = response.with_error_code(code.code()).with_base_offset(-1);
            if call.version >= 8 { response.with_error_message(Some(told)) } else { response }
        }
    }
}

pub(super) async fn init(call: Call, request: InitProducerIdRequest) -> InitProducerIdResponse {
    let response = InitProducerIdResponse::default();
    if request.transactional_id.is_some() {
        // Of the errors a producer gives up at, the one that says it may not do this here.
        return response
            .with_error_code(ResponseError::TransactionalIdAuthorizationFailed.code())
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
    }
    match call.inner().new_producer().await {
        Ok(id) => response.with_producer_id(ProducerId(id)).with_producer_epoch(0),
        Err(error) => response.with_error_code(code(&error).code()).with_producer_id(ProducerId(-1)).with_producer_epoch(-1),
    }
}

/// Versions 0 to 2 carry formats that are not kept any more: each partition is told so, in the answer's old form.
pub(super) fn refuse_old(call: &Call, body: &Bytes) -> Result<Option<Waiting>, Bad> {
    if call.key != kafka_protocol::messages::ApiKey::Produce || call.version > 2 {
        return Ok(None);
    }
    let cut = || Bad::new("a Produce of an old version does not hold what its lengths say");
    let (mut body, mut answer) = (body.clone(), Vec::new());
    let acks = body.try_get_i16().map_err(|_| cut())?;
    body.try_get_i32().map_err(|_| cut())?;
    old_array(&mut body, &mut answer, &mut |body, answer| {
        let length = usize::try_from(body.try_get_i16().ok()?).ok()?;
        let name = body.get(..length)?.to_vec();
        body.advance(length);
        answer.put_i16(i16::try_from(length).ok()?);
        answer.extend_from_slice(&name);
        old_array(body, answer, &mut |body, answer| {
            answer.put_i32(body.try_get_i32().ok()?);
            let length = usize::try_from(body.try_get_i32().ok()?).ok()?;
            body.get(..length)?;
            body.advance(length);
            answer.put_i16(ResponseError::UnsupportedForMessageFormat.code());
            answer.put_i64(-1);
            if call.version >= 2 {
                answer.put_i64(-1);
            }
            Some(())
        })
    })
    .ok_or_else(cut)?;
    if call.version >= 1 {
        answer.put_i32(0);
    }
    let reply = if acks == 0 { None } else { Some(call.frame(&answer)?) };
    Ok(Some(async move { Ok(reply) }.boxed()))
}

/// Repeats an array's count and lets each element answer. Elements are read one by one, so a count that lies reserves nothing.
fn old_array(body: &mut Bytes, answer: &mut Vec<u8>, one: &mut dyn FnMut(&mut Bytes, &mut Vec<u8>) -> Option<()>) -> Option<()> {
    let count = body.try_get_i32().ok()?;
    answer.put_i32(count);
    (0..count).try_for_each(|_| one(body, answer))
}
