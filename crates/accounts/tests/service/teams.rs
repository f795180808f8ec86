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
