//! Reward campaigns: registered and changed while logs flow, progress read, rewards claimed, items handed over.
//! Refuses a reward twice, a budget overdrawn, and to write player state: the stream alone does that, through [`checkpoint`].

pub mod check;
pub mod checkpoint;
pub mod commands;
pub mod decide;
pub mod live;
pub mod model;
pub mod queries;
mod routes;
mod versions;

use accounts::Accounts;
use commands::{claims, clawback, controls, fulfilments, links, manage};
use db::{Db, Lookups, Queue};
use kernel::Currency;
use queries::lookups::{Linked, Newest};
use std::sync::Arc;
use versions::Versions;

pub use checkpoint::{
    GoalCount, Reached, StateWrite, StoredState, WaitingControl, add_achievements, add_matched, current_version, current_versions,
    load_states, take_controls, waiting_controls, write_states,
};
pub use commands::fulfilments::{Ended, settled as fulfilments_settled};
pub use live::{Live, LiveGame};
pub use queries::lookups::{PlayersOf, States};

/// The numbers campaigns go by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The currency of points that goals bring.
    pub points_currency: Currency,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy { points_currency: Currency::POINTS }
    }
}

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Campaigns {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    accounts: Accounts,
    live: Live,
    versions: Versions,
    states: Lookups<States>,
    newest: Lookups<Newest>,
    accounts_of: Lookups<Linked>,
    changes: Queue<manage::Manage>,
    claims: Queue<claims::Claim<true>>,
    auto_claims: Queue<claims::Claim<false>>,
    clawbacks: Queue<clawback::ClawBack>,
    controls: Queue<controls::Leave>,
    settles: Queue<fulfilments::Settle>,
    parked_resends: Queue<fulfilments::ResendParked>,
    codes: Queue<links::IssueCode>,
    links: Queue<links::Relink>,
    heard: links::Heard,
}

impl Campaigns {
    /// Starts the service on a database. [`Live::refresh`] of [`Campaigns::live`] is to be called once before the first record, and
    /// at least once a second from then on; [`Campaigns::claim_due`] as often as goals should grant by themselves.
    pub fn new(db: &Db, accounts: &Accounts, policy: &Policy) -> Campaigns {
        let (live, versions, heard) = (Live::new(db), Versions::default(), links::Heard::default());
        let currency = policy.points_currency;
        let inner = Inner {
            states: db.lookups(States),
            newest: db.lookups(Newest),
            accounts_of: db.lookups(Linked),
            changes: db.queue(manage::Manage),
            claims: db.queue(claims::Claim { live: live.clone(), versions: versions.clone(), currency }),
            auto_claims: db.queue(claims::Claim { live: live.clone(), versions: versions.clone(), currency }),
            clawbacks: db.queue(clawback::ClawBack),
            controls: db.queue(controls::Leave),
            settles: db.queue(fulfilments::Settle),
            parked_resends: db.queue(fulfilments::ResendParked),
            codes: db.queue(links::IssueCode),
            links: db.queue(links::Relink { heard: heard.clone() }),
            heard,
            db: db.clone(),
            accounts: accounts.clone(),
            live,
            versions,
        };
        Campaigns { inner: Arc::new(inner) }
    }

    /// What is in force now, for the stream.
    pub fn live(&self) -> &Live {
        &self.inner.live
    }

    /// Its routes.
    pub fn routes(&self) -> web::Routes {
        routes::routes(self.clone())
    }
}
