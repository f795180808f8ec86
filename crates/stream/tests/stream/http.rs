//! The routes, with their tokens.

use crate::both::both_engines;
use crate::ground::{GAME, Ground, KEYED, campaign, letters, plays, register};
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use kernel::SessionId;
use std::time::Duration;
use stream::Stream;
use tower::ServiceExt as _;
use web::{Edge, Role, Roles, Who};

fn router(ground: &Ground, stream: &Stream) -> axum::Router {
    let (router, _) = stream.routes().split_for_parts();
    let edge = Edge::new(ground.tokens.clone(), Duration::from_secs(30));
    router.layer(axum::middleware::from_fn_with_state(edge, web::edge))
}

async fn call(
    ground: &Ground,
    stream: &Stream,
    roles: &[Role],
    request: axum::http::request::Builder,
    body: Vec<u8>,
) -> (StatusCode, serde_json::Value) {
    let roles = roles.iter().fold(Roles::default().with(Role::Player), |set, role| set.with(*role));
    let email = format!("{}@example.org", kernel::Uuid::now_v7());
    let user = ground.accounts.create_user(&email, "correct horse battery", "Ada", roles).await.unwrap();
    let token = ground.tokens.issue(&Who { user, session: SessionId::new(), roles });
    let request = request.header("authorization", format!("Bearer {token}")).body(Body::from(body)).unwrap();
    let answer = router(ground, stream).oneshot(request).await.unwrap();
    let status = answer.status();
    let body = to_bytes(answer.into_body(), 1 << 24).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

both_engines! {
    async fn logs_come_in_by_http_and_dead_letters_are_listed(ground: &Ground) {
        ground.register(KEYED, &[campaign(10)]).await;
        let stream = ground.stream().await;
        let mut body: Vec<u8> = plays(20, 10).iter().flat_map(|(_, line)| [line.as_bytes(), b"\n"].concat()).collect();
        body.extend(b"{broken\n");
        body.extend(std::iter::repeat_n(b'x', 5 << 20));
        let packed = zstd::encode_all(&body[..], 1).unwrap();
        let post = || Request::post("/v1/games/kart/logs").header("content-encoding", "zstd");
        let (status, told) = call(ground, &stream, &[Role::Operator], post(), packed.clone()).await;
        assert_eq!((status, told["accepted"].as_u64(), told["too_long"].as_u64()), (StatusCode::OK, Some(206), Some(1)), "{told}");
        let (status, _) = call(ground, &stream, &[], post(), packed).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        ground.until_read().await;
        assert_eq!(letters(&ground.db).await, 2);

        let list = || Request::get("/v1/games/kart/dead-letters?size=1");
        let (status, page) = call(ground, &stream, &[Role::Operator], list(), Vec::new()).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let next = page["next"].as_str().expect("there is a second one");
        let second = Request::get(format!("/v1/games/kart/dead-letters?size=1&cursor={next}"));
        let (_, second) = call(ground, &stream, &[Role::Operator], second, Vec::new()).await;
        let mut reasons = [&page, &second].map(|page| page["items"][0]["reason"].as_str().unwrap().to_owned());
        reasons.sort_unstable();
        assert_eq!(reasons, ["not_json", "too_large"]);
        assert!(second["next"].is_null());
        let (_, counts) = call(ground, &stream, &[Role::Operator], Request::get("/v1/games/kart/dead-letters/counts"), Vec::new()).await;
        assert_eq!(counts.as_array().unwrap().len(), 2, "{counts}");
        let (_, partitions) = call(ground, &stream, &[Role::Operator], Request::get("/v1/games/kart/partitions"), Vec::new()).await;
        assert_eq!(partitions.as_array().unwrap().len(), 4, "{partitions}");
        assert!(partitions.as_array().unwrap().iter().all(|one| one["worker"]["phase"] == "reading"), "{partitions}");

        let explain = Request::get("/v1/games/kart/campaigns/ten/players/p3/explain");
        let (status, told) = call(ground, &stream, &[Role::Operator], explain, Vec::new()).await;
        assert_eq!((status, told["events_total"].as_u64()), (StatusCode::OK, Some(12)), "ten plays and two repeats: {told}");
        let draft = serde_json::json!({ "campaign": serde_json::from_str::<serde_json::Value>(&campaign(5)).unwrap() }).to_string();
        let backtest = Request::post("/v1/games/kart/campaigns/backtest").header("content-type", "application/json");
        let (status, told) = call(ground, &stream, &[Role::Operator], backtest, draft.into_bytes()).await;
        assert_eq!((status, told["goals"][0]["players"].as_u64()), (StatusCode::OK, Some(20)), "{told}");
        stream.stop().await;
    }

    async fn lines_are_taken_as_soon_as_the_first_mapping_of_their_game_is_saved(ground: &Ground) {
        let stream = ground.stream().await;
        let body = || plays(5, 4).iter().flat_map(|(_, line)| [line.as_bytes(), b"\n"].concat()).collect::<Vec<u8>>();
        let post = || Request::post("/v1/games/kart/logs");
        let (status, told) = call(ground, &stream, &[Role::Operator], post(), body()).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "nobody knows what the lines of no game mean: {told}");
        register(&ground.db, GAME, KEYED, &[campaign(10)]).await;
        let (status, told) = call(ground, &stream, &[Role::Operator], post(), body()).await;
        assert_eq!((status, told["accepted"].as_u64()), (StatusCode::OK, Some(plays(5, 4).len() as u64)), "{told}");
        ground.until_read().await;
        stream.stop().await;
    }
}
