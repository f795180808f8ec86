//! The settings clients ask about: a topic's, and what of the node's they look at.
//! Refuses to change any.

use super::{Call, NODE, text};
use crate::topics::Stamp;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
/// Where a value comes from, as the protocol numbers it.
const OF_THE_TOPIC: i8 = 1;
const OF_THE_NODE: i8 = 4;
const DEFAULT: i8 = 5;

pub(super) async fn describe(call: Call, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    DescribeConfigsResponse::default().with_results(request.resources.into_iter().map(|resource| one(&call, resource)).collect())
}

fn one(call: &Call, resource: DescribeConfigsResource) -> DescribeConfigsResult {
    let result = DescribeConfigsResult::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name.clone())
        .with_error_message(None);
    let refuse =
        |error: ResponseError, reason: String| result.clone().with_error_code(error.code()).with_error_message(Some(text(&reason)));
    let rows = match resource.resource_type {
        TOPIC => match topic(call, &resource.resource_name) {
            Some(rows) => rows,
            None => return refuse(ResponseError::UnknownTopicOrPartition, format!("there is no topic {:?}", resource.resource_name)),
        },
        BROKER if resource.resource_name.is_empty() || resource.resource_name.as_str() == NODE.to_string() => node(call),
        other => {
            return refuse(
                ResponseError::InvalidRequest,
                format!("resource {:?} of type {other} has no settings here", resource.resource_name),
            );
        }
    };
    let wanted = |name: &str| resource.configuration_keys.as_ref().is_none_or(|keys| keys.iter().any(|key| key.as_str() == name));
    let row = |(name, value, source): (&str, String, i8)| {
        let row = DescribeConfigsResourceResult::default()
            .with_name(text(name))
            .with_value(Some(text(&value)))
            .with_read_only(true)
            .with_config_source(source);
        if call.version >= 3 { row.with_documentation(None) } else { row }
    };
    result.with_configs(rows.into_iter().filter(|(name, _, _)| wanted(name)).map(row).collect())
}

fn topic(call: &Call, name: &str) -> Option<Vec<(&'static str, String, i8)>> {
    let log = call.inner().log(name).ok()?;
    let (config, options) = (&log.topic.config, &call.inner().options);
    let source = |own: bool| if own { OF_THE_TOPIC } else { OF_THE_NODE };
    let bytes = config.retention_bytes.or_else(|| options.retention_bytes.and_then(|bytes| i64::try_from(bytes).ok())).unwrap_or(-1);
    let age = config.retention_ms.or(options.retention_ms).unwrap_or(-1);
    let stamp = if config.stamp == Stamp::Log { "LogAppendTime" } else { "CreateTime" };
    Some(vec![
        ("cleanup.policy", "delete".to_owned(), DEFAULT),
        ("compression.type", "producer".to_owned(), DEFAULT),
        ("max.message.bytes", options.limits.batch_max.to_string(), OF_THE_NODE),
        ("message.timestamp.type", stamp.to_owned(), source(config.stamp != Stamp::default())),
        ("min.insync.replicas", "1".to_owned(), DEFAULT),
        ("retention.bytes", bytes.to_string(), source(config.retention_bytes.is_some())),
        ("retention.ms", age.to_string(), source(config.retention_ms.is_some())),
        ("segment.bytes", config.segment_bytes.unwrap_or(options.segment_bytes).to_string(), source(config.segment_bytes.is_some())),
    ])
}

fn node(call: &Call) -> Vec<(&'static str, String, i8)> {
    let options = &call.inner().options;
    vec![
        ("auto.create.topics.enable", options.auto_create_topics.to_string(), OF_THE_NODE),
        ("default.replication.factor", "1".to_owned(), DEFAULT),
        ("message.max.bytes", options.limits.batch_max.to_string(), OF_THE_NODE),
        ("num.partitions", options.partitions_default.to_string(), OF_THE_NODE),
    ]
}
