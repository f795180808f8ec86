//! A whole fleet of the real program under load: restarted process by process, killed, frozen, slowed down, migrated, and asked for ten
//! copies by a crowd. Leaves what one gateway and one registry do to the tests of their crates.
//!
//! Each kind of process is killed twice, and a sale has 1,000 buyers, so that the suite stays quick; `GUILDHALL_FULL=1` gives every
//! service a process of its own and kills each 20 times, and makes the buyers 10,000.

#[path = "fleet/faulty.rs"]
mod faulty;
#[path = "fleet/load.rs"]
mod load;
#[path = "fleet/running.rs"]
mod running;
#[allow(dead_code, reason = "other tests of processes need what is not used here")]
#[path = "processes/store.rs"]
mod store;

use db::Statement;
use faulty::{Faulty, Manner};
use guildhall::checks;
use guildhall::demo::crowd::{self, Member, Rush};
use kernel::{ProductId, SessionId};
use load::{Failed, Load};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use running::{Fleet, Seen, signal, until};
use rustix::process::Signal;
use serde_json::json;
use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};
use store::{Engine, Store};
use web::{Role, Roles, Who};

/// What is waited for comes within this time, or never.
const WITHIN: Duration = Duration::from_secs(60);
/// Answers in a row, of every service, that show that errors have stopped.
const CALM: u64 = 50;
const POINTS: i64 = 100_000;
/// One fleet at a time is enough for a machine.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn is_full() -> bool {
    std::env::var_os("GUILDHALL_FULL").is_some()
}

fn run<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a test gets its threads");
    runtime.block_on(async {
        let _turn = TURN.lock().await;
        test.await;
    });
}

/// What is prepared before a fleet starts: an operator's token, members with points, a product.
struct Ground {
    store: Store,
    operator: String,
    members: Vec<Member>,
    product: ProductId,
}

impl Ground {
    async fn prepare(label: &str, members: usize, copies: Option<i64>) -> Option<Ground> {
        let store = Store::new(label, Engine::Postgres).await?;
        let app = store.app().await;
        let members = crowd::gather(&app, members, POINTS).await.expect("members");
        let product = store::product(&app, "Racer", 100, copies).await.expect("a product");
        let roles = [Role::Operator, Role::StoreManager].into_iter().fold(Roles::default().with(Role::Player), Roles::with);
        let user = app.accounts.create_user("operator@example.org", "correct horse battery", "Ada", roles).await.expect("an account");
        let operator = app.tokens.issue(&Who { user, session: SessionId::new(), roles });
        app.stop().await;
        Some(Ground { store, operator, members, product })
    }

    fn load(&self, fleet: &Fleet<'_>) -> Load {
        let has_logs = testkit::kafka::from_environment().is_some();
        Load::start(fleet.gateways, &self.operator, self.members.clone(), self.product, has_logs)
    }

    /// Every member who was told so has bought once and paid once, and every invariant holds.
    async fn nothing_is_lost_or_doubled(&self, bought: u64) {
        static SOLD: Statement = Statement::new(
            "test.sold",
            "select (select count(*) from library), (select count(*) from payment where state = 'paid'),
                    (select count(*) from wallet where balance <> $1)",
        );
        let app = self.store.app().await;
        let counts = app.db.fetch(&SOLD, &db::row![POINTS], |row| Ok([row.int(0)?, row.int(1)?, row.int(2)?])).await.expect("counts");
        let bought = i64::try_from(bought).expect("a count");
        assert_eq!(counts, [[bought, bought, bought]], "owned, paid, charged");
        let breaches = checks::check(&app.db).await.expect("checks run");
        assert!(breaches.is_empty(), "{breaches:#?}");
        app.stop().await;
    }
}

fn none_failed(what: &str, failed: &[Failed], fleet: &Fleet<'_>) {
    let told: Vec<String> = failed.iter().take(10).map(|one| format!("{}: {}", one.service, one.why)).collect();
    assert!(failed.is_empty(), "{what}: {} requests failed, as\n{}\n{}", failed.len(), told.join("\n"), fleet.logs());
}

#[test]
fn a_rolling_restart_of_every_process_under_load_fails_not_one_request() {
    run(async {
        let Some(ground) = Ground::prepare("fleet_restart", 2_000, None).await else { return };
        let fleet = Fleet::start(&ground.store, "grouped").await;
        let before: BTreeMap<String, i32> = fleet.status().await.into_iter().map(|seen| (seen.name, seen.pid)).collect();
        let load = ground.load(&fleet);
        load.is_calm(CALM, WITHIN).await;
        let text = fleet.restart(None).await;
        load.is_calm(CALM, WITHIN).await;
        let (asked, bought, failed) = load.end().await;
        println!("{text}{asked} requests, {bought} purchases, {} failed", failed.len());
        none_failed("a rolling restart", &failed, &fleet);
        for seen in fleet.status().await.into_iter().filter(|seen| seen.status == "up") {
            assert_ne!(before.get(&seen.name), Some(&seen.pid), "{} was restarted", seen.name);
        }
        fleet.stop().await;
        assert!(bought > 0);
        ground.nothing_is_lost_or_doubled(bought).await;
    });
}

#[test]
fn migrating_while_processes_run_fails_not_one_request_and_older_ones_restart_on_a_newer_schema() {
    run(async {
        let Some(ground) = Ground::prepare("fleet_migrate", 1_000, None).await else { return };
        let fleet = Fleet::start(&ground.store, "grouped").await;
        let load = ground.load(&fleet);
        load.is_calm(CALM, WITHIN).await;
        let done = fleet.ask(&["migrate"]).await;
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        // What a later version's migration does: it adds, and is noted as one that this program does not know.
        let url = ground.store.url().expect("a fleet runs on Postgres");
        for statement in [
            "alter table product add column later_version bigint not null default 0",
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (9999, 'later', true, 'x', 0)",
        ] {
            db::run_once(url, statement).await.expect("a later schema");
        }
        load.is_calm(CALM, WITHIN).await;
        fleet.restart(Some("payments")).await;
        fleet.restart(Some("catalogue")).await;
        load.is_calm(CALM, WITHIN).await;
        let (asked, bought, failed) = load.end().await;
        println!("{asked} requests, {bought} purchases, {} failed", failed.len());
        none_failed("a migration", &failed, &fleet);
        fleet.stop().await;
        ground.nothing_is_lost_or_doubled(bought).await;
    });
}

/// What the deaths of one kind of process did.
#[derive(Default)]
struct Deaths {
    times: usize,
    errors: usize,
    until_calm: Duration,
}

#[test]
fn a_killed_process_loses_and_doubles_nothing_and_errors_stop() {
    run(async {
        let Some(ground) = Ground::prepare("fleet_kill", if is_full() { 40_000 } else { 4_000 }, None).await else { return };
        let seed: u64 = std::env::var("GUILDHALL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| rand::rng().random());
        println!("GUILDHALL_SEED={seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let (layout, times) = if is_full() { ("each", 20) } else { ("grouped", 2) };
        let fleet = Fleet::start(&ground.store, layout).await;
        let load = ground.load(&fleet);
        load.is_calm(CALM, WITHIN).await;
        let kind = |seen: &Seen| seen.name.rsplit_once('-').map_or(seen.name.clone(), |(kind, _)| kind.to_owned());
        let kinds: std::collections::BTreeSet<String> = fleet.status().await.iter().map(kind).collect();
        let mut deaths: BTreeMap<String, Deaths> = BTreeMap::new();
        println!("{:<10} {:>6} {:>7} {:>26}", "process", "killed", "errors", "longest until they stopped");
        for name in kinds.iter().flat_map(|kind| std::iter::repeat_n(kind, times)) {
            let those: Vec<Seen> =
                fleet.status().await.into_iter().filter(|seen| kind(seen) == *name && seen.status == "up" && is_alive(seen)).collect();
            let victim = &those[random.random_range(0..those.len())];
            // A random moment of whatever requests are under way.
            tokio::time::sleep(Duration::from_micros(random.random_range(0..50_000))).await;
            let killed = Instant::now();
            signal(victim.pid, Signal::KILL);
            let is_back = || async {
                fleet.status().await.iter().any(|seen| seen.name == victim.name && seen.id != victim.id && seen.status == "up")
            };
            until(&format!("{} is started again", victim.name), WITHIN, is_back).await;
            load.is_calm(CALM, WITHIN).await;
            let failed = load.failed_since(killed);
            let deaths = deaths.entry(name.clone()).or_default();
            deaths.times += 1;
            deaths.errors += failed.len();
            deaths.until_calm = failed.iter().map(|one| one.at - killed).max().unwrap_or_default().max(deaths.until_calm);
            if deaths.times == times {
                println!("{name:<10} {:>6} {:>7} {:>23} ms", deaths.times, deaths.errors, deaths.until_calm.as_millis());
            }
        }
        let (asked, bought, failed) = load.end().await;
        println!("{asked} requests, {} failed, {bought} purchases under their keys", failed.len());
        fleet.stop().await;
        assert!(bought > 0);
        ground.nothing_is_lost_or_doubled(bought).await;
    });
}

fn is_alive(seen: &Seen) -> bool {
    std::path::Path::new(&format!("/proc/{}", seen.pid)).exists()
}

/// How gateways see an instance: everything but `up` gets no requests of the usual kind.
async fn standings(fleet: &Fleet<'_>, address: &str) -> Vec<String> {
    let mut standings = Vec::new();
    for gateway in fleet.serving("gateway").await {
        let url = format!("http://{}/instances", gateway.metrics.expect("a gateway says where its metrics are"));
        let seen: serde_json::Value =
            reqwest::Client::new().get(url).timeout(WITHIN).send().await.expect("it answers").json().await.expect("JSON");
        let those = seen.as_array().expect("a list").iter().filter(|one| one["address"] == address);
        standings.extend(those.map(|one| one["standing"].as_str().expect("a standing").to_owned()));
    }
    standings
}

async fn is_taken_out(fleet: &Fleet<'_>, address: &str) {
    let is_out = || async { standings(fleet, address).await.iter().all(|standing| standing == "out" || standing == "down") };
    until("every gateway takes it out", WITHIN, is_out).await;
}

async fn is_taken_back(fleet: &Fleet<'_>, address: &str) {
    let is_in = || async {
        let standings = standings(fleet, address).await;
        !standings.is_empty() && standings.iter().all(|standing| standing == "up")
    };
    until("every gateway takes it back", WITHIN, is_in).await;
}

async fn gets_requests(faulty: &Faulty) {
    let seen = faulty.answered();
    until("it gets requests again", WITHIN, || async { faulty.answered() > seen + 10 }).await;
}

#[test]
fn a_frozen_a_slow_and_a_failing_process_are_taken_out_and_come_back() {
    run(async {
        let Some(ground) = Ground::prepare("fleet_frozen", 4_000, None).await else { return };
        let fleet = Fleet::start(&ground.store, "grouped").await;
        let load = ground.load(&fleet);
        load.is_calm(CALM, WITHIN).await;

        let frozen = fleet.serving("payments").await.swap_remove(0);
        let since = Instant::now();
        signal(frozen.pid, Signal::STOP);
        is_taken_out(&fleet, &frozen.address).await;
        let out_after = since.elapsed();
        load.is_calm(CALM, WITHIN).await;
        signal(frozen.pid, Signal::CONT);
        is_taken_back(&fleet, &frozen.address).await;
        load.is_calm(CALM, WITHIN).await;
        let failed = load.failed_since(since);
        println!("frozen: out after {} ms at both gateways, {} requests failed meanwhile", out_after.as_millis(), failed.len());

        let well = fleet.serving("library").await.swap_remove(0);
        let faulty = Faulty::start(&ground.store, &fleet.registry_urls(), "library", &well.address).await;
        is_taken_back(&fleet, &faulty.address.to_string()).await;
        let since = Instant::now();
        faulty.behave(Manner::Failing);
        is_taken_out(&fleet, &faulty.address.to_string()).await;
        let out_after = since.elapsed();
        faulty.behave(Manner::Well);
        is_taken_back(&fleet, &faulty.address.to_string()).await;
        gets_requests(&faulty).await;
        let failed = load.failed_since(since);
        println!("failing: out after {} ms at both gateways, {} requests failed meanwhile", out_after.as_millis(), failed.len());

        // A slow one need not be taken out: it is enough that hardly anybody is sent there.
        let since = Instant::now();
        faulty.behave(Manner::Slow);
        let (answered, asked) = (faulty.answered(), load.asked("library"));
        until("many requests are answered while it is slow", WITHIN, || async { load.asked("library") >= asked + 500 }).await;
        let (slowly, all) = (faulty.answered() - answered, load.asked("library") - asked);
        faulty.behave(Manner::Well);
        gets_requests(&faulty).await;
        let failed = load.failed_since(since);
        println!("slow: {slowly} of {all} requests were sent there, {} requests failed meanwhile", failed.len());
        assert!(slowly * 10 < all && failed.is_empty(), "{slowly} of {all}, {failed:?}");
        faulty.leave().await;
        let (asked, bought, failed) = load.end().await;
        println!("{asked} requests, {} failed, {bought} purchases", failed.len());
        fleet.stop().await;
        ground.nothing_is_lost_or_doubled(bought).await;
    });
}

#[test]
fn a_crowd_before_two_gateways_and_two_payment_processes_gets_exactly_ten_copies() {
    run(async {
        let buyers = if is_full() { 10_000 } else { 1_000 };
        let Some(ground) = Ground::prepare("fleet_sale", buyers, Some(10)).await else { return };
        let fleet = Fleet::start(&ground.store, "grouped").await;
        assert_eq!(fleet.serving("payments").await.len(), 2);
        let body = json!({ "products": [ground.product] }).to_string();
        let halves = ground.members.split_at(buyers / 2);
        let crowd = |gateway, members: &[Member]| {
            let requests = members.iter().map(|member| crowd::post(gateway, "/v1/payments/buy", member, &body)).collect();
            tokio::task::spawn_blocking(move || crowd::rush(gateway, 500, requests))
        };
        let (one, two) = tokio::join!(crowd(fleet.gateways[0], halves.0), crowd(fleet.gateways[1], halves.1));
        let rushes: Vec<Rush> = [one, two].map(|rush| rush.expect("the load does not panic").expect("the connections open")).into();
        for rush in &rushes {
            let latency = &rush.outcome.latency_us;
            let (p50, p99) = (latency.value_at_quantile(0.5) / 1_000, latency.value_at_quantile(0.99) / 1_000);
            let (seconds, by_status) = (rush.outcome.elapsed.as_secs_f32(), &rush.outcome.by_status);
            println!("{seconds} s: p50 {p50} ms, p99 {p99} ms, {by_status:?}, {:?}", rush.refusals);
        }
        let sum = |of: &dyn Fn(&Rush) -> u64| rushes.iter().map(of).sum::<u64>();
        assert_eq!(sum(&|rush| rush.answered(201)), 10);
        assert_eq!(sum(&|rush| rush.refused("sold-out")), buyers as u64 - 10);
        assert_eq!(sum(&|rush| rush.outcome.errors.total() + rush.outcome.unsent), 0);
        fleet.stop().await;
        ground.nothing_is_lost_or_doubled(10).await;
    });
}
