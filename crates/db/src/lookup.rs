//! Reads that many callers ask for one by one: those that wait are made together, with one row set per table.
//! Refuses to keep what was read: an answer is of a read that began after it was asked for.

use crate::{Db, Error, Read};
use futures::FutureExt as _;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc, oneshot};

/// Reads of one kind that run side by side: while one waits for the database, the next gathers.
const SIDE_BY_SIDE: usize = 2;
/// Keys that may wait; who asks for more waits for room.
const WAITING_MAX: usize = 1_024;

/// A kind of read that is made for many at once.
pub trait Lookup: Send + Sync + 'static {
    /// Keys that one read takes: what is found for all of them is in memory at the same time.
    const KEYS_MAX: usize = 128;
    /// What is asked for.
    type Key: Send + Sync + 'static;
    /// What is found for a key.
    type Found: Send + 'static;

    /// What is found for each key, in their order; a key may be there twice. What can be wrong with one key's rows alone is for its caller to find
    /// out: an error is told to all.
    fn run<'a>(&'a self, reading: &'a mut Read, keys: &'a [Self::Key])
    -> impl Future<Output = Result<Vec<Self::Found>, Error>> + Send + 'a;
}

struct Asked<L: Lookup> {
    key: L::Key,
    answer: oneshot::Sender<Result<L::Found, Error>>,
}

/// Where keys of one kind are asked for. It ends when it is dropped.
pub struct Lookups<L: Lookup> {
    asked: mpsc::Sender<Asked<L>>,
}

impl Db {
    /// Starts the lookups of one kind.
    pub fn lookups<L: Lookup>(&self, lookup: L) -> Lookups<L> {
        let (asked, waiting) = mpsc::channel(WAITING_MAX);
        let (lookup, waiting) = (Arc::new(lookup), Arc::new(Mutex::new(waiting)));
        for _ in 0..SIDE_BY_SIDE {
            tokio::spawn(serve(self.clone(), lookup.clone(), waiting.clone()));
        }
        Lookups { asked }
    }
}

impl<L: Lookup> Lookups<L> {
    /// What is found for a key.
    ///
    /// # Errors
    /// The database fails.
    pub async fn ask(&self, key: L::Key) -> Result<L::Found, Error> {
        let (answer, found) = oneshot::channel();
        let ended = || Error::Gone("the reads have ended".to_owned());
        self.asked.send(Asked { key, answer }).await.map_err(|_| ended())?;
        found.await.map_err(|_| ended())?
    }
}

async fn serve<L: Lookup>(db: Db, lookup: Arc<L>, waiting: Arc<Mutex<mpsc::Receiver<Asked<L>>>>) {
    let mut taken = Vec::new();
    while waiting.lock().await.recv_many(&mut taken, L::KEYS_MAX).await > 0 {
        let (keys, answers): (Vec<_>, Vec<_>) = taken.drain(..).map(|asked| (asked.key, asked.answer)).unzip();
        let read = AssertUnwindSafe(read(&db, lookup.as_ref(), &keys)).catch_unwind().await;
        match read.unwrap_or_else(|_| Err(Error::Panicked("a lookup".to_owned()))) {
            // Who hung up needs no answer.
            Ok(found) => answers.into_iter().zip(found).for_each(|(answer, one)| drop(answer.send(Ok(one)))),
            Err(error) => answers.into_iter().for_each(|answer| drop(answer.send(Err(error.repeated())))),
        }
    }
}

async fn read<L: Lookup>(db: &Db, lookup: &L, keys: &[L::Key]) -> Result<Vec<L::Found>, Error> {
    let found = lookup.run(&mut db.look_up().await?, keys).await?;
    match found.len() == keys.len() {
        true => Ok(found),
        false => Err(Error::Broken(format!("a lookup of {} keys found {}", keys.len(), found.len()))),
    }
}
