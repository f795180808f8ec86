//! Dead letters in the database: written with the checkpoint that passes their records, removed when they are old.
//! Refuses to keep more per game and hour than the limit, whichever process writes them.

use super::{KEPT_PER_HOUR, Letter, Letters};
use crate::partitions::Place;
use db::{Column, Command, Error, Rank, Rows, Statement, Tx, row};
use kernel::time::HOUR_US;
use kernel::{GameId, Instant, Outcome, Refusal};

static OPEN_HOUR: Statement = Statement::new(
    "stream.open_letter_hour",
    "insert into dead_letter_hour (game, hour, kept) values ($1, $2, 0) on conflict (game, hour) do nothing",
);

static KEPT: Statement = Statement::new("stream.kept_letters", "select kept from dead_letter_hour where game = $1 and hour = $2");

static LOCK_KEPT: Statement =
    Statement::new("stream.lock_kept_letters", "select kept from dead_letter_hour where game = $1 and hour = $2 {for update}")
        .locks(Rank::Other);

static SET_KEPT: Statement =
    Statement::new("stream.set_kept_letters", "update dead_letter_hour set kept = $3 where game = $1 and hour = $2");

// A record that was kept before, as one that is replayed, keeps its first row.
static ADD: Statement = Statement::new(
    "stream.add_letters",
    "insert into dead_letter (topic, partition, log_offset, game, reason, detail, raw, length, appended_at, recorded_at, state)
     select topic, partition, log_offset, $2, reason, detail, raw, length, appended_at, $3, 'kept'
     from rows
     where true
     order by topic, partition, log_offset
     on conflict (topic, partition, log_offset) do nothing",
)
.rows(&[
    ("topic", Column::Text),
    ("partition", Column::Int),
    ("log_offset", Column::Int),
    ("reason", Column::Text),
    ("detail", Column::Text),
    ("raw", Column::Bytes),
    ("length", Column::Int),
    ("appended_at", Column::Int),
]);

static COUNT: Statement = Statement::new(
    "stream.count_letters",
    "insert into dead_letter_count (game, topic, partition, hour, reason, letters)
     select $2, topic, partition, $3, reason, letters
     from rows
     where true
     order by topic, partition, reason
     on conflict (game, topic, partition, hour, reason) do update set letters = dead_letter_count.letters + excluded.letters",
)
.rows(&[("topic", Column::Text), ("partition", Column::Int), ("reason", Column::Text), ("letters", Column::Int)]);

/// Writes the dead letters of some partitions of one game. Games of one transaction are written in order.
pub(crate) async fn write(tx: &mut Tx<'_>, game: &GameId, of_partitions: &[(&Place, &Letters)]) -> Result<(), Error> {
    let hour = tx.now().0.div_euclid(HOUR_US);
    let mut counts: Vec<(&Place, &str, u64)> =
        of_partitions.iter().flat_map(|(place, letters)| letters.counts.iter().map(|(reason, count)| (*place, *reason, *count))).collect();
    if counts.is_empty() {
        return Ok(());
    }
    counts.sort_unstable();
    let rows = Rows::of(counts, |(place, reason, count)| {
        row![place.topic.as_ref(), place.partition, reason, i64::try_from(count).unwrap_or(i64::MAX)]
    });
    tx.write_with(&COUNT, rows, &row![game.as_str(), hour]).await?;
    keep(tx, game, hour, of_partitions.iter().flat_map(|(_, letters)| &letters.kept)).await
}

async fn keep(tx: &mut Tx<'_>, game: &GameId, hour: i64, letters: impl Iterator<Item = &Letter>) -> Result<(), Error> {
    let kept = |row: &db::Row<'_>| row.int(0);
    let is_full = |found: Vec<i64>| found.first().is_some_and(|kept| *kept >= limit());
    // Most hours that have a crowd of dead letters are full soon: nobody waits for their row then.
    if is_full(tx.fetch(&KEPT, &row![game.as_str(), hour], kept).await?) {
        return Ok(());
    }
    tx.execute(&OPEN_HOUR, &row![game.as_str(), hour]).await?;
    let before = tx.fetch(&LOCK_KEPT, &row![game.as_str(), hour], kept).await?.pop().unwrap_or(0);
    let room = usize::try_from(limit().saturating_sub(before)).unwrap_or(0);
    let now = tx.now();
    let rows = Rows::of(letters.take(room), |letter| {
        let length = i64::try_from(letter.length).unwrap_or(i64::MAX);
        row![&letter.topic, letter.partition, letter.offset, letter.reason, &letter.detail, &letter.raw, length, letter.appended_at]
    });
    let added = tx.write_some_with(&ADD, rows, &row![game.as_str(), now]).await?;
    let kept = before.saturating_add(i64::try_from(added).unwrap_or(i64::MAX));
    tx.execute(&SET_KEPT, &row![game.as_str(), hour, kept]).await?;
    Ok(())
}

fn limit() -> i64 {
    i64::try_from(KEPT_PER_HOUR).expect("a thousand fits")
}

// Both engines search bytes in bytes, by functions of different names.
static SCRUB: Statement = Statement::new(
    "stream.scrub_letters",
    "update dead_letter
     set raw = x'', detail = ''
     from rows r
     where dead_letter.game = $2 and instr(dead_letter.raw, r.player) > 0",
)
.on_postgres(
    "update dead_letter
     set raw = ''::bytea, detail = ''
     from rows r
     where dead_letter.game = $2 and position(r.player in dead_letter.raw) > 0",
)
.rows(&[("player", Column::Bytes)]);

/// Takes the text from dead letters that name one of these players; the letters themselves stay.
pub(crate) async fn scrub(tx: &mut Tx<'_>, game: &GameId, players: &[&str]) -> Result<(), Error> {
    let rows = Rows::of(players, |player| row![player.as_bytes()]);
    tx.write_some_with(&SCRUB, rows, &row![game.as_str()]).await.map(drop)
}

static PURGE: Statement = Statement::new(
    "stream.purge_letters",
    "delete from dead_letter
     where (topic, partition, log_offset) in (
         select d.topic, d.partition, d.log_offset from dead_letter d where d.recorded_at < $1 order by d.recorded_at limit 5000
     )",
);
static PURGE_HOURS: Statement = Statement::new("stream.purge_letter_hours", "delete from dead_letter_hour where hour < $1");
static PURGE_COUNTS: Statement = Statement::new("stream.purge_letter_counts", "delete from dead_letter_count where hour < $1");

/// Deletes dead letters, and their counts, that were recorded before a time, to the hour. The reply is how many letters went:
/// [`PurgeLetters::MAX`] means that more are left. A run that finds none is refused with `not-found`.
#[derive(Debug, Clone, Copy)]
pub struct PurgeLetters;

impl PurgeLetters {
    /// Dead letters that one run deletes at most; the limit in the statement.
    pub const MAX: u64 = 5_000;
}

impl Command for PurgeLetters {
    const NAME: &'static str = "stream.purge_letters";
    const KEYED: bool = false;
    /// Dead letters of hours that ended before this time are deleted.
    type Input = Instant;
    type Reply = u64;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Instant], _: Instant) -> Result<Vec<Outcome<u64>>, Error> {
        let before = batch.iter().copied().max().copied().unwrap_or(Instant(i64::MIN));
        let hour = before.0.div_euclid(HOUR_US);
        let purged = tx.execute(&PURGE, &row![hour.saturating_mul(HOUR_US)]).await?;
        if purged < PurgeLetters::MAX {
            tx.execute(&PURGE_HOURS, &row![hour]).await?;
            tx.execute(&PURGE_COUNTS, &row![hour]).await?;
        }
        let mut first = (purged > 0).then_some(purged);
        Ok(batch.iter().map(|_| first.take().ok_or_else(|| Refusal::not_found("dead letter", format!("from before {before}")))).collect())
    }
}
