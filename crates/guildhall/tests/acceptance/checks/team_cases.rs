//! How each invariant of the team API is broken by SQL, and what stands there to be broken: a player with some of a currency, and a grant to two.

use super::corruptions::{Case, Stage, case};
use crate::acceptance::ground::{teamed, text};
use serde_json::json;
use testkit::{Person, World};

/// A team's things, and a grant to players p1 and p2 that is done; answers its id as hex digits.
pub(super) async fn granted(world: &World, boss: &Person) -> String {
    teamed(boss, "kart", world.db().now()).await;
    let made = boss.post("/v1/games/kart/grants", json!({ "currency": "LUCCI", "reason": "season 7" })).await.expect(201);
    let grant = text(&made["grant"]);
    let players = json!({ "players": [{ "player": "p1", "amount_minor": 5 }, { "player": "p2", "amount_minor": 6 }] });
    boss.post(&format!("/v1/games/kart/grants/{grant}/players"), players).await.expect(200);
    boss.post(&format!("/v1/games/kart/grants/{grant}/start"), json!({})).await.expect(202);
    world.app.teams.work_off_grants().await.unwrap();
    let definition = json!({ "description": "all", "sql": "select player from players", "order": ["player"] });
    boss.post("/v1/recipes", json!({ "recipe": "all", "definition": definition })).await.expect(201);
    boss.put("/v1/recipes/all", json!({ "definition": definition })).await.expect(200);
    super::hex(&grant)
}

fn sql(text: &'static str) -> String {
    text.to_owned()
}

fn held(_: &Stage) -> String {
    "kart/p1/LUCCI".to_owned()
}

fn recipe(_: &Stage) -> String {
    "all".to_owned()
}

fn second(_: &Stage) -> String {
    "kart/p1/LUCCI/2".to_owned()
}

fn grant(s: &Stage) -> String {
    s.grant.clone()
}

fn of_grant(s: &Stage, what: &str, table: &str, column: &str) -> String {
    format!("update {table} set {what} where {column} = {}", s.id(&s.grant))
}

pub(super) const CASES: &[Case] = &[
    case("teams.cash-is-the-sum-of-its-entries", |_| sql("update cash set balance = balance + 1 where player = 'p1'"), held),
    case("teams.cash-is-the-sum-of-its-entries", |_| sql("delete from cash where player = 'p1'"), held),
    case("teams.cash-seq-is-unbroken", |_| sql("update cash set seq = seq + 1 where player = 'p1'"), held),
    case("teams.cash-seq-is-unbroken", |_| sql("delete from cash_ledger where player = 'p1' and seq = 1"), held),
    case("teams.cash-balance-after-follows", |_| sql("update cash_ledger set balance_after = balance_after + 1 where seq = 2"), second),
    case("teams.cash-balance-after-follows", |_| sql("update cash_ledger set amount = amount + 1 where seq = 2"), second),
    case("teams.cash-has-its-currency", |_| sql("delete from game_currency"), |_| "kart/LUCCI".to_owned()),
    case("teams.grants-gave-to-each-once", |_| sql("delete from cash_ledger where player = 'p2'"), grant),
    case("teams.grants-gave-to-each-once", |s| of_grant(s, "done = done - 1", "cash_grant", "id"), grant),
    case(
        "teams.grants-gave-to-each-once",
        |_| {
            sql("insert into cash_ledger (game, player, currency, seq, amount, balance_after, counterparty, reason, reference, at)
                 select game, player, currency, seq + 1, amount, balance_after, counterparty, reason, reference, at from cash_ledger
                 where player = 'p2'")
        },
        grant,
    ),
    case("teams.grants-count-their-lists", |s| of_grant(s, "total = total + 1", "cash_grant", "id"), grant),
    case("teams.grants-count-their-lists", |s| of_grant(s, "refused = 1", "cash_grant", "id"), grant),
    case("teams.grants-count-their-lists", |s| of_grant(s, "place = place + 1", "cash_grant_row", "place = 2 and grant_id"), grant),
    case("teams.nicknames-are-found", |_| sql("update player_profile set nickname_key = null"), |_| "kart/p1".to_owned()),
    case("recipes.versions-are-unbroken", |_| sql("update recipe set version = 3"), recipe),
    case("recipes.versions-are-unbroken", |_| sql("delete from recipe_version where version = 1"), recipe),
    case("recipes.versions-are-unbroken", |_| sql("delete from recipe"), recipe),
];
