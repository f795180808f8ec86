//! Export and erasure.

use crate::ground::{PASSWORD, grounds, refused};
use accounts::{DataSource, Part, State};
use db::Meta;
use kernel::{Code, UserId};
use std::sync::Arc;
use web::{Role, Roles};

struct Books;

impl DataSource for Books {
    fn name(&self) -> &'static str {
        "books"
    }

    fn export(&self, user: UserId) -> Part {
        Box::pin(async move { Ok(serde_json::json!([format!("a book of {user}")])) })
    }
}

#[tokio::test]
async fn an_export_holds_what_every_service_keeps() {
    for ground in grounds().await {
        ground.accounts.add_source(Arc::new(Books));
        let user = ground.player("jane@example.com").await;
        ground.accounts.grant_role("jane@example.com", Role::Operator).await.unwrap();
        for _ in 0..3 {
            ground.log_in("jane@example.com").await;
        }
        let export = ground.accounts.export(user).await.unwrap();
        assert_eq!(export.profile.email, "jane@example.com");
        assert_eq!((export.sessions.len(), export.audit.len()), (3, 1));
        assert_eq!(export.parts["books"], serde_json::json!([format!("a book of {user}")]));
        ground.end().await;
    }
}

#[tokio::test]
async fn an_erased_account_leaves_nothing_personal_and_its_row() {
    for ground in grounds().await {
        ground.subscribe_mail().await;
        let user = ground.accounts.sign_up(Meta::ours("sign-up"), "jane@example.com", PASSWORD, "Jane", None).await.unwrap();
        let (signed, who) = ground.log_in("jane@example.com").await;
        let payload = ground.mail().await.pop().unwrap();
        assert_eq!(refused(ground.accounts.erase(Meta::of(user, "erase"), who, "wrong horse").await), Code::WrongCredentials);
        ground.accounts.erase(Meta::of(user, "erase"), who, PASSWORD).await.unwrap();

        assert!(ground.tokens.verify(&signed.access_token).is_err());
        assert_eq!(ground.accounts.open_mail(&payload).await.unwrap(), None, "a letter that was on its way cannot be opened");
        assert!(ground.mail().await.is_empty());
        assert_eq!(ground.accounts.find_by_email("jane@example.com").await.unwrap(), None);
        assert_eq!(refused(ground.accounts.log_in(Meta::ours("login"), None, "jane@example.com", PASSWORD).await), Code::WrongCredentials);
        assert_eq!(refused(ground.accounts.profile(user).await), Code::Unauthenticated);
        let account = ground.accounts.account(user).await.unwrap();
        assert_eq!((account.state, account.name, account.email_hint), (State::Erased, None, None));
        static LEFT: db::Statement = db::Statement::new("test.left", "select count(*) from personal where user_id = $1");
        assert_eq!(ground.db.fetch(&LEFT, &db::row![user], |row| row.int(0)).await.unwrap(), [0]);
        let again = ground.accounts.sign_up(Meta::ours("sign-up"), "jane@example.com", PASSWORD, "Jane", None).await.unwrap();
        assert_ne!(again, user, "the address is free again, for another account");
        ground.end().await;
    }
}

#[tokio::test]
async fn an_admin_is_not_erased() {
    for ground in grounds().await {
        let user = ground.accounts.create_user("admin@example.com", PASSWORD, "Admin", Roles::default().with(Role::Admin)).await.unwrap();
        let (_, who) = ground.log_in("admin@example.com").await;
        assert_eq!(refused(ground.accounts.erase(Meta::of(user, "erase"), who, PASSWORD).await), Code::WrongState);
        assert_eq!(ground.accounts.profile(user).await.unwrap().email, "admin@example.com");
        ground.end().await;
    }
}
