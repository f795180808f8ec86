//! A sale's crowd at two gateways: whose turn it is, and that nobody else waits.

use crate::ground::{Ground, policy, tokens};
use crate::upstream::Upstream;
use gateway::{Guard, RoomTerms, TICKET};
use kernel::{Instant, SessionId, UserId};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use web::{Roles, Who};

#[expect(clippy::disallowed_methods, reason = "gateways open a sale by the machine's clock")]
fn seconds_from_now(seconds: i64) -> Instant {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap();
    Instant(now + seconds * 1_000_000)
}

fn room(opens: Instant, admit_per_s: u32) -> RoomTerms {
    let guard = Guard { method: "POST".to_owned(), path: "/v1/payments/buy".to_owned(), products: vec!["4711".parse().unwrap()] };
    RoomTerms {
        name: "winter".to_owned(),
        guards: vec![guard],
        from: seconds_from_now(-3_600),
        opens,
        until: seconds_from_now(3_600),
        admit_per_s,
        admitted: Duration::from_secs(60),
    }
}

async fn buy(ground: &Ground, token: &str, ticket: Option<&str>, product: u32) -> (u16, Option<String>, Value) {
    let mut request = ground.http.post(ground.url("/v1/payments/buy")).bearer_auth(token).json(&json!({ "products": [product] }));
    if let Some(ticket) = ticket {
        request = request.header(TICKET, ticket);
    }
    let answer = request.send().await.unwrap();
    let ticket = answer.headers().get(TICKET).map(|ticket| ticket.to_str().unwrap().to_owned());
    (answer.status().as_u16(), ticket, answer.json().await.unwrap())
}

fn token() -> String {
    tokens().issue(&Who { user: UserId::new(), session: SessionId::new(), roles: Roles::default() })
}

#[tokio::test]
async fn whoever_waits_at_one_gateway_is_let_in_by_the_other_when_it_is_their_turn() {
    let upstream = Upstream::start().await;
    let mut policy = policy();
    policy.rooms = vec![room(seconds_from_now(-10), 1)];
    let (here, there) = (Ground::start(policy.clone(), &[&upstream]).await, Ground::start(policy, &[&upstream]).await);
    assert_eq!(buy(&here, &token(), None, 4711).await.0, 200, "the first goes in");
    let waiting = token();
    let (status, ticket, told) = buy(&here, &waiting, None, 4711).await;
    assert_eq!((status, told["code"].as_str()), (429, Some("in-line")));
    assert_eq!(told["facts"]["ticket"].as_str(), ticket.as_deref());
    assert!(told["facts"]["wait_s"].as_i64().unwrap() <= 1 && told["facts"]["ahead"].is_u64(), "{told}");
    let until = std::time::Instant::now() + Duration::from_secs(10);
    let mut answer = buy(&there, &waiting, ticket.as_deref(), 4711).await;
    while answer.0 == 429 && std::time::Instant::now() < until {
        assert_eq!(answer.1, ticket, "the place stays the same");
        answer = buy(&there, &waiting, ticket.as_deref(), 4711).await;
    }
    assert_eq!(answer.0, 200);
    assert_eq!(buy(&here, &waiting, ticket.as_deref(), 4711).await.0, 200, "and may act for a while");
    assert!(!upstream.headers().contains_key(TICKET));
}

#[tokio::test]
async fn a_ticket_of_someone_else_is_worth_nothing() {
    let upstream = Upstream::start().await;
    let mut policy = policy();
    policy.rooms = vec![room(seconds_from_now(-10), 1)];
    let ground = Ground::start(policy, &[&upstream]).await;
    let (_, ticket, _) = buy(&ground, &token(), None, 4711).await;
    let thief = token();
    assert_eq!(buy(&ground, &thief, ticket.as_deref(), 4711).await.0, 429);
}

#[tokio::test]
async fn a_room_guards_its_products_alone_and_nobody_without_a_token() {
    let upstream = Upstream::start().await;
    let mut policy = policy();
    policy.rooms = vec![room(seconds_from_now(600), 1)];
    let ground = Ground::start(policy, &[&upstream]).await;
    let (status, ticket, told) = buy(&ground, &token(), None, 4711).await;
    assert_eq!((status, told["code"].as_str()), (429, Some("in-line")));
    assert!(ticket.is_some() && told["facts"]["wait_s"].as_i64().unwrap() > 500, "{told}");
    assert_eq!(buy(&ground, &token(), None, 4712).await.0, 200);
    assert_eq!(buy(&ground, "nonsense", None, 4711).await.0, 401);
    assert_eq!(ground.get("/v1/payments/buy").await, 200);
    assert_eq!(upstream.requests(), 2);
}
