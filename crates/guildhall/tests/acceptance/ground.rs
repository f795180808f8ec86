//! What the tests of all routes stand on: one person who may do everything and owns one thing of each kind, and somebody else.
//! Refuses the limits on attempts: thousands of requests come from one address here.

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
        let (session, now) = (text(&second["session"]), world.db().now());
        Ground {
            boss,
            boss_email,
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
            now,
        }
    }
}

/// Wishes for products and orders them; answers the order's id.
pub(super) async fn order(player: &Person, products: &[ProductId]) -> String {
    for product in products {
        player.post("/v1/wishlist", json!({ "product": product })).await.expect(201);
    }
    text(&player.post("/v1/orders", json!({})).await.expect(201)["id"])
}
