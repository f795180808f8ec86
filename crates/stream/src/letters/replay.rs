//! Replays dead letters: reads their records from the log again and steps them under the mapping that is in force now, each once.
//! Refuses to count one twice: its row changes in the transaction that writes its effects.

use super::Letters;
use crate::Inner;
use crate::checkpoint::controls::lock_game;
use crate::checkpoint::{Part, survives, write};
use crate::partitions::Place;
use crate::record::{Batch, ReadLimit};
use crate::source::{Source, Trouble};
use crate::stepper::{From, Stepper, Tally};
use campaigns::LiveGame;
use db::{Column, Command, Db, Error, Meta, Rank, Rows, Statement, Tx, crash, row};
use kernel::{GameId, Instant, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Dead letters that one transaction replays; fewer than an overlay's letters, so that none of them is lost again.
const AT_ONCE: i64 = 500;
/// A record is waited for so long; the log had it once.
const READ_WAIT: Duration = Duration::from_secs(2);

static ASKED: Statement = Statement::new(
    "stream.asked_letters",
    "select game, topic, partition, log_offset
     from dead_letter
     where state = 'asked'
     order by game, topic, partition, log_offset
     limit $1",
);

static LOCK: Statement = Statement::new(
    "stream.lock_asked_letters",
    "select d.log_offset
     from rows r join dead_letter d on d.topic = r.topic and d.partition = r.partition and d.log_offset = r.log_offset
     where d.state = 'asked'
     order by d.topic, d.partition, d.log_offset {for update of d}",
)
.rows(&[("topic", Column::Text), ("partition", Column::Int), ("log_offset", Column::Int)])
.locks(Rank::Other);

static SETTLE: Statement = Statement::new(
    "stream.settle_letters",
    "update dead_letter
     set state = r.state, reason = coalesce(r.reason, dead_letter.reason), detail = coalesce(r.detail, dead_letter.detail)
     from rows r
     where dead_letter.topic = r.topic and dead_letter.partition = r.partition and dead_letter.log_offset = r.log_offset",
)
.rows(&[
    ("topic", Column::Text),
    ("partition", Column::Int),
    ("log_offset", Column::Int),
    ("state", Column::Text),
    ("reason", Column::Text),
    ("detail", Column::Text),
]);

/// Records of one partition that were dead letters.
pub(crate) struct Again {
    live: Arc<LiveGame>,
    place: Place,
    records: Batch,
    /// Offsets that are no longer in the log.
    gone: Vec<i64>,
}

/// How a replay ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Replayed {
    /// So many fitted this time, and so many did not.
    Done {
        /// Stepped.
        fitted: u64,
        /// Kept, with their new reasons.
        unfit: u64,
        /// Events of those that fitted which count for goals now.
        counted: u64,
        /// Events which came too late to count: their players' later records were read meanwhile.
        too_late: u64,
    },
    /// The game's mapping or campaigns changed: try again.
    PlanMoved,
    /// A player's state cannot be read, or stepping fails.
    Failed,
}

/// Replays.
pub(crate) struct Replay;

impl Command for Replay {
    const NAME: &'static str = "stream.replay";
    const KEYED: bool = false;
    type Input = Again;
    type Reply = Replayed;

    fn lane(&self, _: &Again) -> Option<u64> {
        Some(0)
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Again], _: Instant) -> Result<Vec<Outcome<Replayed>>, Error> {
        crash::point("stream.before_replay");
        let mut order: Vec<usize> = (0..batch.len()).collect();
        order.sort_by_key(|at| (&batch[*at].live.game, &batch[*at].place));
        let mut outcomes = vec![Ok(Replayed::Failed); batch.len()];
        for at in order {
            outcomes[at] = Ok(replay(tx, batch[at]).await?);
        }
        crash::point("stream.replayed");
        Ok(outcomes)
    }
}

async fn replay(tx: &mut Tx<'_>, again: &Again) -> Result<Replayed, Error> {
    lock_game(tx, &again.live.game).await?;
    if campaigns::current_version(tx, &again.live.game).await? != again.live.campaign_version {
        return Ok(Replayed::PlanMoved);
    }
    // Another process may have replayed some of them meanwhile.
    let offsets = again.records.iter().map(|record| record.offset).chain(again.gone.iter().copied());
    let rows = Rows::of(offsets, |offset| row![again.place.topic.as_ref(), again.place.partition, offset]);
    let asked: BTreeSet<i64> = tx.load(&LOCK, rows, |row| row.int(0)).await?.into_iter().collect();
    let mut records = Batch::default();
    for record in again.records.iter().filter(|record| asked.contains(&record.offset)) {
        records.push_cut(record.offset, record.appended_at, record.key, record.value, record.is_cut);
    }
    let Some((letters, tally)) = step(tx, again, &records).await? else { return Ok(Replayed::Failed) };
    let unfit: BTreeMap<i64, (&str, &str)> = letters.kept.iter().map(|one| (one.offset, (one.reason, one.detail.as_str()))).collect();
    let settled = asked.iter().map(|offset| match unfit.get(offset) {
        Some((reason, detail)) => (*offset, "kept", Some(*reason), Some(*detail)),
        None if again.gone.contains(offset) => (*offset, "gone", None, None),
        None => (*offset, "replayed", None, None),
    });
    let rows = Rows::of(settled, |(offset, state, reason, detail)| {
        row![again.place.topic.as_ref(), again.place.partition, offset, state, reason, detail]
    });
    tx.write(&SETTLE, rows).await?;
    let Tally { counted, too_late, .. } = tally;
    Ok(Replayed::Done { fitted: (records.len() - unfit.len()) as u64, unfit: unfit.len() as u64, counted, too_late })
}

/// Steps the records over the states as they are, and writes what came of it but for the letters.
async fn step(tx: &mut Tx<'_>, again: &Again, records: &Batch) -> Result<Option<(Letters, Tally)>, Error> {
    let Some(mut stepper) = Stepper::new(&again.live) else { return Ok(None) };
    let poisoned = BTreeMap::new();
    let from = From { topic: &again.place.topic, partition: again.place.partition, poisoned: &poisoned };
    if !survives(&mut stepper, |stepper| stepper.scan(records, &from)) {
        return Ok(None);
    }
    let loaded = campaigns::load_states(tx, &again.live.game, &stepper.players.wanted()).await?;
    if stepper.players.admit(loaded.iter().map(|one| (one.player.as_str(), one.version, one.state.as_slice()))).is_err()
        || !survives(&mut stepper, |stepper| stepper.finish(records))
    {
        return Ok(None);
    }
    let (snapshot, gathered) = stepper.take();
    let part = Part { live: &again.live, number: i64::from(again.place.partition), gathered: &gathered };
    write(tx, &[(&again.live.game, &snapshot)], &[part]).await?;
    Ok(Some((gathered.letters, gathered.tally)))
}

/// Replays dead letters that were asked for, until none is left or they cannot be replayed now.
pub(crate) async fn round(inner: &Arc<Inner>) -> Result<(), Error> {
    loop {
        let asked = asked(&inner.db).await?;
        if asked.is_empty() || inner.is_stopping() {
            return Ok(());
        }
        let mut is_moved = false;
        for ((game, place), offsets) in asked {
            let Some(live) = inner.live.reload(&game).await?.filter(|live| live.mapper.is_some()) else { continue };
            let (source, of) = (inner.source.clone(), place.clone());
            let read = tokio::task::spawn_blocking(move || read(&source, &of, &offsets)).await;
            let (records, gone) = match read {
                Ok(Ok(read)) => read,
                Ok(Err(trouble)) => return Err(Error::Gone(trouble.to_string())),
                Err(panic) => return Err(Error::Panicked(panic.to_string())),
            };
            match inner.replay.send(Meta::ours("stream.replay"), Again { live, place: place.clone(), records, gone }).await? {
                Replayed::Done { fitted, unfit, counted, too_late } => {
                    is_moved = true;
                    tracing::info!(%place, fitted, unfit, counted, too_late, "dead letters were replayed");
                }
                Replayed::PlanMoved => {}
                Replayed::Failed => tracing::error!(%place, "dead letters cannot be replayed: stepping them fails"),
            }
        }
        if !is_moved {
            return Ok(());
        }
    }
}

type Asked = BTreeMap<(GameId, Place), Vec<i64>>;

async fn asked(db: &Db) -> Result<Asked, Error> {
    let letter = |row: &db::Row<'_>| {
        let place = Place { topic: row.text(1)?.into(), partition: crate::partitions::number(row.int(2)?)? };
        Ok(((row.parsed(0)?, place), row.int(3)?))
    };
    let found: Vec<((GameId, Place), i64)> = db.fetch(&ASKED, &row![AT_ONCE], letter).await?;
    let mut asked = Asked::new();
    found.into_iter().for_each(|(of, offset)| asked.entry(of).or_default().push(offset));
    Ok(asked)
}

/// Reads single records; those the log has dropped are told apart.
fn read(source: &Source, place: &Place, offsets: &[i64]) -> Result<(Batch, Vec<i64>), Trouble> {
    let mut log = source.open(&place.topic, place.partition)?;
    let bounds = log.bounds()?;
    let (mut records, mut gone, mut one) = (Batch::default(), Vec::new(), Batch::default());
    for offset in offsets {
        one.clear();
        if (bounds.first..bounds.end).contains(offset) {
            log.seek(*offset)?;
            log.read(&mut one, &ReadLimit { records: 1, bytes: 1 }, READ_WAIT)?;
            // A later record tells that this one is gone; none at all tells that the log does not answer.
            if one.is_empty() {
                return Err(Trouble::Unreachable(format!("{place} gave no record at offset {offset}")));
            }
        }
        match one.iter().find(|record| record.offset == *offset) {
            Some(record) => records.push_cut(record.offset, record.appended_at, record.key, record.value, record.is_cut),
            None => gone.push(*offset),
        }
    }
    Ok((records, gone))
}
