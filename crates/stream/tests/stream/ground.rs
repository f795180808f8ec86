//! What stream tests stand on: a database of their own, an embedded log, games with mappings and campaigns,
//! and a plain reference that folds the same records in memory.

use accounts::{Accounts, PersonalKeys, Policy};
use broker::{Broker, NewRecord};
use campaigns::Live;
use db::{Db, Options as DbOptions, Statement, row};
use kernel::{GameId, Instant};
use rules::{Campaign, Effects, Mapping, Plan, PlayerState, Registered, Scratch};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;
use stream::{Limits, Options, Source, Stream};
use tempfile::TempDir;
use web::Tokens;

pub(crate) const GAME: &str = "kart";
pub(crate) const TOPIC: &str = "logs.kart";
pub(crate) const PARTITIONS: u32 = 4;
/// The day the tests play on.
pub(crate) const DAY_MS: i64 = 1_779_148_800_000;

/// A mapping of flat JSON, keyed by player.
pub(crate) const KEYED: &str = r#"{
    "format": "json", "keyed_by": "player", "id": "id", "kind": "type", "player": "player",
    "at": {"path": "at", "as": "milliseconds"}, "amount": {"path": "n", "default": 1},
    "attributes": {"mode": {"path": "mode", "map": {"r": "ranked", "c": "casual"}}}
}"#;

/// The same of match records, which hold several players and are keyed by match.
pub(crate) const MATCHES: &str = r#"{
    "format": "json", "keyed_by": "other",
    "events": [{
        "each": "players", "id": "^.id", "kind": {"const": "play"}, "player": "name",
        "at": {"path": "^.at", "as": "milliseconds"}, "amount": {"path": "n", "default": 1}
    }]
}"#;

/// Goals of several kinds, so that states are worth comparing.
pub(crate) fn campaign(target: i64) -> String {
    serde_json::json!({
        "id": "ten", "game": GAME, "title": "Ten",
        "period": { "starts": "2026-05-01T00:00:00Z", "ends": "2036-05-01T00:00:00Z" },
        "zone": "Asia/Seoul", "late_s": 604_800,
        "goals": [
            { "id": "plays", "title": "Play", "condition": { "measure": "count", "on": ["play"], "target": target },
              "rewards": [{ "points": 10 }] },
            { "id": "sum", "title": "Sum a day", "condition": { "measure": "sum", "on": ["play"], "per": { "unit": "day" }, "target": target * 3 } }
        ]
    })
    .to_string()
}

static CALLS: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Ground {
    pub(crate) db: Db,
    pub(crate) live: Live,
    pub(crate) accounts: Accounts,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) broker: Broker,
    /// The log's clock, in Unix microseconds.
    log_us: Arc<AtomicI64>,
    pub(crate) url: String,
    folder: TempDir,
}

/// A database of its own on the Postgres that the environment names.
pub(crate) async fn fresh_postgres(name: &str) -> Option<String> {
    let url = std::env::var("GUILDHALL_TEST_POSTGRES").ok().filter(|url| !url.is_empty())?;
    let name: String = name.chars().take(30).collect();
    // As `testkit` names them, whose tests drop those of processes that have ended.
    let name = format!("test_{name}_{:x}_{:x}_0", std::process::id(), CALLS.fetch_add(1, Ordering::Relaxed));
    let create = format!("create database {name} encoding 'UTF8' lc_collate 'C' lc_ctype 'C' template template0");
    db::run_once(&url, &create).await.unwrap();
    let (server, _) = url.rsplit_once('/').unwrap();
    Some(format!("{server}/{name}"))
}

impl Ground {
    pub(crate) async fn sqlite() -> Ground {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        Ground::new(url, folder).await
    }

    pub(crate) async fn postgres(name: &str) -> Option<Ground> {
        let url = fresh_postgres(name).await?;
        Some(Ground::new(url, tempfile::tempdir().unwrap()).await)
    }

    async fn new(url: String, folder: TempDir) -> Ground {
        db::migrate(&DbOptions::new(&url)).await.unwrap();
        Ground::open(url, folder).await
    }

    /// The same, after another process had it.
    pub(crate) async fn open(url: String, folder: TempDir) -> Ground {
        let db = Db::open(DbOptions::new(&url)).await.unwrap();
        let log_us = Arc::new(AtomicI64::new(now().0));
        let broker = open_broker_by(log_us.clone(), folder.path().join("log")).await;
        let (accounts, tokens) = accounts(&db);
        let live = Live::new(&db);
        Ground { live, accounts, tokens, broker, log_us, url, folder, db }
    }

    pub(crate) fn log_folder(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Closes everything and leaves the database and the log to others.
    pub(crate) async fn close(self) -> (String, TempDir) {
        self.db.close().await;
        self.broker.close().await;
        (self.url, self.folder)
    }

    /// A game with a topic, a mapping and campaigns.
    pub(crate) async fn register(&self, mapping: &str, campaigns: &[String]) {
        if self.broker.topic(TOPIC).is_none() {
            self.broker.create_topic(TOPIC, PARTITIONS).await.unwrap();
        }
        register(&self.db, GAME, mapping, campaigns).await;
        self.live.refresh().await.unwrap();
    }

    /// A stream on this ground whose checkpoints are small, so that there are many.
    pub(crate) async fn stream(&self) -> Stream {
        self.stream_with(small()).await
    }

    pub(crate) async fn stream_with(&self, limits: Limits) -> Stream {
        let options = Options { limits, ..Options::default() };
        Stream::start(&self.db, &self.live, &self.accounts, Source::Embedded(self.broker.clone()), options).await.unwrap()
    }

    /// Appends records by key, as a producer would.
    pub(crate) async fn append(&self, records: &[(String, String)]) {
        append(&self.broker, records).await;
    }

    /// Appends records at a time of the log's clock, which stays there.
    pub(crate) async fn append_at(&self, records: &[(String, String)], at: Instant) {
        self.log_us.store(at.0, Ordering::SeqCst);
        self.append(records).await;
    }

    /// Waits until every record is in the database's progress.
    pub(crate) async fn until_read(&self) {
        let ends: i64 = (0..PARTITIONS).map(|partition| self.broker.offsets(TOPIC, partition).unwrap().end).sum();
        until("all records are read", async || read(&self.db).await == ends).await;
    }

    /// All records of the embedded log, partition by partition.
    pub(crate) async fn records(&self) -> Vec<(Instant, Vec<u8>)> {
        let mut records = Vec::new();
        for partition in 0..PARTITIONS {
            let mut next = 0;
            loop {
                let chunk = self.broker.read(TOPIC, partition, next, 1 << 20).await.unwrap();
                if chunk.is_empty() {
                    break;
                }
                next = chunk.next_offset();
                records.extend(chunk.records().map(|record| record.unwrap()).map(|one| (one.appended_at, one.value.unwrap().to_vec())));
            }
        }
        records
    }
}

/// A log whose clock stands an hour after the day's first record, so that nothing is late.
pub(crate) async fn open_broker(folder: PathBuf) -> Broker {
    open_broker_by(Arc::new(AtomicI64::new(now().0)), folder).await
}

async fn open_broker_by(log_us: Arc<AtomicI64>, folder: PathBuf) -> Broker {
    let clock = broker::Clock::new(move || Instant(log_us.load(Ordering::SeqCst)));
    let options = broker::Options { clock, retention_ms: None, ..broker::Options::default() };
    Broker::open(folder, options).await.unwrap()
}

pub(crate) fn accounts(db: &Db) -> (Accounts, Arc<Tokens>) {
    let tokens = Arc::new(Tokens::new(&[7; 32], 3_600, db.clone()));
    let keys = PersonalKeys { current: (1, [1; 32]), older: Vec::new(), lookup: vec![[2; 32]] };
    (Accounts::new(db, tokens.clone(), keys, Policy::default()), tokens)
}

pub(crate) fn small() -> Limits {
    Limits {
        read_records: 40,
        read_bytes: 8 << 10,
        checkpoint_players_max: 25,
        checkpoint_records_max: 60,
        checkpoint_due_ms: 5,
        behind_due_ms: 30,
        ..Limits::default()
    }
}

pub(crate) async fn append(broker: &Broker, records: &[(String, String)]) {
    let mut shares: BTreeMap<u32, Vec<NewRecord<'_>>> = BTreeMap::new();
    for (key, value) in records {
        let partition = (stream::murmur2(key.as_bytes()) & 0x7fff_ffff) % PARTITIONS;
        shares.entry(partition).or_default().push(NewRecord { key: Some(key.as_bytes()), value: value.as_bytes() });
    }
    for (partition, share) in shares {
        broker.append(TOPIC, partition, &share).await.unwrap();
    }
}

/// Writes a mapping and campaigns as their managers would, and raises the game's counter.
pub(crate) async fn register(db: &Db, game: &str, mapping: &str, campaigns: &[String]) {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let bytes = if db.engine() == db::Engine::Sqlite { "x'00'" } else { "'\\x00'" };
    let mut sql = format!(
        "insert into game_campaigns (game, campaign_version, mapping_version, campaigns, fulfil_by, changed_at)
         values ('{game}', 1, 1, {}, 'poll', 0)
         on conflict (game) do update set campaign_version = game_campaigns.campaign_version + 1,
            mapping_version = game_campaigns.mapping_version + 1, campaigns = excluded.campaigns;",
        campaigns.len()
    );
    sql += &format!(
        "insert into mapping (game, version, document, author, at)
         select '{game}', mapping_version, {}, {bytes}, 0 from game_campaigns where game = '{game}';",
        quoted(mapping)
    );
    for (number, document) in (1..).zip(campaigns) {
        let read = Campaign::parse(document).unwrap_or_else(|faults| panic!("{faults:?}"));
        let (starts, ends) = (read.period.starts.0, read.period.ends.0);
        sql += &format!(
            "insert into campaign (game, number, id, version, lineage, starts_at, ends_at, stopped_at, document, registered_at, changed_at)
             values ('{game}', {number}, '{}', 1, 1, {starts}, {ends}, null, {}, 0, 0)
             on conflict (game, number) do update set document = excluded.document, version = campaign.version + 1;",
            read.id,
            quoted(document)
        );
    }
    db.plain(&sql).await.unwrap();
}

static READ: Statement = Statement::new("test.read", "select cast(coalesce(sum(next), 0) as bigint) from log_partition");
static STATES: Statement = Statement::new("test.states", "select player, state from player_state where game = $1");
static ACHIEVEMENTS: Statement =
    Statement::new("test.achievements", "select player, number, goal, period, n, achieved_at from achievement where game = $1");
static MATCHED: Statement =
    Statement::new("test.matched", "select cast(coalesce(sum(matched), 0) as bigint) from goal_matched where game = $1");
static COUNT: Statement =
    Statement::new("test.count", "select cast(coalesce(sum(letters), 0) as bigint) from dead_letter_count where game = $1");

pub(crate) async fn read(db: &Db) -> i64 {
    db.fetch(&READ, &[], |row| row.int(0)).await.unwrap()[0]
}

pub(crate) async fn letters(db: &Db) -> i64 {
    db.fetch(&COUNT, &row![GAME], |row| row.int(0)).await.unwrap()[0]
}

/// Waits for a condition; a minute without it is a failure.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while !condition().await {
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "waited for a minute: {what}");
}

/// What a stream leaves behind: progress per player and goal, achievements, matched events.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) progress: BTreeMap<String, Vec<(u16, i64, i64)>>,
    pub(crate) achievements: BTreeSet<(String, i64, i64, i64, i64, i64)>,
    pub(crate) matched: i64,
}

impl Outcome {
    /// Without the moments of achievements: where partitions share a player, the order in which they are read decides which of the
    /// player's events is the one that reaches a goal, and nothing else.
    pub(crate) fn in_any_order(mut self) -> Outcome {
        self.achievements = self.achievements.into_iter().map(|one| (one.0, one.1, one.2, one.3, one.4, 0)).collect();
        self
    }
}

pub(crate) fn now() -> Instant {
    Instant((DAY_MS + 3_600_000) * 1_000)
}

fn progress(plan: &Plan, numbers: usize, state: &PlayerState) -> Vec<(u16, i64, i64)> {
    let all = (1..=u32::try_from(numbers).unwrap()).filter_map(|number| rules::progress(plan, number, state, now()));
    all.flat_map(|one| one.goals).map(|goal| (goal.goal, goal.current, goal.reached_n)).collect()
}

fn plan(mapping: &str, campaigns: &[String]) -> (Mapping, Plan) {
    let mapping = Mapping::parse(mapping).unwrap_or_else(|faults| panic!("{faults:?}"));
    let registered: Vec<Registered> = (1..)
        .zip(campaigns)
        .map(|(number, document)| Registered {
            number,
            lineage: 1,
            version: 1,
            stopped_at: None,
            campaign: Campaign::parse(document).unwrap(),
        })
        .collect();
    let plan = Plan::compile(&registered, mapping.attributes()).unwrap().with_dedupe_max(mapping.dedupe_max());
    (mapping, plan)
}

/// What the database holds.
pub(crate) async fn outcome(db: &Db, mapping: &str, campaigns: &[String]) -> Outcome {
    let (_, plan) = plan(mapping, campaigns);
    let game: GameId = GAME.parse().unwrap();
    let states = db.fetch(&STATES, &row![game.as_str()], |row| Ok((row.text(0)?, row.bytes(1)?))).await.unwrap();
    let progress = states.into_iter().map(|(player, state)| {
        let state = PlayerState::decode(&state).unwrap();
        (player, progress(&plan, campaigns.len(), &state))
    });
    let progress = progress.collect();
    let achieved = |row: &db::Row<'_>| Ok((row.text(0)?, row.int(1)?, row.int(2)?, row.int(3)?, row.int(4)?, row.int(5)?));
    let found = db.fetch(&ACHIEVEMENTS, &row![game.as_str()], achieved).await.unwrap();
    let count = found.len();
    let achievements: BTreeSet<_> = found.into_iter().collect();
    assert_eq!(achievements.len(), count, "an achievement is there once");
    let matched = db.fetch(&MATCHED, &row![game.as_str()], |row| row.int(0)).await.unwrap()[0];
    Outcome { progress, achievements, matched }
}

/// What the records come to when they are folded one by one in memory.
pub(crate) fn folded(mapping: &str, campaigns: &[String], records: &[(Instant, Vec<u8>)]) -> Outcome {
    let (mapping, plan) = plan(mapping, campaigns);
    let (mapper, mut scratch, mut effects) = (mapping.compile(), Scratch::default(), Effects::default());
    let mut states: BTreeMap<String, PlayerState> = BTreeMap::new();
    let (mut achievements, mut matched) = (BTreeSet::new(), 0);
    for (appended, value) in records {
        // A record that does not fit counts for nothing.
        let _ = mapper.map(&mut scratch, value, *appended, &mut |event| {
            let mut state = states.remove(event.player).unwrap_or_default();
            let verdict = rules::step(&plan, &mut state, event, Some(*appended), &mut effects);
            if verdict == rules::Verdict::Counted || !state.is_empty() {
                states.insert(event.player.to_owned(), state);
            }
            matched += i64::try_from(effects.matched.len()).unwrap();
            for one in &effects.achieved {
                let key = (event.player.to_owned(), i64::from(one.number), i64::from(one.goal), one.period, one.n, one.achieved_at.0);
                achievements.insert(key);
            }
            effects.clear();
        });
    }
    let progress = states.iter().map(|(player, state)| (player.clone(), progress(&plan, campaigns.len(), state))).collect();
    Outcome { progress, achievements, matched }
}

/// Records of players, with repeats among them, in a fixed order.
pub(crate) fn plays(players: usize, each: usize) -> Vec<(String, String)> {
    let mut records = Vec::new();
    for n in 0..players * each {
        let player = format!("p{}", (n * 7) % players);
        let at = DAY_MS + i64::try_from(n).unwrap() * 10;
        let record = format!(r#"{{"id":"r{n}","type":"play","player":"{player}","at":{at},"n":{},"mode":"r"}}"#, n % 5 + 1);
        if n % 50 == 49 {
            records.push((player.clone(), record.clone()));
        }
        records.push((player, record));
    }
    records
}

/// Matches of ten players each, keyed by match.
pub(crate) fn matches(count: usize, players: usize) -> Vec<(String, String)> {
    (0..count)
        .map(|n| {
            let names: Vec<String> =
                (0..10).map(|i| format!(r#"{{"name":"p{}","n":{}}}"#, (n * 3 + i * 11) % players, i % 4 + 1)).collect();
            let at = DAY_MS + i64::try_from(n).unwrap() * 10;
            (format!("m{n}"), format!(r#"{{"id":"m{n}","at":{at},"players":[{}]}}"#, names.join(",")))
        })
        .collect()
}
