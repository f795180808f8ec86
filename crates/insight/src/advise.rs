//! Which indexes to make: the fewest that make the workload's statements cheaper by the engine's own judgement.
//! Refuses indexes that gain little, that another one makes needless, and to make any.

use crate::candidates::{self, Candidate};
use crate::judge::{Asked, Judge};
use crate::sample::Samples;
use crate::schema::Schema;
use db::Inspector;
use std::collections::HashMap;

/// An index must bring a statement's cost below this share of what it was.
const GAIN_BELOW: f64 = 0.75;
/// A wider index must be cheaper than a narrower one by this share.
const WIDER_BELOW: f64 = 0.88;
/// A statement may become so much dearer when an index that another one nearly replaces is left out.
const KEEPS_WITHIN: f64 = 1.25;
/// A statement that costs less finds its rows already: a few pages on Postgres, a few rows on SQLite.
const COST_MIN: f64 = 30.0;
/// What a statement loses by that is nothing to speak of below this share of what the indexes gained it.
const LOSES_BELOW: f64 = 0.02;
/// Indexes that one statement may ask for.
const PER_STATEMENT_MAX: usize = 3;

/// An index that is worth making.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    /// The index.
    pub candidate: Candidate,
    /// The statements it serves, by their place in the workload, with their costs without and with all that was chosen.
    pub serves: Vec<(usize, f64, f64)>,
}

/// Chooses for statements in the order of their weight, heaviest first.
pub(crate) async fn choose(
    database: &mut Inspector,
    judge: &mut Judge,
    asked: &[Asked],
    schema: &Schema,
    samples: &Samples,
) -> Vec<Chosen> {
    let mut choosing = Choosing { database, judge, schema, costs: HashMap::new(), chosen: Vec::new() };
    for (at, statement) in asked.iter().enumerate() {
        choosing.statement(at, statement, candidates::of(&statement.reading, schema, samples)).await;
    }
    choosing.prune(asked).await;
    choosing.serves(asked).await
}

struct Choosing<'a> {
    database: &'a mut Inspector,
    judge: &'a mut Judge,
    schema: &'a Schema,
    costs: HashMap<(usize, Vec<Candidate>), Option<f64>>,
    chosen: Vec<Candidate>,
}

impl Choosing<'_> {
    /// What a statement costs with these indexes; nothing when the engine cannot say.
    async fn cost(&mut self, at: usize, asked: &Asked, with: &[Candidate]) -> Option<f64> {
        let mut of_it: Vec<Candidate> =
            with.iter().filter(|one| asked.reading.uses.iter().any(|used| used.table == one.table)).cloned().collect();
        of_it.sort();
        let key = (at, of_it);
        if let Some(known) = self.costs.get(&key) {
            return *known;
        }
        let given: Vec<&Candidate> = key.1.iter().collect();
        let cost = match self.judge.cost(self.database, asked, &given).await {
            Ok(verdict) => Some(verdict.cost),
            Err(error) => {
                tracing::debug!(statement = asked.name, %error, "the engine cannot judge a candidate");
                None
            }
        };
        self.costs.insert(key, cost);
        cost
    }

    /// Adds to what was chosen what this statement gains most from.
    async fn statement(&mut self, at: usize, asked: &Asked, candidates: Vec<Candidate>) {
        if self.cost(at, asked, &[]).await.is_none_or(|cost| cost < COST_MIN) {
            return;
        }
        let mut added = 0;
        while added < PER_STATEMENT_MAX {
            let chosen = self.chosen.clone();
            let Some(now) = self.cost(at, asked, &chosen).await else { return };
            let mut tried: Vec<(f64, Candidate)> = Vec::new();
            for candidate in candidates.iter().filter(|candidate| !chosen.contains(candidate)) {
                let mut with = chosen.clone();
                with.push(candidate.clone());
                if let Some(cost) = self.cost(at, asked, &with).await {
                    tried.push((cost, candidate.clone()));
                }
            }
            let Some(best) = self.narrowest(tried, now) else { return };
            self.chosen.push(best);
            added += 1;
        }
    }

    /// The candidate that gains most, or a narrower one that gains nearly as much.
    fn narrowest(&self, mut tried: Vec<(f64, Candidate)>, now: f64) -> Option<Candidate> {
        let width = |candidate: &Candidate| {
            let entry = self.schema.table(&candidate.table).map_or(0, |table| candidate.entry_bytes(table));
            // A partial index is small whatever stands in it.
            if candidate.predicate.is_some() { entry / 2 } else { entry }
        };
        tried.sort_by(|a, b| width(&a.1).cmp(&width(&b.1)).then(a.0.total_cmp(&b.0)));
        let lowest = tried.iter().map(|(cost, _)| *cost).fold(f64::INFINITY, f64::min);
        if lowest >= now * GAIN_BELOW {
            return None;
        }
        tried.into_iter().find(|(cost, _)| *cost * WIDER_BELOW <= lowest && *cost < now * GAIN_BELOW).map(|(_, candidate)| candidate)
    }

    /// Leaves out what the others do nearly as well.
    async fn prune(&mut self, asked: &[Asked]) {
        let mut at = 0;
        while at < self.chosen.len() {
            let mut without = self.chosen.clone();
            let gone = without.remove(at);
            let contained = without.iter().any(|other| gone.is_within(other));
            let mut needed = false;
            for (place, statement) in asked.iter().enumerate() {
                let all = self.chosen.clone();
                let none = self.cost(place, statement, &[]).await;
                let (Some(with), Some(less)) = (self.cost(place, statement, &all).await, self.cost(place, statement, &without).await)
                else {
                    continue;
                };
                // One that begins another is needed only for its smallness.
                let dearer = less > with * if contained { KEEPS_WITHIN * 1.5 } else { KEEPS_WITHIN };
                needed |= dearer && less - with > none.map_or(0.0, |none| (none - with) * LOSES_BELOW);
            }
            if needed { at += 1 } else { self.chosen = without }
        }
    }

    /// Which statements each of them serves.
    async fn serves(&mut self, asked: &[Asked]) -> Vec<Chosen> {
        let all = self.chosen.clone();
        let mut found = Vec::new();
        for candidate in &all {
            let without: Vec<Candidate> = all.iter().filter(|other| *other != candidate).cloned().collect();
            let mut serves = Vec::new();
            for (place, statement) in asked.iter().enumerate() {
                let costs = (
                    self.cost(place, statement, &[]).await,
                    self.cost(place, statement, &without).await,
                    self.cost(place, statement, &all).await,
                );
                if let (Some(before), Some(less), Some(after)) = costs
                    && after < less * GAIN_BELOW.max(0.9)
                {
                    serves.push((place, before, after));
                }
            }
            if !serves.is_empty() {
                found.push(Chosen { candidate: candidate.clone(), serves });
            }
        }
        found
    }
}
