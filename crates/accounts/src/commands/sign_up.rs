//! New accounts: by sign-up, at the command line, and many at once for load tests.
//! Refuses an address that another account has, under any lookup key.

use super::letters::{self, Letter, Lifetimes};
use crate::Accounts;
use crate::audit::{AuditRow, account_subject, audit};
use crate::crypto::{EmailHash, Field, Wrapped};
use crate::decide::credentials::Purpose;
use crate::model::{self, NewAccount};
use db::{Announcement, Column, Command, Error, Meta, Rows, Statement, Tx, announce, row};
use kernel::{Code, Instant, Outcome, Refusal, UserId};
use std::collections::{BTreeMap, HashSet};
use web::{Role, Roles};

/// Accounts that one command of [`Accounts::create_many`] makes.
const CHUNK: usize = 500;

/// An account ready to be written: nothing in it is readable.
pub struct Prepared {
    user: UserId,
    roles: Roles,
    data_key: Wrapped,
    email: Vec<u8>,
    name: Vec<u8>,
    phone: Option<Vec<u8>>,
    password: String,
    hashes: Vec<EmailHash>,
    confirm: Option<Letter>,
}

static TAKEN: Statement = Statement::new(
    "accounts.load_taken_addresses",
    "select e.hash, e.user_id
     from rows r join account_email e on e.hash = r.hash",
)
.rows(&[("hash", Column::Bytes)]);

static ADD_ACCOUNT: Statement = Statement::new(
    "accounts.add",
    "insert into accounts (id, state, roles, created_at)
     select id, 'active', roles, created_at
     from rows",
)
.rows(&[("id", Column::Bytes), ("roles", Column::Int), ("created_at", Column::Int)]);

static ADD_PERSONAL: Statement = Statement::new(
    "accounts.add_personal",
    "insert into personal (user_id, master_key_id, data_key, email, name, phone, email_confirmed_at, password, password_version, changed_at)
     select user_id, master_key_id, data_key, email, name, phone, null, password, 1, changed_at
     from rows",
)
.rows(&[
    ("user_id", Column::Bytes),
    ("master_key_id", Column::Int),
    ("data_key", Column::Bytes),
    ("email", Column::Bytes),
    ("name", Column::Bytes),
    ("phone", Column::Bytes),
    ("password", Column::Text),
    ("changed_at", Column::Int),
]);

// Another process may have taken the address since it was looked for: the count differs and the turn runs again.
static ADD_EMAIL: Statement = Statement::new(
    "accounts.add_address",
    "insert into account_email (hash, user_id, key_tag)
     select hash, user_id, key_tag
     from rows
     where true
     order by hash
     on conflict (hash) do nothing",
)
.rows(&[("hash", Column::Bytes), ("user_id", Column::Bytes), ("key_tag", Column::Int)]);

/// Who has these addresses.
pub(crate) async fn load_taken<'h>(
    tx: &mut Tx<'_>,
    hashes: impl Iterator<Item = &'h EmailHash>,
) -> Result<BTreeMap<[u8; 32], UserId>, Error> {
    let rows = Rows::of(hashes, |hash| row![&hash.hash]);
    Ok(tx.load(&TAKEN, rows, |row| Ok((super::bytes32(row, 0)?, row.id(1)?))).await?.into_iter().collect())
}

/// Writes the hashes of addresses.
pub(crate) async fn write_addresses(tx: &mut Tx<'_>, addresses: &[(UserId, EmailHash)]) -> Result<(), Error> {
    tx.write(&ADD_EMAIL, Rows::of(addresses, |(user, hash)| row![&hash.hash, *user, hash.key_tag])).await
}

/// What somebody is told whose address has an account.
pub(crate) fn taken() -> Refusal {
    Refusal::new(Code::AlreadyExists, "this e-mail address has an account: log in, or reset its password")
}

async fn add(tx: &mut Tx<'_>, batch: &[&Prepared], lifetimes: Lifetimes) -> Result<Vec<Outcome<UserId>>, Error> {
    let mut taken_hashes: HashSet<[u8; 32]> = load_taken(tx, batch.iter().flat_map(|new| &new.hashes)).await?.into_keys().collect();
    let mut outcomes = Vec::with_capacity(batch.len());
    let mut adding: Vec<&Prepared> = Vec::with_capacity(batch.len());
    for new in batch {
        let is_taken = new.hashes.iter().any(|hash| taken_hashes.contains(&hash.hash));
        outcomes.push(if is_taken { Err(taken()) } else { Ok(new.user) });
        if !is_taken {
            taken_hashes.extend(new.hashes.iter().map(|hash| hash.hash));
            adding.push(new);
        }
    }
    // Sorted by their key, as every set-based insert is.
    adding.sort_by_key(|new| new.user);
    write(tx, &adding, lifetimes).await?;
    Ok(outcomes)
}

async fn write(tx: &mut Tx<'_>, adding: &[&Prepared], lifetimes: Lifetimes) -> Result<(), Error> {
    let now = tx.now();
    tx.write(&ADD_ACCOUNT, Rows::of(adding, |new| row![new.user, new.roles.0, now])).await?;
    let personal = Rows::of(adding, |new| {
        let Wrapped { master_key_id, bytes } = &new.data_key;
        row![new.user, *master_key_id, bytes, &new.email, &new.name, new.phone.as_ref(), &new.password, now]
    });
    tx.write(&ADD_PERSONAL, personal).await?;
    let addresses: Vec<(UserId, EmailHash)> = adding.iter().flat_map(|new| new.hashes.iter().map(|hash| (new.user, *hash))).collect();
    write_addresses(tx, &addresses).await?;
    let privileged = adding.iter().filter(|new| new.roles.without(Role::Player) != Roles::default());
    let acts: Vec<AuditRow> = privileged
        .map(|new| {
            let detail = serde_json::json!({ "roles": new.roles.list() });
            AuditRow { actor: None, act: "account.created", subject: account_subject(new.user), detail }
        })
        .collect();
    audit(tx, &acts).await?;
    let letters: Vec<(UserId, &Letter)> = adding.iter().filter_map(|new| Some((new.user, new.confirm.as_ref()?))).collect();
    letters::write(tx, &letters, lifetimes).await?;
    announce(tx, &adding.iter().map(|new| created(new.user, now)).collect::<Vec<_>>()).await
}

fn created(user: UserId, now: Instant) -> Announcement {
    Announcement {
        topic: "account.created",
        aggregate: account_subject(user),
        version: now.0,
        payload: serde_json::json!({ "account": user }),
    }
}

/// One account.
pub struct SignUp {
    pub(crate) lifetimes: Lifetimes,
}

impl Command for SignUp {
    const NAME: &'static str = "accounts.sign_up";
    type Input = Prepared;
    type Reply = UserId;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Prepared], _: Instant) -> Result<Vec<Outcome<UserId>>, Error> {
        add(tx, batch, self.lifetimes).await
    }
}

/// Many accounts, for load tests.
pub struct SignUpMany {
    pub(crate) lifetimes: Lifetimes,
}

impl Command for SignUpMany {
    const NAME: &'static str = "accounts.sign_up_many";
    type Input = Vec<Prepared>;
    /// How many were made; the others' addresses were taken.
    type Reply = u64;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Vec<Prepared>], _: Instant) -> Result<Vec<Outcome<u64>>, Error> {
        let all: Vec<&Prepared> = batch.iter().flat_map(|chunk| chunk.iter()).collect();
        let mut outcomes = add(tx, &all, self.lifetimes).await?.into_iter();
        Ok(batch.iter().map(|chunk| Ok(outcomes.by_ref().take(chunk.len()).filter(Result::is_ok).count() as u64)).collect())
    }
}

impl Accounts {
    /// Makes an account whose address is still to be confirmed. Repeating the key returns the first account's id.
    ///
    /// # Errors
    /// A field is not what it should be, the address has an account, or too many hashes wait.
    pub async fn sign_up(&self, meta: Meta, email: &str, password: &str, name: &str, phone: Option<&str>) -> Result<UserId, Error> {
        model::check_password(password)?;
        check(email, name, phone)?;
        let password_hash = self.hash_password(password).await?;
        let (email, name, phone) = (email.to_owned(), name.to_owned(), phone.map(str::to_owned));
        let roles = Roles::default().with(Role::Player);
        let new = NewAccount { user: UserId::new(), email, name, phone, password_hash, roles };
        self.inner.sign_ups.send(self.inner.vault.keyed(meta), self.prepare(&new, true)?).await
    }

    /// Makes an account with roles, for the command line. Everyone is a player besides.
    ///
    /// # Errors
    /// A field is not what it should be, or the address has an account.
    pub async fn create_user(&self, email: &str, password: &str, name: &str, roles: Roles) -> Result<UserId, Error> {
        model::check_password(password)?;
        let password_hash = self.hash_password(password).await?;
        let (email, name) = (email.to_owned(), name.to_owned());
        let new = NewAccount { user: UserId::new(), email, name, phone: None, password_hash, roles: roles.with(Role::Player) };
        self.inner.sign_ups.send(Meta::ours("accounts.create_user"), self.prepare(&new, false)?).await
    }

    /// Makes many accounts, in chunks; returns how many were made, leaving out those whose address was taken. Sends no mail.
    ///
    /// # Errors
    /// A field is not what it should be; chunks before it were made.
    pub async fn create_many(&self, new: Vec<NewAccount>) -> Result<u64, Error> {
        let mut made = 0;
        for chunk in new.chunks(CHUNK) {
            let prepared = chunk.iter().map(|new| self.prepare(new, false)).collect::<Result<Vec<_>, Error>>()?;
            made += self.inner.bulk.send(Meta::ours("accounts.create_many"), prepared).await?;
        }
        Ok(made)
    }

    /// Hashes a password under the policy; one hash may serve many accounts of a load test.
    ///
    /// # Errors
    /// Too many hashes wait.
    pub async fn hash_password(&self, password: &str) -> Result<String, Error> {
        Ok(self.inner.passwords.hash(password).await?)
    }

    fn prepare(&self, new: &NewAccount, confirms: bool) -> Result<Prepared, Error> {
        let normal = check(&new.email, &new.name, new.phone.as_deref())?;
        let (key, data_key) = self.inner.vault.new_data_key(new.user);
        Ok(Prepared {
            user: new.user,
            roles: new.roles,
            data_key,
            email: key.seal(new.user, Field::Email, new.email.trim()),
            name: key.seal(new.user, Field::Name, &new.name),
            phone: new.phone.as_ref().map(|phone| key.seal(new.user, Field::Phone, phone)),
            password: new.password_hash.clone(),
            hashes: self.inner.vault.email_hashes(&normal),
            confirm: confirms.then(|| Letter::new(new.user, &key, Purpose::Confirm)),
        })
    }
}

/// Checks what is personal; returns the address as it is compared.
fn check(email: &str, name: &str, phone: Option<&str>) -> Result<String, Refusal> {
    model::check_name(name)?;
    phone.map_or(Ok(()), model::check_phone)?;
    model::normal_email(email)
}
