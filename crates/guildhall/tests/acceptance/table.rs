//! Every route of the API: who may call it, with which body, and what its rightful caller is answered.
//! Refuses to guess: a route without a row fails a test, and so does a row without a route.

use super::ground::{Ground, LISTED, OWNED, PASSWORD, TO_BUY, TO_DROP, TO_GRANT, cash};
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

/// What the instance of these rows registers with.
const TICKET: &str = "3f0a6a0d2c0b4c7d9e1f2a3b4c5d6e7f";

/// The rows, in an order in which the boss can call each once.
pub(super) const ROUTES: &[Route] = &[
    read("/v1/products", May::Public),
    Route { query: "?q=game", ..read("/v1/products/search", May::Public) },
    read("/v1/products/{product}", May::Public),
    read("/v1/products/{product}/exists", May::Public),
    read("/v1/genres", May::Public),
    write("POST", "/v1/products", May::StoreManager, 201, |_| {
        json!({ "name": "Kart", "price_minor": 1999, "currency": "USD", "genres": ["Racing"], "developers": ["Nexon"], "publishers": ["Nexon"],
            "platforms": ["windows"], "released": "2004-06-01", "limited": false, "player_limit": 0, "detail": { "short_description": "Karts." } })
    }),
    write("PATCH", "/v1/products/{product}", May::StoreManager, 200, |_| json!({ "name": "Kart II", "price_minor": 2499 })),
    write("PUT", "/v1/products/{product}/sale", May::StoreManager, 200, |ground| {
        let day = 24 * kernel::time::HOUR_US;
        json!({ "percent": 50, "starts_at": ground.now.plus_us(day), "ends_at": ground.now.plus_us(2 * day) })
    }),
    write("DELETE", "/v1/products/{product}/sale", May::StoreManager, 200, nothing),
    write("PUT", "/v1/products/{product}/limit", May::StoreManager, 200, |_| json!({ "limited": false, "player_limit": 3 })),
    read("/v1/imports", May::StoreManager),
    Route { done: 404, ..read("/v1/imports/{run}/bad", May::StoreManager) },
    read("/v1/stocks/{product}", May::Public),
    write("POST", "/v1/stocks/{product}", May::StoreManager, 200, |_| json!({ "quantity": 5 })),
    write("POST", "/v1/stocks/{product}/decrease", May::StoreManager, 200, |_| json!({ "quantity": 1 })),
    write("POST", "/v1/stocks/{product}/increase", May::StoreManager, 200, |_| json!({ "quantity": 1 })),
    read("/v1/wishlist", May::Player),
    write("POST", "/v1/wishlist", May::Player, 201, |ground| json!({ "product": ground.products[LISTED] })),
    write("DELETE", "/v1/wishlist/{product}", May::OwnOnly, 204, nothing),
    read("/v1/orders", May::Player),
    write("POST", "/v1/orders", May::Player, 201, nothing),
    read("/v1/orders/{order}", May::OwnOnly),
    write("POST", "/v1/orders/{order}/cancel", May::OwnOnly, 200, nothing),
    write("DELETE", "/v1/orders/{order}/items/{product}", May::OwnOnly, 200, nothing),
    read("/v1/payments", May::Player),
    write("POST", "/v1/payments", May::OwnOnly, 201, |ground| json!({ "order": ground.order_to_enter })),
    write("POST", "/v1/payments/buy", May::Player, 201, |ground| json!({ "products": [ground.products[TO_BUY]] })),
    read("/v1/payments/{payment}", May::OwnOnly),
    write("POST", "/v1/payments/{payment}/pay", May::OwnOnly, 200, nothing),
    read("/v1/payments/{payment}/refunds", May::OwnOnly),
    write("POST", "/v1/payments/{payment}/refunds", May::OwnOnly, 201, nothing),
    read("/v1/payments/{payment}/refunds/{refund}", May::OwnOnly),
    read("/v1/settlements", May::Operator),
    read("/v1/library", May::Player),
    read("/v1/library/{product}", May::OwnOnly),
    read("/v1/library/{product}/plays", May::OwnOnly),
    write("POST", "/v1/library/{product}/plays", May::OwnOnly, 200, |_| json!({ "minutes": 45 })),
    read("/v1/accounts/{user}/library", May::Operator),
    write("POST", "/v1/accounts/{user}/library", May::Operator, 201, |ground| json!({ "product": ground.products[TO_GRANT] })),
    read("/v1/wallet", May::Player),
    Route { query: "?currency=POINTS", ..read("/v1/wallet/entries", May::Player) },
    read("/v1/accounts/{user}/wallet", May::Operator),
    Route { query: "?currency=POINTS", ..read("/v1/accounts/{user}/wallet/entries", May::Operator) },
    write("POST", "/v1/accounts/{user}/wallet/credits", May::PointsProvider, 200, amount),
    write("POST", "/v1/accounts/{user}/wallet/debits", May::PointsProvider, 200, amount),
    read("/v1/games", May::Player),
    write("POST", "/v1/games", May::Operator, 201, |_| json!({ "id": "maple", "name": "Maple", "zone": "Asia/Seoul" })),
    read("/v1/games/{game}", May::Player),
    read("/v1/games/{game}/members", May::Team),
    write("PUT", "/v1/games/{game}/members/{user}", May::Team, 204, |_| json!({ "role": "team_member" })),
    write("DELETE", "/v1/games/{game}/members/{user}", May::Team, 204, nothing),
    read("/v1/games/{game}/keys", May::Team),
    write("POST", "/v1/games/{game}/keys", May::Team, 201, |_| json!({ "name": "web shop", "scopes": ["players:read", "claims:write"] })),
    write("POST", "/v1/games/{game}/keys/{key}/rotate", May::Team, 200, nothing),
    write("DELETE", "/v1/games/{game}/keys/{key}", May::Team, 204, nothing),
    read("/v1/games/{game}/players", May::Team),
    write(
        "PUT",
        "/v1/games/{game}/players",
        May::Team,
        200,
        |_| json!({ "players": [{ "player": "p1", "nickname": "Bazzi", "level": 38 }] }),
    ),
    read("/v1/games/{game}/players/{player}", May::Team),
    read("/v1/games/{game}/currencies", May::Team),
    write("PUT", "/v1/games/{game}/currencies/{currency}", May::Team, 200, |_| json!({ "name": "Lucci" })),
    read("/v1/games/{game}/players/{player}/currencies", May::Team),
    read("/v1/games/{game}/players/{player}/currencies/{currency}/entries", May::Team),
    write("POST", "/v1/games/{game}/players/{player}/currencies/{currency}/credits", May::Team, 200, cash),
    write("POST", "/v1/games/{game}/players/{player}/currencies/{currency}/debits", May::Team, 200, cash),
    read("/v1/games/{game}/grants", May::Team),
    write("POST", "/v1/games/{game}/grants", May::Team, 201, |_| json!({ "currency": "LUCCI", "reason": "season 7" })),
    read("/v1/games/{game}/grants/{grant}", May::Team),
    read("/v1/games/{game}/grants/{grant}/players", May::Team),
    write(
        "POST",
        "/v1/games/{game}/grants/{grant}/players",
        May::Team,
        200,
        |_| json!({ "players": [{ "player": "p2", "amount_minor": 5 }] }),
    ),
    write("POST", "/v1/games/{game}/grants/{grant}/start", May::Team, 202, nothing),
    write("POST", "/v1/games/{game}/grants/{grant}/cancel", May::Team, 200, nothing),
    Route { query: "?locale=ko-KR&platform=ios&level=7&players=new", ..read("/v1/games/{game}/placements/{placement}/banners", May::Team) },
    Route { query: "?state=draft", ..read("/v1/games/{game}/banners", May::Team) },
    write("POST", "/v1/games/{game}/banners", May::Team, 201, |ground| super::ground::banner(ground.now)),
    read("/v1/games/{game}/banners/{banner}", May::Team),
    write("PUT", "/v1/games/{game}/banners/{banner}", May::Team, 200, |ground| super::ground::banner(ground.now)),
    write("POST", "/v1/games/{game}/banners/{banner}/publish", May::Team, 200, nothing),
    write("POST", "/v1/games/{game}/banners/{banner}/take-down", May::Team, 200, nothing),
    write("DELETE", "/v1/games/{game}/banners/{banner}", May::Team, 204, nothing),
    read("/v1/games/{game}/webhooks", May::Team),
    write(
        "POST",
        "/v1/games/{game}/webhooks",
        May::Team,
        201,
        |_| json!({ "url": "https://game.example/hooks", "topics": ["fulfilment.created"], "description": "item server", "concurrency": 4 }),
    ),
    read("/v1/games/{game}/webhooks/{webhook}", May::Team),
    write(
        "PATCH",
        "/v1/games/{game}/webhooks/{webhook}",
        May::Team,
        200,
        |_| json!({ "url": "https://game.example/other", "topics": ["claim.granted"], "description": "", "concurrency": 2, "enabled": true }),
    ),
    write("POST", "/v1/games/{game}/webhooks/{webhook}/rotate", May::Team, 200, nothing),
    write("POST", "/v1/games/{game}/webhooks/{webhook}/test", May::Team, 202, nothing),
    Route { query: "?state=parked", ..read("/v1/games/{game}/webhooks/{webhook}/deliveries", May::Team) },
    write("POST", "/v1/games/{game}/webhooks/{webhook}/deliveries/{delivery}/redeliver", May::Team, 202, nothing),
    write("DELETE", "/v1/games/{game}/webhooks/{webhook}", May::Team, 204, nothing),
    read("/v1/games/{game}/campaigns", May::Player),
    write("POST", "/v1/games/{game}/campaigns", May::Team, 201, |ground| json!({ "campaign": campaign(ground, "second") })),
    read("/v1/games/{game}/campaigns/{campaign}", May::Team),
    write(
        "PUT",
        "/v1/games/{game}/campaigns/{campaign}",
        May::Team,
        200,
        |ground| json!({ "campaign": campaign(ground, &ground.campaign), "policy": "keep" }),
    ),
    read("/v1/games/{game}/campaigns/{campaign}/versions", May::Team),
    write(
        "POST",
        "/v1/games/{game}/campaigns/{campaign}/extend",
        May::Team,
        200,
        |ground| json!({ "ends": kernel::Instant((ground.now.unix_seconds() + 60 * 86_400) * kernel::time::SECOND_US) }),
    ),
    write("PUT", "/v1/games/{game}/fulfil-by", May::Team, 200, |_| json!({ "fulfil_by": "poll" })),
    read("/v1/campaigns/schema", May::Public),
    read("/v1/games/{game}/mapping", May::Team),
    write("PUT", "/v1/games/{game}/mapping", May::Team, 200, |_| json!({ "mapping": mapping() })),
    read("/v1/games/{game}/mapping/versions", May::Team),
    write("POST", "/v1/games/{game}/mapping/try", May::Team, 200, |_| json!({ "mapping": mapping(), "lines": ["{}"] })),
    read("/v1/mappings/presets", May::Player),
    read("/v1/mappings/presets/{preset}", May::Player),
    read("/v1/games/{game}/campaigns/{campaign}/players/{player}", May::OwnOnly),
    Route { query: "?players=p1,p2", ..read("/v1/games/{game}/campaigns/{campaign}/players", May::Team) },
    read("/v1/games/{game}/players/{player}/achievements", May::OwnOnly),
    write(
        "POST",
        "/v1/games/{game}/campaigns/{campaign}/players/{player}/goals/{goal}/claims",
        May::OwnOnly,
        200,
        |_| json!({ "period": 0, "n": 1 }),
    ),
    write("POST", "/v1/games/{game}/campaigns/{campaign}/players/{player}/opt-in", May::OwnOnly, 202, nothing),
    write(
        "POST",
        "/v1/games/{game}/campaigns/{campaign}/players/{player}/corrections",
        May::Operator,
        202,
        |_| json!({ "goal": "ten", "period": 0, "by": -1, "reason": "ticket 1" }),
    ),
    write(
        "POST",
        "/v1/games/{game}/campaigns/{campaign}/players/{player}/restart",
        May::Operator,
        202,
        |_| json!({ "reason": "ticket 2" }),
    ),
    write("POST", "/v1/games/{game}/players/{player}/erase-progress", May::Operator, 202, |_| json!({ "reason": "ticket 3" })),
    read("/v1/games/{game}/fulfilments", May::Team),
    read("/v1/games/{game}/fulfilments/{fulfilment}", May::Team),
    write("POST", "/v1/games/{game}/fulfilments/{fulfilment}/acknowledge", May::Team, 200, |_| json!({ "note": "mail 7" })),
    write("POST", "/v1/games/{game}/fulfilments/{fulfilment}/fail", May::Team, 409, |_| json!({ "note": "no such player" })),
    write("POST", "/v1/games/{game}/fulfilments/{fulfilment}/resend", May::Team, 409, nothing),
    write("POST", "/v1/games/{game}/claims/{claim}/clawback", May::Operator, 200, |_| json!({ "reason": "ticket 4" })),
    write("POST", "/v1/games/{game}/campaigns/{campaign}/stop", May::Team, 200, nothing),
    write("POST", "/v1/games/{game}/players/{player}/link-codes", May::Operator, 201, nothing),
    read("/v1/links", May::Player),
    read("/v1/recipe-views", May::Operator),
    read("/v1/recipes", May::Operator),
    write("POST", "/v1/recipes", May::Operator, 201, |_| json!({ "recipe": "second", "definition": super::ground::recipe() })),
    read("/v1/recipes/{recipe}", May::Operator),
    write("PUT", "/v1/recipes/{recipe}", May::Operator, 200, |_| json!({ "definition": super::ground::recipe() })),
    read("/v1/games/{game}/recipes", May::Team),
    Route { query: "?player=p", ..read("/v1/games/{game}/recipes/{recipe}", May::Team) },
    write("POST", "/v1/recipes/{recipe}/retire", May::Operator, 200, nothing),
    write("POST", "/v1/links", May::Player, 404, |_| json!({ "code": "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA" })),
    read("/v1/games/{game}/players/{player}/link", May::Team),
    write("DELETE", "/v1/links/{game}", May::OwnOnly, 204, nothing),
    write("PUT", "/v1/games/{game}/players/{player}/link", May::Operator, 200, |ground| json!({ "link_to": ground.victim.id })),
    write("DELETE", "/v1/games/{game}/players/{player}/link", May::Operator, 204, nothing),
    write(
        "POST",
        "/v1/accounts",
        May::Public,
        201,
        |_| json!({ "email": "new@example.org", "password": PASSWORD, "name": "Jane", "phone": "+82 2-1234-5678" }),
    ),
    read("/v1/accounts/me", May::Player),
    write("PATCH", "/v1/accounts/me", May::Player, 200, |_| json!({ "name": "Jane D." })),
    read("/v1/accounts/me/export", May::Player),
    write("POST", "/v1/accounts/me/confirmation", May::Player, 202, nothing),
    write("POST", "/v1/email-confirmations", May::Public, 404, |_| json!({ "token": "a made-up code" })),
    write("POST", "/v1/password-resets", May::Public, 202, |ground| json!({ "email": ground.boss_email })),
    write("POST", "/v1/password-resets/complete", May::Public, 404, |_| json!({ "token": "a made-up code", "password": PASSWORD })),
    read("/v1/registry/instances", May::Operator),
    Route { query: "?after=0&wait_ms=0", ..read("/v1/registry/changes", May::Operator) },
    write("PUT", "/v1/registry/instances/{instance}", May::Fleet, 200, |_| {
        json!({ "services": ["quests"], "address": "10.0.0.9:8081", "version": "1.2", "weight": 50, "metadata": { "zone": "a" }, "lease_ms": 60_000,
            "ticket": TICKET })
    }),
    write("POST", "/v1/registry/instances/{instance}/renew", May::Fleet, 200, |_| json!({ "ticket": TICKET })),
    write("POST", "/v1/registry/instances/{instance}/drain", May::Fleet, 204, |_| json!({ "ticket": TICKET })),
    write("DELETE", "/v1/registry/instances/{instance}", May::Fleet, 204, |_| json!({ "ticket": TICKET })),
    read("/v1/insight/statements", May::Operator),
    read("/v1/insight/advice", May::Operator),
    read("/v1/insight/findings", May::Operator),
    read("/v1/sessions", May::Player),
    write("POST", "/v1/sessions", May::Public, 201, |ground| json!({ "email": ground.boss_email, "password": PASSWORD })),
    write("POST", "/v1/sessions/refresh", May::Public, 200, |ground| json!({ "refresh_token": ground.refresh_token })),
    write("DELETE", "/v1/sessions/{session}", May::OwnOnly, 204, nothing),
    write("POST", "/v1/accounts/find", May::Operator, 200, |ground| json!({ "email": ground.boss_email })),
    read("/v1/accounts/{user}", May::Operator),
    read("/v1/audit", May::Operator),
    write("POST", "/v1/accounts/{user}/block", May::Operator, 200, |_| json!({ "reason": "fraud" })),
    write("POST", "/v1/accounts/{user}/unblock", May::Operator, 200, |_| json!({ "reason": "resolved" })),
    write("PUT", "/v1/accounts/{user}/roles/{role}", May::Admin, 200, nothing),
    write("DELETE", "/v1/accounts/{user}/roles/{role}", May::Admin, 200, nothing),
    write(
        "POST",
        "/v1/accounts/me/password",
        May::Player,
        204,
        |_| json!({ "old_password": PASSWORD, "new_password": "staple battery horse" }),
    ),
    write("DELETE", "/v1/accounts/me", May::Player, 409, |_| json!({ "password": "staple battery horse" })),
    write("DELETE", "/v1/sessions/current", May::Player, 204, nothing),
];

/// Routes that stand outside the API's description, all public.
pub(super) const PAGES: &[&str] =
    &["/", "/health", "/ready", "/metrics", "/openapi.json", "/docs", "/docs/errors/{code}", "/console/", "/console/{file}"];

const fn read(path: &'static str, may: May) -> Route {
    Route { method: "GET", path, may, done: 200, query: "", body: nothing }
}

const fn write(method: &'static str, path: &'static str, may: May, done: u16, body: fn(&Ground) -> Value) -> Route {
    Route { method, path, may, done, query: "", body }
}

fn nothing(_: &Ground) -> Value {
    json!({})
}

pub(super) fn campaign(ground: &Ground, id: &str) -> Value {
    super::ground::campaign(&ground.game, ground.now, id)
}

fn mapping() -> Value {
    let text = rules::preset("kartrider").expect("it comes with the rules");
    serde_json::from_str(text).expect("presets are JSON")
}

fn amount(_: &Ground) -> Value {
    json!({ "amount_minor": 100, "currency": "POINTS", "reference": "receipt-7781" })
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
