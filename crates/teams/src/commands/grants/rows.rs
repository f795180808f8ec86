//! Grants and their lists, as rows. Refuses to write a grant that was changed since it was loaded.

use super::Piece;
use crate::decide::grants::{Held, STEP_PLAYERS};
use crate::queries::grants::grant;
use db::{Column, Error, Rank, Row, Rows, Statement, Tx, row};
use kernel::{Currency, GameId, GrantId};
use std::collections::{BTreeMap, BTreeSet};

static LOAD: Statement = Statement::new(
    "teams.load_grants",
    "select g.id, g.currency, g.reason, g.state, g.total, g.done, g.refused, g.created_by, g.created_at, g.changed_at, g.game
     from rows r join cash_grant g on g.id = r.id and g.state <> 'removed'
     order by g.id {for update of g}",
)
.rows(&[("id", Column::Bytes)])
.locks(Rank::Other);

static CURRENCIES: Statement = Statement::new(
    "teams.find_currencies",
    "select c.game, c.currency from rows r join game_currency c on c.game = r.game and c.currency = r.currency",
)
.rows(&[("game", Column::Text), ("currency", Column::Text)]);

static ADD: Statement = Statement::new(
    "teams.add_grants",
    "insert into cash_grant (id, game, currency, reason, created_by, state, total, done, refused, created_at, changed_at)
     select id, game, currency, reason, created_by, state, total, done, refused, created_at, changed_at
     from rows",
)
.rows(&[
    ("id", Column::Bytes),
    ("game", Column::Text),
    ("currency", Column::Text),
    ("reason", Column::Text),
    ("created_by", Column::Text),
    ("state", Column::Text),
    ("total", Column::Int),
    ("done", Column::Int),
    ("refused", Column::Int),
    ("created_at", Column::Int),
    ("changed_at", Column::Int),
]);

// The row was locked when it was loaded; that nobody has moved it is asked again, since a step done twice would give twice.
static CHANGE: Statement = Statement::new(
    "teams.change_grants",
    "update cash_grant set state = r.state, total = r.total, done = r.done, refused = r.refused, changed_at = r.changed_at
     from rows r
     where cash_grant.id = r.id and cash_grant.done = r.before_done and cash_grant.total = r.before_total",
)
.rows(&[
    ("id", Column::Bytes),
    ("state", Column::Text),
    ("total", Column::Int),
    ("done", Column::Int),
    ("refused", Column::Int),
    ("changed_at", Column::Int),
    ("before_done", Column::Int),
    ("before_total", Column::Int),
]);

static LISTED: Statement = Statement::new(
    "teams.load_listed",
    "select g.grant_id, g.player, g.amount
     from rows r join cash_grant_row g on g.grant_id = r.grant_id and g.player = r.player",
)
.rows(&[("grant_id", Column::Bytes), ("player", Column::Text)]);

static APPEND: Statement = Statement::new(
    "teams.append_listed",
    "insert into cash_grant_row (grant_id, player, place, amount)
     select grant_id, player, place, amount
     from rows
     order by grant_id, player",
)
.rows(&[("grant_id", Column::Bytes), ("player", Column::Text), ("place", Column::Int), ("amount", Column::Int)]);

static NEXT: Statement = Statement::new(
    "teams.load_next_of_grants",
    "select g.grant_id, g.place, g.player, g.amount
     from rows r join cash_grant_row g on g.grant_id = r.grant_id and g.place > r.done and g.place <= r.done + $2
     order by g.grant_id, g.place",
)
.rows(&[("grant_id", Column::Bytes), ("done", Column::Int)]);

static REFUSE: Statement = Statement::new(
    "teams.refuse_listed",
    "update cash_grant_row set refused = r.refused
     from rows r
     where cash_grant_row.grant_id = r.grant_id and cash_grant_row.player = r.player",
)
.rows(&[("grant_id", Column::Bytes), ("player", Column::Text), ("refused", Column::Text)]);

/// Grants that are there, loaded and locked.
pub(super) async fn load(tx: &mut Tx<'_>, ids: &BTreeSet<GrantId>) -> Result<BTreeMap<GrantId, Held>, Error> {
    let held = |row: &Row<'_>| Ok(Held { game: row.parsed(10)?, grant: grant(row)?, listed: BTreeMap::new(), added: Vec::new() });
    let found = tx.load(&LOAD, Rows::of(ids, |id| row![*id]), held).await?;
    Ok(found.into_iter().map(|held| (held.grant.grant, held)).collect())
}

/// Those of the currencies that the games have.
pub(super) async fn currencies(tx: &mut Tx<'_>, wanted: &BTreeSet<(GameId, Currency)>) -> Result<BTreeSet<(GameId, Currency)>, Error> {
    let rows = Rows::of(wanted, |(game, currency)| row![game.as_str(), currency.as_str()]);
    Ok(tx.load(&CURRENCIES, rows, |row| Ok((row.parsed(0)?, row.parsed(1)?))).await?.into_iter().collect())
}

/// Adds what the lists hold of the pieces' players.
pub(super) async fn load_listed(tx: &mut Tx<'_>, held: &mut BTreeMap<GrantId, Held>, pieces: &[&Piece]) -> Result<(), Error> {
    let named: BTreeSet<(GrantId, &str)> = pieces
        .iter()
        .filter(|piece| held.contains_key(&piece.grant))
        .flat_map(|piece| piece.players.iter().map(|listed| (piece.grant, listed.player.as_str())))
        .collect();
    let listed = |row: &Row<'_>| Ok((row.id::<GrantId>(0)?, row.text(1)?, row.int(2)?));
    for (id, player, amount) in tx.load(&LISTED, Rows::of(&named, |(id, player)| row![*id, *player]), listed).await? {
        if let Some(held) = held.get_mut(&id) {
            held.listed.insert(player, amount);
        }
    }
    Ok(())
}

/// The next players of each grant's list: place, name, amount.
pub(super) async fn load_next(
    tx: &mut Tx<'_>,
    held: &BTreeMap<GrantId, Held>,
) -> Result<BTreeMap<GrantId, Vec<(i64, String, i64)>>, Error> {
    let rows = Rows::of(held, |(id, held)| row![*id, held.grant.done]);
    let next = |row: &Row<'_>| Ok((row.id::<GrantId>(0)?, (row.int(1)?, row.text(2)?, row.int(3)?)));
    let mut found: BTreeMap<GrantId, Vec<(i64, String, i64)>> = BTreeMap::new();
    for (id, one) in tx.load_with(&NEXT, rows, &row![STEP_PLAYERS], next).await? {
        found.entry(id).or_default().push(one);
    }
    Ok(found)
}

/// Writes grants that were made or changed.
pub(super) async fn write(
    tx: &mut Tx<'_>,
    before: &BTreeMap<GrantId, Held>,
    after: &BTreeMap<GrantId, Held>,
    made: &BTreeSet<GrantId>,
) -> Result<(), Error> {
    let rows = Rows::of(made.iter().filter_map(|id| after.get(id)), |Held { game, grant: g, .. }| {
        let (currency, reason, by) = (g.currency.as_str().to_owned(), g.reason.as_str(), g.created_by.as_str());
        row![g.grant, game.as_str(), currency, reason, by, g.state.as_str(), g.total, g.done, g.refused, g.created_at, g.changed_at]
    });
    tx.write(&ADD, rows).await?;
    let changed =
        before.iter().filter_map(|(id, before)| Some((&before.grant, &after.get(id)?.grant))).filter(|(before, after)| before != after);
    let rows = Rows::of(changed, |(before, g)| {
        row![g.grant, g.state.as_str(), g.total, g.done, g.refused, g.changed_at, before.done, before.total]
    });
    tx.write(&CHANGE, rows).await
}

/// Writes players that were put on lists.
pub(super) async fn append(tx: &mut Tx<'_>, held: &BTreeMap<GrantId, Held>) -> Result<(), Error> {
    let added = held.iter().flat_map(|(id, held)| held.added.iter().map(move |one| (*id, one)));
    tx.write(&APPEND, Rows::of(added, |(id, (player, place, amount))| row![id, player.as_str(), *place, *amount])).await
}

/// Notes who could not get what was theirs.
pub(super) async fn refuse(tx: &mut Tx<'_>, refused: &[(GrantId, String, &'static str)]) -> Result<(), Error> {
    tx.write(&REFUSE, Rows::of(refused, |(id, player, why)| row![*id, player.as_str(), *why])).await
}
