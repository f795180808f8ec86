//! Answers that every client of Eureka asks for, kept as bytes until the feed moves: made anew for each they would cost 35 µs an instance.
//! Refuses to keep more than one of a kind.

use super::body::{self, Wanted};
use crate::Registry;
use crate::view::View;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::Response;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use web::Problem;

/// A delta also ends by time; one that tells a little more than it has to does no harm.
const KEPT_MAX: Duration = Duration::from_secs(5);

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum What {
    Everyone,
    Delta,
}

/// The last answer of each kind: two things, two forms, packed or not.
#[derive(Default)]
pub(crate) struct Answers {
    kept: Mutex<HashMap<(What, Wanted), Kept>>,
}

struct Kept {
    version: i64,
    made: Instant,
    bytes: Bytes,
}

/// Answers with what was kept, where it is still so.
pub(super) async fn answer(
    registry: &Registry,
    headers: &HeaderMap,
    what: What,
    make: impl FnOnce(&View) -> Value,
) -> Result<Response, Problem> {
    let view = registry.view().await?;
    let wanted = body::wanted(headers);
    let fresh = |kept: &&Kept| kept.version == view.version && kept.made.elapsed() < KEPT_MAX;
    let kept = registry.answers.kept.lock().get(&(what, wanted)).filter(fresh).map(|kept| kept.bytes.clone());
    if let Some(bytes) = kept {
        return Ok(body::respond(wanted, bytes));
    }
    let bytes = body::rendered(wanted, "applications", make(&view))?;
    let kept = Kept { version: view.version, made: Instant::now(), bytes: bytes.clone() };
    registry.answers.kept.lock().insert((what, wanted), kept);
    Ok(body::respond(wanted, bytes))
}
