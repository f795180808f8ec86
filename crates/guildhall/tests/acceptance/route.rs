//! A route of the table: who may call it, and its path on a ground.
//! Refuses names between braces that the ground has nothing for.

use super::ground::{Ground, LISTED, OWNED, TO_DROP};
use reqwest::Method;
use serde_json::{Value, json};
use web::Role;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum May {
    /// Without a token.
    Public,
    /// Any account, about itself or about what everybody sees.
    Player,
    /// Any account, and the path names something that has to be its own.
    OwnOnly,
    /// The team of the game in the path, and operators.
    Team,
    StoreManager,
    Operator,
    Admin,
    PointsProvider,
    /// Processes of the fleet, and no person.
    Fleet,
}

impl May {
    /// Whether an account with this role besides player may call it. An admin may do what store managers and operators may.
    pub(super) fn lets(self, role: Option<Role>) -> bool {
        match self {
            May::Public | May::Player | May::OwnOnly => true,
            May::StoreManager => matches!(role, Some(Role::StoreManager | Role::Admin)),
            May::Operator | May::Team => matches!(role, Some(Role::Operator | Role::Admin)),
            May::Admin => role == Some(Role::Admin),
            May::PointsProvider => matches!(role, Some(Role::PointsProvider | Role::Operator | Role::Admin)),
            May::Fleet => false,
        }
    }
}

/// A row of the table.
#[derive(Clone, Copy)]
pub(super) struct Route {
    pub(super) method: &'static str,
    /// As OpenAPI has it.
    pub(super) path: &'static str,
    pub(super) may: May,
    /// What its rightful caller is answered on fresh ground, in the table's order.
    pub(super) done: u16,
    /// The query it needs.
    pub(super) query: &'static str,
    /// A good body.
    pub(super) body: fn(&Ground) -> Value,
}

/// A route that reads.
pub(super) const fn read(path: &'static str, may: May) -> Route {
    Route { method: "GET", path, may, done: 200, query: "", body: nothing }
}

/// A route that changes something, with what it answers and its body.
pub(super) const fn write(method: &'static str, path: &'static str, may: May, done: u16, body: fn(&Ground) -> Value) -> Route {
    Route { method, path, may, done, query: "", body }
}

/// A body that says nothing.
pub(super) fn nothing(_: &Ground) -> Value {
    json!({})
}

impl Route {
    pub(super) fn method(&self) -> Method {
        self.method.parse().unwrap()
    }

    pub(super) fn reads(&self) -> bool {
        self.method == "GET"
    }

    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The names between braces, in order.
    pub(super) fn parts(&self) -> Vec<&'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect()
    }

    /// The path with the ground's things in it, and its query.
    pub(super) fn at(&self, ground: &Ground) -> String {
        let path = self
            .parts()
            .into_iter()
            .fold(self.path.to_owned(), |path, part| path.replace(&format!("{{{part}}}"), &self.part(ground, part)));
        path + self.query
    }

    /// The same path with one part replaced.
    pub(super) fn at_with(&self, ground: &Ground, part: &str, by: &str) -> String {
        let route = Route { path: self.path, ..*self };
        let marked = route.path.replace(&format!("{{{part}}}"), by);
        let filled = self.parts().into_iter().filter(|other| *other != part);
        filled.fold(marked, |path, other| path.replace(&format!("{{{other}}}"), &self.part(ground, other))) + self.query
    }

    fn part(&self, ground: &Ground, part: &str) -> String {
        match part {
            "product" if self.path.starts_with("/v1/stocks") => ground.limited.to_string(),
            "product" if self.path.starts_with("/v1/library") => ground.products[OWNED].to_string(),
            "product" if self.path.starts_with("/v1/orders") => ground.products[TO_DROP].to_string(),
            "product" => ground.products[LISTED].to_string(),
            "order" if self.path.ends_with("/cancel") => ground.order_to_cancel.clone(),
            "order" => ground.order_of_two.clone(),
            "payment" if self.path.ends_with("/pay") => ground.ready_payment.clone(),
            "payment" => ground.paid_payment.clone(),
            "refund" => ground.refund.clone(),
            "user" => ground.victim.id.to_string(),
            "role" => "store_manager".to_owned(),
            "game" => ground.game.clone(),
            "key" => ground.key.clone(),
            "webhook" => ground.webhook.clone(),
            "delivery" => ground.delivery.clone(),
            "campaign" => ground.campaign.clone(),
            "player" => "p1".to_owned(),
            "goal" => "ten".to_owned(),
            "claim" => ground.claim.clone(),
            "fulfilment" => ground.fulfilment.clone(),
            "currency" => "LUCCI".to_owned(),
            "grant" => ground.grant.clone(),
            "placement" => "lobby".to_owned(),
            "banner" => ground.banner.clone(),
            "preset" => "kartrider".to_owned(),
            "recipe" => ground.recipe.clone(),
            "session" => ground.session.clone(),
            "run" => "4711".to_owned(),
            "instance" => "quests-1".to_owned(),
            other => panic!("{} names {other}, of which the ground has none", self.path),
        }
    }
}
