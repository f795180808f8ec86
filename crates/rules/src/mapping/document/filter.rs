//! The tests of a document: single values against constants, and all, any and none of other tests.
//! Refuses tests that would never or always hold by their wording.

use super::super::filter::{Filter, Test};
use super::super::number::millionths;
use super::super::text::regex;
use super::Builder;
use super::object::{Object, shape_of, written};
use memchr::memmem::Finder;
use serde_json::Value;

/// Tests within tests.
const DEPTH_MAX: usize = 16;
const VALUES_MAX: usize = 1_000;
const TESTS: [&str; 13] = ["eq", "ne", "in", "not_in", "exists", "lt", "le", "gt", "ge", "starts_with", "ends_with", "contains", "matches"];
const LINKS: [&str; 3] = ["all", "any", "not"];

impl Builder {
    pub(super) fn filter(&mut self, level: usize, path: &str, value: &Value, depth: usize) -> Option<Filter> {
        if depth == DEPTH_MAX {
            return self.faults.none(path, format!("more than {DEPTH_MAX} tests within each other"));
        }
        let known: Vec<&str> = ["path"].into_iter().chain(TESTS).chain(LINKS).collect();
        let object = Object::open(path, value, &known, &mut self.faults)?;
        let links = object.present(&LINKS);
        let tests = object.present(&TESTS);
        match (object.get("path"), links.as_slice()) {
            (Some(_), []) if !tests.is_empty() => self.tests(level, &object, &tests),
            (None, [link]) if tests.is_empty() => self.link(level, &object, link, depth),
            _ => self.faults.none(path, format!("a path with one of {}, or one of {}, would be right", TESTS.join(", "), LINKS.join(", "))),
        }
    }

    fn link(&mut self, level: usize, object: &Object<'_>, link: &str, depth: usize) -> Option<Filter> {
        if link == "not" {
            let inner = self.filter(level, &object.at("not"), object.get("not")?, depth + 1)?;
            return Some(Filter::Not(Box::new(inner)));
        }
        let list = object.list(link, VALUES_MAX, &mut self.faults)?;
        let filters: Option<Vec<Filter>> = list.into_iter().map(|(path, value)| self.filter(level, &path, value, depth + 1)).collect();
        Some(if link == "all" { Filter::All(filters?) } else { Filter::Any(filters?) })
    }

    fn tests(&mut self, level: usize, object: &Object<'_>, tests: &[&str]) -> Option<Filter> {
        let source = self.source(level, &object.at("path"), object.get("path")?)?;
        let mut filters = Vec::new();
        for &name in tests {
            let (negated, test) = self.test(object, name)?;
            let filter = Filter::Value(source.clone(), test);
            filters.push(if negated { Filter::Not(Box::new(filter)) } else { filter });
        }
        if filters.len() == 1 { filters.pop() } else { Some(Filter::All(filters)) }
    }

    /// A test, and whether its opposite is meant.
    fn test(&mut self, object: &Object<'_>, name: &str) -> Option<(bool, Test)> {
        let (path, value) = (object.at(name), object.get(name)?);
        match name {
            "eq" | "ne" => {
                let Some(text) = written(value) else {
                    return self.faults.none(&path, format!("{}: a single value, or exists, would be right", shape_of(value)));
                };
                Some((name == "ne", Test::In(vec![text.into()])))
            }
            "in" | "not_in" => Some((name == "not_in", Test::In(self.values(object, name)?))),
            "exists" => Some((!object.flag(name, &mut self.faults)?, Test::Exists)),
            "lt" | "le" | "gt" | "ge" => self.bound(name, &path, value).map(|test| (false, test)),
            "matches" => match regex(object.text(name, &mut self.faults)?) {
                Ok(regex) => Some((false, Test::Matches(Box::new(regex)))),
                Err(reason) => self.faults.none(&path, reason),
            },
            _ => {
                let text = object.text(name, &mut self.faults)?;
                if text.is_empty() {
                    return self.faults.none(&path, "an empty text fits everything: a piece of the value would be right");
                }
                Some((
                    false,
                    match name {
                        "starts_with" => Test::StartsWith(text.into()),
                        "ends_with" => Test::EndsWith(text.into()),
                        _ => Test::Contains(Box::new(Finder::new(text).into_owned())),
                    },
                ))
            }
        }
    }

    fn values(&mut self, object: &Object<'_>, name: &str) -> Option<Vec<Box<str>>> {
        let mut values = Vec::new();
        for (path, value) in object.list(name, VALUES_MAX, &mut self.faults)? {
            match written(value) {
                Some(text) => values.push(text.into()),
                None => self.faults.add(&path, format!("{}: a single value would be right", shape_of(value))),
            }
        }
        Some(values)
    }

    fn bound(&mut self, name: &str, path: &str, value: &Value) -> Option<Test> {
        let number = value.is_number().then(|| millionths(&value.to_string())).flatten();
        let Some(number) = number else { return self.faults.none(path, format!("{}: a number would be right", shape_of(value))) };
        Some(match name {
            "lt" => Test::Within(i128::MIN, number - 1),
            "le" => Test::Within(i128::MIN, number),
            "gt" => Test::Within(number + 1, i128::MAX),
            _ => Test::Within(number, i128::MAX),
        })
    }
}
