//! Decides changes of a game's campaigns and mapping: each is a version, and all running campaigns still fit the mapping.
//! The game's counter row is locked; whoever sends the change has checked that its actor may.

use crate::model::FulfilBy;
use kernel::{Code, GameId, Instant, Outcome, ProductId, Refusal};
use rules::{Campaign, Fault, Mapping, Plan, Registered, same_shape};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Upcoming and running campaigns of one game.
pub const RUNNING_MAX: usize = 200;

/// What becomes of players in progress when a campaign changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// They go on; refused where their progress would mean something else.
    Keep,
    /// They start over. What was reached stays reached and can be claimed.
    Restart,
}

/// A change of a game's campaigns or mapping.
#[derive(Debug, Clone)]
pub enum Change {
    /// A new campaign.
    Register(Box<Campaign>),
    /// A campaign says something else from now on.
    Replace(Box<Campaign>, Policy),
    /// Registers it, or replaces it where it is there.
    Apply(Box<Campaign>, Policy),
    /// Nothing counts any more.
    Stop(String),
    /// It ends later.
    Extend(String, Instant),
    /// How records become events.
    PutMapping(Box<(Mapping, String)>),
    /// How fulfilments reach the game team.
    FulfilBy(FulfilBy),
}

/// A campaign of a game, as it is loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What is registered.
    pub registered: Registered,
    /// Since when.
    pub registered_at: Instant,
}

/// A game, as a batch of changes has loaded it.
#[derive(Debug, Clone, Default)]
pub struct Game {
    /// Its counter.
    pub campaign_version: i64,
    /// Its mapping's version; 0 without one.
    pub mapping_version: i64,
    /// Campaigns registered so far.
    pub campaigns: u32,
    /// How fulfilments reach its team.
    pub fulfil_by: Option<FulfilBy>,
    /// Attributes of its mapping.
    pub attributes: Vec<String>,
    /// All its campaigns that have not ended long ago, and those that are named.
    pub rows: BTreeMap<String, Row>,
    /// Campaigns to write.
    pub changed: BTreeSet<String>,
    /// Versions to add.
    pub versions: Vec<Version>,
    /// Mappings to add: version and document.
    pub mappings: Vec<(i64, String)>,
}

/// One version of a campaign.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// What is registered from then on.
    pub registered: Registered,
    /// What changed: registered, kept, restarted, stopped or extended.
    pub change: &'static str,
    /// Which input of the batch made it.
    pub by: usize,
}

/// What a change came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The game's counter.
    pub campaign_version: i64,
    /// The mapping's version.
    pub mapping_version: i64,
    /// The campaign's version, where one changed.
    pub version: Option<i64>,
    /// Whether the campaign is new.
    pub registered: bool,
}

/// Makes one change. `products` are those of the catalogue that documents of the batch name and that may be given away.
pub fn change(game: &mut Game, id: &GameId, by: usize, change: &Change, products: &BTreeSet<ProductId>, now: Instant) -> Outcome<Changed> {
    let version = match change {
        Change::Register(campaign) => Some(register(game, id, by, campaign, products, now)?),
        Change::Replace(campaign, policy) => Some(replace(game, id, by, campaign, *policy, products, now)?),
        Change::Apply(campaign, policy) if game.rows.contains_key(&campaign.id) => {
            Some(replace(game, id, by, campaign, *policy, products, now)?)
        }
        Change::Apply(campaign, _) => Some(register(game, id, by, campaign, products, now)?),
        Change::Stop(campaign) => Some(stop(game, by, campaign, now)?),
        Change::Extend(campaign, ends) => Some(extend(game, by, campaign, *ends, now)?),
        Change::PutMapping(mapping) => {
            put_mapping(game, mapping)?;
            None
        }
        Change::FulfilBy(way) => {
            game.fulfil_by = Some(*way);
            None
        }
    };
    game.campaign_version += 1;
    let registered = version == Some(1);
    Ok(Changed { campaign_version: game.campaign_version, mapping_version: game.mapping_version, version, registered })
}

fn register(game: &mut Game, id: &GameId, by: usize, campaign: &Campaign, products: &BTreeSet<ProductId>, now: Instant) -> Outcome<i64> {
    if game.rows.contains_key(&campaign.id) {
        return Err(Refusal::new(
            Code::AlreadyExists,
            format!("campaign {} is there already: another id, or PUT to change it", campaign.id),
        ));
    }
    check(id, campaign, products)?;
    if campaign.period.ends <= now {
        return Err(invalid(vec![fault("period.ends", format!("{} is past: a time to come would be right", campaign.period.ends))]));
    }
    let running = game.rows.values().filter(|row| row.registered.stopped_at.is_none() && row.registered.campaign.period.ends > now);
    if running.count() >= RUNNING_MAX {
        return Err(Refusal::new(Code::LimitReached, format!("{RUNNING_MAX} campaigns of {id} run or are to run: stop one first")));
    }
    let number = game.campaigns + 1;
    let registered = Registered { number, lineage: 1, version: 1, stopped_at: None, campaign: campaign.clone() };
    put(game, by, Row { registered, registered_at: now }, "registered")?;
    game.campaigns = number;
    Ok(1)
}

fn replace(
    game: &mut Game,
    id: &GameId,
    by: usize,
    campaign: &Campaign,
    policy: Policy,
    products: &BTreeSet<ProductId>,
    now: Instant,
) -> Outcome<i64> {
    let old = running(game, &campaign.id, now)?;
    check(id, campaign, products)?;
    if campaign.period.ends <= now {
        return Err(invalid(vec![fault("period.ends", format!("{} is past: to end it now, stop it", campaign.period.ends))]));
    }
    let (lineage, said) = match policy {
        Policy::Keep => {
            same_shape(&old.registered.campaign, campaign).map_err(|fault| {
                let reason = format!("{}; with the policy restart players start over", fault.reason);
                invalid(vec![Fault { reason, ..fault }])
            })?;
            (old.registered.lineage, "kept")
        }
        Policy::Restart => (old.registered.lineage + 1, "restarted"),
    };
    let version = old.registered.version + 1;
    let registered = Registered { lineage, version, campaign: campaign.clone(), ..old.registered.clone() };
    put(game, by, Row { registered, ..old }, said)?;
    Ok(version)
}

fn stop(game: &mut Game, by: usize, campaign: &str, now: Instant) -> Outcome<i64> {
    let old = running(game, campaign, now)?;
    let version = old.registered.version + 1;
    let registered = Registered { version, stopped_at: Some(now), ..old.registered.clone() };
    put(game, by, Row { registered, ..old }, "stopped")?;
    Ok(version)
}

fn extend(game: &mut Game, by: usize, campaign: &str, ends: Instant, now: Instant) -> Outcome<i64> {
    let old = running(game, campaign, now)?;
    if ends <= old.registered.campaign.period.ends {
        let told = format!("{ends} is not after the present end {}: a later time would be right", old.registered.campaign.period.ends);
        return Err(invalid(vec![fault("ends", told)]));
    }
    let mut registered = old.registered.clone();
    registered.version += 1;
    registered.campaign.period.ends = ends;
    let faults = registered.campaign.faults();
    if !faults.is_empty() {
        return Err(invalid(faults));
    }
    same_shape(&old.registered.campaign, &registered.campaign).map_err(|fault| invalid(vec![fault]))?;
    let version = registered.version;
    put(game, by, Row { registered, ..old }, "extended")?;
    Ok(version)
}

fn put_mapping(game: &mut Game, mapping: &(Mapping, String)) -> Outcome<()> {
    let registered: Vec<Registered> = game.rows.values().map(|row| row.registered.clone()).collect();
    compile(&registered, mapping.0.attributes()).map_err(|faults| {
        let told = |fault: Fault| Fault { path: "attributes".to_owned(), reason: format!("campaign {}: {}", fault.path, fault.reason) };
        invalid(faults.into_iter().map(told).collect())
    })?;
    game.mapping_version += 1;
    game.attributes = mapping.0.attributes().to_vec();
    game.mappings.push((game.mapping_version, mapping.1.clone()));
    Ok(())
}

/// The campaign of that name, if it can still change.
fn running(game: &Game, campaign: &str, now: Instant) -> Outcome<Row> {
    let row = game.rows.get(campaign).ok_or_else(|| Refusal::not_found("campaign", campaign))?;
    if let Some(stopped_at) = row.registered.stopped_at {
        return Err(Refusal::new(Code::WrongState, format!("campaign {campaign} was stopped at {stopped_at}: register another id")));
    }
    if row.registered.campaign.period.ends <= now {
        let ended = row.registered.campaign.period.ends;
        return Err(Refusal::new(Code::WrongState, format!("campaign {campaign} ended at {ended}: register another id")));
    }
    Ok(row.clone())
}

/// What a document cannot know by itself: its game and the products it gives away.
fn check(id: &GameId, campaign: &Campaign, products: &BTreeSet<ProductId>) -> Outcome<()> {
    let mut faults = Vec::new();
    if campaign.game != *id {
        faults.push(fault("game", format!("{} is not the game of this path: {id} would be right", campaign.game)));
    }
    for (goal, reward, product) in products_of(campaign) {
        if !products.contains(&product) {
            let told = format!("product {product} is not in the catalogue, or sold in limited copies: another product would be right");
            faults.push(fault(&format!("goals[{goal}].rewards[{reward}].product"), told));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(invalid(faults)) }
}

/// The products a campaign gives away, with their places: goal, reward, product.
pub fn products_of(campaign: &Campaign) -> impl Iterator<Item = (usize, usize, ProductId)> + '_ {
    campaign.goals.iter().enumerate().flat_map(|(goal, of)| {
        of.rewards.iter().enumerate().filter_map(move |(reward, of)| of.product.map(|product| (goal, reward, product)))
    })
}

/// Takes a row in if all campaigns still compile together.
fn put(game: &mut Game, by: usize, row: Row, change: &'static str) -> Outcome<()> {
    let id = row.registered.campaign.id.clone();
    let others = game.rows.iter().filter(|(other, _)| **other != id).map(|(_, row)| row.registered.clone());
    let mut all: Vec<Registered> = others.chain([row.registered.clone()]).collect();
    all.sort_by_key(|registered| registered.number);
    compile(&all, &game.attributes).map_err(|faults| invalid(faults.into_iter().map(|fault| within(&id, fault)).collect()))?;
    game.versions.push(Version { registered: row.registered.clone(), change, by });
    game.changed.insert(id.clone());
    game.rows.insert(id, row);
    Ok(())
}

fn compile(registered: &[Registered], attributes: &[String]) -> Result<Plan, Vec<Fault>> {
    Plan::compile(registered, attributes)
}

/// A plan's faults begin with the campaign's id, which the document's own reader does not need.
fn within(id: &str, fault: Fault) -> Fault {
    let path = fault.path.strip_prefix(id).map(|rest| rest.trim_start_matches(['.', '/', ':']).to_owned()).unwrap_or(fault.path);
    Fault { path, reason: fault.reason }
}

fn fault(path: &str, reason: String) -> Fault {
    Fault { path: path.to_owned(), reason }
}

/// A refusal with the list of what is wrong.
pub fn invalid(faults: Vec<Fault>) -> Refusal {
    let first = faults.first().map_or_else(String::new, |fault| fault.to_string());
    let more = if faults.len() > 1 { format!(" (and {} more)", faults.len() - 1) } else { String::new() };
    let list: Vec<serde_json::Value> =
        faults.iter().take(FAULTS_TOLD_MAX).map(|fault| serde_json::json!({ "path": fault.path, "reason": fault.reason })).collect();
    Refusal::new(Code::InvalidDocument, format!("{first}{more}")).with_facts(serde_json::json!({ "faults": list }))
}

/// Faults that one refusal lists.
const FAULTS_TOLD_MAX: usize = 100;
