//! Which attributes a mapping keeps players' profiles from.
//! Refuses attributes that the mapping does not have, and those of another type than the profile's field.

use super::super::plan::Form;
use super::super::profile::Profile;
use super::Builder;
use super::object::Object;
use serde_json::Value;

const FIELDS: [&str; 4] = ["nickname", "level", "server", "playtime_minutes"];

impl Builder {
    /// A profile's fields, each with the name of the attribute that tells it.
    pub(super) fn profile(&mut self, path: &str, value: &Value) -> Option<Profile> {
        let named = Object::open(path, value, &FIELDS, &mut self.faults)?;
        let [nickname, level, server, playtime_minutes] = FIELDS.map(|field| self.told_by(&named, field));
        Some(Profile { nickname, level, server, playtime_minutes })
    }

    fn told_by(&mut self, named: &Object<'_>, field: &str) -> Option<usize> {
        let attribute = named.text(field, &mut self.faults)?;
        let is_number = matches!(field, "level" | "playtime_minutes");
        let right = if is_number { "an attribute of type integer" } else { "an attribute of type text" };
        match self.attributes.keys().position(|name| name == attribute).zip(self.attributes.get(attribute)) {
            Some((place, Form::Text)) if !is_number => Some(place),
            Some((place, Form::Integer)) if is_number => Some(place),
            Some(_) => self.faults.none(&named.at(field), format!("attribute {attribute:?} is of another type: {right} would be right")),
            None => self.faults.none(&named.at(field), format!("{attribute:?} is no attribute of an event: {right} would be right")),
        }
    }
}
