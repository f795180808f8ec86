//! Connections that are kept open and lent, at most so many at a time.
//! Refuses to lend one that failed: it is closed, and so are those that idled beside it.

use crate::Error;
use crate::engine::{Connection, Target};
use metrics::{Counter, Gauge, Histogram};
use parking_lot::Mutex;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What its connections are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Read,
    LookUp,
    Write,
}

/// What a pool tells the metrics.
struct Measures {
    used: Gauge,
    waits: Histogram,
    opened: Counter,
    failed: Counter,
}

impl Measures {
    fn new(purpose: Purpose, size: usize) -> Measures {
        let pool = match purpose {
            Purpose::Read => "read",
            Purpose::LookUp => "lookup",
            Purpose::Write => "write",
        };
        metrics::gauge!("guildhall_pool_size", "pool" => pool).set(size as f64);
        Measures {
            used: metrics::gauge!("guildhall_pool_used", "pool" => pool),
            waits: metrics::histogram!("guildhall_pool_wait_seconds", "pool" => pool),
            opened: metrics::counter!("guildhall_pool_opened_total", "pool" => pool),
            failed: metrics::counter!("guildhall_pool_failed_total", "pool" => pool),
        }
    }
}

pub(crate) struct Pool {
    target: Arc<Target>,
    purpose: Purpose,
    lent: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
    measures: Arc<Measures>,
}

impl Pool {
    pub(crate) fn new(target: Arc<Target>, purpose: Purpose, size: usize) -> Pool {
        let size = size.max(1);
        let measures = Arc::new(Measures::new(purpose, size));
        Pool { target, purpose, lent: Arc::new(Semaphore::new(size)), idle: Arc::default(), measures }
    }

    /// A connection, once one is free.
    pub(crate) async fn get(&self) -> Result<Pooled, Error> {
        let permit = self.permit().await;
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.open().await?,
        };
        Ok(Pooled::new(connection, self.idle.clone(), self.measures.clone(), permit))
    }

    async fn permit(&self) -> OwnedSemaphorePermit {
        if let Ok(permit) = self.lent.clone().try_acquire_owned() {
            self.measures.waits.record(0.0);
            return permit;
        }
        let asked = std::time::Instant::now();
        let permit = self.lent.clone().acquire_owned().await.expect("the semaphore is never closed");
        self.measures.waits.record(asked.elapsed());
        permit
    }

    async fn open(&self) -> Result<Connection, Error> {
        let opened = match self.purpose {
            Purpose::Read => self.target.reader().await,
            Purpose::LookUp => self.target.looker().await,
            Purpose::Write => self.target.writer().await,
        };
        let counter = if opened.is_ok() { &self.measures.opened } else { &self.measures.failed };
        counter.increment(1);
        opened
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
    measures: Arc<Measures>,
    _permit: OwnedSemaphorePermit,
}

impl Pooled {
    fn new(connection: Connection, idle: Arc<Mutex<Vec<Connection>>>, measures: Arc<Measures>, permit: OwnedSemaphorePermit) -> Pooled {
        measures.used.increment(1.0);
        Pooled { connection: Some(connection), idle, measures, _permit: permit }
    }

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
        self.measures.used.decrement(1.0);
        if let Some(connection) = self.connection.take() {
            self.idle.lock().push(connection);
        }
    }
}
