//! Games, teams and API keys.

use crate::ground::{Ground, PASSWORD, grounds, refused};
use accounts::commands::teams::{TeamChange, What};
use accounts::{GameRole, Scope};
use db::{Error, Meta};
use kernel::{Code, GameId, UserId};
use web::{Role, Roles};

fn game(id: &str) -> GameId {
    id.parse().unwrap()
}

async fn change(ground: &Ground, actor: UserId, id: &str, what: What) -> Result<(), Error> {
    ground.accounts.manage(Meta::of(actor, "teams"), TeamChange { actor, game: game(id), what }).await
}

fn registered(zone: &str) -> What {
    What::Register { name: "Kart".to_owned(), zone: zone.to_owned() }
}

async fn operator(ground: &Ground) -> UserId {
    ground.accounts.create_user("op@example.com", PASSWORD, "Op", Roles::default().with(Role::Operator)).await.unwrap()
}

#[tokio::test]
async fn a_game_is_registered_once_with_a_real_time_zone() {
    for ground in grounds().await {
        let op = operator(&ground).await;
        assert_eq!(refused(change(&ground, op, "kart", registered("Mars/Olympus")).await), Code::BadText);
        change(&ground, op, "kart", registered("Asia/Seoul")).await.unwrap();
        assert_eq!(refused(change(&ground, op, "kart", registered("UTC")).await), Code::AlreadyExists);
        for id in ["maple", "dota"] {
            change(&ground, op, id, registered("UTC")).await.unwrap();
        }
        let first = ground.accounts.games(None, Some(2)).await.unwrap();
        let second = ground.accounts.games(first.next.as_ref(), Some(2)).await.unwrap();
        let ids: Vec<&str> = first.items.iter().chain(&second.items).map(|game| game.id.as_str()).collect();
        assert_eq!(ids, ["dota", "kart", "maple"]);
        assert_eq!(ground.accounts.game(&game("kart")).await.unwrap().zone, "Asia/Seoul");
        ground.end().await;
    }
}

#[tokio::test]
async fn a_campaign_manager_builds_the_team() {
    for ground in grounds().await {
        let (op, jane, john) = (operator(&ground).await, ground.player("jane@example.com").await, ground.player("john@example.com").await);
        change(&ground, op, "kart", registered("UTC")).await.unwrap();
        assert_eq!(refused(change(&ground, jane, "kart", What::PutMember(john, GameRole::TeamMember)).await), Code::Forbidden);
        change(&ground, op, "kart", What::PutMember(jane, GameRole::CampaignManager)).await.unwrap();
        change(&ground, jane, "kart", What::PutMember(john, GameRole::CampaignManager)).await.unwrap();
        change(&ground, jane, "kart", What::PutMember(john, GameRole::TeamMember)).await.unwrap();
        assert_eq!(ground.accounts.game_role(john, &game("kart")).await.unwrap(), Some(GameRole::TeamMember));
        assert_eq!(ground.accounts.members(&game("kart")).await.unwrap().len(), 2);
        assert_eq!(refused(change(&ground, jane, "kart", What::PutMember(UserId::new(), GameRole::TeamMember)).await), Code::NotFound);
        change(&ground, jane, "kart", What::RemoveMember(john)).await.unwrap();
        assert_eq!(ground.accounts.game_role(john, &game("kart")).await.unwrap(), None);
        assert_eq!(refused(change(&ground, jane, "kart", What::RemoveMember(john)).await), Code::NotFound);
        ground.end().await;
    }
}

#[tokio::test]
async fn a_rotated_secret_works_beside_the_new_one_until_its_time() {
    for ground in grounds().await {
        let op = operator(&ground).await;
        change(&ground, op, "kart", registered("UTC")).await.unwrap();
        let (id, first) =
            ground.accounts.create_key(Meta::of(op, "keys"), op, game("kart"), "shop", [Scope::PlayersRead].into()).await.unwrap();
        let until = ground.db.now().plus_us(3_600 * kernel::time::SECOND_US);
        let rotate = |until| ground.accounts.rotate_key(Meta::of(op, "keys"), op, game("kart"), id, until);
        let (second, told) = rotate(Some(until)).await.unwrap();
        assert_eq!(told, until);
        for works in [&first, &second] {
            assert_eq!(ground.accounts.verify_key(works).await.unwrap().key, id, "it stays the same key");
        }
        assert_eq!(ground.accounts.keys(&game("kart")).await.unwrap()[0].previous_works_until, Some(until));
        let far = ground.db.now().plus_us(31 * 24 * 3_600 * kernel::time::SECOND_US);
        assert_eq!(refused(rotate(Some(far)).await), Code::BadBody);
        ground.db.clock().advance_us(until.since_us(ground.db.now()));
        assert_eq!(
            refused(ground.accounts.verify_key(&first).await),
            Code::Unauthenticated,
            "to the moment, from what was looked up before"
        );
        ground.accounts.verify_key(&second).await.unwrap();
        let (third, until) = rotate(None).await.unwrap();
        assert!(until.since_us(ground.db.now()) > 23 * 3_600 * kernel::time::SECOND_US, "a day when nothing is said");
        change(&ground, op, "kart", What::RevokeKey(id)).await.unwrap();
        for stopped in [&first, &second, &third] {
            assert_eq!(refused(ground.accounts.verify_key(stopped).await), Code::Unauthenticated);
        }
        assert_eq!(refused(rotate(None).await), Code::NotFound);
        ground.end().await;
    }
}

#[tokio::test]
async fn uses_that_were_counted_are_noted_under_their_key() {
    for ground in grounds().await {
        let op = operator(&ground).await;
        change(&ground, op, "kart", registered("UTC")).await.unwrap();
        let (id, _) = ground.accounts.create_key(Meta::of(op, "keys"), op, game("kart"), "log", [Scope::LogsWrite].into()).await.unwrap();
        (0..3).for_each(|_| ground.accounts.count_use(id, Scope::LogsWrite));
        for _ in 0..2 {
            ground.accounts.note_uses().await.unwrap();
        }
        let subject = format!("key/{id}");
        let noted = ground.accounts.audit_log(accounts::queries::AuditOf::Subject(&subject), None, None).await.unwrap().items;
        assert_eq!(noted.len(), 1, "what was noted is not noted again: {noted:?}");
        assert_eq!((noted[0].act.as_str(), &noted[0].detail["detail"]["requests"]), ("key.used", &serde_json::json!(3)));
        ground.end().await;
    }
}

#[tokio::test]
async fn a_key_works_for_its_game_and_scopes_until_it_is_revoked() {
    for ground in grounds().await {
        let op = operator(&ground).await;
        change(&ground, op, "kart", registered("UTC")).await.unwrap();
        let scopes = [Scope::PlayersRead, Scope::ClaimsWrite].into();
        let meta = || Meta { key: "k1".to_owned(), ..Meta::of(op, "keys") };
        let (id, secret) = ground.accounts.create_key(meta(), op, game("kart"), "web shop", scopes).await.unwrap();
        let repeated = ground.accounts.create_key(meta(), op, game("kart"), "web shop", [Scope::PlayersRead].into()).await;
        assert_eq!(refused(repeated), Code::AlreadyDone, "the secret is not kept");
        let info = ground.accounts.verify_key(&secret).await.unwrap();
        assert_eq!((info.key, info.game.as_str()), (id, "kart"));
        assert!(info.require(&game("kart"), Scope::ClaimsWrite).is_ok());
        assert_eq!(info.require(&game("kart"), Scope::BannersWrite).unwrap_err().code, Code::Forbidden);
        assert_eq!(refused(ground.accounts.verify_key("gk_made_up").await), Code::Unauthenticated);
        change(&ground, op, "kart", What::RevokeKey(id)).await.unwrap();
        assert_eq!(refused(ground.accounts.verify_key(&secret).await), Code::Unauthenticated);
        assert_eq!(refused(change(&ground, op, "kart", What::RevokeKey(id)).await), Code::NotFound);
        assert!(ground.accounts.keys(&game("kart")).await.unwrap()[0].revoked_at.is_some());
        ground.end().await;
    }
}
