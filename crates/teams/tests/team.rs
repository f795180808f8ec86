//! The team API over HTTP, on both engines. Leaves recipes to tests of their own, and who may call what to the tests of all routes.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

#[path = "team/banners.rs"]
mod banners;
#[path = "team/currencies.rs"]
mod currencies;
#[path = "team/grants.rs"]
mod grants;
#[path = "team/keys.rs"]
mod keys;
#[path = "team/players.rs"]
mod players;

use testkit::{Person, World};
use web::Role;

/// A game with an operator and a key that may do everything the team API has.
async fn kart(world: &World) -> (Person, Person) {
    let operator = world.person(&[Role::Operator]).await;
    operator.post("/v1/games", serde_json::json!({ "id": "kart", "name": "Kart", "zone": "Asia/Seoul" })).await.expect(201);
    let scopes = ["players:read", "players:write", "currencies:read", "currencies:write", "banners:read", "banners:write", "claims:write"];
    let key = world.key(&operator, "kart", &scopes).await;
    (operator, key)
}
