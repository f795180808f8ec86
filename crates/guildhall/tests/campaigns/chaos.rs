//! Two processes of one consumer group, killed and added at random moments, a broker that dies and a database that is gone for ten
//! seconds: at the end progress, achievements, dead letters and offsets are those of an undisturbed run.

use crate::flows::{Sent, documents, generated, reached, with_enough_plays};
use crate::hub::{Hub, Log, committed, now, until_committed};
use crate::server::{self, Server};
use crate::store::Engine;
use crate::{is_full, run, variable};
use campaigns::Live;
use db::{Db, Statement, row};
use guildhall::load::backlog::GAMES;
use guildhall::load::send::{KafkaSender, Outgoing, wait_until};
use kernel::{GameId, Instant};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rules::{CampaignProgress, PlayerState};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use testkit::kafka::Broker;
use testkit::proxy::{Cut, Proxy};

const PARTITIONS: i32 = 4;
const DATABASE_GONE: Duration = Duration::from_secs(10);
/// Records are spread over so much time, so that every disaster finds some on their way.
const SENDING: Duration = Duration::from_secs(30);

static ACHIEVED: Statement = Statement::new(
    "test.achieved",
    "select c.id, a.player, a.goal, a.period, a.n, a.version, a.achieved_at
     from achievement a join campaign c on c.game = a.game and c.number = a.number
     where a.game = $1",
);
static STATES: Statement = Statement::new("test.states", "select player, state from player_state where game = $1");
static OFFSETS: Statement = Statement::new("test.offsets", "select topic, partition, next from log_partition where partition >= 0");
static LETTERS: Statement = Statement::new(
    "test.letters",
    "select topic || ' ' || reason, cast(sum(letters) as bigint) from dead_letter_count group by topic, reason",
);

#[derive(Debug, Clone, Copy)]
enum Disaster {
    /// A process is killed, and another is started.
    Replace,
    /// A process is killed; the other is alone for a while.
    Kill,
    /// One more process.
    Add,
    RestartBroker,
    CutDatabase,
}

/// An achievement: campaign, player, goal, period, n, version and when it was reached.
type Achieved = (String, String, i64, i64, i64, i64, i64);

/// All that is left of a run, as it can be compared.
#[derive(Debug, PartialEq)]
struct Remains {
    achieved: BTreeMap<&'static str, BTreeSet<Achieved>>,
    progress: BTreeMap<&'static str, BTreeMap<String, Vec<CampaignProgress>>>,
    offsets: BTreeMap<(String, i64), i64>,
    letters: BTreeMap<String, i64>,
}

impl Remains {
    async fn read(db: &Db, at: Instant) -> Remains {
        let live = Live::new(db);
        live.refresh().await.expect("what is in force can be read");
        let (mut achieved, mut progress) = (BTreeMap::new(), BTreeMap::new());
        for game in GAMES {
            let id: GameId = game.parse().expect("a game's id");
            let live = live.game(&id).expect("the game has campaigns");
            // In a topic keyed by match, two partitions may hold a player's records: which of them is read first is anyone's guess,
            // so that the event which reaches a goal may be another one. Whether it is reached is not.
            let is_keyed = live.mapping.as_ref().is_some_and(|mapping| mapping.keyed_by_player());
            let row = |row: &db::Row| {
                let reached_at = if is_keyed { row.int(6)? } else { 0 };
                Ok((row.text(0)?, row.text(1)?, row.int(2)?, row.int(3)?, row.int(4)?, row.int(5)?, reached_at))
            };
            achieved.insert(game, db.fetch(&ACHIEVED, &row![game], row).await.expect("the database answers").into_iter().collect());
            let states = db.fetch(&STATES, &row![game], |row| Ok((row.text(0)?, row.bytes(1)?))).await.expect("the database answers");
            let shown = states.into_iter().map(|(player, bytes)| {
                let state = PlayerState::decode(&bytes).expect("a state can be read");
                let numbers = live.campaigns.iter().map(|registered| registered.number);
                (player, numbers.filter_map(|number| rules::progress(&live.plan, number, &state, at)).collect())
            });
            progress.insert(game, shown.collect());
        }
        let offsets = db.fetch(&OFFSETS, &[], |row| Ok(((row.text(0)?, row.int(1)?), row.int(2)?))).await;
        let letters = db.fetch(&LETTERS, &[], |row| Ok((row.text(0)?, row.int(1)?))).await;
        Remains {
            achieved,
            progress,
            offsets: offsets.expect("the database answers").into_iter().collect(),
            letters: letters.expect("the database answers").into_iter().collect(),
        }
    }

    /// Says where two runs differ, instead of showing all of both.
    fn assert_same(&self, other: &Remains) {
        for game in GAMES {
            let (ours, theirs) = (&self.progress[game], &other.progress[game]);
            let differing: Vec<_> = theirs.iter().filter(|(player, progress)| ours.get(*player) != Some(*progress)).collect();
            if let Some((player, progress)) = differing.first() {
                panic!(
                    "{game}: {} of {} players differ, as {player}: {:?} instead of {progress:?}",
                    differing.len(),
                    theirs.len(),
                    ours.get(*player)
                );
            }
            assert_eq!(ours.len(), theirs.len(), "{game}: players");
            let (ours, theirs) = (&self.achieved[game], &other.achieved[game]);
            let difference: Vec<_> = ours.symmetric_difference(theirs).take(5).collect();
            assert!(difference.is_empty(), "{game}: {} and {} achievements, as {difference:?}", ours.len(), theirs.len());
        }
        assert_eq!(self.offsets, other.offsets);
        assert_eq!(self.letters, other.letters);
    }
}

/// Sends all records over some time, past every disaster.
fn sending(hub: &Hub, records: Arc<Vec<Sent>>, sent: Arc<AtomicU64>) -> impl FnOnce() + Send + use<> {
    let (brokers, prefix) = (hub.brokers().to_owned(), hub.prefix.clone());
    move || {
        let sender = KafkaSender::new(&brokers, 20).expect("a producer");
        let lot = (records.len() / 300).max(1);
        for records in records.chunks(lot) {
            for (game, key, value) in records {
                let topic = format!("{prefix}{game}");
                sender.send(Outgoing { topic: &topic, key, value, at_ms: None }).expect("the record is taken");
            }
            sender.poll();
            sent.fetch_add(records.len() as u64, Ordering::SeqCst);
            wait_until(std::time::Instant::now() + SENDING / 300);
        }
        assert_eq!(sender.finish(), Ok(records.len() as u64));
    }
}

/// The processes and what befalls them.
struct Fleet<'a> {
    hub: &'a Hub,
    servers: Vec<Server>,
    broker: &'a mut Broker,
    proxy: &'a Proxy,
    random: StdRng,
}

impl Fleet<'_> {
    async fn befall(&mut self, disaster: Disaster) {
        match disaster {
            Disaster::Replace => {
                self.kill_one();
                self.servers.push(self.hub.serve().await);
            }
            Disaster::Kill => self.kill_one(),
            Disaster::Add => self.servers.push(self.hub.serve().await),
            Disaster::RestartBroker => {
                self.broker.kill().await;
                self.broker.start_again().await;
            }
            Disaster::CutDatabase => {
                self.proxy.close();
                tokio::time::sleep(DATABASE_GONE).await;
                self.proxy.open();
            }
        }
    }

    fn kill_one(&mut self) {
        if !self.servers.is_empty() {
            let at = self.random.random_range(0..self.servers.len());
            self.servers.swap_remove(at).kill();
        }
    }
}

async fn survives() {
    let seed = variable("GUILDHALL_SEED").unwrap_or_else(|| rand::rng().random());
    let count = if is_full() { 5_000_000 } else { 100_000 };
    println!("chaos: GUILDHALL_SEED={seed}, {count} records");
    let Some(mut broker) = Broker::start().await else {
        println!("left out: {} is not set, so nothing died", testkit::kafka::JARS_VARIABLE);
        return;
    };
    let log = Log::Kafka(broker.address());
    let Some(mut disturbed) = Hub::new("chaos", Engine::Postgres, log.clone()).await else { return };
    let Some(mut calm) = Hub::new("calm", Engine::Postgres, log).await else { return };
    let at = now();
    disturbed.register(&documents(at), PARTITIONS).await;
    calm.prefix = disturbed.prefix.clone();
    calm.register_only(&documents(at)).await;
    let (proxy, through) = Proxy::start(disturbed.store.url().expect("it is on Postgres"), Cut::BeforeCommit).await;
    disturbed.through = Some(through);
    let records = Arc::new(generated(count, count / 25, seed));

    let servers = vec![disturbed.serve().await, disturbed.serve().await];
    let mut fleet = Fleet { hub: &disturbed, servers, broker: &mut broker, proxy: &proxy, random: StdRng::seed_from_u64(seed) };
    let sent = Arc::new(AtomicU64::new(0));
    let sending = tokio::task::spawn_blocking(sending(&disturbed, records.clone(), sent.clone()));
    let mut disasters =
        [Disaster::Replace, Disaster::Kill, Disaster::Add, Disaster::RestartBroker, Disaster::CutDatabase, Disaster::Replace];
    disasters.shuffle(&mut fleet.random);
    let db = disturbed.db().await;
    for disaster in disasters {
        let pause = Duration::from_millis(fleet.random.random_range(500..4_000));
        tokio::time::sleep(pause).await;
        println!("chaos: {disaster:?} with {} sent and {} committed", sent.load(Ordering::SeqCst), committed(&db).await);
        fleet.befall(disaster).await;
    }
    while fleet.servers.len() < 2 {
        fleet.servers.push(disturbed.serve().await);
    }
    sending.await.expect("everything was sent");
    until_committed(&db, count).await;
    fleet.servers.iter_mut().for_each(Server::kill);

    let undisturbed = calm.serve().await;
    let calm_db = calm.db().await;
    until_committed(&calm_db, count).await;
    undisturbed.stop().await;
    let (ours, theirs) = (Remains::read(&db, at).await, Remains::read(&calm_db, at).await);
    let expected = with_enough_plays(&records);
    for (run, db) in [("undisturbed", &calm_db), ("disturbed", &db)] {
        for (game, expected) in &expected {
            let reached = reached(db, game, "ten-plays").await;
            let difference: Vec<_> = reached.symmetric_difference(expected).take(5).collect();
            assert!(
                difference.is_empty(),
                "{run}, {game}: {} players reached the goal and {} were counted, as {difference:?}",
                reached.len(),
                expected.len()
            );
        }
    }
    ours.assert_same(&theirs);
    let achieved: usize = ours.achieved.values().map(BTreeSet::len).sum();
    assert!(achieved > 1_000, "only {achieved} achievements");
    println!("chaos: {achieved} achievements, {} dead letters, as in the undisturbed run", ours.letters.values().sum::<i64>());
    db.close().await;
    calm_db.close().await;
    for hub in [&disturbed, &calm] {
        server::check(&hub.store).await.unwrap_or_else(|told| panic!("{told}"));
    }
    broker.stop().await;
}

#[test]
fn deaths_of_processes_broker_and_database_change_nothing_of_what_is_there_at_the_end() {
    run(survives());
}
