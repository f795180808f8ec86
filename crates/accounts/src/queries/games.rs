//! Reads of games, their teams and their keys. Refuses a team's list to who is not in it.

use crate::Accounts;
use crate::games::{Game, GameKey, GameRole, KeyInfo, Member, scopes_of};
use db::{Error, Row, Statement, row};
use kernel::{Code, Cursor, GameId, Page, Refusal, UserId, page};
use web::{Role, Who};

static GAMES: Statement =
    Statement::new("accounts.list_games", "select id, name, zone, created_at from game where id > $1 order by id limit $2");

static GAME: Statement = Statement::new("accounts.read_game", "select id, name, zone, created_at from game where id = $1");

static MEMBERS: Statement = Statement::new(
    "accounts.list_members",
    "select user_id, role, since
     from game_member
     where game = $1
     order by user_id",
);

static KEYS: Statement = Statement::new(
    "accounts.list_keys",
    "select k.id, k.name, k.scopes, k.created_at, k.revoked_at, p.works_until
     from game_key k left join game_key_previous p on p.key_id = k.id
     where k.game = $1
     order by k.id desc
     limit 200",
);

static ROLE: Statement = Statement::new(
    "accounts.read_game_role",
    "select m.role
     from game_member m join accounts a on a.id = m.user_id
     where m.game = $1 and m.user_id = $2 and a.state = 'active'",
);

impl Accounts {
    /// All games by id.
    ///
    /// # Errors
    /// The size is out of range.
    pub async fn games(&self, after: Option<&Cursor>, size: Option<u32>) -> Result<Page<Game>, Error> {
        let size = page::size(size)?;
        let refused =
            || Refusal::new(Code::BadCursor, "the cursor was not given out by this list: pass `next` of the page before, or none");
        let after = after.map(|cursor| cursor.0.parse::<GameId>().map_err(|_| refused())).transpose()?;
        let after = after.as_ref().map_or("", GameId::as_str);
        let games = self.inner.db.fetch(&GAMES, &row![after, size + 1], game).await?;
        Ok(Page::cut(games, size, |game| Cursor(game.id.to_string())))
    }

    /// One game.
    ///
    /// # Errors
    /// There is none.
    pub async fn game(&self, id: &GameId) -> Result<Game, Error> {
        let found = self.inner.db.fetch(&GAME, &row![id.as_str()], game).await?.pop();
        found.ok_or_else(|| Refusal::not_found("game", id).into())
    }

    /// The people of a game's team.
    ///
    /// # Errors
    /// There is no such game.
    pub async fn members(&self, game: &GameId) -> Result<Vec<Member>, Error> {
        self.game(game).await?;
        let member = |row: &Row| Ok(Member { user: row.id(0)?, role: row.parsed(1)?, since: row.instant(2)? });
        self.inner.db.fetch(&MEMBERS, &row![game.as_str()], member).await
    }

    /// The keys of a game, newest first, the newest 200.
    ///
    /// # Errors
    /// There is no such game.
    pub async fn keys(&self, game: &GameId) -> Result<Vec<GameKey>, Error> {
        self.game(game).await?;
        let key = |row: &Row| {
            let scopes = scopes_of(&row.text(2)?);
            Ok(GameKey {
                key: row.id(0)?,
                name: row.text(1)?,
                scopes,
                created_at: row.instant(3)?,
                revoked_at: row.instant_opt(4)?,
                previous_works_until: row.instant_opt(5)?,
            })
        };
        self.inner.db.fetch(&KEYS, &row![game.as_str()], key).await
    }

    /// What somebody is in a game's team; none when they are not in it or their account is not active.
    ///
    /// # Errors
    /// The database fails.
    pub async fn game_role(&self, user: UserId, game: &GameId) -> Result<Option<GameRole>, Error> {
        Ok(self.inner.db.fetch(&ROLE, &row![game.as_str(), user], |row| row.parsed(0)).await?.pop())
    }

    /// Refuses a caller who is neither in the game's team nor an operator.
    ///
    /// # Errors
    /// They are not.
    pub async fn require_team(&self, who: &Who, game: &GameId) -> Result<(), Error> {
        if who.roles.has(Role::Operator) || who.roles.has(Role::Admin) || self.game_role(who.user, game).await?.is_some() {
            return Ok(());
        }
        Err(Refusal::new(Code::Forbidden, format!("this needs the role operator, or a place in the team of {game}")).into())
    }

    /// Who calls with an API key. What was looked up is kept for a second, so a key revoked elsewhere stops within one.
    ///
    /// # Errors
    /// The key is unknown or revoked.
    pub async fn verify_key(&self, key: &str) -> Result<KeyInfo, Error> {
        self.inner.keys.verify(&self.inner.db, key).await
    }
}

fn game(row: &Row) -> Result<Game, Error> {
    Ok(Game { id: row.parsed(0)?, name: row.text(1)?, zone: row.text(2)?, created_at: row.instant(3)? })
}
