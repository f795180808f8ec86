//! Reads of fulfilments and links.

use crate::Campaigns;
use crate::checkpoint::check_player;
use crate::commands::links::link;
use crate::model::{FulfilBy, Fulfilment, FulfilmentState, Link};
use db::{Column, Error, Row, Rows, Statement, row};
use kernel::{Cursor, FulfilmentId, GameId, Page, Refusal, UserId, Uuid, page};
use std::collections::BTreeMap;

// Ids made later sort later, so a page that starts behind the last one seen misses only what was committed out of order:
// whoever polls asks from the start, since what is acknowledged leaves the list of what is pending.
static LIST: Statement = Statement::new(
    "campaigns.list_fulfilments",
    "select id, player, claim, item, quantity, fulfil_by, state, note, created_at, changed_at
     from fulfilment
     where game = $1 and id > $2 and ($3 = '' or state = $3) and ($4 = '' or fulfil_by = $4)
     order by id
     limit $5",
);

static ONE: Statement = Statement::new(
    "campaigns.read_fulfilment",
    "select id, player, claim, item, quantity, fulfil_by, state, note, created_at, changed_at
     from fulfilment
     where id = $1 and game = $2",
);

static LINK: Statement = Statement::new(
    "campaigns.read_link_of_player",
    "select game, player, user_id, linked_by, linked_at from player_link where game = $1 and player = $2",
);

static LINKS_OF: Statement = Statement::new(
    "campaigns.read_links_of_players",
    "select l.game, l.player, l.user_id, l.linked_by, l.linked_at
     from rows r join player_link l on l.game = r.game and l.player = r.player",
)
.rows(&[("game", Column::Text), ("player", Column::Text)]);

static LINKS: Statement = Statement::new(
    "campaigns.list_links",
    "select game, player, user_id, linked_by, linked_at from player_link where user_id = $1 order by game",
);

impl Campaigns {
    /// A game's fulfilments, oldest first.
    ///
    /// # Errors
    /// The cursor is none of this list, or the size is out of range.
    pub async fn fulfilments(
        &self,
        game: &GameId,
        state: Option<FulfilmentState>,
        fulfil_by: Option<FulfilBy>,
        after: Option<&Cursor>,
        size: Option<u32>,
    ) -> Result<Page<Fulfilment>, Error> {
        let size = page::size(size)?;
        let after = after.map_or(Ok(Uuid::nil()), Cursor::id)?;
        let state = state.map_or("", FulfilmentState::as_str);
        let fulfil_by = fulfil_by.map_or("", FulfilBy::as_str);
        let found = self.inner.db.fetch(&LIST, &row![game.as_str(), after, state, fulfil_by, size + 1], fulfilment).await?;
        Ok(Page::cut(found, size, |one| Cursor::of_id(one.fulfilment.0)))
    }

    /// One fulfilment of a game.
    ///
    /// # Errors
    /// There is none.
    pub async fn fulfilment(&self, game: &GameId, id: FulfilmentId) -> Result<Fulfilment, Error> {
        let found = self.inner.db.fetch(&ONE, &row![id, game.as_str()], fulfilment).await?.pop();
        found.ok_or_else(|| Refusal::not_found("fulfilment", id).into())
    }

    /// The account that plays as a player.
    ///
    /// # Errors
    /// There is none.
    pub async fn link(&self, game: &GameId, player: &str) -> Result<Link, Error> {
        check_player(player)?;
        let found = self.inner.db.fetch(&LINK, &row![game.as_str(), player], link).await?.pop();
        found.ok_or_else(|| Refusal::not_found("link of player", player).into())
    }

    /// The accounts of some players of a game, by their names; those without one are left out.
    ///
    /// # Errors
    /// The database fails.
    pub async fn links_of(&self, game: &GameId, players: &[&str]) -> Result<BTreeMap<String, UserId>, Error> {
        let rows = Rows::of(players, |player| row![game.as_str(), *player]);
        let found = self.inner.db.read().await?.load(&LINKS_OF, rows, link).await?;
        Ok(found.into_iter().map(|link| (link.player, link.user)).collect())
    }

    /// The players an account plays as.
    ///
    /// # Errors
    /// The database fails.
    pub async fn links(&self, user: UserId) -> Result<Vec<Link>, Error> {
        self.inner.db.fetch(&LINKS, &row![user], link).await
    }
}

fn fulfilment(row: &Row<'_>) -> Result<Fulfilment, Error> {
    Ok(Fulfilment {
        fulfilment: row.id(0)?,
        player: row.text(1)?,
        claim: row.id(2)?,
        item: row.text(3)?,
        quantity: row.int(4)?,
        fulfil_by: row.parsed(5)?,
        state: row.parsed(6)?,
        note: row.text(7)?,
        created_at: row.instant(8)?,
        changed_at: row.instant(9)?,
    })
}
