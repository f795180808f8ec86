//! What can go wrong with the database, told by what to do next.
//! Refuses to be shown to callers: they get a code, the log gets the rest.

use kernel::{Code, Refusal};
use rusqlite::ErrorCode;

/// A fault of the database or of how it was used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another transaction was in the way: run the batch again.
    #[error("another transaction was in the way: {0}")]
    Again(String),
    /// The statement met data it cannot store: halve the batch until the culprit stands alone.
    #[error("{statement}: {source}")]
    Data {
        /// The statement's name.
        statement: &'static str,
        /// What the engine said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What was read is not what the code expects, or a write touched another number of rows than planned.
    #[error("{0}")]
    Broken(String),
    /// A decision panicked.
    #[error("panicked: {0}")]
    Panicked(String),
    /// The connection is gone, or none could be had.
    #[error("the database is not reachable: {0}")]
    Gone(String),
    /// The connection went away at commit: the outcome is not known.
    #[error("whether it was committed is not known: {0}")]
    Unknown(String),
    /// The engine gave up, as over a full disk or at the time limit of a statement; the whole transaction is gone.
    #[error("the database gave up: {0}")]
    Full(String),
    /// Refused before anything was done, with what the caller is told.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Error {
    /// What kind of fault it is, as metrics have it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Error::Again(_) => "again",
            Error::Data { .. } => "data",
            Error::Broken(_) => "broken",
            Error::Panicked(_) => "panicked",
            Error::Gone(_) => "gone",
            Error::Unknown(_) => "unknown",
            Error::Full(_) => "full",
            Error::Refused(_) => "refused",
        }
    }

    /// The same once more, for the next of many whom it concerns.
    pub(crate) fn repeated(&self) -> Error {
        match self {
            Error::Again(why) => Error::Again(why.clone()),
            Error::Gone(why) => Error::Gone(why.clone()),
            Error::Unknown(why) => Error::Unknown(why.clone()),
            Error::Full(why) => Error::Full(why.clone()),
            Error::Refused(refusal) => Error::Refused(refusal.clone()),
            Error::Data { statement, source } => Error::Data { statement, source: source.to_string().into() },
            Error::Broken(why) => Error::Broken(why.clone()),
            Error::Panicked(why) => Error::Panicked(why.clone()),
        }
    }

    /// The same where something was committed before it failed: whoever asked must not be told that nothing was changed.
    #[must_use]
    pub fn after_commit(self) -> Error {
        match self {
            Error::Again(why) | Error::Gone(why) | Error::Full(why) | Error::Broken(why) | Error::Panicked(why) => Error::Unknown(why),
            data @ Error::Data { .. } => Error::Unknown(data.to_string()),
            told @ (Error::Unknown(_) | Error::Refused(_)) => told,
        }
    }

    pub(crate) fn row(column: usize, source: &dyn std::fmt::Display) -> Error {
        Error::Broken(format!("column {column}: {source}"))
    }

    /// Sorts an error of a statement on Postgres by what to do next.
    pub(crate) fn of_postgres(statement: &'static str, source: sqlx::Error) -> Error {
        if is_gone(&source) {
            return Error::Gone(format!("{statement}: {source}"));
        }
        let Some(db) = source.as_database_error() else { return Error::Broken(format!("{statement}: {source}")) };
        match db.code().as_deref() {
            // serialization failure, deadlock, lock not available
            Some("40001" | "40P01" | "55P03") => Error::Again(format!("{statement}: {source}")),
            // administrator shutdown, crash shutdown, cannot connect now, too many connections, idle for too long; and a server that only
            // reads, which is a former primary: another connection finds the one that took over
            Some("57P01" | "57P02" | "57P03" | "53300" | "25P03" | "57P05" | "25006") => Error::Gone(format!("{statement}: {source}")),
            // cancelled by the statement time limit
            Some("57014") => Error::Full(format!("{statement}: {source}")),
            Some(code) if code.starts_with("53") || code.starts_with("58") => Error::Full(format!("{statement}: {source}")),
            _ => Error::Data { statement, source: source.into() },
        }
    }

    /// Sorts an error of a statement on SQLite by what to do next.
    pub(crate) fn of_sqlite(statement: &'static str, source: rusqlite::Error) -> Error {
        let Some(failure) = source.sqlite_error() else { return Error::Broken(format!("{statement}: {source}")) };
        match failure.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Error::Again(format!("{statement}: {source}")),
            // The time limit interrupts what runs too long.
            ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::DiskFull
            | ErrorCode::CannotOpen
            | ErrorCode::OperationInterrupted => Error::Full(format!("{statement}: {source}")),
            _ => Error::Data { statement, source: source.into() },
        }
    }

    /// What a caller is told: a code that says whether to try again, and nothing of ours.
    pub fn to_refusal(&self) -> Refusal {
        match self {
            Error::Refused(refusal) => refusal.clone(),
            Error::Again(_) | Error::Gone(_) | Error::Full(_) => {
                Refusal::new(Code::Unavailable, "the database does not answer now: nothing was changed, try again shortly")
            }
            Error::Unknown(_) => Refusal::new(
                Code::OutcomeUnknown,
                "the database went away while this was being committed: repeat with the same Idempotency-Key to learn the outcome",
            ),
            Error::Data { .. } | Error::Broken(_) | Error::Panicked(_) => {
                Refusal::new(Code::Internal, "the fault is ours and nothing was changed; it was logged with the request id of this answer")
            }
        }
    }
}

fn is_gone(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_)
    )
}
