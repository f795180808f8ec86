//! The rules against an independent evaluator that takes all records of a player at once, over generated campaigns.
//! Refuses to look inside the rules. `GUILDHALL_SEED` repeats a run; `GUILDHALL_FULL=1` compares 100,000 cases instead of 5,000.

#![expect(clippy::print_stdout, reason = "a run tells its seed and what it covered")]

mod reference {
    mod bounds;
    pub(crate) mod calendar;
    pub(crate) mod case;
    mod clock;
    pub(crate) mod documents;
    pub(crate) mod evaluate;
    pub(crate) mod filter;
    pub(crate) mod generate;
    pub(crate) mod random;
    pub(crate) mod record;
    pub(crate) mod records;
    mod regressions;
    pub(crate) mod shrink;
}

use reference::case::{Case, NUMBER, Ready, Run};
use reference::documents::{OPERATORS, Operator, RESETS, Reset};
use reference::generate::{case, cell};
use reference::random::Random;
use reference::shrink::{said, shrink};
use rules::campaign::Unit;
use rules::{CampaignProgress, PlayerState};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

fn seed(of: &str) -> u64 {
    let given = std::env::var("GUILDHALL_SEED").ok().map(|seed| seed.parse().expect("GUILDHALL_SEED is a number"));
    let seed = given.unwrap_or_else(|| RandomState::new().hash_one(of) % 1_000_000_000);
    println!("{of}: GUILDHALL_SEED={seed}");
    seed
}

fn is_full() -> bool {
    std::env::var("GUILDHALL_FULL").is_ok_and(|value| value == "1")
}

/// How many cases were compared for each operator and reset, and the last refusal.
type Covered = BTreeMap<(Operator, Reset), (u64, String)>;

/// Runs numbered cases on all cores; the first failure ends them.
fn each_case(label: &str, count: u64, judge: impl Fn(u64, &Case, &Ready) -> Result<(), String> + Sync) -> Covered {
    let seed = seed(label);
    let next = AtomicU64::new(0);
    let failed = AtomicBool::new(false);
    let work = || {
        let mut covered = Covered::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count || failed.load(Ordering::Relaxed) {
                return Ok(covered);
            }
            let cell = cell(number);
            let drawn = case(cell, &mut Random::new(seed.wrapping_add(number)));
            let reset = drawn.as_ref().map_or(cell.reset, |(_, ready)| chief_reset(ready));
            let entry = covered.entry((cell.operator, reset)).or_default();
            match drawn {
                Err(refused) => entry.1 = refused,
                Ok((case, ready)) => {
                    entry.0 += 1;
                    let judged = catch_unwind(AssertUnwindSafe(|| judge(number, &case, &ready)));
                    if let Err(difference) = judged.unwrap_or_else(|panic| Err(said(panic.as_ref()))) {
                        failed.store(true, Ordering::Relaxed);
                        return Err(format!("{label}, case {number} ({cell:?}) of seed {seed}: {difference}\n{}", printed(&case)));
                    }
                }
            }
        }
    };
    let mut all = Covered::new();
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for thread in running {
            let covered = thread.join().expect("panics are caught").unwrap_or_else(|failure| panic!("{failure}"));
            for (place, (cases, refused)) in covered {
                let entry = all.entry(place).or_default();
                *entry = (entry.0 + cases, refused);
            }
        }
    });
    all
}

/// The reset of the goal a case is chiefly about, which stands last.
fn chief_reset(ready: &Ready) -> Reset {
    let goal = ready.campaign.goals.last().expect("a campaign has goals");
    match goal.condition.per.as_ref().map(|per| per.unit) {
        None => Reset::Never,
        Some(Unit::Day) => Reset::Day,
        Some(Unit::Week) => Reset::Week,
        Some(Unit::Days) => Reset::Days,
        Some(Unit::Hour) => Reset::Hour,
        Some(Unit::Length) => Reset::Length,
        Some(Unit::Slots) => Reset::Slots,
    }
}

fn printed(case: &Case) -> String {
    serde_json::to_string(case).expect("a case is plain data")
}

#[test]
fn generated_campaigns_end_as_the_reference_says() {
    let count = if is_full() { 100_000 } else { 5_000 };
    let covered = each_case("reference", count, |_, case, ready| {
        case.judge(ready).map_err(|difference| {
            let (small, why) = shrink(case.clone());
            format!("{difference}\nshrunk: {why}\n{}\nin full:", printed(&small))
        })
    });
    for operator in OPERATORS {
        let of = |reset: Reset| covered.get(&(operator, reset)).cloned().unwrap_or_default();
        println!("{operator:?}: {}", RESETS.map(|reset| format!("{reset:?} {}", of(reset).0)).join(", "));
        for reset in RESETS {
            let whole_days = matches!(reset, Reset::Never | Reset::Day | Reset::Week | Reset::Days);
            let possible = match operator {
                Operator::Streak => reset == Reset::Never,
                Operator::Days => whole_days,
                _ => true,
            };
            assert!(!possible || of(reset).0 > 0, "{operator:?} with {reset:?} was never compared: {}", of(reset).1);
        }
    }
}

/// What stands at the end: achievements by key, and the progress.
fn end(ready: &Ready, run: &Run, case: &Case) -> (Vec<(u16, i64, i64)>, Option<CampaignProgress>) {
    let mut keys: Vec<(u16, i64, i64)> = run.achieved.iter().map(|achieved| (achieved.goal, achieved.period, achieved.n)).collect();
    keys.sort_unstable();
    let clock = case.records.iter().map(|record| record.appended_at.unwrap_or(record.at)).max().expect("a case has records");
    let mut progress = rules::progress(&ready.plan, NUMBER, &run.state, clock);
    if let Some(progress) = &mut progress {
        progress.goals.sort_by_key(|goal| (goal.goal, goal.scope.clone()));
    }
    (keys, progress)
}

fn run(ready: &Ready, case: &Case) -> Run {
    let mut run = Run::begin(ready);
    for record in &case.records {
        run.step(ready, record);
    }
    run
}

#[test]
fn the_same_records_in_any_order_within_the_lateness_end_the_same() {
    each_case("order", if is_full() { 20_000 } else { 2_000 }, |number, case, ready| {
        let goals = &ready.campaign.goals;
        if case.beside.is_some() || goals.iter().any(|goal| goal.condition.in_a_row.is_some()) {
            return Ok(());
        }
        let expected = end(ready, &run(ready, case), case);
        let mut random = Random::new(number);
        let late_us = i64::from(ready.campaign.late_s) * 1_000_000;
        let mut other = case.clone();
        // A record is read at some moment from its append on, and before its lateness is over; files may be read in any order.
        let mut read: Vec<(i64, usize)> = Vec::new();
        for (place, record) in case.records.iter().enumerate() {
            let moment = match record.appended_at {
                None => random.between(0, 1_000_000),
                Some(appended) => random.between(appended.0, appended.0.max(record.at.0 + late_us)),
            };
            read.push((moment, place));
        }
        read.sort_unstable();
        other.records = read.iter().map(|(_, place)| case.records[*place].clone()).collect();
        let actual = end(ready, &run(ready, &other), case);
        if actual == expected { Ok(()) } else { Err(format!("{expected:?}, but {actual:?} in this order: {}", printed(&other))) }
    });
}

#[test]
fn a_run_split_anywhere_by_encode_and_decode_ends_the_same() {
    each_case("split", if is_full() { 20_000 } else { 2_000 }, |number, case, ready| {
        let whole = run(ready, case);
        let mut random = Random::new(number);
        let mut split = Run::begin(ready);
        for record in &case.records {
            if random.percent(40) {
                let mut bytes = Vec::new();
                split.state.encode(&mut bytes);
                split.state = PlayerState::decode(&bytes).map_err(|error| format!("{error} after {} bytes", bytes.len()))?;
                let mut again = Vec::new();
                split.state.encode(&mut again);
                if bytes != again {
                    return Err("decoded bytes are encoded differently".to_owned());
                }
            }
            split.step(ready, record);
        }
        let same = split.achieved == whole.achieved && end(ready, &split, case) == end(ready, &whole, case);
        let (mut one, mut two) = (Vec::new(), Vec::new());
        split.state.encode(&mut one);
        whole.state.encode(&mut two);
        if same && one == two { Ok(()) } else { Err("the split run ended otherwise".to_owned()) }
    });
}
