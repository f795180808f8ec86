//! Reads of grants: how far each is, and where the players of its list stand.

use crate::Teams;
use crate::model::{Grant, Grantee, GranteeState};
use db::{Error, Row, Statement, row};
use kernel::{Cursor, GameId, GrantId, Page, Refusal, Uuid, page};

static LIST: Statement = Statement::new(
    "teams.list_grants",
    "select id, currency, reason, state, total, done, refused, created_by, created_at, changed_at
     from cash_grant
     where game = $1 and id < $2 and state <> 'removed'
     order by id desc
     limit $3",
);

static ONE: Statement = Statement::new(
    "teams.read_grant",
    "select id, currency, reason, state, total, done, refused, created_by, created_at, changed_at
     from cash_grant
     where id = $1 and game = $2 and state <> 'removed'",
);

static LISTED: Statement = Statement::new(
    "teams.list_grantees",
    "select place, player, amount, refused
     from cash_grant_row
     where grant_id = $1 and place > $2
     order by place
     limit $3",
);

static RUNNING: Statement =
    Statement::new("teams.running_grants", "select id from cash_grant where state = 'running' order by id limit 100");

impl Teams {
    /// A game's grants, newest first.
    ///
    /// # Errors
    /// The cursor is none of this list, or the size is out of range.
    pub async fn list_grants(&self, game: &GameId, after: Option<&Cursor>, size: Option<u32>) -> Result<Page<Grant>, Error> {
        let size = page::size(size)?;
        let below = after.map_or(Ok(Uuid::max()), Cursor::id)?;
        let found = self.inner.db.fetch(&LIST, &row![game.as_str(), below, size + 1], grant).await?;
        Ok(Page::cut(found, size, |grant| Cursor::of_id(grant.grant.0)))
    }

    /// A grant, with how far it is.
    ///
    /// # Errors
    /// There is none.
    pub async fn grant(&self, game: &GameId, id: GrantId) -> Result<Grant, Error> {
        let found = self.inner.db.fetch(&ONE, &row![id, game.as_str()], grant).await?.pop();
        found.ok_or_else(|| Refusal::not_found("grant", id).into())
    }

    /// The players of a grant's list, in its order, with where each stands.
    ///
    /// # Errors
    /// There is no such grant, the cursor is none of this list, or the size is out of range.
    pub async fn grantees(&self, game: &GameId, id: GrantId, after: Option<&Cursor>, size: Option<u32>) -> Result<Page<Grantee>, Error> {
        let size = page::size(size)?;
        let above = after.map_or(Ok(0), Cursor::number)?;
        // The list is read first: whoever is behind what was done by then was not seen to when it was read.
        let listed = |row: &Row<'_>| Ok((row.int(0)?, row.text(1)?, row.int(2)?, row.text_opt(3)?));
        let found = self.inner.db.fetch(&LISTED, &row![id, above, size + 1], listed).await?;
        let done = self.grant(game, id).await?.done;
        let one = |(place, player, amount_minor, refused): (i64, String, i64, Option<String>)| {
            let outcome = match &refused {
                Some(_) => GranteeState::Refused,
                None if place <= done => GranteeState::Granted,
                None => GranteeState::Waiting,
            };
            Grantee { place, player, amount_minor, outcome, refused }
        };
        Ok(Page::cut(found.into_iter().map(one).collect(), size, |one| Cursor::of(one.place)))
    }

    /// The grants that run.
    pub(crate) async fn running_grants(&self) -> Result<Vec<GrantId>, Error> {
        self.inner.db.fetch(&RUNNING, &[], |row| row.id(0)).await
    }
}

pub(crate) fn grant(row: &Row<'_>) -> Result<Grant, Error> {
    Ok(Grant {
        grant: row.id(0)?,
        currency: row.parsed(1)?,
        reason: row.text(2)?,
        state: row.parsed(3)?,
        total: row.int(4)?,
        done: row.int(5)?,
        refused: row.int(6)?,
        created_by: row.text(7)?,
        created_at: row.instant(8)?,
        changed_at: row.instant(9)?,
    })
}
