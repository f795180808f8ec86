//! Decides what becomes of profiles that are sent, and of what logs tell. Pure: no clock, no database, no randomness.
//! The caller has loaded and locked every profile named here.

use crate::model::{PLAYER_MAX, Profile, ProfileChange, Upserted};
use kernel::{Code, GameId, Instant, Refusal, text};
use rules::Seen;
pub use rules::{PROFILE_LEVEL_MAX as LEVEL_MAX, PROFILE_NAME_MAX as NAME_MAX, PROFILE_PLAYTIME_MAX as PLAYTIME_MAX};
use std::collections::{BTreeMap, BTreeSet};

/// A player, by game and name.
pub type Key = (GameId, String);

/// A profile, and how new what it says is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The profile; what is kept of an account stays elsewhere.
    pub profile: Profile,
    /// When each of its fields was told.
    pub told: Told,
}

/// When what a profile says was told: by the team when it sent it, by a log when it happened. None: before that was kept, or never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// The nickname.
    pub nickname: Option<Instant>,
    /// The level.
    pub level: Option<Instant>,
    /// The server.
    pub server: Option<Instant>,
    /// The minutes played.
    pub playtime: Option<Instant>,
}

/// The profiles a batch touches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profiles {
    /// Those that are there.
    pub held: BTreeMap<Key, Known>,
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
        match profiles.change((game.clone(), change.player.clone()), now, |known| take_over(known, change, now)) {
            Became::Added => done.added += 1,
            Became::Changed => done.changed += 1,
            Became::Same => done.same += 1,
        }
    }
    done
}

/// Takes over what a log tells of a player, field by field, where nothing newer is known. What a profile cannot hold is left out.
pub fn seen(profiles: &mut Profiles, key: Key, seen: &Seen, now: Instant) {
    profiles.change(key, now, |known| take_seen(known, seen));
}

enum Became {
    Added,
    Changed,
    Same,
}

impl Profiles {
    fn change(&mut self, key: Key, now: Instant, take: impl FnOnce(&mut Known)) -> Became {
        let Some(known) = self.held.get_mut(&key) else {
            let mut known = Known { profile: fresh(&key.1, now), told: Told::default() };
            take(&mut known);
            self.held.insert(key.clone(), known);
            self.added.insert(key);
            return Became::Added;
        };
        let before = known.clone();
        take(known);
        if *known == before {
            return Became::Same;
        }
        known.profile.changed_at = now;
        self.changed.insert(key);
        Became::Changed
    }
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

fn take_over(Known { profile, told }: &mut Known, change: &ProfileChange, now: Instant) {
    // What says the same as before is no news.
    fn set<T: Clone + PartialEq>(held: &mut T, told_at: &mut Option<Instant>, told: Option<T>, now: Instant) {
        if let Some(told) = told.filter(|told| told != held) {
            (*held, *told_at) = (told, Some(now));
        }
    }
    set(&mut profile.nickname, &mut told.nickname, change.nickname.clone().map(Some), now);
    set(&mut profile.level, &mut told.level, change.level.map(Some), now);
    set(&mut profile.server, &mut told.server, change.server.clone().map(Some), now);
    set(&mut profile.playtime_minutes, &mut told.playtime, change.playtime_minutes, now);
    profile.last_seen_at = profile.last_seen_at.max(change.last_seen_at);
}

fn take_seen(Known { profile, told }: &mut Known, seen: &Seen) {
    fn set<T: Clone, H: From<T>>(held: &mut H, told_at: &mut Option<Instant>, seen: Option<&(Instant, T)>) {
        if let Some((at, value)) = seen.filter(|(at, _)| *told_at <= Some(*at)) {
            (*held, *told_at) = (value.clone().into(), Some(*at));
        }
    }
    set(&mut profile.nickname, &mut told.nickname, seen.nickname.as_ref());
    set(&mut profile.server, &mut told.server, seen.server.as_ref());
    set(&mut profile.level, &mut told.level, seen.level.as_ref());
    set(&mut profile.playtime_minutes, &mut told.playtime, seen.playtime_minutes.as_ref());
    profile.last_seen_at = profile.last_seen_at.max(seen.last_seen_at);
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
        let held = &profiles.held[&(game(), "p1".to_owned())].profile;
        assert_eq!((held.nickname.as_deref(), held.level, held.last_seen_at), (Some("Dao"), Some(7), Some(Instant(9))));
        assert_eq!(upsert(&mut profiles, &game(), &[second], Instant(2)), Upserted { added: 0, changed: 0, same: 1 });
    }

    fn log(at: i64, nickname: &str, level: i64) -> Seen {
        let at = Instant(at);
        Seen { nickname: Some((at, nickname.to_owned())), level: Some((at, level)), last_seen_at: Some(at), ..Seen::default() }
    }

    #[test]
    fn what_a_log_tells_is_taken_over_field_by_field_and_never_over_something_newer() {
        let (mut profiles, key) = (Profiles::default(), (game(), "p1".to_owned()));
        seen(&mut profiles, key.clone(), &log(5, "Dao", 3), Instant(100));
        let only_level = Seen { nickname: None, ..log(9, "", 4) };
        seen(&mut profiles, key.clone(), &only_level, Instant(100));
        seen(&mut profiles, key.clone(), &log(7, "Bazzi", 2), Instant(100));
        let held = profiles.held[&key].profile.clone();
        assert_eq!((held.nickname.as_deref(), held.level, held.last_seen_at), (Some("Bazzi"), Some(4), Some(Instant(9))));
        let sent = ProfileChange { player: "p1".to_owned(), nickname: Some("Uni".to_owned()), ..ProfileChange::default() };
        upsert(&mut profiles, &game(), &[sent], Instant(50));
        seen(&mut profiles, key.clone(), &log(49, "Bazzi", 5), Instant(100));
        let held = profiles.held[&key].profile.clone();
        assert_eq!((held.nickname.as_deref(), held.level), (Some("Uni"), Some(5)), "the team's word is newer than a record from before it");
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
        fn logs_come_to_the_same_in_any_order_and_however_often(
            events in prop::collection::btree_map(0..50_i64, ("[ab]", 0..4_i64), 1..12)
                .prop_map(|by_time| by_time.into_iter().collect::<Vec<_>>())
                .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
        ) {
            let (in_order, shuffled) = events;
            let key = (game(), "p1".to_owned());
            let come_to = |events: &[(i64, (String, i64))]| {
                let mut profiles = Profiles::default();
                events.iter().for_each(|(at, (name, level))| seen(&mut profiles, key.clone(), &log(*at, name, *level), Instant(99)));
                profiles.held.remove(&key)
            };
            let twice: Vec<_> = shuffled.iter().chain(&shuffled).cloned().collect();
            prop_assert_eq!(come_to(&twice), come_to(&in_order));
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
