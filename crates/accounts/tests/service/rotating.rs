//! Rotation of the personal keys while accounts are in use.

use crate::ground::{PASSWORD, grounds, keys, policy, refused};
use accounts::PersonalKeys;
use db::Meta;
use kernel::Code;

fn second() -> PersonalKeys {
    PersonalKeys { current: (2, [2; 32]), older: vec![(1, [1; 32])], lookup: vec![[22; 32], [11; 32]] }
}

fn only_second() -> PersonalKeys {
    PersonalKeys { current: (2, [2; 32]), older: Vec::new(), lookup: vec![[22; 32]] }
}

#[tokio::test]
async fn after_a_rotation_the_former_keys_are_not_needed() {
    for ground in grounds().await {
        for n in 0..250 {
            ground.player(&format!("p{n}@example.com")).await;
        }
        let user = ground.player("jane@example.com").await;
        let rotating = ground.with(second(), policy());
        assert_eq!(rotating.find_by_email("jane@example.com").await.unwrap(), Some(user), "found by the former key's hash");
        let taken = rotating.sign_up(Meta::ours("sign-up"), "jane@example.com", PASSWORD, "Jane", None).await;
        assert_eq!(refused(taken), Code::AlreadyExists);
        let both = rotating.create_user("john@example.com", PASSWORD, "John", web::Roles::default()).await.unwrap();
        assert_eq!(
            ground.accounts.find_by_email("john@example.com").await.unwrap(),
            Some(both),
            "a process with the former keys finds it too"
        );

        let mut heard = Vec::new();
        let done = rotating.rotate_personal_key(|accounts| heard.push(accounts)).await.unwrap();
        assert_eq!((done.accounts, done.rewrapped, done.rehashed, done.unreadable), (252, 251, 251, 0));
        assert_eq!(heard.last(), Some(&252));
        let again = rotating.rotate_personal_key(|_| ()).await.unwrap();
        assert_eq!((again.rewrapped, again.rehashed, again.let_go), (0, 0, 0));

        let after = ground.with(only_second(), policy());
        assert_eq!(after.profile(user).await.unwrap().email, "jane@example.com");
        assert_eq!(after.find_by_email("jane@example.com").await.unwrap(), Some(user));
        assert_eq!(after.rotate_personal_key(|_| ()).await.unwrap().let_go, 252, "hashes of the former key go when it is out of use");
        assert_eq!(ground.accounts.find_by_email("jane@example.com").await.unwrap(), None);
        ground.end().await;
    }
}

#[tokio::test]
async fn a_missing_master_key_is_counted_and_nothing_is_let_go() {
    for ground in grounds().await {
        let user = ground.player("jane@example.com").await;
        let done = ground.with(only_second(), policy()).rotate_personal_key(|_| ()).await.unwrap();
        assert_eq!((done.unreadable, done.rewrapped, done.let_go), (1, 0, 0));
        assert_eq!(ground.with(keys(), policy()).find_by_email("jane@example.com").await.unwrap(), Some(user));
        ground.end().await;
    }
}

#[tokio::test]
async fn a_key_that_is_in_use_and_was_not_given_is_noticed() {
    for ground in grounds().await {
        ground.with(only_second(), policy()).check_keys().await.unwrap();
        ground.player("jane@example.com").await;
        ground.accounts.check_keys().await.unwrap();
        ground.with(second(), policy()).check_keys().await.unwrap();
        let told = ground.with(only_second(), policy()).check_keys().await.unwrap_err().to_string();
        assert!(told.contains("1 of the oldest accounts") && told.contains("1:OLD,2:NEW"), "{told}");
        let rotating = ground.with(second(), policy());
        rotating.rotate_personal_key(|_| ()).await.unwrap();
        ground.with(only_second(), policy()).check_keys().await.unwrap();
        ground.end().await;
    }
}
