//! One request of each kind with every list filled, for the versions that have it.

use crate::{NewRecord, encode};
use bytes::Bytes;
use kafka_protocol::messages::{self as m, ApiKey, RequestKind};
use kafka_protocol::protocol::StrBytes;

fn name(text: &'static str) -> m::TopicName {
    m::TopicName(StrBytes::from_static_str(text))
}

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

/// A batch of one record as a producer sends it.
fn batch() -> Bytes {
    let batch = encode(&[NewRecord { key: None, value: b"value" }], 5, 1 << 20).unwrap().remove(0);
    let (_, head) = batch.place(0, None);
    Bytes::from([&head[..], &batch.body].concat())
}

/// A request with every list filled, as far as the version has it.
pub(super) fn request(key: ApiKey, version: i16, topic: uuid::Uuid, member: &StrBytes) -> RequestKind {
    let group = m::GroupId(text("g"));
    match key {
        ApiKey::Produce => {
            use m::produce_request::{PartitionProduceData, TopicProduceData};
            let partition = PartitionProduceData::default().with_index(0).with_records(Some(batch()));
            let data = TopicProduceData::default().with_partition_data(vec![partition]);
            let data = if version >= 13 { data.with_topic_id(topic) } else { data.with_name(name("t")) };
            m::ProduceRequest::default().with_acks(-1).with_timeout_ms(1_000).with_topic_data(vec![data]).into()
        }
        ApiKey::Fetch => {
            use m::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
            let one = FetchTopic::default().with_partitions(vec![FetchPartition::default().with_partition_max_bytes(1 << 20)]);
            let one = if version >= 13 { one.with_topic_id(topic) } else { one.with_topic(name("t")) };
            let forgotten = ForgottenTopic::default().with_partitions(vec![1, 2]);
            let forgotten = if version >= 13 { forgotten.with_topic_id(topic) } else { forgotten.with_topic(name("t")) };
            let request = m::FetchRequest::default().with_max_wait_ms(10).with_min_bytes(1).with_topics(vec![one]);
            if version >= 7 { request.with_session_epoch(-1).with_forgotten_topics_data(vec![forgotten]).into() } else { request.into() }
        }
        ApiKey::ListOffsets => {
            use m::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
            let partitions = [-1, -2, -3, -4, -5, 0].map(|at| ListOffsetsPartition::default().with_timestamp(at));
            let one = ListOffsetsTopic::default().with_name(name("t")).with_partitions(partitions.to_vec());
            m::ListOffsetsRequest::default().with_topics(vec![one]).into()
        }
        ApiKey::Metadata => {
            use m::metadata_request::MetadataRequestTopic;
            let known = MetadataRequestTopic::default().with_name(Some(name("t")));
            let unknown = MetadataRequestTopic::default().with_name(Some(name("unknown")));
            let by_id = MetadataRequestTopic::default().with_name(None).with_topic_id(uuid::Uuid::from_u128(7));
            let topics = if version >= 12 { vec![known, unknown, by_id] } else { vec![known, unknown] };
            m::MetadataRequest::default().with_topics(Some(topics)).with_allow_auto_topic_creation(true).into()
        }
        ApiKey::OffsetCommit => {
            use m::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
            let partition = OffsetCommitRequestPartition::default().with_committed_offset(4).with_committed_metadata(Some(text("note")));
            let one = OffsetCommitRequestTopic::default().with_name(name("t")).with_partitions(vec![partition]);
            m::OffsetCommitRequest::default()
                .with_group_id(m::GroupId(text("simple")))
                .with_generation_id_or_member_epoch(-1)
                .with_topics(vec![one])
                .into()
        }
        ApiKey::OffsetFetch => {
            use m::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics};
            let group = m::GroupId(text("simple"));
            let one = OffsetFetchRequestTopics::default().with_name(name("t")).with_partition_indexes(vec![0, 1]);
            let groups = OffsetFetchRequestGroup::default().with_group_id(group.clone()).with_topics(Some(vec![one]));
            let all = OffsetFetchRequestGroup::default().with_group_id(group.clone()).with_topics(None);
            let old = OffsetFetchRequestTopic::default().with_name(name("t")).with_partition_indexes(vec![0, 1]);
            let request = m::OffsetFetchRequest::default();
            if version >= 8 {
                request.with_groups(vec![groups, all]).into()
            } else {
                request.with_group_id(group).with_topics(Some(vec![old])).into()
            }
        }
        ApiKey::FindCoordinator => {
            let request = m::FindCoordinatorRequest::default();
            if version >= 4 { request.with_coordinator_keys(vec![text("g"), text("h")]).into() } else { request.with_key(text("g")).into() }
        }
        ApiKey::JoinGroup => {
            use m::join_group_request::JoinGroupRequestProtocol;
            let protocol = JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(Bytes::from_static(b"topics"));
            let request =
                m::JoinGroupRequest::default().with_group_id(group).with_session_timeout_ms(10_000).with_protocol_type(text("consumer"));
            let request = if version >= 1 { request.with_rebalance_timeout_ms(10_000) } else { request };
            request.with_member_id(member.clone()).with_protocols(vec![protocol]).into()
        }
        ApiKey::Heartbeat => {
            m::HeartbeatRequest::default().with_group_id(group).with_generation_id(1).with_member_id(member.clone()).into()
        }
        ApiKey::LeaveGroup => {
            use m::leave_group_request::MemberIdentity;
            let request = m::LeaveGroupRequest::default().with_group_id(group);
            let identity = MemberIdentity::default().with_member_id(member.clone());
            if version >= 3 { request.with_members(vec![identity]).into() } else { request.with_member_id(member.clone()).into() }
        }
        ApiKey::SyncGroup => {
            use m::sync_group_request::SyncGroupRequestAssignment;
            let one = SyncGroupRequestAssignment::default().with_member_id(member.clone()).with_assignment(Bytes::from_static(b"all"));
            let request = m::SyncGroupRequest::default().with_group_id(group).with_generation_id(1).with_member_id(member.clone());
            request.with_assignments(vec![one]).into()
        }
        ApiKey::DescribeGroups => {
            m::DescribeGroupsRequest::default().with_groups(vec![group, m::GroupId(text("simple")), m::GroupId(text("none"))]).into()
        }
        ApiKey::ListGroups => m::ListGroupsRequest::default().into(),
        ApiKey::ApiVersions => m::ApiVersionsRequest::default().into(),
        ApiKey::CreateTopics => {
            use m::create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig};
            let config = CreatableTopicConfig::default().with_name(text("retention.ms")).with_value(Some(text("5")));
            let assigned = CreatableReplicaAssignment::default().with_broker_ids(vec![m::BrokerId(1)]);
            let base = CreatableTopic::default().with_name(name("made")).with_replication_factor(1).with_configs(vec![config]);
            let bad = CreatableTopic::default().with_name(name("a/b")).with_num_partitions(1).with_replication_factor(1);
            m::CreateTopicsRequest::default().with_topics(vec![base.with_num_partitions(-1).with_assignments(vec![assigned]), bad]).into()
        }
        ApiKey::DeleteTopics => {
            use m::delete_topics_request::DeleteTopicState;
            let by_id = DeleteTopicState::default().with_name(None).with_topic_id(uuid::Uuid::from_u128(9));
            let by_name = DeleteTopicState::default().with_name(Some(name("made")));
            let request = m::DeleteTopicsRequest::default();
            if version >= 6 {
                request.with_topics(vec![by_name, by_id]).into()
            } else {
                request.with_topic_names(vec![name("made"), name("none")]).into()
            }
        }
        ApiKey::InitProducerId => m::InitProducerIdRequest::default().with_transactional_id(None).into(),
        ApiKey::DescribeConfigs => {
            use m::describe_configs_request::DescribeConfigsResource;
            let topic =
                DescribeConfigsResource::default().with_resource_type(2).with_resource_name(text("t")).with_configuration_keys(None);
            let node = DescribeConfigsResource::default().with_resource_type(4).with_resource_name(text("1"));
            let none = DescribeConfigsResource::default().with_resource_type(2).with_resource_name(text("none"));
            m::DescribeConfigsRequest::default()
                .with_resources(vec![topic, node.with_configuration_keys(Some(vec![text("num.partitions")])), none])
                .into()
        }
        ApiKey::DeleteGroups => m::DeleteGroupsRequest::default().with_groups_names(vec![group, m::GroupId(text("none"))]).into(),
        other => panic!("{other:?} is advertised and this test cannot ask it"),
    }
}
