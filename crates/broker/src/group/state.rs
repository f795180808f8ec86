//! One consumer group as a state machine: empty, preparing a rebalance, waiting for the leader's assignment, stable.
//! Refuses to know the time: every step is told.

mod rounds;

use super::{Assignment, Described, DescribedMember, Join, Joined, Sync, Synced, Who};
use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::oneshot::Sender;
use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Empty,
    /// Members are asked to join again.
    Preparing,
    /// All have joined; the leader assigns.
    Completing,
    Stable,
}

#[derive(Debug)]
struct Member {
    /// When it came, to find the one that has been here longest.
    order: u64,
    instance: Option<String>,
    client: String,
    host: String,
    session: Duration,
    rebalance: Duration,
    protocols: Vec<(String, Bytes)>,
    assignment: Bytes,
    seen: Instant,
    joining: Option<Sender<Joined>>,
    syncing: Option<Sender<Synced>>,
}

impl Member {
    fn joins(&self) -> bool {
        self.joining.as_ref().is_some_and(|reply| !reply.is_closed())
    }

    fn waits(&self) -> bool {
        self.joins() || self.syncing.as_ref().is_some_and(|reply| !reply.is_closed())
    }
}

/// A consumer group.
#[derive(Debug)]
pub(crate) struct Group {
    state: State,
    generation: i32,
    kind: String,
    protocol: String,
    leader: String,
    members: BTreeMap<String, Member>,
    /// Ids given out whose members have not come back with them yet.
    pending: BTreeMap<String, Instant>,
    /// A new group waits until then for more members.
    hold: Option<Instant>,
    /// Who has not joined or synced by then is out.
    deadline: Option<Instant>,
    arrivals: u64,
    delay: Duration,
    members_max: usize,
}

impl Group {
    pub(crate) fn new(delay: Duration, members_max: usize) -> Group {
        Group {
            state: State::Empty,
            generation: 0,
            kind: String::new(),
            protocol: String::new(),
            leader: String::new(),
            members: BTreeMap::new(),
            pending: BTreeMap::new(),
            hold: None,
            deadline: None,
            arrivals: 0,
            delay,
            members_max,
        }
    }

    /// Nobody is in it and nobody is expected.
    pub(crate) fn is_idle(&self) -> bool {
        self.members.is_empty() && self.pending.is_empty()
    }

    pub(crate) fn join(&mut self, now: Instant, join: Join, reply: Sender<Joined>) {
        // A caller that went away needs no answer.
        let refuse = |reply: Sender<Joined>, error, member: &str| _ = reply.send(Joined::refused(error, member));
        if !self.fits(&join) {
            return refuse(reply, ResponseError::InconsistentGroupProtocol, &join.member);
        }
        let same_instance = join.instance.as_deref().and_then(|instance| self.holder(instance));
        match (join.member.is_empty(), same_instance) {
            (true, Some(old)) => self.replace(now, &old, join, reply),
            (true, None) if self.members.len() + self.pending.len() >= self.members_max => {
                refuse(reply, ResponseError::GroupMaxSizeReached, "")
            }
            (true, None) => {
                let id = fresh_id(join.instance.as_deref().unwrap_or(&join.client));
                if join.id_first && join.instance.is_none() {
                    self.pending.insert(id.clone(), now + join.session);
                    return refuse(reply, ResponseError::MemberIdRequired, &id);
                }
                self.admit(now, id, join, reply);
            }
            (false, Some(holder)) if holder != join.member => refuse(reply, ResponseError::FencedInstanceId, &join.member),
            (false, _) if self.pending.remove(&join.member).is_some() => self.admit(now, join.member.clone(), join, reply),
            (false, _) if self.members.contains_key(&join.member) => self.rejoin(now, join, reply),
            (false, _) => refuse(reply, ResponseError::UnknownMemberId, &join.member),
        }
    }

    pub(crate) fn sync(&mut self, now: Instant, sync: Sync, reply: Sender<Synced>) {
        let refuse = |reply: Sender<Synced>, error| _ = reply.send(Err(error));
        if let Err(error) = self.check(now, &sync.who) {
            return refuse(reply, error);
        }
        let differs = |wanted: Option<&String>, is: &str| wanted.is_some_and(|wanted| wanted != is);
        if differs(sync.kind.as_ref(), &self.kind) || differs(sync.protocol.as_ref(), &self.protocol) {
            return refuse(reply, ResponseError::InconsistentGroupProtocol);
        }
        match self.state {
            State::Empty => refuse(reply, ResponseError::UnknownMemberId),
            State::Preparing => refuse(reply, ResponseError::RebalanceInProgress),
            State::Stable => _ = reply.send(Ok(self.assignment(&sync.who.member))),
            State::Completing => {
                if let Some(member) = self.members.get_mut(&sync.who.member) {
                    member.syncing = Some(reply);
                }
                if sync.who.member == self.leader {
                    self.assign(now, sync.assignments);
                }
            }
        }
    }

    pub(crate) fn heartbeat(&mut self, now: Instant, who: &Who) -> Result<(), ResponseError> {
        self.check(now, who)?;
        match self.state {
            State::Preparing => Err(ResponseError::RebalanceInProgress),
            State::Empty | State::Completing | State::Stable => Ok(()),
        }
    }

    pub(crate) fn leave(&mut self, now: Instant, member: &str, instance: Option<&str>) -> Result<(), ResponseError> {
        let id = match instance.map(|instance| self.holder(instance)) {
            Some(None) => return Err(ResponseError::UnknownMemberId),
            Some(Some(holder)) if !member.is_empty() && holder != member => return Err(ResponseError::FencedInstanceId),
            Some(Some(holder)) => holder,
            None => member.to_owned(),
        };
        if self.pending.remove(&id).is_some() {
            self.complete_if_all_joined(now);
            return Ok(());
        }
        if !self.members.contains_key(&id) {
            return Err(ResponseError::UnknownMemberId);
        }
        self.remove(now, &id);
        Ok(())
    }

    pub(crate) fn may_commit(&mut self, now: Instant, who: &Who) -> Result<(), ResponseError> {
        if who.generation < 0 && who.member.is_empty() && self.state == State::Empty {
            return Ok(());
        }
        self.check(now, who)?;
        match self.state {
            State::Completing => Err(ResponseError::RebalanceInProgress),
            State::Empty | State::Preparing | State::Stable => Ok(()),
        }
    }

    /// Ends what is overdue; returns when the next may be.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Instant> {
        self.pending.retain(|_, until| *until > now);
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.hold = None;
            self.pending.clear();
            let completing = self.state == State::Completing;
            let late = |member: &Member| if completing { member.syncing.is_none() } else { !member.joins() };
            let late: Vec<_> = self.members.iter().filter(|(_, member)| late(member)).map(|(id, _)| id.clone()).collect();
            self.deadline = None;
            late.iter().for_each(|id| _ = self.members.remove(id));
            if completing { self.prepare(now) } else { self.complete_if_all_joined(now) }
        }
        let silent = |member: &Member| !member.waits() && now.saturating_duration_since(member.seen) >= member.session;
        let silent: Vec<_> = self.members.iter().filter(|(_, member)| silent(member)).map(|(id, _)| id.clone()).collect();
        silent.iter().for_each(|id| self.remove(now, id));
        self.complete_if_all_joined(now);
        let sessions = self.members.values().filter(|member| !member.waits()).map(|member| member.seen + member.session);
        sessions.chain(self.pending.values().copied()).chain(self.deadline).chain(self.hold).min()
    }

    pub(crate) fn describe(&self) -> Described {
        let member = |(id, member): (&String, &Member)| DescribedMember {
            id: id.clone(),
            instance: member.instance.clone(),
            client: member.client.clone(),
            host: member.host.clone(),
            metadata: metadata(member, &self.protocol),
            assignment: member.assignment.clone(),
        };
        let state = match self.state {
            State::Empty => "Empty",
            State::Preparing => "PreparingRebalance",
            State::Completing => "CompletingRebalance",
            State::Stable => "Stable",
        };
        Described { state, kind: self.kind.clone(), protocol: self.protocol.clone(), members: self.members.iter().map(member).collect() }
    }

    /// Same kind as the others, and at least one way to assign that all of them know.
    fn fits(&self, join: &Join) -> bool {
        let others = self.members.iter().filter(|(id, _)| **id != join.member).map(|(_, member)| member);
        let mut others = others.peekable();
        if others.peek().is_none() {
            return true;
        }
        let others: Vec<_> = others.collect();
        let known = |name: &String| others.iter().all(|member| member.protocols.iter().any(|(known, _)| known == name));
        join.kind == self.kind && join.protocols.iter().any(|(name, _)| known(name))
    }

    fn holder(&self, instance: &str) -> Option<String> {
        self.members.iter().find(|(_, member)| member.instance.as_deref() == Some(instance)).map(|(id, _)| id.clone())
    }

    fn admit(&mut self, now: Instant, id: String, join: Join, reply: Sender<Joined>) {
        self.arrivals += 1;
        self.kind.clone_from(&join.kind);
        let member = Member {
            order: self.arrivals,
            instance: join.instance,
            client: join.client,
            host: join.host,
            session: join.session,
            rebalance: join.rebalance,
            protocols: join.protocols,
            assignment: Bytes::new(),
            seen: now,
            joining: Some(reply),
            syncing: None,
        };
        self.members.insert(id, member);
        self.prepare(now);
    }

    /// A static member is back under a new id. While nothing else changes it gets its old assignment, and nobody is disturbed.
    fn replace(&mut self, now: Instant, old: &str, join: Join, reply: Sender<Joined>) {
        let Some(mut member) = self.members.remove(old) else { return };
        let id = fresh_id(join.instance.as_deref().unwrap_or_default());
        if let Some(joining) = member.joining.take() {
            _ = joining.send(Joined::refused(ResponseError::FencedInstanceId, old));
        }
        if let Some(syncing) = member.syncing.take() {
            _ = syncing.send(Err(ResponseError::FencedInstanceId));
        }
        let unchanged = self.state == State::Stable && member.protocols == join.protocols;
        // An old leader is told its old id, so that it does not assign anew.
        let leader = self.leader.clone();
        if self.leader == old {
            self.leader.clone_from(&id);
        }
        member.seen = now;
        (member.session, member.rebalance, member.protocols) = (join.session, join.rebalance, join.protocols);
        (member.client, member.host) = (join.client, join.host);
        if unchanged {
            self.members.insert(id.clone(), member);
            let (kind, protocol, generation) = (self.kind.clone(), self.protocol.clone(), self.generation);
            _ = reply.send(Joined { error: None, generation, kind, protocol, leader, member: id, members: Vec::new() });
        } else {
            member.joining = Some(reply);
            self.members.insert(id, member);
            self.prepare(now);
        }
    }

    fn rejoin(&mut self, now: Instant, join: Join, reply: Sender<Joined>) {
        let leads = join.member == self.leader;
        let Some(member) = self.members.get_mut(&join.member) else { return };
        let unchanged = member.protocols == join.protocols;
        member.seen = now;
        (member.session, member.rebalance, member.protocols) = (join.session, join.rebalance, join.protocols);
        // A follower in a stable group, or anybody whose answer got lost, is told how things stand.
        let as_before = unchanged && (self.state == State::Completing || (self.state == State::Stable && !leads));
        if as_before {
            _ = reply.send(self.answer(&join.member));
        } else {
            member.joining = Some(reply);
            self.prepare(now);
        }
    }

    fn assignment(&self, id: &str) -> Assignment {
        let bytes = self.members.get(id).map(|member| member.assignment.clone()).unwrap_or_default();
        Assignment { kind: self.kind.clone(), protocol: self.protocol.clone(), bytes }
    }

    /// Whether this is a member of this generation; if so, it was seen.
    fn check(&mut self, now: Instant, who: &Who) -> Result<(), ResponseError> {
        if let Some(instance) = &who.instance {
            match self.holder(instance) {
                None => return Err(ResponseError::UnknownMemberId),
                Some(holder) if holder != who.member => return Err(ResponseError::FencedInstanceId),
                Some(_) => (),
            }
        }
        let member = self.members.get_mut(&who.member).ok_or(ResponseError::UnknownMemberId)?;
        member.seen = now;
        if who.generation == self.generation { Ok(()) } else { Err(ResponseError::IllegalGeneration) }
    }

    fn remove(&mut self, now: Instant, id: &str) {
        if let Some(mut member) = self.members.remove(id) {
            let gone = ResponseError::UnknownMemberId;
            member.joining.take().into_iter().for_each(|reply| _ = reply.send(Joined::refused(gone, id)));
            member.syncing.take().into_iter().for_each(|reply| _ = reply.send(Err(gone)));
        }
        match self.state {
            State::Stable | State::Completing => self.prepare(now),
            State::Preparing => self.complete_if_all_joined(now),
            State::Empty => (),
        }
    }
}

fn metadata(member: &Member, protocol: &str) -> Bytes {
    member.protocols.iter().find(|(name, _)| name == protocol).map(|(_, metadata)| metadata.clone()).unwrap_or_default()
}

fn fresh_id(client: &str) -> String {
    let client: String = client.chars().take(100).collect();
    format!("{}-{}", if client.is_empty() { "member" } else { &client }, Uuid::now_v7())
}
