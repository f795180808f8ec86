//! Writes what claims decided: one statement per table, and what is announced of it.
//! Refuses a second claim of an achievement: its unique index does.

use crate::checkpoint::CHUNK_ROWS;
use crate::decide::claims::{State, WHOLE};
use crate::model::{Claim, ClaimedBy, FulfilBy, Granted, Key};
use db::{Announcement, Column, Error, Rows, Statement, Tx, announce, row};
use kernel::{ClaimId, FulfilmentId, GameId, Instant};

/// The topic of claims that were granted.
pub(crate) const GRANTED_TOPIC: &str = "claim.granted";
/// The topic of items that a game team has to hand out.
pub(crate) const FULFILMENT_TOPIC: &str = "fulfilment.created";

static SPEND: Statement = Statement::new(
    "campaigns.spend_budgets",
    "update budget set spent = r.spent
     from rows r
     where budget.game = r.game and budget.number = r.number and budget.unit = r.unit and budget.day = r.day",
)
.rows(&[("game", Column::Text), ("number", Column::Int), ("unit", Column::Text), ("day", Column::Int), ("spent", Column::Int)]);

// The unique index holds one claim per achievement: another process that granted it meanwhile breaks it, and the turn runs again.
static ADD_CLAIMS: Statement = Statement::new(
    "campaigns.add_claims",
    "insert into claim (id, game, player, number, lineage, goal, period, n, state, user_id, claimed_by, day, granted_at, clawed_back_at)
     select id, game, player, number, lineage, goal, period, n, state, user_id, claimed_by, day, granted_at, clawed_back_at
     from rows
     where true
     order by id
     on conflict (game, player, number, lineage, goal, period, n) do nothing",
)
.rows(&[
    ("id", Column::Bytes),
    ("game", Column::Text),
    ("player", Column::Text),
    ("number", Column::Int),
    ("lineage", Column::Int),
    ("goal", Column::Int),
    ("period", Column::Int),
    ("n", Column::Int),
    ("state", Column::Text),
    ("user_id", Column::Bytes),
    ("claimed_by", Column::Text),
    ("day", Column::Int),
    ("granted_at", Column::Int),
    ("clawed_back_at", Column::Int),
]);

static ADD_REWARDS: Statement = Statement::new(
    "campaigns.add_rewards",
    "insert into claim_reward (claim, place, kind, currency, amount, product, item, fulfilment, taken_back)
     select claim, place, kind, currency, amount, product, item, fulfilment, 0
     from rows",
)
.rows(&[
    ("claim", Column::Bytes),
    ("place", Column::Int),
    ("kind", Column::Text),
    ("currency", Column::Text),
    ("amount", Column::Int),
    ("product", Column::Int),
    ("item", Column::Text),
    ("fulfilment", Column::Bytes),
]);

static ADD_FULFILMENTS: Statement = Statement::new(
    "campaigns.add_fulfilments",
    "insert into fulfilment (id, game, player, claim, place, item, quantity, fulfil_by, state, note, version, created_at, changed_at)
     select id, game, player, claim, place, item, quantity, fulfil_by, 'pending', '', 1, at, at
     from rows
     order by id",
)
.rows(&[
    ("id", Column::Bytes),
    ("game", Column::Text),
    ("player", Column::Text),
    ("claim", Column::Bytes),
    ("place", Column::Int),
    ("item", Column::Text),
    ("quantity", Column::Int),
    ("fulfil_by", Column::Text),
    ("at", Column::Int),
]);

static RETRY: Statement = Statement::new(
    "campaigns.retry_achievements",
    "update achievement set auto_at = r.auto_at, attempts = r.attempts
     from rows r
     where achievement.game = r.game and achievement.player = r.player and achievement.number = r.number
       and achievement.lineage = r.lineage and achievement.goal = r.goal and achievement.period = r.period and achievement.n = r.n",
)
.rows(&[
    ("game", Column::Text),
    ("player", Column::Text),
    ("number", Column::Int),
    ("lineage", Column::Int),
    ("goal", Column::Int),
    ("period", Column::Int),
    ("n", Column::Int),
    ("auto_at", Column::Int),
    ("attempts", Column::Int),
]);

/// Writes what was decided, and announces it.
pub(crate) async fn write(tx: &mut Tx<'_>, state: &State) -> Result<(), Error> {
    let now = tx.now();
    let (mut claims, mut rewards, mut fulfilments) = (Rows::new(), Rows::new(), Rows::new());
    let mut announcements = Vec::new();
    for (key, by, day) in &state.granted {
        let claim = &state.claims[key];
        push_claim(&mut claims, key, claim, &by.to_string(), *day);
        let by_webhook = state.fulfil_by.get(&key.game).copied().unwrap_or(FulfilBy::Poll);
        for (place, (granted, _)) in claim.rewards.iter().enumerate() {
            let place = i64::try_from(place).expect("a goal has at most a hundred rewards");
            push_reward(&mut rewards, claim.id, place, granted);
            if let Granted::Item { item, quantity, fulfilment } = granted {
                let (game, player) = (key.game.as_str(), key.player.as_str());
                fulfilments.push(&row![*fulfilment, game, player, claim.id, place, item, *quantity, by_webhook.as_str(), now]);
            }
        }
        announcements.extend(announced(state, key, *by, by_webhook));
    }
    tx.write(&ADD_CLAIMS, claims).await?;
    tx.write(&ADD_REWARDS, rewards).await?;
    tx.write(&ADD_FULFILMENTS, fulfilments).await?;
    library::commands::write(tx, &state.library).await?;
    wallet::commands::write(tx, &state.wallets).await?;
    let spent = Rows::of(&state.spent, |key| row![key.0.as_str(), key.1, key.2.as_str(), key.3, state.budgets[key]]);
    tx.write(&SPEND, spent).await?;
    let retried: Vec<&Key> = state.retried.iter().collect();
    for chunk in retried.chunks(CHUNK_ROWS) {
        let rows = Rows::of(chunk, |key| {
            let of = &state.promises[*key].achievement;
            row![key.game.as_str(), key.player.as_str(), key.number, key.lineage, key.goal, key.period, key.n, of.auto_at, of.attempts]
        });
        tx.write(&RETRY, rows).await?;
    }
    announce(tx, &announcements).await
}

fn push_claim(rows: &mut Rows, key: &Key, claim: &Claim, by: &str, day: i64) {
    let (game, player, state) = (key.game.as_str(), key.player.as_str(), claim.state.as_str());
    let (granted_at, clawed_back_at): (Option<Instant>, Option<Instant>) = (claim.granted_at, claim.clawed_back_at);
    rows.push(&row![
        claim.id,
        game,
        player,
        key.number,
        key.lineage,
        key.goal,
        key.period,
        key.n,
        state,
        claim.user,
        by,
        day,
        granted_at,
        clawed_back_at
    ]);
}

/// Writes claims that were clawed back before they were granted.
pub(crate) async fn write_never_granted(tx: &mut Tx<'_>, claims: &[(&Key, &Claim)]) -> Result<(), Error> {
    let mut rows = Rows::new();
    claims.iter().for_each(|(key, claim)| push_claim(&mut rows, key, claim, "auto", WHOLE));
    tx.write(&ADD_CLAIMS, rows).await?;
    let done = Rows::of(claims, |(key, _)| {
        row![key.game.as_str(), key.player.as_str(), key.number, key.lineage, key.goal, key.period, key.n, None::<i64>, 0]
    });
    tx.write_some(&RETRY, done).await.map(drop)
}

fn push_reward(rows: &mut Rows, claim: ClaimId, place: i64, granted: &Granted) {
    let none = (None::<&str>, None::<i64>, None::<FulfilmentId>);
    match granted {
        Granted::Points { amount, currency } => {
            rows.push(&row![claim, place, "points", currency.as_str(), *amount, none.1, none.0, none.2])
        }
        Granted::Product { product } => rows.push(&row![claim, place, "product", none.0, 1, *product, none.0, none.2]),
        Granted::Item { item, quantity, fulfilment } => {
            rows.push(&row![claim, place, "item", none.0, *quantity, none.1, item, *fulfilment])
        }
    }
}

fn announced(state: &State, key: &Key, by: ClaimedBy, fulfil_by: FulfilBy) -> Vec<Announcement> {
    let claim = &state.claims[key];
    let campaign = state.terms.get(&(key.game.clone(), key.number)).map(|terms| terms.id.as_str());
    let rewards: Vec<&Granted> = claim.rewards.iter().map(|(granted, _)| granted).collect();
    let mut all = vec![Announcement {
        topic: GRANTED_TOPIC,
        aggregate: format!("claim/{}", claim.id),
        version: 1,
        payload: serde_json::json!({
            "game": key.game, "player": key.player, "campaign": campaign, "period": key.period, "n": key.n,
            "claim": claim.id, "account": claim.user, "claimed_by": by.to_string(), "rewards": rewards, "granted_at": claim.granted_at,
        }),
    }];
    let items = rewards.iter().filter(|_| fulfil_by == FulfilBy::Webhook);
    all.extend(items.filter_map(|granted| match granted {
        Granted::Item { item, quantity, fulfilment } => {
            Some(fulfilment_announcement(*fulfilment, 1, &key.game, &key.player, claim.id, item, *quantity))
        }
        Granted::Points { .. } | Granted::Product { .. } => None,
    }));
    all
}

/// What a game's webhooks are told of a fulfilment.
pub(crate) fn fulfilment_announcement(
    id: FulfilmentId,
    version: i64,
    game: &GameId,
    player: &str,
    claim: ClaimId,
    item: &str,
    quantity: i64,
) -> Announcement {
    Announcement {
        topic: FULFILMENT_TOPIC,
        aggregate: format!("fulfilment/{id}"),
        version,
        payload: serde_json::json!({
            "game": game, "fulfilment": id, "player": player, "claim": claim, "item": item, "quantity": quantity,
        }),
    }
}
