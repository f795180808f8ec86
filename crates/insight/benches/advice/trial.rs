//! Tries indexes on the real tables and takes the time of the statement. Refuses estimates: every figure here is measured.

use crate::generator::Case;
use db::{Engine, Inspector};
use std::time::Instant;

/// A statement is timed for so many rounds of all its parameters, and the quickest round counts.
const ROUNDS: usize = 5;
/// An index that makes it less quicker is none that is wanted.
const WORTH: f64 = 1.3;

/// The best that any index does.
pub(crate) struct Best {
    /// The statement's time with it, in milliseconds.
    pub(crate) ms: f64,
    /// Whether it is worth having.
    pub(crate) wanted: bool,
    /// What stands behind `on` where it is made.
    pub(crate) index: Option<String>,
}

pub(crate) struct Trial<'a> {
    case: &'a Case,
    engine: Engine,
}

impl<'a> Trial<'a> {
    /// Makes the tables of the case.
    pub(crate) async fn prepare(database: &mut Inspector, case: &'a Case) -> Trial<'a> {
        let trial = Trial { case, engine: database.engine() };
        for made in &case.tables {
            database.run(made).await.expect("tables are made");
        }
        trial.settle(database).await;
        trial
    }

    async fn settle(&self, database: &mut Inspector) {
        let how = if self.engine == Engine::Sqlite { "analyze" } else { "vacuum (analyze)" };
        for name in &self.case.names {
            database.run(&format!("{how} {name}")).await.expect("statistics are gathered");
        }
    }

    /// The mean time of the statement, in milliseconds, in its quickest round.
    pub(crate) async fn time(&mut self, database: &mut Inspector) -> f64 {
        let case = self.case;
        let mut runs = Vec::new();
        if self.engine == Engine::Postgres {
            database.run(&format!("deallocate all; prepare timed as {}", case.text)).await.expect("it is prepared");
        }
        for parameters in &case.parameters {
            runs.push(match self.engine {
                Engine::Postgres if parameters.is_empty() => "execute timed".to_owned(),
                Engine::Postgres => format!("execute timed({})", parameters.join(", ")),
                Engine::Sqlite => {
                    (1..=parameters.len()).rev().fold(case.text.clone(), |text, n| text.replace(&format!("${n}"), &parameters[n - 1]))
                }
            });
        }
        let mut quickest = f64::INFINITY;
        for _ in 0..=ROUNDS {
            let started = Instant::now();
            for run in &runs {
                database.count(run).await.expect("it runs");
            }
            quickest = quickest.min(started.elapsed().as_secs_f64() * 1000.0 / runs.len() as f64);
        }
        quickest
    }

    /// The best time with any index: the one by construction, and every order of up to three columns. And whether one is wanted.
    pub(crate) async fn best(&mut self, database: &mut Inspector, before: f64) -> Best {
        let (table, columns) = &self.case.tried;
        let mut tried: Vec<String> = self.case.best.clone().unwrap_or_default();
        tried.extend(orders(columns).into_iter().map(|order| format!("{table} ({})", order.join(", "))));
        let mut best = before;
        let mut winner = None;
        for index in tried {
            let names = self.make(database, &[format!("create index tried on {index}")]).await;
            let took = self.time(database).await;
            if took < best {
                (best, winner) = (took, Some(index));
            }
            self.drop(database, &names[0]).await;
        }
        // Other work on the machine may have made the first time long: what an index is worth is told by the quicker of two.
        let before = before.min(self.time(database).await);
        Best { ms: best.min(before), wanted: speed_up(before, best) >= WORTH, index: winner }
    }

    /// Makes indexes; returns their names.
    pub(crate) async fn make(&mut self, database: &mut Inspector, ddl: &[String]) -> Vec<String> {
        for one in ddl {
            database.run(one).await.expect("an index is made");
        }
        if !ddl.is_empty() {
            self.settle(database).await;
        }
        ddl.iter().map(|one| one.split_whitespace().nth(2).expect("create index NAME").to_owned()).collect()
    }

    pub(crate) async fn drop(&mut self, database: &mut Inspector, name: &str) {
        database.run(&format!("drop index {name}")).await.expect("it goes");
    }

    pub(crate) async fn end(self, database: &mut Inspector) {
        for name in &self.case.names {
            database.run(&format!("drop table {name}")).await.expect("it goes");
        }
    }
}

pub(crate) fn speed_up(before: f64, after: f64) -> f64 {
    before / after.max(0.001)
}

/// Every order of up to three of the columns.
fn orders<'c>(columns: &[&'c str]) -> Vec<Vec<&'c str>> {
    let mut all: Vec<Vec<&str>> = vec![Vec::new()];
    let mut from = 0;
    for _ in 0..3 {
        let upto = all.len();
        for at in from..upto {
            for column in columns {
                if !all[at].contains(column) {
                    let mut longer = all[at].clone();
                    longer.push(column);
                    all.push(longer);
                }
            }
        }
        from = upto;
    }
    all.split_off(1)
}
