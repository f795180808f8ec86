//! Sends HTTP/1.1 requests over many kept-open connections and measures the answers, at a small part of the server's own cost.
//! Refuses to judge them: what a status means, and whether a sale came out right, is for its caller.

mod connection;
mod open;
mod request;
mod response;

pub use open::{FileLimit, raise_file_limit};
pub use request::request;

use bytes::Bytes;
use hdrhistogram::Histogram;
use open::Opener;
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, OnceLock};
use std::time::{Duration, Instant};
use std::{fmt, io};
use tokio::net::TcpStream;

/// Makes the request of an index, counted from 0: a whole HTTP/1.1 request, head and body.
/// A slice of a shared buffer costs nothing; [`request`] writes one.
pub type Requests = Arc<dyn Fn(u64) -> Bytes + Send + Sync>;

/// Told of every answer: the request's index, the status and the body.
pub type OnResponse = Arc<dyn Fn(u64, u16, &[u8]) + Send + Sync>;

/// How much is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many requests, handed out in order to whichever connection is free.
    Requests(u64),
    /// As many as fit in a time; requests under way at its end are waited for and counted.
    Time(Duration),
    /// So many requests, or as many of them as fit in a time.
    Within(u64, Duration),
}

impl Amount {
    fn requests(self) -> u64 {
        match self {
            Amount::Requests(total) | Amount::Within(total, _) => total,
            Amount::Time(_) => u64::MAX,
        }
    }

    fn time(self) -> Option<Duration> {
        match self {
            Amount::Requests(_) => None,
            Amount::Time(time) | Amount::Within(_, time) => Some(time),
        }
    }
}

/// One run of load.
#[derive(Clone)]
pub struct Load {
    /// The server; plain HTTP.
    pub target: SocketAddr,
    /// Connections kept open, each with one request under way. All are open before the first request is sent.
    pub connections: usize,
    /// Threads that drive them. One keeps up with a server on two cores and leaves it the other.
    pub threads: usize,
    /// How much is sent.
    pub amount: Amount,
    /// What is sent. HEAD is not understood: its answers announce a body that never comes.
    pub requests: Requests,
    /// Who is told of the answers, if anyone; bodies are put together only then.
    pub on_response: Option<OnResponse>,
    /// Requests per second, handed out evenly; as fast as they are answered if not given. A request's time counts from when it was due,
    /// so that one which found every connection busy shows how late it was.
    pub per_s: Option<f64>,
    /// Time a connection may take to open, while a starting server still refuses it too.
    pub connect_timeout: Duration,
    /// Time an answer may take, from the first byte sent.
    pub request_timeout: Duration,
    /// Requests handed out so far, for a progress bar.
    pub taken: Arc<AtomicU64>,
}

impl Load {
    /// A run on one thread that allows ten seconds to connect and thirty to answer.
    pub fn new(target: SocketAddr, connections: usize, amount: Amount, requests: Requests) -> Load {
        Load {
            target,
            connections,
            threads: 1,
            amount,
            requests,
            on_response: None,
            per_s: None,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            taken: Arc::default(),
        }
    }
}

/// Requests and connections that failed, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Errors {
    /// Connections that could not be opened, at the start or again.
    pub connect: u64,
    /// Requests that could not be sent.
    pub write: u64,
    /// Answers that could not be read.
    pub read: u64,
    /// Connections closed by the server before the answer was whole.
    pub closed: u64,
    /// Answers that did not come in time.
    pub timeout: u64,
    /// Answers that are not HTTP/1.1, or more than one answer to a request.
    pub malformed: u64,
}

impl Errors {
    /// Each kind with its count.
    pub fn by_kind(&self) -> [(&'static str, u64); 6] {
        [
            ("connect", self.connect),
            ("write", self.write),
            ("read", self.read),
            ("closed", self.closed),
            ("timeout", self.timeout),
            ("malformed", self.malformed),
        ]
    }

    /// All kinds together.
    pub fn total(&self) -> u64 {
        self.by_kind().iter().map(|(_, count)| count).sum()
    }

    fn add(&mut self, failure: Failure, count: u64) {
        *match failure {
            Failure::Connect => &mut self.connect,
            Failure::Write => &mut self.write,
            Failure::Read => &mut self.read,
            Failure::Closed => &mut self.closed,
            Failure::Timeout => &mut self.timeout,
            Failure::Malformed => &mut self.malformed,
        } += count;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    Connect,
    Write,
    Read,
    Closed,
    Timeout,
    Malformed,
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Time of each whole answer from its request's first byte, in microseconds.
    pub latency_us: Histogram<u64>,
    /// Whole answers by status.
    pub by_status: BTreeMap<u16, u64>,
    /// What failed.
    pub errors: Errors,
    /// Requests that were never sent, because no connection was left.
    pub unsent: u64,
    /// Connections opened again after the server closed them or they failed.
    pub reopened: u64,
}

impl Outcome {
    /// Whole answers.
    pub fn answered(&self) -> u64 {
        self.latency_us.len()
    }
}

/// Why a run could not begin.
#[derive(Debug)]
pub enum Error {
    /// The system allows too few open files for the connections.
    Files(FileLimit),
    /// Not one connection could be opened.
    Unreachable(SocketAddr, io::Error),
    /// The system gave no thread or no event queue.
    Start(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Files(limit) => limit.fmt(f),
            Error::Unreachable(target, error) => write!(f, "no connection to {target} could be opened: {error}"),
            Error::Start(error) => write!(f, "the load could not be started: {error}"),
        }
    }
}

impl std::error::Error for Error {}

/// Runs the load and waits for its end; call it from a thread that may block.
pub fn run(load: &Load) -> Result<Outcome, Error> {
    // A few more than the connections: event queues, the log, the standard streams.
    raise_file_limit(load.connections as u64 + 64).map_err(Error::Files)?;
    let threads = load.threads.clamp(1, load.connections.max(1));
    let start = Start { gate: Barrier::new(threads), at: OnceLock::new() };
    let ends = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let share = load.connections / threads + usize::from(thread < load.connections % threads);
                let start = &start;
                scope.spawn(move || work(load, share, start))
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect::<Vec<_>>()
    });
    gather(load, start.at.get().copied(), ends)
}

struct Start {
    gate: Barrier,
    at: OnceLock<Instant>,
}

/// What one thread counted.
struct Tally {
    latency_us: Histogram<u64>,
    by_status: BTreeMap<u16, u64>,
    errors: Errors,
    reopened: u64,
    last_answer: Option<Instant>,
    refused: Option<io::Error>,
}

impl Tally {
    fn new() -> Tally {
        // Three digits, up to an hour; about 180 KiB.
        let latency_us = Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("the bounds are in order");
        Tally { latency_us, by_status: BTreeMap::new(), errors: Errors::default(), reopened: 0, last_answer: None, refused: None }
    }

    fn answered(&mut self, status: u16, begun: Instant) {
        let now = Instant::now();
        self.latency_us.saturating_record(u64::try_from((now - begun).as_micros()).unwrap_or(u64::MAX));
        *self.by_status.entry(status).or_default() += 1;
        self.last_answer = Some(now);
    }
}

/// What the connections of one thread share.
struct Worker {
    load: Load,
    opener: Arc<Opener>,
    begun: Instant,
    deadline: Option<Instant>,
    // The locks are never contended: only tasks of this one thread take them, and none holds one while it waits.
    tally: Mutex<Tally>,
    /// Answers are read into one buffer; a connection keeps bytes of its own only while an answer is incomplete.
    buffer: Mutex<Box<[u8]>>,
}

impl Worker {
    /// The next request's index, until all are handed out or the time is over.
    fn take(&self) -> Option<u64> {
        let total = self.load.amount.requests();
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return None;
        }
        let next = |taken| (taken < total).then(|| taken + 1);
        self.load.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()
    }

    /// Waits until a request is due; answers from when its time counts.
    async fn due(&self, index: u64) -> Instant {
        let Some(per_s) = self.load.per_s else { return Instant::now() };
        let due = self.begun + Duration::from_secs_f64(index as f64 / per_s);
        if due <= Instant::now() {
            return due;
        }
        tokio::time::sleep_until(due.into()).await;
        Instant::now()
    }

    /// Whether a request is left to take.
    fn has_more(&self) -> bool {
        let is_left = self.load.taken.load(Ordering::Relaxed) < self.load.amount.requests();
        is_left && self.deadline.is_none_or(|deadline| Instant::now() < deadline)
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock()
    }
}

/// Opens one thread's connections, waits for the other threads, and drives them to the end.
fn work(load: &Load, connections: usize, start: &Start) -> Result<Tally, io::Error> {
    // Fewer looks at the event queue per task than tokio's default of 61: answers come in bursts.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().event_interval(128).build();
    let opener = Arc::new(Opener::new(load.target, load.connect_timeout));
    let opened = match &runtime {
        Ok(runtime) => runtime.block_on(opener.open_all(connections)),
        Err(_) => Vec::new(),
    };
    // Reached in any case: the other threads wait here.
    start.gate.wait();
    let runtime = runtime?;
    let begun = *start.at.get_or_init(Instant::now);
    let deadline = load.amount.time().and_then(|time| begun.checked_add(time));
    let worker = Arc::new(Worker {
        load: load.clone(),
        opener,
        begun,
        deadline,
        tally: Mutex::new(Tally::new()),
        buffer: Mutex::new(vec![0; 65_536].into_boxed_slice()),
    });
    runtime.block_on(drive_all(&worker, opened));
    let tally = std::mem::replace(&mut *worker.tally(), Tally::new());
    Ok(tally)
}

async fn drive_all(worker: &Arc<Worker>, opened: Vec<io::Result<TcpStream>>) {
    let mut connections = tokio::task::JoinSet::new();
    for stream in opened {
        match stream {
            Ok(stream) => drop(connections.spawn(connection::drive(stream, Arc::clone(worker)))),
            Err(error) => {
                let mut tally = worker.tally();
                tally.errors.add(Failure::Connect, 1);
                tally.refused = Some(error);
            }
        }
    }
    while let Some(ended) = connections.join_next().await {
        if let Err(panicked) = ended {
            std::panic::resume_unwind(panicked.into_panic());
        }
    }
}

fn gather(load: &Load, begun: Option<Instant>, ends: Vec<Result<Tally, io::Error>>) -> Result<Outcome, Error> {
    let mut all = Tally::new();
    for end in ends {
        let tally = end.map_err(Error::Start)?;
        all.latency_us.add(&tally.latency_us).expect("all histograms have the same bounds");
        tally.by_status.into_iter().for_each(|(status, count)| *all.by_status.entry(status).or_default() += count);
        let kinds = [Failure::Connect, Failure::Write, Failure::Read, Failure::Closed, Failure::Timeout, Failure::Malformed];
        kinds.into_iter().zip(tally.errors.by_kind()).for_each(|(kind, (_, count))| all.errors.add(kind, count));
        all.reopened += tally.reopened;
        all.last_answer = all.last_answer.max(tally.last_answer);
        all.refused = tally.refused.or(all.refused);
    }
    if let Some(error) = all.refused.take_if(|_| all.errors.connect >= load.connections as u64 && all.latency_us.is_empty()) {
        return Err(Error::Unreachable(load.target, error));
    }
    let begun = begun.unwrap_or_else(Instant::now);
    let sent = all.latency_us.len() + all.errors.total() - all.errors.connect;
    Ok(Outcome {
        elapsed: all.last_answer.unwrap_or_else(Instant::now).saturating_duration_since(begun),
        latency_us: all.latency_us,
        by_status: all.by_status,
        errors: all.errors,
        unsent: if let Amount::Requests(total) = load.amount { total.saturating_sub(sent) } else { 0 },
        reopened: all.reopened,
    })
}

#[cfg(test)]
mod tests;
