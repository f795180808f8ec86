//! Reads of currencies: which a game has, what a player holds, and its history.

use crate::answers::Weighs;
use crate::model::{GameCurrency, PLAYER_MAX};
use crate::{Balances, Teams, player_key};
use db::{Error, Row, Statement, row};
use kernel::{Code, Currency, Cursor, GameId, Page, Refusal, page, text};
use std::sync::Arc;
use wallet::queries::entry;
use wallet::{Balance, Entry};

static CURRENCIES: Statement = Statement::new(
    "teams.list_currencies",
    "select currency, name, created_at
     from game_currency
     where game = $1 and currency > $2
     order by currency
     limit $3",
);

static BALANCES: Statement =
    Statement::new("teams.read_balances", "select currency, balance from cash where game = $1 and player = $2 order by currency");

static ENTRIES: Statement = Statement::new(
    "teams.list_cash_entries",
    "select currency, seq, amount, balance_after, counterparty, reason, reference, at
     from cash_ledger
     where game = $1 and player = $2 and currency = $3 and seq < $4
     order by seq desc
     limit $5",
);

impl Teams {
    /// The currencies of a game, by code.
    ///
    /// # Errors
    /// The size is out of range.
    pub async fn currencies(&self, game: &GameId, after: Option<&Cursor>, size: Option<u32>) -> Result<Page<GameCurrency>, Error> {
        let size = page::size(size)?;
        let refused =
            || Refusal::new(Code::BadCursor, "the cursor was not given out by this list: pass `next` of the page before, or none");
        let after = after.map(|cursor| cursor.0.parse::<Currency>().map_err(|_| refused())).transpose()?;
        let after = after.as_ref().map_or("", Currency::as_str);
        let one = |row: &Row<'_>| Ok(GameCurrency { currency: row.parsed(0)?, name: row.text(1)?, created_at: row.instant(2)? });
        let found = self.inner.db.fetch(&CURRENCIES, &row![game.as_str(), after, size + 1], one).await?;
        Ok(Page::cut(found, size, |one| Cursor(one.currency.to_string())))
    }

    /// What a player holds, a balance for each currency they ever had; nothing for a player nobody gave anything.
    ///
    /// # Errors
    /// The name is none.
    pub async fn balances(&self, game: &GameId, player: &str) -> Result<Balances, Error> {
        let key = player_key(game, player);
        if let Some(kept) = self.inner.balances.get(&key) {
            return Ok(kept);
        }
        text::check("player", player, 1, PLAYER_MAX)?;
        let asked = self.inner.balances.asked(&key);
        let one = |row: &Row<'_>| Ok(Balance { currency: row.parsed(0)?, balance_minor: row.int(1)? });
        let found: Balances = Arc::from(self.inner.db.fetch(&BALANCES, &row![game.as_str(), player], one).await?);
        self.inner.balances.keep(key, asked, &found);
        Ok(found)
    }

    /// The history of what a player holds of a currency, newest first.
    ///
    /// # Errors
    /// The cursor is none of this list, or the size is out of range.
    pub async fn cash_entries(
        &self,
        game: &GameId,
        player: &str,
        currency: Currency,
        after: Option<&Cursor>,
        size: Option<u32>,
    ) -> Result<Page<Entry>, Error> {
        text::check("player", player, 1, PLAYER_MAX)?;
        let size = page::size(size)?;
        let below = after.map_or(Ok(i64::MAX), Cursor::number)?;
        let found = self.inner.db.fetch(&ENTRIES, &row![game.as_str(), player, currency.as_str(), below, size + 1], entry).await?;
        Ok(Page::cut(found, size, |entry| Cursor::of(entry.seq)))
    }
}

impl Weighs for Balances {
    fn bytes(&self) -> u64 {
        (size_of::<Balances>() + self.len() * size_of::<Balance>()) as u64
    }
}
