//! The command that writes the games of some chunks, and counts them in the row of their import, in one transaction.
//! Refuses chunks of an import that another one interrupted.

use super::decide::{self, State};
use super::prepare::{Game, Prepared};
use super::run::{Counts, superseded};
use crate::commands::{Documents, announce_changes, lock, take_version, write_genres};
use db::{Column, Command, Error, Rank, Rows, Statement, Tx, row};
use kernel::{Currency, Instant, Outcome, ProductId};
use std::collections::{BTreeMap, BTreeSet};

/// Entries named per import, at most; the rest is only counted.
pub const BAD_NAMED_MAX: i64 = 1_000;

static LOAD_RUNS: Statement = Statement::new(
    "catalogue.load_runs",
    "select i.id, i.games_read, i.added, i.changed, i.unchanged, i.bad
     from import_run i
     where i.status = 'running' and i.id in (select id from rows)
     order by i.id {for update}",
)
.rows(&[("id", Column::Int)])
.locks(Rank::Other);

static COUNT: Statement = Statement::new(
    "catalogue.count_run",
    "update import_run
     set games_read = r.games_read, added = r.added, changed = r.changed, unchanged = r.unchanged, bad = r.bad, touched_at = r.at
     from rows r
     where import_run.id = r.id",
)
.rows(&[
    ("id", Column::Int),
    ("games_read", Column::Int),
    ("added", Column::Int),
    ("changed", Column::Int),
    ("unchanged", Column::Int),
    ("bad", Column::Int),
    ("at", Column::Int),
])
.locks(Rank::Other);

static ADD_BAD: Statement = Statement::new(
    "catalogue.add_bad",
    "insert into import_bad (run, seq, app_id, reason)
     select run, seq, app_id, reason
     from rows",
)
.rows(&[("run", Column::Int), ("seq", Column::Int), ("app_id", Column::Text), ("reason", Column::Text)])
.locks(Rank::Other);

// One index look-up per game on both engines, whatever they believe of a table that an import just fills: SQLite takes the tables of
// a cross join in the order written, and Postgres does not flatten a lateral query that has a limit.
static LOAD_KNOWN: Statement = Statement::new(
    "catalogue.load_known_games",
    "select p.source_id, p.id, p.fingerprint
     from rows r cross join product p
     where p.source = 'steam' and p.source_id = r.app_id",
)
.on_postgres(
    "select p.source_id, p.id, p.fingerprint
     from rows r cross join lateral (
         select source_id, id, fingerprint from product where source = 'steam' and source_id = r.app_id limit 1
     ) p",
)
.rows(&[("app_id", Column::Int)]);

// What people set stays: the sale, the limits.
static PUT: Statement = Statement::new(
    "catalogue.put_games",
    "insert into product (id, source, source_id, name, price_minor, price_currency, limited, player_limit, released, platforms, popularity,
                          developers, publishers, genres, fingerprint, version)
     select id, 'steam', app_id, name, price_minor, currency, 0, 0, released, platforms, popularity,
            developers, publishers, genres, fingerprint, version
     from rows
     where true
     order by id
     on conflict (id) do update
     set name = excluded.name, price_minor = excluded.price_minor, price_currency = excluded.price_currency, released = excluded.released,
         platforms = excluded.platforms, popularity = excluded.popularity, developers = excluded.developers, publishers = excluded.publishers,
         genres = excluded.genres, fingerprint = excluded.fingerprint, version = excluded.version",
)
.rows(&[
    ("id", Column::Int),
    ("app_id", Column::Int),
    ("name", Column::Text),
    ("price_minor", Column::Int),
    ("currency", Column::Text),
    ("released", Column::Text),
    ("platforms", Column::Int),
    ("popularity", Column::Int),
    ("developers", Column::Text),
    ("publishers", Column::Text),
    ("genres", Column::Text),
    ("fingerprint", Column::Bytes),
    ("version", Column::Int),
])
.locks(Rank::Other);

/// Prepared games of an import.
#[derive(Debug)]
pub(super) struct Chunk {
    /// The import.
    pub(super) run: i64,
    /// Its games and bad entries.
    pub(super) prepared: Prepared,
    /// Games found unchanged before this chunk and not told of yet.
    pub(super) unchanged_before: u64,
}

/// Writes chunks, in file order.
pub(super) struct Chunks;

impl Command for Chunks {
    const NAME: &'static str = "catalogue.import_chunk";
    type Input = Chunk;
    type Reply = Counts;

    // One lane: products get their ids in the order of the file.
    fn lane(&self, _: &Chunk) -> Option<u64> {
        Some(0)
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Chunk], now: Instant) -> Result<Vec<Outcome<Counts>>, Error> {
        let locked = lock(tx).await?;
        let mut runs = load_runs(tx, batch).await?;
        let games: Vec<&Game> =
            batch.iter().filter(|chunk| runs.contains_key(&chunk.run)).flat_map(|chunk| &chunk.prepared.games).collect();
        let mut state = State { next_product: locked.next_product, known: load_known(tx, &games).await?, writes: BTreeMap::new() };

        let mut outcomes = Vec::with_capacity(batch.len());
        let (mut place, mut bad) = (0, Rows::new());
        let mut places: Vec<(&Chunk, &Game)> = Vec::with_capacity(games.len());
        for chunk in batch {
            let Some(totals) = runs.get_mut(&chunk.run) else {
                outcomes.push(Err(superseded(chunk.run)));
                continue;
            };
            push_bad(&mut bad, chunk, *totals);
            let games = chunk.prepared.games.iter();
            let mut counts =
                decide::games(&mut state, games.clone().enumerate().map(|(i, game)| (place + i, game.app_id, &game.fingerprint)));
            place += chunk.prepared.games.len();
            places.extend(games.map(|game| (*chunk, game)));
            counts.add(chunk.prepared.counts());
            counts.add(Counts { read: chunk.unchanged_before, unchanged: chunk.unchanged_before, ..Counts::default() });
            totals.add(counts);
            outcomes.push(Ok(counts));
        }
        write(tx, &state, &places, locked.version).await?;
        tx.write(&ADD_BAD, bad).await?;
        tx.write(&COUNT, Rows::of(&runs, |(run, totals)| count_row(*run, *totals, now))).await?;
        Ok(outcomes)
    }
}

fn count_row(run: i64, totals: Counts, now: Instant) -> [db::Value<'static>; 7] {
    let [read, added, changed, unchanged, bad] = totals.columns();
    row![run, read, added, changed, unchanged, bad, now]
}

async fn load_runs(tx: &mut Tx<'_>, batch: &[&Chunk]) -> Result<BTreeMap<i64, Counts>, Error> {
    let runs: BTreeSet<i64> = batch.iter().map(|chunk| chunk.run).collect();
    let found = tx
        .load(&LOAD_RUNS, Rows::of(&runs, |run| row![*run]), |row| {
            let count = |column: usize| Ok::<u64, Error>(u64::try_from(row.int(column)?).unwrap_or(0));
            Ok((row.int(0)?, Counts { read: count(1)?, added: count(2)?, changed: count(3)?, unchanged: count(4)?, bad: count(5)? }))
        })
        .await?;
    Ok(found.into_iter().collect())
}

async fn load_known(tx: &mut Tx<'_>, games: &[&Game]) -> Result<std::collections::HashMap<u32, (ProductId, Option<[u8; 16]>)>, Error> {
    let app_ids: BTreeSet<u32> = games.iter().map(|game| game.app_id).collect();
    let known = tx
        .load(&LOAD_KNOWN, Rows::of(&app_ids, |app_id| row![*app_id]), |row| {
            let fingerprint = row.bytes_opt(2)?.and_then(|bytes| bytes.try_into().ok());
            Ok((u32::try_from(row.int(0)?).unwrap_or(0), (ProductId(row.int(1)?), fingerprint)))
        })
        .await?;
    Ok(known.into_iter().collect())
}

async fn write(tx: &mut Tx<'_>, state: &State, places: &[(&Chunk, &Game)], version: i64) -> Result<(), Error> {
    if state.writes.is_empty() {
        return Ok(());
    }
    take_version(tx, version, state.next_product).await?;
    let rows = Rows::of(&state.writes, |(product, (place, _))| columns(*product, places[*place].1, version));
    tx.write(&PUT, rows).await?;
    let had_some = Rows::of(state.writes.iter().filter(|(_, (_, added))| !added), |(product, _)| row![*product]);
    let genres = Rows::of(&state.writes, |(product, (place, _))| row![*product, &places[*place].1.genres]);
    write_genres(tx, had_some, genres).await?;
    let mut documents = Documents::default();
    for (product, (place, _)) in &state.writes {
        let (chunk, game) = places[*place];
        documents.push(*product, &chunk.prepared.documents[game.document.clone()]);
    }
    documents.write(tx).await?;
    announce_changes(tx, state.writes.keys().copied(), version).await
}

fn columns(product: ProductId, game: &Game, version: i64) -> [db::Value<'_>; 13] {
    row![
        product,
        game.app_id,
        &game.name,
        game.price_minor,
        Currency::USD.as_str().to_owned(),
        game.released.as_ref(),
        game.platforms,
        game.popularity,
        &game.developers,
        &game.publishers,
        &game.genres,
        &game.fingerprint,
        version,
    ]
}

/// The entries that are still named, numbered after those of earlier chunks.
fn push_bad(rows: &mut Rows, chunk: &Chunk, before: Counts) {
    let first = i64::try_from(before.bad).unwrap_or(i64::MAX);
    for (seq, (app_id, reason)) in (first..BAD_NAMED_MAX).zip(&chunk.prepared.bad) {
        rows.push(&row![chunk.run, seq + 1, app_id, reason]);
    }
}
