//! Links between a game's player and an account: a code that the game shows its player and the account's owner redeems, or an
//! operator's word. Refuses a second account for a player and a second player of a game for an account, and a code twice.

use crate::Campaigns;
use crate::checkpoint::check_player;
use crate::model::{Link, LinkedBy};
use db::{Act, Column, Command, Error, Meta, Rank, Row, Rows, Statement, Tx, row};
use kernel::time::SECOND_US;
use kernel::{Code, GameId, Instant, Outcome, Refusal, UserId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

/// A code works for so long.
pub const CODE_S: i64 = 15 * 60;
/// Codes are so many characters, each one of 32: 125 bits of chance.
pub const CODE_CHARS: usize = 25;
/// Letters and digits that nobody mistakes for one another.
const LETTERS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

static CODES: Statement = Statement::new(
    "campaigns.load_codes",
    "select c.hash, c.game, c.player, c.expires_at
     from rows r join link_code c on c.hash = r.hash
     order by c.hash {for update of c}",
)
.rows(&[("hash", Column::Bytes)])
.locks(Rank::Other);

static LINKS: Statement = Statement::new(
    "campaigns.load_links_of",
    "select l.game, l.player, l.user_id, l.linked_by, l.linked_at
     from player_link l
     where (l.game, l.player) in (select game, player from rows) or (l.game, l.user_id) in (select game, user_id from rows)
     order by l.game, l.player {for update}",
)
.rows(&[("game", Column::Text), ("player", Column::Text), ("user_id", Column::Bytes)])
.locks(Rank::Other);

// Two accounts may redeem codes of one player side by side: the second finds its row there, and the turn runs again.
static ADD: Statement = Statement::new(
    "campaigns.add_links",
    "insert into player_link (game, player, user_id, linked_by, linked_at)
     select game, player, user_id, linked_by, $2
     from rows
     where true
     order by game, player
     on conflict do nothing",
)
.rows(&[("game", Column::Text), ("player", Column::Text), ("user_id", Column::Bytes), ("linked_by", Column::Text)]);

static REMOVE: Statement =
    Statement::new("campaigns.remove_links", "delete from player_link where (game, player) in (select game, player from rows)")
        .rows(&[("game", Column::Text), ("player", Column::Text)]);

static DROP_CODES: Statement = Statement::new(
    "campaigns.drop_codes",
    "delete from link_code where (game, player) in (select game, player from rows) or expires_at < $2",
)
.rows(&[("game", Column::Text), ("player", Column::Text)]);

static ADD_CODES: Statement = Statement::new(
    "campaigns.add_codes",
    "insert into link_code (hash, game, player, expires_at)
     select hash, game, player, expires_at
     from rows",
)
.rows(&[("hash", Column::Bytes), ("game", Column::Text), ("player", Column::Text), ("expires_at", Column::Int)]);

// What waited for an account is tried at once.
static WAKE: Statement = Statement::new(
    "campaigns.wake_claims",
    "update achievement set auto_at = $2 where auto_at is not null and (game, player) in (select game, player from rows)",
)
.rows(&[("game", Column::Text), ("player", Column::Text)]);

/// A new code that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeAsk {
    game: GameId,
    player: String,
    hash: [u8; 32],
}

/// The command that keeps new codes; their answer is a secret and is not kept.
pub struct IssueCode;

impl Command for IssueCode {
    const NAME: &'static str = "campaigns.issue_link_code";
    const KEEPS_ANSWER: bool = false;
    type Input = CodeAsk;
    type Reply = Instant;

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a CodeAsk], now: Instant) -> Result<Vec<Outcome<Instant>>, Error> {
        let expires_at = now.plus_us(CODE_S * SECOND_US);
        // The last code of a player is the one that works.
        let last: BTreeMap<(&GameId, &str), &CodeAsk> = batch.iter().map(|ask| ((&ask.game, ask.player.as_str()), *ask)).collect();
        tx.write_some_with(&DROP_CODES, Rows::of(last.keys(), |(game, player)| row![game.as_str(), *player]), &row![now]).await?;
        let rows = Rows::of(last.values(), |ask| row![&ask.hash, ask.game.as_str(), ask.player.as_str(), expires_at]);
        tx.write(&ADD_CODES, rows).await?;
        Ok(batch.iter().map(|_| Ok(expires_at)).collect())
    }
}

/// A change of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The account redeems a code.
    Redeem([u8; 32]),
    /// An operator links the account.
    Link(GameId, String),
    /// The link ends.
    Unlink(GameId, String),
}

/// A change that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The account.
    pub user: UserId,
    /// What.
    pub what: What,
    /// Whether an operator asks for it.
    pub by_operator: bool,
}

/// The link after a change; none when it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linked(pub Option<Link>);

/// Who hears of players whose link has changed.
pub(crate) type Heard = Arc<OnceLock<Box<dyn Fn(&GameId, &str) + Send + Sync>>>;

/// The command that changes links; the gates of the accounts are held, so no claim sees half of it.
pub struct Relink {
    pub(crate) heard: Heard,
}

impl Command for Relink {
    const NAME: &'static str = "campaigns.link";
    type Input = Ask;
    type Reply = Linked;

    fn gates(&self, input: &Ask, gates: &mut BTreeSet<UserId>) {
        gates.insert(input.user);
    }

    fn privileged(&self, input: &Ask, _: &Linked) -> Option<Act> {
        let (act, game) = match &input.what {
            What::Redeem(_) => return None,
            What::Link(game, _) => ("player.linked", game),
            What::Unlink(game, _) => ("player.unlinked", game),
        };
        input.by_operator.then(|| Act { act, subject: format!("account/{}", input.user), detail: serde_json::json!({ "game": game }) })
    }

    async fn run<'a>(&'a self, tx: &'a mut Tx<'_>, batch: &'a [&'a Ask], now: Instant) -> Result<Vec<Outcome<Linked>>, Error> {
        let mut state = load(tx, batch).await?;
        let outcomes = batch.iter().map(|ask| state.decide(ask, tx, now)).collect();
        write(tx, &state, now).await?;
        Ok(outcomes)
    }

    fn committed(&self, input: &Ask, outcome: &Outcome<Linked>) {
        let (Ok(linked), Some(hear)) = (outcome, self.heard.get()) else { return };
        match (&linked.0, &input.what) {
            (Some(link), _) => hear(&link.game, &link.player),
            (None, What::Link(game, player) | What::Unlink(game, player)) => hear(game, player),
            (None, What::Redeem(_)) => {}
        }
    }
}

type Player = (GameId, String);

#[derive(Default)]
struct State {
    codes: BTreeMap<[u8; 32], (Player, Instant)>,
    links: BTreeMap<Player, Link>,
    before: BTreeSet<Player>,
    touched: BTreeSet<Player>,
    /// Players whose codes are used up.
    used: BTreeSet<Player>,
}

impl State {
    fn decide(&mut self, ask: &Ask, tx: &Tx<'_>, now: Instant) -> Outcome<Linked> {
        match &ask.what {
            What::Redeem(hash) => {
                let known = self.codes.get(hash).filter(|(_, expires_at)| *expires_at > now).map(|(player, _)| player.clone());
                let player = known.filter(|player| !self.used.contains(player)).ok_or_else(|| {
                    Refusal::new(
                        Code::NotFound,
                        format!("no such code, or it was used or is older than {} min: ask the game for a new one", CODE_S / 60),
                    )
                })?;
                let linked = self.link(player.clone(), ask.user, LinkedBy::Code, tx, now)?;
                self.used.insert(player);
                Ok(linked)
            }
            What::Link(game, player) => self.link((game.clone(), player.clone()), ask.user, LinkedBy::Operator, tx, now),
            What::Unlink(game, player) => {
                let key = (game.clone(), player.clone());
                let theirs = self.links.get(&key).is_some_and(|link| link.user == ask.user);
                if !theirs {
                    return Err(Refusal::not_found("link of this account to player", player));
                }
                self.links.remove(&key);
                self.touched.insert(key);
                Ok(Linked(None))
            }
        }
    }

    fn link(&mut self, player: Player, user: UserId, linked_by: LinkedBy, tx: &Tx<'_>, now: Instant) -> Outcome<Linked> {
        if !tx.is_active(user) {
            return Err(Refusal::not_found("account", user));
        }
        if let Some(link) = self.links.get(&player) {
            return if link.user == user {
                Ok(Linked(Some(link.clone())))
            } else {
                Err(Refusal::new(Code::AlreadyExists, format!("player {:?} is linked to another account: unlink it there first", player.1)))
            };
        }
        if let Some(link) = self.links.values().find(|link| link.game == player.0 && link.user == user) {
            let told = format!("the account plays {} as {:?} already: unlink it first", link.game, link.player);
            return Err(Refusal::new(Code::AlreadyExists, told));
        }
        let link = Link { game: player.0.clone(), player: player.1.clone(), user, linked_by, linked_at: now };
        self.links.insert(player.clone(), link.clone());
        self.touched.insert(player);
        Ok(Linked(Some(link)))
    }
}

async fn load(tx: &mut Tx<'_>, batch: &[&Ask]) -> Result<State, Error> {
    let hashes: BTreeSet<[u8; 32]> =
        batch.iter().filter_map(|ask| if let What::Redeem(hash) = ask.what { Some(hash) } else { None }).collect();
    let code = |row: &Row<'_>| {
        let hash: [u8; 32] = row.bytes(0)?.try_into().map_err(|_| Error::Broken("a code's hash has 32 bytes".to_owned()))?;
        Ok((hash, ((row.parsed(1)?, row.text(2)?), row.instant(3)?)))
    };
    let codes: BTreeMap<[u8; 32], (Player, Instant)> =
        tx.load(&CODES, Rows::of(&hashes, |hash| row![hash]), code).await?.into_iter().collect();
    let mut wanted: BTreeSet<(&str, &str, UserId)> = BTreeSet::new();
    for ask in batch {
        match &ask.what {
            What::Redeem(hash) => wanted.extend(codes.get(hash).map(|((game, player), _)| (game.as_str(), player.as_str(), ask.user))),
            What::Link(game, player) | What::Unlink(game, player) => drop(wanted.insert((game.as_str(), player.as_str(), ask.user))),
        }
    }
    let rows = Rows::of(&wanted, |(game, player, user)| row![*game, *player, *user]);
    let links = tx.load(&LINKS, rows, link).await?;
    let before: BTreeSet<Player> = links.iter().map(|link| (link.game.clone(), link.player.clone())).collect();
    let links = links.into_iter().map(|link| ((link.game.clone(), link.player.clone()), link)).collect();
    Ok(State { codes, links, before, ..State::default() })
}

pub(crate) fn link(row: &Row<'_>) -> Result<Link, Error> {
    Ok(Link { game: row.parsed(0)?, player: row.text(1)?, user: row.id(2)?, linked_by: row.parsed(3)?, linked_at: row.instant(4)? })
}

async fn write(tx: &mut Tx<'_>, state: &State, now: Instant) -> Result<(), Error> {
    // Players as they are after the whole batch: a link that was there is replaced by what stands now.
    let players = |players: &BTreeSet<Player>| Rows::of(players, |(game, player)| row![game.as_str(), player.as_str()]);
    let gone: BTreeSet<Player> = state.touched.intersection(&state.before).cloned().collect();
    tx.write(&REMOVE, players(&gone)).await?;
    let new: BTreeSet<Player> = state.touched.iter().filter(|player| state.links.contains_key(*player)).cloned().collect();
    let rows = Rows::of(&new, |player| {
        let link = &state.links[player];
        row![link.game.as_str(), link.player.as_str(), link.user, link.linked_by.as_str()]
    });
    tx.write_with(&ADD, rows, &row![now]).await?;
    tx.write_some_with(&DROP_CODES, players(&state.used), &row![Instant(i64::MIN)]).await?;
    tx.write_some_with(&WAKE, players(&new), &row![now]).await.map(drop)
}

impl Campaigns {
    /// A code for a player, which links the account that redeems it. A new code of a player ends the one before.
    ///
    /// # Errors
    /// The player's name is none.
    pub async fn issue_code(&self, meta: Meta, game: GameId, player: String) -> Result<(String, Instant), Error> {
        check_player(&player)?;
        let code = new_code();
        let expires_at = self.inner.codes.send(meta, CodeAsk { game, player, hash: hash_of(&code) }).await?;
        Ok((code, expires_at))
    }

    /// Changes a link.
    ///
    /// # Errors
    /// The code is none, or one of the two is linked already.
    pub async fn relink(&self, meta: Meta, ask: Ask) -> Result<Option<Link>, Error> {
        if let What::Link(_, player) | What::Unlink(_, player) = &ask.what {
            check_player(player)?;
        }
        Ok(self.inner.links.send(meta, ask).await?.0)
    }

    /// Has a listener told of each player whose link changes, after the commit and before its caller is answered. The first one stays.
    pub fn on_link(&self, listener: impl Fn(&GameId, &str) + Send + Sync + 'static) {
        drop(self.inner.heard.set(Box::new(listener)));
    }

    /// Redeems a code for an account.
    ///
    /// # Errors
    /// The code is none, was used or is too old, or one of the two is linked already.
    pub async fn redeem(&self, meta: Meta, user: UserId, code: &str) -> Result<Option<Link>, Error> {
        self.relink(meta, Ask { user, what: What::Redeem(hash_of(code)), by_operator: false }).await
    }
}

/// Hyphens, spaces and case do not matter in a code that people type.
fn hash_of(code: &str) -> [u8; 32] {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    Sha256::digest(plain.as_bytes()).into()
}

/// Five groups of five.
fn new_code() -> String {
    let mut code = String::with_capacity(CODE_CHARS + CODE_CHARS / 5);
    for place in 0..CODE_CHARS {
        if place > 0 && place % 5 == 0 {
            code.push('-');
        }
        code.push(char::from(LETTERS[usize::from(rand::random::<u8>() % 32)]));
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_same_however_it_is_typed() {
        let code = new_code();
        assert_eq!(code.len(), CODE_CHARS + 4);
        assert_eq!(hash_of(&code), hash_of(&format!(" {} ", code.replace('-', " ").to_lowercase())));
        assert_ne!(hash_of(&code), hash_of(&new_code()));
    }
}
