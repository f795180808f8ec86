//! Decides what becomes of profiles that are sent. Pure: no clock, no database, no randomness.
//! The caller has loaded and locked every profile named here.

use crate::model::{PLAYER_MAX, Profile, ProfileChange, Upserted};
use kernel::{Code, GameId, Instant, Refusal, text};
use std::collections::{BTreeMap, BTreeSet};

/// The longest nickname and the longest name of a server, in characters.
pub const NAME_MAX: usize = 60;
/// The highest level.
pub const LEVEL_MAX: i64 = 1_000_000_000;
/// The most minutes somebody can have played: two thousand years of them.
pub const PLAYTIME_MAX: i64 = 1_000_000_000;

/// A player, by game and name.
pub type Key = (GameId, String);

/// The profiles a batch touches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profiles {
    /// Those that are there; what is kept of an account stays elsewhere.
    pub held: BTreeMap<Key, Profile>,
    /// Those that were added since they were loaded.
    pub added: BTreeSet<Key>,
    /// Those that were changed since they were loaded.
    pub changed: BTreeSet<Key>,
}

/// Checks a change by itself.
///
/// # Errors
/// A text is too short or too long, or a number out of range.
pub fn check(change: &ProfileChange) -> Result<(), Refusal> {
    text::check("player", &change.player, 1, PLAYER_MAX)?;
    for (field, name) in [("nickname", &change.nickname), ("server", &change.server)] {
        name.as_ref().map_or(Ok(()), |name| text::check(field, name, 1, NAME_MAX))?;
    }
    let numbers = [("level", change.level, LEVEL_MAX), ("playtime_minutes", change.playtime_minutes, PLAYTIME_MAX)];
    for (field, number, max) in numbers {
        if number.is_some_and(|number| !(0..=max).contains(&number)) {
            let told = format!("{field} {} of player {:?} is outside 0 to {max}", number.unwrap_or_default(), change.player);
            return Err(Refusal::new(Code::BadBody, told));
        }
    }
    Ok(())
}

/// Takes changes over, in their order. Sending the same again changes nothing.
pub fn upsert(profiles: &mut Profiles, game: &GameId, changes: &[ProfileChange], now: Instant) -> Upserted {
    let mut done = Upserted::default();
    for change in changes {
        let key = (game.clone(), change.player.clone());
        match profiles.held.get_mut(&key) {
            None => {
                let mut profile = fresh(&change.player, now);
                take_over(&mut profile, change);
                profiles.held.insert(key.clone(), profile);
                profiles.added.insert(key);
                done.added += 1;
            }
            Some(held) => {
                let before = held.clone();
                take_over(held, change);
                if *held == before {
                    done.same += 1;
                } else {
                    held.changed_at = now;
                    profiles.changed.insert(key);
                    done.changed += 1;
                }
            }
        }
    }
    done
}

fn fresh(player: &str, now: Instant) -> Profile {
    Profile {
        player: player.to_owned(),
        nickname: None,
        level: None,
        server: None,
        last_seen_at: None,
        playtime_minutes: 0,
        account: None,
        first_seen_at: now,
        changed_at: now,
    }
}

fn take_over(held: &mut Profile, change: &ProfileChange) {
    held.nickname = change.nickname.clone().or(held.nickname.take());
    held.level = change.level.or(held.level);
    held.server = change.server.clone().or(held.server.take());
    held.last_seen_at = held.last_seen_at.max(change.last_seen_at);
    held.playtime_minutes = change.playtime_minutes.unwrap_or(held.playtime_minutes);
}

/// What a nickname is searched by: small letters for large ones.
pub fn folded(nickname: &str) -> String {
    nickname.to_lowercase()
}

/// The first text that sorts behind every text with this beginning, byte by byte; none when there is no such text.
pub fn behind(prefix: &str) -> Option<String> {
    let mut letters: Vec<char> = prefix.chars().collect();
    while let Some(last) = letters.pop() {
        // Surrogates are no letters: what comes before them is followed by what comes behind them.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            letters.push(next);
            return Some(letters.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn game() -> GameId {
        "kart".parse().unwrap()
    }

    fn change() -> impl Strategy<Value = ProfileChange> {
        let name = || prop::option::of("[a-c]{1,2}");
        let fields = (0..4_u8, name(), prop::option::of(0..5_i64), name(), prop::option::of(0..9_i64), prop::option::of(0..9_i64));
        fields.prop_map(|(player, nickname, level, server, seen, playtime_minutes)| ProfileChange {
            player: format!("p{player}"),
            nickname,
            level,
            server,
            last_seen_at: seen.map(Instant),
            playtime_minutes,
        })
    }

    #[test]
    fn what_is_left_out_stays_and_last_seen_does_not_go_back() {
        let mut profiles = Profiles::default();
        let first = ProfileChange {
            player: "p1".to_owned(),
            nickname: Some("Dao".to_owned()),
            last_seen_at: Some(Instant(9)),
            ..ProfileChange::default()
        };
        let second = ProfileChange { player: "p1".to_owned(), level: Some(7), last_seen_at: Some(Instant(5)), ..ProfileChange::default() };
        assert_eq!(upsert(&mut profiles, &game(), &[first, second.clone()], Instant(1)), Upserted { added: 1, changed: 1, same: 0 });
        let held = &profiles.held[&(game(), "p1".to_owned())];
        assert_eq!((held.nickname.as_deref(), held.level, held.last_seen_at), (Some("Dao"), Some(7), Some(Instant(9))));
        assert_eq!(upsert(&mut profiles, &game(), &[second], Instant(2)), Upserted { added: 0, changed: 0, same: 1 });
    }

    #[test]
    fn out_of_range_is_refused_with_the_value() {
        let low = ProfileChange { player: "p1".to_owned(), level: Some(-1), ..ProfileChange::default() };
        assert!(check(&low).unwrap_err().detail.contains("level -1"));
        let long = ProfileChange { player: "p1".to_owned(), nickname: Some("x".repeat(61)), ..ProfileChange::default() };
        assert_eq!(check(&long).unwrap_err().code, Code::BadText);
        assert_eq!(check(&ProfileChange::default()).unwrap_err().code, Code::BadText);
    }

    proptest! {
        #[test]
        fn sending_again_changes_nothing(changes in prop::collection::vec(change(), 0..30)) {
            // Each player once, as one request would have them.
            let once: BTreeMap<String, ProfileChange> = changes.into_iter().map(|change| (change.player.clone(), change)).collect();
            let once: Vec<ProfileChange> = once.into_values().collect();
            let mut profiles = Profiles::default();
            upsert(&mut profiles, &game(), &once, Instant(1));
            let before = profiles.clone();
            let again = upsert(&mut profiles, &game(), &once, Instant(2));
            prop_assert_eq!((again.added, again.changed, again.same as usize), (0, 0, once.len()));
            prop_assert_eq!(before, profiles);
        }

        #[test]
        fn a_prefix_ends_where_the_next_one_begins(prefix in "[a-z\u{d7ff}\u{10ffff}]{1,3}", rest in "\\PC{0,3}", other in "\\PC{0,4}") {
            if let Some(end) = behind(&prefix) {
                let with = format!("{prefix}{rest}");
                prop_assert!(with >= prefix && with < end);
                prop_assert_eq!(other.starts_with(&prefix), other >= prefix && other < end);
            }
        }
    }
}
