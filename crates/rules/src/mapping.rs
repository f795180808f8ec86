//! The declarative log mapping: a game's records, whatever their shape, become events.
//! Refuses code in a mapping: it is a document, checked as a whole before it is used. `docs/mappings.md` teaches its language.

mod delimited;
mod document;
mod events;
mod field;
mod filter;
mod json;
mod number;
mod plan;
mod presets;
mod profile;
mod record;
mod shape;
mod slot;
mod text;
mod time;
mod unfit;

use crate::{Event, Fault};
pub use events::event_id;
use kernel::Instant;
use plan::Plan;
pub use presets::{preset, presets};
pub use profile::{PROFILE_LEVEL_MAX, PROFILE_NAME_MAX, PROFILE_PLAYTIME_MAX, Profile, Seen};
pub use slot::Scratch;
use std::sync::Arc;
pub use unfit::{Reason, Unfit};

/// A mapping that was read and found right.
#[derive(Debug, Clone)]
pub struct Mapping {
    plan: Arc<Plan>,
}

/// A mapping, compiled. Cheap to clone; shared by any number of threads.
#[derive(Debug, Clone)]
pub struct Mapper {
    plan: Arc<Plan>,
}

impl Mapping {
    /// Reads a mapping's JSON.
    ///
    /// # Errors
    /// All faults of the document, each with its path and what would be right.
    pub fn parse(json: &str) -> Result<Mapping, Vec<Fault>> {
        document::read(json).map(|plan| Mapping { plan: Arc::new(plan) })
    }

    /// The attributes' names, in the order of an event's values.
    pub fn attributes(&self) -> &[String] {
        &self.plan.attributes
    }

    /// Whether all records of a player lie in one partition.
    pub fn keyed_by_player(&self) -> bool {
        self.plan.keyed_by_player
    }

    /// What of players' profiles is kept up to date from the events, if anything is.
    pub fn profile(&self) -> Option<&Profile> {
        self.plan.profile.as_ref()
    }

    /// Event ids that are remembered per player, to recognise repeats.
    pub fn dedupe_max(&self) -> usize {
        self.plan.dedupe_max
    }

    /// What maps records.
    pub fn compile(&self) -> Mapper {
        Mapper { plan: Arc::clone(&self.plan) }
    }
}

impl Mapper {
    /// Maps one record: calls `each` for all of its events, or for none. `Ok(0)`: the mapping does not want this record.
    /// `appended_at` is when the log took the record; `Instant(i64::MAX)` where nobody knows, as in files.
    ///
    /// # Errors
    /// The record does not fit, and why.
    pub fn map(&self, scratch: &mut Scratch, raw: &[u8], appended_at: Instant, each: &mut dyn FnMut(&Event<'_>)) -> Result<usize, Unfit> {
        self.plan.map(scratch, raw, appended_at, each).map_err(|unfit| *unfit)
    }
}
