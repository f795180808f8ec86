//! What happened to one player, as campaigns see it, and how a wrong document is told.
//! Owns no memory: an event borrows from its record and lives as long as that is judged.

use kernel::Instant;
use std::fmt;

/// An attribute's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// The record has none.
    Missing,
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(&'a str),
    /// Yes or no.
    Flag(bool),
}

/// One thing that one player did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event<'a> {
    /// Equal for a repeat of the same record, whatever the mapping's version.
    pub id: u64,
    /// The game's own name for the player; never empty.
    pub player: &'a str,
    /// What was done: login, play, mission, item, …
    pub kind: &'a str,
    /// When, by the game's clock.
    pub at: Instant,
    /// How much: minutes, kills, coins; 1 where the mapping names none. Never negative.
    pub amount: i64,
    /// What it was done with.
    pub item: Option<&'a str>,
    /// A value for each name of the mapping's attributes, in their order.
    pub attributes: &'a [Value<'a>],
}

/// One thing that is wrong in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, as `goals[1].condition.count`; empty for the document as a whole.
    pub path: String,
    /// What is wrong and what would be right.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}
