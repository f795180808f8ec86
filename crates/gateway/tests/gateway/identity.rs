//! Who a request is from, as services behind the gateway learn it.

use crate::ground::{Ground, instance, policy, tokens};
use crate::upstream::Upstream;
use gateway::Route;
use kernel::{SessionId, UserId};
use web::{PASSED, Role, Roles, Who};

fn someone() -> Who {
    Who { user: UserId::new(), session: SessionId::new(), roles: Roles::default().with(Role::Player) }
}

#[tokio::test]
async fn a_token_is_verified_once_and_passed_on_signed() {
    let upstream = Upstream::start().await;
    let ground = Ground::start(policy(), &[&upstream]).await;
    let who = someone();
    ground.http.get(ground.url("/x")).bearer_auth(tokens().issue(&who)).send().await.unwrap();
    let passed = tokens().passed(&upstream.headers()).expect("the service believes it");
    assert_eq!(passed.who, Some(who));
    assert_eq!(passed.address, Some("127.0.0.1".parse().unwrap()));
    let mut other = upstream.headers();
    other.insert("x-request-id", "another".parse().unwrap());
    assert_eq!(tokens().passed(&other), None, "it is for this request alone");
}

#[tokio::test]
async fn a_session_that_was_ended_is_not_believed_by_a_service_that_knows() {
    let upstream = Upstream::start().await;
    let ground = Ground::start(policy(), &[&upstream]).await;
    let who = someone();
    ground.http.get(ground.url("/x")).bearer_auth(tokens().issue(&who)).send().await.unwrap();
    let service = tokens();
    service.add_ended(&[who.session]);
    assert_eq!(service.passed(&upstream.headers()).expect("the address is believed").who, None);
    assert!(upstream.headers().contains_key("authorization"), "the token itself is there to be refused");
}

#[tokio::test]
async fn what_a_client_claims_to_have_passed_is_taken_away() {
    let upstream = Upstream::start().await;
    let ground = Ground::start(policy(), &[&upstream]).await;
    let who = someone();
    let forged = tokens().pass(&web::Passed { who: Some(who), address: None }, b"abc-1");
    let names = [PASSED, "X-Guildhall-Passed", "x_guildhall_passed", "x-guildhall_passed", "x-guildhall-user"];
    for name in names {
        let request = ground.http.get(ground.url("/x")).header("x-request-id", "abc-1").header(name, forged.clone());
        request.send().await.unwrap();
        let headers = upstream.headers();
        assert_eq!(headers.get_all(PASSED).iter().count(), 1, "{name}");
        assert_eq!(tokens().passed(&headers).expect("ours").who, None, "{name}");
        assert!(headers.keys().all(|key| key == PASSED || !key.as_str().replace('_', "-").starts_with("x-guildhall")), "{name}");
    }
}

#[tokio::test]
async fn a_token_that_is_not_valid_and_an_api_key_are_left_to_the_service() {
    let upstream = Upstream::start().await;
    let ground = Ground::start(policy(), &[&upstream]).await;
    for bearer in ["nonsense", "gk_abcdef"] {
        ground.http.get(ground.url("/x")).bearer_auth(bearer).send().await.unwrap();
        let headers = upstream.headers();
        assert_eq!(headers["authorization"], format!("Bearer {bearer}"));
        assert_eq!(tokens().passed(&headers).expect("ours").who, None);
    }
}

#[tokio::test]
async fn a_foreign_service_gets_neither_identity_nor_tokens_of_ours() {
    let upstream = Upstream::start().await;
    let ground = Ground::with(policy(), vec![Route::to("/", "old").foreign()], vec![instance("old", "o", upstream.address)], None).await;
    ground.http.get(ground.url("/x")).bearer_auth(tokens().issue(&someone())).send().await.unwrap();
    assert!(!upstream.headers().contains_key(PASSED) && !upstream.headers().contains_key("authorization"));
    ground.http.get(ground.url("/x")).bearer_auth("its-own").send().await.unwrap();
    assert_eq!(upstream.headers()["authorization"], "Bearer its-own");
}
