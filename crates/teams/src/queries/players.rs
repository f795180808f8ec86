//! Reads of profiles: one, many, a list, a search. The account that plays as a player is the links' to tell.

use crate::answers::Weighs;
use crate::commands::players::check_count;
use crate::decide::players::{NAME_MAX, behind, folded};
use crate::model::{PLAYER_MAX, Profile};
use crate::{Teams, player_key};
use db::{Column, Error, Row, Rows, Statement, row};
use kernel::{Code, Cursor, GameId, Page, Refusal, page, text};
use std::collections::BTreeMap;

static ONE: Statement = Statement::new(
    "teams.read_profile",
    "select player, nickname, level, server, last_seen_at, playtime_minutes, first_seen_at, changed_at
     from player_profile
     where game = $1 and player = $2",
);

static MANY: Statement = Statement::new(
    "teams.read_profiles",
    "select p.player, p.nickname, p.level, p.server, p.last_seen_at, p.playtime_minutes, p.first_seen_at, p.changed_at
     from rows r join player_profile p on p.game = r.game and p.player = r.player",
)
.rows(&[("game", Column::Text), ("player", Column::Text)]);

static LIST: Statement = Statement::new(
    "teams.list_profiles",
    "select player, nickname, level, server, last_seen_at, playtime_minutes, first_seen_at, changed_at
     from player_profile
     where game = $1 and player > $2
     order by player
     limit $3",
);

static SEARCH: Statement = Statement::new(
    "teams.search_profiles",
    "select player, nickname, level, server, last_seen_at, playtime_minutes, first_seen_at, changed_at
     from player_profile
     where game = $1 and nickname_key >= $2 and nickname_key < $3 and (nickname_key, player) > ($4, $5)
     order by nickname_key, player
     limit $6",
);

impl Teams {
    /// A player's profile.
    ///
    /// # Errors
    /// There is none.
    pub async fn player(&self, game: &GameId, player: &str) -> Result<Profile, Error> {
        let key = player_key(game, player);
        if let Some(kept) = self.inner.profiles.get(&key) {
            return Ok(kept);
        }
        text::check("player", player, 1, PLAYER_MAX)?;
        let asked = self.inner.profiles.asked(&key);
        let found = self.inner.db.fetch(&ONE, &row![game.as_str(), player], profile).await?.pop();
        let mut found = found.ok_or_else(|| Refusal::not_found("player", player))?;
        found.account = self.inner.campaigns.linked(game, player).await?;
        self.inner.profiles.keep(key, asked, &found);
        Ok(found)
    }

    /// The profiles of 1 to 100 players, in the order of their names in the request; those without one are left out.
    ///
    /// # Errors
    /// There are none or too many of them, or a name is none.
    pub async fn players(&self, game: &GameId, names: &[String]) -> Result<Vec<Profile>, Error> {
        check_count(names.len())?;
        names.iter().try_for_each(|player| text::check("player", player, 1, PLAYER_MAX))?;
        let kept = |player: &String| self.inner.profiles.get(&player_key(game, player)).map(|kept| (player.clone(), kept));
        let mut found: BTreeMap<String, Profile> = names.iter().filter_map(kept).collect();
        let missing: Vec<&str> = names.iter().map(String::as_str).filter(|player| !found.contains_key(*player)).collect();
        let asked: Vec<_> = missing.iter().map(|player| self.inner.profiles.asked(&player_key(game, player))).collect();
        let rows = Rows::of(&missing, |player| row![game.as_str(), *player]);
        let read = self.inner.db.read().await?.load(&MANY, rows, profile).await?;
        let read = self.with_accounts(game, read).await?;
        for profile in read {
            if let Some(at) = missing.iter().position(|player| **player == profile.player) {
                self.inner.profiles.keep(player_key(game, &profile.player), asked[at], &profile);
            }
            found.insert(profile.player.clone(), profile);
        }
        let mut shown = std::collections::BTreeSet::new();
        Ok(names.iter().filter(|player| shown.insert(player.as_str())).filter_map(|player| found.get(player).cloned()).collect())
    }

    /// A game's players by name; or those whose nickname begins with a text, whatever its case, by nickname.
    ///
    /// # Errors
    /// The cursor is none of this list, the size is out of range, or the text is.
    pub async fn list_players(
        &self,
        game: &GameId,
        nickname: Option<&str>,
        after: Option<&Cursor>,
        size: Option<u32>,
    ) -> Result<Page<Profile>, Error> {
        let size = page::size(size)?;
        let page = match nickname {
            None => {
                let (after, _) = after.map_or(Ok(Default::default()), place)?;
                let found = self.inner.db.fetch(&LIST, &row![game.as_str(), after, size + 1], profile).await?;
                Page::cut(found, size, |profile| cursor(&profile.player, ""))
            }
            Some(nickname) => {
                text::check("nickname", nickname, 1, NAME_MAX)?;
                let from = folded(nickname);
                let Some(to) = behind(&from) else { return Ok(Page { items: Vec::new(), next: None }) };
                let (after_name, after_player) = after.map_or(Ok(Default::default()), place)?;
                let arguments = row![game.as_str(), &from, &to, &after_name, &after_player, size + 1];
                let found = self.inner.db.fetch(&SEARCH, &arguments, profile).await?;
                Page::cut(found, size, |profile| cursor(&folded(profile.nickname.as_deref().unwrap_or_default()), &profile.player))
            }
        };
        Ok(Page { items: self.with_accounts(game, page.items).await?, next: page.next })
    }

    async fn with_accounts(&self, game: &GameId, mut profiles: Vec<Profile>) -> Result<Vec<Profile>, Error> {
        let names: Vec<&str> = profiles.iter().map(|profile| profile.player.as_str()).collect();
        let mut accounts = self.inner.campaigns.links_of(game, &names).await?;
        for profile in &mut profiles {
            profile.account = accounts.remove(&profile.player);
        }
        Ok(profiles)
    }
}

pub(crate) fn profile(row: &Row<'_>) -> Result<Profile, Error> {
    Ok(Profile {
        player: row.text(0)?,
        nickname: row.text_opt(1)?,
        level: row.int_opt(2)?,
        server: row.text_opt(3)?,
        last_seen_at: row.instant_opt(4)?,
        playtime_minutes: row.int(5)?,
        account: None,
        first_seen_at: row.instant(6)?,
        changed_at: row.instant(7)?,
    })
}

impl Weighs for Profile {
    fn bytes(&self) -> u64 {
        let texts = [Some(&self.player), self.nickname.as_ref(), self.server.as_ref()];
        (size_of::<Profile>() + texts.into_iter().flatten().map(String::len).sum::<usize>()) as u64
    }
}

/// Two texts as a cursor, in hex digits, so that it can stand in an address.
fn cursor(first: &str, second: &str) -> Cursor {
    Cursor(format!("{}.{}", hex::encode(first), hex::encode(second)))
}

fn place(cursor: &Cursor) -> Result<(String, String), Refusal> {
    let read = |digits: &str| hex::decode(digits).ok().and_then(|bytes| String::from_utf8(bytes).ok()).filter(|text| !text.contains('\0'));
    let parts = cursor.0.split_once('.').and_then(|(first, second)| Some((read(first)?, read(second)?)));
    parts.ok_or_else(|| {
        let told = format!("cursor {:?} was not given out by this list: pass `next` of the page before, or none", cursor.0);
        Refusal::new(Code::BadCursor, told)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_as_it_was_written_and_others_are_refused() {
        assert_eq!(place(&cursor("dao \u{ae38}", "p1")), Ok(("dao \u{ae38}".to_owned(), "p1".to_owned())));
        for bad in ["", "zz.", "00.", "ff.00", "61"] {
            assert_eq!(place(&Cursor(bad.to_owned())).unwrap_err().code, Code::BadCursor, "{bad}");
        }
    }
}
