//! Mail that is to be sent: its one-time token and the announcement, within the transaction that wants it sent.
//! Refuses to put an address or a token into the outbox in clear: a letter is closed with the account's own key.

use super::in_seconds;
use crate::Accounts;
use crate::crypto::{self, DataKey, Field};
use crate::decide::credentials::Purpose;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use db::{Announcement, Column, Command, Error, Meta, Rank, Rows, Statement, Tx, announce, row};
use kernel::{Instant, Outcome, UserId};
use std::collections::{BTreeMap, BTreeSet};

/// The topic of mail to send; the outbox opens its payload with [`Accounts::open_mail`].
pub const MAIL_TOPIC: &str = "mail.send";

/// A letter with a one-time token.
#[derive(Clone)]
pub struct Letter {
    pub(crate) purpose: Purpose,
    pub(crate) hash: [u8; 32],
    pub(crate) sealed: String,
}

/// How long tokens live, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetimes {
    pub(crate) reset_s: i64,
    pub(crate) confirm_s: i64,
}

static PUT_TOKEN: Statement = Statement::new(
    "accounts.put_mail_token",
    "insert into mail_token (user_id, purpose, hash, expires_at)
     select user_id, purpose, hash, expires_at
     from rows
     where true
     order by user_id, purpose
     on conflict (user_id, purpose) do update set hash = excluded.hash, expires_at = excluded.expires_at",
)
.rows(&[("user_id", Column::Bytes), ("purpose", Column::Text), ("hash", Column::Bytes), ("expires_at", Column::Int)])
.locks(Rank::Other);

impl Letter {
    /// A letter with a new token, readable with the account's key only.
    pub(crate) fn new(user: UserId, key: &DataKey, purpose: Purpose) -> Letter {
        let token = crypto::new_secret();
        // The account stands in the token, so that it is found without a second index.
        let text = crypto::text_of(&[user.bytes().as_slice(), &token].concat());
        Letter { purpose, hash: crypto::hash(&token), sealed: STANDARD_NO_PAD.encode(key.seal(user, Field::MailToken, &text)) }
    }
}

/// The account and the hash a mailed token stands for; none for a text that is no token.
pub(crate) fn read_token(text: &str) -> Option<(UserId, [u8; 32])> {
    let bytes: [u8; 48] = crypto::bytes_of(text.trim())?;
    let (user, token) = bytes.split_first_chunk::<16>().expect("48 is more than 16");
    Some((UserId::from(*user), crypto::hash(token)))
}

/// Writes letters, the last one per account and purpose; nothing where nobody sends mail.
pub(crate) async fn write(tx: &mut Tx<'_>, letters: &[(UserId, &Letter)], lifetimes: Lifetimes) -> Result<(), Error> {
    if !tx.is_subscribed(MAIL_TOPIC) {
        return Ok(());
    }
    let now = tx.now();
    let last: BTreeMap<(UserId, Purpose), &Letter> = letters.iter().map(|(user, letter)| ((*user, letter.purpose), *letter)).collect();
    let rows = Rows::of(&last, |((user, purpose), letter)| {
        let lifetime_s = match purpose {
            Purpose::Reset => lifetimes.reset_s,
            Purpose::Confirm => lifetimes.confirm_s,
        };
        row![*user, purpose.as_str(), &letter.hash, in_seconds(now, lifetime_s)]
    });
    tx.write(&PUT_TOKEN, rows).await?;
    let announcements: Vec<Announcement> = last
        .into_iter()
        .zip(now.0..)
        .map(|(((user, purpose), letter), version)| Announcement {
            topic: MAIL_TOPIC,
            aggregate: crate::audit::account_subject(user),
            version,
            payload: serde_json::json!({ "account": user, "template": purpose.as_str(), "sealed": letter.sealed }),
        })
        .collect();
    announce(tx, &announcements).await
}

/// Wants a letter sent. Without an account it does the same work for nobody.
pub struct Send {
    pub(crate) lifetimes: Lifetimes,
}

impl Command for Send {
    const NAME: &'static str = "accounts.send_mail";
    type Input = Option<(UserId, Letter)>;
    type Reply = ();

    fn gates(&self, input: &Self::Input, gates: &mut BTreeSet<UserId>) {
        gates.extend(input.as_ref().map(|(user, _)| *user));
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Self::Input], _: Instant) -> Result<Vec<Outcome<()>>, Error> {
        let letters: Vec<(UserId, &Letter)> = batch
            .iter()
            .filter_map(|input| input.as_ref())
            .filter(|(user, _)| tx.is_active(*user))
            .map(|(user, letter)| (*user, letter))
            .collect();
        write(tx, &letters, self.lifetimes).await?;
        Ok(batch.iter().map(|_| Ok(())).collect())
    }
}

impl Accounts {
    /// Mails a token that resets the password, when the address has an account; nobody learns whether it has.
    ///
    /// # Errors
    /// The address is none, or was tried too often.
    pub async fn request_reset(&self, meta: Meta, email: &str) -> Result<(), Error> {
        let email = crate::model::normal_email(email)?;
        let hashes = self.inner.vault.email_hashes(&email);
        self.inner.limits.on(&hashes[0].hash)?;
        let found = self.login_of(&hashes).await?;
        let letter = match found {
            None => None,
            Some(login) => Some((login.user, self.letter(login.user, Purpose::Reset).await?)),
        };
        self.inner.letters.send(self.inner.vault.keyed(meta), letter).await
    }

    /// Mails a token that confirms the address of one's own account.
    ///
    /// # Errors
    /// It was asked for too often.
    pub async fn request_confirmation(&self, meta: Meta, user: UserId) -> Result<(), Error> {
        self.inner.limits.on(user.bytes())?;
        let letter = self.letter(user, Purpose::Confirm).await?;
        self.inner.letters.send(meta, Some((user, letter))).await
    }

    async fn letter(&self, user: UserId, purpose: Purpose) -> Result<Letter, Error> {
        let person = self.personal(user).await?;
        Ok(Letter::new(user, &person.key, purpose))
    }
}
