//! What players hold, as rows: loaded and locked for a batch, written as it was decided.
//! Refuses to overwrite what somebody else wrote meanwhile: such rows run the turn again.

use crate::decide::cash::{Cash, Key};
use db::{Column, Error, Rank, Rows, Statement, Tx, row};
use kernel::{Currency, GameId};
use std::collections::{BTreeMap, BTreeSet};
use wallet::{Entry, Held};

static CURRENCIES: Statement = Statement::new(
    "teams.load_currencies",
    "select c.game, c.currency from rows r join game_currency c on c.game = r.game and c.currency = r.currency",
)
.rows(&[("game", Column::Text), ("currency", Column::Text)]);

static LOAD: Statement = Statement::new(
    "teams.load_cash",
    "select c.game, c.player, c.currency, c.balance, c.seq
     from rows r join cash c on c.game = r.game and c.player = r.player and c.currency = r.currency
     order by c.game, c.player, c.currency {for update of c}",
)
.rows(&[("game", Column::Text), ("player", Column::Text), ("currency", Column::Text)])
.locks(Rank::Other);

const COLUMNS: &[(&str, Column)] =
    &[("game", Column::Text), ("player", Column::Text), ("currency", Column::Text), ("balance", Column::Int), ("seq", Column::Int)];

// Somebody else may have given the player their first of it meanwhile: the count differs and the turn runs again.
static ADD: Statement = Statement::new(
    "teams.add_cash",
    "insert into cash (game, player, currency, balance, seq)
     select game, player, currency, balance, seq
     from rows
     where true
     order by game, player, currency
     on conflict (game, player, currency) do nothing",
)
.rows(COLUMNS);

static CHANGE: Statement = Statement::new(
    "teams.change_cash",
    "update cash set balance = r.balance, seq = r.seq
     from rows r
     where cash.game = r.game and cash.player = r.player and cash.currency = r.currency",
)
.rows(COLUMNS);

// A lost update would repeat a seq and break the primary key instead of a balance.
static APPEND: Statement = Statement::new(
    "teams.append_cash_ledger",
    "insert into cash_ledger (game, player, currency, seq, amount, balance_after, counterparty, reason, reference, at)
     select game, player, currency, seq, amount, balance_after, counterparty, reason, reference, at
     from rows
     order by game, player, currency, seq",
)
.rows(&[
    ("game", Column::Text),
    ("player", Column::Text),
    ("currency", Column::Text),
    ("seq", Column::Int),
    ("amount", Column::Int),
    ("balance_after", Column::Int),
    ("counterparty", Column::Text),
    ("reason", Column::Text),
    ("reference", Column::Text),
    ("at", Column::Int),
]);

/// Loads and locks what is held of each key; a player who has nothing yet has no row.
pub(super) async fn load(tx: &mut Tx<'_>, keys: &BTreeSet<&Key>) -> Result<Cash, Error> {
    let kinds: BTreeSet<(&GameId, Currency)> = keys.iter().map(|(game, _, currency)| (game, *currency)).collect();
    let rows = Rows::of(&kinds, |(game, currency)| row![game.as_str(), currency.as_str()]);
    let currencies = tx.load(&CURRENCIES, rows, |row| Ok((row.parsed(0)?, row.parsed(1)?))).await?.into_iter().collect();
    let rows = Rows::of(keys, |(game, player, currency)| row![game.as_str(), player.as_str(), currency.as_str()]);
    let held = |row: &db::Row<'_>| Ok(((row.parsed(0)?, row.text(1)?, row.parsed(2)?), Held { balance: row.int(3)?, seq: row.int(4)? }));
    let held = tx.load(&LOAD, rows, held).await?.into_iter().collect();
    Ok(Cash { currencies, held, entries: Vec::new() })
}

/// Writes what was decided: one row for each that is held, one ledger row for each entry.
pub(super) async fn write(tx: &mut Tx<'_>, cash: &Cash) -> Result<(), Error> {
    let mut firsts: BTreeMap<&Key, i64> = BTreeMap::new();
    for (key, entry) in &cash.entries {
        firsts.entry(key).or_insert(entry.seq);
    }
    let rows = |new: bool| {
        let keys = firsts.iter().filter(move |(_, seq)| (**seq == 1) == new);
        Rows::of(keys, |(key, _)| {
            let held = cash.held[*key];
            row![key.0.as_str(), key.1.as_str(), key.2.as_str(), held.balance, held.seq]
        })
    };
    tx.write(&ADD, rows(true)).await?;
    tx.write(&CHANGE, rows(false)).await?;
    let mut sorted: Vec<&(Key, Entry)> = cash.entries.iter().collect();
    sorted.sort_by(|(a, first), (b, second)| a.cmp(b).then(first.seq.cmp(&second.seq)));
    let rows = Rows::of(sorted, |((game, player, currency), e)| {
        let (counterparty, reason, reference) = (e.counterparty.as_str(), e.reason.as_str(), e.reference.as_str());
        row![
            game.as_str(),
            player.as_str(),
            currency.as_str(),
            e.seq,
            e.amount_minor,
            e.balance_after_minor,
            counterparty,
            reason,
            reference,
            e.at
        ]
    });
    tx.write(&APPEND, rows).await
}
