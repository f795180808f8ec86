//! Consumer groups: who coordinates (we do), joining, syncing, heartbeats, leaving, and what administrators ask.
//! Refuses to coordinate transactions.

use super::refusal::{code, number};
use super::{Call, NODE, count, text};
use crate::group::{Described, Join, Joined, Sync, Who};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    BrokerId, DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, FindCoordinatorRequest,
    FindCoordinatorResponse, GroupId, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, ListGroupsRequest, ListGroupsResponse, SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;
use std::time::Duration;

/// The kind of key that names a group.
const GROUP: i8 = 0;

/// A member as a request names it.
pub(super) fn who(generation: i32, member: &StrBytes, instance: Option<&StrBytes>) -> Who {
    Who { generation, member: member.to_string(), instance: instance.map(ToString::to_string) }
}

pub(super) async fn find(call: Call, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let (host, port) = call.advertised();
    // Not a retriable error: there will be no coordinator of transactions later either.
    let refused = (request.key_type != GROUP).then_some(ResponseError::TransactionalIdAuthorizationFailed);
    if call.version < 4 {
        let response = FindCoordinatorResponse::default();
        return match refused {
            Some(error) => response.with_error_code(error.code()).with_node_id(BrokerId(-1)).with_port(-1),
            None => response.with_node_id(BrokerId(NODE)).with_host(host).with_port(port),
        };
    }
    let one = |key: StrBytes| {
        let row = Coordinator::default().with_key(key);
        match refused {
            Some(error) => row.with_error_code(error.code()).with_node_id(BrokerId(-1)).with_port(-1),
            None => row.with_node_id(BrokerId(NODE)).with_host(host.clone()).with_port(port),
        }
    };
    FindCoordinatorResponse::default().with_coordinators(request.coordinator_keys.into_iter().map(one).collect())
}

pub(super) async fn join(call: Call, request: JoinGroupRequest) -> JoinGroupResponse {
    let session = Duration::from_millis(count(request.session_timeout_ms) as u64);
    let rebalance = if call.version >= 1 { Duration::from_millis(count(request.rebalance_timeout_ms) as u64) } else { session };
    let join = Join {
        member: request.member_id.to_string(),
        instance: request.group_instance_id.map(|instance| instance.to_string()),
        session,
        rebalance,
        kind: request.protocol_type.to_string(),
        protocols: request.protocols.into_iter().map(|protocol| (protocol.name.to_string(), protocol.metadata)).collect(),
        id_first: call.version >= 4,
        client: call.client_id.clone(),
        host: call.client.peer.to_string(),
    };
    joined(&call, call.inner().groups.join(&request.group_id, join).await)
}

fn joined(call: &Call, joined: Joined) -> JoinGroupResponse {
    let member = |(id, instance, metadata): (String, Option<String>, bytes::Bytes)| {
        let row = JoinGroupResponseMember::default().with_member_id(text(&id)).with_metadata(metadata);
        if call.version >= 5 { row.with_group_instance_id(instance.as_deref().map(text)) } else { row }
    };
    let response = JoinGroupResponse::default()
        .with_error_code(joined.error.map_or(0, |error| error.code()))
        .with_generation_id(joined.generation)
        .with_protocol_name(Some(text(&joined.protocol)))
        .with_leader(text(&joined.leader))
        .with_member_id(text(&joined.member))
        .with_members(joined.members.into_iter().map(member).collect());
    if call.version >= 7 { response.with_protocol_type(Some(text(&joined.kind))) } else { response }
}

pub(super) async fn sync(call: Call, request: SyncGroupRequest) -> SyncGroupResponse {
    let sync = Sync {
        who: who(request.generation_id, &request.member_id, request.group_instance_id.as_ref()),
        kind: request.protocol_type.map(|kind| kind.to_string()),
        protocol: request.protocol_name.map(|protocol| protocol.to_string()),
        assignments: request.assignments.into_iter().map(|one| (one.member_id.to_string(), one.assignment)).collect(),
    };
    match call.inner().groups.sync(&request.group_id, sync).await {
        Ok(assignment) => {
            let response = SyncGroupResponse::default().with_assignment(assignment.bytes);
            let named = |response: SyncGroupResponse| {
                response.with_protocol_type(Some(text(&assignment.kind))).with_protocol_name(Some(text(&assignment.protocol)))
            };
            if call.version >= 5 { named(response) } else { response }
        }
        Err(error) => SyncGroupResponse::default().with_error_code(error.code()),
    }
}

pub(super) async fn heartbeat(call: Call, request: HeartbeatRequest) -> HeartbeatResponse {
    let who = who(request.generation_id, &request.member_id, request.group_instance_id.as_ref());
    HeartbeatResponse::default().with_error_code(number(call.inner().groups.heartbeat(&request.group_id, &who)))
}

pub(super) async fn leave(call: Call, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let groups = &call.inner().groups;
    if call.version < 3 {
        return LeaveGroupResponse::default().with_error_code(number(groups.leave(&request.group_id, &request.member_id, None)));
    }
    let one = |member: MemberIdentity| {
        let left = groups.leave(&request.group_id, &member.member_id, member.group_instance_id.as_ref().map(|instance| instance.as_str()));
        MemberResponse::default()
            .with_member_id(member.member_id)
            .with_group_instance_id(member.group_instance_id)
            .with_error_code(number(left))
    };
    LeaveGroupResponse::default().with_members(request.members.into_iter().map(one).collect())
}

/// A group that only has offsets is empty; one that has nothing is not there.
fn described(call: &Call, group: &str) -> Option<Described> {
    let idle = || Described { state: "Empty", kind: "consumer".to_owned(), ..Described::default() };
    let committed = !call.inner().offsets.of(group).is_empty();
    call.inner().groups.describe(group).or_else(|| committed.then(idle))
}

pub(super) async fn describe(call: Call, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let one = |group: GroupId| {
        let found = described(&call, &group);
        let row = DescribedGroup::default().with_group_id(group);
        let Some(found) = found else {
            let row = row.with_group_state(StrBytes::from_static_str("Dead"));
            let refuse = |row: DescribedGroup| {
                row.with_error_code(ResponseError::GroupIdNotFound.code())
                    .with_error_message(Some(text("nobody is in this group, and it has committed nothing")))
            };
            return if call.version >= 6 { refuse(row) } else { row };
        };
        let member = |member: crate::group::DescribedMember| {
            let row = DescribedGroupMember::default()
                .with_member_id(text(&member.id))
                .with_client_id(text(&member.client))
                .with_client_host(text(&member.host))
                .with_member_metadata(member.metadata)
                .with_member_assignment(member.assignment);
            if call.version >= 4 { row.with_group_instance_id(member.instance.as_deref().map(text)) } else { row }
        };
        row.with_group_state(text(found.state))
            .with_protocol_type(text(&found.kind))
            .with_protocol_data(text(&found.protocol))
            .with_members(found.members.into_iter().map(member).collect())
    };
    DescribeGroupsResponse::default().with_groups(request.groups.into_iter().map(one).collect())
}

pub(super) async fn list(call: Call, request: ListGroupsRequest) -> ListGroupsResponse {
    let mut groups = call.inner().groups.list();
    for group in call.inner().offsets.groups() {
        if !groups.iter().any(|(known, _)| *known == group) {
            groups.extend(described(&call, &group).map(|found| (group, found)));
        }
    }
    let has = |filter: &[StrBytes], value: &str| filter.is_empty() || filter.iter().any(|one| one.eq_ignore_ascii_case(value));
    let wanted = |(_, group): &(String, Described)| has(&request.states_filter, group.state) && has(&request.types_filter, "classic");
    let row = |(name, group): (String, Described)| {
        let row = ListedGroup::default().with_group_id(GroupId(text(&name))).with_protocol_type(text(&group.kind));
        let row = if call.version >= 4 { row.with_group_state(text(group.state)) } else { row };
        if call.version >= 5 { row.with_group_type(StrBytes::from_static_str("classic")) } else { row }
    };
    ListGroupsResponse::default().with_groups(groups.into_iter().filter(wanted).map(row).collect())
}

pub(super) async fn delete(call: Call, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    for group in request.groups_names {
        let inner = call.inner();
        let deleted = if inner.groups.has_members(&group) {
            Err(ResponseError::NonEmptyGroup)
        } else if inner.offsets.of(&group).is_empty() {
            Err(ResponseError::GroupIdNotFound)
        } else {
            inner.offsets.forget(&inner.writers, |name, _, _| name == group.as_str()).await.map_err(|error| code(&error))
        };
        results.push(DeletableGroupResult::default().with_group_id(group).with_error_code(number(deleted)));
    }
    DeleteGroupsResponse::default().with_results(results)
}
