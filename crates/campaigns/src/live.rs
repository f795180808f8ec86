//! What is in force now: each game's campaigns compiled to a plan, and its mapping, as one snapshot per game.
//! Refuses to be older than a second anywhere: whoever runs a process calls [`Live::refresh`] at least that often.

use arc_swap::ArcSwap;
use db::{Db, Error, Row, Statement, row};
use kernel::time::HOUR_US;
use kernel::{GameId, Instant};
use rules::{Achieved, Campaign, Mapper, Mapping, Plan, Registered};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// A campaign that ended stays in the plan for so long, for logs that are read late.
const ENDED_KEPT_US: i64 = 30 * 24 * HOUR_US;

static COUNTERS: Statement =
    Statement::new("campaigns.counters", "select game, campaign_version, mapping_version from game_campaigns order by game");

static COUNTER: Statement =
    Statement::new("campaigns.counter", "select game, campaign_version, mapping_version from game_campaigns where game = $1");

static MAPPING: Statement = Statement::new("campaigns.live_mapping", "select document from mapping where game = $1 and version = $2");

static CAMPAIGNS: Statement = Statement::new(
    "campaigns.live_campaigns",
    "select number, lineage, version, stopped_at, document
     from campaign
     where game = $1 and ends_at > $2
     order by number",
);

/// What is in force in one game.
#[derive(Debug)]
pub struct LiveGame {
    /// The game.
    pub game: GameId,
    /// The counter it was read at; a checkpoint compares it with [`crate::checkpoint::current_version`].
    pub campaign_version: i64,
    /// The mapping's version; 0 while there is none.
    pub mapping_version: i64,
    /// How records become events; none while nobody wrote a mapping.
    pub mapping: Option<Arc<Mapping>>,
    /// The mapping, compiled.
    pub mapper: Option<Arc<Mapper>>,
    /// Upcoming and running campaigns, and those that ended within 30 days, by number.
    pub campaigns: Vec<Registered>,
    /// All of them, compiled.
    pub plan: Plan,
}

impl LiveGame {
    /// The campaign of that number, if it is in force.
    pub fn registered(&self, number: u32) -> Option<&Registered> {
        let at = self.campaigns.binary_search_by_key(&number, |registered| registered.number).ok()?;
        self.campaigns.get(at)
    }

    /// Whether the reward of what was reached comes by itself.
    pub fn claims_itself(&self, achieved: &Achieved) -> bool {
        self.goal(achieved)
            .is_some_and(|goal| goal.claim == rules::campaign::Claim::Auto && goal.rewards.iter().any(|reward| reward.is_for(achieved.n)))
    }

    /// Whether it is taken back when the purchase is refunded that reached it.
    pub fn claws_back(&self, achieved: &Achieved) -> bool {
        self.goal(achieved).is_some_and(|goal| goal.clawback)
    }

    fn goal(&self, achieved: &Achieved) -> Option<&rules::campaign::Goal> {
        self.registered(achieved.number).and_then(|registered| registered.campaign.goals.get(usize::from(achieved.goal)))
    }
}

type Games = BTreeMap<GameId, Arc<LiveGame>>;

/// Every game's snapshot. Cheap to clone; readers never wait.
#[derive(Clone)]
pub struct Live {
    db: Db,
    games: Arc<ArcSwap<Games>>,
    refreshing: Arc<Mutex<()>>,
}

impl Live {
    /// Nothing yet: [`Live::refresh`] reads it.
    pub fn new(db: &Db) -> Live {
        Live { db: db.clone(), games: Arc::default(), refreshing: Arc::default() }
    }

    /// What is in force in a game; none when it has neither campaigns nor a mapping.
    pub fn game(&self, game: &GameId) -> Option<Arc<LiveGame>> {
        self.games.load().get(game).cloned()
    }

    /// All games that have campaigns or a mapping.
    pub fn games(&self) -> Arc<BTreeMap<GameId, Arc<LiveGame>>> {
        self.games.load_full()
    }

    /// Reads what changed in any game; to be called at least once a second, and once before the first record.
    ///
    /// # Errors
    /// The database fails, or a document is of a newer version than this program; what was read before stays in force.
    pub async fn refresh(&self) -> Result<(), Error> {
        let _one_at_a_time = self.refreshing.lock().await;
        let counters = self.db.fetch(&COUNTERS, &[], counters).await?;
        let known = self.games.load_full();
        let mut games = Games::new();
        for (game, campaign_version, mapping_version) in counters {
            let fresh = match known.get(&game) {
                Some(live) if live.campaign_version == campaign_version => live.clone(),
                known => read(&self.db, &game, campaign_version, mapping_version, known).await?,
            };
            games.insert(game, fresh);
        }
        self.games.store(Arc::new(games));
        Ok(())
    }

    /// Reads one game anew if it changed, as a checkpoint asks that found another version than its plan's.
    ///
    /// # Errors
    /// As [`Live::refresh`].
    pub async fn reload(&self, game: &GameId) -> Result<Option<Arc<LiveGame>>, Error> {
        let _one_at_a_time = self.refreshing.lock().await;
        let Some((game, campaign_version, mapping_version)) = self.db.fetch(&COUNTER, &row![game.as_str()], counters).await?.pop() else {
            return Ok(None);
        };
        let known = self.games.load_full();
        if let Some(live) = known.get(&game).filter(|live| live.campaign_version == campaign_version) {
            return Ok(Some(live.clone()));
        }
        let fresh = read(&self.db, &game, campaign_version, mapping_version, known.get(&game)).await?;
        let mut games = known.as_ref().clone();
        games.insert(game, fresh.clone());
        self.games.store(Arc::new(games));
        Ok(Some(fresh))
    }
}

fn counters(row: &Row<'_>) -> Result<(GameId, i64, i64), Error> {
    Ok((row.parsed(0)?, row.int(1)?, row.int(2)?))
}

/// Reads a game's documents. A change that commits meanwhile is read under the older counter, and read again at the next look.
async fn read(
    db: &Db,
    game: &GameId,
    campaign_version: i64,
    mapping_version: i64,
    known: Option<&Arc<LiveGame>>,
) -> Result<Arc<LiveGame>, Error> {
    let mut reading = db.read().await?;
    let (mapping, mapper) = match known.filter(|live| live.mapping_version == mapping_version) {
        Some(live) => (live.mapping.clone(), live.mapper.clone()),
        None => match reading.fetch(&MAPPING, &row![game.as_str(), mapping_version], |row| row.text(0)).await?.pop() {
            None => (None, None),
            Some(document) => {
                let mapping = Mapping::parse(&document).map_err(|faults| unreadable("mapping", game, &faults))?;
                let mapper = mapping.compile();
                (Some(Arc::new(mapping)), Some(Arc::new(mapper)))
            }
        },
    };
    let since = kept_since(db.now());
    let campaigns = reading.fetch(&CAMPAIGNS, &row![game.as_str(), since], registered).await?;
    let attributes: &[String] = mapping.as_deref().map_or(&[], Mapping::attributes);
    let plan = Plan::compile(&campaigns, attributes).map_err(|faults| unreadable("plan", game, &faults))?;
    let plan = match &mapping {
        Some(mapping) => plan.with_dedupe_max(mapping.dedupe_max()),
        None => plan,
    };
    Ok(Arc::new(LiveGame { game: game.clone(), campaign_version, mapping_version, mapping, mapper, campaigns, plan }))
}

/// A row of campaigns: number, lineage, version, stopped_at, document.
pub(crate) fn registered(row: &Row<'_>) -> Result<Registered, Error> {
    let small = |column: usize| {
        u32::try_from(row.int(column)?).map_err(|_| Error::Broken(format!("column {column} of a campaign is out of range")))
    };
    let document = row.text(4)?;
    let campaign = campaign_of(&document)?;
    Ok(Registered { number: small(0)?, lineage: small(1)?, version: row.int(2)?, stopped_at: row.instant_opt(3)?, campaign })
}

/// Reads a stored document.
pub(crate) fn campaign_of(document: &str) -> Result<Campaign, Error> {
    serde_json::from_str(document).map_err(|e| Error::Broken(format!("a stored campaign cannot be read by this version: {e}")))
}

fn unreadable(what: &str, game: &GameId, faults: &[rules::Fault]) -> Error {
    let told = faults.first().map_or_else(String::new, ToString::to_string);
    Error::Broken(format!("the {what} of {game} cannot be read by this version: {told}"))
}

/// The moment before which ended campaigns are left out of a plan made at `now`.
pub(crate) fn kept_since(now: Instant) -> Instant {
    now.plus_us(-ENDED_KEPT_US)
}
