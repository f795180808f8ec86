//! Batched writes of the registry: what instances say, renewals, and the rounds that put out who is no longer there.
//! Refuses to tell of a change before it was committed.

use crate::decide::{self, Feed, Hash, Lease, Record, State};
use crate::model::{Leased, Registration, Status, Ticket, check_id};
use crate::{Registry, rows};
use db::{Command, Error, Meta, Tx};
use kernel::{Code, Instant, Outcome, Refusal};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What an instance, or an operator about it, says.
#[derive(Debug, Clone)]
pub enum Asked {
    /// Here I am.
    Register {
        /// Who.
        record: Record,
        /// The hash of its ticket.
        ticket: Hash,
        /// The lease it asks for, in microseconds.
        lease_us: i64,
        /// A Eureka client's own time of its last change, in milliseconds.
        dirty_at: i64,
    },
    /// This is my status.
    Say(Named, Status),
    /// This is its status, whatever it says; none takes that away. The second is what it is then believed to say.
    Force(Named, Option<Status>, Option<Status>),
    /// This is to be known of it too.
    Describe(Named, BTreeMap<String, String>),
    /// I leave.
    Leave(Named),
}

/// An instance, with what proves that it is the one who asks.
#[derive(Debug, Clone)]
pub struct Named {
    /// Its id.
    pub id: Arc<str>,
    /// The hash of its ticket.
    pub ticket: Hash,
}

impl Asked {
    fn id(&self) -> &Arc<str> {
        match self {
            Asked::Register { record, .. } => &record.id,
            Asked::Say(named, _) | Asked::Force(named, ..) | Asked::Describe(named, _) | Asked::Leave(named) => &named.id,
        }
    }
}

/// Changes of instances, which the feed tells of.
pub struct Change;

impl Command for Change {
    const NAME: &'static str = "registry.change";
    // A repeat says the same again and changes nothing.
    const KEYED: bool = false;
    type Input = Asked;
    type Reply = Option<Leased>;

    fn lane(&self, _: &Asked) -> Option<u64> {
        // All of them lock the same row: a second writer would only wait for the first.
        Some(0)
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Asked], now: Instant) -> Result<Vec<Outcome<Option<Leased>>>, Error> {
        let mut state = rows::lock(tx).await?;
        let ids: BTreeSet<&Arc<str>> = batch.iter().map(|asked| asked.id()).collect();
        rows::load(tx, &mut state, &ids).await?;
        state.leases = rows::leases(tx, &ids).await?;
        let seen = state.feed.clone();
        let outcomes = batch.iter().map(|asked| decided(&mut state, asked, now)).collect();
        rows::write(tx, &state, &seen).await?;
        Ok(outcomes)
    }
}

fn decided(state: &mut State, asked: &Asked, now: Instant) -> Outcome<Option<Leased>> {
    match asked {
        Asked::Register { record, ticket, lease_us, dirty_at } => {
            decide::register(state, record, Lease::new(*ticket, *lease_us, *dirty_at, now), now).map(Some)
        }
        Asked::Say(named, status) => decide::say(state, &named.id, named.ticket, *status, now).map(|()| None),
        Asked::Force(named, forced, instead) => decide::force(state, &named.id, named.ticket, *forced, *instead, now).map(|()| None),
        Asked::Describe(named, told) => decide::describe(state, &named.id, named.ticket, told, now).map(|()| None),
        Asked::Leave(named) => decide::leave(state, &named.id, named.ticket, now).map(|()| None),
    }
}

/// A renewal.
#[derive(Debug, Clone)]
pub struct Renewal {
    /// Who.
    pub named: Named,
    /// A Eureka client's own time of its last change, in milliseconds; 0 for others.
    pub dirty_at: i64,
}

/// Renewals: they touch leases alone, and not the feed.
pub struct Renew;

impl Command for Renew {
    const NAME: &'static str = "registry.renew";
    const KEYED: bool = false;
    type Input = Renewal;
    type Reply = Leased;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Renewal], now: Instant) -> Result<Vec<Outcome<Leased>>, Error> {
        let ids: BTreeSet<&Arc<str>> = batch.iter().map(|renewal| &renewal.named.id).collect();
        let mut state = State::new(Feed::new(), 0);
        state.leases = rows::leases(tx, &ids).await?;
        let renew = |renewal: &&Renewal| decide::renew(&mut state, &renewal.named.id, renewal.named.ticket, renewal.dirty_at, now);
        let outcomes = batch.iter().map(renew).collect();
        rows::renew(tx, &state).await?;
        Ok(outcomes)
    }
}

/// A round: who has not renewed is put out, and who is gone for long is forgotten.
pub struct Sweep;

impl Command for Sweep {
    const NAME: &'static str = "registry.sweep";
    const KEYED: bool = false;
    type Input = ();
    /// How many were put out.
    type Reply = u64;

    fn lane(&self, (): &()) -> Option<u64> {
        Some(0)
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a ()], now: Instant) -> Result<Vec<Outcome<u64>>, Error> {
        let mut state = rows::lock(tx).await?;
        let seen = state.feed.clone();
        let expired = rows::expired(tx, now).await?;
        let out = decide::sweep(&mut state.feed, state.alive, &expired, now);
        rows::load(tx, &mut state, &out.iter().collect()).await?;
        state.leases = expired;
        out.iter().for_each(|id| decide::go(&mut state, id, now));
        rows::forget(tx, &mut state.feed, now.plus_us(-decide::TOLD_US)).await?;
        rows::write(tx, &state, &seen).await?;
        Ok(batch.iter().map(|()| Ok(out.len() as u64)).collect())
    }
}

/// The largest document of a client of Eureka, in bytes.
const DOCUMENT_MAX: usize = 32 << 10;

impl Registry {
    /// Takes a process of the fleet in, or hears it again, which is a renewal too.
    ///
    /// # Errors
    /// Something of it is out of range, or the id is another's.
    pub async fn register(&self, id: &str, registration: &Registration) -> Result<Leased, Error> {
        check_id(id)?;
        registration.check()?;
        let services = registration.services.iter().cloned().collect();
        let record = Record {
            build: registration.version.clone(),
            weight: registration.weight,
            metadata: registration.metadata.clone(),
            ..Record::new(id, services, registration.address.clone())
        };
        let lease_us = i64::from(registration.lease_ms) * 1_000;
        let asked = Asked::Register { record, ticket: registration.ticket.hash(), lease_us, dirty_at: 0 };
        self.change(asked).await?.ok_or_else(|| Error::Broken("a registration was answered without a lease".to_owned()))
    }

    /// Renews a lease.
    ///
    /// # Errors
    /// `not-found` when the instance is not known (any more): it has to register again. The ticket is another's.
    pub async fn renew(&self, id: &str, ticket: &Ticket) -> Result<Leased, Error> {
        self.renewal(named(id, ticket)?, 0).await
    }

    /// Lets an instance finish what it took: it gets nothing new from those who follow the feed.
    ///
    /// # Errors
    /// The instance is not known, or the ticket is another's.
    pub async fn drain(&self, id: &str, ticket: &Ticket) -> Result<(), Error> {
        self.change(Asked::Say(named(id, ticket)?, Status::Draining)).await.map(drop)
    }

    /// Lets an instance go.
    ///
    /// # Errors
    /// The instance is not known, or the ticket is another's.
    pub async fn leave(&self, id: &str, ticket: &Ticket) -> Result<(), Error> {
        self.change(Asked::Leave(named(id, ticket)?)).await.map(drop)
    }

    /// Makes a change; when it answers, this process tells of it.
    pub(crate) async fn change(&self, asked: Asked) -> Result<Option<Leased>, Error> {
        if let Asked::Register { record, .. } = &asked
            && record.document.len() > DOCUMENT_MAX
        {
            let told = format!("the instance's document has {} bytes: up to {DOCUMENT_MAX} would be right", record.document.len());
            return Err(Refusal::new(Code::BodyTooLarge, told).into());
        }
        let leased = self.changes.send(Meta::ours("registry"), asked).await?;
        // What was committed stays committed: the poll will come round to it.
        if let Err(error) = self.refresh().await {
            tracing::warn!(%error, "a change of the registry was committed and cannot be read back yet");
        }
        Ok(leased)
    }

    pub(crate) async fn renewal(&self, named: Named, dirty_at: i64) -> Result<Leased, Error> {
        self.renewals.send(Meta::ours("registry"), Renewal { named, dirty_at }).await
    }

    /// Puts out who did not renew, unless another process's round just did; for a loop that calls it each [`decide::ROUND_US`].
    /// Returns how many were put out.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn sweep(&self) -> Result<u64, Error> {
        if !self.is_round_due().await? {
            return Ok(0);
        }
        let out = self.rounds.send(Meta::ours("registry"), ()).await?;
        metrics::counter!("guildhall_registry_evicted_total").increment(out);
        if out > 0 {
            tracing::info!(instances = out, "instances whose lease ran out were put out");
            self.refresh().await?;
        }
        Ok(out)
    }
}

fn named(id: &str, ticket: &Ticket) -> Result<Named, Refusal> {
    check_id(id)?;
    Ok(Named { id: id.into(), ticket: ticket.hash() })
}
