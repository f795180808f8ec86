//! A rebalance from its call to the leader's assignment: wait for all, begin a generation, elect, hand out.
//! Refuses to wait for whoever is overdue: `expire` has put them out.

use super::{Assignment, Group, Joined, Member, ResponseError, State, metadata};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

impl Group {
    /// Asks everybody to join again.
    pub(super) fn prepare(&mut self, now: Instant) {
        for member in self.members.values_mut() {
            if let Some(reply) = member.syncing.take() {
                // It could not say anything while it waited: its session begins anew.
                member.seen = now;
                _ = reply.send(Err(ResponseError::RebalanceInProgress));
            }
        }
        if self.state != State::Preparing {
            self.hold = (self.state == State::Empty && !self.delay.is_zero()).then(|| now + self.delay);
            self.deadline = Some(now + self.patience());
            self.state = State::Preparing;
        }
        self.complete_if_all_joined(now);
    }

    /// The longest any member asks the others to wait.
    fn patience(&self) -> Duration {
        self.members.values().map(|member| member.rebalance).max().unwrap_or_default().max(self.delay)
    }

    pub(super) fn complete_if_all_joined(&mut self, now: Instant) {
        if self.state != State::Preparing
            || !self.pending.is_empty()
            || self.hold.is_some_and(|hold| hold > now)
            || !self.members.values().all(Member::joins)
        {
            return;
        }
        self.hold = None;
        self.deadline = None;
        if self.members.is_empty() {
            self.state = State::Empty;
            self.protocol.clear();
            self.leader.clear();
            return;
        }
        self.generation += 1;
        self.state = State::Completing;
        self.deadline = Some(now + self.patience());
        self.protocol = self.elect();
        if !self.members.contains_key(&self.leader) {
            let longest = self.members.iter().min_by_key(|(_, member)| member.order);
            self.leader = longest.map(|(id, _)| id.clone()).unwrap_or_default();
        }
        let ids: Vec<_> = self.members.keys().cloned().collect();
        for id in ids {
            let answer = self.answer(&id);
            let Some(member) = self.members.get_mut(&id) else { continue };
            (member.seen, member.assignment) = (now, Bytes::new());
            if let Some(reply) = member.joining.take() {
                _ = reply.send(answer);
            }
        }
    }

    /// The way to assign that all know and most prefer.
    fn elect(&self) -> String {
        let known = |name: &str| self.members.values().all(|member| member.protocols.iter().any(|(other, _)| other == name));
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            if let Some((name, _)) = member.protocols.iter().find(|(name, _)| known(name)) {
                *votes.entry(name).or_default() += 1;
            }
        }
        votes.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name.to_owned()).unwrap_or_default()
    }

    pub(super) fn answer(&self, id: &str) -> Joined {
        let all =
            || self.members.iter().map(|(id, member)| (id.clone(), member.instance.clone(), metadata(member, &self.protocol))).collect();
        let members = if id == self.leader { all() } else { Vec::new() };
        let (kind, protocol, leader) = (self.kind.clone(), self.protocol.clone(), self.leader.clone());
        Joined { error: None, generation: self.generation, kind, protocol, leader, member: id.to_owned(), members }
    }

    pub(super) fn assign(&mut self, now: Instant, assignments: Vec<(String, Bytes)>) {
        for (id, bytes) in assignments {
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = bytes;
            }
        }
        self.state = State::Stable;
        self.deadline = None;
        for member in self.members.values_mut() {
            if let Some(reply) = member.syncing.take() {
                member.seen = now;
                let (kind, protocol) = (self.kind.clone(), self.protocol.clone());
                _ = reply.send(Ok(Assignment { kind, protocol, bytes: member.assignment.clone() }));
            }
        }
    }
}
