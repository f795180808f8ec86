//! Banners: made, changed, published, taken down and removed.
//! Refuses a change of a version that is not the newest, where the caller names one.

use crate::Teams;
use crate::answers::Answers;
use crate::decide::banners::{self, BANNERS_MAX, PUBLISHED_MAX};
use crate::model::banners::{Banner, BannerBody, BannerState};
use crate::queries::banners::{Shelf, banner};
use db::{Act, Column, Command, Error, Meta, Rank, Row, Rows, Statement, Tx, row};
use kernel::{BannerId, Code, GameId, Instant, Outcome, Refusal};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

static LOAD: Statement = Statement::new(
    "teams.load_banners",
    "select b.id, b.placement, b.state, b.priority, b.starts_at, b.ends_at, b.fallback, b.contents, b.level_min, b.level_max, b.platforms,
         b.players, b.version, b.created_at, b.changed_at, b.game
     from rows r join banner b on b.id = r.id
     order by b.id {for update of b}",
)
.rows(&[("id", Column::Bytes)])
.locks(Rank::Other);

static COUNTS: Statement =
    Statement::new("teams.count_banners", "select b.game, count(*) from banner b where b.game in (select game from rows) group by b.game")
        .rows(&[("game", Column::Text)]);

static PUBLISHED: Statement = Statement::new(
    "teams.count_published_banners",
    "select b.game, b.placement, b.id
     from banner b
     where b.state = 'published' and (b.ends_at is null or b.ends_at > $2) and b.game in (select game from rows)",
)
.rows(&[("game", Column::Text)]);

static PUT: Statement = Statement::new(
    "teams.put_banners",
    "insert into banner (id, game, placement, state, priority, starts_at, ends_at, fallback, contents, level_min, level_max, platforms, players,
         version, created_at, changed_at)
     select id, game, placement, state, priority, starts_at, ends_at, fallback, contents, level_min, level_max, platforms, players,
         version, created_at, changed_at
     from rows
     where true
     order by id
     on conflict (id) do update set placement = excluded.placement, state = excluded.state, priority = excluded.priority,
         starts_at = excluded.starts_at, ends_at = excluded.ends_at, fallback = excluded.fallback, contents = excluded.contents,
         level_min = excluded.level_min, level_max = excluded.level_max, platforms = excluded.platforms, players = excluded.players,
         version = excluded.version, changed_at = excluded.changed_at",
)
.rows(&[
    ("id", Column::Bytes),
    ("game", Column::Text),
    ("placement", Column::Text),
    ("state", Column::Text),
    ("priority", Column::Int),
    ("starts_at", Column::Int),
    ("ends_at", Column::Int),
    ("fallback", Column::Text),
    ("contents", Column::Text),
    ("level_min", Column::Int),
    ("level_max", Column::Int),
    ("platforms", Column::Text),
    ("players", Column::Text),
    ("version", Column::Int),
    ("created_at", Column::Int),
    ("changed_at", Column::Int),
]);

static REMOVE: Statement =
    Statement::new("teams.remove_banners", "delete from banner where id in (select id from rows)").rows(&[("id", Column::Bytes)]);

/// A change of a banner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whose.
    pub game: GameId,
    /// Which; a new id where it is made.
    pub banner: BannerId,
    /// The version it is meant for, where that matters.
    pub version: Option<i64>,
    /// What.
    pub what: What,
}

/// What changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It is made, as a draft.
    Create(BannerBody),
    /// What is written of it is replaced.
    Replace(BannerBody),
    /// It is shown, or is not any more.
    State(BannerState),
    /// It is removed.
    Remove,
}

/// The command that changes banners.
pub struct Manage {
    pub(crate) answers: Arc<Answers<Shelf>>,
}

/// What a change led to, and the placements whose readers see it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Changed {
    pub(crate) banner: Banner,
    before: Option<String>,
}

impl Command for Manage {
    const NAME: &'static str = "teams.manage_banner";
    type Input = Change;
    type Reply = Changed;

    fn privileged(&self, input: &Change, reply: &Changed) -> Option<Act> {
        let act = match input.what {
            What::Create(_) => "banner.created",
            What::Replace(_) => "banner.changed",
            What::State(BannerState::Published) => "banner.published",
            What::State(BannerState::Draft) => "banner.taken_down",
            What::Remove => "banner.removed",
        };
        let detail = serde_json::json!({ "banner": reply.banner.banner, "version": reply.banner.version });
        Some(Act { act, subject: format!("game/{}", input.game), detail })
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Change], now: Instant) -> Result<Vec<Outcome<Changed>>, Error> {
        let mut state = load(tx, batch, now).await?;
        let outcomes = batch.iter().map(|change| state.decide(change, now)).collect();
        write(tx, &state).await?;
        Ok(outcomes)
    }

    fn committed(&self, input: &Change, outcome: &Outcome<Changed>) {
        for changed in outcome.iter() {
            for placement in [Some(&changed.banner.body.placement), changed.before.as_ref()].into_iter().flatten() {
                self.answers.written(&crate::placement_key(&input.game, placement));
            }
        }
    }
}

#[derive(Default)]
struct State {
    held: BTreeMap<BannerId, (GameId, Banner)>,
    loaded: BTreeSet<BannerId>,
    touched: BTreeSet<BannerId>,
    counts: BTreeMap<GameId, i64>,
    published: BTreeMap<(GameId, String), BTreeSet<BannerId>>,
}

impl State {
    fn decide(&mut self, change: &Change, now: Instant) -> Outcome<Changed> {
        if let What::Create(body) = &change.what {
            return self.create(change, body, now);
        }
        let held = self.held.get(&change.banner).filter(|(game, _)| *game == change.game);
        let before = held.map(|(_, banner)| banner.clone()).ok_or_else(|| Refusal::not_found("banner", change.banner))?;
        if let Some(version) = change.version.filter(|version| *version != before.version) {
            let told = format!("the banner is at version {} and not at {version}: read it again before changing it", before.version);
            return Err(Refusal::new(Code::WrongState, told));
        }
        let mut after = before.clone();
        match &change.what {
            What::Replace(body) => after.body = body.clone(),
            What::State(state) => after.state = *state,
            What::Create(_) | What::Remove => {}
        }
        let placement = before.body.placement.clone();
        if matches!(change.what, What::Remove) {
            self.take_down(&change.game, &before);
            self.held.remove(&change.banner);
            self.touched.insert(change.banner);
            return Ok(Changed { banner: before, before: None });
        }
        if after == before {
            return Ok(Changed { banner: before, before: None });
        }
        self.take_down(&change.game, &before);
        if let Err(refusal) = self.put_up(&change.game, &after, now) {
            self.put_back(&change.game, &before);
            return Err(refusal);
        }
        after.version += 1;
        after.changed_at = now;
        self.held.insert(change.banner, (change.game.clone(), after.clone()));
        self.touched.insert(change.banner);
        Ok(Changed { banner: after, before: Some(placement) })
    }

    fn create(&mut self, change: &Change, body: &BannerBody, now: Instant) -> Outcome<Changed> {
        let count = self.counts.entry(change.game.clone()).or_default();
        if *count >= BANNERS_MAX {
            return Err(Refusal::new(Code::LimitReached, format!("{} has {BANNERS_MAX} banners: remove old ones first", change.game)));
        }
        *count += 1;
        let banner =
            Banner { banner: change.banner, state: BannerState::Draft, version: 1, created_at: now, changed_at: now, body: body.clone() };
        self.held.insert(change.banner, (change.game.clone(), banner.clone()));
        self.touched.insert(change.banner);
        Ok(Changed { banner, before: None })
    }

    fn take_down(&mut self, game: &GameId, banner: &Banner) {
        if let Some(shelf) = self.published.get_mut(&(game.clone(), banner.body.placement.clone())) {
            shelf.remove(&banner.banner);
        }
    }

    fn put_up(&mut self, game: &GameId, banner: &Banner, now: Instant) -> Result<(), Refusal> {
        let is_over = banner.body.ends_at.is_some_and(|ends_at| ends_at <= now);
        if banner.state != BannerState::Published || is_over {
            return Ok(());
        }
        let placement = &banner.body.placement;
        let shelf = self.published.entry((game.clone(), placement.clone())).or_default();
        if shelf.len() >= PUBLISHED_MAX {
            let told = format!("{placement} of {game} has {PUBLISHED_MAX} published banners that are not over: take one down first");
            return Err(Refusal::new(Code::LimitReached, told));
        }
        shelf.insert(banner.banner);
        Ok(())
    }

    fn put_back(&mut self, game: &GameId, banner: &Banner) {
        if banner.state == BannerState::Published {
            self.published.entry((game.clone(), banner.body.placement.clone())).or_default().insert(banner.banner);
        }
    }
}

async fn load(tx: &mut Tx<'_>, batch: &[&Change], now: Instant) -> Result<State, Error> {
    let ids: BTreeSet<BannerId> = batch.iter().map(|change| change.banner).collect();
    let held = |row: &Row<'_>| Ok((row.id(0)?, (row.parsed::<GameId>(15)?, banner(row)?)));
    let held: BTreeMap<BannerId, (GameId, Banner)> = tx.load(&LOAD, Rows::of(&ids, |id| row![*id]), held).await?.into_iter().collect();
    let games: BTreeSet<&str> = batch.iter().map(|change| change.game.as_str()).collect();
    let rows = || Rows::of(&games, |game| row![*game]);
    let counts = tx.load(&COUNTS, rows(), |row| Ok((row.parsed(0)?, row.int(1)?))).await?.into_iter().collect();
    let mut published: BTreeMap<(GameId, String), BTreeSet<BannerId>> = BTreeMap::new();
    let found = tx.load_with(&PUBLISHED, rows(), &row![now], |row| Ok(((row.parsed(0)?, row.text(1)?), row.id(2)?))).await?;
    for (placement, id) in found {
        published.entry(placement).or_default().insert(id);
    }
    let loaded = held.keys().copied().collect();
    Ok(State { held, loaded, touched: BTreeSet::new(), counts, published })
}

async fn write(tx: &mut Tx<'_>, state: &State) -> Result<(), Error> {
    let (mut put, mut removed) = (Rows::new(), Rows::new());
    for id in &state.touched {
        match state.held.get(id) {
            Some((game, banner)) => push(&mut put, game, banner)?,
            // One that was made and removed in the same batch was never there.
            None if state.loaded.contains(id) => removed.push(&row![*id]),
            None => {}
        }
    }
    tx.write(&PUT, put).await?;
    tx.write(&REMOVE, removed).await
}

fn push(rows: &mut Rows, game: &GameId, banner: &Banner) -> Result<(), Error> {
    let (body, audience) = (&banner.body, &banner.body.audience);
    let contents = serde_json::to_string(&body.contents).map_err(|e| Error::Broken(format!("a banner cannot be written as JSON: {e}")))?;
    rows.push(&row![
        banner.banner,
        game.as_str(),
        body.placement.as_str(),
        banner.state.as_str(),
        body.priority,
        body.starts_at,
        body.ends_at,
        body.fallback.as_str(),
        contents,
        audience.level_min,
        audience.level_max,
        audience.platforms.join(" "),
        audience.players.as_str(),
        banner.version,
        banner.created_at,
        banner.changed_at,
    ]);
    Ok(())
}

impl Teams {
    /// Changes a banner; returns it as it is then, or as it was when it was removed.
    ///
    /// # Errors
    /// What is written is not right, there is no such banner, it is at another version, or there are too many.
    pub async fn change_banner(&self, meta: Meta, change: Change) -> Result<Banner, Error> {
        if let What::Create(body) | What::Replace(body) = &change.what {
            banners::check(body)?;
        }
        Ok(self.inner.banners.send(meta, change).await?.banner)
    }
}
