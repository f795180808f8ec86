//! Currencies of games: defined, credited and debited.
//! Refuses a balance without a ledger row, and one below zero.

use super::cash_rows;
use crate::answers::Answers;
use crate::decide::cash::{self, CURRENCIES_MAX, Key, Posting};
use crate::model::{GameCurrency, PLAYER_MAX};
use crate::{Balances, Teams};
use db::{Act, Column, Command, Error, Meta, Rows, Statement, Tx, row};
use kernel::{Code, Currency, GameId, Instant, Outcome, Refusal, text};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use wallet::Entry;

static LOAD: Statement = Statement::new(
    "teams.load_currencies_of_games",
    "select c.game, c.currency, c.name, c.created_at from game_currency c where c.game in (select game from rows)",
)
.rows(&[("game", Column::Text)]);

static DEFINE: Statement = Statement::new(
    "teams.define_currencies",
    "insert into game_currency (game, currency, name, created_at)
     select game, currency, name, created_at
     from rows
     where true
     order by game, currency
     on conflict (game, currency) do update set name = excluded.name",
)
.rows(&[("game", Column::Text), ("currency", Column::Text), ("name", Column::Text), ("created_at", Column::Int)]);

/// A currency to define, or to call otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Whose.
    pub game: GameId,
    /// Its code.
    pub currency: Currency,
    /// Its name.
    pub name: String,
}

/// The command that defines currencies.
pub struct Define;

impl Command for Define {
    const NAME: &'static str = "teams.define_currency";
    type Input = Definition;
    type Reply = GameCurrency;

    fn privileged(&self, input: &Definition, reply: &GameCurrency) -> Option<Act> {
        let detail = serde_json::json!({ "currency": reply.currency });
        Some(Act { act: "currency.defined", subject: format!("game/{}", input.game), detail })
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Definition], now: Instant) -> Result<Vec<Outcome<GameCurrency>>, Error> {
        let games: BTreeSet<&str> = batch.iter().map(|definition| definition.game.as_str()).collect();
        let known = |row: &db::Row<'_>| {
            let one = GameCurrency { currency: row.parsed(1)?, name: row.text(2)?, created_at: row.instant(3)? };
            Ok((row.parsed::<GameId>(0)?, one))
        };
        let mut held: BTreeMap<GameId, BTreeMap<Currency, GameCurrency>> = BTreeMap::new();
        for (game, one) in tx.load(&LOAD, Rows::of(&games, |game| row![*game]), known).await? {
            held.entry(game).or_default().insert(one.currency, one);
        }
        let outcomes: Vec<Outcome<GameCurrency>> =
            batch.iter().map(|definition| define(held.entry(definition.game.clone()).or_default(), definition, now)).collect();
        let defined: BTreeMap<(&str, Currency), &GameCurrency> = batch
            .iter()
            .zip(&outcomes)
            .filter_map(|(definition, outcome)| Some(((definition.game.as_str(), definition.currency), outcome.as_ref().ok()?)))
            .collect();
        let rows = Rows::of(&defined, |((game, currency), one)| row![*game, currency.as_str(), one.name.as_str(), one.created_at]);
        tx.write(&DEFINE, rows).await?;
        Ok(outcomes)
    }
}

fn define(held: &mut BTreeMap<Currency, GameCurrency>, definition: &Definition, now: Instant) -> Outcome<GameCurrency> {
    if held.len() >= CURRENCIES_MAX && !held.contains_key(&definition.currency) {
        return Err(Refusal::new(Code::LimitReached, format!("{} has {CURRENCIES_MAX} currencies, and no more fit", definition.game)));
    }
    let new = || GameCurrency { currency: definition.currency, name: String::new(), created_at: now };
    let one = held.entry(definition.currency).or_insert_with(new);
    one.name.clone_from(&definition.name);
    Ok(one.clone())
}

/// The command that credits and debits.
pub struct Post {
    pub(crate) answers: Arc<Answers<Balances>>,
}

impl Command for Post {
    const NAME: &'static str = "teams.post";
    type Input = Posting;
    type Reply = Entry;

    // One writer sees to a player's postings, so that two of them do not wait for one another.
    fn lane(&self, input: &Posting) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        (input.of.0.as_str(), &input.of.1).hash(&mut hasher);
        Some(hasher.finish())
    }

    fn privileged(&self, input: &Posting, reply: &Entry) -> Option<Act> {
        let (game, player, currency) = &input.of;
        let detail = serde_json::json!({ "player": player, "currency": currency, "amount_minor": reply.amount_minor, "seq": reply.seq });
        Some(Act { act: "currency.posted", subject: format!("game/{game}"), detail })
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Posting], now: Instant) -> Result<Vec<Outcome<Entry>>, Error> {
        let keys: BTreeSet<&Key> = batch.iter().map(|posting| &posting.of).collect();
        let mut cash = cash_rows::load(tx, &keys).await?;
        let outcomes = batch.iter().map(|posting| cash::post(&mut cash, posting, now)).collect();
        cash_rows::write(tx, &cash).await?;
        Ok(outcomes)
    }

    fn committed(&self, input: &Posting, _: &Outcome<Entry>) {
        self.answers.written(&crate::player_key(&input.of.0, &input.of.1));
    }
}

impl Teams {
    /// Defines a currency of a game, or changes its name.
    ///
    /// # Errors
    /// The name is none, or the game has too many currencies.
    pub async fn define_currency(&self, meta: Meta, definition: Definition) -> Result<GameCurrency, Error> {
        text::check("name", &definition.name, 1, 100)?;
        self.inner.definitions.send(meta, definition).await
    }

    /// Credits or debits. Repeating the key returns the first entry.
    ///
    /// # Errors
    /// The player holds too little, the amount or a text is out of range, or the game has no such currency.
    pub async fn post(&self, meta: Meta, posting: Posting) -> Result<Entry, Error> {
        text::check("player", &posting.of.1, 1, PLAYER_MAX)?;
        cash::check(&posting.reason, &posting.reference)?;
        self.inner.posts.send(meta, posting).await
    }
}
