//! Filters, compiled: a small tree that compares fields of an event in a few nanoseconds each.
//! Refuses attributes no mapping names.

use crate::calendar::Clock;
use crate::campaign::{Filter, Scalar};
use crate::event::{Event, Fault, Value};

/// Where a value of an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Amount,
    Item,
    Kind,
    Attribute(usize),
}

impl Field {
    #[inline]
    pub(crate) fn of<'a>(self, event: &Event<'a>) -> Value<'a> {
        match self {
            Field::Amount => Value::Integer(event.amount),
            Field::Item => event.item.map_or(Value::Missing, Value::Text),
            Field::Kind => Value::Text(event.kind),
            Field::Attribute(slot) => event.attributes.get(slot).copied().unwrap_or(Value::Missing),
        }
    }

    /// A number that counts; none if it is missing, no number, or negative.
    #[inline]
    pub(crate) fn number(self, event: &Event<'_>) -> Option<i64> {
        match self.of(event) {
            Value::Integer(number) if number >= 0 => Some(number),
            _ => None,
        }
    }
}

/// Finds attributes by name and collects what it does not find.
pub(crate) struct Names<'a> {
    pub(crate) attributes: &'a [String],
    pub(crate) faults: Vec<Fault>,
}

impl Names<'_> {
    pub(crate) fn field(&mut self, name: &str, path: &str) -> Field {
        match name {
            "amount" => Field::Amount,
            "item" => Field::Item,
            "kind" => Field::Kind,
            _ => Field::Attribute(self.attributes.iter().position(|attribute| attribute == name).unwrap_or_else(|| {
                let known = self.attributes.join(", ");
                let reason = format!("the game's mapping has no attribute {name:?}: amount, item, kind or one of [{known}] would be right");
                self.faults.push(Fault { path: path.to_owned(), reason });
                usize::MAX
            })),
        }
    }

    pub(crate) fn test(&mut self, filter: &Filter, path: &str) -> Test {
        let mut tests = Vec::new();
        let many = |names: &mut Self, filters: &[Filter], word: &str| {
            filters.iter().enumerate().map(|(at, filter)| names.test(filter, &format!("{path}.{word}[{at}]"))).collect::<Box<[Test]>>()
        };
        if !filter.all.is_empty() {
            tests.push(Test::All(many(self, &filter.all, "all")));
        }
        if !filter.any.is_empty() {
            tests.push(Test::Any(many(self, &filter.any, "any")));
        }
        if let Some(inner) = &filter.not {
            tests.push(Test::Not(Box::new(self.test(inner, &format!("{path}.not")))));
        }
        if let Some(name) = &filter.attribute {
            let field = self.field(name, &format!("{path}.attribute"));
            self.comparisons(filter, field, path, &mut tests);
        }
        if let Some(hours) = filter.hours {
            tests.push(Test::Hours(i64::from(hours.from.minutes), i64::from(hours.until.minutes)));
        }
        if !filter.weekdays.is_empty() {
            tests.push(Test::Weekdays(filter.weekdays.iter().fold(0, |mask, day| mask | 1 << day.index())));
        }
        if tests.len() == 1 { tests.remove(0) } else { Test::All(tests.into()) }
    }

    fn comparisons(&mut self, filter: &Filter, field: Field, path: &str, tests: &mut Vec<Test>) {
        tests.extend(filter.is.iter().map(|scalar| Test::Is(field, scalar.clone())));
        tests.extend(filter.is_not.iter().map(|scalar| Test::Not(Box::new(Test::Is(field, scalar.clone())))));
        if !filter.one_of.is_empty() {
            tests.push(Test::Any(filter.one_of.iter().map(|scalar| Test::Is(field, scalar.clone())).collect()));
        }
        if filter.at_least.is_some() || filter.at_most.is_some() {
            tests.push(Test::Between(field, filter.at_least.unwrap_or(i64::MIN), filter.at_most.unwrap_or(i64::MAX)));
        }
        tests.extend(filter.begins_with.iter().map(|text| Test::BeginsWith(field, text.as_str().into())));
        tests.extend(filter.present.iter().map(|present| Test::Present(field, *present)));
        if let Some(other) = &filter.same_as {
            tests.push(Test::Same(field, self.field(other, &format!("{path}.same_as"))));
        }
        if let Some(other) = &filter.greater_than {
            tests.push(Test::Greater(field, self.field(other, &format!("{path}.greater_than"))));
        }
        if let Some(near) = &filter.near {
            tests.push(Test::Near(field, self.field(&near.attribute, &format!("{path}.near.attribute")), near.within));
        }
    }
}

/// A compiled filter.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    All(Box<[Test]>),
    Any(Box<[Test]>),
    Not(Box<Test>),
    Is(Field, Scalar),
    Between(Field, i64, i64),
    BeginsWith(Field, Box<str>),
    Present(Field, bool),
    Same(Field, Field),
    Greater(Field, Field),
    Near(Field, Field, i64),
    /// From a minute of the day to before another; over midnight if that is not later.
    Hours(i64, i64),
    /// A bit for each weekday, Monday the lowest.
    Weekdays(u8),
}

impl Test {
    #[inline]
    pub(crate) fn holds(&self, event: &Event<'_>, clock: &Clock) -> bool {
        match self {
            Test::All(tests) => tests.iter().all(|test| test.holds(event, clock)),
            Test::Any(tests) => tests.iter().any(|test| test.holds(event, clock)),
            Test::Not(test) => !test.holds(event, clock),
            Test::Is(field, scalar) => match (field.of(event), scalar) {
                (Value::Text(value), Scalar::Text(wanted)) => value == wanted,
                (Value::Integer(value), Scalar::Integer(wanted)) => value == *wanted,
                (Value::Flag(value), Scalar::Flag(wanted)) => value == *wanted,
                _ => false,
            },
            Test::Between(field, low, high) => matches!(field.of(event), Value::Integer(value) if value >= *low && value <= *high),
            Test::BeginsWith(field, text) => matches!(field.of(event), Value::Text(value) if value.starts_with(&**text)),
            Test::Present(field, present) => (field.of(event) != Value::Missing) == *present,
            Test::Same(one, other) => one.of(event) != Value::Missing && one.of(event) == other.of(event),
            Test::Greater(one, other) => {
                matches!((one.of(event), other.of(event)), (Value::Integer(one), Value::Integer(other)) if one > other)
            }
            Test::Near(one, other, within) => {
                matches!((one.of(event), other.of(event)), (Value::Integer(one), Value::Integer(other)) if one.abs_diff(other) <= within.unsigned_abs())
            }
            Test::Hours(from, until) => {
                let minute = clock.minute(event.at.0);
                if from < until { minute >= *from && minute < *until } else { minute >= *from || minute < *until }
            }
            Test::Weekdays(mask) => mask >> clock.weekday(event.at.0) & 1 == 1,
        }
    }
}
