//! The rows that claims touch: one statement per table loads and locks them.
//! Refuses to lock wallets, products and budgets for what is granted already.

use crate::decide::claims::{Ask, BudgetKey, Linked, Promise, State, Terms, Unit};
use crate::model::{Achievement, Claim, FulfilBy, Granted, Key};
use crate::versions::{Version, VersionKey, Versions};
use db::{Column, Error, Rank, Row, Rows, Statement, Tx, row};
use kernel::{ClaimId, Currency, FulfilmentId, GameId, ProductId, UserId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// An achievement's key, which is its claim's as well.
pub(super) const KEY: &[(&str, Column)] = &[
    ("game", Column::Text),
    ("player", Column::Text),
    ("number", Column::Int),
    ("lineage", Column::Int),
    ("goal", Column::Int),
    ("period", Column::Int),
    ("n", Column::Int),
];

static ACHIEVEMENTS: Statement = Statement::new(
    "campaigns.load_achievements",
    "select a.game, a.player, a.number, a.lineage, a.goal, a.period, a.n, a.version, a.achieved_at, a.attempts, a.auto_at
     from rows r join achievement a
       on a.game = r.game and a.player = r.player and a.number = r.number and a.lineage = r.lineage and a.goal = r.goal
      and (r.period is null or a.period = r.period) and (r.n is null or a.n = r.n)
     order by a.game, a.player, a.number, a.lineage, a.goal, a.period, a.n {for update of a}",
)
.rows(KEY)
.locks(Rank::Claims);

static CLAIMS: Statement = Statement::new(
    "campaigns.load_claims",
    "select c.game, c.player, c.number, c.lineage, c.goal, c.period, c.n, c.id, c.state, c.user_id, c.granted_at, c.clawed_back_at
     from rows r join claim c
       on c.game = r.game and c.player = r.player and c.number = r.number and c.lineage = r.lineage and c.goal = r.goal
      and (r.period is null or c.period = r.period) and (r.n is null or c.n = r.n)
     order by c.id {for update of c}",
)
.rows(KEY)
.locks(Rank::Claims);

pub(crate) static REWARDS: Statement = Statement::new(
    "campaigns.load_rewards",
    "select w.claim, w.kind, w.currency, w.amount, w.product, w.item, w.fulfilment, w.taken_back
     from rows r join claim_reward w on w.claim = r.claim
     order by w.claim, w.place",
)
.rows(&[("claim", Column::Bytes)]);

static CURRENT: Statement = Statement::new(
    "campaigns.load_current",
    "select c.game, c.number, c.version, c.lineage, g.fulfil_by
     from rows r join campaign c on c.game = r.game and c.number = r.number join game_campaigns g on g.game = c.game",
)
.rows(&[("game", Column::Text), ("number", Column::Int)]);

static LINKS: Statement = Statement::new(
    "campaigns.load_links",
    "select l.game, l.player, l.user_id
     from rows r join player_link l on l.game = r.game and l.player = r.player",
)
.rows(&[("game", Column::Text), ("player", Column::Text)]);

const BUDGET: &[(&str, Column)] = &[("game", Column::Text), ("number", Column::Int), ("unit", Column::Text), ("day", Column::Int)];

// A budget's row is there before it is locked, so that two first grants of a day wait for each other.
static ENSURE_BUDGETS: Statement = Statement::new(
    "campaigns.ensure_budgets",
    "insert into budget (game, number, unit, day, spent)
     select game, number, unit, day, 0
     from rows
     where true
     order by game, number, unit, day
     on conflict (game, number, unit, day) do nothing",
)
.rows(BUDGET)
.locks(Rank::Budgets);

static BUDGETS: Statement = Statement::new(
    "campaigns.load_budgets",
    "select b.game, b.number, b.unit, b.day, b.spent
     from rows r join budget b on b.game = r.game and b.number = r.number and b.unit = r.unit and b.day = r.day
     order by b.game, b.number, b.unit, b.day {for update of b}",
)
.rows(BUDGET)
.locks(Rank::Budgets);

/// Where an ask's achievements are: game, player, campaign, lineage and goal, and the period and n if it says which.
type Place<'a> = (&'a str, &'a str, u32, (u32, u16), Option<i64>, Option<i64>);

/// Loads and locks what a batch of claims touches; the gates of linked accounts are held.
pub(crate) async fn load(
    tx: &mut Tx<'_>,
    batch: &[&Ask],
    versions: &Versions,
    attributes: impl Fn(&GameId) -> Vec<String>,
    currency: Currency,
) -> Result<State, Error> {
    let mut state = State::default();
    let places: BTreeSet<Place<'_>> = batch
        .iter()
        .flat_map(|ask| ask.places.iter().map(move |place| (ask.game.as_str(), ask.player.as_str(), ask.number, *place, ask.period, ask.n)))
        .collect();
    let rows =
        || Rows::of(&places, |(game, player, number, place, period, n)| row![*game, *player, *number, place.0, place.1, *period, *n]);
    let achieved: BTreeMap<Key, Achievement> = tx.load(&ACHIEVEMENTS, rows(), achievement).await?.into_iter().collect();
    state.claims = load_claims(tx, rows()).await?;

    let campaigns: BTreeSet<(&GameId, u32)> = achieved.keys().map(|key| (&key.game, key.number)).collect();
    let rows = Rows::of(&campaigns, |(game, number)| row![game.as_str(), *number]);
    let current = tx.load(&CURRENT, rows, current).await?;
    let now_in_force = current.iter().map(|one| (one.game.clone(), one.number, one.version));
    let judged = achieved.iter().map(|(key, of)| (key.game.clone(), key.number, of.version));
    let wanted: BTreeSet<VersionKey> = now_in_force.chain(judged).collect();
    let documents = versions.load(tx, &wanted, attributes).await?;
    for one in &current {
        state.fulfil_by.insert(one.game.clone(), one.fulfil_by);
        state.terms.insert((one.game.clone(), one.number), terms(&documents[&(one.game.clone(), one.number, one.version)]));
    }
    for (key, achievement) in achieved {
        let promise = promise(&key, achievement, &current, &documents)?;
        state.promises.insert(key, promise);
    }
    load_links(tx, batch, &mut state).await?;
    load_things(tx, &mut state, currency).await?;
    Ok(state)
}

/// A campaign as it is now.
struct Current {
    game: GameId,
    number: u32,
    version: i64,
    lineage: u32,
    fulfil_by: FulfilBy,
}

fn current(row: &Row<'_>) -> Result<Current, Error> {
    Ok(Current { game: row.parsed(0)?, number: small(row, 1)?, version: row.int(2)?, lineage: small(row, 3)?, fulfil_by: row.parsed(4)? })
}

pub(crate) fn small<T: TryFrom<i64>>(row: &Row<'_>, column: usize) -> Result<T, Error> {
    let number = row.int(column)?;
    T::try_from(number).map_err(|_| Error::Broken(format!("column {column} holds {number}, which is out of range")))
}

/// The seven columns of a key.
pub(crate) fn key(row: &Row<'_>) -> Result<Key, Error> {
    Ok(Key {
        game: row.parsed(0)?,
        player: row.text(1)?,
        number: small(row, 2)?,
        lineage: small(row, 3)?,
        goal: small(row, 4)?,
        period: row.int(5)?,
        n: row.int(6)?,
    })
}

fn achievement(row: &Row<'_>) -> Result<(Key, Achievement), Error> {
    let of = Achievement { version: row.int(7)?, achieved_at: row.instant(8)?, attempts: row.int(9)?, auto_at: row.instant_opt(10)? };
    Ok((key(row)?, of))
}

pub(crate) fn terms(version: &Version) -> Terms {
    let campaign = &version.campaign;
    Terms {
        id: campaign.id.clone(),
        budget: campaign.budget.unwrap_or_default(),
        zone: version.zone.clone(),
        day_starts_at: campaign.day_starts_at,
    }
}

/// The rewards are those of the version that judged; the deadline is that of the version in force, as an extended campaign says it,
/// unless players have started over since.
fn promise(
    key: &Key,
    achievement: Achievement,
    current: &[Current],
    documents: &HashMap<VersionKey, Arc<Version>>,
) -> Result<Promise, Error> {
    let judged = documents.get(&(key.game.clone(), key.number, achievement.version));
    let judged =
        judged.ok_or_else(|| Error::Broken(format!("campaign {} of {} has no version {}", key.number, key.game, achievement.version)))?;
    let same = current.iter().find(|one| one.game == key.game && one.number == key.number && one.lineage == key.lineage);
    let says = same.and_then(|one| documents.get(&(key.game.clone(), key.number, one.version))).unwrap_or(judged);
    let goal = judged.campaign.goals.get(usize::from(key.goal));
    let rewards = goal.map_or_else(Vec::new, |goal| goal.rewards.iter().filter(|reward| reward.is_for(key.n)).cloned().collect());
    Ok(Promise { achievement, rewards, deadline: says.deadline(key.goal, key.period, achievement.achieved_at) })
}

pub(crate) async fn load_claims(tx: &mut Tx<'_>, rows: Rows) -> Result<BTreeMap<Key, Claim>, Error> {
    let mut claims: BTreeMap<Key, Claim> = tx.load(&CLAIMS, rows, |row| Ok((key(row)?, claim(row)?))).await?.into_iter().collect();
    let rows = Rows::of(claims.values(), |claim| row![claim.id]);
    let mut rewards = by_claim(tx.load(&REWARDS, rows, reward).await?);
    claims.values_mut().for_each(|claim| claim.rewards = rewards.remove(&claim.id).unwrap_or_default());
    Ok(claims)
}

/// The columns of a claim that follow its key.
pub(crate) fn claim(row: &Row<'_>) -> Result<Claim, Error> {
    Ok(Claim {
        id: row.id(7)?,
        state: row.parsed(8)?,
        user: row.id_opt(9)?,
        granted_at: row.instant_opt(10)?,
        clawed_back_at: row.instant_opt(11)?,
        rewards: Vec::new(),
    })
}

pub(crate) fn reward(row: &Row<'_>) -> Result<(ClaimId, (Granted, i64)), Error> {
    let broken = |what: &str| Error::Broken(format!("a {what} reward lacks a column"));
    let amount = row.int(3)?;
    let granted = match row.text(1)?.as_str() {
        "points" => Granted::Points { amount, currency: row.parsed(2)? },
        "product" => Granted::Product { product: ProductId(row.int(4)?) },
        "item" => {
            let item = row.text_opt(5)?.ok_or_else(|| broken("item"))?;
            let fulfilment = row.id_opt::<FulfilmentId>(6)?.ok_or_else(|| broken("item"))?;
            Granted::Item { item, quantity: amount, fulfilment }
        }
        other => return Err(Error::Broken(format!("{other:?} is not a kind of reward"))),
    };
    Ok((row.id(0)?, (granted, row.int(7)?)))
}

/// What each claim granted, in its order.
pub(crate) fn by_claim(rewards: Vec<(ClaimId, (Granted, i64))>) -> HashMap<ClaimId, Vec<(Granted, i64)>> {
    let mut by_claim: HashMap<_, Vec<_>> = HashMap::new();
    for (claim, granted) in rewards {
        by_claim.entry(claim).or_default().push(granted);
    }
    by_claim
}

async fn load_links(tx: &mut Tx<'_>, batch: &[&Ask], state: &mut State) -> Result<(), Error> {
    let players: BTreeSet<(&str, &str)> = batch.iter().map(|ask| (ask.game.as_str(), ask.player.as_str())).collect();
    let rows = Rows::of(&players, |(game, player)| row![*game, *player]);
    let found = tx.load(&LINKS, rows, |row| Ok(((row.parsed::<GameId>(0)?, row.text(1)?), row.id::<UserId>(2)?))).await?;
    for (player, user) in found {
        state.links.insert(player, Linked { user, active: tx.is_active(user) });
    }
    Ok(())
}

/// Library rows, wallets and budgets of what is not granted yet; a batch of repeats locks none of them.
async fn load_things(tx: &mut Tx<'_>, state: &mut State, currency: Currency) -> Result<(), Error> {
    let now = tx.now();
    let (mut products, mut wallets, mut budgets) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::<BudgetKey>::new());
    for (key, promise) in state.promises.iter().filter(|(key, _)| !state.claims.contains_key(key)) {
        let user = state.links.get(&(key.game.clone(), key.player.clone())).map(|linked| linked.user);
        for reward in &promise.rewards {
            products.extend(user.zip(reward.product));
            wallets.extend(user.filter(|_| reward.points.is_some()).map(|user| (user, currency)));
        }
        if let Some(terms) = state.terms.get(&(key.game.clone(), key.number)) {
            let day = terms.day(now);
            budgets.extend(terms.limits(&key.game, key.number, day).map(|(row, _)| row));
        }
    }
    state.library = library::commands::load(tx, &products).await?;
    state.wallets = wallet::commands::load(tx, &wallets).await?;
    state.budgets = load_budgets(tx, &budgets).await?;
    Ok(())
}

/// Budgets, locked; those of a new day or campaign are made first.
async fn load_budgets(tx: &mut Tx<'_>, wanted: &BTreeSet<BudgetKey>) -> Result<BTreeMap<BudgetKey, i64>, Error> {
    let rows = || Rows::of(wanted, |(game, number, unit, day)| row![game.as_str(), *number, unit.as_str(), *day]);
    let found = tx.load(&BUDGETS, rows(), budget).await?;
    if found.len() == wanted.len() {
        return Ok(found.into_iter().collect());
    }
    tx.write_some(&ENSURE_BUDGETS, rows()).await?;
    Ok(tx.load(&BUDGETS, rows(), budget).await?.into_iter().collect())
}

fn budget(row: &Row<'_>) -> Result<(BudgetKey, i64), Error> {
    let unit = if row.text(2)? == Unit::Points.as_str() { Unit::Points } else { Unit::Grants };
    Ok(((row.parsed(0)?, small(row, 1)?, unit, row.int(3)?), row.int(4)?))
}
