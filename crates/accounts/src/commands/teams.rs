//! Games, their teams and their API keys: registered, changed, revoked, each noted in the audit log.
//! Refuses to show a key twice: only its hash is stored.

use super::load_people;
use crate::Accounts;
use crate::audit::{AuditRow, audit};
use crate::decide::teams::{Team, Teams};
use crate::games::{GameRole, Keys, Scope, scopes_text};
use db::{Column, Command, Error, Meta, Rank, Rows, Statement, Tx, row};
use kernel::{Code, GameId, Instant, KeyId, Outcome, Refusal, UserId, text};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

static LOAD_GAMES: Statement = Statement::new(
    "accounts.load_games",
    "select g.id
     from game g
     where g.id in (select id from rows)
     order by g.id {for update}",
)
.rows(&[("id", Column::Text)])
.locks(Rank::Other);

static LOAD_MEMBERS: Statement = Statement::new(
    "accounts.load_members",
    "select m.game, m.user_id, m.role
     from game_member m
     where m.game in (select id from rows)",
)
.rows(&[("id", Column::Text)]);

static LOAD_KEYS: Statement = Statement::new(
    "accounts.load_keys",
    "select k.game, k.id
     from game_key k
     where k.game in (select id from rows) and k.revoked_at is null",
)
.rows(&[("id", Column::Text)]);

// Another process may have registered the game since it was looked for: the count differs and the turn runs again.
static ADD_GAME: Statement = Statement::new(
    "accounts.add_game",
    "insert into game (id, name, zone, created_at)
     select id, name, zone, created_at
     from rows
     where true
     order by id
     on conflict (id) do nothing",
)
.rows(&[("id", Column::Text), ("name", Column::Text), ("zone", Column::Text), ("created_at", Column::Int)]);

static PUT_MEMBER: Statement = Statement::new(
    "accounts.put_member",
    "insert into game_member (game, user_id, role, since)
     select game, user_id, role, since
     from rows
     where true
     order by game, user_id
     on conflict (game, user_id) do update set role = excluded.role",
)
.rows(&[("game", Column::Text), ("user_id", Column::Bytes), ("role", Column::Text), ("since", Column::Int)]);

static REMOVE_MEMBER: Statement =
    Statement::new("accounts.remove_member", "delete from game_member where (game, user_id) in (select game, user_id from rows)")
        .rows(&[("game", Column::Text), ("user_id", Column::Bytes)]);

static ADD_KEY: Statement = Statement::new(
    "accounts.add_key",
    "insert into game_key (id, game, name, hash, scopes, created_at)
     select id, game, name, hash, scopes, created_at
     from rows",
)
.rows(&[
    ("id", Column::Bytes),
    ("game", Column::Text),
    ("name", Column::Text),
    ("hash", Column::Bytes),
    ("scopes", Column::Text),
    ("created_at", Column::Int),
]);

// What works now is kept beside the new secret, before that takes its place.
static KEEP_PREVIOUS: Statement = Statement::new(
    "accounts.keep_previous_key",
    "insert into game_key_previous (key_id, hash, works_until)
     select r.id, k.hash, r.until
     from rows r join game_key k on k.id = r.id
     where true
     order by r.id
     on conflict (key_id) do update set hash = excluded.hash, works_until = excluded.works_until",
)
.rows(&[("id", Column::Bytes), ("until", Column::Int)]);

static ROTATE_KEY: Statement = Statement::new(
    "accounts.rotate_key",
    "update game_key set hash = r.hash
     from rows r
     where game_key.id = r.id and game_key.revoked_at is null",
)
.rows(&[("id", Column::Bytes), ("hash", Column::Bytes)]);

static REVOKE_KEY: Statement = Statement::new(
    "accounts.revoke_key",
    "update game_key set revoked_at = r.at
     from rows r
     where game_key.id = r.id and game_key.revoked_at is null",
)
.rows(&[("id", Column::Bytes), ("at", Column::Int)]);

/// A change of a game, its team or its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamChange {
    /// Who asks.
    pub actor: UserId,
    /// Which game.
    pub game: GameId,
    /// What.
    pub what: What,
}

/// What changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The game is registered.
    Register {
        /// Its name.
        name: String,
        /// Its IANA time zone.
        zone: String,
    },
    /// Somebody joins its team or changes their role.
    PutMember(UserId, GameRole),
    /// Somebody leaves its team.
    RemoveMember(UserId),
    /// It gets an API key.
    CreateKey {
        /// The key's id.
        key: KeyId,
        /// What its game calls it.
        name: String,
        /// What it may do.
        scopes: BTreeSet<Scope>,
        /// The hash of the key itself.
        hash: [u8; 32],
    },
    /// A key gets a new secret; the one before works beside it until then.
    RotateKey {
        /// The key.
        key: KeyId,
        /// The hash of its new secret.
        hash: [u8; 32],
        /// Until when the secret before works.
        until: Instant,
    },
    /// A key stops working.
    RevokeKey(KeyId),
}

/// Changes whose answer holds nothing.
pub struct Manage {
    pub(crate) keys: Arc<Keys>,
}

impl Command for Manage {
    const NAME: &'static str = "accounts.manage_team";
    type Input = TeamChange;
    type Reply = ();

    fn gates(&self, input: &TeamChange, gates: &mut BTreeSet<UserId>) {
        // A new member's account must be there and active; who leaves a team may be neither.
        if let What::PutMember(member, _) = input.what {
            gates.insert(member);
        }
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a TeamChange], _: Instant) -> Result<Vec<Outcome<()>>, Error> {
        change(tx, batch).await
    }

    fn committed(&self, input: &TeamChange, _: &Outcome<()>) {
        if matches!(input.what, What::RevokeKey(_)) {
            self.keys.forget();
        }
    }
}

/// New keys, and new secrets of keys: their answer holds the secret, so it is not kept.
pub struct CreateKey {
    pub(crate) keys: Arc<Keys>,
}

impl Command for CreateKey {
    const NAME: &'static str = "accounts.create_key";
    const KEEPS_ANSWER: bool = false;
    type Input = TeamChange;
    type Reply = ();

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a TeamChange], _: Instant) -> Result<Vec<Outcome<()>>, Error> {
        change(tx, batch).await
    }

    fn committed(&self, input: &TeamChange, _: &Outcome<()>) {
        if matches!(input.what, What::RotateKey { .. }) {
            self.keys.forget();
        }
    }
}

/// What is loaded of a batch, and the keys that work.
struct Loaded {
    teams: Teams,
    keys: BTreeMap<KeyId, GameId>,
    rotated: BTreeSet<KeyId>,
}

async fn change(tx: &mut Tx<'_>, batch: &[&TeamChange]) -> Result<Vec<Outcome<()>>, Error> {
    let mut loaded = load(tx, batch).await?;
    let outcomes: Vec<Outcome<()>> = batch.iter().map(|change| decide(&mut loaded, change)).collect();
    let done: Vec<&TeamChange> = batch.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok()).map(|(change, _)| *change).collect();
    write(tx, &loaded.teams, &done).await?;
    audit(tx, &done.iter().map(|change| noted(change)).collect::<Vec<_>>()).await?;
    Ok(outcomes)
}

async fn load(tx: &mut Tx<'_>, batch: &[&TeamChange]) -> Result<Loaded, Error> {
    let users = batch.iter().flat_map(|change| {
        let member = if let What::PutMember(member, _) = change.what { Some(member) } else { None };
        member.into_iter().chain([change.actor])
    });
    let people = load_people(tx, &users.collect()).await?;
    let named: BTreeSet<&GameId> = batch.iter().map(|change| &change.game).collect();
    let ids = || Rows::of(&named, |game| row![game.as_str()]);
    let found = tx.load(&LOAD_GAMES, ids(), |row| row.parsed::<GameId>(0)).await?;
    let mut games: BTreeMap<GameId, Team> = found.into_iter().map(|game| (game, Team::default())).collect();
    let members = tx.load(&LOAD_MEMBERS, ids(), |row| Ok((row.parsed::<GameId>(0)?, row.id::<UserId>(1)?, row.parsed(2)?))).await?;
    for (game, user, role) in members {
        games.entry(game).or_default().members.insert(user, role);
    }
    let keys: BTreeMap<KeyId, GameId> = tx.load(&LOAD_KEYS, ids(), |row| Ok((row.id(1)?, row.parsed(0)?))).await?.into_iter().collect();
    keys.values().for_each(|game| games.entry(game.clone()).or_default().keys += 1);
    Ok(Loaded { teams: Teams { people, games }, keys, rotated: BTreeSet::new() })
}

fn decide(loaded: &mut Loaded, change: &TeamChange) -> Outcome<()> {
    let Loaded { teams, keys, rotated } = loaded;
    let (actor, game) = (change.actor, &change.game);
    match &change.what {
        What::Register { .. } => teams.register(actor, game),
        What::PutMember(member, role) => teams.put_member(actor, game, *member, *role),
        What::RemoveMember(member) => teams.remove_member(actor, game, *member),
        What::CreateKey { scopes, .. } => teams.create_key(actor, game, scopes),
        What::RotateKey { key, .. } => {
            teams.managed(actor, game)?;
            if keys.get(key) != Some(game) {
                return Err(Refusal::not_found("key that works", key));
            }
            // The secret that somebody else was just given would be lost with the one before.
            if !rotated.insert(*key) {
                return Err(Refusal::new(
                    Code::WrongState,
                    format!("key {key} is being rotated by somebody else: look again before another try"),
                ));
            }
            Ok(())
        }
        What::RevokeKey(key) => {
            let team = teams.managed(actor, game)?;
            if keys.get(key) != Some(game) {
                return Err(Refusal::not_found("key that works", key));
            }
            keys.remove(key);
            team.keys -= 1;
            Ok(())
        }
    }
}

async fn write(tx: &mut Tx<'_>, teams: &Teams, done: &[&TeamChange]) -> Result<(), Error> {
    let now = tx.now();
    let (mut games, mut added, mut revoked) = (Rows::new(), Rows::new(), Rows::new());
    let (mut previous, mut rotated) = (Rows::new(), Rows::new());
    let mut touched: BTreeSet<(&GameId, UserId)> = BTreeSet::new();
    for change in done {
        let game = change.game.as_str();
        match &change.what {
            What::Register { name, zone } => games.push(&row![game, name, zone, now]),
            What::CreateKey { key, name, scopes, hash } => added.push(&row![*key, game, name, hash, scopes_text(scopes), now]),
            What::RotateKey { key, hash, until } => {
                previous.push(&row![*key, *until]);
                rotated.push(&row![*key, hash]);
            }
            What::RevokeKey(key) => revoked.push(&row![*key, now]),
            What::PutMember(member, _) | What::RemoveMember(member) => {
                touched.insert((&change.game, *member));
            }
        }
    }
    tx.write(&ADD_GAME, games).await?;
    // Members as they are after the whole batch, one row each.
    let (mut put, mut removed) = (Rows::new(), Rows::new());
    for (game, member) in touched {
        match teams.games.get(game).and_then(|team| team.members.get(&member)) {
            Some(role) => put.push(&row![game.as_str(), member, role.as_str(), now]),
            None => removed.push(&row![game.as_str(), member]),
        }
    }
    tx.write(&PUT_MEMBER, put).await?;
    tx.write_some(&REMOVE_MEMBER, removed).await?;
    tx.write(&ADD_KEY, added).await?;
    tx.write(&KEEP_PREVIOUS, previous).await?;
    tx.write(&ROTATE_KEY, rotated).await?;
    tx.write(&REVOKE_KEY, revoked).await
}

fn noted(change: &TeamChange) -> AuditRow {
    let (act, detail) = match &change.what {
        What::Register { zone, .. } => ("game.registered", serde_json::json!({ "zone": zone })),
        What::PutMember(member, role) => ("member.put", serde_json::json!({ "account": member, "role": role })),
        What::RemoveMember(member) => ("member.removed", serde_json::json!({ "account": member })),
        What::CreateKey { key, scopes, .. } => ("key.created", serde_json::json!({ "key": key, "scopes": scopes })),
        What::RotateKey { key, until, .. } => ("key.rotated", serde_json::json!({ "key": key, "previous_works_until": until })),
        What::RevokeKey(key) => ("key.revoked", serde_json::json!({ "key": key })),
    };
    AuditRow { actor: Some(change.actor), act, subject: format!("game/{}", change.game), detail }
}

impl Accounts {
    /// Changes a game, its team, or revokes one of its keys.
    ///
    /// # Errors
    /// The actor may not, or what is named does not exist, or exists already.
    pub async fn manage(&self, meta: Meta, change: TeamChange) -> Result<(), Error> {
        if let What::Register { name, zone } = &change.what {
            text::check("name", name, 1, 100)?;
            check_zone(zone)?;
        }
        self.inner.teams.send(meta, change).await
    }
}

/// Checks that a time zone is one of the IANA database.
fn check_zone(zone: &str) -> Result<(), Refusal> {
    text::check("zone", zone, 1, 60)?;
    jiff::tz::TimeZone::get(zone)
        .map(drop)
        .map_err(|_| Refusal::new(Code::BadText, format!("zone {zone:?} is not an IANA time zone: Asia/Seoul or UTC would be right")))
}
