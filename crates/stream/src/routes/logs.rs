//! The route that takes logs.

use crate::Stream;
use crate::intake::{Chunks, Coding, Taken, take as take_lines};
use accounts::{Caller, Scope};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_ENCODING;
use futures::StreamExt as _;
use kernel::{Code, GameId, Refusal};
use tokio::runtime::Handle;
use web::{Answer, Path, Problem, Reply};

/// Takes log records, a line each (NDJSON or whatever the game's mapping reads), plain or packed with gzip or zstd.
/// Answered when all lines are durable in the log. A body that cannot be read to its end leaves its first lines there: a repeat is
/// safe, because records are recognised by their ids.
#[utoipa::path(post, path = "/v1/games/{game}/logs", tag = "logs", security(("token" = []), ("key" = [])), params(("game" = GameId, Path)), request_body(content = String, content_type = "application/x-ndjson"), responses((status = 200, body = Taken), (status = 404, body = web::ProblemBody), (status = 409, body = web::ProblemBody), (status = 413, body = web::ProblemBody), (status = 503, body = web::ProblemBody)))]
pub(super) async fn take(State(stream): State<Stream>, caller: Caller, Path(game): Path<GameId>, request: Request) -> Answer<Taken> {
    let inner = stream.inner.clone();
    match &caller {
        Caller::Person(who) => inner.accounts.require_manager(who, &game).await?,
        Caller::Key(key) => {
            key.require(&game, Scope::LogsWrite)?;
            inner.accounts.count_use(key.key, Scope::LogsWrite);
        }
    }
    let coding = Coding::named(request.headers().get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()))?;
    let permit = inner.intake.requests.clone().try_acquire_owned().map_err(|_| {
        Refusal::new(Code::Overloaded, format!("{} requests bring logs already: try again in a second", inner.options.intake.requests_max))
    })?;
    let live = inner.receiving(&game).await?;
    if live.is_none() {
        inner.accounts.game(&game).await?;
        let told = format!("{game} has no mapping yet, so nobody could read its lines: PUT /v1/games/{game}/mapping would be right");
        return Err(Refusal::new(Code::WrongState, told).into());
    }
    let keying = live.and_then(|live| live.mapping.as_ref().filter(|mapping| mapping.keyed_by_player()).and(live.mapper.clone()));
    let (parts, body) = Chunks::pair();
    let (runtime, limits, topic) = (Handle::current(), inner.options.intake.clone(), stream.topic(&game));
    let taking = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let mut taken = Taken::default();
        let mut append = |lines: &crate::record::Batch| runtime.block_on(inner.intake.append(&topic, lines, keying.as_deref()));
        let ended = take_lines(body, coding, limits.body_max, limits.waiting_bytes_max, &mut taken, &mut append);
        ended.map(|()| taken).map_err(|stopped| stopped.refusal(&taken))
    });
    let mut data = request.into_body().into_data_stream();
    while let Some(part) = data.next().await {
        let is_last = part.is_err();
        // Nobody reads on when taking ended early; its answer says why.
        if parts.send(part.map_err(|error| error.to_string())).await.is_err() || is_last {
            break;
        }
    }
    drop(parts);
    Reply::ok(taking.await.map_err(Problem::internal)??)
}
