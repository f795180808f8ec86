//! The log's errors as Kafka's clients know them.
//! Refuses to tell a client where files lie: what the disk said is logged here.

use crate::Error;
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;

/// The protocol's error for one of ours.
pub(super) fn code(error: &Error) -> ResponseError {
    match error {
        Error::UnknownTopic(_) | Error::UnknownPartition { .. } => ResponseError::UnknownTopicOrPartition,
        Error::TopicExists(_) => ResponseError::TopicAlreadyExists,
        Error::BadName(_) => ResponseError::InvalidTopicException,
        Error::BadSetting(_) => ResponseError::InvalidPartitions,
        Error::Limit { .. } => ResponseError::PolicyViolation,
        Error::OffsetOutOfRange { .. } => ResponseError::OffsetOutOfRange,
        Error::BadBatch(_) => ResponseError::InvalidRecord,
        Error::BadChecksum { .. } => ResponseError::CorruptMessage,
        Error::TooLarge { .. } => ResponseError::MessageTooLarge,
        Error::OldFormat(_) => ResponseError::UnsupportedForMessageFormat,
        Error::UnknownCodec(_) => ResponseError::UnsupportedCompressionType,
        Error::Transactional => ResponseError::InvalidTxnState,
        Error::OutOfOrder { .. } => ResponseError::OutOfOrderSequenceNumber,
        Error::Fenced { .. } => ResponseError::InvalidProducerEpoch,
        Error::Closed => ResponseError::NotLeaderOrFollower,
        Error::Corrupt { .. } | Error::Io { .. } | Error::Locked(_) => {
            tracing::error!(%error, "the log failed");
            ResponseError::KafkaStorageError
        }
    }
}

/// What a client may read about it.
pub(super) fn told(error: &Error) -> StrBytes {
    StrBytes::from_string(match error {
        Error::Corrupt { .. } | Error::Io { .. } | Error::Locked(_) => "the log failed; its own log says why".to_owned(),
        other => other.to_string(),
    })
}

/// 0 or the error's number.
pub(super) fn number(outcome: Result<(), ResponseError>) -> i16 {
    outcome.map_or_else(|error| error.code(), |()| 0)
}
