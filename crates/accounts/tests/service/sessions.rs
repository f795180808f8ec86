//! Logins, refreshes, ends of sessions and limits.

use crate::ground::{PASSWORD, grounds, keys, policy, refused};
use accounts::Policy;
use db::Meta;
use kernel::Code;

#[tokio::test]
async fn wrong_passwords_and_unknown_addresses_are_told_the_same() {
    for ground in grounds().await {
        ground.player("jane@example.com").await;
        let told =
            async |email, password| ground.accounts.log_in(Meta::ours("login"), None, email, password).await.unwrap_err().to_string();
        assert_eq!(told("jane@example.com", "wrong horse").await, told("nobody@example.com", PASSWORD).await);
        ground.end().await;
    }
}

#[tokio::test]
async fn a_refresh_token_works_once_and_the_second_time_ends_the_session() {
    for ground in grounds().await {
        ground.player("jane@example.com").await;
        let (first, who) = ground.log_in("jane@example.com").await;
        let second = ground.accounts.refresh(Meta::ours("refresh"), &first.refresh_token).await.unwrap();
        assert_eq!(second.session, who.session);
        assert_eq!(refused(ground.accounts.refresh(Meta::ours("refresh"), &first.refresh_token).await), Code::Unauthenticated);
        assert!(ground.tokens.verify(&second.access_token).is_err(), "the session is over, at once");
        assert_eq!(refused(ground.accounts.refresh(Meta::ours("refresh"), &second.refresh_token).await), Code::Unauthenticated);
        let sessions = ground.accounts.sessions(who.user, None, None).await.unwrap();
        assert!(sessions.items[0].ended_at.is_some());
        ground.end().await;
    }
}

#[tokio::test]
async fn a_made_up_refresh_token_ends_nothing() {
    for ground in grounds().await {
        ground.player("jane@example.com").await;
        let (signed, _) = ground.log_in("jane@example.com").await;
        // The session's id is no secret: with it alone nobody ends the session.
        let made_up = format!("{}{}", &signed.refresh_token[..22], "A".repeat(signed.refresh_token.len() - 22));
        for token in [made_up.as_str(), "", "not a token", &signed.access_token] {
            assert_eq!(refused(ground.accounts.refresh(Meta::ours("refresh"), token).await), Code::Unauthenticated);
        }
        ground.accounts.refresh(Meta::ours("refresh"), &signed.refresh_token).await.unwrap();
        ground.end().await;
    }
}

#[tokio::test]
async fn one_refresh_token_used_by_many_at_once_gives_at_most_one_pair() {
    for ground in grounds().await {
        ground.player("jane@example.com").await;
        let (signed, _) = ground.log_in("jane@example.com").await;
        let tries: Vec<_> = (0..16)
            .map(|_| {
                let (accounts, token) = (ground.accounts.clone(), signed.refresh_token.clone());
                tokio::spawn(async move { accounts.refresh(Meta::ours("refresh"), &token).await })
            })
            .collect();
        let mut pairs = Vec::new();
        for tried in tries {
            pairs.extend(tried.await.unwrap().ok());
        }
        assert_eq!(pairs.len(), 1);
        assert_eq!(
            refused(ground.accounts.refresh(Meta::ours("refresh"), &pairs[0].refresh_token).await),
            Code::Unauthenticated,
            "it was used twice"
        );
        ground.end().await;
    }
}

#[tokio::test]
async fn a_repeated_login_key_is_told_that_it_was_done() {
    for ground in grounds().await {
        ground.player("jane@example.com").await;
        let meta = || Meta { key: "k1".to_owned(), ..Meta::ours("login") };
        ground.accounts.log_in(meta(), None, "jane@example.com", PASSWORD).await.unwrap();
        assert_eq!(refused(ground.accounts.log_in(meta(), None, "jane@example.com", PASSWORD).await), Code::AlreadyDone);
        ground.end().await;
    }
}

#[tokio::test]
async fn a_logout_ends_the_session_here_at_once_and_elsewhere_when_it_is_heard_of() {
    for ground in grounds().await {
        ground.player("jane@example.com").await;
        let ((signed, who), (other, _)) = (ground.log_in("jane@example.com").await, ground.log_in("jane@example.com").await);
        let (their_tokens, theirs) = ground.neighbour(keys(), policy()).await;
        ground.accounts.end_session(Meta::of(who.user, "logout"), who.user, who.session).await.unwrap();
        assert!(ground.tokens.verify(&signed.access_token).is_err());
        assert!(their_tokens.verify(&signed.access_token).is_ok(), "they have not heard yet");
        theirs.refresh_ended().await.unwrap();
        assert!(their_tokens.verify(&signed.access_token).is_err());
        assert!(their_tokens.verify(&other.access_token).is_ok());
        ground.accounts.refresh_ended().await.unwrap();
        assert!(ground.tokens.verify(&signed.access_token).is_err());
        assert_eq!(refused(ground.accounts.refresh(Meta::ours("refresh"), &signed.refresh_token).await), Code::Unauthenticated);
        ground.end().await;
    }
}

#[tokio::test]
async fn nobody_ends_the_session_of_another() {
    for ground in grounds().await {
        let john = ground.player("john@example.com").await;
        ground.player("jane@example.com").await;
        let (signed, who) = ground.log_in("jane@example.com").await;
        assert_eq!(refused(ground.accounts.end_session(Meta::of(john, "logout"), john, who.session).await), Code::NotFound);
        assert!(ground.tokens.verify(&signed.access_token).is_ok());
        ground.end().await;
    }
}

#[tokio::test]
async fn attempts_are_limited_per_account_and_per_address() {
    for ground in grounds().await {
        ground.player("jane@example.com").await;
        let accounts =
            ground.with(keys(), Policy { login_attempts_per_account_per_min: 3, login_attempts_per_address_per_min: 5, ..policy() });
        let from = |n: u8| Some(std::net::IpAddr::from([192, 0, 2, n]));
        let attempt =
            async |n, email: &str, password| refused(accounts.log_in(Meta::ours("login"), from(n), email, password).await.map(|_| ()));
        for n in 0..3 {
            assert_eq!(attempt(n, "jane@example.com", "wrong horse").await, Code::WrongCredentials);
        }
        assert_eq!(attempt(3, "jane@example.com", PASSWORD).await, Code::TooManyAttempts, "even with the right one, from anywhere");
        for n in 0..4 {
            assert_eq!(attempt(0, &format!("nobody{n}@example.com"), PASSWORD).await, Code::WrongCredentials);
        }
        assert_eq!(attempt(0, "nobody9@example.com", PASSWORD).await, Code::TooManyAttempts);
        ground.db.clock().advance_us(60_000_000);
        accounts.log_in(Meta::ours("login"), from(0), "jane@example.com", PASSWORD).await.unwrap();
        ground.end().await;
    }
}

#[tokio::test]
async fn a_session_that_is_not_refreshed_expires_and_is_swept_later() {
    for ground in grounds().await {
        let user = ground.player("jane@example.com").await;
        let (signed, _) = ground.log_in("jane@example.com").await;
        ground.db.clock().advance_us(2_592_001_000_000);
        assert_eq!(refused(ground.accounts.refresh(Meta::ours("refresh"), &signed.refresh_token).await), Code::Unauthenticated);
        assert_eq!(ground.accounts.sweep().await.unwrap(), 0, "it is still shown to its owner");
        ground.db.clock().advance_us(2_592_001_000_000);
        assert_eq!(ground.accounts.sweep().await.unwrap(), 1);
        assert!(ground.accounts.sessions(user, None, None).await.unwrap().items.is_empty());
        ground.end().await;
    }
}
