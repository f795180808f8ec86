//! The rows of partitions: who reads one, and how far its records are in the database's progress.
//! Refuses a step back: an offset is set to another place by a person only.

use crate::guard::{self, Bounds, Kept};
use db::{Act, Column, Command, Error, Rank, Rows, Statement, Tx, row};
use kernel::{Code, GameId, Instant, Outcome, Refusal};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number.
    pub partition: i32,
}

impl Place {
    /// A partition by name and number.
    pub fn new(topic: &str, partition: i32) -> Place {
        Place { topic: topic.into(), partition }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// Stands for every partition of a topic in [`lock`].
pub(crate) const ALL: i32 = -1;

static LOCK: Statement = Statement::new(
    "stream.lock_partitions",
    "select p.topic, p.partition, p.topic_id, p.epoch, p.next
     from log_partition p
     where exists (select 1 from rows r where r.topic = p.topic and r.partition in (p.partition, -1))
     order by p.topic, p.partition {for update of p}",
)
.rows(&[("topic", Column::Text), ("partition", Column::Int)])
.locks(Rank::Other);

// Another worker may have taken the partition: the count differs.
static ADVANCE: Statement = Statement::new(
    "stream.advance",
    "update log_partition
     set next = r.next, changed_at = r.at
     from rows r
     where log_partition.topic = r.topic and log_partition.partition = r.partition
       and log_partition.epoch = r.epoch and log_partition.next = r.was",
)
.rows(&[
    ("topic", Column::Text),
    ("partition", Column::Int),
    ("epoch", Column::Int),
    ("was", Column::Int),
    ("next", Column::Int),
    ("at", Column::Int),
]);

// A partition's first row may be written by another worker meanwhile: the count differs and the claim runs again.
static TAKE: Statement = Statement::new(
    "stream.take_partition",
    "insert into log_partition (topic, partition, game, topic_id, epoch, next, changed_at)
     select topic, partition, game, topic_id, epoch, next, $2
     from rows
     where true
     order by topic, partition
     on conflict (topic, partition)
     do update set topic_id = excluded.topic_id, epoch = excluded.epoch, next = excluded.next, changed_at = excluded.changed_at
        where log_partition.epoch = excluded.epoch - 1",
)
.rows(&[
    ("topic", Column::Text),
    ("partition", Column::Int),
    ("game", Column::Text),
    ("topic_id", Column::Bytes),
    ("epoch", Column::Int),
    ("next", Column::Int),
]);

/// Locks and reads the rows of partitions, in order; those never read have none.
pub(crate) async fn lock(tx: &mut Tx<'_>, places: impl IntoIterator<Item = Place>) -> Result<BTreeMap<Place, Kept>, Error> {
    let places: std::collections::BTreeSet<Place> = places.into_iter().collect();
    let rows = Rows::of(&places, |place| row![place.topic.as_ref(), place.partition]);
    let found = tx.load(&LOCK, rows, |row| {
        let place = Place { topic: row.text(0)?.into(), partition: number(row.int(1)?)? };
        Ok((place, Kept { topic_id: row.id(2)?, epoch: row.int(3)?, next: row.int(4)? }))
    });
    Ok(found.await?.into_iter().collect())
}

pub(crate) fn number(partition: i64) -> Result<i32, Error> {
    i32::try_from(partition).map_err(|_| Error::Broken(format!("{partition} is not the number of a partition")))
}

/// Moves offsets of partitions whose rows are locked and were judged.
pub(crate) async fn advance(tx: &mut Tx<'_>, spans: &[(&Place, guard::Span)]) -> Result<(), Error> {
    let now = tx.now();
    let rows = Rows::of(spans, |(place, span)| row![place.topic.as_ref(), place.partition, span.epoch, span.from, span.to, now]);
    tx.write(&ADVANCE, rows).await
}

/// A worker that wants a partition.
#[derive(Debug, Clone)]
pub(crate) struct Want {
    pub(crate) place: Place,
    pub(crate) game: GameId,
    /// What the log says of it.
    pub(crate) log: Bounds,
    /// The epoch under which the worker held it so far: it is lost when another has taken it meanwhile.
    pub(crate) mine: Option<i64>,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Claimed {
    /// It is ours under a new epoch, and goes on at `next`.
    Ours { epoch: i64, next: i64 },
    /// Another worker has it.
    Lost,
    /// It stands still until a person decides.
    Alarm { name: String, told: String },
}

/// Takes partitions: raises their epochs, so that whoever had them can no longer write.
pub(crate) struct Claim;

impl Command for Claim {
    const NAME: &'static str = "stream.claim";
    const KEYED: bool = false;
    type Input = Want;
    type Reply = Claimed;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Want], now: Instant) -> Result<Vec<Outcome<Claimed>>, Error> {
        let mut kept = lock(tx, batch.iter().map(|want| want.place.clone())).await?;
        let mut taken: BTreeMap<&Place, (&Want, Kept)> = BTreeMap::new();
        let mut outcomes = Vec::with_capacity(batch.len());
        for want in batch {
            let claimed = decide(kept.get(&want.place), want);
            if let Claimed::Ours { epoch, next } = claimed {
                let row = Kept { topic_id: want.log.topic_id, epoch, next };
                kept.insert(want.place.clone(), row);
                taken.insert(&want.place, (want, row));
            }
            outcomes.push(Ok(claimed));
        }
        let rows = Rows::of(taken, |(place, (want, row))| {
            row![place.topic.as_ref(), place.partition, want.game.as_str(), row.topic_id.to_vec(), row.epoch, row.next]
        });
        tx.write_with(&TAKE, rows, &row![now]).await?;
        Ok(outcomes)
    }
}

fn decide(kept: Option<&Kept>, want: &Want) -> Claimed {
    if let Some(mine) = want.mine
        && kept.is_none_or(|kept| kept.epoch != mine)
    {
        return Claimed::Lost;
    }
    match guard::start(kept, &want.log) {
        Ok(next) => Claimed::Ours { epoch: kept.map_or(0, |kept| kept.epoch) + 1, next },
        Err(alarm) => Claimed::Alarm { name: alarm.as_str().to_owned(), told: alarm.to_string() },
    }
}

static SET: Statement = Statement::new(
    "stream.set_offset",
    "update log_partition
     set next = r.next, epoch = log_partition.epoch + 1, topic_id = r.topic_id, changed_at = $2
     from rows r
     where log_partition.topic = r.topic and log_partition.partition = r.partition",
)
.rows(&[("topic", Column::Text), ("partition", Column::Int), ("next", Column::Int), ("topic_id", Column::Bytes)]);

/// A person's decision where a partition goes on.
#[derive(Debug, Clone)]
pub(crate) struct Decision {
    pub(crate) place: Place,
    pub(crate) game: GameId,
    pub(crate) next: i64,
}

/// Sets offsets; whoever reads the partition loses it and takes it anew, and a topic that was made anew is accepted.
pub(crate) struct SetOffset;

impl Command for SetOffset {
    const NAME: &'static str = "stream.set_offset";
    type Input = Decision;
    type Reply = i64;

    fn privileged(&self, input: &Decision, _: &i64) -> Option<Act> {
        let detail = serde_json::json!({ "topic": input.place.topic.as_ref(), "partition": input.place.partition, "next": input.next });
        Some(Act { act: "stream.offset_set", subject: format!("game/{}", input.game), detail })
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Decision], now: Instant) -> Result<Vec<Outcome<i64>>, Error> {
        let kept = lock(tx, batch.iter().map(|decision| decision.place.clone())).await?;
        // Of two decisions on one partition the later one stands.
        let last: BTreeMap<&Place, i64> = batch.iter().map(|decision| (&decision.place, decision.next)).collect();
        let known = last.iter().filter(|(place, next)| kept.contains_key(place) && **next >= 0);
        let rows = Rows::of(known, |(place, next)| row![place.topic.as_ref(), place.partition, *next, vec![0; 16]]);
        tx.write_with(&SET, rows, &row![now]).await?;
        let answer = |decision: &&Decision| match kept.get(&decision.place) {
            Some(_) if decision.next >= 0 => Ok(decision.next),
            Some(_) => Err(Refusal::new(Code::BadAmount, format!("{} is not an offset: 0 or more would be right", decision.next))),
            None => Err(Refusal::not_found("partition", &decision.place)),
        };
        Ok(batch.iter().map(answer).collect())
    }
}
