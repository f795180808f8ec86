//! Privileged acts on accounts: blocked, unblocked, given and robbed of roles; each is noted in the audit log.
//! Refuses to rest on the token's roles: the actor's row is read again under its lock.

use super::{end_sessions, load_people};
use crate::Accounts;
use crate::audit::{AuditRow, account_subject, audit};
use crate::decide::govern::{Act, Governed, govern};
use crate::ended::Ended;
use db::{Announcement, Column, Command, Error, Meta, Rank, Rows, Statement, Tx, announce, row};
use kernel::{Instant, Outcome, SessionId, UserId};
use std::collections::BTreeMap;
use std::sync::Arc;
use web::Role;

static SAVE: Statement = Statement::new(
    "accounts.save_person",
    "update accounts set state = r.state, roles = r.roles
     from rows r
     where accounts.id = r.id",
)
.rows(&[("id", Column::Bytes), ("state", Column::Text), ("roles", Column::Int)])
.locks(Rank::Gate);

/// Who does what to whom, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// None for the machine's own operator.
    pub actor: Option<UserId>,
    /// To whom.
    pub subject: UserId,
    /// What.
    pub act: Act,
    /// Why, for the audit log: one of a few words, so that nothing personal gets in.
    pub reason: Option<&'static str>,
}

/// Does privileged acts.
pub struct Govern {
    pub(crate) ended: Arc<Ended>,
}

impl Command for Govern {
    const NAME: &'static str = "accounts.govern";
    type Input = Deed;
    /// The sessions that ended.
    type Reply = Vec<SessionId>;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Deed], now: Instant) -> Result<Vec<Outcome<Vec<SessionId>>>, Error> {
        let users = batch.iter().flat_map(|deed| deed.actor.into_iter().chain([deed.subject])).collect();
        let mut people = load_people(tx, &users).await?;
        let before = people.clone();
        let decided: Vec<Outcome<Governed>> = batch.iter().map(|deed| govern(&mut people, deed.actor, deed.subject, deed.act)).collect();
        let changed = people.iter().filter(|(user, person)| before[user] != **person);
        tx.write(&SAVE, Rows::of(changed, |(user, person)| row![*user, person.state.as_str(), person.roles.0])).await?;
        let done = || {
            batch
                .iter()
                .zip(&decided)
                .filter_map(|(deed, outcome)| Some((*deed, outcome.as_ref().ok()?)))
                .filter(|(_, governed)| governed.changed)
        };
        let ending: BTreeMap<UserId, Option<SessionId>> =
            done().filter(|(_, governed)| governed.ends_sessions).map(|(deed, _)| (deed.subject, None)).collect();
        let ended = end_sessions(tx, &ending).await?;
        let acts: Vec<AuditRow> = done().map(|(deed, _)| noted(deed)).collect();
        audit(tx, &acts).await?;
        let announcements: Vec<Announcement> = done().zip(now.0..).map(|((deed, _), version)| announced(deed, version)).collect();
        announce(tx, &announcements).await?;
        let reply = |(deed, outcome): (&&Deed, Outcome<Governed>)| {
            outcome.map(|governed| if governed.ends_sessions { ended.get(&deed.subject).cloned().unwrap_or_default() } else { Vec::new() })
        };
        Ok(batch.iter().zip(decided).map(reply).collect())
    }

    fn committed(&self, _: &Deed, outcome: &Outcome<Vec<SessionId>>) {
        if let Ok(sessions) = outcome {
            self.ended.add(sessions);
        }
    }
}

fn noted(deed: &Deed) -> AuditRow {
    let detail = match deed.act {
        Act::Grant(role) | Act::Revoke(role) => serde_json::json!({ "role": role }),
        Act::Block | Act::Unblock => serde_json::json!({ "reason": deed.reason }),
    };
    AuditRow { actor: deed.actor, act: deed.act.name(), subject: account_subject(deed.subject), detail }
}

fn announced(deed: &Deed, version: i64) -> Announcement {
    let payload = serde_json::json!({ "account": deed.subject });
    Announcement { topic: deed.act.name(), aggregate: account_subject(deed.subject), version, payload }
}

impl Accounts {
    /// Does a privileged act. Doing what is so already changes nothing and is no error.
    ///
    /// # Errors
    /// The actor may not, or there is no such account.
    pub async fn govern(&self, meta: Meta, deed: Deed) -> Result<(), Error> {
        self.inner.deeds.send(meta, deed).await.map(drop)
    }

    /// Gives a role, for the command line; the account is named by id or e-mail address.
    ///
    /// # Errors
    /// There is no such account, or it is blocked.
    pub async fn grant_role(&self, user_or_email: &str, role: Role) -> Result<UserId, Error> {
        let found = match user_or_email.parse() {
            Ok(user) => Some(user),
            Err(_) => self.find_by_email(user_or_email).await?,
        };
        let subject = found.ok_or_else(|| kernel::Refusal::not_found("account", user_or_email))?;
        self.govern(Meta::ours("accounts.grant_role"), Deed { actor: None, subject, act: Act::Grant(role), reason: None }).await?;
        Ok(subject)
    }
}
