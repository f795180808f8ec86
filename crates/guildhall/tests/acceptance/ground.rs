//! What the tests of all routes stand on: one person who may do everything and owns one thing of each kind, and somebody else.
//! Refuses the limits on attempts: thousands of requests come from one address here.

use super::route::{May, Route};
use guildhall::Config;
use kernel::ProductId;
use serde_json::{Value, json};
use std::future::Future;
use std::pin::Pin;
use testkit::{Person, World};
use web::{Role, Roles};

/// The body limit of these worlds, in bytes.
pub(super) const BODY_LIMIT: usize = 64 << 10;
pub(super) const PASSWORD: &str = "correct horse battery";

/// Tests with [`roomy`] worlds, on SQLite and on Postgres; every invariant is checked after each.
macro_rules! roomy_engines {
    ($($(#[$attribute:meta])* async fn $name:ident($world:ident: &World) $body:block)+) => {$(
        mod $name {
            use super::*;

            async fn test($world: &World) $body

            $(#[$attribute])*
            #[test]
            fn on_sqlite() {
                $crate::acceptance::ground::on_sqlite(stringify!($name), |world| Box::pin(test(world)));
            }

            $(#[$attribute])*
            #[test]
            fn on_postgres() {
                $crate::acceptance::ground::on_postgres(stringify!($name), |world| Box::pin(test(world)));
            }
        }
    )+};
}
pub(super) use roomy_engines;

type Test = for<'w> fn(&'w World) -> Pin<Box<dyn Future<Output = ()> + 'w>>;

pub(super) fn on_sqlite(name: &str, test: Test) {
    World::run(name, |_| async { Some(World::start(roomy, None).await) }, test);
}

pub(super) fn on_postgres(name: &str, test: Test) {
    let start = |name: String| async move {
        let url = testkit::fresh_postgres(&name).await?;
        Some(World::start(roomy, Some(url)).await)
    };
    World::run(name, start, test);
}

/// A configuration that lets one address try as often as it likes, and takes small bodies only.
pub(super) fn roomy(config: &mut Config) {
    config.accounts.login_attempts_per_account_per_min = 1_000_000;
    config.accounts.login_attempts_per_address_per_min = 1_000_000;
    config.server.body_limit_bytes = BODY_LIMIT;
}

/// A signed-in person's session.
pub(super) struct SignedIn {
    pub(super) person: Person,
    pub(super) refresh_token: String,
}

/// Makes an account and signs it in over HTTP, so that its session can be ended.
pub(super) async fn signed_in(world: &World, email: &str, roles: &[Role]) -> SignedIn {
    let roles = roles.iter().fold(Roles::default().with(Role::Player), |set, role| set.with(*role));
    let id = world.app.accounts.create_user(email, PASSWORD, "Ada", roles).await.unwrap();
    let pair = world.nobody().post("/v1/sessions", json!({ "email": email, "password": PASSWORD })).await.expect(201);
    let person = world.as_person(id, roles).with_token(pair["access_token"].as_str().unwrap());
    SignedIn { person, refresh_token: text(&pair["refresh_token"]) }
}

/// The things that paths and bodies name.
pub(super) struct Ground {
    /// An admin, whose are the orders, payments and library below.
    pub(super) boss: Person,
    pub(super) boss_email: String,
    pub(super) refresh_token: String,
    /// A process of the fleet.
    fleet: Person,
    /// Another session of the boss.
    pub(super) session: String,
    /// Somebody else, with points.
    pub(super) victim: Person,
    pub(super) products: Vec<ProductId>,
    pub(super) limited: ProductId,
    pub(super) order_to_enter: String,
    pub(super) order_to_cancel: String,
    pub(super) order_of_two: String,
    pub(super) ready_payment: String,
    pub(super) paid_payment: String,
    pub(super) refund: String,
    pub(super) game: String,
    pub(super) key: String,
    pub(super) webhook: String,
    /// One that was given up.
    pub(super) delivery: String,
    /// A campaign that runs, in which player p1, who is the boss, has reached goals and claimed one.
    pub(super) campaign: String,
    pub(super) claim: String,
    pub(super) fulfilment: String,
    /// A registered recipe for every game.
    pub(super) recipe: String,
    /// What the game's team keeps: player p1 with some of the currency LUCCI, an open grant with a player on its list, a banner.
    pub(super) grant: String,
    pub(super) banner: String,
    pub(super) now: kernel::Instant,
}

/// Products by what they are for.
pub(super) const LISTED: usize = 0;
const WISHED: usize = 1;
const TO_ENTER: usize = 2;
const READY: usize = 3;
const REFUNDED: usize = 4;
const KEPT: usize = 5;
pub(super) const OWNED: usize = 6;
pub(super) const TO_DROP: usize = 7;
const BESIDE: usize = 8;
const TO_CANCEL: usize = 9;
pub(super) const TO_BUY: usize = 10;
pub(super) const TO_GRANT: usize = 11;
const PRODUCTS: usize = 12;

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

impl Ground {
    /// Who may call a route on this ground.
    pub(super) fn rightful(&self, route: &Route) -> &Person {
        if route.may == May::Fleet { &self.fleet } else { &self.boss }
    }

    pub(super) async fn lay(world: &World) -> Ground {
        let boss_email = "boss@example.org".to_owned();
        let SignedIn { person: boss, refresh_token, .. } = signed_in(world, &boss_email, &[Role::Admin]).await;
        let second = world.nobody().post("/v1/sessions", json!({ "email": boss_email, "password": PASSWORD })).await.expect(201);
        let victim = world.player().await;
        world.charge(&boss, 1_000_000).await;
        world.charge(&victim, 50_000).await;
        let mut products = Vec::new();
        for n in 0..PRODUCTS {
            let body = json!({ "name": format!("Game {n}"), "price_minor": 100, "genres": ["Action"] });
            products.push(ProductId(boss.post("/v1/products", body).await.expect(201)["product"].as_i64().unwrap()));
        }
        let limited = world.limited_product("Racer", 100, 10).await;
        boss.post(&format!("/v1/stocks/{limited}/decrease"), json!({ "quantity": 3 })).await.expect(200);

        boss.post("/v1/payments/buy", json!({ "products": [products[OWNED]] })).await.expect(201);
        let two = json!({ "products": [products[REFUNDED], products[KEPT]] });
        let paid_payment = text(&boss.post("/v1/payments/buy", two).await.expect(201)["payment"]);
        let refunds = format!("/v1/payments/{paid_payment}/refunds");
        let refund = text(&boss.post(&refunds, json!({ "products": [products[REFUNDED]] })).await.expect(201)["id"]);
        let order_of_two = order(&boss, &[products[TO_DROP], products[BESIDE]]).await;
        let order_to_cancel = order(&boss, &[products[TO_CANCEL]]).await;
        let order_to_enter = order(&boss, &[products[TO_ENTER]]).await;
        let entered = order(&boss, &[products[READY], limited]).await;
        let ready_payment = text(&boss.post("/v1/payments", json!({ "order": entered })).await.expect(201)["id"]);
        boss.post("/v1/wishlist", json!({ "product": products[WISHED] })).await.expect(201);

        let game = "kart".to_owned();
        boss.post("/v1/games", json!({ "id": game, "name": "Kart", "zone": "Asia/Seoul" })).await.expect(201);
        let asked = json!({ "name": "shop", "scopes": ["players:read"] });
        let key = text(&boss.post(&format!("/v1/games/{game}/keys"), asked).await.expect(201)["key"]);
        let (webhook, delivery) = webhook_with_delivery(world, &boss, &game).await;
        let (session, now) = (text(&second["session"]), world.db().now());
        let played = played(world, &boss, &game, now).await;
        let (grant, banner) = teamed(&boss, &game, now).await;
        let recipe = "first".to_owned();
        boss.post("/v1/recipes", json!({ "recipe": recipe, "definition": self::recipe() })).await.expect(201);
        let fleet = registry::FleetToken::derive(world.secrets.token_key().reveal());
        Ground {
            boss,
            boss_email,
            fleet: world.nobody().with_token(fleet.reveal()),
            refresh_token,
            session,
            victim,
            products,
            limited,
            order_to_enter,
            order_to_cancel,
            order_of_two,
            ready_payment,
            paid_payment,
            refund,
            game,
            key,
            webhook,
            delivery,
            campaign: played.campaign,
            claim: played.claim,
            fulfilment: played.fulfilment,
            grant,
            banner,
            recipe,
            now,
        }
    }
}

/// A recipe: one player of a game.
pub(super) fn recipe() -> Value {
    json!({
        "description": "One player", "sql": "select player, level from players where player = :player",
        "parameters": [{ "name": "player", "type": "text" }], "order": ["player"],
    })
}

/// What a team keeps of its game; answers the ids of an open grant and of a draft of a banner.
pub(super) async fn teamed(boss: &Person, game: &str, now: kernel::Instant) -> (String, String) {
    let path = format!("/v1/games/{game}");
    boss.put(&format!("{path}/players"), json!({ "players": [{ "player": "p1", "nickname": "Dao", "level": 37 }] })).await.expect(200);
    boss.put(&format!("{path}/currencies/LUCCI"), json!({ "name": "Lucci" })).await.expect(200);
    let credit = json!({ "amount_minor": 1_000, "reason": "attendance" });
    boss.post(&format!("{path}/players/p1/currencies/LUCCI/credits"), credit).await.expect(200);
    let grant = boss.post(&format!("{path}/grants"), json!({ "currency": "LUCCI", "reason": "season 7" })).await.expect(201);
    let grant = text(&grant["grant"]);
    boss.post(&format!("{path}/grants/{grant}/players"), json!({ "players": [{ "player": "p1", "amount_minor": 5 }] })).await.expect(200);
    let banner = boss.post(&format!("{path}/banners"), banner(now)).await.expect(201);
    (grant, text(&banner["banner"]))
}

/// Some of a currency.
pub(super) fn cash(_: &Ground) -> Value {
    json!({ "amount_minor": 5, "reason": "attendance", "reference": "day-7" })
}

/// A banner of the lobby that has begun.
pub(super) fn banner(now: kernel::Instant) -> Value {
    let content = json!({ "image": "https://cdn.example/en.png", "link": "kartrider://shop", "text": "Season 7" });
    json!({ "placement": "lobby", "priority": 1, "starts_at": now, "fallback": "en", "contents": { "en": content } })
}

/// Makes a webhook that nobody listens at, with a test event that was given up; answers both ids.
pub(super) async fn webhook_with_delivery(world: &World, boss: &Person, game: &str) -> (String, String) {
    // Port 1 is nobody's; the address is allowed in tests.
    let asked = json!({ "url": "https://127.0.0.1:1/", "topics": ["fulfilment.created"] });
    let webhook = text(&boss.post(&format!("/v1/games/{game}/webhooks"), asked).await.expect(201)["webhook"]);
    let delivery = boss.post(&format!("/v1/games/{game}/webhooks/{webhook}/test"), json!({})).await.expect(202);
    assert_eq!(world.app.webhooks.drain_once().await.unwrap(), 0, "it is tried once and given up");
    (webhook, text(&delivery["delivery"]))
}

/// Wishes for products and orders them; answers the order's id.
pub(super) async fn order(player: &Person, products: &[ProductId]) -> String {
    for product in products {
        player.post("/v1/wishlist", json!({ "product": product })).await.expect(201);
    }
    text(&player.post("/v1/orders", json!({})).await.expect(201)["id"])
}

/// A campaign with what a player has reached in it.
pub(super) struct Played {
    pub(super) campaign: String,
    pub(super) claim: String,
    pub(super) fulfilment: String,
}

/// A campaign that asks for opting in and runs for a month.
pub(super) fn campaign(game: &str, now: kernel::Instant, id: &str) -> Value {
    let day = 24 * kernel::time::HOUR_US;
    let now = kernel::Instant(now.unix_seconds() * kernel::time::SECOND_US);
    let goal = |id: &str, rewards: Value| json!({ "id": id, "title": "Ten plays", "condition": { "measure": "count", "on": ["play"], "target": 10 }, "rewards": rewards });
    json!({
        "id": id, "game": game, "title": "Plays", "zone": "Asia/Seoul", "opt_in": true,
        "period": { "starts": now.plus_us(-day), "ends": now.plus_us(30 * day) },
        "budget": { "points_total": 1_000_000, "grants_per_day": 1_000 },
        "goals": [goal("ten", json!([{ "points": 100 }])), goal("wheel", json!([{ "item": "wheel", "quantity": 2 }]))],
    })
}

/// Puts a mapping in force, registers a campaign that began a day before `now`, links player p1 to the boss, lets them reach both goals and claims the item.
pub(super) async fn played(world: &World, boss: &Person, game: &str, now: kernel::Instant) -> Played {
    let mapping: Value = serde_json::from_str(rules::preset("kartrider").unwrap()).unwrap();
    boss.put(&format!("/v1/games/{game}/mapping"), json!({ "mapping": mapping })).await.expect(200);
    let id = "ten-plays";
    let document = campaign(game, now, id);
    boss.post(&format!("/v1/games/{game}/campaigns"), json!({ "campaign": document })).await.expect(201);
    boss.put(&format!("/v1/games/{game}/players/p1/link"), json!({ "link_to": boss.id })).await.expect(200);
    let mut state = Vec::new();
    rules::PlayerState::default().encode(&mut state);
    let state: String = state.iter().map(|byte| format!("{byte:02x}")).collect();
    let state = match world.engine() {
        db::Engine::Sqlite => format!("x'{state}'"),
        db::Engine::Postgres => format!("'\\x{state}'::bytea"),
    };
    let now = now.0;
    let mut reached =
        format!("insert into player_state (game, player, version, state, changed_at) values ('{game}', 'p1', 1, {state}, {now});");
    for goal in 0..2 {
        reached += &format!(
            "insert into achievement (game, player, number, lineage, goal, period, n, version, cause, achieved_at, recorded_at)
             values ('{game}', 'p1', 1, 1, {goal}, 0, 1, 1, 7, {now}, {now});
             insert into goal_matched (game, number, lineage, goal, part, matched, reached) values ('{game}', 1, 1, {goal}, 0, 10, 1);"
        );
    }
    world.db().plain(&reached).await.unwrap();
    let claims = format!("/v1/games/{game}/campaigns/{id}/players/p1/goals/wheel/claims");
    let claimed = boss.post(&claims, json!({})).await.expect(200);
    let claim = &claimed["claims"][0];
    Played { campaign: id.to_owned(), claim: text(&claim["claim"]), fulfilment: text(&claim["rewards"][0]["fulfilment"]) }
}
