//! Who is calling, by the token alone, or by what our gateway signed about it. Refuses anything a body or another header says about it.

use crate::{Problem, Tokens};
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use kernel::{Code, Refusal, SessionId, UserId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a person may do. Everyone with an account is a player.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Buys and plays.
    Player,
    /// Adds and changes products, stock and sales.
    StoreManager,
    /// Runs the store: wallets, grants, blocked accounts.
    Operator,
    /// Gives roles.
    Admin,
    /// A payment provider's machine account: charges points and nothing else.
    PointsProvider,
}

impl Role {
    /// All roles.
    pub const ALL: [Role; 5] = [Role::Player, Role::StoreManager, Role::Operator, Role::Admin, Role::PointsProvider];

    fn bit(self) -> u32 {
        1 << (self as u32)
    }

    /// The name as it stands in tokens and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Player => "player",
            Role::StoreManager => "store_manager",
            Role::Operator => "operator",
            Role::Admin => "admin",
            Role::PointsProvider => "points_provider",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let names = Role::ALL.map(Role::as_str).join(", ");
        Role::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not a role: one of {names} would be right"))
    }
}

/// A set of roles, stored as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roles(pub u32);

impl Roles {
    /// This set and one more.
    pub fn with(self, role: Role) -> Roles {
        Roles(self.0 | role.bit())
    }

    /// This set without one.
    pub fn without(self, role: Role) -> Roles {
        Roles(self.0 & !role.bit())
    }

    /// True when the role is in the set.
    pub fn has(self, role: Role) -> bool {
        self.0 & role.bit() != 0
    }

    /// The roles of the set.
    pub fn list(self) -> Vec<Role> {
        Role::ALL.into_iter().filter(|role| self.has(*role)).collect()
    }
}

/// A signed-in account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who {
    /// The account.
    pub user: UserId,
    /// The session the token belongs to.
    pub session: SessionId,
    /// What the account may do.
    pub roles: Roles,
}

impl Who {
    /// Refuses a caller who has none of these roles.
    pub fn require(&self, roles: &[Role]) -> Result<(), Refusal> {
        if roles.iter().any(|role| self.roles.has(*role)) {
            return Ok(());
        }
        let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
        Err(Refusal::new(Code::Forbidden, format!("this needs the role {}, which the token does not carry", names.join(" or "))))
    }
}

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if let Some(who) = parts.extensions.get::<Who>() {
            return Ok(*who);
        }
        let tokens = parts.extensions.get::<Arc<Tokens>>().expect("the edge gives every request its tokens");
        let mut sent = parts.headers.get_all(AUTHORIZATION).iter();
        let bearer = sent
            .next()
            .filter(|_| sent.next().is_none())
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        let Some(bearer) = bearer else {
            return Err(Refusal::new(
                Code::Unauthenticated,
                "no token: send the header `Authorization: Bearer TOKEN` with the token of a login",
            )
            .into());
        };
        let who = tokens.verify(bearer.trim())?;
        parts.extensions.insert(who);
        Ok(who)
    }
}

macro_rules! role_extractors {
    ($($(#[$doc:meta])* $name:ident: $($role:ident)|+;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name(pub Who);

        impl<S: Sync> FromRequestParts<S> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
                let who = Who::from_request_parts(parts, state).await?;
                who.require(&[$(Role::$role),+])?;
                Ok($name(who))
            }
        }
    )+};
}

role_extractors! {
    /// A caller who manages the store's products.
    StoreManager: StoreManager | Admin;
    /// A caller who runs the store.
    Operator: Operator | Admin;
    /// A caller who gives roles.
    Admin: Admin;
    /// A caller who may charge points: a payment provider or an operator.
    PointsProvider: PointsProvider | Operator | Admin;
}
