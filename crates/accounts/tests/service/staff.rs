//! Blocking, roles and the audit log.

use crate::ground::{Ground, PASSWORD, grounds, refused};
use accounts::commands::govern::Deed;
use accounts::decide::govern::Act;
use accounts::queries::AuditOf;
use db::{Error, Meta};
use kernel::{Code, UserId};
use web::{Role, Roles};

async fn staff(ground: &Ground, email: &str, role: Role) -> UserId {
    ground.accounts.create_user(email, PASSWORD, "Staff", Roles::default().with(role)).await.unwrap()
}

async fn act(ground: &Ground, actor: UserId, subject: UserId, act: Act) -> Result<(), Error> {
    ground.accounts.govern(Meta::of(actor, "govern"), Deed { actor: Some(actor), subject, act, reason: Some("other") }).await
}

#[tokio::test]
async fn a_block_ends_sessions_at_once_and_an_unblock_lets_sign_in_again() {
    for ground in grounds().await {
        let operator = staff(&ground, "op@example.com", Role::Operator).await;
        let jane = ground.player("jane@example.com").await;
        let (signed, _) = ground.log_in("jane@example.com").await;
        act(&ground, operator, jane, Act::Block).await.unwrap();
        act(&ground, operator, jane, Act::Block).await.unwrap();
        assert!(ground.tokens.verify(&signed.access_token).is_err());
        let log_in = async |password| ground.accounts.log_in(Meta::ours("login"), None, "jane@example.com", password).await;
        assert_eq!(refused(log_in(PASSWORD).await), Code::Forbidden);
        assert_eq!(refused(log_in("wrong horse").await), Code::WrongCredentials, "only who knows the password learns of the block");
        act(&ground, operator, jane, Act::Unblock).await.unwrap();
        log_in(PASSWORD).await.unwrap();
        let log = ground.accounts.audit_log(AuditOf::Subject(&format!("account/{jane}")), None, None).await.unwrap();
        let acts: Vec<&str> = log.items.iter().map(|noted| noted.act.as_str()).collect();
        assert_eq!(acts, ["account.unblocked", "account.blocked"], "what changed nothing is not noted");
        assert_eq!(log.items[0].actor, Some(operator));
        ground.end().await;
    }
}

#[tokio::test]
async fn a_role_is_given_by_admins_and_taken_with_the_sessions_that_carry_it() {
    for ground in grounds().await {
        let admin = staff(&ground, "admin@example.com", Role::Admin).await;
        let operator = staff(&ground, "op@example.com", Role::Operator).await;
        let jane = ground.player("jane@example.com").await;
        assert_eq!(refused(act(&ground, operator, jane, Act::Grant(Role::StoreManager)).await), Code::Forbidden);
        act(&ground, admin, jane, Act::Grant(Role::StoreManager)).await.unwrap();
        let (signed, who) = ground.log_in("jane@example.com").await;
        assert!(who.roles.has(Role::StoreManager));
        act(&ground, admin, jane, Act::Revoke(Role::StoreManager)).await.unwrap();
        assert!(ground.tokens.verify(&signed.access_token).is_err());
        assert_eq!(refused(act(&ground, admin, admin, Act::Revoke(Role::Admin)).await), Code::WrongState);
        assert_eq!(refused(act(&ground, admin, UserId::new(), Act::Block).await), Code::NotFound);
        ground.end().await;
    }
}

#[tokio::test]
async fn an_admin_who_lost_the_role_a_moment_ago_does_nothing_with_the_old_token() {
    for ground in grounds().await {
        let (one, two) = (staff(&ground, "one@example.com", Role::Admin).await, staff(&ground, "two@example.com", Role::Admin).await);
        let jane = ground.player("jane@example.com").await;
        act(&ground, one, two, Act::Revoke(Role::Admin)).await.unwrap();
        assert_eq!(refused(act(&ground, two, jane, Act::Grant(Role::Admin)).await), Code::Forbidden);
        ground.end().await;
    }
}

#[tokio::test]
async fn two_admins_who_revoke_each_other_at_once_leave_one() {
    for ground in grounds().await {
        for round in 0..5 {
            let one = staff(&ground, &format!("one{round}@example.com"), Role::Admin).await;
            let two = staff(&ground, &format!("two{round}@example.com"), Role::Admin).await;
            let (first, second) =
                tokio::join!(act(&ground, one, two, Act::Revoke(Role::Admin)), act(&ground, two, one, Act::Revoke(Role::Admin)));
            assert_eq!(i32::from(first.is_ok()) + i32::from(second.is_ok()), 1, "{first:?} {second:?}");
        }
        ground.end().await;
    }
}

#[tokio::test]
async fn the_command_line_gives_the_first_role_by_address_or_id() {
    for ground in grounds().await {
        let jane = ground.player("jane@example.com").await;
        assert_eq!(ground.accounts.grant_role("Jane@example.com", Role::Admin).await.unwrap(), jane);
        ground.accounts.grant_role(&jane.to_string(), Role::Operator).await.unwrap();
        assert_eq!(refused(ground.accounts.grant_role("nobody@example.com", Role::Admin).await), Code::NotFound);
        let account = ground.accounts.account(jane).await.unwrap();
        assert_eq!(account.roles, [Role::Player, Role::Operator, Role::Admin]);
        assert_eq!(account.email_hint.as_deref(), Some("j***@example.com"));
        let log = ground.accounts.audit_log(AuditOf::All, None, Some(1)).await.unwrap();
        assert_eq!((log.items[0].act.as_str(), log.items[0].actor), ("role.granted", None));
        let rest = ground.accounts.audit_log(AuditOf::All, log.next.as_ref(), Some(100)).await.unwrap();
        assert_eq!(rest.items.len(), 1, "the pages do not overlap");
        ground.end().await;
    }
}

#[tokio::test]
async fn a_broken_invariant_is_found() {
    for ground in grounds().await {
        ground.player("jane@example.com").await;
        ground.log_in("jane@example.com").await;
        ground.db.plain("update accounts set state = 'erased', roles = 2").await.unwrap();
        ground
            .db
            .plain("insert into game_member (game, user_id, role, since) select 'gone', id, 'team_member', 0 from accounts")
            .await
            .unwrap();
        let breaches = db::check::check(&ground.db, accounts::check::INVARIANTS).await.unwrap();
        let mut found: Vec<&str> = breaches.iter().map(|breach| breach.invariant).collect();
        found.dedup();
        let all = ["accounts.erased-means-erased", "accounts.only-active-accounts-have-live-sessions", "accounts.members-belong-to-games"];
        assert_eq!(found, all);
        assert_eq!(breaches.len(), 4 + 1 + 1, "{breaches:?}");
        ground.db.close().await;
    }
}
