//! Accounts: who somebody is, what they may do, their sessions and their personal data; games with their teams and keys; the audit log.
//! Refuses to store a password, a token or anything personal in clear, to tell whether an address has an account,
//! and to rest a privileged act on a token alone.

pub mod audit;
pub mod caller;
pub mod check;
pub mod commands;
mod crypto;
pub mod decide;
mod ended;
pub mod export;
pub mod games;
mod limits;
pub mod mail;
pub mod model;
mod passwords;
mod policy;
pub mod queries;
mod rates;
mod routes;

use commands::letters::Lifetimes;
use commands::{confirm, erase, govern, letters, passwords as set, profile, rotate, sessions, sign_up, sweep, teams, uses};
use crypto::Vault;
use db::{Db, Error, Queue};
use ended::Ended;
use parking_lot::RwLock;
use std::sync::Arc;
use web::Tokens;

pub use audit::{AuditRow, Noted, audit};
pub use caller::{Asked, Caller};
pub use commands::letters::MAIL_TOPIC;
pub use commands::rotate::Rotated;
pub use crypto::PersonalKeys;
pub use export::{DataSource, Export, Part};
pub use games::{Game, GameKey, GameRole, KeyInfo, Member, Scope};
pub use mail::Mail;
pub use model::{Account, NewAccount, Profile, SessionView, Signed, State};
pub use policy::Policy;
pub use rates::rate_headers;
pub use routes::ClientAddress;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    tokens: Arc<Tokens>,
    vault: Arc<Vault>,
    policy: Policy,
    passwords: passwords::Passwords,
    limits: limits::Limits,
    ended: Arc<Ended>,
    keys: Arc<games::Keys>,
    rates: rates::Rates,
    sources: RwLock<Vec<Arc<dyn DataSource>>>,
    sign_ups: Queue<sign_up::SignUp>,
    bulk: Queue<sign_up::SignUpMany>,
    starts: Queue<sessions::Start>,
    renewals: Queue<sessions::Renew>,
    ends: Queue<sessions::End>,
    new_passwords: Queue<set::SetPassword>,
    letters: Queue<letters::Send>,
    confirmations: Queue<confirm::Confirm>,
    updates: Queue<profile::UpdateProfile>,
    deeds: Queue<govern::Govern>,
    erasures: Queue<erase::Erase>,
    teams: Queue<teams::Manage>,
    new_keys: Queue<teams::CreateKey>,
    rotations: Queue<rotate::Rotate>,
    sweeps: Queue<sweep::Sweep>,
    uses: uses::Uses,
    notes: Queue<uses::Note>,
}

impl Accounts {
    /// Starts the service on a database, with its threads for password hashes.
    pub fn new(db: &Db, tokens: Arc<Tokens>, keys: PersonalKeys, policy: Policy) -> Accounts {
        let vault = Arc::new(Vault::new(&keys));
        let ended = Arc::new(Ended::new(db, tokens.clone()));
        let keys = Arc::new(games::Keys::default());
        let lifetimes = Lifetimes { reset_s: policy.reset_token_s, confirm_s: policy.confirm_token_s };
        let refresh_token_s = policy.refresh_token_s;
        let inner = Inner {
            db: db.clone(),
            tokens,
            passwords: passwords::Passwords::new(&policy),
            limits: limits::Limits::new(db, &policy),
            rates: rates::Rates::new(db, policy.key_requests_per_s, policy.key_burst),
            sources: RwLock::default(),
            sign_ups: db.queue(sign_up::SignUp { lifetimes }),
            bulk: db.queue(sign_up::SignUpMany { lifetimes }),
            starts: db.queue(sessions::Start { refresh_token_s }),
            renewals: db.queue(sessions::Renew { ended: ended.clone(), refresh_token_s }),
            ends: db.queue(sessions::End { ended: ended.clone() }),
            new_passwords: db.queue(set::SetPassword { ended: ended.clone() }),
            letters: db.queue(letters::Send { lifetimes }),
            confirmations: db.queue(confirm::Confirm),
            updates: db.queue(profile::UpdateProfile { lifetimes }),
            deeds: db.queue(govern::Govern { ended: ended.clone() }),
            erasures: db.queue(erase::Erase { ended: ended.clone() }),
            teams: db.queue(teams::Manage { keys: keys.clone() }),
            new_keys: db.queue(teams::CreateKey { keys: keys.clone() }),
            rotations: db.queue(rotate::Rotate { vault: vault.clone() }),
            sweeps: db.queue(sweep::Sweep),
            uses: uses::Uses::default(),
            notes: db.queue(uses::Note),
            vault,
            policy,
            ended,
            keys,
        };
        Accounts { inner: Arc::new(inner) }
    }

    /// Its routes.
    pub fn routes(&self) -> web::Routes {
        routes::routes(self.clone())
    }

    /// Hears of sessions that ended in other processes; to be called about once a second, and once before the first request.
    ///
    /// # Errors
    /// The database fails; the sessions known so far stay ended.
    pub async fn refresh_ended(&self) -> Result<(), Error> {
        self.inner.ended.refresh().await
    }

    /// Counts an attempt from a network address, for routes that anyone may call.
    ///
    /// # Errors
    /// There were too many.
    pub fn count_attempt(&self, from: Option<std::net::IpAddr>) -> Result<(), kernel::Refusal> {
        self.inner.limits.from(from)
    }
}
