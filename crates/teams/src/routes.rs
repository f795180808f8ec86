//! HTTP of the team API: decode, call, reply. Here is what the routes share; each resource has its own file.
//! Refuses callers who are neither in the game's team, nor operators, nor a key of the game with the scope.

mod banners;
mod currencies;
mod grants;
mod players;

use crate::Teams;
use accounts::{Accounts, Caller, Scope};
use axum::extract::FromRef;
use db::Error;
use kernel::GameId;
use utoipa_axum::router::OpenApiRouter;

pub(crate) fn routes(teams: Teams) -> web::Routes {
    OpenApiRouter::new()
        .merge(players::routes())
        .merge(currencies::routes())
        .merge(grants::routes())
        .merge(banners::routes())
        .with_state(teams)
}

/// The routes of one file, before they get their service.
pub(crate) type Part = OpenApiRouter<Teams>;

impl FromRef<Teams> for Accounts {
    fn from_ref(teams: &Teams) -> Accounts {
        teams.inner.accounts.clone()
    }
}

impl Teams {
    /// The team reads, operators read, keys with the scope read.
    pub(crate) async fn may_read(&self, caller: &Caller, game: &GameId, scope: Scope) -> Result<(), Error> {
        self.inner.accounts.require_team_or_key(caller, game, scope).await?;
        // A key's game is there; an operator may name one that is not.
        if caller.runs_the_store() { self.inner.accounts.game(game).await.map(drop) } else { Ok(()) }
    }

    /// Campaign managers, operators and keys with the scope change things.
    pub(crate) async fn may_write(&self, caller: &Caller, game: &GameId, scope: Scope) -> Result<(), Error> {
        match caller {
            Caller::Person(who) => {
                self.inner.accounts.require_manager(who, game).await?;
                self.inner.accounts.game(game).await.map(drop)
            }
            Caller::Key(key) => Ok(key.require(game, scope)?),
        }
    }
}
