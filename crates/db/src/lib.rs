//! The one idea: inputs that wait are gathered, loaded, decided and written together, in one transaction.
//! The only crate that names the database library. Refuses money arithmetic in SQL, and writes outside commands.
//!
//! # Adding a command
//! 1. Write the pure decision in the service's `decide.rs`, with its property test.
//! 2. Implement [`Command`] in `commands.rs`: `run` loads with one [`Statement`] per table (rows locked in the order of
//!    [`Rank`]), calls the decision, and writes with one statement per table; [`announce`](announce()) goes last.
//! 3. Start its [`Queue`] with [`Db::queue`] where the service is put together.
//! 4. The route sends `(Meta, Input)` to the queue and replies with the answer, which comes after the commit.
//!
//! What every command gets for that: batches, savepoints, retries, one effect per idempotency key, timings.
//! A read that many callers want one by one is a [`Lookup`]: those that wait are made together as well.

mod announce;
mod audit;
pub mod check;
mod clock;
mod command;
pub mod crash;
mod engine;
mod error;
mod idempotency;
mod inspect;
mod lookup;
mod migrate;
mod pool;
mod purge;
mod queue;
mod sqlite;
mod statement;
pub mod statistics;
mod store;
mod together;
mod tx;
mod value;
pub mod visitor;
mod writer;

pub use announce::{Announcement, announce};
pub use audit::{AuditRow, audit};
pub use check::{Breach, Invariant};
pub use clock::Clock;
pub use command::{Act, Command, Meta, new_key};
pub use engine::Engine;
pub use error::Error;
pub use inspect::{Access, Cells, Inspector};
pub use lookup::{Lookup, Lookups};
pub use migrate::{migrate, run_once};
pub use purge::PurgeAnswers;
pub use queue::Queue;
pub use statement::{Column, Rank, Statement};
pub use statistics::statistics;
pub use store::{Db, Options, Read};
pub use tx::Tx;
pub use value::{Row, Rows, Value};
