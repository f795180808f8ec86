//! Versions of campaigns, read once and kept: a version never changes, so what was read stays true.
//! Refuses to keep more than a bound of them.

use crate::live::campaign_of;
use db::{Column, Db, Error, Row, Rows, Statement, Tx, row};
use kernel::{GameId, Instant};
use parking_lot::Mutex;
use rules::{Campaign, Plan, Registered};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Versions kept.
const KEPT_MAX: usize = 2_000;

static LOAD: Statement = Statement::new(
    "campaigns.load_versions",
    "select v.game, v.number, v.version, v.lineage, v.document
     from rows r join campaign_version v on v.game = r.game and v.number = r.number and v.version = r.version",
)
.rows(&[("game", Column::Text), ("number", Column::Int), ("version", Column::Int)]);

/// Which version: game, campaign, version.
pub(crate) type VersionKey = (GameId, u32, i64);

/// One version of a campaign.
#[derive(Debug)]
pub(crate) struct Version {
    /// The document.
    pub(crate) campaign: Campaign,
    /// Its zone's rules.
    pub(crate) zone: jiff::tz::TimeZone,
    number: u32,
    /// Compiled alone; none where the mapping has moved on since.
    plan: Option<Plan>,
}

impl Version {
    /// The campaign's plan, if it still fits the game's mapping.
    pub(crate) fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// The first moment at which an achievement of a goal can no longer be claimed; none if that never comes.
    pub(crate) fn deadline(&self, goal: u16, period: i64, achieved_at: Instant) -> Option<Instant> {
        match &self.plan {
            Some(plan) => plan.claim_deadline(self.number, goal, period, achieved_at),
            None => {
                let until = self.campaign.goals.get(usize::from(goal))?.claim_until?;
                until.deadline(self.campaign.period.ends, self.campaign.period.ends, achieved_at)
            }
        }
    }
}

/// What was read. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Versions {
    kept: Arc<Mutex<HashMap<VersionKey, Arc<Version>>>>,
}

impl Versions {
    /// These versions; those that are not kept are read with one statement.
    pub(crate) async fn load(
        &self,
        tx: &mut Tx<'_>,
        wanted: &BTreeSet<VersionKey>,
        attributes: impl Fn(&GameId) -> Vec<String>,
    ) -> Result<HashMap<VersionKey, Arc<Version>>, Error> {
        let (mut found, missing) = self.kept(wanted);
        let rows = Rows::of(&missing, |(game, number, version)| row![game.as_str(), *number, *version]);
        let read = tx.load(&LOAD, rows, stored).await?;
        found.extend(self.keep(read, attributes)?);
        Ok(found)
    }

    /// As [`Versions::load`], outside of transactions.
    pub(crate) async fn read(
        &self,
        db: &Db,
        wanted: &BTreeSet<VersionKey>,
        attributes: impl Fn(&GameId) -> Vec<String>,
    ) -> Result<HashMap<VersionKey, Arc<Version>>, Error> {
        let (mut found, missing) = self.kept(wanted);
        if missing.is_empty() {
            return Ok(found);
        }
        let rows = Rows::of(&missing, |(game, number, version)| row![game.as_str(), *number, *version]);
        let read = db.read().await?.load(&LOAD, rows, stored).await?;
        found.extend(self.keep(read, attributes)?);
        Ok(found)
    }

    fn kept(&self, wanted: &BTreeSet<VersionKey>) -> (HashMap<VersionKey, Arc<Version>>, Vec<VersionKey>) {
        let kept = self.kept.lock();
        let found = wanted.iter().filter_map(|key| Some((key.clone(), kept.get(key)?.clone()))).collect();
        (found, wanted.iter().filter(|key| !kept.contains_key(key)).cloned().collect())
    }

    fn keep(
        &self,
        read: Vec<(VersionKey, u32, String)>,
        attributes: impl Fn(&GameId) -> Vec<String>,
    ) -> Result<Vec<(VersionKey, Arc<Version>)>, Error> {
        let mut fresh = Vec::with_capacity(read.len());
        for (key, lineage, document) in read {
            fresh.push((key.clone(), Arc::new(version(&key, lineage, &document, &attributes(&key.0))?)));
        }
        let mut kept = self.kept.lock();
        if kept.len() + fresh.len() > KEPT_MAX {
            kept.clear();
        }
        kept.extend(fresh.iter().cloned());
        Ok(fresh)
    }
}

fn stored(row: &Row<'_>) -> Result<(VersionKey, u32, String), Error> {
    let small =
        |column: usize| u32::try_from(row.int(column)?).map_err(|_| Error::Broken(format!("column {column} of a version is out of range")));
    Ok(((row.parsed(0)?, small(1)?, row.int(2)?), small(3)?, row.text(4)?))
}

fn version((_, number, version): &VersionKey, lineage: u32, document: &str, attributes: &[String]) -> Result<Version, Error> {
    let campaign = campaign_of(document)?;
    let zone = rules::zone(&campaign.zone).ok_or_else(|| Error::Broken(format!("{:?} is no zone", campaign.zone)))?;
    let registered = Registered { number: *number, lineage, version: *version, stopped_at: None, campaign };
    let plan = Plan::compile(std::slice::from_ref(&registered), attributes).ok();
    Ok(Version { campaign: registered.campaign, zone, number: *number, plan })
}
