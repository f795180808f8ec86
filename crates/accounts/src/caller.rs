//! Who calls a game's routes: a signed-in account by its token, or the game itself by one of its API keys.
//! Refuses a key of another game as if the game were unknown, and a request that carries neither.

use crate::games::{KeyInfo, Scope};
use crate::rates::{Slot, key_of};
use crate::{Accounts, GameRole, State};
use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use db::{Error, Meta, Row, Statement, row};
use kernel::{Code, GameId, Refusal};
use web::{Body, Open, Problem, Role, Roles, Who};

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A signed-in account.
    Person(Who),
    /// A game, by an API key: `Authorization: Bearer gk_…`.
    Key(KeyInfo),
}

impl Caller {
    /// Refuses a key of another game or without the scope; a person is let through.
    pub fn require_scope(&self, game: &GameId, scope: Scope) -> Result<(), Refusal> {
        match self {
            Caller::Person(_) => Ok(()),
            Caller::Key(key) => key.require(game, scope),
        }
    }

    /// True for operators and admins.
    pub fn runs_the_store(&self) -> bool {
        matches!(self, Caller::Person(who) if who.roles.has(Role::Operator) || who.roles.has(Role::Admin))
    }

    /// How it is noted: `account:ID` or `key:ID`.
    pub fn noted(&self) -> String {
        match self {
            Caller::Person(who) => format!("account:{}", who.user),
            Caller::Key(info) => format!("key:{}", info.key),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Accounts: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Caller, Problem> {
        let Some(key) = key_of(&parts.headers) else {
            return Ok(Caller::Person(Who::from_request_parts(parts, state).await?));
        };
        let accounts = Accounts::from_ref(state);
        let info = accounts.verify_key(key).await?;
        let (standing, outcome) = accounts.inner.rates.count(info.key);
        if let (Some(standing), Some(slot)) = (standing, parts.extensions.get::<Slot>()) {
            slot.0.get_or_init(|| standing);
        }
        outcome?;
        Ok(Caller::Key(info))
    }
}

/// A request of either caller that changes something.
#[derive(Debug)]
pub struct Asked<T> {
    /// Who asks.
    pub caller: Caller,
    /// The scope of its idempotency key, for the queue.
    pub meta: Meta,
    /// What is asked.
    pub body: T,
}

impl<T: Body, S: Send + Sync> FromRequest<S> for Asked<T>
where
    Accounts: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, state).await?;
        let open = Open::<T>::from_request(Request::from_parts(parts, body), state).await?;
        let meta = match &caller {
            Caller::Person(who) => Meta { caller: Some(who.user), roles: who.roles.0, ..open.meta },
            // Keys of idempotency are each API key's own.
            Caller::Key(info) => Meta { key: format!("{}/{}", info.key, open.meta.key), api_key: Some(info.key), ..open.meta },
        };
        Ok(Asked { caller, meta, body: open.body })
    }
}

static STANDING: Statement = Statement::new("accounts.read_standing", "select state, roles from accounts where id = $1");

impl Accounts {
    /// Refuses a caller who is neither the game's campaign manager nor an operator.
    ///
    /// # Errors
    /// They are not.
    pub async fn require_manager(&self, who: &Who, game: &GameId) -> Result<(), Error> {
        let standing = |row: &Row<'_>| Ok((row.parsed::<State>(0)?, Roles(u32::try_from(row.int(1)?).unwrap_or_default())));
        let roles = match self.inner.db.fetch(&STANDING, &row![who.user], standing).await?.pop() {
            Some((State::Active, roles)) => roles,
            _ => return Err(Refusal::new(Code::Unauthenticated, "the account of this token is blocked or gone: sign in again").into()),
        };
        let runs_the_store = roles.has(Role::Operator) || roles.has(Role::Admin);
        if runs_the_store || self.game_role(who.user, game).await? == Some(GameRole::CampaignManager) {
            return Ok(());
        }
        Err(Refusal::new(Code::Forbidden, format!("this needs the role operator, or that of a campaign manager of {game}")).into())
    }

    /// Refuses a caller who is neither in the game's team, nor an operator, nor a key of the game with the scope.
    ///
    /// # Errors
    /// They are none of these.
    pub async fn require_team_or_key(&self, caller: &Caller, game: &GameId, scope: Scope) -> Result<(), Error> {
        match caller {
            Caller::Person(who) => self.require_team(who, game).await,
            Caller::Key(key) => Ok(key.require(game, scope)?),
        }
    }
}
