//! Consumer groups by Kafka's classic protocol: who is a member, who assigns, whose session ended.
//! Refuses transactions and server-side assignment. Nothing here is durable: after a restart members join again, and offsets are kept elsewhere.

mod state;
#[cfg(test)]
mod tests;

pub(crate) use state::Group;

use crate::Options;
use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

/// Sessions and rebalances may not be longer than this.
const TIMEOUT_MAX: Duration = Duration::from_secs(30 * 60);
const NAME_MAX: usize = 1_000;

/// A member asks to be in the group's next generation.
#[derive(Debug, Clone)]
pub(crate) struct Join {
    /// Empty the first time.
    pub(crate) member: String,
    pub(crate) instance: Option<String>,
    pub(crate) session: Duration,
    pub(crate) rebalance: Duration,
    pub(crate) kind: String,
    /// Ways to assign and what each wants to know, best first.
    pub(crate) protocols: Vec<(String, Bytes)>,
    /// The client understands that it must come again with the id it is given.
    pub(crate) id_first: bool,
    pub(crate) client: String,
    pub(crate) host: String,
}

/// The answer to a join.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Joined {
    pub(crate) error: Option<ResponseError>,
    pub(crate) generation: i32,
    pub(crate) kind: String,
    pub(crate) protocol: String,
    pub(crate) leader: String,
    pub(crate) member: String,
    /// For the leader alone: id, instance, what the protocol wants to know.
    pub(crate) members: Vec<(String, Option<String>, Bytes)>,
}

impl Joined {
    pub(crate) fn refused(error: ResponseError, member: &str) -> Joined {
        Joined { error: Some(error), generation: -1, member: member.to_owned(), ..Joined::default() }
    }
}

/// A member asks for its assignment, the leader brings everybody's.
#[derive(Debug, Clone)]
pub(crate) struct Sync {
    pub(crate) who: Who,
    pub(crate) kind: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) assignments: Vec<(String, Bytes)>,
}

/// The answer to a sync.
pub(crate) type Synced = Result<Assignment, ResponseError>;

/// What a member shall read.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Assignment {
    pub(crate) kind: String,
    pub(crate) protocol: String,
    pub(crate) bytes: Bytes,
}

/// A member as it names itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Who {
    pub(crate) generation: i32,
    pub(crate) member: String,
    pub(crate) instance: Option<String>,
}

/// A group as an administrator sees it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Described {
    pub(crate) state: &'static str,
    pub(crate) kind: String,
    pub(crate) protocol: String,
    pub(crate) members: Vec<DescribedMember>,
}

/// A member as an administrator sees it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct DescribedMember {
    pub(crate) id: String,
    pub(crate) instance: Option<String>,
    pub(crate) client: String,
    pub(crate) host: String,
    pub(crate) metadata: Bytes,
    pub(crate) assignment: Bytes,
}

/// All groups that have members or had some a moment ago.
pub(crate) struct Groups {
    all: Mutex<BTreeMap<String, Group>>,
    moved: Arc<Notify>,
    delay: Duration,
    groups_max: usize,
    members_max: usize,
    bytes_max: usize,
}

impl Groups {
    pub(crate) fn new(options: &Options) -> Groups {
        let limits = &options.limits;
        Groups {
            all: Mutex::default(),
            moved: Arc::new(Notify::new()),
            delay: Duration::from_millis(options.rebalance_delay_ms),
            groups_max: limits.groups_max,
            members_max: limits.group_members_max,
            bytes_max: limits.member_bytes_max,
        }
    }

    /// Told when a deadline may have come nearer.
    pub(crate) fn moved(&self) -> Arc<Notify> {
        self.moved.clone()
    }

    /// Joins; the answer comes when the group's next generation begins.
    pub(crate) async fn join(&self, group: &str, join: Join) -> Joined {
        let member = join.member.clone();
        let refused = |error| Joined::refused(error, &member);
        let bytes: usize = join.protocols.iter().map(|(name, metadata)| name.len() + metadata.len()).sum();
        if group.is_empty() || group.len() > NAME_MAX {
            return refused(ResponseError::InvalidGroupId);
        }
        if join.session.is_zero() || join.session > TIMEOUT_MAX || join.rebalance > TIMEOUT_MAX {
            return refused(ResponseError::InvalidSessionTimeout);
        }
        if bytes > self.bytes_max || join.protocols.is_empty() || join.kind.is_empty() {
            return refused(ResponseError::InconsistentGroupProtocol);
        }
        let (reply, answer) = oneshot::channel();
        {
            let mut all = self.all.lock();
            if !all.contains_key(group) && all.len() >= self.groups_max {
                return refused(ResponseError::GroupMaxSizeReached);
            }
            let joined = all.entry(group.to_owned()).or_insert_with(|| Group::new(self.delay, self.members_max));
            joined.join(Instant::now(), join, reply);
        }
        self.moved.notify_one();
        // The sender goes without a word when the same member asked again.
        answer.await.unwrap_or_else(|_| refused(ResponseError::RebalanceInProgress))
    }

    /// Fetches a member's assignment; the answer comes when the leader has brought it.
    pub(crate) async fn sync(&self, group: &str, sync: Sync) -> Synced {
        let bytes = sync.assignments.iter().map(|(_, bytes)| bytes.len()).max().unwrap_or(0);
        if bytes > self.bytes_max {
            return Err(ResponseError::InvalidRequest);
        }
        let (reply, answer) = oneshot::channel();
        self.with(group, |group| group.sync(Instant::now(), sync, reply)).ok_or(ResponseError::UnknownMemberId)?;
        self.moved.notify_one();
        answer.await.unwrap_or(Err(ResponseError::RebalanceInProgress))
    }

    pub(crate) fn heartbeat(&self, group: &str, who: &Who) -> Result<(), ResponseError> {
        self.with(group, |group| group.heartbeat(Instant::now(), who)).unwrap_or(Err(ResponseError::UnknownMemberId))
    }

    pub(crate) fn leave(&self, group: &str, member: &str, instance: Option<&str>) -> Result<(), ResponseError> {
        let left = self.with(group, |group| group.leave(Instant::now(), member, instance));
        self.moved.notify_one();
        left.unwrap_or(Err(ResponseError::UnknownMemberId))
    }

    /// Whether this member may commit offsets; without a member only while the group has none.
    pub(crate) fn may_commit(&self, group: &str, who: &Who) -> Result<(), ResponseError> {
        let stranger = if who.generation < 0 && who.member.is_empty() { Ok(()) } else { Err(ResponseError::UnknownMemberId) };
        self.with(group, |group| group.may_commit(Instant::now(), who)).unwrap_or(stranger)
    }

    pub(crate) fn has_members(&self, group: &str) -> bool {
        self.with(group, |group| !group.is_idle()).unwrap_or(false)
    }

    pub(crate) fn describe(&self, group: &str) -> Option<Described> {
        self.with(group, |group| group.describe())
    }

    /// Name, kind and state of each group.
    pub(crate) fn list(&self) -> Vec<(String, Described)> {
        self.all.lock().iter().map(|(name, group)| (name.clone(), group.describe())).collect()
    }

    /// Ends sessions and rebalances whose time is up. Returns how long until the next may be.
    pub(crate) fn expire(&self) -> Option<Duration> {
        let now = Instant::now();
        let mut all = self.all.lock();
        let due = all.values_mut().filter_map(|group| group.expire(now)).min();
        all.retain(|_, group| !group.is_idle());
        due.map(|due| due.saturating_duration_since(now))
    }

    fn with<T>(&self, group: &str, work: impl FnOnce(&mut Group) -> T) -> Option<T> {
        self.all.lock().get_mut(group).map(work)
    }
}
