//! How each invariant of campaigns and of the stream is broken by SQL, and what stands there to be broken: claims of points, of an item and of a product.

use super::corruptions::{Case, Stage, case};
use crate::acceptance::ground::{campaign, played, text};
use kernel::ProductId;
use serde_json::json;
use testkit::{Person, World};

/// Claims and what stands behind them, ids as hex digits.
pub(super) struct Claimed {
    pub(super) points: String,
    pub(super) item: String,
    pub(super) product: String,
    pub(super) fulfilment: String,
    pub(super) gift: ProductId,
}

/// Player p1, who is the boss, claims one of each kind of reward.
pub(super) async fn claimed(world: &World, boss: &Person, gift: ProductId) -> Claimed {
    let played = played(world, boss, "kart", world.db().now()).await;
    let mut document = campaign("kart", world.db().now(), &played.campaign);
    let first = boss.get(&format!("/v1/games/kart/campaigns/{}", played.campaign)).await.expect(200);
    document["period"] = first["document"]["period"].clone();
    let condition = json!({ "measure": "count", "on": ["login"], "target": 1 });
    let goal = json!({ "id": "gift", "title": "A gift", "condition": condition, "rewards": [{ "product": gift }] });
    document["goals"].as_array_mut().unwrap().push(goal);
    let path = format!("/v1/games/kart/campaigns/{}", played.campaign);
    boss.put(&path, json!({ "campaign": document, "policy": "keep" })).await.expect(200);
    let now = world.db().now().0;
    let reached = format!(
        "insert into achievement (game, player, number, lineage, goal, period, n, version, cause, achieved_at, recorded_at)
         values ('kart', 'p1', 1, 1, 2, 0, 1, 2, 7, {now}, {now});
         insert into goal_matched (game, number, lineage, goal, part, matched, reached) values ('kart', 1, 1, 2, 0, 1, 1);"
    );
    world.db().plain(&reached).await.unwrap();
    let mut ids = Vec::new();
    for goal in ["ten", "gift"] {
        let claim = boss.post(&format!("{path}/players/p1/goals/{goal}/claims"), json!({})).await.expect(200);
        ids.push(super::hex(&text(&claim["claims"][0]["claim"])));
    }
    let product = ids.pop().unwrap();
    let points = ids.pop().unwrap();
    Claimed { points, item: super::hex(&played.claim), product, fulfilment: super::hex(&played.fulfilment), gift }
}

fn sql(text: &'static str) -> String {
    text.to_owned()
}

fn ten(_: &Stage) -> String {
    "kart/p1/1/0/0/1".to_owned()
}

fn whole_campaign(_: &Stage) -> String {
    "kart/ten-plays".to_owned()
}

fn points(s: &Stage) -> String {
    s.claimed.points.clone()
}

fn first_of_points(s: &Stage) -> String {
    format!("{}/0", s.claimed.points)
}

fn first_of_item(s: &Stage) -> String {
    format!("{}/0", s.claimed.item)
}

fn points_in_all(_: &Stage) -> String {
    "kart/1/points/-1".to_owned()
}

/// A dead letter at offset 5 of a partition that nobody reads, or of one that is read.
fn letter(s: &Stage, partition: i64, state: &str) -> String {
    let raw = s.id("00");
    format!(
        "insert into log_partition (topic, partition, game, topic_id, epoch, next, changed_at) values ('logs.kart', 6, 'kart', {raw}, 1, 9, 1);
         insert into dead_letter (topic, partition, log_offset, game, reason, detail, raw, length, recorded_at, state)
         values ('logs.kart', {partition}, 5, 'kart', 'not_json', 'x', {raw}, 1, 3600000001, '{state}')"
    )
}

fn hour(_: &Stage) -> String {
    "kart/1".to_owned()
}

pub(super) const CASES: &[Case] = &[
    case("stream.dead-letters-have-a-partition", |s| letter(s, 7, "kept"), |_| "logs.kart/7/5".to_owned()),
    case("stream.dead-letters-have-a-partition", |s| letter(s, 6, "lost"), |_| "logs.kart/6/5".to_owned()),
    case("stream.kept-letters-are-counted", |_| sql("insert into dead_letter_hour (game, hour, kept) values ('kart', 1, 1)"), hour),
    case("stream.kept-letters-are-counted", |_| sql("insert into dead_letter_hour (game, hour, kept) values ('kart', 1, 1001)"), hour),
    case("stream.kept-letters-are-there", |_| sql("insert into dead_letter_hour (game, hour, kept) values ('kart', 1, 1)"), hour),
    case("campaigns.versions-are-unbroken", |_| sql("update campaign set version = version + 1"), whole_campaign),
    case("campaigns.versions-are-unbroken", |_| sql("delete from campaign_version where version = 1"), whole_campaign),
    case("campaigns.versions-are-unbroken", |_| sql("delete from game_campaigns"), whole_campaign),
    case("campaigns.achievements-name-the-version-that-judged-them", |_| sql("update achievement set version = 99 where goal = 0"), ten),
    case("campaigns.achievements-name-the-version-that-judged-them", |_| sql("update achievement set lineage = 2 where goal = 0"), ten),
    case("campaigns.no-achievement-without-state", |_| sql("delete from player_state"), |_| "kart/p1".to_owned()),
    case("campaigns.no-achievement-without-state", |_| sql("update player_state set version = 0"), |_| "kart/p1".to_owned()),
    case("campaigns.each-claim-has-its-achievement", |_| sql("delete from achievement where goal = 0"), points),
    case("campaigns.each-claim-has-its-achievement", |_| sql("update achievement set auto_at = 1 where goal = 0"), points),
    case("campaigns.each-claim-has-its-achievement", |_| sql("update claim set state = 'clawed_back' where goal = 0"), points),
    case("campaigns.each-claim-has-its-achievement", |_| sql("delete from claim where goal = 0"), points),
    case("campaigns.granted-points-are-in-the-ledger-once", |_| sql("delete from claim_reward where kind = 'points'"), first_of_points),
    case(
        "campaigns.granted-points-are-in-the-ledger-once",
        |_| sql("update claim_reward set amount = 1 where kind = 'points'"),
        first_of_points,
    ),
    case(
        "campaigns.granted-points-are-in-the-ledger-once",
        |_| sql("update claim_reward set taken_back = 1 where kind = 'points'"),
        first_of_points,
    ),
    case("campaigns.granted-points-are-in-the-ledger-once", |_| sql("delete from ledger where reason = 'reward'"), first_of_points),
    case(
        "campaigns.granted-products-are-owned",
        |_| sql("delete from library where source = 'reward'"),
        |s| format!("{}/0", s.claimed.product),
    ),
    case(
        "campaigns.each-rewarded-product-has-its-claim",
        |_| sql("delete from claim_reward where kind = 'product'"),
        |s| format!("{}/{}", s.boss, s.claimed.gift),
    ),
    case("campaigns.each-item-has-one-fulfilment", |_| sql("delete from fulfilment"), first_of_item),
    case("campaigns.each-item-has-one-fulfilment", |_| sql("update fulfilment set quantity = 3"), first_of_item),
    case(
        "campaigns.each-item-has-one-fulfilment",
        |_| sql("update fulfilment set fulfil_by = 'webhook', state = 'acknowledged'"),
        |s| s.claimed.fulfilment.clone(),
    ),
    case(
        "campaigns.budgets-are-the-sum-of-grants",
        |_| sql("update budget set spent = spent + 1 where unit = 'points' and day = -1"),
        points_in_all,
    ),
    case(
        "campaigns.budgets-are-the-sum-of-grants",
        |_| sql("delete from budget where unit = 'grants' and day = -1"),
        |_| "kart/1/grants/-1".to_owned(),
    ),
    case(
        "campaigns.no-budget-is-overdrawn",
        |_| sql("update budget set spent = 2000000 where unit = 'points' and day = -1"),
        points_in_all,
    ),
    case("campaigns.counts-cover-achievements", |_| sql("delete from goal_matched where goal = 0"), |_| "kart/1/1/0".to_owned()),
];
