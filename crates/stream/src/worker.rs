//! A worker: one thread that reads one partition, steps its records and has checkpoints written.
//! Refuses to write once the partition is somebody else's, and to go on past what the log or the database contradicts.

mod line;
mod pending;
mod restart;

pub(crate) use line::{Line, Phase};

use crate::checkpoint::{Body, Checkpoint, Done, Ended, STATE_MOVED, Work, survives, unreadable};
use crate::guard::Span;
use crate::measures::Measures;
use crate::options::Limits;
use crate::pace::Next;
use crate::partitions::{Claim, Place};
use crate::record::{Batch, ReadLimit};
use crate::source::{PartitionLog, Trouble};
use crate::stepper::{From, Stepper};
use crate::workers::Held;
use campaigns::{Live, PlayersOf, States};
use db::{Db, Error, Lookups, Meta, Queue, crash};
use kernel::GameId;
use pending::{First, Gathering};
use restart::{Again, Trust};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// What all workers of a process share.
pub(crate) struct Shared {
    pub(crate) db: Db,
    pub(crate) live: Live,
    pub(crate) runtime: Handle,
    pub(crate) limits: Limits,
    /// Changed players of a checkpoint while its partition keeps up.
    pub(crate) usual_players_max: usize,
    pub(crate) checkpoints: Queue<Checkpoint>,
    pub(crate) loads: Lookups<States>,
    pub(crate) claims: Queue<Claim>,
    /// Partitions that have a worker here; those workers share the cache's bound.
    pub(crate) held: Arc<Held>,
}

/// A mapping that was just written is seen within this time and the live view's age.
const MAPPING_LOOK: Duration = Duration::from_millis(100);

/// So many reads behind, a partition writes as rarely as it may.
const FAR_BEHIND: f64 = 2.0;

/// Turns are short for this long after others wrote what was stepped: they may do so again, and the longer a turn the likelier it is.
const CAREFUL: Duration = Duration::from_secs(10);

/// A worker that failed begins again after this long.
const FAILED_PAUSE: Duration = Duration::from_secs(1);

/// A checkpoint that is under way.
struct Writing {
    to: i64,
    started: Instant,
    ended: oneshot::Receiver<Result<Ended, Error>>,
}

/// Why a worker does not simply read on.
enum Break {
    /// It is to stop.
    Stop,
    /// Somebody else has the partition.
    Lost,
    /// It goes on from the last checkpoint.
    Again(Again),
    /// It stands still until a person decides.
    Alarm { name: String, told: String },
}

pub(crate) struct Worker {
    shared: Arc<Shared>,
    place: Place,
    game: GameId,
    log: Box<dyn PartitionLog>,
    line: Arc<Line>,
    measures: Measures,
    /// None before the first claim.
    epoch: Option<i64>,
    /// The first offset that is not in the database.
    committed: i64,
    /// The first offset that was not stepped for good: the records before it are written, or kept with what the topic's next
    /// checkpoint writes.
    stepped: i64,
    /// The first offset that was not read.
    position: i64,
    /// None while the game has no mapping.
    stepper: Option<Stepper>,
    batch: Batch,
    gathering: Gathering,
    writing: Option<Writing>,
    /// The first record that was handed over to be written, until it is.
    unwritten: Option<First>,
    /// Until when turns are short.
    careful_until: Option<Instant>,
    /// Something was handed over to be written since the partition was taken.
    has_written: bool,
    /// Where the last checkpoint that was started ends.
    last_to: i64,
    trust: Trust,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, place: Place, game: GameId, log: Box<dyn PartitionLog>, line: Arc<Line>) -> Worker {
        let measures = Measures::new(&place, &game);
        Worker {
            shared,
            place,
            game,
            log,
            line,
            measures,
            epoch: None,
            committed: 0,
            stepped: 0,
            position: 0,
            stepper: None,
            batch: Batch::default(),
            gathering: Gathering::default(),
            writing: None,
            unwritten: None,
            careful_until: None,
            has_written: false,
            last_to: 0,
            trust: Trust::default(),
        }
    }

    /// Works until it is told to stop.
    pub(crate) fn run(mut self) {
        while catch_unwind(AssertUnwindSafe(|| self.restart_until_stopped())).is_err() {
            tracing::error!(place = %self.place, "a worker failed; it begins again at the last checkpoint");
            // What its memory holds is good for nothing. What became of a checkpoint that was under way, the next claim tells.
            self.stepper = None;
            self.writing = None;
            if self.line.is_stopping() {
                break;
            }
            self.line.pause(FAILED_PAUSE);
        }
        self.line.set(Phase::Ended);
        self.measures.end();
    }

    /// Reads and steps until something breaks off.
    fn follow(&mut self) -> Break {
        self.line.set(Phase::Reading);
        loop {
            if let Err(broken) = self.turn() {
                return broken;
            }
        }
    }

    fn turn(&mut self) -> Result<(), Break> {
        if self.line.is_stopping() {
            return Err(Break::Stop);
        }
        if !self.replan()? {
            self.line.set(Phase::NoMapping);
            self.line.pause(MAPPING_LOOK);
            return Ok(());
        }
        self.evict();
        self.collect(false)?;
        let keyed = self.is_keyed();
        let unwritten = self.unwritten.filter(|_| self.writing.is_none());
        let pending = self.gathering.pending(self.stepper.as_ref().filter(|_| keyed), unwritten, self.behind());
        let mut pace = self.shared.limits.pace(self.cache_share(), keyed, self.shared.usual_players_max);
        pace.behind_due = pace.behind_due.mul_f64(if self.has_written { 1.0 } else { self.phase() });
        match pace.next(&pending, self.writing.is_some()) {
            Next::Checkpoint => self.start_checkpoint(true),
            Next::Step => self.start_checkpoint(false),
            Next::Hold => self.collect(true)?,
            Next::Read(_) if self.trust.must_write(self.gathering.records) => match self.writing {
                Some(_) => self.collect(true)?,
                None => self.start_checkpoint(true),
            },
            Next::Read(wait) => self.read(wait)?,
        }
        Ok(())
    }

    /// Follows the game's campaigns and mapping. What was stepped under the old ones, and is not written, is stepped again.
    /// False while the game has no mapping: its records wait in the log, since nobody knows what they mean.
    fn replan(&mut self) -> Result<bool, Break> {
        let live = self.shared.live.game(&self.game);
        let Some(live) = live.filter(|live| live.mapper.is_some()) else { return Ok(self.stepper.is_some()) };
        match &mut self.stepper {
            Some(stepper) if stepper.live().campaign_version == live.campaign_version => {}
            Some(stepper) if self.gathering.is_empty() && self.unwritten.is_none() => {
                self.batch.clear();
                stepper.replan(&live);
            }
            Some(_) => return Err(Break::Again(Again::plan())),
            None => {
                self.line.set(Phase::Reading);
                self.stepper = Stepper::new(&live);
            }
        }
        Ok(true)
    }

    fn is_keyed(&self) -> bool {
        let mapping = self.stepper.as_ref().and_then(|stepper| stepper.live().mapping.as_ref());
        mapping.is_some_and(|mapping| mapping.keyed_by_player())
    }

    /// How far it is behind its log: 0 up to what one read takes, 1 at [`FAR_BEHIND`] times as much more.
    fn behind(&self) -> f64 {
        if self.careful_until.is_some_and(|until| Instant::now() < until) {
            return 0.0;
        }
        let end = self.log.end().unwrap_or(self.position);
        let one_read = self.shared.limits.read_records.max(1);
        let beyond = usize::try_from(end.saturating_sub(self.position)).unwrap_or(0).saturating_sub(one_read);
        (beyond as f64 / (one_read as f64 * FAR_BEHIND)).min(1.0)
    }

    /// This worker's place among those of the process, from just above 0 to 1. Partitions that begin to read a backlog together write
    /// one after the other, so that the database has something to do all the time and few snapshots are in memory at once.
    fn phase(&self) -> f64 {
        let held = self.shared.held.read();
        held.iter().filter(|place| **place <= self.place).count().max(1) as f64 / held.len().max(1) as f64
    }

    /// Players this worker may keep.
    fn cache_share(&self) -> usize {
        let workers = self.shared.held.read().len().max(1);
        (self.shared.limits.cache_max_players / workers).max(1)
    }

    /// Forgets players whose states others are about to change.
    fn evict(&mut self) {
        let Some(stepper) = &mut self.stepper else { return };
        for player in self.line.take_evictions() {
            stepper.players.evict(&player);
        }
    }

    fn read(&mut self, wait: Duration) -> Result<(), Break> {
        let keyed = self.is_keyed();
        if keyed {
            self.batch.clear();
        }
        let before = (self.batch.len(), self.batch.bytes());
        let room = self.trust.records_max().unwrap_or(self.shared.limits.read_records);
        let limit = ReadLimit { records: before.0 + room, bytes: before.1 + self.shared.limits.read_bytes };
        self.log.read(&mut self.batch, &limit, wait).map_err(trouble)?;
        let Some(last) = self.batch.last().filter(|_| self.batch.len() > before.0) else { return Ok(()) };
        self.position = last.offset + 1;
        self.gathering.add(self.batch.len() - before.0, self.batch.bytes() - before.1, self.batch.get(before.0).appended());
        self.measures.read(self.batch.len() - before.0, self.position, self.log.end());
        self.tell_waiting();
        if keyed { self.step() } else { Ok(()) }
    }

    /// Steps the batch over the players that are kept, loading those that are not.
    fn step(&mut self) -> Result<(), Break> {
        let Worker { stepper: Some(stepper), batch, trust, place, .. } = self else { return Ok(()) };
        let from = From { topic: &place.topic, partition: place.partition, poisoned: trust.poisoned() };
        if !survives(stepper, |stepper| stepper.scan(batch, &from)) {
            return Err(Break::Again(Again::poisoned(stepper.at_offset)));
        }
        let players: Vec<String> = stepper.players.wanted().into_iter().map(str::to_owned).collect();
        stepper.gathered.tally.loaded += players.len() as u64;
        if !players.is_empty() {
            let loads = self.shared.loads.ask(PlayersOf { game: self.game.clone(), players });
            let loaded = self.shared.runtime.block_on(loads).map_err(|error| Break::Again(Again::unreachable(error.to_string())))?;
            let states = loaded.iter().map(|one| (one.player.as_str(), one.version, one.state.as_slice()));
            stepper.players.admit(states).map_err(|error| unreadable_state(&unreadable(&error)))?;
        }
        if !survives(stepper, |stepper| stepper.finish(batch)) {
            return Err(Break::Again(Again::poisoned(stepper.at_offset)));
        }
        Ok(())
    }

    /// Tells the line how long the oldest record waits.
    fn tell_waiting(&self) {
        self.line.note_waiting(self.unwritten.or(self.gathering.first()).and_then(|first| first.appended));
    }

    /// Hands over what was read; `write`: to be written and not only stepped.
    fn start_checkpoint(&mut self, write: bool) {
        let cache_share = self.cache_share();
        let Some(stepper) = &mut self.stepper else { return };
        let Some(epoch) = self.epoch else { return };
        let keyed = stepper.live().mapping.as_ref().is_some_and(|mapping| mapping.keyed_by_player());
        let body = if keyed {
            let (snapshot, gathered) = stepper.take();
            Body::Stepped { snapshot, gathered }
        } else {
            Body::Records { batch: std::mem::take(&mut self.batch), poisoned: self.trust.poisoned().clone() }
        };
        self.has_written |= write;
        let span = Span { epoch, from: self.stepped, to: self.position };
        let players_max = self.shared.limits.checkpoint_players_max.min(cache_share);
        let work = Work { place: self.place.clone(), live: stepper.live().clone(), span, body, write, players_max, cache_share };
        let (tell, ended) = oneshot::channel();
        let checkpoints = self.shared.checkpoints.clone();
        self.shared.runtime.spawn(async move {
            // The worker may be gone by now; what was committed stays.
            drop(tell.send(checkpoints.send(Meta::ours("stream.checkpoint"), work).await));
        });
        self.last_to = self.position;
        self.writing = Some(Writing { to: self.position, started: Instant::now(), ended });
        self.unwritten = self.unwritten.or(self.gathering.first());
        self.gathering = Gathering::default();
    }

    /// Takes the answer of the checkpoint that is under way, if there is one; waits for it when told to.
    fn collect(&mut self, wait: bool) -> Result<(), Break> {
        let Some(writing) = &mut self.writing else { return Ok(()) };
        let told = if wait {
            let ended = self.writing.take().expect("it was there a line above");
            (ended.to, ended.started, ended.ended.blocking_recv().ok())
        } else {
            match writing.ended.try_recv() {
                Ok(told) => (writing.to, writing.started, Some(told)),
                Err(oneshot::error::TryRecvError::Empty) => return Ok(()),
                Err(oneshot::error::TryRecvError::Closed) => (writing.to, writing.started, None),
            }
        };
        self.writing = None;
        let (to, started, told) = told;
        match told {
            Some(Ok(Ended::Written(done))) => {
                self.written(to, started, &done);
                Ok(())
            }
            Some(Ok(Ended::Stepped(done))) => {
                self.stepped = to;
                if let Some(stepper) = &self.stepper {
                    self.measures.stepped(stepper.live(), &done);
                }
                Ok(())
            }
            Some(Ok(ended)) => Err(broken(ended)),
            Some(Err(Error::Refused(refusal))) if refusal.code == STATE_MOVED => Err(Break::Again(Again::state_moved())),
            Some(Err(error)) => Err(Break::Again(Again::of(&error))),
            None => Err(Break::Again(Again::of(&Error::Unknown("the runtime ended".to_owned())))),
        }
    }

    fn written(&mut self, to: i64, started: Instant, done: &Done) {
        crash::point("stream.after_checkpoint");
        (self.committed, self.stepped, self.unwritten) = (to, to, None);
        self.tell_waiting();
        self.trust.written(to);
        let share = self.cache_share();
        if let Some(stepper) = &mut self.stepper {
            stepper.players.written();
            stepper.players.shrink_to(share);
            self.measures.stepped(stepper.live(), done);
            self.measures.written(done, started.elapsed(), stepper.players.len());
        }
        self.log.note(to);
    }
}

fn trouble(trouble: Trouble) -> Break {
    match trouble {
        Trouble::OutOfRange(told) => Break::Alarm { name: "out_of_range".to_owned(), told },
        Trouble::NoSuch(told) => Break::Alarm { name: "no_such_partition".to_owned(), told },
        Trouble::Damaged(told) => Break::Alarm { name: "damaged_log".to_owned(), told },
        Trouble::Unreachable(told) => Break::Again(Again::unreachable(told)),
    }
}

fn broken(ended: Ended) -> Break {
    match ended {
        Ended::Written(_) | Ended::Stepped(_) => unreachable!("what was written, or stepped, is no break"),
        Ended::Lost => Break::Lost,
        Ended::Elsewhere => Break::Again(Again::elsewhere()),
        Ended::PlanMoved => Break::Again(Again::plan_moved()),
        Ended::Poisoned(offset) => Break::Again(Again::poisoned(offset)),
        Ended::Unreadable(_) => unreadable_state(&ended),
    }
}

fn unreadable_state(ended: &Ended) -> Break {
    match ended {
        Ended::Unreadable(Some(version)) => Break::Alarm {
            name: "newer_state".to_owned(),
            told: format!("a player's state is of version {version}, which this program does not know: a newer program would be right"),
        },
        _ => Break::Alarm { name: "broken_state".to_owned(), told: "a player's state cannot be read".to_owned() },
    }
}
