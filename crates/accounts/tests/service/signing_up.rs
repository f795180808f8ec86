//! Sign-up, profile, mail and passwords.

use crate::ground::{PASSWORD, grounds, keys, policy, refused};
use accounts::commands::profile::ProfileChange;
use accounts::{NewAccount, Policy};
use db::Meta;
use kernel::{Code, UserId};
use web::Roles;

fn keyed(route: &'static str, key: &str) -> Meta {
    Meta { key: key.to_owned(), ..Meta::ours(route) }
}

#[tokio::test]
async fn an_address_has_one_account_however_it_is_written() {
    for ground in grounds().await {
        let first = ground.accounts.sign_up(keyed("sign-up", "k1"), "Jane@Example.com", PASSWORD, "Jane", Some("+82 2 123")).await.unwrap();
        let again = ground.accounts.sign_up(keyed("sign-up", "k1"), "Jane@Example.com", PASSWORD, "Jane", Some("+82 2 123")).await.unwrap();
        assert_eq!(first, again, "a repeated key returns the first account");
        let other = ground.accounts.sign_up(keyed("sign-up", "k2"), " jane@example.COM ", PASSWORD, "Jane", None).await;
        assert_eq!(refused(other), Code::AlreadyExists);
        let profile = ground.accounts.profile(first).await.unwrap();
        assert_eq!(
            (profile.email.as_str(), profile.name.as_str(), profile.phone.as_deref()),
            ("Jane@Example.com", "Jane", Some("+82 2 123"))
        );
        assert_eq!(ground.accounts.find_by_email("jane@example.com").await.unwrap(), Some(first));
        ground.end().await;
    }
}

#[tokio::test]
async fn many_who_want_one_address_at_once_get_one_account() {
    for ground in grounds().await {
        let tries: Vec<_> = (0..40)
            .map(|n| {
                let accounts = ground.accounts.clone();
                let email = format!("jane{}@example.com", n % 4);
                tokio::spawn(async move { accounts.sign_up(Meta::ours("sign-up"), &email, PASSWORD, "Jane", None).await })
            })
            .collect();
        let mut made = 0;
        for tried in tries {
            match tried.await.unwrap() {
                Ok(_) => made += 1,
                answer => assert_eq!(refused(answer), Code::AlreadyExists),
            }
        }
        assert_eq!(made, 4);
        ground.end().await;
    }
}

#[tokio::test]
async fn nothing_personal_is_stored_in_clear() {
    for ground in grounds().await {
        ground.subscribe_mail().await;
        let user = ground
            .accounts
            .sign_up(Meta::ours("sign-up"), "jane.visible@example.com", "visible password", "Visible Name", Some("555-0100"))
            .await
            .unwrap();
        ground.accounts.request_reset(Meta::ours("reset"), "jane.visible@example.com").await.unwrap();
        let code = ground.code().await;
        static ALL: db::Statement = db::Statement::new(
            "test.everything",
            "select {hex email} || {hex name} || {hex phone} || password, '' from personal
             union all select payload, aggregate from outbox
             union all select answer, {hex fingerprint} from idempotency
             union all select detail, subject from audit
             union all select {hex hash}, purpose from mail_token",
        );
        let rows = ground.db.fetch(&ALL, &[], |row| Ok(row.text(0)? + &row.text(1)?)).await.unwrap();
        let hex = |text: &str| text.bytes().map(|b| format!("{b:02x}")).collect::<String>();
        assert!(rows.len() >= 5);
        for row in rows.iter().map(|row| row.to_lowercase()) {
            for secret in ["jane.visible", "visible name", "visible password", "555-0100", code.as_str()] {
                let secret = secret.to_lowercase();
                assert!(!row.contains(&secret) && !row.contains(&hex(&secret)), "{secret} stands in {row}");
            }
        }
        assert_eq!(ground.accounts.profile(user).await.unwrap().phone.as_deref(), Some("555-0100"));
        ground.end().await;
    }
}

#[tokio::test]
async fn a_mailed_code_confirms_the_address_once() {
    for ground in grounds().await {
        ground.subscribe_mail().await;
        let user = ground.accounts.sign_up(Meta::ours("sign-up"), "jane@example.com", PASSWORD, "Jane", None).await.unwrap();
        let code = ground.code().await;
        assert_eq!(ground.accounts.profile(user).await.unwrap().email_confirmed_at, None);
        ground.accounts.confirm_email(Meta::ours("confirm"), &code).await.unwrap();
        assert!(ground.accounts.profile(user).await.unwrap().email_confirmed_at.is_some());
        assert_eq!(refused(ground.accounts.confirm_email(Meta::ours("confirm"), &code).await), Code::NotFound);
        assert_eq!(refused(ground.accounts.confirm_email(Meta::ours("confirm"), "made up").await), Code::NotFound);
        ground.end().await;
    }
}

#[tokio::test]
async fn a_reset_sets_the_password_ends_every_session_and_works_once() {
    for ground in grounds().await {
        ground.subscribe_mail().await;
        ground.player("jane@example.com").await;
        let (signed, _) = ground.log_in("jane@example.com").await;
        ground.accounts.request_reset(Meta::ours("reset"), "JANE@example.com").await.unwrap();
        let code = ground.code().await;
        let under_a_key = || Meta { key: "k1".to_owned(), ..Meta::ours("reset") };
        ground.accounts.reset_password(under_a_key(), None, &code, "another horse").await.unwrap();
        ground.accounts.reset_password(under_a_key(), None, &code, "another horse").await.expect("a repeat is told that it is done");
        assert_eq!(ground.tokens.verify(&signed.access_token).unwrap_err().code, Code::Unauthenticated);
        assert_eq!(refused(ground.accounts.refresh(Meta::ours("refresh"), &signed.refresh_token).await), Code::Unauthenticated);
        assert_eq!(refused(ground.accounts.log_in(Meta::ours("login"), None, "jane@example.com", PASSWORD).await), Code::WrongCredentials);
        ground.accounts.log_in(Meta::ours("login"), None, "jane@example.com", "another horse").await.unwrap();
        assert_eq!(refused(ground.accounts.reset_password(Meta::ours("reset"), None, &code, "a third horse").await), Code::NotFound);
        ground.end().await;
    }
}

#[tokio::test]
async fn a_reset_code_expires_and_a_newer_one_replaces_it() {
    for ground in grounds().await {
        ground.subscribe_mail().await;
        ground.player("jane@example.com").await;
        ground.accounts.request_reset(Meta::ours("reset"), "jane@example.com").await.unwrap();
        let old = ground.code().await;
        ground.accounts.request_reset(Meta::ours("reset"), "jane@example.com").await.unwrap();
        let new = ground.code().await;
        assert_ne!(old, new);
        assert_eq!(refused(ground.accounts.reset_password(Meta::ours("reset"), None, &old, "another horse").await), Code::NotFound);
        ground.db.clock().advance_us(3_601_000_000);
        assert_eq!(refused(ground.accounts.reset_password(Meta::ours("reset"), None, &new, "another horse").await), Code::NotFound);
        ground.end().await;
    }
}

#[tokio::test]
async fn a_reset_for_an_unknown_address_is_answered_alike_and_mails_nobody() {
    for ground in grounds().await {
        ground.subscribe_mail().await;
        ground.accounts.request_reset(Meta::ours("reset"), "nobody@example.com").await.unwrap();
        assert!(ground.mail().await.is_empty());
        ground.end().await;
    }
}

#[tokio::test]
async fn a_new_address_needs_the_password_and_makes_old_codes_worthless() {
    for ground in grounds().await {
        ground.subscribe_mail().await;
        let user = ground.player("jane@example.com").await;
        ground.player("taken@example.com").await;
        ground.accounts.request_reset(Meta::ours("reset"), "jane@example.com").await.unwrap();
        let reset = ground.code().await;
        let to = |email: &str, password: Option<&str>| ProfileChange {
            email: Some(email.to_owned()),
            password: password.map(str::to_owned),
            ..ProfileChange::default()
        };
        let change = async |change| ground.accounts.update_profile(Meta::of(user, "profile"), user, change).await;
        assert_eq!(refused(change(to("new@example.com", None)).await), Code::BadBody);
        assert_eq!(refused(change(to("new@example.com", Some("wrong horse"))).await), Code::WrongCredentials);
        assert_eq!(refused(change(to("taken@example.com", Some(PASSWORD))).await), Code::AlreadyExists);
        change(to("new@example.com", Some(PASSWORD))).await.unwrap();
        assert_eq!(refused(ground.accounts.reset_password(Meta::ours("reset"), None, &reset, "another horse").await), Code::NotFound);
        assert_eq!(ground.accounts.find_by_email("jane@example.com").await.unwrap(), None);
        assert_eq!(ground.accounts.find_by_email("new@example.com").await.unwrap(), Some(user));
        ground.accounts.confirm_email(Meta::ours("confirm"), &ground.code().await).await.unwrap();
        change(ProfileChange { name: Some("Jane D.".to_owned()), phone: Some("555-0101".to_owned()), ..ProfileChange::default() })
            .await
            .unwrap();
        change(ProfileChange { phone: Some(String::new()), ..ProfileChange::default() }).await.unwrap();
        let profile = ground.accounts.profile(user).await.unwrap();
        assert_eq!((profile.name.as_str(), profile.phone, profile.email.as_str()), ("Jane D.", None, "new@example.com"));
        assert!(profile.email_confirmed_at.is_some(), "a new name does not unconfirm the address");
        ground.end().await;
    }
}

#[tokio::test]
async fn two_who_move_to_one_address_at_once_do_not_share_it() {
    for ground in grounds().await {
        let mut users = Vec::new();
        for n in 0..8 {
            users.push(ground.player(&format!("player{n}@example.com")).await);
        }
        let moves: Vec<_> = users
            .into_iter()
            .map(|user| {
                let accounts = ground.accounts.clone();
                let (email, password) = (Some("wanted@example.com".to_owned()), Some(PASSWORD.to_owned()));
                tokio::spawn(async move {
                    accounts
                        .update_profile(Meta::of(user, "profile"), user, ProfileChange { email, password, ..ProfileChange::default() })
                        .await
                })
            })
            .collect();
        let mut moved = 0;
        for answer in moves {
            moved += i32::from(answer.await.unwrap().is_ok());
        }
        assert_eq!(moved, 1);
        ground.end().await;
    }
}

#[tokio::test]
async fn a_changed_password_keeps_the_session_that_asked_and_ends_the_others() {
    for ground in grounds().await {
        ground.player("jane@example.com").await;
        let ((mine, who), (other, _)) = (ground.log_in("jane@example.com").await, ground.log_in("jane@example.com").await);
        let change = |old, new| ground.accounts.change_password(Meta::of(who.user, "password"), who, old, new);
        assert_eq!(refused(change("wrong horse", "another horse").await), Code::WrongCredentials);
        assert_eq!(refused(change(PASSWORD, "short").await), Code::BadText);
        change(PASSWORD, "another horse").await.unwrap();
        assert!(ground.tokens.verify(&mine.access_token).is_ok());
        assert!(ground.tokens.verify(&other.access_token).is_err());
        ground.accounts.refresh(Meta::ours("refresh"), &mine.refresh_token).await.unwrap();
        assert_eq!(refused(ground.accounts.refresh(Meta::ours("refresh"), &other.refresh_token).await), Code::Unauthenticated);
        ground.end().await;
    }
}

#[tokio::test]
async fn a_stricter_policy_reaches_a_hash_at_its_next_login() {
    for ground in grounds().await {
        let user = ground.player("jane@example.com").await;
        let strict = ground.with(keys(), Policy { argon2_memory_kib: 128, ..policy() });
        strict.log_in(Meta::ours("login"), None, "jane@example.com", PASSWORD).await.unwrap();
        static HASH: db::Statement = db::Statement::new("test.hash", "select password from personal where user_id = $1");
        let hash = ground.db.fetch(&HASH, &db::row![user], |row| row.text(0)).await.unwrap().remove(0);
        assert!(hash.starts_with("$argon2id$v=19$m=128,t=1,p=1$"), "{hash}");
        ground.log_in("jane@example.com").await;
        ground.end().await;
    }
}

#[tokio::test]
async fn many_accounts_share_one_hash_and_each_signs_in() {
    for ground in grounds().await {
        let password_hash = ground.accounts.hash_password(PASSWORD).await.unwrap();
        let new = |n: u32| NewAccount {
            user: UserId::new(),
            email: format!("load{n}@example.com"),
            name: "Load".to_owned(),
            phone: None,
            password_hash: password_hash.clone(),
            roles: Roles::default(),
        };
        assert_eq!(ground.accounts.create_many((0..1200).map(new).collect()).await.unwrap(), 1200);
        assert_eq!(ground.accounts.create_many((1190..1210).map(new).collect()).await.unwrap(), 10, "taken addresses are left out");
        ground.log_in("load1205@example.com").await;
        ground.end().await;
    }
}
