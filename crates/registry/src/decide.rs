//! Decides who is there. Pure: no clock, no database, no randomness.
//! The caller has loaded and locked the feed's row and every instance and lease named here.

use crate::model::{Instance, Leased, Status, WEIGHT, check_metadata};
use kernel::time::SECOND_US;
use kernel::{Code, Instant, Outcome, Refusal};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Time between two rounds that look for leases that ran out, in microseconds.
pub const ROUND_US: i64 = SECOND_US;
/// When no round ran for this long, registry or database were away: nobody could renew, and everyone gets one fresh lease.
/// It is the time between two renewals of the default lease, so that whoever renewed right before the outage is not put out after it.
pub const OUTAGE_US: i64 = 3 * SECOND_US;
/// Evictions are counted over this time, in microseconds.
pub const WINDOW_US: i64 = 60 * SECOND_US;
/// Of a hundred instances fewer than this are put out within [`WINDOW_US`]; one always may.
pub const EVICTED_PERCENT: i64 = 15;
/// One that is gone is told of for this long.
pub const TOLD_US: i64 = 600 * SECOND_US;
/// Instances that may be registered at once.
pub const INSTANCES_MAX: i64 = 20_000;

/// The feed's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// The newest version.
    pub version: i64,
    /// The newest version that was forgotten.
    pub forgotten: i64,
    /// When the last round ran.
    pub swept_at: Instant,
    /// When the last outage had ended.
    pub resumed_at: Instant,
    /// How many were put out, with when, within the last [`WINDOW_US`].
    pub evicted: Vec<Evicted>,
}

impl Feed {
    /// The row of a registry that knows nobody and never ran.
    pub fn new() -> Feed {
        Feed { version: 0, forgotten: 0, swept_at: Instant(0), resumed_at: Instant(0), evicted: Vec::new() }
    }
}

impl Default for Feed {
    fn default() -> Self {
        Feed::new()
    }
}

/// Instances that one round put out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evicted {
    /// When, in microseconds.
    pub at_us: i64,
    /// How many.
    pub count: i64,
}

/// An instance with all its services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The id.
    pub id: Arc<str>,
    /// The services it offers.
    pub services: Vec<String>,
    /// `HOST:PORT`.
    pub address: String,
    /// Reached by TLS.
    pub secure: bool,
    /// The version of its program.
    pub build: String,
    /// Its weight.
    pub weight: u32,
    /// Whatever else it says.
    pub metadata: BTreeMap<String, String>,
    /// What a client of Eureka said, as JSON; empty for a native instance.
    pub document: String,
    /// What it says of itself.
    pub status: Status,
    /// What an operator says of it instead.
    pub forced: Option<Status>,
    /// When it came.
    pub registered_at: Instant,
    /// When it last changed.
    pub changed_at: Instant,
    /// The feed's version at which it did.
    pub version: i64,
}

impl Record {
    /// An instance that says nothing of itself but these, and was not taken in yet.
    pub fn new(id: impl Into<Arc<str>>, services: Vec<String>, address: String) -> Record {
        Record {
            id: id.into(),
            services,
            address,
            secure: false,
            build: String::new(),
            weight: WEIGHT,
            metadata: BTreeMap::new(),
            document: String::new(),
            status: Status::Up,
            forced: None,
            registered_at: Instant(0),
            changed_at: Instant(0),
            version: 0,
        }
    }

    /// What counts: an operator's word, except over an instance that says it cannot work.
    pub fn effective(&self) -> Status {
        match self.status {
            Status::Down | Status::Starting | Status::Gone => self.status,
            status => self.forced.unwrap_or(status),
        }
    }

    /// One [`Instance`] for each service.
    pub fn instances(&self) -> impl Iterator<Item = Instance> + '_ {
        self.services.iter().map(|service| Instance {
            service: service.clone(),
            id: self.id.to_string(),
            address: self.address.clone(),
            secure: self.secure,
            version: self.build.clone(),
            weight: self.weight,
            status: self.effective(),
            metadata: self.metadata.clone(),
        })
    }

    fn says_the_same(&self, other: &Record) -> bool {
        let dated = Record { forced: self.forced, registered_at: self.registered_at, changed_at: self.changed_at, ..other.clone() };
        *self == Record { version: self.version, ..dated }
    }
}

/// A lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The hash of the ticket that renews it.
    pub ticket: [u8; 16],
    /// How long it is, in microseconds.
    pub lease_us: i64,
    /// A Eureka client's own time of its last change, in milliseconds; 0 for others.
    pub dirty_at: i64,
    /// When it was last renewed.
    pub renewed_at: Instant,
    /// When it runs out.
    pub expires_at: Instant,
}

impl Lease {
    /// A lease from now on.
    pub fn new(ticket: [u8; 16], lease_us: i64, dirty_at: i64, now: Instant) -> Lease {
        Lease { ticket, lease_us, dirty_at, renewed_at: now, expires_at: now.plus_us(lease_us) }
    }

    /// What its holder is told.
    pub fn leased(&self) -> Leased {
        Leased { expires_at: self.expires_at, renew_ms: u32::try_from(self.lease_us * 3 / 10_000).unwrap_or(u32::MAX) }
    }
}

/// What a batch touches.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// The feed's row.
    pub feed: Feed,
    /// How many instances have a lease.
    pub alive: i64,
    /// Instances that were loaded, also those that are gone.
    pub records: BTreeMap<Arc<str>, Record>,
    /// Their leases.
    pub leases: BTreeMap<Arc<str>, Lease>,
    /// Instances to write.
    pub changed: BTreeSet<Arc<str>>,
    /// Leases to write.
    pub leased: BTreeSet<Arc<str>>,
    /// Leases to drop.
    pub dropped: BTreeSet<Arc<str>>,
}

impl State {
    /// Nothing loaded but the feed's row and the number of leases.
    pub fn new(feed: Feed, alive: i64) -> State {
        State {
            feed,
            alive,
            records: BTreeMap::new(),
            leases: BTreeMap::new(),
            changed: BTreeSet::new(),
            leased: BTreeSet::new(),
            dropped: BTreeSet::new(),
        }
    }
}

/// The hash of a ticket. Clients of Eureka have none: theirs is all zeros, and so they act for each other but for nobody else.
pub type Hash = [u8; 16];

/// Takes an instance in, or hears it again. An id belongs to its ticket for as long as its lease runs.
pub fn register(state: &mut State, record: &Record, lease: Lease, now: Instant) -> Outcome<Leased> {
    let id = record.id.clone();
    let known = state.leases.get(&id);
    if known.is_some_and(|known| known.ticket != lease.ticket && known.expires_at > now) {
        return Err(Refusal::new(Code::AlreadyExists, format!("instance {id} is registered by another: an id of your own would be right")));
    }
    if known.is_none() && state.alive >= INSTANCES_MAX {
        return Err(Refusal::new(Code::Overloaded, format!("{INSTANCES_MAX} instances are registered, and no more are taken")));
    }
    if known.is_none() {
        state.alive += 1;
    }
    let before = state.records.get(&id).filter(|before| before.status != Status::Gone);
    let unchanged = before.is_some_and(|before| before.says_the_same(record));
    if !unchanged {
        let came_back = before.map_or((record.forced, now), |before| (record.forced.or(before.forced), before.registered_at));
        let next = Record { forced: came_back.0, registered_at: came_back.1, ..record.clone() };
        put(state, next, now);
    }
    state.dropped.remove(&id);
    state.leases.insert(id.clone(), lease);
    state.leased.insert(id);
    Ok(lease.leased())
}

/// Lengthens a lease. A later `dirty_at` than the registered one means that the client has more to say: it has to register again.
pub fn renew(state: &mut State, id: &str, ticket: Hash, dirty_at: i64, now: Instant) -> Outcome<Leased> {
    let lease = held(state, id, ticket)?;
    if dirty_at > lease.dirty_at {
        return Err(Refusal::not_found("instance as new as that", id));
    }
    let renewed = Lease::new(lease.ticket, lease.lease_us, lease.dirty_at, now);
    let key: Arc<str> = id.into();
    state.leases.insert(key.clone(), renewed);
    state.leased.insert(key);
    Ok(renewed.leased())
}

/// Takes the instance's own word for its status.
pub fn say(state: &mut State, id: &str, ticket: Hash, status: Status, now: Instant) -> Outcome<()> {
    held(state, id, ticket)?;
    change(state, id, now, |record| record.status = status)
}

/// Puts another status over what the instance says, or takes that away and lets it be `instead`.
pub fn force(state: &mut State, id: &str, ticket: Hash, forced: Option<Status>, instead: Option<Status>, now: Instant) -> Outcome<()> {
    held(state, id, ticket)?;
    change(state, id, now, |record| {
        record.forced = forced;
        record.status = instead.unwrap_or(record.status);
    })
}

/// Adds to an instance's metadata.
pub fn describe(state: &mut State, id: &str, ticket: Hash, told: &BTreeMap<String, String>, now: Instant) -> Outcome<()> {
    held(state, id, ticket)?;
    let record = state.records.get(id).ok_or_else(|| Refusal::not_found("instance", id))?;
    let mut metadata = record.metadata.clone();
    metadata.extend(told.iter().map(|(key, value)| (key.clone(), value.clone())));
    check_metadata(&metadata)?;
    change(state, id, now, |record| record.metadata = metadata)
}

/// Lets an instance go.
pub fn leave(state: &mut State, id: &str, ticket: Hash, now: Instant) -> Outcome<()> {
    held(state, id, ticket)?;
    go(state, id, now);
    Ok(())
}

/// Whom a round puts out: instances whose lease ran out, those first whose lease ran out first, and never too many at once.
/// `leases` holds every lease that has run out by `now`, `alive` counts all.
pub fn sweep(feed: &mut Feed, alive: i64, leases: &BTreeMap<Arc<str>, Lease>, now: Instant) -> Vec<Arc<str>> {
    if now.since_us(feed.swept_at) > OUTAGE_US {
        feed.resumed_at = now;
    }
    feed.swept_at = now;
    feed.evicted.retain(|evicted| now.0 - evicted.at_us < WINDOW_US);
    let lately: i64 = feed.evicted.iter().map(|evicted| evicted.count).sum();
    let limit = (((alive + lately) * EVICTED_PERCENT - 1) / 100).max(1);
    let free = usize::try_from(limit - lately).unwrap_or(0);
    let mut out: Vec<(Instant, &Arc<str>)> =
        leases.iter().map(|(id, lease)| (runs_out(lease, feed.resumed_at), id)).filter(|(at, _)| *at <= now).collect();
    out.sort();
    out.truncate(free);
    if !out.is_empty() {
        feed.evicted.push(Evicted { at_us: now.0, count: i64::try_from(out.len()).unwrap_or(i64::MAX) });
    }
    out.into_iter().map(|(_, id)| id.clone()).collect()
}

/// When a lease runs out: after an outage not before everyone could have been heard again.
fn runs_out(lease: &Lease, resumed_at: Instant) -> Instant {
    lease.expires_at.max(resumed_at.plus_us(lease.lease_us))
}

/// Marks an instance as gone; those who follow the feed are told for a while.
pub fn go(state: &mut State, id: &str, now: Instant) {
    if let Some(mut record) = state.records.get(id).cloned() {
        record.status = Status::Gone;
        record.forced = None;
        put(state, record, now);
    }
    if let Some((id, _)) = state.leases.remove_entry(id) {
        state.alive -= 1;
        state.leased.remove(&id);
        state.dropped.insert(id);
    }
}

fn held(state: &State, id: &str, ticket: Hash) -> Outcome<Lease> {
    let lease = *state.leases.get(id).ok_or_else(|| Refusal::not_found("instance", id))?;
    if lease.ticket != ticket {
        return Err(Refusal::new(Code::Forbidden, format!("instance {id} was registered with another ticket: nobody acts for another")));
    }
    Ok(lease)
}

fn change(state: &mut State, id: &str, now: Instant, how: impl FnOnce(&mut Record)) -> Outcome<()> {
    let record = state.records.get(id).ok_or_else(|| Refusal::not_found("instance", id))?;
    let mut next = record.clone();
    how(&mut next);
    if next != *record {
        put(state, next, now);
    }
    Ok(())
}

fn put(state: &mut State, record: Record, now: Instant) {
    // One version for the whole batch would do; one for each change tells readers more, and costs nothing.
    state.feed.version += 1;
    let id = record.id.clone();
    state.records.insert(id.clone(), Record { changed_at: now, version: state.feed.version, ..record });
    state.changed.insert(id);
}

#[cfg(test)]
mod tests;
