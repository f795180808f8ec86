//! Changes of campaigns and mappings: registered, changed, stopped, extended, each a version and a line of the audit log.
//! Refuses what does not compile together with everything else that runs in the game.

use crate::decide::manage::{self, Change, Changed, Game, Row, Version, products_of};
use crate::live::{kept_since, registered};
use crate::model::FulfilBy;
use db::{Act, Announcement, Column, Command, Error, Meta, Rank, Rows, Statement, Tx, announce, row};
use kernel::{GameId, Instant, Outcome, ProductId, UserId, text};
use rules::{Mapping, Registered};
use std::collections::{BTreeMap, BTreeSet};

/// The topic of changes of campaigns.
pub const CHANGED_TOPIC: &str = "campaign.changed";

static ENSURE: Statement = Statement::new(
    "campaigns.ensure_game",
    "insert into game_campaigns (game, campaign_version, mapping_version, campaigns, fulfil_by, changed_at)
     select game, 0, 0, 0, 'poll', $2
     from rows
     where true
     order by game
     on conflict (game) do nothing",
)
.rows(&[("game", Column::Text)])
.locks(Rank::Other);

static LOCK: Statement = Statement::new(
    "campaigns.lock_game",
    "select g.game, g.campaign_version, g.mapping_version, g.campaigns, g.fulfil_by
     from rows r join game_campaigns g on g.game = r.game
     order by g.game {for update of g}",
)
.rows(&[("game", Column::Text)])
.locks(Rank::Other);

static MAPPINGS: Statement = Statement::new(
    "campaigns.load_mappings",
    "select m.game, m.document
     from rows r join mapping m on m.game = r.game and m.version = r.version",
)
.rows(&[("game", Column::Text), ("version", Column::Int)]);

static CAMPAIGNS: Statement = Statement::new(
    "campaigns.load_campaigns",
    "select c.number, c.lineage, c.version, c.stopped_at, c.document, c.game, c.registered_at
     from campaign c
     where c.game in (select game from rows) and (c.ends_at > $2 or (c.game, c.id) in (select game, id from rows))
     order by c.game, c.number",
)
.rows(&[("game", Column::Text), ("id", Column::Text)]);

static PUT_CAMPAIGN: Statement = Statement::new(
    "campaigns.put_campaign",
    "insert into campaign (game, number, id, version, lineage, starts_at, ends_at, stopped_at, document, registered_at, changed_at)
     select game, number, id, version, lineage, starts_at, ends_at, stopped_at, document, registered_at, $2
     from rows
     where true
     order by game, number
     on conflict (game, number) do update set version = excluded.version, lineage = excluded.lineage, starts_at = excluded.starts_at,
         ends_at = excluded.ends_at, stopped_at = excluded.stopped_at, document = excluded.document, changed_at = excluded.changed_at",
)
.rows(&[
    ("game", Column::Text),
    ("number", Column::Int),
    ("id", Column::Text),
    ("version", Column::Int),
    ("lineage", Column::Int),
    ("starts_at", Column::Int),
    ("ends_at", Column::Int),
    ("stopped_at", Column::Int),
    ("document", Column::Text),
    ("registered_at", Column::Int),
]);

static ADD_VERSIONS: Statement = Statement::new(
    "campaigns.add_versions",
    "insert into campaign_version (game, number, version, lineage, change, document, actor, at)
     select game, number, version, lineage, change, document, actor, $2
     from rows",
)
.rows(&[
    ("game", Column::Text),
    ("number", Column::Int),
    ("version", Column::Int),
    ("lineage", Column::Int),
    ("change", Column::Text),
    ("document", Column::Text),
    ("actor", Column::Bytes),
]);

static ADD_MAPPINGS: Statement = Statement::new(
    "campaigns.add_mappings",
    "insert into mapping (game, version, document, author, at)
     select game, version, document, author, $2
     from rows",
)
.rows(&[("game", Column::Text), ("version", Column::Int), ("document", Column::Text), ("author", Column::Bytes)]);

static COUNT: Statement = Statement::new(
    "campaigns.count_change",
    "update game_campaigns
     set campaign_version = r.campaign_version, mapping_version = r.mapping_version, campaigns = r.campaigns, fulfil_by = r.fulfil_by,
         changed_at = $2
     from rows r
     where game_campaigns.game = r.game",
)
.rows(&[
    ("game", Column::Text),
    ("campaign_version", Column::Int),
    ("mapping_version", Column::Int),
    ("campaigns", Column::Int),
    ("fulfil_by", Column::Text),
]);

// A game that fulfils by polling from now on finds there what it has not got yet, parked or not. What was on its way to a webhook may
// still come by that too, under the same id.
static MOVE_FULFILMENTS: Statement = Statement::new(
    "campaigns.move_fulfilments",
    "update fulfilment set fulfil_by = 'poll', state = 'pending', version = version + 1, changed_at = $2
     where state in ('pending', 'parked') and fulfil_by = 'webhook' and game in (select game from rows)",
)
.rows(&[("game", Column::Text)]);

/// A change that is asked for.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Who asks; a manager of the game or an operator.
    pub actor: UserId,
    /// Which game.
    pub game: GameId,
    /// What.
    pub change: Change,
}

impl Ask {
    fn campaign(&self) -> Option<&str> {
        match &self.change {
            Change::Register(campaign) | Change::Replace(campaign, _) | Change::Apply(campaign, _) => Some(&campaign.id),
            Change::Stop(id) | Change::Extend(id, _) => Some(id),
            Change::PutMapping(_) | Change::FulfilBy(_) => None,
        }
    }
}

/// The command that changes campaigns.
pub struct Manage;

impl Command for Manage {
    const NAME: &'static str = "campaigns.manage";
    type Input = Ask;
    type Reply = Changed;

    fn privileged(&self, input: &Ask, reply: &Changed) -> Option<Act> {
        let game = &input.game;
        let subject = input.campaign().map_or_else(|| format!("game/{game}"), |id| format!("game/{game}/campaign/{id}"));
        let (act, detail) = match &input.change {
            Change::Stop(_) => ("campaign.stopped", serde_json::json!({ "version": reply.version })),
            Change::Extend(_, ends) => ("campaign.extended", serde_json::json!({ "version": reply.version, "ends": ends })),
            Change::PutMapping(_) => ("mapping.put", serde_json::json!({ "version": reply.mapping_version })),
            Change::FulfilBy(way) => ("fulfilments.way_set", serde_json::json!({ "fulfil_by": way })),
            _ if reply.registered => ("campaign.registered", serde_json::json!({ "version": reply.version })),
            Change::Register(_) | Change::Replace(..) | Change::Apply(..) => {
                let policy = if let Change::Replace(_, policy) | Change::Apply(_, policy) = &input.change { Some(policy) } else { None };
                ("campaign.changed", serde_json::json!({ "version": reply.version, "policy": policy }))
            }
        };
        Some(Act { act, subject, detail })
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Ask], now: Instant) -> Result<Vec<Outcome<Changed>>, Error> {
        let mut games = load(tx, batch, now).await?;
        let products = given_away(tx, batch).await?;
        let outcomes: Vec<Outcome<Changed>> = batch
            .iter()
            .enumerate()
            .map(|(by, ask)| {
                let game = games.get_mut(&ask.game).expect("every game of the batch was loaded");
                manage::change(game, &ask.game, by, &ask.change, &products, now)
            })
            .collect();
        write(tx, batch, &games, &outcomes).await?;
        announce(tx, &announcements(&games)).await?;
        Ok(outcomes)
    }
}

async fn load(tx: &mut Tx<'_>, batch: &[&Ask], now: Instant) -> Result<BTreeMap<GameId, Game>, Error> {
    let named: BTreeSet<&GameId> = batch.iter().map(|ask| &ask.game).collect();
    let ids = || Rows::of(&named, |game| row![game.as_str()]);
    tx.write_some_with(&ENSURE, ids(), &row![now]).await?;
    let counted = tx
        .load(&LOCK, ids(), |row| {
            let campaigns = u32::try_from(row.int(3)?).map_err(|_| Error::Broken("a game has too many campaigns".to_owned()))?;
            let fulfil_by = Some(row.parsed::<FulfilBy>(4)?);
            let game = Game { campaign_version: row.int(1)?, mapping_version: row.int(2)?, campaigns, fulfil_by, ..Game::default() };
            Ok((row.parsed::<GameId>(0)?, game))
        })
        .await?;
    let mut games: BTreeMap<GameId, Game> = counted.into_iter().collect();
    let newest = Rows::of(&games, |(id, game)| row![id.as_str(), game.mapping_version]);
    for (id, document) in tx.load(&MAPPINGS, newest, |row| Ok((row.parsed::<GameId>(0)?, row.text(1)?))).await? {
        let mapping =
            Mapping::parse(&document).map_err(|_| Error::Broken(format!("the mapping of {id} cannot be read by this version")))?;
        games.entry(id).or_default().attributes = mapping.attributes().to_vec();
    }
    let wanted: BTreeSet<(&GameId, &str)> = batch.iter().map(|ask| (&ask.game, ask.campaign().unwrap_or_default())).collect();
    let rows = Rows::of(wanted, |(game, id)| row![game.as_str(), id]);
    let read = |row: &db::Row<'_>| Ok((row.parsed::<GameId>(5)?, Row { registered: registered(row)?, registered_at: row.instant(6)? }));
    for (id, row) in tx.load_with(&CAMPAIGNS, rows, &row![kept_since(now)], read).await? {
        games.entry(id).or_default().rows.insert(row.registered.campaign.id.clone(), row);
    }
    Ok(games)
}

/// Products that the batch's documents name and that can be given away: limited ones have copies that are counted elsewhere.
async fn given_away(tx: &mut Tx<'_>, batch: &[&Ask]) -> Result<BTreeSet<ProductId>, Error> {
    let mut named = BTreeSet::new();
    for ask in batch {
        if let Change::Register(campaign) | Change::Replace(campaign, _) | Change::Apply(campaign, _) = &ask.change {
            named.extend(products_of(campaign).map(|(_, _, product)| product));
        }
    }
    if named.is_empty() {
        return Ok(named);
    }
    Ok(catalogue::offers::load(tx, &named).await?.into_values().filter(|offer| !offer.limited).map(|offer| offer.product).collect())
}

async fn write(tx: &mut Tx<'_>, batch: &[&Ask], games: &BTreeMap<GameId, Game>, outcomes: &[Outcome<Changed>]) -> Result<(), Error> {
    let now = row![tx.now()];
    let (mut campaigns, mut versions, mut mappings, mut counts, mut moved) =
        (Rows::new(), Rows::new(), Rows::new(), Rows::new(), Rows::new());
    for (id, game) in games {
        let asks = || batch.iter().zip(outcomes).filter(|(ask, outcome)| ask.game == *id && outcome.is_ok()).map(|(ask, _)| ask);
        if asks().next().is_none() {
            continue;
        }
        for campaign in &game.changed {
            push_campaign(&mut campaigns, id, &game.rows[campaign]);
        }
        for version in &game.versions {
            push_version(&mut versions, id, version, batch[version.by].actor);
        }
        let authors = asks().filter(|ask| matches!(ask.change, Change::PutMapping(_))).map(|ask| ask.actor);
        for ((version, document), author) in game.mappings.iter().zip(authors) {
            mappings.push(&row![id.as_str(), *version, document, author]);
        }
        let fulfil_by = game.fulfil_by.unwrap_or(FulfilBy::Poll);
        counts.push(&row![id.as_str(), game.campaign_version, game.mapping_version, game.campaigns, fulfil_by.as_str()]);
        if asks().any(|ask| matches!(ask.change, Change::FulfilBy(_))) && fulfil_by == FulfilBy::Poll {
            moved.push(&row![id.as_str()]);
        }
    }
    tx.write_with(&PUT_CAMPAIGN, campaigns, &now).await?;
    tx.write_with(&ADD_VERSIONS, versions, &now).await?;
    tx.write_with(&ADD_MAPPINGS, mappings, &now).await?;
    tx.write_with(&COUNT, counts, &now).await?;
    tx.write_some_with(&MOVE_FULFILMENTS, moved, &now).await.map(drop)
}

fn document(registered: &Registered) -> String {
    serde_json::to_string(&registered.campaign).expect("a campaign is plain data")
}

fn push_campaign(rows: &mut Rows, game: &GameId, row: &Row) {
    let of = &row.registered;
    let period = &of.campaign.period;
    let (id, text) = (of.campaign.id.as_str(), document(of));
    rows.push(&row![
        game.as_str(),
        of.number,
        id,
        of.version,
        of.lineage,
        period.starts,
        period.ends,
        of.stopped_at,
        text,
        row.registered_at
    ]);
}

fn push_version(rows: &mut Rows, game: &GameId, version: &Version, actor: UserId) {
    let of = &version.registered;
    rows.push(&row![game.as_str(), of.number, of.version, of.lineage, version.change, document(of), actor]);
}

fn announcements(games: &BTreeMap<GameId, Game>) -> Vec<Announcement> {
    let of = |game: &GameId, version: &Version| Announcement {
        topic: CHANGED_TOPIC,
        aggregate: format!("campaign/{game}/{}", version.registered.campaign.id),
        version: version.registered.version,
        payload: serde_json::json!({
            "game": game, "campaign": version.registered.campaign.id, "version": version.registered.version, "change": version.change,
        }),
    };
    games.iter().flat_map(|(id, game)| game.versions.iter().map(move |version| of(id, version))).collect()
}

impl crate::Campaigns {
    /// Changes a game's campaigns, mapping or way of fulfilling. It is in force here when this returns, elsewhere within a second.
    ///
    /// # Errors
    /// What is asked is not right or no longer possible. Whether the actor may is checked before.
    pub async fn change(&self, meta: Meta, ask: Ask) -> Result<Changed, Error> {
        if let Some(campaign) = ask.campaign() {
            text::check("campaign", campaign, 1, 200)?;
        }
        let game = ask.game.clone();
        let changed = self.inner.changes.send(meta, ask).await?;
        // Committed is committed: if this look fails, the next one within the second finds it.
        if let Err(error) = self.inner.live.reload(&game).await {
            tracing::warn!(%game, %error, "a change is committed and could not be read back yet");
        }
        Ok(changed)
    }
}
