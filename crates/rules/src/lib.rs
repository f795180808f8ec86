//! Judges game logs: mappings turn records into events, campaigns turn events into progress and achievements.
//! Pure: no clock, no database, no input or output, no randomness; whoever calls hands in `now` and the state.
//!
//! A stream calls [`Mapper::map`] for each record and [`step`] for each event with the player's [`PlayerState`];
//! [`Effects`] says what was reached. [`Plan`] is compiled once for all campaigns of a game.

mod calendar;
pub mod campaign;
mod control;
mod event;
mod mapping;
mod plan;
mod progress;
mod samples;
mod state;
mod step;

pub use calendar::{day_of, day_start, zone};
pub use campaign::{Campaign, same_shape};
pub use control::{Control, control};
pub use event::{Event, Fault, Value};
pub use mapping::{
    Mapper, Mapping, PROFILE_LEVEL_MAX, PROFILE_NAME_MAX, PROFILE_PLAYTIME_MAX, Profile, Reason, Scratch, Seen, Unfit, event_id, preset,
    presets,
};
pub use plan::{Plan, PlanGoal, Registered};
pub use progress::{CampaignProgress, GoalProgress, progress};
pub use samples::samples;
pub use state::{PlayerState, StateError};
pub use step::{Achieved, Effects, Judged, Trace, Verdict, Why, step, step_traced};

/// Event ids a player remembers unless the mapping says otherwise.
pub const DEDUPE_MAX: usize = 512;

/// The key of a period in an achievement: its start in Unix seconds (0 for the whole campaign), and where the campaign has a
/// scope, 30 bits of the hash of the scope's value below it.
pub fn period_key(starts_s: i64, scope: Option<&str>) -> i64 {
    match scope {
        None => starts_s,
        Some(value) => starts_s << 30 | i64::from(state::scope_hash(value)),
    }
}
