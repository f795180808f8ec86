//! Reads of accounts: logins by address, personal data opened for its owner, lists for operators.
//! Refuses to show personal data of others: operators see a name and a hint of the address.

pub mod games;

use crate::Accounts;
use crate::audit::Noted;
use crate::commands::{bytes32, roles};
use crate::crypto::{DataKey, EmailHash, Field, Wrapped};
use crate::model::{self, Account, Profile, SessionView, State};
use db::{Column, Error, Row, Rows, Statement, row};
use kernel::{Code, Cursor, Instant, Page, Refusal, UserId, page};
use web::Roles;

static LOGIN: Statement = Statement::new(
    "accounts.find_login",
    "select e.user_id, p.password, p.password_version
     from rows r join account_email e on e.hash = r.hash join personal p on p.user_id = e.user_id",
)
.rows(&[("hash", Column::Bytes)]);

static PERSONAL: Statement = Statement::new(
    "accounts.read_personal",
    "select a.state, a.roles, a.created_at, p.master_key_id, p.data_key, p.email, p.name, p.phone, p.email_confirmed_at,
            p.password, p.password_version, p.changed_at
     from accounts a join personal p on p.user_id = a.id
     where a.id = $1",
);

static ACCOUNT: Statement = Statement::new("accounts.read", "select state, roles, created_at from accounts where id = $1");

static MAIL_TOKEN: Statement =
    Statement::new("accounts.find_mail_token", "select hash from mail_token where hash = $1 and expires_at > $2");

static SESSIONS: Statement = Statement::new(
    "accounts.list_sessions",
    "select id, created_at, refreshed_at, expires_at, ended_at
     from session
     where user_id = $1 and id < $2
     order by id desc
     limit $3",
);

static AUDIT: Statement = Statement::new(
    "accounts.list_audit",
    "select id, at, actor, act, subject, detail
     from audit
     where id < $1
     order by id desc
     limit $2",
);

static AUDIT_OF_SUBJECT: Statement = Statement::new(
    "accounts.list_audit_of_subject",
    "select id, at, actor, act, subject, detail
     from audit
     where subject = $3 and id < $1
     order by id desc
     limit $2",
);

static AUDIT_OF_ACTOR: Statement = Statement::new(
    "accounts.list_audit_of_actor",
    "select id, at, actor, act, subject, detail
     from audit
     where actor = $3 and id < $1
     order by id desc
     limit $2",
);

/// What a login is checked against.
pub(crate) struct Login {
    pub(crate) user: UserId,
    pub(crate) password: String,
    pub(crate) password_version: i64,
}

/// An account with its personal data, opened.
pub(crate) struct Person {
    pub(crate) state: State,
    pub(crate) roles: Roles,
    pub(crate) created_at: Instant,
    pub(crate) key: DataKey,
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) phone: Option<String>,
    pub(crate) email_confirmed_at: Option<Instant>,
    pub(crate) password: String,
    pub(crate) password_version: i64,
    pub(crate) changed_at: Instant,
}

/// Above every id, for the first page of a list that starts with the newest.
const ABOVE_ALL: kernel::Uuid = kernel::Uuid::max();

impl Accounts {
    pub(crate) async fn login_of(&self, hashes: &[EmailHash]) -> Result<Option<Login>, Error> {
        let rows = Rows::of(hashes, |hash| row![&hash.hash]);
        let login = |row: &Row| Ok(Login { user: row.id(0)?, password: row.text(1)?, password_version: row.int(2)? });
        Ok(self.inner.db.read().await?.load(&LOGIN, rows, login).await?.pop())
    }

    /// The account of an e-mail address, for the command line.
    ///
    /// # Errors
    /// The text is no address.
    pub async fn find_by_email(&self, email: &str) -> Result<Option<UserId>, Error> {
        let hashes = self.inner.vault.email_hashes(&model::normal_email(email)?);
        Ok(self.login_of(&hashes).await?.map(|login| login.user))
    }

    /// Personal data, opened; an account that is erased or was never there is not found.
    pub(crate) async fn personal(&self, user: UserId) -> Result<Person, Error> {
        let found = self.personal_if_there(user).await?;
        found.ok_or_else(|| Refusal::new(Code::Unauthenticated, "the account of this token is gone: sign up for a new one").into())
    }

    pub(crate) async fn personal_if_there(&self, user: UserId) -> Result<Option<Person>, Error> {
        let vault = &self.inner.vault;
        let open = |row: &Row| {
            let master_key_id = u32::try_from(row.int(3)?).map_err(|_| Error::Broken("a master key's id is not one".to_owned()))?;
            let key = vault.unwrap(user, &Wrapped { master_key_id, bytes: row.bytes(4)? })?;
            Ok(Person {
                state: row.parsed(0)?,
                roles: roles(row, 1)?,
                created_at: row.instant(2)?,
                email: key.open(user, Field::Email, &row.bytes(5)?)?,
                name: key.open(user, Field::Name, &row.bytes(6)?)?,
                phone: row.bytes_opt(7)?.map(|phone| key.open(user, Field::Phone, &phone)).transpose()?,
                email_confirmed_at: row.instant_opt(8)?,
                password: row.text(9)?,
                password_version: row.int(10)?,
                changed_at: row.instant(11)?,
                key,
            })
        };
        Ok(self.inner.db.fetch(&PERSONAL, &row![user], open).await?.pop())
    }

    /// One's own profile.
    ///
    /// # Errors
    /// The account is gone.
    pub async fn profile(&self, user: UserId) -> Result<Profile, Error> {
        let person = self.personal(user).await?;
        Ok(Profile {
            user,
            email: person.email,
            email_confirmed_at: person.email_confirmed_at,
            name: person.name,
            phone: person.phone,
            roles: person.roles.list(),
            created_at: person.created_at,
            changed_at: person.changed_at,
        })
    }

    /// An account as operators see it.
    ///
    /// # Errors
    /// There is none.
    pub async fn account(&self, user: UserId) -> Result<Account, Error> {
        let map = |row: &Row| Ok((row.parsed::<State>(0)?, roles(row, 1)?, row.instant(2)?));
        let found = self.inner.db.fetch(&ACCOUNT, &row![user], map).await?.pop();
        let (state, roles, created_at) = found.ok_or_else(|| Refusal::not_found("account", user))?;
        let person = self.personal_if_there(user).await?;
        Ok(Account {
            user,
            state,
            roles: roles.list(),
            created_at,
            email_hint: person.as_ref().map(|person| model::email_hint(&person.email)),
            email_confirmed_at: person.as_ref().and_then(|person| person.email_confirmed_at),
            name: person.map(|person| person.name),
        })
    }

    pub(crate) async fn has_mail_token(&self, hash: &[u8; 32]) -> Result<bool, Error> {
        let found = self.inner.db.fetch(&MAIL_TOKEN, &row![hash, self.inner.db.now()], |row| bytes32(row, 0)).await?;
        Ok(!found.is_empty())
    }

    /// One's own sessions, newest first.
    ///
    /// # Errors
    /// The cursor or the size is none of this list's.
    pub async fn sessions(&self, user: UserId, after: Option<&Cursor>, size: Option<u32>) -> Result<Page<SessionView>, Error> {
        let size = page::size(size)?;
        let below = after.map_or(Ok(ABOVE_ALL), Cursor::id)?;
        let session = |row: &Row| {
            Ok(SessionView {
                session: row.id(0)?,
                created_at: row.instant(1)?,
                refreshed_at: row.instant(2)?,
                expires_at: row.instant(3)?,
                ended_at: row.instant_opt(4)?,
            })
        };
        let sessions = self.inner.db.fetch(&SESSIONS, &row![user, below, size + 1], session).await?;
        Ok(Page::cut(sessions, size, |view| Cursor::of_id(view.session.0)))
    }

    /// The audit log, newest first; of one subject or one actor when asked.
    ///
    /// # Errors
    /// The cursor or the size is none of this list's, or both a subject and an actor are asked for.
    pub async fn audit_log(&self, of: AuditOf<'_>, after: Option<&Cursor>, size: Option<u32>) -> Result<Page<Noted>, Error> {
        let size = page::size(size)?;
        let below = after.map_or(Ok(ABOVE_ALL), Cursor::id)?;
        let db = &self.inner.db;
        let rows = match of {
            AuditOf::All => db.fetch(&AUDIT, &row![below, size + 1], noted).await?,
            AuditOf::Subject(subject) => db.fetch(&AUDIT_OF_SUBJECT, &row![below, size + 1, subject], noted).await?,
            AuditOf::Actor(actor) => db.fetch(&AUDIT_OF_ACTOR, &row![below, size + 1, actor], noted).await?,
        };
        Ok(Page::cut(rows, size, |noted| Cursor::of_id(noted.id)))
    }
}

/// Which part of the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditOf<'a> {
    /// All of it.
    All,
    /// What was done to somebody or something, as `account/ID`.
    Subject(&'a str),
    /// What somebody did.
    Actor(UserId),
}

fn noted(row: &Row) -> Result<Noted, Error> {
    let detail = row.text(5)?;
    let detail = serde_json::from_str(&detail).map_err(|e| Error::Broken(format!("an audit row's detail is not JSON: {e}")))?;
    Ok(Noted {
        id: kernel::Uuid::from_bytes(row.id::<[u8; 16]>(0)?),
        at: row.instant(1)?,
        actor: row.id_opt(2)?,
        act: row.text(3)?,
        subject: row.text(4)?,
        detail,
    })
}
