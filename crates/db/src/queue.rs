//! Where commands wait while the transaction before them runs, and how they leave in batches.
//! Refuses to grow without bound: a full queue answers `overloaded` at once.

use crate::command::{Command, Meta, attempt};
use crate::engine::Connection;
use crate::{Clock, Error, Tx};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use kernel::{Code, Outcome, Refusal};
use parking_lot::Mutex;
use std::collections::{HashSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{Notify, oneshot};
use tracing::{Instrument as _, Span};

/// A batch names this many of the requests that wait for it; its first is its parent.
const LINKS_MAX: usize = 32;

/// What a caller waits for: the decision's outcome, or our fault.
type Answer<C> = Result<Outcome<<C as Command>::Reply>, Error>;

struct Waiting<C: Command> {
    meta: Meta,
    input: C::Input,
    answer: oneshot::Sender<Answer<C>>,
    since: Instant,
    /// The request that asked; nothing where no trace is collected.
    span: Span,
}

/// The inputs of one kind that a writer will take next.
pub(crate) struct Lane<C: Command> {
    command: Arc<C>,
    waiting: Mutex<VecDeque<Waiting<C>>>,
    /// Wakes whoever may take them.
    arrived: Vec<Arc<Notify>>,
    limit: usize,
    depth: metrics::Gauge,
    sizes: metrics::Histogram,
    waits: metrics::Histogram,
    refused: metrics::Counter,
}

/// Where inputs of one kind are sent. Cheap to clone.
pub struct Queue<C: Command> {
    /// What any writer may take: whichever is free first takes all of it, so that batches are as large as they can be.
    shared: Arc<Lane<C>>,
    /// What one writer has to itself; none where there is only one writer.
    own: Arc<[Arc<Lane<C>>]>,
}

impl<C: Command> Clone for Queue<C> {
    fn clone(&self) -> Self {
        Queue { shared: self.shared.clone(), own: self.own.clone() }
    }
}

impl<C: Command> Queue<C> {
    pub(crate) fn new(shared: Arc<Lane<C>>, own: Vec<Arc<Lane<C>>>) -> Queue<C> {
        Queue { shared, own: own.into() }
    }

    /// Sends one input and waits for its answer, which comes after the commit.
    ///
    /// # Errors
    /// A refusal of the decision, of the key, or of a full queue; or our fault, which changed nothing unless it says `outcome-unknown`.
    pub async fn send(&self, meta: Meta, input: C::Input) -> Result<C::Reply, Error> {
        let answer = self.lane(&input).push(meta, input)?;
        match answer.await {
            Ok(Ok(outcome)) => outcome.map_err(Error::Refused),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::Unknown("the writer stopped".to_owned())),
        }
    }

    fn lane(&self, input: &C::Input) -> &Lane<C> {
        match self.shared.command.lane(input) {
            Some(key) if !self.own.is_empty() => {
                let at = key % self.own.len() as u64;
                &self.own[usize::try_from(at).expect("a remainder is below the number of lanes")]
            }
            _ => &self.shared,
        }
    }
}

impl<C: Command> Lane<C> {
    pub(crate) fn new(command: Arc<C>, arrived: Vec<Arc<Notify>>, limit: usize) -> Lane<C> {
        let depth = metrics::gauge!("guildhall_queue_length", "command" => C::NAME);
        let sizes = metrics::histogram!("guildhall_batch_size", "command" => C::NAME);
        let waits = metrics::histogram!("guildhall_queue_wait_seconds", "command" => C::NAME);
        let refused = metrics::counter!("guildhall_queue_refused_total", "command" => C::NAME);
        Lane { command, waiting: Mutex::default(), arrived, limit, depth, sizes, waits, refused }
    }

    fn push(&self, meta: Meta, input: C::Input) -> Result<oneshot::Receiver<Answer<C>>, Error> {
        let (answer, receiver) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock();
            if waiting.len() >= self.limit {
                self.refused.increment(1);
                let full = format!("{} commands wait already: try again in a second", waiting.len());
                return Err(Error::Refused(Refusal::new(Code::Overloaded, full)));
            }
            waiting.push_back(Waiting { meta, input, answer, since: Instant::now(), span: Span::current() });
            self.depth.set(waiting.len() as f64);
        }
        self.arrived.iter().for_each(|writer| writer.notify_one());
        Ok(receiver)
    }
}

/// A lane whose kind is not known, as the writer sees it.
pub(crate) trait AnyLane: Send + Sync {
    /// Takes what waits, at most `max`.
    fn take(&self, max: usize) -> Option<Box<dyn AnyBatch>>;
}

impl<C: Command> AnyLane for Lane<C> {
    fn take(&self, max: usize) -> Option<Box<dyn AnyBatch>> {
        let mut waiting = self.waiting.lock();
        if waiting.is_empty() {
            return None;
        }
        let count = waiting.len().min(max);
        let items: Vec<Waiting<C>> = waiting.drain(..count).collect();
        self.depth.set(waiting.len() as f64);
        self.sizes.record(items.len() as f64);
        self.waits.record(items[0].since.elapsed());
        let span = span_of(&items);
        Some(Box::new(Batch { command: self.command.clone(), items, outcomes: Vec::new(), looks: false, in_doubt: false, span }))
    }
}

/// A batch belongs to the trace of the first request that waits for it, and names the others. Work nobody asked for has no trace.
fn span_of<C: Command>(items: &[Waiting<C>]) -> Span {
    let mut traced = items.iter().map(|item| &item.span).filter(|span| !span.is_disabled());
    let Some(first) = traced.next() else { return Span::none() };
    let span = tracing::info_span!(target: trace::TARGET, parent: first, "batch", otel.name = C::NAME, inputs = items.len());
    for other in traced.take(LINKS_MAX) {
        span.follows_from(other);
    }
    span
}

/// A batch of one kind on its way through a transaction.
struct Batch<C: Command> {
    command: Arc<C>,
    items: Vec<Waiting<C>>,
    outcomes: Vec<Outcome<C::Reply>>,
    /// Answers that were kept are looked for first.
    looks: bool,
    in_doubt: bool,
    /// From when it was taken until its callers are answered.
    span: Span,
}

/// What a transaction needs besides its connection.
pub(crate) struct Surroundings {
    pub(crate) clock: Arc<Clock>,
    pub(crate) subscribed: arc_swap::ArcSwap<HashSet<String>>,
}

/// A batch whose kind is not known, as the writer sees it.
pub(crate) trait AnyBatch: Send {
    /// The kind's name.
    fn name(&self) -> &'static str;
    /// How many inputs.
    fn len(&self) -> usize;
    /// Loads, decides and writes inside the transaction that is open on the connection.
    fn attempt<'a>(&'a mut self, connection: &'a mut Connection, around: &'a Surroundings) -> BoxFuture<'a, Result<(), Error>>;
    /// From now on its attempts look for kept answers before they decide anything; false when they did already.
    fn look_first(&mut self) -> bool;
    /// It may have been committed: from now on nobody is told that nothing was changed.
    fn doubt(&mut self);
    /// Two halves, to find the input that cannot be done.
    fn halve(self: Box<Self>) -> (Box<dyn AnyBatch>, Box<dyn AnyBatch>);
    /// Answers every caller, after the commit.
    fn answer(self: Box<Self>);
    /// Tells every caller that it failed.
    fn fail(self: Box<Self>, error: &dyn Fn() -> Error);
}

impl<C: Command> AnyBatch for Batch<C> {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn len(&self) -> usize {
        self.items.len()
    }

    fn attempt<'a>(&'a mut self, connection: &'a mut Connection, around: &'a Surroundings) -> BoxFuture<'a, Result<(), Error>> {
        let span = self.span.clone();
        let looks = self.looks;
        async move {
            let asked: Vec<(&Meta, &C::Input)> = self.items.iter().map(|item| (&item.meta, &item.input)).collect();
            let subscribed = around.subscribed.load();
            let mut tx = Tx::new(connection, &around.clock, &subscribed);
            let attempted = AssertUnwindSafe(attempt(self.command.as_ref(), &mut tx, &asked, looks)).catch_unwind().await;
            self.outcomes = match attempted {
                Ok(result) => result?,
                Err(panic) => return Err(Error::Panicked(format!("{}: {}", C::NAME, text_of(panic.as_ref())))),
            };
            Ok(())
        }
        .instrument(span)
        .boxed()
    }

    fn look_first(&mut self) -> bool {
        !std::mem::replace(&mut self.looks, true)
    }

    fn doubt(&mut self) {
        self.in_doubt = true;
    }

    fn halve(mut self: Box<Self>) -> (Box<dyn AnyBatch>, Box<dyn AnyBatch>) {
        let rest = self.items.split_off(self.items.len() / 2);
        let (command, span) = (self.command.clone(), self.span.clone());
        let second = Batch { command, items: rest, outcomes: Vec::new(), looks: true, in_doubt: self.in_doubt, span };
        self.outcomes.clear();
        self.looks = true;
        (self, Box::new(second))
    }

    fn answer(self: Box<Self>) {
        for (item, outcome) in self.items.into_iter().zip(self.outcomes) {
            self.command.committed(&item.input, &outcome);
            // The caller may have hung up; what was committed stays.
            drop(item.answer.send(Ok(outcome)));
        }
    }

    fn fail(self: Box<Self>, error: &dyn Fn() -> Error) {
        let error = || if self.in_doubt { error().after_commit() } else { error() };
        let why = error().kind();
        metrics::counter!("guildhall_commands_failed_total", "command" => C::NAME, "why" => why).increment(self.items.len() as u64);
        for item in self.items {
            drop(item.answer.send(Err(error())));
        }
    }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
