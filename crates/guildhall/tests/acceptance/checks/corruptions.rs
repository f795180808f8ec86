//! How each invariant is broken by SQL, and the row that a check has to name then. One case for each way in which an invariant can fail.

use db::Engine;
use kernel::ProductId;

/// What stands in the store, ids as hex digits.
pub(super) struct Stage {
    pub(super) engine: Engine,
    pub(super) boss: String,
    pub(super) session: String,
    pub(super) player: String,
    /// Somebody whose wallet is empty again.
    pub(super) spent: String,
    pub(super) key: String,
    /// What was claimed of campaigns.
    pub(super) claimed: super::campaign_cases::Claimed,
    /// A grant that was worked off.
    pub(super) grant: String,
    pub(super) webhook: String,
    /// A delivery that was given up.
    pub(super) parked: String,
    /// A delivery that waits.
    pub(super) due: String,
    /// Paid, without limit.
    pub(super) castle: ProductId,
    /// Paid and played.
    pub(super) knight: ProductId,
    /// Refunded.
    pub(super) tower: ProductId,
    /// Paid, limited.
    pub(super) racer: ProductId,
    /// Held, limited.
    pub(super) rare: ProductId,
    /// The payment of castle and racer.
    pub(super) paid: String,
    /// The payment of tower, refunded.
    pub(super) returned: String,
    pub(super) refund: String,
    /// The ready payment of rare.
    pub(super) held: String,
    pub(super) ordered: String,
    /// An order without a payment.
    pub(super) ready: String,
}

/// The id of nobody.
const NOBODY: &str = "00000000000000000000000000000007";

impl Stage {
    /// Bytes as the engine writes them.
    pub(super) fn id(&self, hex: &str) -> String {
        match self.engine {
            Engine::Sqlite => format!("x'{hex}'"),
            Engine::Postgres => format!("'\\x{hex}'::bytea"),
        }
    }

    fn set(&self, table: &str, what: &str, column: &str, hex: &str) -> String {
        format!("update {table} set {what} where {column} = {}", self.id(hex))
    }

    fn delete(&self, table: &str, column: &str, hex: &str) -> String {
        format!("delete from {table} where {column} = {}", self.id(hex))
    }

    fn product(&self, what: &str, product: ProductId) -> String {
        format!("update product set {what} where id = {product}")
    }

    fn owned(&self, what: &str, product: ProductId) -> String {
        format!("update library set {what} where user_id = {} and product = {product}", self.id(&self.player))
    }
}

/// One way to break an invariant.
pub(super) struct Case {
    pub(super) invariant: &'static str,
    pub(super) sql: fn(&Stage) -> String,
    pub(super) row: fn(&Stage) -> String,
}

pub(super) const fn case(invariant: &'static str, sql: fn(&Stage) -> String, row: fn(&Stage) -> String) -> Case {
    Case { invariant, sql, row }
}

fn player(s: &Stage) -> String {
    s.player.clone()
}

fn wallet(s: &Stage) -> String {
    format!("{}/POINTS", s.player)
}

fn castle(s: &Stage) -> String {
    s.castle.to_string()
}

fn payment_paid(s: &Stage) -> String {
    format!("payment {}", s.paid)
}

fn players_castle(s: &Stage) -> String {
    format!("{}/{}", s.player, s.castle)
}

fn held_copy(s: &Stage) -> String {
    format!("{}/{}", s.held, s.rare)
}

fn webhook(s: &Stage) -> String {
    s.webhook.clone()
}

fn due(s: &Stage) -> String {
    s.due.clone()
}

fn parked(s: &Stage) -> String {
    s.parked.clone()
}

pub(super) const CASES: &[Case] = &[
    case("webhooks.waiting-is-counted", |s| s.set("webhook", "waiting = waiting + 1", "id", &s.webhook), webhook),
    case("webhooks.waiting-is-counted", |s| s.delete("delivery", "id", &s.due), webhook),
    case("webhooks.held-waits-for-something", |s| s.set("delivery", "state = 'held', due_at = null", "id", &s.due), due),
    case("webhooks.times-fit-the-state", |s| s.set("delivery", "due_at = null", "id", &s.due), due),
    case("webhooks.times-fit-the-state", |s| s.set("delivery", "settled_at = 1", "id", &s.due), due),
    case("webhooks.times-fit-the-state", |s| s.set("delivery", "state = 'delivered'", "id", &s.parked), parked),
    case("webhooks.deliveries-have-a-webhook", |s| s.set("delivery", "game = 'maple'", "id", &s.parked), parked),
    case("webhooks.deliveries-have-a-webhook", |s| s.delete("webhook", "id", &s.webhook), parked),
    case("webhooks.one-current-secret", |s| s.delete("webhook_secret", "webhook", &s.webhook), webhook),
    case("webhooks.one-current-secret", |s| s.set("webhook_secret", "expires_at = 1", "webhook", &s.webhook), webhook),
    case("webhooks.one-current-secret", |s| s.set("webhook", "state = 'deleted'", "id", &s.webhook), webhook),
    case("webhooks.wanted-topics-are-subscribed", |_| "delete from subscription where subscriber = 'webhooks'".to_owned(), webhook),
    case("accounts.erased-means-erased", |s| s.set("accounts", "state = 'erased'", "id", &s.player), player),
    case("accounts.everyone-can-be-found", |s| s.delete("personal", "user_id", &s.player), player),
    case("accounts.everyone-can-be-found", |s| s.delete("account_email", "user_id", &s.player), player),
    case(
        "accounts.nothing-personal-without-an-account",
        |s| s.set("personal", &format!("user_id = {}", s.id(NOBODY)), "user_id", &s.player),
        |_| NOBODY.to_owned(),
    ),
    case(
        "accounts.nothing-personal-without-an-account",
        |s| s.set("account_email", &format!("user_id = {}", s.id(NOBODY)), "user_id", &s.player),
        |_| NOBODY.to_owned(),
    ),
    case(
        "accounts.nothing-personal-without-an-account",
        |s| s.set("session", &format!("user_id = {}", s.id(NOBODY)), "id", &s.session),
        |_| NOBODY.to_owned(),
    ),
    case(
        "accounts.nothing-personal-without-an-account",
        |s| format!("insert into mail_token (user_id, purpose, hash, expires_at) values ({0}, 'reset', {0}, 1)", s.id(NOBODY)),
        |_| NOBODY.to_owned(),
    ),
    case(
        "accounts.only-active-accounts-have-live-sessions",
        |s| s.set("accounts", "state = 'blocked'", "id", &s.boss),
        |s| s.session.clone(),
    ),
    case("accounts.keys-belong-to-games", |s| s.set("game_key", "scopes = ''", "id", &s.key), |s| s.key.clone()),
    case("accounts.keys-belong-to-games", |_| "update game set id = 'gone'".to_owned(), |s| s.key.clone()),
    case(
        "accounts.members-belong-to-games",
        |s| s.set("game_member", "game = 'gone'", "user_id", &s.player),
        |s| format!("gone/{}", s.player),
    ),
    case("accounts.members-belong-to-games", |s| s.delete("accounts", "id", &s.player), |s| format!("kart/{}", s.player)),
    case("accounts.an-admin-is-left", |s| s.set("accounts", "roles = 1", "id", &s.boss), |_| "accounts".to_owned()),
    case("wallet.balance-is-the-sum-of-its-entries", |s| s.set("wallet", "balance = balance + 1", "user_id", &s.player), wallet),
    case("wallet.balance-is-the-sum-of-its-entries", |s| s.delete("wallet", "user_id", &s.player), wallet),
    case("wallet.balance-is-the-sum-of-its-entries", |s| s.delete("wallet", "user_id", &s.spent), |s| format!("{}/POINTS", s.spent)),
    case("wallet.seq-is-unbroken", |s| s.set("wallet", "seq = seq + 1", "user_id", &s.player), wallet),
    case("wallet.seq-is-unbroken", |s| s.delete("ledger", "seq = 2 and user_id", &s.player), wallet),
    case(
        "wallet.balance-after-follows",
        |s| s.set("ledger", "balance_after = balance_after + 1", "seq = 2 and user_id", &s.player),
        |s| wallet(s) + "/2",
    ),
    case(
        "wallet.balance-after-follows",
        |s| s.set("ledger", "amount = amount - 1", "seq = 1 and user_id", &s.player),
        |s| wallet(s) + "/1",
    ),
    case("catalogue.a-product-has-a-name", |s| s.product("name = '  '", s.castle), castle),
    case("catalogue.a-sale-is-whole", |s| s.product("sale_percent = 50", s.castle), castle),
    case("catalogue.a-sale-is-whole", |s| s.product("sale_percent = 0, sale_starts_at = 1, sale_ends_at = 2", s.castle), castle),
    case("catalogue.a-sale-is-whole", |s| s.product("sale_percent = 10, sale_starts_at = 2, sale_ends_at = 2", s.castle), castle),
    case("catalogue.versions-and-ids-were-given-out", |s| s.product("version = version + 1000000", s.castle), castle),
    case("catalogue.versions-and-ids-were-given-out", |s| format!("update catalogue_version set next_product = {}", s.castle), castle),
    case("catalogue.genre-rows-are-the-genres-shown", |s| format!("delete from product_genre where product = {}", s.castle), castle),
    case(
        "catalogue.genre-rows-are-the-genres-shown",
        |s| format!("insert into product_genre (product, genre) values ({}, 'Chess')", s.castle),
        castle,
    ),
    case(
        "catalogue.genre-rows-are-the-genres-shown",
        |_| "insert into product_genre (product, genre) values (999999, 'Chess')".to_owned(),
        |_| "999999".to_owned(),
    ),
    case("catalogue.details-belong-to-products", |s| format!("delete from product_detail where product = {}", s.castle), castle),
    case("catalogue.details-belong-to-products", |s| format!("delete from product where id = {}", s.castle), castle),
    case(
        "catalogue.import-counts-add-up",
        |_| {
            "insert into import_run (id, file, bytes, status, games_read, added, changed, unchanged, bad, started_at, touched_at)
             values (77, 'games.json', 1, 'finished', 10, 1, 2, 3, 5, 1, 1)"
                .to_owned()
        },
        |_| "77".to_owned(),
    ),
    case(
        "stock.sold-held-and-available-are-registered",
        |s| format!("update stock set registered = registered + 1 where product = {}", s.racer),
        |s| format!("stock/{}", s.racer),
    ),
    case(
        "stock.sold-held-and-available-are-registered",
        |s| format!("update stock set by_hand = 9 where product = {}", s.racer),
        |s| format!("stock/{}", s.racer),
    ),
    case(
        "stock.holds-are-what-the-row-says",
        |s| format!("delete from hold where product = {}", s.racer),
        |s| format!("stock/{}", s.racer),
    ),
    case("stock.holds-are-what-the-row-says", |s| format!("delete from stock where product = {}", s.rare), |s| format!("stock/{}", s.rare)),
    case("stock.each-hold-has-its-payment", |s| s.set("hold", "state = 'sold'", "payment", &s.held), held_copy),
    case("stock.each-hold-has-its-payment", |s| s.set("hold", "state = 'lost'", "payment", &s.held), held_copy),
    case("stock.each-hold-has-its-payment", |s| s.set("hold", &format!("user_id = {}", s.id(NOBODY)), "payment", &s.held), held_copy),
    case("stock.each-hold-has-its-payment", |s| s.delete("hold", "payment", &s.paid), |s| format!("{}/{}", s.paid, s.racer)),
    case("orders.none-is-empty", |s| s.delete("order_item", "order_id", &s.ready), |s| s.ready.clone()),
    case("orders.none-is-empty", |s| s.delete("orders", "id", &s.ready), |s| s.ready.clone()),
    case(
        "orders.a-product-is-in-one-open-order",
        |s| format!("insert into order_item (order_id, product) values ({}, {})", s.id(&s.ready), s.rare),
        |s| format!("{}/{}", s.player, s.rare),
    ),
    case("payments.states-agree-with-orders", |s| s.set("orders", "state = 'ready'", "id", &s.ordered), |s| format!("order {}", s.ordered)),
    case("payments.states-agree-with-orders", |s| s.set("orders", "state = 'paid'", "id", &s.ready), |s| format!("order {}", s.ready)),
    case("payments.states-agree-with-orders", |s| s.set("orders", "state = 'lost'", "id", &s.ready), |s| format!("order {}", s.ready)),
    case("payments.states-agree-with-orders", |s| s.set("payment", &format!("order_id = {}", s.id(NOBODY)), "id", &s.paid), payment_paid),
    case("payments.states-agree-with-orders", |s| s.set("payment", &format!("user_id = {}", s.id(NOBODY)), "id", &s.paid), payment_paid),
    case("payments.state-agrees-with-its-columns", |s| s.set("payment", "state = 'refunded'", "id", &s.paid), payment_paid),
    case("payments.state-agrees-with-its-columns", |s| s.set("payment", "state = 'lost'", "id", &s.paid), payment_paid),
    case("payments.state-agrees-with-its-columns", |s| s.set("payment", "paid_at = null", "id", &s.paid), payment_paid),
    case(
        "payments.state-agrees-with-its-columns",
        |s| s.set("payment", "state = 'paid'", "id", &s.returned),
        |s| format!("payment {}", s.returned),
    ),
    case("payments.state-agrees-with-its-columns", |s| s.delete("payment_item", "payment", &s.paid), payment_paid),
    case(
        "payments.amount-is-the-sum-of-its-items",
        |s| s.set("payment", "amount = amount + 1", "id", &s.held),
        |s| format!("payment {}", s.held),
    ),
    case(
        "payments.amount-is-the-sum-of-its-items",
        |s| s.set("payment", "refunded = refunded - 1", "id", &s.returned),
        |s| format!("payment {}", s.returned),
    ),
    case("payments.the-ledger-has-what-was-paid", |s| s.delete("ledger", "seq = 2 and user_id", &s.player), payment_paid),
    case(
        "payments.the-ledger-has-what-was-paid",
        |s| s.delete("ledger", "reason = 'refund' and user_id", &s.player),
        |s| format!("payment {}", s.returned),
    ),
    case(
        "payments.the-ledger-has-what-was-paid",
        |s| s.set("ledger", "counterparty = 'store'", "seq = 1 and user_id", &s.player),
        |_| "ledger reference receipt1".to_owned(),
    ),
    case(
        "payments.what-was-paid-is-owned",
        |s| s.delete("library", &format!("product = {} and user_id", s.castle), &s.player),
        players_castle,
    ),
    case("payments.what-was-paid-is-owned", |s| s.owned("source = 'operator'", s.castle), players_castle),
    case(
        "payments.refunds-are-their-items",
        |s| s.set("refund", "amount = amount + 1", "id", &s.refund),
        |s| format!("refund {}", s.refund),
    ),
    case("payments.refunds-are-their-items", |s| s.set("refund", "state = 'lost'", "id", &s.refund), |s| format!("refund {}", s.refund)),
    case(
        "payments.refunds-are-their-items",
        |s| s.set("refund", &format!("user_id = {}", s.id(NOBODY)), "id", &s.refund),
        |s| format!("refund {}", s.refund),
    ),
    case(
        "payments.refunds-are-their-items",
        |s| s.set("payment_item", &format!("refund = {}", s.id(NOBODY)), &format!("product = {} and payment", s.castle), &s.paid),
        |s| format!("{}/{}", s.paid, s.castle),
    ),
    case("library.each-row-has-one-live-source", |s| s.owned("source = 'luck'", s.castle), players_castle),
    case(
        "library.each-row-has-one-live-source",
        |s| s.owned("source_id = '01890a5d-ac96-774b-bcce-b302099a8057'", s.castle),
        players_castle,
    ),
    case(
        "library.each-row-has-one-live-source",
        |s| s.owned(&format!("product = {}", s.tower), s.castle),
        |s| format!("{}/{}", s.player, s.tower),
    ),
    case("library.minutes-are-the-sum-of-plays", |s| s.owned("minutes = minutes + 1", s.knight), |s| format!("{}/{}", s.player, s.knight)),
    case("library.minutes-are-the-sum-of-plays", |s| s.owned("plays = 2", s.knight), |s| format!("{}/{}", s.player, s.knight)),
    case("library.minutes-are-the-sum-of-plays", |s| s.delete("play", "user_id", &s.player), |s| format!("{}/{}", s.player, s.knight)),
    case(
        "library.minutes-are-the-sum-of-plays",
        |s| format!("insert into play (user_id, product, seq, minutes, at) values ({}, {}, 1, 0, 1)", s.id(&s.player), s.castle),
        players_castle,
    ),
    case("registry.who-is-there-has-a-lease", |_| "delete from lease where instance = 'reg-1'".to_owned(), |_| "reg-1".to_owned()),
    case(
        "registry.who-is-there-has-a-lease",
        |_| "update instance set status = 'gone' where id = 'reg-1'".to_owned(),
        |_| "reg-1".to_owned(),
    ),
    case(
        "registry.versions-are-given-out-once",
        |_| "update instance set version = version + 1000 where id = 'reg-2'".to_owned(),
        |_| "reg-2".to_owned(),
    ),
    case(
        "registry.versions-are-given-out-once",
        |_| "update instance set version = (select min(version) from instance)".to_owned(),
        |_| "reg-1".to_owned(),
    ),
];
