//! HTTP of the stream: logs in, dead letters, partitions, and looks into the log: decode, call, reply.

mod logs;
mod looks;

use crate::letters::list;
use crate::partitions::Place;
use crate::worker::Phase;
use crate::{DeadLetter, LetterCount, ReplayAsked, Stream};
use accounts::Accounts;
use axum::extract::{FromRef, State};
use db::{Statement, row};
use kernel::{Code, Cursor, GameId, Instant, Page, Refusal};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Answer, Ask, Path, Query, Reply, Who};

pub(crate) fn routes(stream: Stream) -> web::Routes {
    all().with_state(stream)
}

/// What the stream's routes say of themselves, for a process that describes the whole API and reads no logs.
pub fn described() -> utoipa::openapi::OpenApi {
    all().into_openapi()
}

fn all() -> OpenApiRouter<Stream> {
    OpenApiRouter::new()
        .routes(routes!(logs::take))
        .routes(routes!(letters))
        .routes(routes!(letter_counts))
        .routes(routes!(replay))
        .routes(routes!(partitions))
        .routes(routes!(set_offset))
        .routes(routes!(looks::explain))
        .routes(routes!(looks::backtest))
}

impl FromRef<Stream> for Accounts {
    fn from_ref(stream: &Stream) -> Accounts {
        stream.inner.accounts.clone()
    }
}

/// Which dead letters to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LettersQuery {
    /// Only those of this reason.
    #[param(example = "bad_number")]
    reason: Option<String>,
    /// `next` of the page before.
    cursor: Option<Cursor>,
    /// Letters per page, 1 to 100, 10 by default.
    size: Option<u32>,
}

/// Over how long to count.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct CountsQuery {
    /// Hours up to now, the running one included; 1 to 8,760, 24 by default.
    hours: Option<u32>,
}

/// Which dead letters to replay.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "reason": "unknown_value" }))]
struct ReplayBody {
    /// Only those of this reason; all that are kept if not given.
    reason: Option<String>,
}

/// Where a partition is to go on.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "next": 0 }))]
struct OffsetBody {
    /// The first offset to read; what lies between is passed over, or read again.
    next: i64,
}

/// A partition of a game's log.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct PartitionView {
    /// Its topic.
    topic: String,
    /// Its number.
    partition: i32,
    /// The first offset that is not in the database's progress.
    next: i64,
    /// Raised by every worker that takes it.
    epoch: i64,
    /// When the offset moved last.
    changed_at: Instant,
    /// What the worker in the answering process is about; absent when another process has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<WorkerView>,
}

/// A worker.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct WorkerView {
    /// claiming, reading, no_mapping, waiting, lost, alarm or ended.
    phase: &'static str,
    /// Why it waits, or stands still.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// A game's dead letters, for its campaign managers.
#[utoipa::path(get, path = "/v1/games/{game}/dead-letters", tag = "logs", security(("token" = [])), params(("game" = GameId, Path), LettersQuery), responses((status = 200, body = Page<DeadLetter>), (status = 403, body = web::ProblemBody)))]
async fn letters(
    State(stream): State<Stream>,
    who: Who,
    Path(game): Path<GameId>,
    Query(query): Query<LettersQuery>,
) -> Answer<Page<DeadLetter>> {
    stream.inner.accounts.require_manager(&who, &game).await?;
    Reply::ok(list::list(&stream.inner.db, &game, query.reason.as_deref(), query.cursor.as_ref(), query.size).await?)
}

/// How many records did not fit, by reason.
#[utoipa::path(get, path = "/v1/games/{game}/dead-letters/counts", tag = "logs", security(("token" = [])), params(("game" = GameId, Path), CountsQuery), responses((status = 200, body = Vec<LetterCount>), (status = 403, body = web::ProblemBody)))]
async fn letter_counts(
    State(stream): State<Stream>,
    who: Who,
    Path(game): Path<GameId>,
    Query(query): Query<CountsQuery>,
) -> Answer<Vec<LetterCount>> {
    stream.inner.accounts.require_manager(&who, &game).await?;
    let hours = query.hours.unwrap_or(24);
    if !(1..=8_760).contains(&hours) {
        return Err(Refusal::new(Code::BadQuery, format!("hours {hours} is outside 1 to 8760")).into());
    }
    Reply::ok(list::counts(&stream.inner.db, &game, hours).await?)
}

/// Has kept dead letters replayed under the mapping that is in force: each that fits now counts once.
#[utoipa::path(post, path = "/v1/games/{game}/dead-letters/replays", tag = "logs", security(("token" = [])), params(("game" = GameId, Path)), request_body = ReplayBody, responses((status = 202, body = ReplayAsked), (status = 403, body = web::ProblemBody)))]
async fn replay(State(stream): State<Stream>, Path(game): Path<GameId>, ask: Ask<ReplayBody>) -> Answer<ReplayAsked> {
    stream.inner.accounts.require_manager(&ask.who, &game).await?;
    Reply::accepted(stream.ask_replay(ask.meta, &game, ask.body.reason).await?)
}

static PARTITIONS: Statement = Statement::new(
    "stream.partitions",
    "select topic, partition, next, epoch, changed_at from log_partition where game = $1 order by topic, partition",
);

/// How far a game's log was read, for its campaign managers.
#[utoipa::path(get, path = "/v1/games/{game}/partitions", tag = "logs", security(("token" = [])), params(("game" = GameId, Path)), responses((status = 200, body = Vec<PartitionView>), (status = 403, body = web::ProblemBody)))]
async fn partitions(State(stream): State<Stream>, who: Who, Path(game): Path<GameId>) -> Answer<Vec<PartitionView>> {
    stream.inner.accounts.require_manager(&who, &game).await?;
    let view = |row: &db::Row<'_>| {
        let (topic, partition) = (row.text(0)?, crate::partitions::number(row.int(1)?)?);
        let worker = stream.inner.workers.phase(&Place::new(&topic, partition)).map(worker_view);
        Ok(PartitionView { topic, partition, next: row.int(2)?, epoch: row.int(3)?, changed_at: row.instant(4)?, worker })
    };
    Reply::ok(stream.inner.db.fetch(&PARTITIONS, &row![game.as_str()], view).await?)
}

fn worker_view(phase: Phase) -> WorkerView {
    let (phase, why) = match phase {
        Phase::Claiming => ("claiming", None),
        Phase::Reading => ("reading", None),
        Phase::NoMapping => ("no_mapping", None),
        Phase::Waiting(why) => ("waiting", Some(why)),
        Phase::Lost => ("lost", None),
        Phase::Alarm(name, told) => ("alarm", Some(format!("{name}: {told}"))),
        Phase::Ended => ("ended", None),
    };
    WorkerView { phase, why }
}

/// Decides where a partition goes on that stands still. Records passed over never count; records read again are recognised as far as players remember.
#[utoipa::path(put, path = "/v1/games/{game}/partitions/{partition}", tag = "logs", security(("token" = [])), params(("game" = GameId, Path), ("partition" = i32, Path)), request_body = OffsetBody, responses((status = 200, body = i64), (status = 404, body = web::ProblemBody)))]
async fn set_offset(State(stream): State<Stream>, Path((game, partition)): Path<(GameId, i32)>, ask: Ask<OffsetBody>) -> Answer<i64> {
    stream.inner.accounts.require_manager(&ask.who, &game).await?;
    Reply::ok(stream.set_offset(ask.meta, &game, partition, ask.body.next).await?)
}
