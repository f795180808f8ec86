//! Reads of campaigns: lists and documents with their counts. Refuses to show drafts of other games.

pub mod fulfilments;
pub(crate) mod lookups;
pub mod mappings;
pub mod progress;

use crate::Campaigns;
use crate::commands::claims_rows::small;
use crate::live::registered;
use crate::versions::{Version, VersionKey};
use db::{Error, Row, Statement, row};
use kernel::{Code, Cursor, GameId, Instant, Page, Refusal, UserId, page};
use rules::campaign::{Claim, Reward};
use rules::{Campaign, Registered};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

static LIST: Statement = Statement::new(
    "campaigns.list",
    "select number, lineage, version, stopped_at, document
     from campaign
     where game = $1 and number < $2
       and ($3 = '' or $3 = case
           when stopped_at is not null then 'stopped'
           when ends_at <= $4 then 'ended'
           when starts_at > $4 then 'upcoming'
           else 'running' end)
     order by number desc
     limit $5",
);

static ONE: Statement =
    Statement::new("campaigns.read_one", "select number, lineage, version, stopped_at, document from campaign where game = $1 and id = $2");

static VERSIONS: Statement = Statement::new(
    "campaigns.list_versions",
    "select version, lineage, change, actor, at, document
     from campaign_version
     where game = $1 and number = $2 and version < $3
     order by version desc
     limit $4",
);

static LINEAGES: Statement = Statement::new(
    "campaigns.newest_of_lineages",
    "select lineage, max(version) from campaign_version where game = $1 and number = $2 group by lineage",
);

static MATCHED: Statement = Statement::new(
    "campaigns.matched",
    "select goal, cast(sum(matched) as bigint), cast(sum(reached) as bigint)
     from goal_matched
     where game = $1 and number = $2 and lineage = $3
     group by goal
     order by goal",
);

static BUDGETS: Statement = Statement::new(
    "campaigns.read_budgets",
    "select unit, day, spent from budget where game = $1 and number = $2 and (day = -1 or day = $3)",
);

/// The longest name of a campaign in a path, in characters.
const CAMPAIGN_MAX: usize = 200;

/// Where a campaign stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CampaignState)]
pub enum State {
    /// It has not begun.
    Upcoming,
    /// It runs.
    Running,
    /// It is over.
    Ended,
    /// It was stopped.
    Stopped,
}

impl State {
    /// Where a campaign stands at a moment.
    pub fn of(registered: &Registered, now: Instant) -> State {
        let period = &registered.campaign.period;
        match registered.stopped_at {
            Some(_) => State::Stopped,
            None if period.ends <= now => State::Ended,
            None if period.starts > now => State::Upcoming,
            None => State::Running,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            State::Upcoming => "upcoming",
            State::Running => "running",
            State::Ended => "ended",
            State::Stopped => "stopped",
        }
    }
}

/// A goal, as players see it.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct GoalSummary {
    /// Its name in paths.
    pub goal: String,
    /// For people.
    pub title: String,
    /// Whether its rewards come by themselves or are claimed.
    pub claim: Claim,
    /// What it brings.
    pub rewards: Vec<Reward>,
}

/// A campaign, as players see it.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[schema(as = CampaignSummary)]
pub struct Summary {
    /// Its name in paths.
    pub campaign: String,
    /// For people.
    pub title: String,
    /// For people, longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where it stands.
    pub state: State,
    /// Its first moment.
    pub starts: Instant,
    /// The first moment after it.
    pub ends: Instant,
    /// When it was stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<Instant>,
    /// The zone whose days count.
    pub zone: String,
    /// Whether a player must opt in.
    pub opt_in: bool,
    /// Its version.
    pub version: i64,
    /// Its goals.
    pub goals: Vec<GoalSummary>,
}

/// How often a goal was matched and reached. One that nothing matches is likely to be wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct GoalCounts {
    /// Its name.
    pub goal: String,
    /// Events that counted for it.
    pub matched: i64,
    /// Achievements.
    pub reached: i64,
}

/// What was granted of a budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Spent {
    /// `points` or `grants`.
    pub unit: String,
    /// In all.
    pub total: i64,
    /// Today, in the campaign's zone.
    pub today: i64,
}

/// A campaign, as its team sees it.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[schema(as = CampaignDetail)]
pub struct Detail {
    /// What players see.
    #[serde(flatten)]
    pub summary: Summary,
    /// Rises when players start over.
    pub lineage: u32,
    /// The document.
    pub document: Campaign,
    /// How often its goals were matched and reached since players last started over.
    pub counts: Vec<GoalCounts>,
    /// What was granted.
    pub spent: Vec<Spent>,
}

/// One version of a campaign.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct VersionView {
    /// Its number, from 1.
    pub version: i64,
    /// Rises when players start over.
    pub lineage: u32,
    /// registered, kept, restarted, stopped or extended.
    pub change: String,
    /// Who made it.
    pub actor: UserId,
    /// When.
    pub at: Instant,
    /// The document.
    pub document: Campaign,
}

impl Campaigns {
    /// A game's campaigns, newest first.
    ///
    /// # Errors
    /// There is no such game, or the size is out of range.
    pub async fn list(
        &self,
        game: &GameId,
        state: Option<State>,
        after: Option<&Cursor>,
        size: Option<u32>,
    ) -> Result<Page<Summary>, Error> {
        let (size, now) = (page::size(size)?, self.inner.db.now());
        self.inner.accounts.game(game).await?;
        let below = after.map_or(Ok(i64::MAX), Cursor::number)?;
        let state = state.map_or("", State::as_str);
        let found = self.inner.db.fetch(&LIST, &row![game.as_str(), below, state, now, size + 1], registered).await?;
        let page = Page::cut(found, size, |one| Cursor::of(i64::from(one.number)));
        Ok(Page { items: page.items.iter().map(|one| summary(one, now)).collect(), next: page.next })
    }

    /// One campaign with its document, counts and budgets.
    ///
    /// # Errors
    /// There is none of that name.
    pub async fn detail(&self, game: &GameId, campaign: &str) -> Result<Detail, Error> {
        let (db, now) = (&self.inner.db, self.inner.db.now());
        let one = self.registered(game, campaign).await?;
        let version = self.version(game, one.number, one.version).await?;
        let found =
            db.fetch(&MATCHED, &row![game.as_str(), one.number, one.lineage], |row| Ok((row.int(0)?, row.int(1)?, row.int(2)?))).await?;
        let counts = (0_i64..).zip(&one.campaign.goals).map(|(place, goal)| {
            let (_, matched, reached) = found.iter().find(|(goal, ..)| *goal == place).copied().unwrap_or_default();
            GoalCounts { goal: goal.id.clone(), matched, reached }
        });
        let counts = counts.collect();
        let today = crate::commands::claims_rows::terms(&version).day(now);
        let budgets =
            db.fetch(&BUDGETS, &row![game.as_str(), one.number, today], |row| Ok((row.text(0)?, row.int(1)?, row.int(2)?))).await?;
        let of = |unit: &str, day: i64| budgets.iter().find(|row| row.0 == unit && row.1 == day).map_or(0, |row| row.2);
        let spent = ["points", "grants"].map(|unit| Spent { unit: unit.to_owned(), total: of(unit, -1), today: of(unit, today) });
        Ok(Detail { summary: summary(&one, now), lineage: one.lineage, counts, spent: spent.into(), document: one.campaign })
    }

    /// A campaign's versions, newest first.
    ///
    /// # Errors
    /// There is no such campaign.
    pub async fn versions(
        &self,
        game: &GameId,
        campaign: &str,
        after: Option<&Cursor>,
        size: Option<u32>,
    ) -> Result<Page<VersionView>, Error> {
        let size = page::size(size)?;
        let number = self.registered(game, campaign).await?.number;
        let below = after.map_or(Ok(i64::MAX), Cursor::number)?;
        let found = self.inner.db.fetch(&VERSIONS, &row![game.as_str(), number, below, size + 1], version_view).await?;
        Ok(Page::cut(found, size, |one| Cursor::of(one.version)))
    }

    /// A campaign as it is registered now.
    ///
    /// # Errors
    /// There is none of that name.
    pub async fn registered(&self, game: &GameId, campaign: &str) -> Result<Registered, Error> {
        kernel::text::check("campaign", campaign, 1, CAMPAIGN_MAX)?;
        let found = self.inner.db.fetch(&ONE, &row![game.as_str(), campaign], registered).await?.pop();
        found.ok_or_else(|| Refusal::not_found("campaign", format!("{campaign} of {game}")).into())
    }

    /// A campaign that is not over.
    pub(crate) async fn running(&self, game: &GameId, campaign: &str) -> Result<Registered, Error> {
        let one = self.registered(game, campaign).await?;
        match State::of(&one, self.inner.db.now()) {
            State::Upcoming | State::Running => Ok(one),
            state => Err(Refusal::new(Code::WrongState, format!("campaign {campaign} is {}: it must not be over", state.as_str())).into()),
        }
    }

    /// A campaign's number, and a goal's place in each of its lineages. Players start over rarely, so most are found without a query.
    pub(crate) async fn places(&self, game: &GameId, campaign: &str, goal: &str) -> Result<(u32, BTreeSet<(u32, u16)>), Error> {
        let place = |campaign: &Campaign| campaign.goal(goal).and_then(|(place, _)| u16::try_from(place).ok());
        let live = self.inner.live.game(game);
        let known = live.as_ref().and_then(|live| live.campaigns.iter().find(|one| one.campaign.id == campaign));
        let missing = || Refusal::not_found("goal", goal);
        if let Some(one) = known.filter(|one| one.lineage == 1)
            && let Some(place) = place(&one.campaign)
        {
            return Ok((one.number, [(1, place)].into()));
        }
        let number = self.registered(game, campaign).await?.number;
        let newest = self.inner.db.fetch(&LINEAGES, &row![game.as_str(), number], |row| Ok((small::<u32>(row, 0)?, row.int(1)?))).await?;
        let mut places = BTreeSet::new();
        for (lineage, version) in newest {
            places.extend(place(&self.version(game, number, version).await?.campaign).map(|place| (lineage, place)));
        }
        if places.is_empty() { Err(missing().into()) } else { Ok((number, places)) }
    }

    pub(crate) async fn version(&self, game: &GameId, number: u32, version: i64) -> Result<Arc<Version>, Error> {
        let key: VersionKey = (game.clone(), number, version);
        let found = self.inner.versions.read(&self.inner.db, &[key.clone()].into(), |game| self.attributes(game)).await?;
        found.get(&key).cloned().ok_or_else(|| Error::Broken(format!("campaign {number} of {game} has no version {version}")))
    }

    /// The attributes of a game's mapping.
    pub(crate) fn attributes(&self, game: &GameId) -> Vec<String> {
        let live = self.inner.live.game(game);
        live.and_then(|live| live.mapping.as_ref().map(|mapping| mapping.attributes().to_vec())).unwrap_or_default()
    }
}

fn summary(one: &Registered, now: Instant) -> Summary {
    let campaign = &one.campaign;
    let goal = |goal: &rules::campaign::Goal| GoalSummary {
        goal: goal.id.clone(),
        title: goal.title.clone(),
        claim: goal.claim,
        rewards: goal.rewards.clone(),
    };
    Summary {
        campaign: campaign.id.clone(),
        title: campaign.title.clone(),
        description: campaign.description.clone(),
        state: State::of(one, now),
        starts: campaign.period.starts,
        ends: campaign.period.ends,
        stopped_at: one.stopped_at,
        zone: campaign.zone.clone(),
        opt_in: campaign.opt_in,
        version: one.version,
        goals: campaign.goals.iter().map(goal).collect(),
    }
}

fn version_view(row: &Row<'_>) -> Result<VersionView, Error> {
    Ok(VersionView {
        version: row.int(0)?,
        lineage: small(row, 1)?,
        change: row.text(2)?,
        actor: row.id(3)?,
        at: row.instant(4)?,
        document: crate::live::campaign_of(&row.text(5)?)?,
    })
}
