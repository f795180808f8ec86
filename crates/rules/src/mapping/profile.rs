//! What a game's events tell of a player's profile: the newest of what was said about each field.
//! Refuses what a profile cannot hold: such a value tells nothing, so what is kept does not depend on which records are read together.

use crate::{Event, Value};
use kernel::Instant;

/// The longest nickname and the longest server's name, in characters.
pub const PROFILE_NAME_MAX: usize = 60;
/// The highest level.
pub const PROFILE_LEVEL_MAX: i64 = 1_000_000_000;
/// The longest playtime, in minutes.
pub const PROFILE_PLAYTIME_MAX: i64 = 1_000_000_000;

/// Which of an event's attributes tell what of its player, by their places. When the player was seen last is told by every event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Profile {
    pub(super) nickname: Option<usize>,
    pub(super) level: Option<usize>,
    pub(super) server: Option<usize>,
    pub(super) playtime_minutes: Option<usize>,
}

/// What events told of a player, each field with the moment of the event that told it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// What other players call them.
    pub nickname: Option<(Instant, String)>,
    /// Their level.
    pub level: Option<(Instant, i64)>,
    /// The server they play on.
    pub server: Option<(Instant, String)>,
    /// Minutes they have played in all.
    pub playtime_minutes: Option<(Instant, i64)>,
    /// The newest event.
    pub last_seen_at: Option<Instant>,
}

impl Profile {
    /// Takes over what an event tells, where nothing newer is known.
    pub fn note(&self, seen: &mut Seen, event: &Event<'_>) {
        let value = |place: Option<usize>| place.and_then(|place| event.attributes.get(place));
        let text = |place| match value(place) {
            Some(Value::Text(text)) if (1..=PROFILE_NAME_MAX).contains(&text.chars().count()) => Some(*text),
            _ => None,
        };
        let number = |place, max| match value(place) {
            Some(Value::Integer(number)) if (0..=max).contains(number) => Some(*number),
            _ => None,
        };
        newest_text(&mut seen.nickname, event.at, text(self.nickname));
        newest_text(&mut seen.server, event.at, text(self.server));
        newest(&mut seen.level, event.at, number(self.level, PROFILE_LEVEL_MAX));
        newest(&mut seen.playtime_minutes, event.at, number(self.playtime_minutes, PROFILE_PLAYTIME_MAX));
        seen.last_seen_at = seen.last_seen_at.max(Some(event.at));
    }
}

impl Seen {
    /// Takes over what was told elsewhere, where nothing newer is known. Of one moment, what comes later stands.
    pub fn take(&mut self, other: Seen) {
        let Seen { nickname, level, server, playtime_minutes, last_seen_at } = other;
        for (held, told) in [(&mut self.nickname, nickname), (&mut self.server, server)] {
            told.into_iter().for_each(|(at, text)| newest(held, at, Some(text)));
        }
        for (held, told) in [(&mut self.level, level), (&mut self.playtime_minutes, playtime_minutes)] {
            told.into_iter().for_each(|(at, number)| newest(held, at, Some(number)));
        }
        self.last_seen_at = self.last_seen_at.max(last_seen_at);
    }
}

fn newest<T>(held: &mut Option<(Instant, T)>, at: Instant, told: Option<T>) {
    if let Some(told) = told.filter(|_| held.as_ref().is_none_or(|(known, _)| *known <= at)) {
        *held = Some((at, told));
    }
}

/// As [`newest`]; most events tell what is known, and then no text is copied.
fn newest_text(held: &mut Option<(Instant, String)>, at: Instant, told: Option<&str>) {
    let Some(told) = told else { return };
    match held {
        Some((known, text)) if *known <= at && text == told => *known = at,
        _ => newest(held, at, Some(told.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PROFILE: Profile = Profile { nickname: Some(0), level: Some(1), server: None, playtime_minutes: Some(2) };

    /// A moment with a nickname, a level and minutes.
    type Says = (i64, Option<String>, Option<i64>, Option<i64>);

    fn folded(events: &[Says]) -> Seen {
        let mut seen = Seen::default();
        for (at, nickname, level, minutes) in events {
            let number = |number: &Option<i64>| number.map_or(Value::Missing, Value::Integer);
            let attributes = [nickname.as_deref().map_or(Value::Missing, Value::Text), number(level), number(minutes)];
            let event = Event { id: 1, player: "p", kind: "play", at: Instant(*at), amount: 1, item: None, attributes: &attributes };
            PROFILE.note(&mut seen, &event);
        }
        seen
    }

    #[test]
    fn what_a_profile_cannot_hold_hides_nothing_that_was_told_before() {
        let long = "a".repeat(PROFILE_NAME_MAX + 1);
        let seen = folded(&[(1, Some("a".to_owned()), Some(5), Some(9)), (2, Some(long), Some(PROFILE_LEVEL_MAX + 1), Some(-1))]);
        let told = Seen {
            nickname: Some((Instant(1), "a".to_owned())),
            level: Some((Instant(1), 5)),
            server: None,
            playtime_minutes: Some((Instant(1), 9)),
            last_seen_at: Some(Instant(2)),
        };
        assert_eq!(seen, told);
    }

    proptest! {
        #[test]
        fn the_same_events_tell_the_same_in_any_order_and_in_any_pieces(
            events in prop::collection::btree_map(0..100_i64, (prop::option::of("[ab]"), prop::option::of(0..3_i64), prop::option::of(0..3_i64)), 0..20)
                .prop_map(|by_time| by_time.into_iter().map(|(at, (nickname, level, minutes))| (at, nickname, level, minutes)).collect::<Vec<Says>>())
                .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
            cut in 0..20_usize,
        ) {
            let (in_order, shuffled) = events;
            let whole = folded(&in_order);
            prop_assert_eq!(&folded(&shuffled), &whole);
            let (first, second) = shuffled.split_at(cut.min(shuffled.len()));
            let mut joined = folded(first);
            joined.take(folded(second));
            joined.take(folded(first));
            prop_assert_eq!(&joined, &whole);
        }
    }
}
