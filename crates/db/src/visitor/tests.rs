//! What hostile statements try, on both engines, and what keeps them out: once when they are checked, and once more when they run unchecked.

use super::*;
use crate::{Options, migrate, run_once};
use kernel::Uuid;

static VIEWS: &[View] = &[
    View {
        name: "players",
        says: "a player",
        columns: &[("player", "the player"), ("nickname", "their name"), ("level", "their level")],
        tables: &["player_profile"],
        select: "select player, nickname, level from player_profile where game = {game}",
    },
    View {
        name: "balances",
        says: "a balance",
        columns: &[("player", "the player"), ("currency", "the currency"), ("balance", "what they hold")],
        tables: &["cash"],
        select: "select player, currency, balance from cash where game = {game}",
    },
];

/// A database with players of two games, and whoever visits it.
struct Ground {
    db: Db,
    visitors: Visitors,
    _folder: Option<tempfile::TempDir>,
}

impl Ground {
    async fn on(url: String, folder: Option<tempfile::TempDir>) -> Ground {
        let options = Options::new(url);
        migrate(&options).await.unwrap();
        let db = Db::open(options).await.unwrap();
        let mut text = String::new();
        for n in 0..40 {
            let game = if n % 2 == 0 { "kart" } else { "maple" };
            text += &format!(
                "insert into player_profile (game, player, nickname, level, playtime_minutes, first_seen_at, changed_at)
                 values ('{game}', 'p{n:03}', 'nick {n}', {n}, 0, 1, 1);
                 insert into cash (game, player, currency, balance, seq) values ('{game}', 'p{n:03}', 'gold', {n}, 1);"
            );
        }
        db.plain(&text).await.unwrap();
        db.analyse().await.unwrap();
        let visitors = Visitors::new(&db, VIEWS, 4, Arc::new(|role| format!("secret of {role}"))).unwrap();
        Ground { db, visitors, _folder: folder }
    }

    async fn sqlite() -> Ground {
        let folder = tempfile::tempdir().unwrap();
        Ground::on(format!("sqlite:{}", folder.path().join("t.db").display()), Some(folder)).await
    }

    async fn postgres() -> Option<Ground> {
        let server = std::env::var("GUILDHALL_TEST_POSTGRES").ok()?;
        let name = format!("visitor_{}", Uuid::now_v7().simple());
        let made = format!("create database {name} encoding 'UTF8' lc_collate 'C' lc_ctype 'C' template template0");
        run_once(&server, &made).await.unwrap();
        Some(Ground::on(format!("{}/{name}", server.rsplit_once('/').unwrap().0), None).await)
    }

    /// Both engines, as far as they are there.
    async fn all() -> Vec<Ground> {
        let mut all = vec![Ground::sqlite().await];
        match Ground::postgres().await {
            Some(ground) => all.push(ground),
            None => eprintln!("left out: GUILDHALL_TEST_POSTGRES is not set, so this ran on SQLite only"),
        }
        all
    }

    async fn check(&self, text: &str) -> Result<Checked, Trouble> {
        let foreign = Foreign::parse(text, &[]).map_err(Trouble::Faults)?;
        self.visitors.check(&kart(), &foreign, &[], 10).await
    }

    /// Runs a statement that was never checked.
    async fn run(&self, game: &str, text: &str, column: &str, time_max: Duration) -> Result<Answers, Trouble> {
        let foreign = Foreign::parse(text, &[]).map_err(Trouble::Faults)?;
        let visit = Visit {
            game: &game.parse().unwrap(),
            foreign: &foreign,
            columns: &[Returned { name: column.to_owned(), kind: "INT8".to_owned() }],
            values: &[],
            order: &[],
            after: None,
            rows_max: 1_000,
            bytes_max: 100_000,
            time_max,
        };
        self.visitors.run(&visit).await
    }
}

fn kart() -> GameId {
    "kart".parse().unwrap()
}

fn told(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Faults(faults) => faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        other => format!("{other:?}"),
    }
}

/// Statements for both engines, and a word of what each is told.
const HOSTILE: &[(&str, &str)] = &[
    ("insert into players (player) values ('x')", ""),
    ("update player_profile set level = 9", ""),
    ("delete from player_profile", ""),
    ("with gone as (delete from player_profile returning player) select player from gone", ""),
    ("with made as (insert into cash (game) values ('kart') returning game) select * from made", ""),
    ("create table mine (x integer)", ""),
    ("create temp table mine (x integer)", ""),
    ("drop table player_profile", ""),
    ("select player from players; delete from player_profile", "second statement"),
    ("select player from players; select 1", "second statement"),
    ("select player from player_profile", "player_profile is not for recipes"),
    ("select count(*) as n from player_profile", "player_profile is not for recipes"),
    ("select id from accounts", "accounts is not for recipes"),
    ("select count(*) as n from accounts", "accounts is not for recipes"),
    ("with players as (select player, game from player_profile) select player, game from players", "player_profile is not for recipes"),
    ("select p.player from players p where exists (select 1 from game_key k where k.game = 'maple')", "game_key is not for recipes"),
    ("select player from players union all select hash from game_key", ""),
    ("with recursive n(i) as (select 1 union all select i + 1 from n) select i from n", "recursive"),
    ("select load_extension('x') as x", ""),
    ("select random() as x", "random"),
    ("begin", ""),
    ("commit", ""),
    ("vacuum", ""),
    ("select 1 as x) as q; drop table cash; --", ""),
    ("select 1 as x) as q, (select 2 as y", ""),
    ("select nickname from other_players", ""),
    ("", "empty"),
];

const ON_SQLITE: &[(&str, &str)] = &[
    ("select sql from sqlite_master", "sqlite_master is not for recipes"),
    ("select name from sqlite_schema", "is not for recipes"),
    ("select name from sqlite_temp_schema", "is not for recipes"),
    ("select count(*) as n from sqlite_master", "is not for recipes"),
    ("select name from pragma_table_info('accounts')", "is not for recipes"),
    ("select count(*) as n from pragma_table_list", "is not for recipes"),
    ("select name from dbstat", "is not for recipes"),
    ("pragma table_info(accounts)", "pragma"),
    ("pragma query_only = off", "pragma"),
    ("attach 'other.db' as other", ""),
    ("detach main", ""),
    ("select hex(randomblob(1000000000)) as x", "randomblob"),
    ("select zeroblob(1000000000) as x", "zeroblob"),
    ("select printf('%.*c', 1000000000, 'x') as x", "printf"),
    ("select replace(nickname, 'n', 'nnnnnnnn') as x from players", "replace"),
    ("select readfile('/etc/passwd') as x", ""),
    ("explain select player from players", "returns no rows"),
    ("select player from main.player_profile", "player_profile is not for recipes"),
    ("select player from temp.players, main.accounts", "accounts is not for recipes"),
];

const ON_POSTGRES: &[(&str, &str)] = &[
    ("select rolname from pg_roles", "pg_roles is not for recipes"),
    ("select relname from pg_catalog.pg_class", "pg_class is not for recipes"),
    ("select table_name from information_schema.tables", "tables is not for recipes"),
    ("select query from pg_stat_activity", "pg_stat_activity is not for recipes"),
    ("select player from public.player_profile", "player_profile is not for recipes"),
    ("select set_config('role', 'guildhall', true) as x", "set_config"),
    ("select current_setting('data_directory') as x", "current_setting"),
    ("select pg_sleep(60)", "pg_sleep"),
    ("select 1 as x where pg_sleep(60) is not null", "pg_sleep"),
    ("select pg_read_file('/etc/passwd') as x", "pg_read_file"),
    ("select lo_import('/etc/passwd') as x", "lo_import"),
    ("select dblink('host=127.0.0.1', 'select 1') as x", ""),
    ("select query_to_xml('select * from accounts', true, true, '') as x", "query_to_xml"),
    ("select 1 as x where pg_advisory_lock(1) is null", "pg_advisory_lock"),
    ("select 1 as x where pg_notify('a', 'b') is null", "pg_notify"),
    ("select nextval('x') as x", ""),
    ("select pg_terminate_backend(1) as x", "pg_terminate_backend"),
    ("select repeat('x', 1000000000) as x", "repeat"),
    ("select generate_series(1, 1000000000000) as x", "generate_series"),
    ("select n from generate_series(1, 1000000000000) as g(n)", "function stands in `from`"),
    ("select 'pg_class'::regclass::text as x", "type regclass is not for recipes"),
    ("select current_user::text as x", "current_user"),
    ("select player from players for update", "for update"),
    ("select player into mine from players", ""),
    ("copy player_profile to '/tmp/x'", ""),
    ("set role postgres", ""),
    ("reset role", ""),
    ("listen x", ""),
    ("do $$ begin end $$", "`$`"),
    ("lock table player_profile", ""),
    ("prepare x as select 1", ""),
    ("select xmlelement(name x) as x", ""),
    ("select player from players tablesample system (1)", ""),
];

#[tokio::test(flavor = "multi_thread")]
async fn hostile_statements_are_refused_when_they_are_checked() {
    for ground in Ground::all().await {
        let engine = ground.db.engine();
        let own = if engine == Engine::Sqlite { ON_SQLITE } else { ON_POSTGRES };
        for (text, word) in HOSTILE.iter().chain(own) {
            let trouble = ground.check(text).await.expect_err(&format!("{engine:?} accepts {text}"));
            assert!(matches!(trouble, Trouble::Faults(_)), "{engine:?}: {text}: {trouble:?}");
            assert!(told(&trouble).contains(word), "{engine:?}: {text}: {}", told(&trouble));
        }
        ground
            .visitors
            .run(&Visit {
                game: &kart(),
                foreign: &Foreign::parse("select player from players", &[]).unwrap(),
                columns: &[Returned { name: "player".into(), kind: "TEXT".into() }],
                values: &[],
                order: &[],
                after: None,
                rows_max: 100,
                bytes_max: 10_000,
                time_max: CHECK_MAX,
            })
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_statements_reach_nothing_even_when_nobody_checked_them() {
    let writes = [
        ("insert into cash (game, player, currency, balance, seq) values ('kart', 'x', 'gold', 1, 1)", "x"),
        ("with gone as (delete from player_profile returning player) select count(*) as x from gone", "x"),
        ("select count(*) as x from player_profile", "x"),
        ("select count(*) as x from accounts", "x"),
        ("with players as (select * from player_profile) select count(*) as x from players", "x"),
        ("select 1 as x) as q; delete from cash; select 1 from (select 1 as x", "x"),
    ];
    let on_postgres = [
        ("select count(*) as x from public.player_profile", "x"),
        ("select count(*) as x from pg_authid", "x"),
        ("select length(pg_read_file('/etc/passwd')) as x", "x"),
        ("select lo_import('/etc/passwd') as x", "x"),
        ("select nextval('x') as x", "x"),
        ("select length(set_config('role', 'postgres', true)) as x", "x"),
        ("select length(set_config('session_authorization', 'guildhall', true)) as x", "x"),
        (
            "select length(set_config('default_transaction_read_only', 'off', true)) as x, (with a as (delete from cash returning 1) select 1)",
            "x",
        ),
        ("select pg_notify('a', 'b') is null as x, nextval('y')", "x"),
    ];
    let on_sqlite = [
        ("select count(*) as x from sqlite_master", "x"),
        ("select length(load_extension('x')) as x", "x"),
        ("select count(*) as x from pragma_table_list", "x"),
    ];
    for ground in Ground::all().await {
        let own: &[(&str, &str)] = if ground.db.engine() == Engine::Sqlite { &on_sqlite } else { &on_postgres };
        for (text, column) in writes.iter().chain(own) {
            let ran = ground.run("kart", text, column, CHECK_MAX).await;
            assert!(ran.is_err(), "{:?} ran {text}: {ran:?}", ground.db.engine());
        }
        static COUNT: crate::Statement = crate::Statement::new("test.count", "select cast(count(*) as bigint) from cash");
        assert_eq!(ground.db.fetch(&COUNT, &[], |row| row.int(0)).await.unwrap(), [40], "nothing was written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_game_sees_its_own_rows_whatever_the_statement_says() {
    for ground in Ground::all().await {
        let sum = "select sum(level) as x from players";
        let of = |game: &'static str| ground.run(game, sum, "x", CHECK_MAX);
        assert_eq!(of("kart").await.unwrap(), [[serde_json::json!(380)]]);
        assert_eq!(of("maple").await.unwrap(), [[serde_json::json!(400)]]);
        assert_eq!(of("empty").await.unwrap(), [[serde_json::Value::Null]]);
        if ground.db.engine() == Engine::Postgres {
            // A role that could be taken on within a query would show another game's rows to what runs after it.
            for what in ["role", "session_authorization"] {
                for target in ["guildhall", "postgres"] {
                    let escape = format!(
                        "with a as materialized (select length(set_config('{what}', '{target}', true)) as l) select sum(p.level) + max(a.l) as x from a, players p"
                    );
                    assert!(ground.run("kart", &escape, "x", CHECK_MAX).await.is_err(), "{escape}");
                }
            }
            let mark = "select set_config('role', r.rolname, true) as x from pg_roles r where r.rolname like 'guildhall_recipe_%maple'";
            assert!(ground.run("kart", mark, "x", CHECK_MAX).await.is_err());
            // A condition of the statement's own is not shown rows of other games: it would fail on them.
            let peek = "select count(*) as x from players where 1 / (level - 1) >= 0 or true";
            assert!(ground.run("kart", peek, "x", CHECK_MAX).await.is_ok(), "level 1 is of the other game");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_goes_on_is_ended_at_its_limit_and_large_answers_are_not_given() {
    let many = "with a as (select p.level as l from players p, players q, players r, players s, players t, players u, players v, players w) select sum(l) as x from a";
    for ground in Ground::all().await {
        let started = std::time::Instant::now();
        let ran = ground.run("kart", many, "x", Duration::from_millis(200)).await;
        assert!(matches!(ran, Err(Trouble::TooLong)), "{ran:?}");
        assert!(started.elapsed() < Duration::from_secs(60), "twenty thousand million rows would take many minutes");
        let wide = "select nickname || nickname || nickname || nickname || nickname || nickname as x from players";
        let doubled = (0..5).fold(wide.to_owned(), |text, _| format!("select x || x || x || x as x from ({text}) as d"));
        let ran = ground.run("kart", &doubled, "x", CHECK_MAX).await;
        assert!(matches!(ran, Err(Trouble::TooLarge)), "{ran:?}");
        if ground.db.engine() == Engine::Postgres {
            let slept = ground.run("kart", "select 1 as x where pg_sleep(600) is not null", "x", Duration::from_millis(200)).await;
            assert!(matches!(slept, Err(Trouble::TooLong)), "{slept:?}");
        } else {
            let grown =
                (0..12).fold("select 'xxxxxxxx' as x".to_owned(), |text, _| format!("select x || x || x || x as x from ({text}) as d"));
            assert!(ground.run("kart", &grown, "x", CHECK_MAX).await.is_err(), "a text has its largest length");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_told_with_their_place() {
    for ground in Ground::all().await {
        let misspelt = ground.check("select player,\n  nicknam from players").await.unwrap_err();
        assert!(told(&misspelt).starts_with("line 2, column 3: ") && told(&misspelt).contains("nicknam"), "{}", told(&misspelt));
        let table = ground.check("select 1 as x\nfrom accounts").await.unwrap_err();
        assert!(
            told(&table).starts_with("line 2, column 6: accounts is not for recipes: one of the views players, balances"),
            "{}",
            told(&table)
        );
        if ground.db.engine() == Engine::Postgres {
            let parameter = Parameter { name: "who".into(), kind: Kind::Text, offered: false };
            let foreign = Foreign::parse("select player from players\nwhere level > :who", &[parameter]).unwrap();
            let wrong = ground.visitors.check(&kart(), &foreign, &[], 10).await.unwrap_err();
            assert!(told(&wrong).starts_with("line 2, column 13: operator does not exist: bigint > text"), "{}", told(&wrong));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn full_scans_of_large_tables_are_named_and_searches_are_not() {
    for ground in Ground::all().await {
        let scans = [
            "select player from players where level > 3 and nickname like '%x%'",
            "select count(*) as n from balances b, players p where b.balance = p.level",
        ];
        for text in scans {
            let checked = ground.check(text).await.unwrap();
            assert!(!checked.full_scans.is_empty(), "{:?}: {text}", ground.db.engine());
        }
        // As many rows as the limit, and no more, are no large table.
        let foreign = Foreign::parse(scans[0], &[]).unwrap();
        assert_eq!(ground.visitors.check(&kart(), &foreign, &[], 40).await.unwrap().full_scans, [""; 0]);
        let parameter = Parameter { name: "who".into(), kind: Kind::Text, offered: false };
        let text = "select p.player, p.level, b.balance from players p join balances b on b.player = p.player where p.player = :who";
        let foreign = Foreign::parse(text, &[parameter]).unwrap();
        let order = [Order { column: "player".into(), descending: false }];
        // A small table may be read whole because that is quicker; a large one is not.
        fill(&ground.db).await;
        let checked = ground.visitors.check(&kart(), &foreign, &order, 10).await.unwrap();
        assert_eq!(checked.full_scans, [""; 0], "{:?}", ground.db.engine());
        let paged = Foreign::parse("select player, nickname from players", &[]).unwrap();
        let read = ground.visitors.check(&kart(), &paged, &order, 10).await.unwrap().full_scans;
        match ground.db.engine() {
            Engine::Sqlite => assert_eq!(read, [""; 0], "the page ends what an index gives in its order"),
            // A view that is a barrier does not hand on the order of an index: every page sorts the game's rows.
            Engine::Postgres => assert_eq!(read, ["player_profile"]),
        }
    }
}

async fn fill(db: &Db) {
    let mut text = String::new();
    for n in 0..6_000 {
        text += &format!(
            "insert into player_profile (game, player, playtime_minutes, first_seen_at, changed_at) values ('kart', 'q{n}', 0, 1, 1);\n"
        );
        text += &format!("insert into cash (game, player, currency, balance, seq) values ('kart', 'q{n}', 'gold', {n}, 1);\n");
    }
    db.plain(&format!("begin; {text} commit;")).await.unwrap();
    db.analyse().await.unwrap();
}
