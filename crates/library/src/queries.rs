//! Reads of the library.

use crate::LibraryService;
use crate::commands::owned;
use crate::model::{Owned, Played};
use db::{Error, Statement, row};
use kernel::{Cursor, Page, ProductId, Refusal, UserId, page};

static LIST: Statement = Statement::new(
    "library.list",
    "select user_id, product, source, source_id, acquired_at, minutes, plays, last_played_at
     from library
     where user_id = $1 and product > $2
     order by product
     limit $3",
);

static READ: Statement = Statement::new(
    "library.read",
    "select user_id, product, source, source_id, acquired_at, minutes, plays, last_played_at
     from library
     where user_id = $1 and product = $2",
);

static PLAYS: Statement = Statement::new(
    "library.plays",
    "select product, seq, minutes, at
     from play
     where user_id = $1 and product = $2 and seq < $3
     order by seq desc
     limit $4",
);

impl LibraryService {
    /// What an account owns, by product.
    pub async fn list(&self, user: UserId, after: Option<&Cursor>, size: Option<u32>) -> Result<Page<Owned>, Error> {
        let size = page::size(size)?;
        let above = after.map_or(Ok(0), Cursor::number)?;
        let rows = self.db.fetch(&LIST, &row![user, above, size + 1], owned).await?;
        Ok(Page::cut(rows, size, |owned| Cursor::of(owned.product.0)))
    }

    /// One owned product.
    ///
    /// # Errors
    /// `not-found` when it is not owned.
    pub async fn read(&self, user: UserId, product: ProductId) -> Result<Owned, Error> {
        let found = self.db.fetch(&READ, &row![user, product], owned).await?;
        Ok(found.into_iter().next().ok_or_else(|| Refusal::not_found("product in this library:", product))?)
    }

    /// When an owned product was played, newest first.
    ///
    /// # Errors
    /// `not-found` when it is not owned.
    pub async fn plays(&self, user: UserId, product: ProductId, after: Option<&Cursor>, size: Option<u32>) -> Result<Page<Played>, Error> {
        let size = page::size(size)?;
        let below = after.map_or(Ok(i64::MAX), Cursor::number)?;
        let played =
            |row: &db::Row| Ok(Played { product: ProductId(row.int(0)?), seq: row.int(1)?, minutes: row.int(2)?, at: row.instant(3)? });
        let plays = self.db.fetch(&PLAYS, &row![user, product, below, size + 1], played).await?;
        if plays.is_empty() {
            self.read(user, product).await?;
        }
        Ok(Page::cut(plays, size, |play| Cursor::of(play.seq)))
    }
}
