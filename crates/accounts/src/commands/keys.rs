//! API keys as their owners get them: made, and given a new secret while the one before works on for a time.
//! Refuses to show a secret twice: only its hash is stored.

use super::teams::{TeamChange, What};
use crate::{Accounts, Scope, crypto};
use db::{Error, Meta};
use kernel::time::SECOND_US;
use kernel::{Code, GameId, Instant, KeyId, Refusal, UserId, text};
use std::collections::BTreeSet;

/// A rotated key's secret from before works for so long unless its owner says otherwise, in seconds.
pub const OVERLAP_S: i64 = 24 * 3_600;
/// The longest it may work, in seconds.
pub const OVERLAP_MAX_S: i64 = 30 * 24 * 3_600;

impl Accounts {
    /// Makes an API key; returns its id and the key itself, which is never shown again.
    ///
    /// # Errors
    /// The actor may not, or the game has too many keys.
    pub async fn create_key(
        &self,
        meta: Meta,
        actor: UserId,
        game: GameId,
        name: &str,
        scopes: BTreeSet<Scope>,
    ) -> Result<(KeyId, String), Error> {
        text::check("name", name, 1, 100)?;
        let (secret, hash) = new_secret();
        let key = KeyId::new();
        let what = What::CreateKey { key, name: name.to_owned(), scopes, hash };
        self.inner.new_keys.send(meta, TeamChange { actor, game, what }).await?;
        Ok((key, secret))
    }

    /// Gives an API key a new secret, which is never shown again; the one before works beside it until `until`, or for
    /// [`OVERLAP_S`] when nothing is said. Returns the new secret and that moment. A secret that still worked from an earlier rotation stops at once.
    ///
    /// # Errors
    /// The actor may not, the key does not work, or `until` is farther away than [`OVERLAP_MAX_S`].
    pub async fn rotate_key(
        &self,
        meta: Meta,
        actor: UserId,
        game: GameId,
        key: KeyId,
        until: Option<Instant>,
    ) -> Result<(String, Instant), Error> {
        let now = self.inner.db.now();
        let until = until.unwrap_or(now.plus_us(OVERLAP_S * SECOND_US));
        if until > now.plus_us(OVERLAP_MAX_S * SECOND_US) {
            let told =
                format!("previous_works_until {until} is more than {} days away: an earlier moment would be right", OVERLAP_MAX_S / 86_400);
            return Err(Refusal::new(Code::BadBody, told).into());
        }
        let (secret, hash) = new_secret();
        self.inner.new_keys.send(meta, TeamChange { actor, game, what: What::RotateKey { key, hash, until } }).await?;
        Ok((secret, until))
    }
}

/// A key as its owner gets it, and its hash.
fn new_secret() -> (String, [u8; 32]) {
    let secret = format!("gk_{}", crypto::text_of(&crypto::new_secret()));
    let hash = crypto::hash(secret.as_bytes());
    (secret, hash)
}
