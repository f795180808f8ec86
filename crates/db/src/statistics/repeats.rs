//! How often one request runs the same read: many times is a loop that one statement could do.
//! Refuses to count outside of a request, and reads that writers do: those are set-based already.

use super::Meter;
use parking_lot::Mutex;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, LazyLock};

/// The same statement this often in one request is worth telling.
const REPEATS_MIN: u32 = 10;
/// Pairs of route and statement that are remembered.
const PAIRS_MAX: usize = 1_000;

tokio::task_local! {
    static REQUEST: RefCell<Vec<(Arc<str>, u32)>>;
}

/// A route and a statement that its requests ran.
type Pair = (&'static str, Arc<str>);

static REPEATED: LazyLock<Mutex<BTreeMap<Pair, Repeats>>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Repeats {
    requests: u64,
    most: u32,
    calls: u64,
}

/// A statement that requests of one route ran many times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeated {
    /// The method and route.
    pub route: String,
    /// The statement's name.
    pub statement: String,
    /// Requests that ran it ten times or more.
    pub requests: u64,
    /// The most that one of them did.
    pub most: u32,
    /// Calls within those requests.
    pub calls: u64,
}

/// Does the work of a request while counting how often it runs each statement.
pub async fn counted<F: Future>(route: &'static str, work: F) -> F::Output {
    let counting = async {
        let done = work.await;
        REQUEST.with(|request| remember(route, request.take()));
        done
    };
    REQUEST.scope(RefCell::default(), counting).await
}

pub(super) fn count(meter: &Meter) {
    // Outside of a request there is nothing to count in.
    let _outside = REQUEST.try_with(|request| {
        let mut request = request.borrow_mut();
        match request.iter_mut().find(|(name, _)| Arc::ptr_eq(name, &meter.name)) {
            Some((_, times)) => *times += 1,
            None => request.push((meter.name.clone(), 1)),
        }
    });
}

fn remember(route: &'static str, request: Vec<(Arc<str>, u32)>) {
    for (statement, times) in request.into_iter().filter(|(_, times)| *times >= REPEATS_MIN) {
        let mut repeated = REPEATED.lock();
        let key = (route, statement);
        if repeated.len() >= PAIRS_MAX && !repeated.contains_key(&key) {
            continue;
        }
        let repeats = repeated.entry(key).or_default();
        repeats.requests += 1;
        repeats.most = repeats.most.max(times);
        repeats.calls += u64::from(times);
    }
}

/// What was repeated within requests since the process began.
pub fn repeated() -> Vec<Repeated> {
    let repeated = REPEATED.lock();
    let told = |((route, statement), of): (&(&'static str, Arc<str>), &Repeats)| Repeated {
        route: (*route).to_owned(),
        statement: statement.as_ref().to_owned(),
        requests: of.requests,
        most: of.most,
        calls: of.calls,
    };
    repeated.iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::meter;
    use std::time::Duration;

    #[tokio::test]
    async fn a_statement_in_a_loop_is_told_and_one_that_runs_twice_is_not() {
        let (looped, twice) = (meter("test.looped", "select 1"), meter("test.twice", "select 2"));
        let run = |meter: &Meter| meter.ran(Duration::from_micros(5), 1, String::new);
        counted("GET /v1/loop", async {
            (0..25).for_each(|_| run(&looped));
            (0..2).for_each(|_| run(&twice));
        })
        .await;
        run(&looped);
        let found: Vec<Repeated> = repeated().into_iter().filter(|one| one.route == "GET /v1/loop").collect();
        let right = Repeated { route: "GET /v1/loop".into(), statement: "test.looped".into(), requests: 1, most: 25, calls: 25 };
        assert_eq!(found, [right]);
    }
}
