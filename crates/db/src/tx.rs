//! One transaction, as a command sees it: set-based reads and writes, the time, the gates it holds.
//! Refuses locks against the rank and writes that touch another number of rows than they were given.

use crate::engine::Connection;
use crate::together::{Together, judge};
use crate::{Clock, Engine, Error, Rank, Row, Rows, Statement, Value};
use kernel::{Instant, UserId};
use std::collections::{HashMap, HashSet};

/// What an account's gate says of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gate {
    /// Neither blocked nor erased.
    pub(crate) is_active: bool,
    /// What it may do, as bits.
    pub(crate) roles: u32,
}

/// A transaction. It commits when every command of its turn has been decided and written.
pub struct Tx<'c> {
    pub(crate) connection: &'c mut Connection,
    pub(crate) clock: &'c Clock,
    pub(crate) subscribed: &'c HashSet<String>,
    pub(crate) rank: Rank,
    pub(crate) now: Instant,
    pub(crate) gates: HashMap<UserId, Gate>,
    waiting: Together,
}

impl<'c> Tx<'c> {
    pub(crate) fn new(connection: &'c mut Connection, clock: &'c Clock, subscribed: &'c HashSet<String>) -> Tx<'c> {
        let now = clock.now();
        Tx { connection, clock, subscribed, rank: Rank::None, now, gates: HashMap::new(), waiting: Together::default() }
    }

    /// Which engine is underneath.
    pub fn engine(&self) -> Engine {
        self.connection.engine()
    }

    /// Database time, read after the gates were locked.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// True when someone subscribed to the topic, so that an outbox row is worth writing.
    pub fn is_subscribed(&self, topic: &str) -> bool {
        self.subscribed.contains(topic)
    }

    /// Reads with arguments.
    pub async fn fetch<T>(
        &mut self,
        statement: &'static Statement,
        arguments: &[Value<'_>],
        mut map: impl FnMut(&Row) -> Result<T, Error> + Send,
    ) -> Result<Vec<T>, Error> {
        self.enter(statement)?;
        self.flush().await?;
        self.connection.fetch(statement, None, arguments, &mut map).await
    }

    /// Reads what the row set names: one statement for the whole batch. An empty set reads nothing.
    pub async fn load<T>(
        &mut self,
        statement: &'static Statement,
        rows: Rows,
        map: impl FnMut(&Row) -> Result<T, Error> + Send,
    ) -> Result<Vec<T>, Error> {
        self.load_with(statement, rows, &[], map).await
    }

    /// Reads what the row set names, with further arguments, which are `$2` and on.
    pub async fn load_with<T>(
        &mut self,
        statement: &'static Statement,
        rows: Rows,
        arguments: &[Value<'_>],
        mut map: impl FnMut(&Row) -> Result<T, Error> + Send,
    ) -> Result<Vec<T>, Error> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        self.enter(statement)?;
        self.flush().await?;
        self.connection.fetch(statement, Some(rows), arguments, &mut map).await
    }

    /// Writes a row set; each row must touch exactly one row of the table, or the turn is run again. On Postgres it may wait for
    /// further writes, to go with them: what it breaks is told by whichever statement comes next, or at the end.
    pub async fn write(&mut self, statement: &'static Statement, rows: Rows) -> Result<(), Error> {
        self.write_with(statement, rows, &[]).await
    }

    /// Writes a row set with further arguments, which are `$2` and on: as one long run of bytes of which each row names its part.
    pub async fn write_with(&mut self, statement: &'static Statement, rows: Rows, arguments: &[Value<'_>]) -> Result<(), Error> {
        let expected = rows.len();
        if expected == 0 {
            return Ok(());
        }
        self.enter(statement)?;
        if self.engine() == Engine::Postgres && arguments.is_empty() {
            if !self.waiting.may_join(statement) {
                self.flush().await?;
            }
            if self.waiting.may_join(statement) {
                self.waiting.push(statement, rows);
                return Ok(());
            }
        }
        self.flush().await?;
        let touched = self.connection.execute(statement, Some(rows), arguments).await?;
        judge(&[(statement, expected)], &[touched])
    }

    /// Writes a row set of which some rows may touch nothing; returns how many were touched.
    pub async fn write_some(&mut self, statement: &'static Statement, rows: Rows) -> Result<u64, Error> {
        self.write_some_with(statement, rows, &[]).await
    }

    /// As [`Tx::write_some`], with further arguments, which are `$2` and on.
    pub async fn write_some_with(&mut self, statement: &'static Statement, rows: Rows, arguments: &[Value<'_>]) -> Result<u64, Error> {
        if rows.is_empty() {
            return Ok(0);
        }
        self.enter(statement)?;
        self.flush().await?;
        self.connection.execute(statement, Some(rows), arguments).await
    }

    /// Runs a statement with arguments; returns how many rows it touched.
    pub async fn execute(&mut self, statement: &'static Statement, arguments: &[Value<'_>]) -> Result<u64, Error> {
        self.enter(statement)?;
        self.flush().await?;
        self.connection.execute(statement, None, arguments).await
    }

    /// True when the account exists and is neither blocked nor erased. Only for accounts whose gate is held.
    pub fn is_active(&self, user: UserId) -> bool {
        self.gates.get(&user).is_some_and(|gate| gate.is_active)
    }

    /// True when the account has all of these roles, as bits. Only for accounts whose gate is held.
    pub(crate) fn has_roles(&self, user: UserId, roles: u32) -> bool {
        self.gates.get(&user).is_some_and(|gate| roles & !gate.roles == 0)
    }

    /// Sends the writes that wait, for who must know now what they break.
    pub async fn flush(&mut self) -> Result<(), Error> {
        let mut writes = self.waiting.take();
        match writes.len() {
            0 => Ok(()),
            1 => {
                let (statement, rows) = writes.remove(0);
                let expected = rows.len();
                let touched = self.connection.execute(statement, Some(rows), &[]).await?;
                judge(&[(statement, expected)], &[touched])
            }
            _ => self.connection.write_together(writes).await,
        }
    }

    fn enter(&mut self, statement: &Statement) -> Result<(), Error> {
        if statement.rank == Rank::None {
            return Ok(());
        }
        if statement.rank < self.rank {
            return Err(Error::Broken(format!("{} locks {:?} after {:?} was locked", statement.name, statement.rank, self.rank)));
        }
        self.rank = statement.rank;
        Ok(())
    }
}
