//! Makes a record's events: drafts first, so that a record whose last event does not fit gives none, then hands them out.
//! Event ids come from the record and not from the mapping's wording, so that a mended mapping finds its repeats again.

use super::delimited::Delimited;
use super::field::Field;
use super::json::{DEPTH_MAX, Walk, Wrong};
use super::plan::{ATTRIBUTES_MAX, Attribute, EVENTS_MAX, Form, Format, Plan, Rule};
use super::record::{Got, Limit, Place, Record};
use super::shape::Source;
use super::slot::{Draft, Drawn, ELEMENTS_MAX, Kind, Rows, Scratch, Slot};
use super::unfit::{Fit, Reason, Unfit, shown};
use crate::{Event, Value};
use kernel::Instant;
use std::cell::Cell;
use xxhash_rust::xxh3::xxh3_64;

/// Most mappings have no more attributes than this.
const ATTRIBUTES_FEW: usize = 8;

impl Plan {
    pub(super) fn map(&self, scratch: &mut Scratch, raw: &[u8], appended_at: Instant, each: &mut dyn FnMut(&Event<'_>)) -> Fit<usize> {
        let text = self.text(raw)?;
        if text.is_empty() {
            return Ok(0);
        }
        self.set_up(scratch);
        scratch.begin(self.shape.levels.iter().map(|level| level.width));
        if !self.read(text, scratch, appended_at)? {
            return Ok(0);
        }
        let Scratch { levels, kept, drafts, drawn, zones, .. } = scratch;
        let record = Record { plan: self, text, kept, levels, zones, appended_at };
        if !matches!(self.format, Format::Text(_)) && !record.is_wanted() {
            return Ok(0);
        }
        record.draft_all(drafts, drawn)?;
        if self.attributes.len() <= ATTRIBUTES_FEW {
            record.hand_out::<ATTRIBUTES_FEW>(drafts, drawn, each);
        } else {
            record.hand_out::<ATTRIBUTES_MAX>(drafts, drawn, each);
        }
        Ok(drafts.len())
    }

    /// The record's text without its line's end. An empty line is no record.
    fn text<'r>(&self, raw: &'r [u8]) -> Fit<&'r str> {
        if raw.len() > self.record_max {
            return Err(Unfit::new(Reason::TooLarge, format!("{} bytes: at most {} would be right", raw.len(), self.record_max)));
        }
        let text = std::str::from_utf8(raw).map_err(|e| Unfit::new(Reason::NotUtf8, format!("byte {} is not UTF-8", e.valid_up_to())))?;
        Ok(text.trim_end_matches(['\n', '\r']))
    }

    fn set_up(&self, scratch: &mut Scratch) {
        if scratch.plan == self.number {
            return;
        }
        scratch.plan = self.number;
        scratch.zones = self.zones.iter().map(|_| Cell::default()).collect();
        scratch.captures = match &self.format {
            Format::Text(patterns) => patterns.captures(),
            Format::Json | Format::Delimited(_) => Vec::new(),
        };
    }

    /// Notes the places of the record's values. False: it is known and not wanted.
    fn read(&self, text: &str, scratch: &mut Scratch, appended_at: Instant) -> Fit<bool> {
        match &self.format {
            Format::Json => {
                let read = Walk::record(&self.shape, text, &mut scratch.levels, &mut scratch.kept);
                read.map(|()| true).map_err(|wrong| not_read(wrong, text))
            }
            Format::Delimited(lines) => self.columns(lines, text, scratch),
            Format::Text(patterns) => {
                self.line(text, &mut scratch.levels[0])?;
                let Scratch { levels, kept, zones, captures, .. } = scratch;
                let record = Record { plan: self, text, kept, levels, zones, appended_at };
                if !record.is_wanted() {
                    return Ok(false);
                }
                if patterns.read(&self.shape, text, levels, captures) {
                    return Ok(true);
                }
                if patterns.skip.is_match(text) {
                    return Ok(false);
                }
                Err(Unfit::new(Reason::NoPatternMatches, format!("{} fits no pattern", shown(text))))
            }
        }
    }

    fn columns(&self, lines: &Delimited, text: &str, scratch: &mut Scratch) -> Fit<bool> {
        if lines.is_header(text) {
            return Ok(false);
        }
        self.line(text, &mut scratch.levels[0])?;
        lines.split(text, &self.shape.levels[0].named, &mut scratch.levels[0], &mut scratch.kept)?;
        Ok(true)
    }

    /// Notes the line itself, and refuses NUL, which no field of it could hold.
    fn line(&self, text: &str, rows: &mut Rows) -> Fit<()> {
        if let Some(at) = memchr::memchr(0, text.as_bytes()) {
            return Err(Unfit::new(Reason::Nul, format!("byte {at} is NUL")));
        }
        if let Some(slot) = self.shape.nodes[0].slot {
            rows.set(0, slot, Slot::new(Kind::Text, 0, text.len()));
        }
        Ok(())
    }
}

fn not_read(wrong: Wrong, text: &str) -> Box<Unfit> {
    match wrong {
        Wrong::NotJson(at) if at >= text.len() => Unfit::new(Reason::NotJson, format!("it ends at byte {at} before its value does")),
        Wrong::NotJson(at) => {
            let place = text.char_indices().take_while(|(place, _)| *place <= at).last().map_or(0, |(place, _)| place);
            Unfit::new(Reason::NotJson, format!("not JSON from byte {at} on: {}", shown(&text[place..])))
        }
        Wrong::TooDeep => Unfit::new(Reason::TooDeep, format!("deeper than {DEPTH_MAX} arrays and objects")),
        Wrong::TooMany => Unfit::new(Reason::TooManyEvents, format!("its arrays have more than {ELEMENTS_MAX} elements")),
    }
}

impl<'r> Record<'r> {
    fn is_wanted(&self) -> bool {
        self.plan.when.as_ref().is_none_or(|when| when.holds(self, Place::RECORD))
    }

    fn draft_all(&self, drafts: &mut Vec<Draft>, drawn: &mut Vec<Drawn>) -> Fit<()> {
        let mut record_id = None;
        for (level, rules) in self.plan.rules.iter().enumerate().filter(|(_, rules)| !rules.is_empty()) {
            for row in 0..self.levels[level].len() {
                let (place, of_row) = (Place { level, row }, drafts.len());
                for rule in rules {
                    let mut draft = Draft::default();
                    if !self.draft(rule, place, &mut draft)? {
                        continue;
                    }
                    if drafts.len() == EVENTS_MAX {
                        return Err(Unfit::new(Reason::TooManyEvents, format!("more than {EVENTS_MAX} events")));
                    }
                    let base = match &rule.id {
                        Some(id) => mix(self.id(&id.parts, place)?, self.position(place, id.up)),
                        None => mix(self.record_id(&mut record_id)?, self.position(place, usize::MAX)),
                    };
                    draft.id = self.distinguished(base, &draft, &drafts[of_row..]);
                    for attribute in &rule.attributes {
                        drawn.push(self.attribute(attribute.as_ref(), place)?);
                    }
                    drafts.push(draft);
                }
            }
        }
        Ok(())
    }

    /// Fills in an event of a row, without its id. False: the rule does not want the row, or a value says that there is nobody or nothing.
    fn draft(&self, rule: &Rule, place: Place, draft: &mut Draft) -> Fit<bool> {
        if rule.when.as_ref().is_some_and(|when| !when.holds(self, place)) {
            return Ok(false);
        }
        let Some(player) = self.needed(&rule.player, place, Limit::PLAYER)? else { return Ok(false) };
        let Some(kind) = self.needed(&rule.kind, place, Limit::KIND)? else { return Ok(false) };
        (draft.player, draft.kind) = (player, kind);
        draft.at_us = match rule.at.event(self, place)? {
            Got::Value(at_us) => at_us,
            Got::None => return Ok(false),
            Got::Missing => {
                let name = rule.at.from.as_ref().map_or("", |source| &source.name);
                return Err(Unfit::new(Reason::MissingField, format!("at: {name} is missing")));
            }
        };
        draft.amount = match &rule.amount {
            None => 1,
            Some(field) => match field.integer(self, place)? {
                Got::Value(amount) if amount < 0 => {
                    return Err(Unfit::new(Reason::NegativeAmount, format!("amount: {amount}: 0 or more would be right")));
                }
                Got::Value(amount) => amount,
                Got::None => return Ok(false),
                Got::Missing => return Err(field.missing()),
            },
        };
        if let Some(field) = &rule.item
            && let Got::Value(item) = field.text(self, place, Limit::TEXT)?
        {
            draft.item = item;
        }
        Ok(true)
    }

    /// A text that no event can be without; an empty one is as good as missing.
    fn needed(&self, field: &Field, place: Place, limit: Limit) -> Fit<Option<Slot>> {
        match field.text(self, place, limit)? {
            Got::Value(text) if !self.written(text).is_empty() => Ok(Some(text)),
            Got::None => Ok(None),
            Got::Value(_) | Got::Missing => Err(field.missing()),
        }
    }

    fn attribute(&self, attribute: Option<&Attribute>, place: Place) -> Fit<Drawn> {
        let Some(Attribute { field, form, is_required }) = attribute else { return Ok(Drawn::Missing) };
        let is_missing = match form {
            Form::Text => match field.text(self, place, Limit::TEXT)? {
                Got::Value(text) => return Ok(Drawn::Text(text)),
                got => matches!(got, Got::Missing),
            },
            Form::Integer => match field.integer(self, place)? {
                Got::Value(number) => return Ok(Drawn::Integer(number)),
                got => matches!(got, Got::Missing),
            },
            Form::Flag => match field.flag(self, place)? {
                Got::Value(flag) => return Ok(Drawn::Flag(flag)),
                got => matches!(got, Got::Missing),
            },
        };
        if is_missing && *is_required { Err(field.missing()) } else { Ok(Drawn::Missing) }
    }

    fn record_id(&self, known: &mut Option<u64>) -> Fit<u64> {
        if let Some(id) = known {
            return Ok(*id);
        }
        let id = match &self.plan.id {
            Some(id) => self.id(&id.parts, Place::RECORD)?,
            None => xxh3_64(self.text.as_bytes()),
        };
        *known = Some(id);
        Ok(id)
    }

    fn id(&self, parts: &[Source], place: Place) -> Fit<u64> {
        let mut id = None;
        for source in parts {
            let slot = self.slot(place, source);
            match slot.kind() {
                Kind::Missing | Kind::Null => return Err(Unfit::new(Reason::MissingField, format!("id: {} is missing", source.name))),
                Kind::Nested => return Err(Unfit::new(Reason::WrongType, format!("id: {} is an array or object", source.name))),
                _ => (),
            }
            let text = self.written(self.checked("id", slot, Limit::ID)?);
            if text.is_empty() {
                return Err(Unfit::new(Reason::MissingField, format!("id: {} is empty", source.name)));
            }
            let part = xxh3_64(text.as_bytes());
            id = Some(id.map_or(part, |id| mix(id, part)));
        }
        Ok(id.unwrap_or(0))
    }

    /// Where a row lies in the row so many levels above it, or in the record, whatever else the mapping takes from it.
    fn position(&self, place: Place, up: usize) -> u64 {
        let (mut place, mut position, mut left) = (place, 0, up);
        while place.level != 0 && left > 0 {
            left -= 1;
            position = mix(position, self.levels[place.level].origin(place.row).position as u64);
            place = self.above(place);
        }
        position
    }

    /// Tells the events of one row apart: by kind, and those of one kind by their order.
    fn distinguished(&self, base: u64, draft: &Draft, of_row: &[Draft]) -> u64 {
        let kind = self.written(draft.kind);
        let before = of_row.iter().filter(|other| self.written(other.kind) == kind).count();
        mix(mix(base, xxh3_64(kind.as_bytes())), before as u64)
    }

    fn hand_out<const N: usize>(&self, drafts: &[Draft], drawn: &[Drawn], each: &mut dyn FnMut(&Event<'_>)) {
        let count = self.plan.attributes.len();
        let mut values = [Value::Missing; N];
        for (number, draft) in drafts.iter().enumerate() {
            for (value, drawn) in values.iter_mut().zip(&drawn[number * count..][..count]) {
                *value = match *drawn {
                    Drawn::Missing => Value::Missing,
                    Drawn::Integer(number) => Value::Integer(number),
                    Drawn::Text(text) => Value::Text(self.written(text)),
                    Drawn::Flag(flag) => Value::Flag(flag),
                };
            }
            each(&Event {
                id: draft.id,
                player: self.written(draft.player),
                kind: self.written(draft.kind),
                at: Instant(draft.at_us),
                amount: draft.amount,
                item: (draft.item.kind() != Kind::Missing).then(|| self.written(draft.item)),
                attributes: &values[..count],
            });
        }
    }
}

/// The id that an event gets whose record's id is this one text and whose rule takes the record as a whole; `nth` counts the record's
/// events of that kind from 0. Whoever knows a record by its id, as a payment, finds what it brought about.
pub fn event_id(record: &str, kind: &str, nth: u64) -> u64 {
    let base = mix(xxh3_64(record.as_bytes()), 0);
    mix(mix(base, xxh3_64(kind.as_bytes())), nth)
}

/// Two numbers into one, so that other pairs hardly ever give the same.
fn mix(a: u64, b: u64) -> u64 {
    let mut mixed = (a ^ b.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15)).rotate_left(23);
    mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    mixed ^ (mixed >> 29)
}
