//! Takes the given values key by key, checks each against what the key may be, and keeps the strongest.
//! Refuses to give up early: a bad value becomes a mistake and the default stands in until the report.

use super::database_url::masked;
use super::mistakes::{Mistake, Mistakes, Origin, nearest};
use super::sources::{Given, Raw, variable};
use std::fmt::Display;
use std::ops::RangeInclusive;

pub(super) struct Reader {
    /// From the weakest source to the strongest; taken out as their keys are read.
    given: Vec<Given>,
    known: Vec<&'static str>,
    /// The keys somebody set, with the origin that won.
    set: Vec<(&'static str, Origin)>,
    mistakes: Mistakes,
}

impl Reader {
    pub(super) fn new(given: Vec<Given>, mistakes: Mistakes) -> Reader {
        Reader { given, known: Vec::new(), set: Vec::new(), mistakes }
    }

    /// The keys asked for so far.
    pub(super) fn known(&self) -> &[&'static str] {
        &self.known
    }

    /// A whole number within a range.
    pub(super) fn whole<N>(&mut self, key: &'static str, default: N, range: RangeInclusive<N>) -> N
    where
        N: TryFrom<i64> + PartialOrd + Display + Copy,
    {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        self.value(key, default, &wanted, |raw| {
            let number = match raw {
                Raw::Whole(number) => *number,
                Raw::Typed(text) => text.trim().parse::<i64>().ok()?,
                Raw::Text(_) | Raw::Other(_) => return None,
            };
            N::try_from(number).ok().filter(|number| range.contains(number))
        })
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        self.value(key, default, "true or false", |raw| match raw {
            Raw::Other(text) | Raw::Typed(text) => text.trim().parse().ok(),
            Raw::Text(_) | Raw::Whole(_) => None,
        })
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, default: T, words: &[(&str, T)]) -> T {
        let wanted = words.iter().map(|(word, _)| format!("{word:?}")).collect::<Vec<_>>().join(" or ");
        self.text(key, default, &wanted, |text| words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value))
    }

    /// A text that `parse` accepts; `wanted` says which texts those are.
    pub(super) fn text<T>(&mut self, key: &'static str, default: T, wanted: &str, parse: impl Fn(&str) -> Option<T>) -> T {
        self.value(key, default, wanted, |raw| match raw {
            Raw::Text(text) | Raw::Typed(text) => parse(text),
            Raw::Whole(_) | Raw::Other(_) => None,
        })
    }

    /// Notes a mistake between keys: `key` is named with the origin of its value.
    pub(super) fn require(&mut self, holds: bool, key: &'static str, value: impl Display, wanted: &str) {
        if !holds {
            let origin = self.set.iter().find(|(set, _)| *set == key).map_or(Origin::Default, |(_, origin)| origin.clone());
            self.mistakes.0.push(Mistake { key: key.to_owned(), value: Some(value.to_string()), origin, advice: wanted.to_owned() });
        }
    }

    /// Ends the reading: what is left over belongs to no key.
    pub(super) fn finish(mut self) -> Result<(), Mistakes> {
        for given in std::mem::take(&mut self.given) {
            let advice = self.unknown(&given);
            // Its value is not shown: a secret may stand at a mistyped key.
            self.mistakes.0.push(Mistake { key: given.key, value: None, origin: given.origin, advice });
        }
        if self.mistakes.0.is_empty() { Ok(()) } else { Err(self.mistakes) }
    }

    fn value<T>(&mut self, key: &'static str, default: T, wanted: &str, parse: impl Fn(&Raw) -> Option<T>) -> T {
        self.known.push(key);
        let own_variable = variable(key);
        let is_ours = |given: &Given| given.key == key || given.origin == Origin::Variable(own_variable.clone());
        let mut value = default;
        for given in self.given.extract_if(.., |given| is_ours(given)) {
            self.set.retain(|(set, _)| *set != key);
            self.set.push((key, given.origin.clone()));
            match parse(&given.value) {
                Some(parsed) => value = parsed,
                None => self.mistakes.0.push(Mistake {
                    key: key.to_owned(),
                    value: Some(shown(&given.value)),
                    origin: given.origin,
                    advice: format!("should be {wanted}"),
                }),
            }
        }
        value
    }

    fn unknown(&self, given: &Given) -> String {
        let sections = || {
            let mut sections: Vec<&str> = self.known.iter().filter_map(|key| key.split('.').next()).collect();
            sections.dedup();
            sections
        };
        if let Origin::Variable(name) = &given.origin {
            let names: Vec<String> = self.known.iter().map(|key| variable(key)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            return match nearest(name, &names) {
                Some(near) => format!("no setting has this variable; did you mean {near}?"),
                None => "no setting has this variable; it would be GUILDHALL_SECTION_KEY, as GUILDHALL_SERVER_LISTEN".to_owned(),
            };
        }
        if sections().contains(&given.key.as_str()) {
            return match &given.value {
                Raw::Other(text) if text == "a section" => "this section is empty; give a key in it or drop it".to_owned(),
                _ => format!("this is a section and has no value itself; write [{}] and its keys below", given.key),
            };
        }
        match nearest(&given.key, &self.known) {
            Some(near) => format!("there is no such key; did you mean {near}?"),
            None => format!("there is no such key; the sections are {}", sections().join(", ")),
        }
    }
}

/// A value as it may be shown. What may be an address with a password shows without it, whichever key it was given for.
fn shown(raw: &Raw) -> String {
    match raw {
        Raw::Text(text) | Raw::Typed(text) if text.contains('@') || text.contains("://") => format!("{:?}", masked(text)),
        Raw::Text(text) | Raw::Typed(text) => format!("{text:?}"),
        Raw::Whole(number) => number.to_string(),
        Raw::Other(literal) => literal.clone(),
    }
}
