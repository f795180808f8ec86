//! Changes of one's own profile. A new address is unconfirmed, and tokens mailed to the old one stop working.
//! Refuses a new address without the password: whoever borrows a session must not take the account over.

use super::letters::{self, Letter, Lifetimes};
use super::sign_up::{load_taken, taken, write_addresses};
use crate::Accounts;
use crate::crypto::{EmailHash, Field};
use crate::decide::credentials::{Purpose, changed_meanwhile};
use crate::model;
use db::{Column, Command, Error, Meta, Rank, Rows, Statement, Tx, row};
use kernel::{Code, Instant, Outcome, Refusal, UserId};
use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

static LOAD: Statement = Statement::new(
    "accounts.load_profiles",
    "select p.user_id, p.email, p.name, p.phone, p.email_confirmed_at, p.password_version
     from personal p
     where p.user_id in (select user_id from rows)
     order by p.user_id {for update}",
)
.rows(&[("user_id", Column::Bytes)])
.locks(Rank::Other);

static SAVE: Statement = Statement::new(
    "accounts.save_profile",
    "update personal set email = r.email, name = r.name, phone = r.phone, email_confirmed_at = r.email_confirmed_at, changed_at = r.changed_at
     from rows r
     where personal.user_id = r.user_id",
)
.rows(&[
    ("user_id", Column::Bytes),
    ("email", Column::Bytes),
    ("name", Column::Bytes),
    ("phone", Column::Bytes),
    ("email_confirmed_at", Column::Int),
    ("changed_at", Column::Int),
])
.locks(Rank::Other);

static FORGET_ADDRESS: Statement =
    Statement::new("accounts.forget_address", "delete from account_email where user_id in (select user_id from rows)")
        .rows(&[("user_id", Column::Bytes)])
        .locks(Rank::Other);

static FORGET_TOKENS: Statement =
    Statement::new("accounts.forget_mail_tokens", "delete from mail_token where user_id in (select user_id from rows)")
        .rows(&[("user_id", Column::Bytes)])
        .locks(Rank::Other);

/// A change of a profile; nothing in it is readable.
pub struct Change {
    user: UserId,
    name: Option<Vec<u8>>,
    phone: Option<Option<Vec<u8>>>,
    email: Option<NewEmail>,
}

struct NewEmail {
    email: Vec<u8>,
    hashes: Vec<EmailHash>,
    password_version: i64,
    letter: Letter,
}

struct Row {
    email: Vec<u8>,
    name: Vec<u8>,
    phone: Option<Vec<u8>>,
    email_confirmed_at: Option<Instant>,
    password_version: i64,
}

/// Changes profiles.
pub struct UpdateProfile {
    pub(crate) lifetimes: Lifetimes,
}

impl Command for UpdateProfile {
    const NAME: &'static str = "accounts.update_profile";
    type Input = Change;
    type Reply = ();

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Change], now: Instant) -> Result<Vec<Outcome<()>>, Error> {
        let mut rows = load(tx, batch).await?;
        let hashes = batch.iter().filter_map(|change| change.email.as_ref()).flat_map(|email| &email.hashes);
        let mut owners = load_taken(tx, hashes).await?;
        let mut new_emails: BTreeMap<UserId, &NewEmail> = BTreeMap::new();
        let mut outcomes = Vec::with_capacity(batch.len());
        for change in batch {
            outcomes.push(apply(&mut rows, &mut owners, &mut new_emails, change));
        }
        let changed: BTreeSet<UserId> =
            batch.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok()).map(|(change, _)| change.user).collect();
        let saved = Rows::of(&changed, |user| {
            let row = &rows[user];
            row![*user, &row.email, &row.name, row.phone.as_ref(), row.email_confirmed_at, now]
        });
        tx.write(&SAVE, saved).await?;
        let movers = || Rows::of(new_emails.keys(), |user| row![*user]);
        tx.write_some(&FORGET_ADDRESS, movers()).await?;
        tx.write_some(&FORGET_TOKENS, movers()).await?;
        let addresses: Vec<(UserId, EmailHash)> =
            new_emails.iter().flat_map(|(user, new)| new.hashes.iter().map(|hash| (*user, *hash))).collect();
        write_addresses(tx, &addresses).await?;
        let letters: Vec<(UserId, &Letter)> = new_emails.iter().map(|(user, new)| (*user, &new.letter)).collect();
        letters::write(tx, &letters, self.lifetimes).await?;
        Ok(outcomes)
    }
}

async fn load(tx: &mut Tx<'_>, batch: &[&Change]) -> Result<BTreeMap<UserId, Row>, Error> {
    let users: BTreeSet<UserId> = batch.iter().map(|change| change.user).collect();
    let found = tx
        .load(&LOAD, Rows::of(&users, |user| row![*user]), |row| {
            let (email_confirmed_at, password_version) = (row.instant_opt(4)?, row.int(5)?);
            Ok((
                row.id(0)?,
                Row { email: row.bytes(1)?, name: row.bytes(2)?, phone: row.bytes_opt(3)?, email_confirmed_at, password_version },
            ))
        })
        .await?;
    Ok(found.into_iter().collect())
}

/// Applies one change to the loaded rows, all of it or nothing.
fn apply<'c>(
    rows: &mut BTreeMap<UserId, Row>,
    owners: &mut BTreeMap<[u8; 32], UserId>,
    new_emails: &mut BTreeMap<UserId, &'c NewEmail>,
    change: &'c Change,
) -> Outcome<()> {
    let row = rows.get_mut(&change.user).ok_or_else(|| Refusal::not_found("account", change.user))?;
    if let Some(new) = &change.email {
        if new.password_version != row.password_version {
            return Err(changed_meanwhile());
        }
        if new.hashes.iter().any(|hash| owners.get(&hash.hash).is_some_and(|owner| *owner != change.user)) {
            return Err(taken());
        }
        for hash in &new.hashes {
            if let Entry::Vacant(free) = owners.entry(hash.hash) {
                free.insert(change.user);
            }
        }
        row.email.clone_from(&new.email);
        row.email_confirmed_at = None;
        new_emails.insert(change.user, new);
    }
    if let Some(name) = &change.name {
        row.name.clone_from(name);
    }
    if let Some(phone) = &change.phone {
        row.phone.clone_from(phone);
    }
    Ok(())
}

/// What to change of a profile; what is none stays.
#[derive(Clone, Default)]
pub struct ProfileChange {
    /// The name shown.
    pub name: Option<String>,
    /// Telephone number; an empty one removes it.
    pub phone: Option<String>,
    /// Address; needs the password.
    pub email: Option<String>,
    /// The account's password, for a new address.
    pub password: Option<String>,
}

impl Accounts {
    /// Changes one's own profile.
    ///
    /// # Errors
    /// A field is not what it should be, or a new address came without the right password or has an account.
    pub async fn update_profile(&self, meta: Meta, user: UserId, change: ProfileChange) -> Result<(), Error> {
        change.name.as_deref().map_or(Ok(()), model::check_name)?;
        let phone = change.phone.as_deref().map(|phone| Some(phone).filter(|phone| !phone.is_empty()));
        phone.flatten().map_or(Ok(()), model::check_phone)?;
        if change.password.is_some() && change.email.is_none() {
            return Err(Refusal::new(Code::BadBody, "password comes without email: both or neither would be right").into());
        }
        let normal = change.email.as_deref().map(model::normal_email).transpose()?;
        let person = self.personal(user).await?;
        let email = match (&change.email, normal) {
            (Some(email), Some(normal)) if normal != model::normal_email(&person.email)? => {
                let password = change
                    .password
                    .as_deref()
                    .ok_or_else(|| Refusal::new(Code::BadBody, "a new email needs the account's password beside it"))?;
                let password_version = self.check_own_password(user, password).await?;
                let hashes = self.inner.vault.email_hashes(&normal);
                let letter = Letter::new(user, &person.key, Purpose::Confirm);
                Some(NewEmail { email: person.key.seal(user, Field::Email, email.trim()), hashes, password_version, letter })
            }
            _ => None,
        };
        let change = Change {
            user,
            name: change.name.map(|name| person.key.seal(user, Field::Name, &name)),
            phone: phone.map(|phone| phone.map(|phone| person.key.seal(user, Field::Phone, phone))),
            email,
        };
        self.inner.updates.send(self.inner.vault.keyed(meta), change).await
    }
}
