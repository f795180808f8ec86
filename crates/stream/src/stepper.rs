//! Steps records through mapping and plan over the players' states, and gathers what a checkpoint will write.
//! Pure but for its memory: no clock, no database. Refuses records that do not fit: they become dead letters.

use crate::letters::Letters;
use crate::players::{Found, LOOK_AHEAD, Players, Snapshot};
use crate::record::{Batch, Record};
use campaigns::LiveGame;
use rules::{Achieved, Effects, Event, Mapper, Reason, Scratch, Seen, Unfit, Verdict};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A goal that a player reached, not yet written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ReachedGoal {
    pub(crate) player: Box<str>,
    pub(crate) cause: u64,
    pub(crate) achieved: Achieved,
}

/// How records and events ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Tally {
    /// Records, of which some may be dead letters.
    pub(crate) records: u64,
    /// Events that counted for a goal.
    pub(crate) counted: u64,
    /// Events that were counted before.
    pub(crate) duplicates: u64,
    /// Events that came too late.
    pub(crate) too_late: u64,
    /// Events no campaign counts.
    pub(crate) unwanted: u64,
    /// Records that do not fit.
    pub(crate) letters: u64,
    /// Goals reached.
    pub(crate) reached: u64,
    /// Players whose state was written.
    pub(crate) players: u64,
    /// Events whose player's state was at hand.
    pub(crate) found: u64,
    /// Players whose state had to be loaded.
    pub(crate) loaded: u64,
}

impl Tally {
    fn add(&mut self, later: &Tally) {
        let Tally { records, counted, duplicates, too_late, unwanted, letters, reached, players, found, loaded } = later;
        self.records += records;
        self.counted += counted;
        self.duplicates += duplicates;
        self.too_late += too_late;
        self.unwanted += unwanted;
        self.letters += letters;
        self.reached += reached;
        self.players += players;
        self.found += found;
        self.loaded += loaded;
    }
}

/// What was stepped since the last checkpoint was taken.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) tally: Tally,
    pub(crate) reached: Vec<ReachedGoal>,
    /// Events that counted, by the plan's goals.
    pub(crate) matched: Vec<u64>,
    pub(crate) letters: Letters,
    /// What was told of players, where the game's mapping keeps their profiles.
    pub(crate) seen: HashMap<Box<str>, Seen>,
}

impl Gathered {
    fn note(&mut self, profile: &rules::Profile, event: &Event<'_>) {
        match self.seen.get_mut(event.player) {
            Some(seen) => profile.note(seen, event),
            None => profile.note(self.seen.entry(event.player.into()).or_default(), event),
        }
    }

    /// Takes over what happened after it.
    pub(crate) fn append(&mut self, mut later: Gathered) {
        self.tally.add(&later.tally);
        self.reached.append(&mut later.reached);
        self.matched.resize(self.matched.len().max(later.matched.len()), 0);
        self.matched.iter_mut().zip(&later.matched).for_each(|(sum, count)| *sum += count);
        self.letters.append(later.letters);
        later.seen.into_iter().for_each(|(player, seen)| self.seen.entry(player).or_default().take(seen));
    }
}

/// Where records come from, for their dead letters, and which of them are known to break the program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct From<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    pub(crate) poisoned: &'a BTreeMap<i64, &'static str>,
}

/// A batch between [`Stepper::scan`] and [`Stepper::finish`], set aside while others are scanned.
pub(crate) struct Half {
    deferred: Vec<(u32, u32)>,
    pub(crate) gathered: Gathered,
}

/// The states of a partition's players and what happened to them.
pub(crate) struct Stepper {
    live: Arc<LiveGame>,
    mapper: Arc<Mapper>,
    scratch: Scratch,
    effects: Effects,
    /// Events whose players were wanted: the record's place in the batch and the event's place in the record.
    deferred: Vec<(u32, u32)>,
    pub(crate) players: Players,
    pub(crate) gathered: Gathered,
    /// The record that is stepped, for whoever finds the program in ruins.
    pub(crate) at_offset: i64,
}

impl Stepper {
    /// A stepper without players. None when the game has no mapping yet: its records wait.
    pub(crate) fn new(live: &Arc<LiveGame>) -> Option<Stepper> {
        Stepper::over(live, Players::default())
    }

    /// A stepper over players that are known already, none of whom waits to be written.
    pub(crate) fn over(live: &Arc<LiveGame>, players: Players) -> Option<Stepper> {
        Some(Stepper {
            live: live.clone(),
            mapper: live.mapper.clone()?,
            scratch: Scratch::default(),
            effects: Effects::default(),
            deferred: Vec::new(),
            players,
            gathered: Gathered::default(),
            at_offset: -1,
        })
    }

    /// What is in force for it.
    pub(crate) fn live(&self) -> &Arc<LiveGame> {
        &self.live
    }

    /// Goes on under another plan; nothing may be pending. Without a mapping the old plan stays.
    pub(crate) fn replan(&mut self, live: &Arc<LiveGame>) {
        if let Some(mapper) = &live.mapper {
            self.mapper = mapper.clone();
            self.live = live.clone();
        }
    }

    /// Steps what can be stepped at once; the names in `players.wanted()` are to be admitted before [`Stepper::finish`].
    pub(crate) fn scan(&mut self, batch: &Batch, from: &From<'_>) {
        // Where records are keyed by player, their keys are the players' names.
        let is_keyed = self.live.mapping.as_ref().is_some_and(|mapping| mapping.keyed_by_player());
        for (at, record) in (0u32..).zip(batch.iter()) {
            if is_keyed && (at as usize).is_multiple_of(LOOK_AHEAD) {
                let next = at as usize..batch.len().min(at as usize + LOOK_AHEAD);
                self.players.look_ahead(next.map(|at| batch.get(at).key));
            }
            self.at_offset = record.offset;
            self.first_pass(at, &record, from);
        }
    }

    fn first_pass(&mut self, at: u32, record: &Record<'_>, from: &From<'_>) {
        let Stepper { live, mapper, scratch, effects, deferred, players, gathered, .. } = self;
        gathered.tally.records += 1;
        if let Some(reason) = (!from.poisoned.is_empty()).then(|| from.poisoned.get(&record.offset)).flatten() {
            gathered.letters.add(from, record, reason, "this record made the program or the database fail: please report it");
            gathered.tally.letters += 1;
            return;
        }
        let mut index = 0;
        let profile = live.mapping.as_ref().and_then(|mapping| mapping.profile());
        let mapped = if record.is_cut {
            Err(Unfit { reason: Reason::TooLarge, detail: format!("the record is longer than {} bytes", crate::record::RECORD_MAX) })
        } else {
            mapper.map(scratch, record.value, record.appended_at, &mut |event| {
                if let Some(profile) = profile {
                    gathered.note(profile, event);
                }
                if !live.plan.wants(event.kind) {
                    gathered.tally.unwanted += 1;
                } else {
                    match players.find(event.player) {
                        Found::Here(slot) => {
                            gathered.tally.found += 1;
                            step(live, players, slot, event, record, effects, gathered);
                        }
                        Found::Wanted => deferred.push((at, index)),
                    }
                }
                index += 1;
            })
        };
        if let Err(unfit) = mapped {
            gathered.letters.add(from, record, unfit.reason.as_str(), &unfit.detail);
            gathered.tally.letters += 1;
        }
    }

    /// Steps the events that waited for their players' states.
    pub(crate) fn finish(&mut self, batch: &Batch) {
        let deferred = std::mem::take(&mut self.deferred);
        let Stepper { live, mapper, scratch, effects, players, gathered, .. } = self;
        for of_record in deferred.chunk_by(|a, b| a.0 == b.0) {
            let record = batch.get(of_record[0].0 as usize);
            self.at_offset = record.offset;
            let mut waiting = of_record.iter().map(|(_, index)| *index).peekable();
            let mut index = 0;
            // It fitted before and does so again: the answer says nothing new.
            let _ = mapper.map(scratch, record.value, record.appended_at, &mut |event| {
                if waiting.next_if_eq(&index).is_some()
                    && let Found::Here(slot) = players.find(event.player)
                {
                    step(live, players, slot, event, &record, effects, gathered);
                }
                index += 1;
            });
        }
        self.deferred = deferred;
        self.deferred.clear();
    }

    /// Sets aside what was scanned, or finished, so far.
    pub(crate) fn set_aside(&mut self) -> Half {
        Half { deferred: std::mem::take(&mut self.deferred), gathered: std::mem::take(&mut self.gathered) }
    }

    /// Goes on with a batch that was set aside.
    pub(crate) fn resume(&mut self, half: Half) {
        (self.deferred, self.gathered) = (half.deferred, half.gathered);
    }

    /// Takes what is to be written.
    pub(crate) fn take(&mut self) -> (Snapshot, Gathered) {
        let snapshot = self.players.take_changed();
        let mut gathered = std::mem::take(&mut self.gathered);
        gathered.tally.players = snapshot.len() as u64;
        gathered.tally.reached = gathered.reached.len() as u64;
        (snapshot, gathered)
    }

    /// Forgets everything that is not in the database.
    pub(crate) fn drop_unwritten(&mut self) {
        self.players.drop_unwritten();
        self.gathered = Gathered::default();
        self.deferred.clear();
        self.effects.clear();
    }
}

fn step(
    live: &LiveGame,
    players: &mut Players,
    slot: u32,
    event: &Event<'_>,
    record: &Record<'_>,
    effects: &mut Effects,
    gathered: &mut Gathered,
) {
    let verdict = rules::step(&live.plan, players.state(slot), event, record.appended(), effects);
    match verdict {
        Verdict::Counted => {
            gathered.tally.counted += 1;
            players.mark_changed(slot);
        }
        Verdict::Duplicate => gathered.tally.duplicates += 1,
        Verdict::TooLate => gathered.tally.too_late += 1,
        Verdict::Unwanted => gathered.tally.unwanted += 1,
    }
    take_effects(live, players.name(slot), event.id, effects, gathered);
}

/// Moves effects to what is gathered.
pub(crate) fn take_effects(live: &LiveGame, player: &str, cause: u64, effects: &mut Effects, gathered: &mut Gathered) {
    if !effects.matched.is_empty() {
        gathered.matched.resize(live.plan.goals().len().max(gathered.matched.len()), 0);
        effects.matched.iter().for_each(|goal| gathered.matched[*goal as usize] += 1);
    }
    for achieved in &effects.achieved {
        gathered.reached.push(ReachedGoal { player: player.into(), cause, achieved: *achieved });
    }
    effects.clear();
}
