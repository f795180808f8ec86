//! Dead letters as people see them: listed, counted, asked to be replayed.
//! Refuses to show a record whole: its first part is kept, and shown as text as far as it is text.

use crate::partitions::Place;
use db::{Act, Column, Command, Db, Error, Row, Rows, Statement, Tx, row};
use kernel::time::HOUR_US;
use kernel::{Code, Cursor, GameId, Instant, Outcome, Page, Refusal, page};
use serde::{Deserialize, Serialize};

/// A record that did not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeadLetter {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its place in the partition.
    pub offset: i64,
    /// Why, as a stable name.
    #[schema(example = "bad_number")]
    pub reason: String,
    /// What was wrong, with the offending value.
    pub detail: String,
    /// The record's first 4,096 bytes; what is no text shows as U+FFFD.
    pub raw: String,
    /// The record's length in bytes, as far as it was read.
    pub length: i64,
    /// When the log took it.
    pub appended_at: Option<Instant>,
    /// When it was found not to fit.
    pub recorded_at: Instant,
    /// kept, asked (waits for its replay), replayed, or gone (no longer in the log).
    pub state: String,
}

/// How many records of a game did not fit for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LetterCount {
    /// The reason.
    pub reason: String,
    /// How many.
    pub letters: i64,
}

/// What became of a request to replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReplayAsked {
    /// Dead letters that wait for their replay now.
    pub letters: u64,
}

static LIST: Statement = Statement::new(
    "stream.list_letters",
    "select topic, partition, log_offset, reason, detail, raw, length, appended_at, recorded_at, state
     from dead_letter
     where game = $1 and (recorded_at, topic, partition, log_offset) > ($2, $3, $4, $5) and ($6 = '' or reason = $6)
     order by recorded_at, topic, partition, log_offset
     limit $7",
);

static COUNTS: Statement = Statement::new(
    "stream.letter_counts",
    "select reason, cast(sum(letters) as bigint)
     from dead_letter_count
     where game = $1 and hour >= $2
     group by reason
     order by 2 desc, 1",
);

/// Dead letters of a game in the order they were found, oldest first; of one reason, or of all.
///
/// # Errors
/// `bad-cursor`, or the database fails.
pub(crate) async fn list(
    db: &Db,
    game: &GameId,
    reason: Option<&str>,
    after: Option<&Cursor>,
    size: Option<u32>,
) -> Result<Page<DeadLetter>, Error> {
    let size = page::size(size)?;
    let (at, place, offset) = match after {
        None => (i64::MIN, Place::new("", -1), -1),
        Some(cursor) => start(cursor)?,
    };
    let arguments = row![game.as_str(), at, place.topic.as_ref(), place.partition, offset, reason.unwrap_or_default(), size + 1];
    let letters = db.fetch(&LIST, &arguments, letter).await?;
    Ok(Page::cut(letters, size, |last| Cursor(format!("{:x}.{:x}.{:x}.{}", last.recorded_at.0, last.partition, last.offset, last.topic))))
}

fn start(cursor: &Cursor) -> Result<(i64, Place, i64), Refusal> {
    let parse = || {
        let mut parts = cursor.0.splitn(4, '.');
        let mut number = || i64::from_str_radix(parts.next()?, 16).ok();
        let (at, partition, offset) = (number()?, number()?, number()?);
        Some((at, Place::new(parts.next()?, i32::try_from(partition).ok()?), offset))
    };
    parse().ok_or_else(|| {
        Refusal::new(
            Code::BadCursor,
            format!("cursor {:?} was not given out by this list: pass `next` of the page before, or none", cursor.0),
        )
    })
}

fn letter(row: &Row<'_>) -> Result<DeadLetter, Error> {
    Ok(DeadLetter {
        topic: row.text(0)?,
        partition: crate::partitions::number(row.int(1)?)?,
        offset: row.int(2)?,
        reason: row.text(3)?,
        detail: row.text(4)?,
        raw: String::from_utf8_lossy(&row.bytes(5)?).into_owned(),
        length: row.int(6)?,
        appended_at: row.instant_opt(7)?,
        recorded_at: row.instant(8)?,
        state: row.text(9)?,
    })
}

/// Counts by reason over the last hours, the running one included, most frequent first.
///
/// # Errors
/// The database fails.
pub(crate) async fn counts(db: &Db, game: &GameId, hours: u32) -> Result<Vec<LetterCount>, Error> {
    let since = db.now().0.div_euclid(HOUR_US) - i64::from(hours.max(1)) + 1;
    db.fetch(&COUNTS, &row![game.as_str(), since], |row| Ok(LetterCount { reason: row.text(0)?, letters: row.int(1)? })).await
}

/// Which dead letters to replay.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) game: GameId,
    /// Of one reason, or of all.
    pub(crate) reason: Option<String>,
}

static ASK: Statement = Statement::new(
    "stream.ask_replay",
    "update dead_letter
     set state = 'asked'
     from rows r
     where dead_letter.game = r.game and dead_letter.state = 'kept' and (r.reason is null or dead_letter.reason = r.reason)",
)
.rows(&[("game", Column::Text), ("reason", Column::Text)]);

/// Marks kept dead letters to be replayed; the stream takes them up within seconds.
pub(crate) struct AskReplay;

impl Command for AskReplay {
    const NAME: &'static str = "stream.ask_replay";
    type Input = Ask;
    type Reply = ReplayAsked;

    fn privileged(&self, input: &Ask, reply: &ReplayAsked) -> Option<Act> {
        let detail = serde_json::json!({ "reason": input.reason, "letters": reply.letters });
        Some(Act { act: "stream.replay_asked", subject: format!("game/{}", input.game), detail })
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Ask], _: Instant) -> Result<Vec<Outcome<ReplayAsked>>, Error> {
        let mut outcomes = Vec::with_capacity(batch.len());
        for ask in batch {
            // One statement per request: each is told how many of its own there were, and requests are as rare as people.
            let rows = Rows::of([ask], |ask| row![ask.game.as_str(), ask.reason.as_deref()]);
            outcomes.push(Ok(ReplayAsked { letters: tx.write_some(&ASK, rows).await? }));
        }
        Ok(outcomes)
    }
}
