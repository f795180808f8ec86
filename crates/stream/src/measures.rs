//! What a worker tells the metrics. Handles are held, so that telling costs nothing to speak of.
//! Refuses labels without a bound: goals are counted by campaign and goal of what is in force, records by game.

use crate::checkpoint::Done;
use crate::partitions::Place;
use campaigns::LiveGame;
use kernel::GameId;
use metrics::{Counter, Gauge, Histogram};
use std::collections::HashMap;
use std::time::Duration;

pub(crate) struct Measures {
    place: Place,
    game: String,
    records: Counter,
    lag: Gauge,
    checkpoint_seconds: Histogram,
    checkpoint_players: Histogram,
    batch_records: Histogram,
    players: Gauge,
    found: Counter,
    loaded: Counter,
    again: Counter,
    reached: Counter,
    verdicts: [Counter; 4],
    matched: HashMap<(u32, u16), Counter>,
    alarm: Option<String>,
}

/// For how long the oldest record of a partition waits that was read and is not in the database. Told beside the worker, which may be
/// stuck at a commit.
pub(crate) fn delay(place: &Place) -> Gauge {
    metrics::gauge!("guildhall_stream_lag_seconds", "topic" => place.topic.to_string(), "partition" => place.partition.to_string())
}

impl Measures {
    pub(crate) fn new(place: &Place, game: &GameId) -> Measures {
        let (topic, partition, game) = (place.topic.to_string(), place.partition.to_string(), game.to_string());
        let of_place = |name: &'static str| metrics::gauge!(name, "topic" => topic.clone(), "partition" => partition.clone());
        let of_game = |name: &'static str| metrics::counter!(name, "game" => game.clone());
        let verdict =
            |verdict: &'static str| metrics::counter!("guildhall_stream_events_total", "game" => game.clone(), "verdict" => verdict);
        let spread = |name: &'static str| metrics::histogram!(name, "game" => game.clone());
        Measures {
            records: of_game("guildhall_stream_records_total"),
            lag: of_place("guildhall_stream_lag_records"),
            players: of_place("guildhall_stream_cached_players"),
            checkpoint_seconds: spread("guildhall_stream_checkpoint_seconds"),
            checkpoint_players: spread("guildhall_stream_checkpoint_players"),
            batch_records: spread("guildhall_stream_batch_records"),
            found: of_game("guildhall_stream_cache_hits_total"),
            loaded: of_game("guildhall_stream_cache_misses_total"),
            again: of_game("guildhall_stream_stepped_again_total"),
            reached: of_game("guildhall_stream_reached_total"),
            verdicts: [verdict("counted"), verdict("duplicate"), verdict("too_late"), verdict("unwanted")],
            matched: HashMap::new(),
            alarm: None,
            place: place.clone(),
            game,
        }
    }

    /// Records were read.
    pub(crate) fn read(&self, records: usize, position: i64, end: Option<i64>) {
        self.batch_records.record(records as f64);
        if let Some(end) = end {
            self.lag.set(end.saturating_sub(position).max(0) as f64);
        }
    }

    /// A checkpoint was written.
    pub(crate) fn written(&self, done: &Done, took: Duration, players: usize) {
        self.checkpoint_seconds.record(took.as_secs_f64());
        self.checkpoint_players.record(done.tally.players as f64);
        self.players.set(players as f64);
    }

    /// Records were judged.
    pub(crate) fn stepped(&mut self, live: &LiveGame, done: &Done) {
        let tally = &done.tally;
        self.records.increment(tally.records);
        self.found.increment(tally.found);
        self.loaded.increment(tally.loaded);
        self.reached.increment(tally.reached);
        let verdicts = [tally.counted, tally.duplicates, tally.too_late, tally.unwanted];
        self.verdicts.iter().zip(verdicts).for_each(|(counter, count)| counter.increment(count));
        for (reason, count) in &done.letters {
            metrics::counter!("guildhall_stream_dead_letters_total", "game" => self.game.clone(), "reason" => reason.clone())
                .increment(*count);
        }
        for (goal, count) in live.plan.goals().iter().zip(&done.matched).filter(|(_, count)| **count > 0) {
            if let Some(counter) = self.goal(live, goal.number, goal.goal) {
                counter.increment(*count);
            }
        }
    }

    fn goal(&mut self, live: &LiveGame, number: u32, goal: u16) -> Option<&Counter> {
        if !self.matched.contains_key(&(number, goal)) {
            let campaign = &live.registered(number)?.campaign;
            let name = campaign.goals.get(usize::from(goal))?.id.clone();
            let labels = [("game", self.game.clone()), ("campaign", campaign.id.clone()), ("goal", name)];
            self.matched.insert((number, goal), metrics::counter!("guildhall_stream_matched_total", &labels));
        }
        self.matched.get(&(number, goal))
    }

    /// A worker went back to its last checkpoint.
    pub(crate) fn stepped_again(&self) {
        self.again.increment(1);
    }

    /// The partition stands still, or does so no more.
    pub(crate) fn alarm(&mut self, name: Option<&str>) {
        if self.alarm.as_deref() == name {
            return;
        }
        let gauge = |alarm: &str| {
            let labels =
                [("topic", self.place.topic.to_string()), ("partition", self.place.partition.to_string()), ("alarm", alarm.to_owned())];
            metrics::gauge!("guildhall_stream_alarm", &labels)
        };
        if let Some(old) = &self.alarm {
            gauge(old).set(0.0);
        }
        if let Some(new) = name {
            gauge(new).set(1.0);
        }
        self.alarm = name.map(str::to_owned);
    }

    /// The partition is not this process's any more.
    pub(crate) fn end(&mut self) {
        self.alarm(None);
        self.lag.set(0.0);
        delay(&self.place).set(0.0);
        self.players.set(0.0);
    }
}
