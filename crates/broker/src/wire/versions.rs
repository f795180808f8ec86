//! Which requests are answered at which versions: the one table, advertised and kept.
//! Refuses what is not in it.

use super::{Bad, Call, Waiting};
use futures::FutureExt;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};

/// Request, first and last version.
pub(super) const APIS: &[(ApiKey, i16, i16)] = &[
    // librdkafka before 2.11 does not compress unless version 0 is there; 0 to 2 are answered with a refusal, as Kafka 4 does.
    (ApiKey::Produce, 0, 13),
    (ApiKey::Fetch, 4, 17),
    (ApiKey::ListOffsets, 1, 10),
    (ApiKey::Metadata, 0, 13),
    (ApiKey::OffsetCommit, 2, 9),
    (ApiKey::OffsetFetch, 1, 9),
    (ApiKey::FindCoordinator, 0, 5),
    (ApiKey::JoinGroup, 0, 9),
    (ApiKey::Heartbeat, 0, 4),
    (ApiKey::LeaveGroup, 0, 5),
    (ApiKey::SyncGroup, 0, 5),
    (ApiKey::DescribeGroups, 0, 6),
    (ApiKey::ListGroups, 0, 5),
    (ApiKey::ApiVersions, 0, 4),
    (ApiKey::CreateTopics, 2, 7),
    (ApiKey::DeleteTopics, 1, 6),
    (ApiKey::InitProducerId, 0, 5),
    (ApiKey::DescribeConfigs, 1, 4),
    (ApiKey::DeleteGroups, 0, 2),
];

/// Request and version as a frame's first bytes say.
pub(super) fn of(frame: &[u8]) -> Result<(ApiKey, i16), Bad> {
    let head: &[u8; 4] = frame.first_chunk().ok_or_else(|| Bad::new(format!("a frame of {} bytes has no header", frame.len())))?;
    let (key, version) = (i16::from_be_bytes([head[0], head[1]]), i16::from_be_bytes([head[2], head[3]]));
    let known = APIS.iter().find(|(known, _, _)| *known as i16 == key);
    let (key, _, _) = known.ok_or_else(|| Bad::new(format!("request {key} is not answered here")))?;
    // Asking for versions is how a client finds out, so a version from the future is answered.
    if has(*key, version) || *key == ApiKey::ApiVersions {
        Ok((*key, version))
    } else {
        Err(Bad::new(format!("{key:?} is not answered at version {version}")))
    }
}

pub(super) fn has(key: ApiKey, version: i16) -> bool {
    APIS.iter().any(|(known, first, last)| *known == key && (*first..=*last).contains(&version))
}

/// The table, in the version that every client reads, with the error.
pub(super) fn refuse(call: &Call) -> Result<Waiting, Bad> {
    let refused = table().with_error_code(ResponseError::UnsupportedVersion.code());
    let reply = call.encode_as(&refused, 0, Vec::new())?;
    Ok(async move { Ok(Some(reply)) }.boxed())
}

pub(super) async fn answer(_call: Call, _request: ApiVersionsRequest) -> ApiVersionsResponse {
    table()
}

fn table() -> ApiVersionsResponse {
    let row = |(key, first, last): &(ApiKey, i16, i16)| {
        ApiVersion::default().with_api_key(*key as i16).with_min_version(*first).with_max_version(*last)
    };
    ApiVersionsResponse::default().with_api_keys(APIS.iter().map(row).collect())
}
