//! Filters and weights, word by word from their definition. Refuses anything compiled.

use super::calendar::Calendar;
use super::record::{Attribute, Record};
use rules::campaign::limits::WEIGHT_MAX;
use rules::campaign::{Filter, Scalar, Weekday, Weight};

/// Whether the filter holds for a record.
pub(crate) fn holds(filter: &Filter, record: &Record, calendar: &Calendar) -> bool {
    if !filter.all.is_empty() {
        return filter.all.iter().all(|inner| holds(inner, record, calendar));
    }
    if !filter.any.is_empty() {
        return filter.any.iter().any(|inner| holds(inner, record, calendar));
    }
    if let Some(inner) = &filter.not {
        return !holds(inner, record, calendar);
    }
    if let Some(hours) = &filter.hours {
        return calendar.in_hours(record.at.0, hours);
    }
    if !filter.weekdays.is_empty() {
        let shown = calendar.reading(record.at.0).0;
        return filter.weekdays.iter().any(|weekday| is_on(*weekday, shown));
    }
    let attribute = filter.attribute.as_deref().expect("a filter is one of its kinds");
    compares(filter, &record.named(attribute), record)
}

/// Whether a date is that day of the week.
pub(crate) fn is_on(weekday: Weekday, date: jiff::civil::Date) -> bool {
    i64::from(date.weekday().to_monday_zero_offset()) == i64::try_from(weekday.index()).expect("small")
}

fn compares(filter: &Filter, value: &Attribute, record: &Record) -> bool {
    let number = if let Attribute::Integer(number) = value { Some(*number) } else { None };
    let other = |name: &String| if let Attribute::Integer(number) = record.named(name) { Some(number) } else { None };
    let is = filter.is.as_ref().is_none_or(|scalar| equals(value, scalar));
    let is_not = filter.is_not.as_ref().is_none_or(|scalar| !equals(value, scalar));
    let one_of = filter.one_of.is_empty() || filter.one_of.iter().any(|scalar| equals(value, scalar));
    let at_least = filter.at_least.is_none_or(|least| number.is_some_and(|number| number >= least));
    let at_most = filter.at_most.is_none_or(|most| number.is_some_and(|number| number <= most));
    let begins = |start: &String| matches!(value, Attribute::Text(text) if text.starts_with(start.as_str()));
    let begins_with = filter.begins_with.as_ref().is_none_or(begins);
    let present = filter.present.is_none_or(|present| present == (*value != Attribute::Missing));
    let same_as = filter.same_as.as_ref().is_none_or(|name| *value != Attribute::Missing && *value == record.named(name));
    let greater = |name: &String| number.zip(other(name)).is_some_and(|(one, two)| one > two);
    let greater_than = filter.greater_than.as_ref().is_none_or(greater);
    let near = filter.near.as_ref().is_none_or(|near| {
        number.zip(other(&near.attribute)).is_some_and(|(one, two)| (i128::from(one) - i128::from(two)).abs() <= i128::from(near.within))
    });
    is && is_not && one_of && at_least && at_most && begins_with && present && same_as && greater_than && near
}

fn equals(value: &Attribute, scalar: &Scalar) -> bool {
    match (value, scalar) {
        (Attribute::Flag(one), Scalar::Flag(two)) => one == two,
        (Attribute::Integer(one), Scalar::Integer(two)) => one == two,
        (Attribute::Text(one), Scalar::Text(two)) => one == two,
        _ => false,
    }
}

/// What a day weighs.
pub(crate) fn day_weight(weight: Option<&Weight>, day: jiff::civil::Date) -> i64 {
    let Some(weight) = weight else { return 1 };
    weight.weekdays.iter().find(|(weekday, _)| is_on(**weekday, day)).map_or(1, |(_, times)| *times)
}

/// What a record weighs by its attribute, whatever the day.
pub(crate) fn attribute_weight(weight: Option<&Weight>, record: &Record) -> i64 {
    let Some((weight, name)) = weight.and_then(|weight| weight.attribute.as_ref().map(|name| (weight, name))) else { return 1 };
    let otherwise = weight.otherwise.unwrap_or(1);
    match record.named(name) {
        Attribute::Integer(number) if weight.values.is_empty() => number.clamp(0, WEIGHT_MAX),
        Attribute::Text(text) => weight.values.get(&text).copied().unwrap_or(otherwise),
        _ => otherwise,
    }
}
