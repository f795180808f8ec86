//! Reads of players: how far they are, what they can claim and until when, what they have claimed.
//! Refuses to judge: a claim decides again, under its locks.

use super::lookups::{self, Achieved, PlayersOf};
use crate::Campaigns;
use crate::checkpoint::{StoredState, check_player};
use crate::model::{ClaimState, ClaimView, Key};
use crate::versions::VersionKey;
use db::{Error, Statement, row};
use futures::try_join;
use kernel::{Code, Cursor, GameId, Instant, Page, Refusal, page};
use rules::{PlayerState, Registered};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Players that one bulk read names.
pub const PLAYERS_MAX: usize = 100;

static PAGE: Statement = Statement::new(
    "campaigns.list_achievements",
    "select a.game, a.player, a.number, a.lineage, a.goal, a.period, a.n, c.id, c.state, c.user_id, c.granted_at, c.clawed_back_at,
            a.version, a.achieved_at, a.recorded_at
     from achievement a
     left join claim c on c.game = a.game and c.player = a.player and c.number = a.number and c.lineage = a.lineage
       and c.goal = a.goal and c.period = a.period and c.n = a.n
     where a.game = $1 and a.player = $2 and (a.number, a.lineage, a.goal, a.period, a.n) > ($3, $4, $5, $6, $7)
     order by a.number, a.lineage, a.goal, a.period, a.n
     limit $8",
);

/// Where an achievement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It can be claimed, or comes by itself.
    Claimable,
    /// Its rewards were granted.
    Claimed,
    /// It was not claimed in time.
    Expired,
    /// It was clawed back.
    ClawedBack,
    /// It brings nothing by itself.
    NoReward,
}

/// A goal that was reached, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct AchievementView {
    /// The campaign.
    pub campaign: String,
    /// The goal.
    pub goal: String,
    /// The period's key, for claims.
    pub period: i64,
    /// The tier or repeat, from 1.
    pub n: i64,
    /// The campaign's version that judged it.
    pub version: i64,
    /// When it was reached in the game.
    pub achieved_at: Instant,
    /// When that was recorded.
    pub recorded_at: Instant,
    /// Where it stands.
    pub standing: Standing,
    /// The first moment at which it can no longer be claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Instant>,
    /// What was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<ClaimView>,
}

/// A player's progress towards one goal.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct GoalView {
    /// The goal.
    pub goal: String,
    /// The scope's value whose progress it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The current period's key.
    pub period: i64,
    /// When the period began.
    pub starts: Instant,
    /// When progress begins anew: the period's end.
    pub next_reset: Instant,
    /// How far.
    pub current: i64,
    /// The next target; the last one when all are reached.
    pub target: i64,
    /// The highest tier or repeat reached in this period; 0 for none.
    pub reached_n: i64,
    /// All targets; with a repeat the amount of each.
    pub targets: Vec<i64>,
}

/// A player in a campaign.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct PlayerView {
    /// The game's name for the player.
    pub player: String,
    /// The campaign.
    pub campaign: String,
    /// Where the campaign stands.
    pub state: super::State,
    /// When the player opted in, where that is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opted_in_at: Option<Instant>,
    /// Progress per goal, in the document's order.
    pub goals: Vec<GoalView>,
    /// What was reached: the newest 200.
    pub achievements: Vec<AchievementView>,
}

impl Campaigns {
    /// How far players are in a campaign, in the order they were named. One who has done nothing has no progress.
    ///
    /// # Errors
    /// There is no such campaign, too many players are named, or a name is none.
    pub async fn players(&self, game: &GameId, campaign: &str, players: &[String]) -> Result<Vec<PlayerView>, Error> {
        if players.is_empty() || players.len() > PLAYERS_MAX {
            return Err(
                Refusal::new(Code::BadQuery, format!("{} players are named: 1 to {PLAYERS_MAX} would be right", players.len())).into()
            );
        }
        players.iter().try_for_each(|player| check_player(player))?;
        let live = self.inner.live.game(game);
        let known = live.as_ref().and_then(|live| live.campaigns.iter().find(|one| one.campaign.id == campaign)).cloned();
        let one = match known {
            Some(one) => one,
            None => self.registered(game, campaign).await?,
        };
        let distinct: BTreeSet<&String> = players.iter().collect();
        let named = || PlayersOf { game: game.clone(), players: distinct.iter().map(|player| (*player).clone()).collect() };
        let (states, achieved) = try_join!(self.inner.states.ask(named()), self.inner.newest.ask((named(), one.number)))?;
        let states: HashMap<String, StoredState> = states.into_iter().map(|one| (one.player.clone(), one)).collect();
        let mut views: HashMap<String, Vec<AchievementView>> = HashMap::new();
        for (player, view) in self.views(&achieved).await? {
            views.entry(player).or_default().push(view);
        }
        let mut answer = Vec::with_capacity(players.len());
        for player in players {
            let achievements = views.get(player).cloned().unwrap_or_default();
            answer.push(self.player_view(game, &one, player, states.get(player), achievements).await?);
        }
        Ok(answer)
    }

    async fn player_view(
        &self,
        game: &GameId,
        one: &Registered,
        player: &str,
        stored: Option<&StoredState>,
        achievements: Vec<AchievementView>,
    ) -> Result<PlayerView, Error> {
        let now = self.inner.db.now();
        let bytes = stored.map_or(&[][..], |stored| &stored.state);
        let state = PlayerState::decode(bytes).map_err(|e| Error::Broken(format!("the state of a player of {game}: {e}")))?;
        let live = self.inner.live.game(game).filter(|live| live.registered(one.number).is_some());
        let progress = match live {
            Some(live) => rules::progress(&live.plan, one.number, &state, now),
            None => {
                let version = self.version(game, one.number, one.version).await?;
                version.plan().and_then(|plan| rules::progress(plan, one.number, &state, now))
            }
        };
        let opted_in_at = progress.as_ref().and_then(|progress| progress.opted_in_at);
        let goal = |goal: rules::GoalProgress| GoalView {
            goal: goal.id,
            scope: goal.scope,
            period: goal.period,
            starts: goal.starts,
            next_reset: goal.ends,
            current: goal.current,
            target: goal.target,
            reached_n: goal.reached_n,
            targets: goal.targets,
        };
        Ok(PlayerView {
            player: player.to_owned(),
            campaign: one.campaign.id.clone(),
            state: super::State::of(one, now),
            opted_in_at,
            goals: progress.map_or_else(Vec::new, |progress| progress.goals.into_iter().map(goal).collect()),
            achievements,
        })
    }

    /// What a player has reached in a game, campaign by campaign.
    ///
    /// # Errors
    /// The cursor is none of this list, or the size is out of range.
    pub async fn achievements(
        &self,
        game: &GameId,
        player: &str,
        after: Option<&Cursor>,
        size: Option<u32>,
    ) -> Result<Page<AchievementView>, Error> {
        check_player(player)?;
        let size = page::size(size)?;
        let [number, lineage, goal, period, n] = after.map_or(Ok([-1, 0, 0, 0, 0]), place)?;
        let mut reading = self.inner.db.read().await?;
        let arguments = row![game.as_str(), player, number, lineage, goal, period, n, size + 1];
        let found = reading.fetch(&PAGE, &arguments, lookups::read).await?;
        let mut page = Page::cut(found, size, |one| cursor(&one.key));
        lookups::add_rewards(&mut reading, page.items.iter_mut()).await?;
        drop(reading);
        let items = self.views(&page.items).await?.into_iter().map(|(_, view)| view).collect();
        Ok(Page { items, next: page.next })
    }

    async fn views(&self, achieved: &[Achieved]) -> Result<Vec<(String, AchievementView)>, Error> {
        let wanted: BTreeSet<VersionKey> = achieved.iter().map(|one| (one.key.game.clone(), one.key.number, one.version)).collect();
        let versions = self.inner.versions.read(&self.inner.db, &wanted, |game| self.attributes(game)).await?;
        // The version in force says until when, as long as players have not started over since.
        let current: BTreeMap<(GameId, u32), (u32, i64)> = self.in_force(&wanted);
        let newest: BTreeSet<VersionKey> = current.iter().map(|((game, number), (_, version))| (game.clone(), *number, *version)).collect();
        let in_force = self.inner.versions.read(&self.inner.db, &newest, |game| self.attributes(game)).await?;
        let now = self.inner.db.now();
        let mut views = Vec::with_capacity(achieved.len());
        for one in achieved {
            let of = (one.key.game.clone(), one.key.number, one.version);
            let judged = versions.get(&of).ok_or_else(|| Error::Broken(format!("campaign {} has no version {}", of.1, of.2)))?;
            let same = current.get(&(one.key.game.clone(), one.key.number)).filter(|(lineage, _)| *lineage == one.key.lineage);
            let says = same.and_then(|(_, version)| in_force.get(&(one.key.game.clone(), one.key.number, *version))).unwrap_or(judged);
            let goal = judged.campaign.goals.get(usize::from(one.key.goal));
            let brings = goal.is_some_and(|goal| goal.rewards.iter().any(|reward| reward.is_for(one.key.n)));
            let deadline = says.deadline(one.key.goal, one.key.period, one.achieved_at);
            let standing = match &one.claim {
                Some(claim) if claim.state == ClaimState::ClawedBack => Standing::ClawedBack,
                Some(_) => Standing::Claimed,
                None if !brings => Standing::NoReward,
                None if deadline.is_some_and(|deadline| deadline <= now) => Standing::Expired,
                None => Standing::Claimable,
            };
            let view = AchievementView {
                campaign: judged.campaign.id.clone(),
                goal: goal.map_or_else(String::new, |goal| goal.id.clone()),
                period: one.key.period,
                n: one.key.n,
                version: one.version,
                achieved_at: one.achieved_at,
                recorded_at: one.recorded_at,
                standing,
                deadline: deadline.filter(|_| brings),
                claim: one.claim.as_ref().map(|claim| ClaimView::of(&one.key, claim)),
            };
            views.push((one.key.player.clone(), view));
        }
        Ok(views)
    }

    /// Lineage and version in force, of the campaigns named that are live.
    fn in_force(&self, wanted: &BTreeSet<VersionKey>) -> BTreeMap<(GameId, u32), (u32, i64)> {
        let of = |(game, number, _): &VersionKey| {
            let live = self.inner.live.game(game)?;
            let one = live.registered(*number)?;
            Some(((game.clone(), *number), (one.lineage, one.version)))
        };
        wanted.iter().filter_map(of).collect()
    }
}

fn cursor(key: &Key) -> Cursor {
    Cursor(format!("{}.{}.{}.{}.{}", key.number, key.lineage, key.goal, key.period, key.n))
}

fn place(cursor: &Cursor) -> Result<[i64; 5], Refusal> {
    let numbers: Option<Vec<i64>> = cursor.0.split('.').map(|part| part.parse().ok()).collect();
    numbers.and_then(|numbers| numbers.try_into().ok()).ok_or_else(|| {
        Refusal::new(
            Code::BadCursor,
            format!("cursor {:?} was not given out by this list: pass `next` of the page before, or none", cursor.0),
        )
    })
}
