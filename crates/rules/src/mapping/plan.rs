//! A mapping, compiled: the tree of wanted values, and for each kind of row the rules that make events of it.
//! Holds nothing of any record.

use super::delimited::Delimited;
use super::field::Field;
use super::filter::Filter;
use super::profile::Profile;
use super::shape::{Shape, Source};
use super::text::Patterns;
use super::time::Time;
use jiff::tz::TimeZone;
use std::sync::atomic::{AtomicU64, Ordering};

/// Events of one record.
pub(super) const EVENTS_MAX: usize = 1_000;
/// Attributes of one mapping.
pub(super) const ATTRIBUTES_MAX: usize = 32;

/// A whole mapping.
#[derive(Debug)]
pub(super) struct Plan {
    /// Different for every plan of this process: a scratch knows by it whom it is set up for.
    pub(super) number: u64,
    pub(super) record_max: usize,
    pub(super) format: Format,
    pub(super) shape: Shape,
    /// Which records are wanted at all.
    pub(super) when: Option<Filter>,
    /// The record's own id; the record itself where there is none.
    pub(super) id: Option<Id>,
    /// By level.
    pub(super) rules: Vec<Vec<Rule>>,
    /// The mapping's own texts.
    pub(super) texts: Vec<Box<str>>,
    pub(super) zones: Vec<TimeZone>,
    pub(super) attributes: Vec<String>,
    /// What of players' profiles the events tell.
    pub(super) profile: Option<Profile>,
    pub(super) keyed_by_player: bool,
    pub(super) dedupe_max: usize,
}

/// What recognises a repeat. The events below the row that it names are told apart by their places in it.
#[derive(Debug)]
pub(super) struct Id {
    pub(super) parts: Vec<Source>,
    /// How many levels above the event's row the lowest of its parts lies.
    pub(super) up: usize,
}

/// How records are written.
#[derive(Debug)]
pub(super) enum Format {
    Json,
    Delimited(Box<Delimited>),
    Text(Patterns),
}

/// How one kind of event is made of a row.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) when: Option<Filter>,
    /// An id of the row's own, where it has one.
    pub(super) id: Option<Id>,
    pub(super) kind: Field,
    pub(super) player: Field,
    pub(super) at: Time,
    /// None: 1.
    pub(super) amount: Option<Field>,
    pub(super) item: Option<Field>,
    /// In the order of the mapping's attributes; none where this kind does not have it.
    pub(super) attributes: Vec<Option<Attribute>>,
}

/// One attribute of one kind of event.
#[derive(Debug)]
pub(super) struct Attribute {
    pub(super) field: Field,
    pub(super) form: Form,
    pub(super) is_required: bool,
}

/// What an attribute's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Integer,
    Flag,
}

/// A number that no other plan of this process has.
pub(super) fn next_number() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}
