//! Reads of banners: the team's list, and what a reader of the game is shown.

use crate::answers::Weighs;
use crate::decide::banners::{self, PUBLISHED_MAX, check_locale, check_placement, check_platform};
use crate::model::banners::{Audience, Banner, BannerBody, BannerState, Reader, Shown};
use crate::{Teams, placement_key};
use db::{Error, Row, Statement, row};
use kernel::{BannerId, Code, Cursor, GameId, Page, Refusal, Uuid, page};
use sha2::{Digest, Sha256};
use std::sync::Arc;

static LIST: Statement = Statement::new(
    "teams.list_banners",
    "select id, placement, state, priority, starts_at, ends_at, fallback, contents, level_min, level_max, platforms, players, version,
         created_at, changed_at
     from banner
     where game = $1 and id < $2 and ($3 = '' or state = $3) and ($4 = '' or placement = $4)
     order by id desc
     limit $5",
);

static ONE: Statement = Statement::new(
    "teams.read_banner",
    "select id, placement, state, priority, starts_at, ends_at, fallback, contents, level_min, level_max, platforms, players, version,
         created_at, changed_at
     from banner
     where id = $1 and game = $2",
);

static SHELF: Statement = Statement::new(
    "teams.read_shelf",
    "select id, placement, state, priority, starts_at, ends_at, fallback, contents, level_min, level_max, platforms, players, version,
         created_at, changed_at
     from banner
     where game = $1 and placement = $2 and state = 'published' and (ends_at is null or ends_at > $3)
     order by id
     limit $4",
);

/// The published banners of a placement that were not over when they were read.
pub(crate) type Shelf = Arc<[Banner]>;

/// What a reader is shown, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// [`Shown`] as JSON.
    pub body: Vec<u8>,
    /// A tag that is the same as long as the body is.
    pub etag: String,
    /// Whole seconds for which it holds.
    pub max_age_s: i64,
}

impl Teams {
    /// What a reader is shown in a placement now.
    ///
    /// # Errors
    /// The placement, the locale or the platform is none.
    pub async fn shown_banners(&self, game: &GameId, placement: &str, reader: &Reader) -> Result<Answer, Error> {
        check_placement(placement).map_err(|refusal| Refusal::new(Code::BadPath, refusal.detail))?;
        reader.locale.as_ref().map_or(Ok(()), |locale| check_locale("the query", locale))?;
        reader.platform.as_ref().map_or(Ok(()), |platform| check_platform(platform))?;
        let shelf = self.shelf(game, placement).await?;
        let now = self.inner.db.now();
        let (banners, next) = banners::shown(&shelf, reader, now);
        let body = serde_json::to_vec(&Shown { banners }).map_err(|e| Error::Broken(format!("banners cannot be written as JSON: {e}")))?;
        let etag = format!("\"{}\"", hex::encode(&Sha256::digest(&body)[..12]));
        Ok(Answer { body, etag, max_age_s: banners::max_age_s(now, next, self.inner.banner_max_age_s) })
    }

    async fn shelf(&self, game: &GameId, placement: &str) -> Result<Shelf, Error> {
        let key = placement_key(game, placement);
        if let Some(kept) = self.inner.shelves.get(&key) {
            return Ok(kept);
        }
        let asked = self.inner.shelves.asked(&key);
        let arguments = row![game.as_str(), placement, self.inner.db.now(), PUBLISHED_MAX as i64];
        let shelf: Shelf = Arc::from(self.inner.db.fetch(&SHELF, &arguments, banner).await?);
        self.inner.shelves.keep(key, asked, &shelf);
        Ok(shelf)
    }

    /// A game's banners, newest first; only those in a state or a placement, where one is named.
    ///
    /// # Errors
    /// The cursor is none of this list, or the size is out of range.
    pub async fn list_banners(
        &self,
        game: &GameId,
        state: Option<BannerState>,
        placement: Option<&str>,
        after: Option<&Cursor>,
        size: Option<u32>,
    ) -> Result<Page<Banner>, Error> {
        let size = page::size(size)?;
        let below = after.map_or(Ok(Uuid::max()), Cursor::id)?;
        placement.map_or(Ok(()), check_placement)?;
        let arguments = row![game.as_str(), below, state.map_or("", BannerState::as_str), placement.unwrap_or_default(), size + 1];
        let found = self.inner.db.fetch(&LIST, &arguments, banner).await?;
        Ok(Page::cut(found, size, |banner| Cursor::of_id(banner.banner.0)))
    }

    /// A banner.
    ///
    /// # Errors
    /// There is none.
    pub async fn banner(&self, game: &GameId, id: BannerId) -> Result<Banner, Error> {
        let found = self.inner.db.fetch(&ONE, &row![id, game.as_str()], banner).await?.pop();
        found.ok_or_else(|| Refusal::not_found("banner", id).into())
    }
}

pub(crate) fn banner(row: &Row<'_>) -> Result<Banner, Error> {
    let contents = row.text(7)?;
    let contents = serde_json::from_str(&contents).map_err(|e| Error::Broken(format!("a banner's contents cannot be read: {e}")))?;
    let platforms = row.text(10)?.split(' ').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let body = BannerBody {
        placement: row.text(1)?,
        priority: row.int(3)?,
        starts_at: row.instant(4)?,
        ends_at: row.instant_opt(5)?,
        fallback: row.text(6)?,
        contents,
        audience: Audience { level_min: row.int_opt(8)?, level_max: row.int_opt(9)?, platforms, players: row.parsed(11)? },
    };
    Ok(Banner {
        banner: row.id(0)?,
        state: row.parsed(2)?,
        version: row.int(12)?,
        created_at: row.instant(13)?,
        changed_at: row.instant(14)?,
        body,
    })
}

impl Weighs for Shelf {
    fn bytes(&self) -> u64 {
        let one = |banner: &Banner| {
            let contents = banner.body.contents.iter().map(|(locale, c)| 128 + locale.len() + c.image.len() + c.link.len() + c.text.len());
            size_of::<Banner>() + contents.sum::<usize>()
        };
        (size_of::<Shelf>() + self.iter().map(one).sum::<usize>()) as u64
    }
}
