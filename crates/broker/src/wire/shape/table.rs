//! The shapes of the requests that are answered, as Kafka's message definitions give them.
//! Refuses nothing: a test writes each request at each version and walks it to its end.

use super::Kind::{Bytes, EachInt, EachText, Fixed, Structs, Text};
use super::{Field, Kind, Shape};
use kafka_protocol::messages::ApiKey;

const LAST: i16 = i16::MAX;

const fn all(kind: Kind) -> Field {
    between(kind, 0, LAST)
}

const fn from(from: i16, kind: Kind) -> Field {
    between(kind, from, LAST)
}

const fn until(to: i16, kind: Kind) -> Field {
    between(kind, 0, to)
}

const fn between(kind: Kind, from: i16, to: i16) -> Field {
    Field { kind, from, to }
}

const UUID: Kind = Fixed(16);
const LONG: Kind = Fixed(8);
const INT: Kind = Fixed(4);
const SHORT: Kind = Fixed(2);
const BYTE: Kind = Fixed(1);

const PRODUCE: &[Field] =
    &[all(Text), all(SHORT), all(INT), all(Structs(&[until(12, Text), from(13, UUID), all(Structs(&[all(INT), all(Bytes)]))]))];

const FETCH: &[Field] = &[
    until(14, INT),
    all(INT),
    all(INT),
    all(INT),
    all(BYTE),
    from(7, INT),
    from(7, INT),
    all(Structs(&[
        until(12, Text),
        from(13, UUID),
        all(Structs(&[all(INT), from(9, INT), all(LONG), from(12, INT), from(5, LONG), all(INT)])),
    ])),
    from(7, Structs(&[until(12, Text), from(13, UUID), all(EachInt)])),
    from(11, Text),
];

const LIST_OFFSETS: &[Field] =
    &[all(INT), from(2, BYTE), all(Structs(&[all(Text), all(Structs(&[all(INT), from(4, INT), all(LONG)]))])), from(10, INT)];

const METADATA: &[Field] = &[all(Structs(&[from(10, UUID), all(Text)])), from(4, BYTE), between(BYTE, 8, 10), from(8, BYTE)];

const OFFSET_COMMIT: &[Field] = &[
    all(Text),
    all(INT),
    all(Text),
    from(7, Text),
    until(4, LONG),
    all(Structs(&[all(Text), all(Structs(&[all(INT), all(LONG), from(6, INT), all(Text)]))])),
];

const OFFSET_FETCH: &[Field] = &[
    until(7, Text),
    until(7, Structs(&[all(Text), all(EachInt)])),
    from(8, Structs(&[all(Text), from(9, Text), from(9, INT), all(Structs(&[all(Text), all(EachInt)]))])),
    from(7, BYTE),
];

const FIND_COORDINATOR: &[Field] = &[until(3, Text), from(1, BYTE), from(4, EachText)];

const JOIN_GROUP: &[Field] =
    &[all(Text), all(INT), from(1, INT), all(Text), from(5, Text), all(Text), all(Structs(&[all(Text), all(Bytes)])), from(8, Text)];

const HEARTBEAT: &[Field] = &[all(Text), all(INT), all(Text), from(3, Text)];

const LEAVE_GROUP: &[Field] = &[all(Text), until(2, Text), from(3, Structs(&[all(Text), all(Text), from(5, Text)]))];

const SYNC_GROUP: &[Field] =
    &[all(Text), all(INT), all(Text), from(3, Text), from(5, Text), from(5, Text), all(Structs(&[all(Text), all(Bytes)]))];

const CREATE_TOPICS: &[Field] = &[
    all(Structs(&[all(Text), all(INT), all(SHORT), all(Structs(&[all(INT), all(EachInt)])), all(Structs(&[all(Text), all(Text)]))])),
    all(INT),
    all(BYTE),
];

const DELETE_TOPICS: &[Field] = &[from(6, Structs(&[all(Text), all(UUID)])), until(5, EachText), all(INT)];

const INIT_PRODUCER_ID: &[Field] = &[all(Text), all(INT), from(3, LONG), from(3, SHORT)];

const DESCRIBE_CONFIGS: &[Field] = &[all(Structs(&[all(BYTE), all(Text), all(EachText)])), all(BYTE), from(3, BYTE)];

const DESCRIBE_GROUPS: &[Field] = &[all(EachText), from(3, BYTE)];

const LIST_GROUPS: &[Field] = &[from(4, EachText), from(5, EachText)];

const API_VERSIONS: &[Field] = &[from(3, Text), from(3, Text)];

const DELETE_GROUPS: &[Field] = &[all(EachText)];

pub(super) fn shape(key: ApiKey) -> Option<Shape> {
    let (compact_from, fields) = match key {
        ApiKey::Produce => (9, PRODUCE),
        ApiKey::Fetch => (12, FETCH),
        ApiKey::ListOffsets => (6, LIST_OFFSETS),
        ApiKey::Metadata => (9, METADATA),
        ApiKey::OffsetCommit => (8, OFFSET_COMMIT),
        ApiKey::OffsetFetch => (6, OFFSET_FETCH),
        ApiKey::FindCoordinator => (3, FIND_COORDINATOR),
        ApiKey::JoinGroup => (6, JOIN_GROUP),
        ApiKey::Heartbeat => (4, HEARTBEAT),
        ApiKey::LeaveGroup => (4, LEAVE_GROUP),
        ApiKey::SyncGroup => (4, SYNC_GROUP),
        ApiKey::DescribeGroups => (5, DESCRIBE_GROUPS),
        ApiKey::ListGroups => (3, LIST_GROUPS),
        ApiKey::ApiVersions => (3, API_VERSIONS),
        ApiKey::CreateTopics => (5, CREATE_TOPICS),
        ApiKey::DeleteTopics => (4, DELETE_TOPICS),
        ApiKey::InitProducerId => (2, INIT_PRODUCER_ID),
        ApiKey::DescribeConfigs => (4, DESCRIBE_CONFIGS),
        ApiKey::DeleteGroups => (2, DELETE_GROUPS),
        _ => return None,
    };
    Some(Shape { compact_from, fields })
}
