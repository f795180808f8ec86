//! Metadata, and creating and deleting topics.
//! Refuses replication and settings the log does not have; unknown settings of a topic are ignored, as they change nothing.

use super::refusal::{code, told};
use super::{Call, NODE, text};
use crate::broker::TopicLog;
use crate::topics::Stamp;
use crate::{Error, Topic, TopicConfig};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{
    BrokerId, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse, MetadataRequest, MetadataResponse,
    TopicName,
};
use std::sync::Arc;
use uuid::Uuid;

pub(super) async fn metadata(call: Call, request: MetadataRequest) -> MetadataResponse {
    let (host, port) = call.advertised();
    let broker = MetadataResponseBroker::default().with_node_id(BrokerId(NODE)).with_host(host).with_port(port);
    // Before version 1 an empty list asks for all, since then no list does.
    let topics = match request.topics {
        Some(asked) if call.version > 0 || !asked.is_empty() => {
            let mut topics = Vec::with_capacity(asked.len());
            for topic in asked {
                topics.push(one(&call, topic, request.allow_auto_topic_creation || call.version < 4).await);
            }
            topics
        }
        _ => call
            .client
            .broker
            .topics()
            .into_iter()
            .filter_map(|topic| call.inner().log(&topic.name).ok())
            .map(|log| row(&call, &log))
            .collect(),
    };
    let response = MetadataResponse::default().with_brokers(vec![broker]).with_topics(topics);
    let response = if call.version >= 1 { response.with_controller_id(BrokerId(NODE)) } else { response };
    if call.version >= 2 { response.with_cluster_id(Some(text(&call.inner().cluster))) } else { response }
}

async fn one(call: &Call, asked: MetadataRequestTopic, may_create: bool) -> MetadataResponseTopic {
    let broker = &call.client.broker;
    let Some(name) = asked.name else {
        let missing =
            || MetadataResponseTopic::default().with_error_code(ResponseError::UnknownTopicId.code()).with_topic_id(asked.topic_id);
        let missing = || if call.version >= 12 { missing().with_name(None) } else { missing() };
        return call.inner().log_by_id(asked.topic_id).map_or_else(missing, |log| row(call, &log));
    };
    let mut found = call.inner().log(&name);
    if found.is_err() && may_create && call.inner().options.auto_create_topics {
        found = match broker.create_topic(&name, call.inner().options.partitions_default).await {
            // Somebody else may have been faster.
            Ok(_) | Err(Error::TopicExists(_)) => call.inner().log(&name),
            Err(error) => Err(error),
        };
    }
    match found {
        Ok(log) => row(call, &log),
        Err(error) => MetadataResponseTopic::default().with_error_code(code(&error).code()).with_name(Some(name)),
    }
}

fn row(call: &Call, log: &Arc<TopicLog>) -> MetadataResponseTopic {
    let partition = |index: u32| {
        let partition = MetadataResponsePartition::default()
            .with_partition_index(i32::try_from(index).unwrap_or(i32::MAX))
            .with_leader_id(BrokerId(NODE))
            .with_replica_nodes(vec![BrokerId(NODE)])
            .with_isr_nodes(vec![BrokerId(NODE)]);
        if call.version >= 7 { partition.with_leader_epoch(0) } else { partition }
    };
    let topic = MetadataResponseTopic::default()
        .with_name(Some(TopicName(text(&log.topic.name))))
        .with_partitions((0..log.topic.partitions).map(partition).collect());
    if call.version >= 10 { topic.with_topic_id(log.topic.id) } else { topic }
}

pub(super) async fn create(call: Call, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let name = topic.name.clone();
        let made = create_one(&call, topic, request.validate_only).await;
        let result = CreatableTopicResult::default().with_name(name).with_error_message(None);
        results.push(match made {
            Ok(topic) => {
                let partitions = i32::try_from(topic.partitions).unwrap_or(i32::MAX);
                let result = if call.version >= 5 { result.with_num_partitions(partitions).with_replication_factor(1) } else { result };
                if call.version >= 7 && !request.validate_only { result.with_topic_id(topic.id) } else { result }
            }
            Err((code, message)) => result.with_error_code(code.code()).with_error_message(Some(text(&message))),
        });
    }
    CreateTopicsResponse::default().with_topics(results)
}

async fn create_one(call: &Call, asked: CreatableTopic, only_try: bool) -> Result<Topic, (ResponseError, String)> {
    if asked.replication_factor != -1 && asked.replication_factor != 1 {
        let text = format!("replication factor {} cannot be: there is one node, 1 would be right", asked.replication_factor);
        return Err((ResponseError::InvalidReplicationFactor, text));
    }
    let partitions = match (asked.assignments.len(), asked.num_partitions) {
        (0, -1) => call.inner().options.partitions_default,
        (0, partitions) => u32::try_from(partitions).unwrap_or(0),
        (assigned, _) => u32::try_from(assigned).unwrap_or(u32::MAX),
    };
    let mut config = TopicConfig::default();
    for setting in &asked.configs {
        let value = setting.value.as_ref().map(|value| value.as_str()).unwrap_or_default();
        set(&mut config, &setting.name, value).map_err(|reason| (ResponseError::InvalidConfig, reason))?;
    }
    let broker = &call.client.broker;
    let made = if only_try {
        broker.try_topic(&asked.name, partitions, config).await
    } else {
        broker.create_topic_with(&asked.name, partitions, config).await
    };
    made.map_err(|error| (code(&error), told(&error).to_string()))
}

/// Takes over a setting that the log has.
fn set(config: &mut TopicConfig, name: &str, value: &str) -> Result<(), String> {
    let number = |least: i64| {
        let parsed = value.parse::<i64>().ok().filter(|number| *number >= least);
        parsed.ok_or_else(|| format!("{name} is {value:?}: a whole number from {least} would be right"))
    };
    match name {
        "retention.ms" => config.retention_ms = Some(number(-1)?),
        "retention.bytes" => config.retention_bytes = Some(number(-1)?),
        "segment.bytes" => config.segment_bytes = Some(number(4096)?.min(1 << 31).cast_unsigned()),
        "cleanup.policy" if value != "delete" => return Err(format!("cleanup.policy {value:?} is not kept here: delete would be right")),
        "message.timestamp.type" => {
            config.stamp = match value {
                "LogAppendTime" => Stamp::Log,
                "CreateTime" => Stamp::Producer,
                other => return Err(format!("message.timestamp.type is {other:?}: LogAppendTime or CreateTime would be right")),
            }
        }
        _ => (),
    }
    Ok(())
}

pub(super) async fn delete(call: Call, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let named = request.topic_names.into_iter().map(|name| (Some(name), Uuid::nil()));
    let asked: Vec<_> = named.chain(request.topics.into_iter().map(|topic| (topic.name, topic.topic_id))).collect();
    let mut results = Vec::with_capacity(asked.len());
    for (name, id) in asked {
        let by_id = || call.inner().log_by_id(id).map(|log| TopicName(text(&log.topic.name)));
        let known = name.clone().or_else(by_id);
        let deleted = match &known {
            Some(name) => call.client.broker.delete_topic(name).await.map_err(|error| (code(&error), told(&error))),
            None => Err((ResponseError::UnknownTopicId, text("no topic has this id"))),
        };
        let result = DeletableTopicResult::default().with_name(known);
        let result = if call.version >= 6 { result.with_topic_id(id) } else { result };
        results.push(match deleted {
            Ok(()) => result,
            Err((code, told)) if call.version >= 5 => result.with_error_code(code.code()).with_error_message(Some(told)),
            Err((code, _)) => result.with_error_code(code.code()),
        });
    }
    DeleteTopicsResponse::default().with_responses(results)
}
