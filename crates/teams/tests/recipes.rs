//! Recipes over HTTP: registered, run, paged, kept, counted, retired; and what hostile ones and strangers are told.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use serde_json::{Value, json};
use testkit::{Config, Person, World, both_engines};
use web::Role;

/// Two games with players each, an operator, and a key of the first with `recipes:run` and `players:read`.
struct Ground {
    operator: Person,
    key: Person,
}

impl Ground {
    async fn lay(world: &World) -> Ground {
        let operator = world.person(&[Role::Operator]).await;
        let mut rows = String::new();
        for (game, from) in [("kart", 0), ("maple", 1_000)] {
            operator.post("/v1/games", json!({ "id": game, "name": game, "zone": "UTC" })).await.expect(201);
            for n in from..from + 30 {
                rows += &format!(
                    "insert into player_profile (game, player, nickname, nickname_key, level, playtime_minutes, first_seen_at, changed_at)
                     values ('{game}', 'p{n:04}', 'nick \"{n}\", the {game}', 'nick \"{n}\", the {game}', {}, 5, 1, 1);",
                    n % 7
                );
            }
        }
        world.db().plain(&rows).await.unwrap();
        world.db().analyse().await.unwrap();
        let key = world.key(&operator, "kart", &["recipes:run", "players:read"]).await;
        Ground { operator, key }
    }

    async fn register(&self, name: &str, definition: Value) -> Value {
        self.operator.post("/v1/recipes", json!({ "recipe": name, "definition": definition })).await.expect(201)
    }

    async fn refused(&self, definition: Value) -> Value {
        self.operator.post("/v1/recipes", json!({ "recipe": "hostile", "definition": definition })).await.refused("invalid-document")
    }
}

fn top() -> Value {
    json!({
        "description": "Players of a level and above, highest first",
        "sql": "select level, player, nickname from players where level >= :level",
        "parameters": [{ "name": "level", "type": "integer", "default": "0" }],
        "order": ["-level", "player"], "scopes": ["players:read"], "row_limit": 8,
    })
}

fn only(sql: &str) -> Value {
    json!({ "description": "tried", "sql": sql, "allow_full_scan": true })
}

/// What no recipe may do on either engine.
const HOSTILE: &[&str] = &[
    "insert into players (player) values ('x')",
    "delete from player_profile",
    "with gone as (delete from player_profile returning player) select player from gone",
    "update cash set balance = 1000000",
    "create table mine (x integer)",
    "create temp table mine as select 1 as x",
    "select player from players; delete from player_profile",
    "select player, game from player_profile",
    "select hash from game_key",
    "select count(*) as n from accounts",
    "select email from personal",
    "with players as (select * from player_profile) select player, game from players",
    "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n",
    "select 1 as x) as q; delete from cash; --",
    "commit",
    "",
];

const HOSTILE_ON_SQLITE: &[&str] = &[
    "select sql from sqlite_master",
    "select sql from sqlite_schema",
    "select count(*) as n from sqlite_schema",
    "select name from pragma_table_info('accounts')",
    "pragma table_info(accounts)",
    "attach ':memory:' as other",
    "select load_extension('x') as x",
    "select hex(randomblob(1000000000)) as x",
    "select hex(zeroblob(1000000000)) as x",
];

const HOSTILE_ON_POSTGRES: &[&str] = &[
    "select pg_sleep(600)",
    "select player from players where pg_sleep(600) is not null",
    "select rolname from pg_roles",
    "select table_name from information_schema.tables",
    "select relname from pg_catalog.pg_class",
    "select set_config('role', 'postgres', true) as x",
    "select current_setting('data_directory') as x",
    "select pg_read_file('/etc/passwd') as x",
    "select lo_import('/etc/passwd') as x",
    "select dblink('dbname=postgres', 'select 1') as x",
    "select query_to_xml('select * from accounts', true, true, '') as x",
    "select pg_advisory_lock(1) as x",
    "select pg_notify('a', 'b') as x",
    "select repeat('x', 1000000000) as x",
    "select n from generate_series(1, 1000000000000) as g(n)",
    "copy player_profile to '/tmp/x'",
    "set role postgres",
    "reset role",
    "do $$ begin end $$",
    "select player from players for update",
];

both_engines! {
    async fn a_recipe_is_paged_by_its_order_and_shows_its_game_alone(world: &World) {
        let ground = Ground::lay(world).await;
        let made = ground.register("top-players", top()).await;
        assert_eq!((&made["version"], &made["state"]), (&json!(1), &json!("active")));
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = ground.key.get(&format!("/v1/games/kart/recipes/top-players?level=1{cursor}")).await.expect(200);
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 8);
            seen.extend(items.iter().map(|item| (item["level"].as_i64().unwrap(), item["player"].as_str().unwrap().to_owned())));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let mut expected: Vec<(i64, String)> = (0..30).map(|n| (n % 7, format!("p{n:04}"))).filter(|(level, _)| *level >= 1).collect();
        expected.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        assert_eq!(seen, expected);
        let theirs = ground.operator.get("/v1/games/maple/recipes/top-players?size=1").await.expect(200);
        assert_eq!(theirs["items"][0]["player"], "p1000", "{theirs}");
        ground.key.get("/v1/games/kart/recipes/top-players?level=0&cursor=6a6b").await.refused("bad-cursor");
        let other_question = format!("/v1/games/kart/recipes/top-players?level=2{cursor}");
        ground.key.get(&other_question).await.refused("bad-cursor");
        ground.key.get("/v1/games/kart/recipes/top-players?level=x").await.refused("bad-query");
        ground.key.get("/v1/games/kart/recipes/top-players?lvl=1").await.refused("bad-query");
        ground.key.get("/v1/games/kart/recipes/other").await.refused("not-found");
    }

    async fn an_answer_comes_as_csv_and_is_not_sent_twice(world: &World) {
        let ground = Ground::lay(world).await;
        let mut definition = top();
        definition["cache_s"] = json!(60);
        ground.register("top-players", definition).await;
        let path = "/v1/games/kart/recipes/top-players?level=6&size=2";
        let csv = ground.key.request(reqwest::Method::GET, path).header("accept", "text/csv").send().await.unwrap();
        assert_eq!(csv.headers()["content-type"], "text/csv; charset=utf-8");
        assert_eq!(csv.headers()["cache-control"], "private, max-age=60");
        let (etag, next) = (csv.headers()["etag"].clone(), csv.headers()["next-cursor"].to_str().unwrap().to_owned());
        assert_eq!(
            csv.text().await.unwrap(),
            "level,player,nickname\r\n6,p0006,\"nick \"\"6\"\", the kart\"\r\n6,p0013,\"nick \"\"13\"\", the kart\"\r\n"
        );
        let again = ground.key.request(reqwest::Method::GET, &format!("{path}&format=csv")).header("if-none-match", etag).send().await.unwrap();
        assert_eq!((again.status().as_u16(), again.text().await.unwrap().as_str()), (304, ""));
        let rest = ground.key.get(&format!("{path}&cursor={next}")).await.expect(200);
        assert_eq!(rest["items"][0]["player"], "p0020");
        // What is kept is given out again, whatever has happened to the rows.
        let before = ground.key.get(path).await.expect(200);
        world.db().plain("update player_profile set level = 0").await.unwrap();
        assert_eq!(ground.key.get(path).await.expect(200), before);
        assert_eq!(ground.key.get("/v1/games/kart/recipes/top-players?level=6&size=3").await.expect(200)["items"], json!([]));
    }

    async fn hostile_recipes_are_refused_when_they_are_registered(world: &World) {
        let ground = Ground::lay(world).await;
        let own = if world.engine() == db::Engine::Sqlite { HOSTILE_ON_SQLITE } else { HOSTILE_ON_POSTGRES };
        for sql in HOSTILE.iter().chain(own) {
            let refused = ground.refused(only(sql)).await;
            assert_eq!(refused["facts"]["faults"][0]["path"], "sql", "{sql}: {refused}");
        }
        assert_eq!(ground.operator.get("/v1/recipes").await.expect(200)["items"], json!([]));
    }

    async fn a_recipe_that_would_run_for_minutes_is_ended_at_its_limit(world: &World) {
        let ground = Ground::lay(world).await;
        let sql = "select sum(a.level + b.level + c.level + d.level + e.level + f.level + g.level) as x
                   from players a, players b, players c, players d, players e, players f, players g";
        let mut definition = only(sql);
        definition["time_limit_ms"] = json!(150);
        ground.register("for-ever", definition).await;
        let ended = ground.key.get("/v1/games/kart/recipes/for-ever").await.refused("timed-out");
        assert!(ended["detail"].as_str().unwrap().contains("150 ms"), "{ended}");
        ground.register("quick", only("select count(*) as n from players")).await;
        assert_eq!(ground.key.get("/v1/games/kart/recipes/quick").await.expect(200)["items"], json!([{ "n": 30 }]), "the next one is served");
        let detail = ground.operator.get("/v1/recipes/for-ever").await.expect(200);
        assert_eq!((&detail["versions"][0]["usage"]["failed"], &detail["versions"][0]["usage"]["calls"]), (&json!(1), &json!(0)));
    }

    async fn a_page_that_would_leave_rows_out_is_refused(world: &World) {
        let ground = Ground::lay(world).await;
        let mut definition = only("select level, player from players");
        definition["row_limit"] = json!(5);
        ground.register("unordered", definition.clone()).await;
        let told = ground.key.get("/v1/games/kart/recipes/unordered").await.refused("wrong-state");
        assert!(told["detail"].as_str().unwrap().contains("no order"), "{told}");
        definition["order"] = json!(["level"]);
        definition["row_limit"] = json!(2);
        ground.register("alike", definition).await;
        let told = ground.key.get("/v1/games/kart/recipes/alike").await.refused("wrong-state");
        assert!(told["detail"].as_str().unwrap().contains("alike in every column"), "{told}");
    }

    async fn strangers_are_kept_out(world: &World) {
        let ground = Ground::lay(world).await;
        ground.register("top-players", top()).await;
        let mut for_maple = top();
        for_maple["games"] = json!(["maple"]);
        ground.register("maple-only", for_maple).await;
        let path = "/v1/games/kart/recipes/top-players";
        let of_maple = world.key(&ground.operator, "maple", &["recipes:run", "players:read"]).await;
        of_maple.get(path).await.refused("not-found");
        of_maple.get("/v1/games/kart/recipes").await.refused("not-found");
        ground.key.get("/v1/games/kart/recipes/maple-only").await.refused("not-found");
        ground.key.get("/v1/games/maple/recipes/maple-only").await.refused("not-found");
        of_maple.get("/v1/games/maple/recipes/maple-only").await.expect(200);
        world.key(&ground.operator, "kart", &["players:read"]).await.get(path).await.refused("forbidden");
        world.key(&ground.operator, "kart", &["recipes:run"]).await.get(path).await.refused("forbidden");
        world.player().await.get(path).await.refused("forbidden");
        world.nobody().get(path).await.refused("unauthenticated");
        ground.key.get("/v1/recipes").await.refused("unauthenticated");
        world.player().await.get("/v1/recipes").await.refused("forbidden");
        let member = world.player().await;
        ground.operator.put(&format!("/v1/games/kart/members/{}", member.id), json!({ "role": "team_member" })).await.expect(204);
        member.get(path).await.expect(200);
        member.post("/v1/recipes", json!({ "recipe": "mine", "definition": top() })).await.refused("forbidden");
        let listed = ground.key.get("/v1/games/kart/recipes").await.expect(200);
        assert_eq!(listed.as_array().unwrap().iter().map(|one| one["recipe"].as_str().unwrap()).collect::<Vec<_>>(), ["top-players"]);
        assert!(!listed.to_string().contains("select"), "callers are not shown the statement");
    }

    async fn versions_follow_one_another_and_a_retired_recipe_runs_no_more(world: &World) {
        let ground = Ground::lay(world).await;
        let path = "/v1/games/kart/recipes/top-players?size=1";
        ground.register("top-players", top()).await;
        ground.operator.post("/v1/recipes", json!({ "recipe": "top-players", "definition": top() })).await.refused("already-exists");
        ground.key.get(path).await.expect(200);
        let mut second = top();
        second["sql"] = json!("select level, player from players where level >= :level");
        let changed = ground.operator.put("/v1/recipes/top-players", json!({ "definition": second })).await.expect(200);
        assert_eq!(changed["version"], 2);
        let page = ground.key.get(path).await.expect(200);
        assert_eq!((&page["version"], page["items"][0].get("nickname")), (&json!(2), None));
        ground.operator.post("/v1/recipes/top-players/retire", json!({})).await.expect(200);
        ground.key.get(path).await.refused("not-found");
        ground.operator.post("/v1/recipes/top-players/retire", json!({})).await.refused("wrong-state");
        let detail = ground.operator.get("/v1/recipes/top-players").await.expect(200);
        assert_eq!(detail["state"], "retired");
        let versions = detail["versions"].as_array().unwrap();
        let usage: Vec<(i64, i64)> = versions.iter().map(|one| (one["version"].as_i64().unwrap(), one["usage"]["calls"].as_i64().unwrap())).collect();
        assert_eq!(usage, [(2, 1), (1, 1)]);
        assert!(versions[0]["usage"]["p50_ms"].as_f64().unwrap() > 0.0);
        ground.operator.put("/v1/recipes/top-players", json!({ "definition": top() })).await.expect(200);
        assert_eq!(ground.key.get(path).await.expect(200)["version"], 3);
        let noted = ground.operator.get("/v1/audit").await.expect(200);
        assert!(noted.to_string().contains("recipe.retired") && noted.to_string().contains("recipe/top-players"), "{noted}");
        let timed = db::statistics(world.engine()).into_iter().any(|one| one.name == "recipe:top-players" && one.calls > 0);
        assert!(timed, "its times stand beside those of our own statements");
    }

    async fn each_recipe_has_its_own_entry_in_the_description(world: &World) {
        let ground = Ground::lay(world).await;
        let mut definition = top();
        definition["games"] = json!(["kart"]);
        ground.register("top-players", definition).await;
        let api = world.nobody().get("/openapi.json").await.expect(200);
        let entry = &api["paths"]["/v1/games/{game}/recipes/top-players"]["get"];
        assert_eq!(entry["operationId"], "recipes_run_top_players");
        assert_eq!(entry["parameters"][0]["schema"]["enum"], json!(["kart"]));
        assert_eq!((&entry["parameters"][1]["name"], &entry["parameters"][1]["schema"]["type"]), (&json!("level"), &json!("integer")));
        ground.operator.post("/v1/recipes/top-players/retire", json!({})).await.expect(200);
        let api = world.nobody().get("/openapi.json").await.expect(200);
        assert!(api["paths"].get("/v1/games/{game}/recipes/top-players").is_none());
    }

    async fn every_view_can_be_read_and_none_shows_another_game(world: &World) {
        let ground = Ground::lay(world).await;
        let views = ground.operator.get("/v1/recipe-views").await.expect(200);
        for view in views.as_array().unwrap() {
            let columns: Vec<&str> = view["columns"].as_array().unwrap().iter().map(|column| column["column"].as_str().unwrap()).collect();
            let name = format!("all-of-{}", view["view"].as_str().unwrap().replace('_', "-"));
            let sql = format!("select {} from {}", columns.join(", "), view["view"].as_str().unwrap());
            ground.register(&name, only(&sql)).await;
            let page = ground.key.get(&format!("/v1/games/kart/recipes/{name}")).await.expect(200);
            assert!(!page.to_string().contains("maple"), "{page}");
        }
    }

    async fn faults_of_a_definition_are_told_with_their_places(world: &World) {
        let ground = Ground::lay(world).await;
        let mut wrong = top();
        wrong["sql"] = json!("select level, player\nfrom playrs where level >= :level");
        let told = ground.refused(wrong).await;
        assert!(told["detail"].as_str().unwrap().contains("playrs"), "{told}");
        let mut wrong = top();
        wrong["order"] = json!(["score"]);
        assert_eq!(ground.refused(wrong).await["facts"]["faults"][0]["path"], "order[0]");
        let mut wrong = top();
        wrong["parameters"][0]["name"] = json!("cursor");
        assert_eq!(ground.refused(wrong).await["facts"]["faults"][0]["path"], "parameters[0].name");
        let mut wrong = top();
        wrong["games"] = json!(["nowhere"]);
        ground.operator.post("/v1/recipes", json!({ "recipe": "top", "definition": wrong })).await.refused("not-found");
        ground.operator.post("/v1/recipes", json!({ "recipe": "Top Players", "definition": top() })).await.refused("bad-text");
    }
}

fn small_tables_only(config: &mut Config) {
    config.teams.recipe_scan_rows_max = 10;
}

async fn large_tables_are_not_read_from_end_to_end(world: &World) {
    let ground = Ground::lay(world).await;
    let mut whole = json!({ "description": "by name", "sql": "select player from players where nickname = :name", "parameters": [{ "name": "name", "type": "text" }] });
    let told = ground.refused(whole.clone()).await;
    assert!(told["detail"].as_str().unwrap().contains("reads all of player_profile, which holds more than 10 rows"), "{told}");
    whole["allow_full_scan"] = json!(true);
    ground.register("by-name", whole).await;
    let mut found = only("select player, level from players where player = :player");
    found["parameters"] = json!([{ "name": "player", "type": "text" }]);
    found["allow_full_scan"] = json!(false);
    ground.register("one", found).await;
    assert_eq!(
        ground.key.get("/v1/games/kart/recipes/one?player=p0003").await.expect(200)["items"],
        json!([{ "player": "p0003", "level": 3 }])
    );
}

#[test]
fn large_tables_are_not_read_from_end_to_end_on_sqlite() {
    let start = |_| async { Some(World::start(small_tables_only, None).await) };
    World::run("scans", start, |world| Box::pin(large_tables_are_not_read_from_end_to_end(world)));
}

#[test]
fn large_tables_are_not_read_from_end_to_end_on_postgres() {
    let start = |name: String| async move {
        let url = testkit::fresh_postgres(&name).await?;
        Some(World::start(small_tables_only, Some(url)).await)
    };
    World::run("scans", start, |world| Box::pin(large_tables_are_not_read_from_end_to_end(world)));
}
