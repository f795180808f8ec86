//! What one record tells, before its game's way of writing it: who, when, of which kind, and how it is broken if it is.
//! Knows no game's schema.

use super::{Game, Kind};
use kernel::Instant;
use kernel::Random;
use std::ops::Range;

/// Places of a thousand, and what stands there.
const BROKEN: u64 = 0;
pub(super) const REPEATS: Range<u64> = 1..6;
const UNWANTED: Range<u64> = 6..306;
const LOGINS: Range<u64> = 306..406;
const MISSIONS: Range<u64> = 406..556;
const ITEMS: Range<u64> = 556..750;
/// The rest, a quarter, are plays. What is wanted may be sent again.
pub(super) const FIRSTS: Range<u64> = 306..1_000;

/// How a record is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoil {
    Cut,
    HalfCharacter,
    NoPlayer,
    NoTime,
}

/// One record's content.
#[derive(Debug)]
pub(super) struct Happening {
    pub(super) game: Game,
    /// The record's number, which its own id is made of.
    pub(super) n: u64,
    pub(super) place: u64,
    pub(super) block: u64,
    /// The player's number within the game.
    pub(super) player: u64,
    /// Players of the game.
    pub(super) players: u64,
    pub(super) at: Instant,
    pub(super) is_late: bool,
    /// Whatever else it needs.
    pub(super) random: Random,
}

impl Happening {
    /// What is written, spoiled or not.
    pub(super) fn written(&self) -> Kind {
        match self.place {
            place if UNWANTED.contains(&place) => Kind::Unwanted,
            place if LOGINS.contains(&place) => Kind::Login,
            place if MISSIONS.contains(&place) => Kind::Mission,
            place if ITEMS.contains(&place) => Kind::Item,
            _ => Kind::Play,
        }
    }

    /// What the mapping makes of it.
    pub(super) fn kind(&self) -> Kind {
        match self.spoil() {
            None => self.written(),
            Some(Spoil::Cut) if self.game == Game::Baram => Kind::Broken("wrong_columns"),
            Some(Spoil::Cut) => Kind::Broken("not_json"),
            Some(Spoil::HalfCharacter) => Kind::Broken("not_utf8"),
            Some(Spoil::NoPlayer) => Kind::Broken("missing_field"),
            Some(Spoil::NoTime) => Kind::Broken("bad_time"),
        }
    }

    pub(super) fn spoil(&self) -> Option<Spoil> {
        let spoils = [Spoil::Cut, Spoil::HalfCharacter, Spoil::NoPlayer, Spoil::NoTime];
        (self.place == BROKEN).then(|| spoils[usize::try_from(self.block % 4).unwrap_or(0)])
    }

    pub(super) fn has_player(&self) -> bool {
        self.spoil() != Some(Spoil::NoPlayer)
    }

    pub(super) fn has_time(&self) -> bool {
        self.spoil() != Some(Spoil::NoTime)
    }

    /// Breaks the text itself, where that is how it is broken.
    pub(super) fn spoil_text(&self, out: &mut Vec<u8>) {
        match self.spoil() {
            Some(Spoil::Cut) => out.truncate(out.len() / 2),
            Some(Spoil::HalfCharacter) => out.insert(20, 0xEC),
            _ => (),
        }
        // Half of a line may end within a character, which is another fault.
        if self.spoil() == Some(Spoil::Cut) {
            while std::str::from_utf8(out).is_err() {
                out.pop();
            }
        }
    }

    /// The level of a player, which stays the same.
    pub(super) fn level_of(player: u64) -> u64 {
        1 + player.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 99
    }
}
