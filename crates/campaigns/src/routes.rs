//! HTTP of campaigns: decode, call, reply. Here is what the routes share; each resource has its own file.
//! Refuses a player's things to whoever is neither the linked account, nor the game's team, nor a key of the game.

mod fulfilments;
mod links;
mod manage;
mod mappings;
mod players;

use crate::Campaigns;
use crate::checkpoint::check_player;
use accounts::{Accounts, Caller, Scope};
use axum::extract::FromRef;
use db::Error;
use kernel::{GameId, Refusal};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use web::Who;

pub(crate) fn routes(campaigns: Campaigns) -> web::Routes {
    OpenApiRouter::new()
        .merge(manage::routes())
        .merge(mappings::routes())
        .merge(players::routes())
        .merge(fulfilments::routes())
        .merge(links::routes())
        .with_state(campaigns)
}

/// The routes of one file, before they get their service.
type Part = OpenApiRouter<Campaigns>;

impl FromRef<Campaigns> for Accounts {
    fn from_ref(campaigns: &Campaigns) -> Accounts {
        campaigns.inner.accounts.clone()
    }
}

/// Why something is done for somebody.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "reason": "ticket 4711" }))]
struct WhyBody {
    /// Noted in the audit log, 1 to 500 characters.
    reason: String,
}

impl Campaigns {
    fn accounts(&self) -> &Accounts {
        &self.inner.accounts
    }

    /// The team reads, operators read, keys with the scope read.
    async fn may_read(&self, caller: &Caller, game: &GameId, scope: Scope) -> Result<(), Error> {
        self.accounts().game(game).await?;
        self.accounts().require_team_or_key(caller, game, scope).await
    }

    /// Campaign managers and operators change things of a game that exists.
    async fn may_manage(&self, who: &Who, game: &GameId) -> Result<(), Error> {
        self.accounts().require_manager(who, game).await?;
        self.accounts().game(game).await.map(drop)
    }

    /// Campaign managers, operators and keys with the scope.
    async fn may_hand_out(&self, caller: &Caller, game: &GameId, scope: Scope) -> Result<(), Error> {
        match caller {
            Caller::Person(who) => self.may_manage(who, game).await,
            Caller::Key(key) => Ok(key.require(game, scope)?),
        }
    }

    /// The linked account reads its own, and so does the team.
    async fn may_see_player(&self, caller: &Caller, game: &GameId, player: &str, scope: Scope) -> Result<(), Error> {
        caller.require_scope(game, scope)?;
        check_player(player)?;
        self.known(game).await?;
        if self.acts_for(caller, game, player).await? {
            return Ok(());
        }
        match caller {
            Caller::Person(who) if self.accounts().game_role(who.user, game).await?.is_some() => Ok(()),
            _ => Err(Refusal::not_found("player", player).into()),
        }
    }

    /// The linked account, operators and keys with the scope act for a player.
    async fn may_act_for(&self, caller: &Caller, game: &GameId, player: &str, scope: Scope) -> Result<(), Error> {
        caller.require_scope(game, scope)?;
        check_player(player)?;
        self.known(game).await?;
        if self.acts_for(caller, game, player).await? { Ok(()) } else { Err(Refusal::not_found("player", player).into()) }
    }

    /// Refuses a game that is not there; one that has campaigns is found without a query.
    async fn known(&self, game: &GameId) -> Result<(), Error> {
        if self.inner.live.game(game).is_some() { Ok(()) } else { self.accounts().game(game).await.map(drop) }
    }

    async fn acts_for(&self, caller: &Caller, game: &GameId, player: &str) -> Result<bool, Error> {
        Ok(match caller {
            Caller::Key(_) => true,
            Caller::Person(who) => caller.runs_the_store() || self.linked(game, player).await? == Some(who.user),
        })
    }
}
