//! Connections that are kept open and lent, at most so many at a time.
//! Refuses to lend one that failed: it is closed, and so are those that idled beside it.

use crate::Error;
use crate::engine::{Connection, Target};
use parking_lot::Mutex;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What its connections are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Read,
    Write,
}

pub(crate) struct Pool {
    target: Arc<Target>,
    purpose: Purpose,
    lent: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Pool {
    pub(crate) fn new(target: Arc<Target>, purpose: Purpose, size: usize) -> Pool {
        Pool { target, purpose, lent: Arc::new(Semaphore::new(size.max(1))), idle: Arc::default() }
    }

    /// A connection, once one is free.
    pub(crate) async fn get(&self) -> Result<Pooled, Error> {
        let permit = self.lent.clone().acquire_owned().await.expect("the semaphore is never closed");
        let idle = self.idle.lock().pop();
        let connection = match (idle, self.purpose) {
            (Some(connection), _) => connection,
            (None, Purpose::Read) => self.target.reader().await?,
            (None, Purpose::Write) => self.target.writer().await?,
        };
        Ok(Pooled { connection: Some(connection), idle: self.idle.clone(), _permit: permit })
    }

    /// A connection, trying again for a while when none can be opened.
    pub(crate) async fn get_patiently(&self, at_most: Duration) -> Result<Pooled, Error> {
        let started = std::time::Instant::now();
        let mut wait = Duration::from_millis(20);
        loop {
            match self.get().await {
                Err(_) if started.elapsed() + wait < at_most => tokio::time::sleep(wait).await,
                other => return other,
            }
            wait = (wait * 2).min(Duration::from_secs(1));
        }
    }

    pub(crate) async fn close(&self) {
        let idle = std::mem::take(&mut *self.idle.lock());
        for connection in idle {
            connection.close().await;
        }
    }
}

/// A lent connection; goes back when dropped.
pub(crate) struct Pooled {
    connection: Option<Connection>,
    idle: Arc<Mutex<Vec<Connection>>>,
    _permit: OwnedSemaphorePermit,
}

impl Pooled {
    /// Closes it instead of giving it back, and those that idled meanwhile: they are likely broken as well.
    pub(crate) fn discard(mut self) {
        self.connection = None;
        self.idle.lock().clear();
    }
}

impl Deref for Pooled {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("taken only when discarded")
    }
}

impl DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("taken only when discarded")
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.idle.lock().push(connection);
        }
    }
}
