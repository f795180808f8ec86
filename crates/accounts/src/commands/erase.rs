//! Erasing: the account's data key goes, and with it everything that was closed with it, in every copy and backup.
//! Refuses to touch money: ledger, orders and payments stay, without a name.

use super::{end_sessions, load_people};
use crate::Accounts;
use crate::audit::{AuditRow, account_subject, audit};
use crate::commands::letters::MAIL_TOPIC;
use crate::decide;
use crate::ended::Ended;
use db::{Announcement, Column, Command, Error, Meta, Rank, Rows, Statement, Tx, announce, row};
use kernel::{Instant, Outcome, SessionId, UserId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use web::Who;

// Its row has been locked already, with the gates.
static MARK: Statement = Statement::new(
    "accounts.mark_erased",
    "update accounts set state = 'erased', roles = 0
     from rows r
     where accounts.id = r.id",
)
.rows(&[("id", Column::Bytes)]);

macro_rules! forgetting {
    ($($name:ident => $timed:literal, $text:literal;)+) => {
        $(static $name: Statement = Statement::new($timed, $text).rows(&[("id", Column::Bytes)]).locks(Rank::Other);)+
    };
}

// The rows are locked in this order by every command that locks more than one of them.
forgetting! {
    PERSONAL => "accounts.erase_personal", "delete from personal where user_id in (select id from rows)";
    TOKENS => "accounts.erase_mail_tokens", "delete from mail_token where user_id in (select id from rows)";
    ADDRESS => "accounts.erase_address", "delete from account_email where user_id in (select id from rows)";
    MEMBERSHIPS => "accounts.erase_memberships", "delete from game_member where user_id in (select id from rows)";
    ANSWERS => "accounts.erase_answers", "delete from idempotency where caller in (select id from rows)";
}

// Other rows of the outbox name the account by its id alone, which leads nowhere once the data key is gone.
static MAIL: Statement =
    Statement::new("accounts.erase_mail", "delete from outbox where (topic, aggregate) in (select topic, aggregate from rows)")
        .rows(&[("topic", Column::Text), ("aggregate", Column::Text)])
        .locks(Rank::Other);

/// An erasure that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erasure {
    user: UserId,
    by: By,
}

/// Who asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// The person, with the password of this version.
    Oneself(i64),
    /// Whoever runs the machine.
    TheMachine,
}

impl Erasure {
    fn actor(&self) -> Option<UserId> {
        matches!(self.by, By::Oneself(_)).then_some(self.user)
    }
}

/// Erases accounts.
pub struct Erase {
    pub(crate) ended: Arc<Ended>,
}

impl Command for Erase {
    const NAME: &'static str = "accounts.erase";
    type Input = Erasure;
    /// The sessions that ended.
    type Reply = Vec<SessionId>;

    fn gates(&self, input: &Erasure, gates: &mut BTreeSet<UserId>) {
        gates.insert(input.user);
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Erasure], now: Instant) -> Result<Vec<Outcome<Vec<SessionId>>>, Error> {
        let mut people = load_people(tx, &batch.iter().map(|erasure| erasure.user).collect()).await?;
        let credentials = super::load_credentials(tx, batch.iter().map(|erasure| erasure.user)).await?;
        let decided: Vec<Outcome<()>> = batch
            .iter()
            .map(|erasure| {
                let is_as_asked = match erasure.by {
                    By::Oneself(version) => credentials.get(&erasure.user).is_some_and(|known| known.password_version == version),
                    By::TheMachine => true,
                };
                if is_as_asked { decide::govern::erase(&mut people, erasure.user) } else { Err(decide::credentials::changed_meanwhile()) }
            })
            .collect();
        let done = batch.iter().zip(&decided).filter(|(_, outcome)| outcome.is_ok());
        let erased: BTreeMap<UserId, Option<UserId>> = done.map(|(erasure, _)| (erasure.user, erasure.actor())).collect();
        let mut ended = write(tx, &erased, now).await?;
        Ok(batch.iter().zip(decided).map(|(erasure, outcome)| outcome.map(|()| ended.remove(&erasure.user).unwrap_or_default())).collect())
    }

    fn committed(&self, _: &Erasure, outcome: &Outcome<Vec<SessionId>>) {
        if let Ok(sessions) = outcome {
            self.ended.add(sessions);
        }
    }
}

/// `erased`: whom, and by whom.
async fn write(
    tx: &mut Tx<'_>,
    erased: &BTreeMap<UserId, Option<UserId>>,
    now: Instant,
) -> Result<BTreeMap<UserId, Vec<SessionId>>, Error> {
    let ids = || Rows::of(erased.keys(), |user| row![*user]);
    tx.write(&MARK, ids()).await?;
    for statement in [&PERSONAL, &TOKENS, &ADDRESS, &MEMBERSHIPS, &ANSWERS] {
        tx.write_some(statement, ids()).await?;
    }
    tx.write_some(&MAIL, Rows::of(erased.keys(), |user| row![MAIL_TOPIC, account_subject(*user)])).await?;
    let ended = end_sessions(tx, &erased.keys().map(|user| (*user, None)).collect()).await?;
    let noted = |(user, actor): (&UserId, &Option<UserId>)| AuditRow {
        actor: *actor,
        act: "account.erased",
        subject: account_subject(*user),
        detail: serde_json::json!({}),
    };
    audit(tx, &erased.iter().map(noted).collect::<Vec<_>>()).await?;
    let announced = |user: &UserId| Announcement {
        topic: "account.erased",
        aggregate: account_subject(*user),
        version: now.0,
        payload: serde_json::json!({ "account": user }),
    };
    announce(tx, &erased.keys().map(announced).collect::<Vec<_>>()).await?;
    Ok(ended)
}

impl Accounts {
    /// Erases one's own account for good.
    ///
    /// # Errors
    /// The password is wrong, or the account is an admin's.
    pub async fn erase(&self, meta: Meta, who: Who, password: &str) -> Result<(), Error> {
        let password_version = self.check_own_password(who.user, password).await?;
        self.forget(meta, Erasure { user: who.user, by: By::Oneself(password_version) }).await
    }

    /// Erases an account, for the command line: who asked in another way than by the API, and who came back with an old backup.
    ///
    /// # Errors
    /// There is no such account, it is erased already, or it is an admin's.
    pub async fn erase_account(&self, user: UserId) -> Result<(), Error> {
        self.forget(Meta::ours("accounts.erase"), Erasure { user, by: By::TheMachine }).await
    }

    async fn forget(&self, meta: Meta, erasure: Erasure) -> Result<(), Error> {
        let sources = self.inner.sources.read().clone();
        for source in sources {
            source.forget(erasure.user).await?;
        }
        self.inner.erasures.send(self.inner.vault.keyed(meta), erasure).await.map(drop)
    }
}
