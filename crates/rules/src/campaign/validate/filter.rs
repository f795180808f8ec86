//! Checks one filter: each node is one test, and there are not too many.

use super::super::limits;
use super::super::{Filter, Scalar};
use super::Check;

pub(super) fn check(check: &mut Check, filter: &Filter, path: &str) {
    let mut tests = 0;
    node(check, filter, path, 1, &mut tests);
    if tests > limits::FILTER_TESTS_MAX {
        check.wrong(path, format!("it has {tests} tests: at most {} would be right", limits::FILTER_TESTS_MAX));
    }
}

fn node(check: &mut Check, filter: &Filter, path: &str, depth: usize, tests: &mut usize) {
    *tests += 1;
    if depth > limits::FILTER_DEPTH_MAX {
        check.wrong(path, format!("it is nested deeper than {}", limits::FILTER_DEPTH_MAX));
        return;
    }
    let kinds = [
        !filter.all.is_empty(),
        !filter.any.is_empty(),
        filter.not.is_some(),
        filter.attribute.is_some(),
        filter.hours.is_some(),
        !filter.weekdays.is_empty(),
    ];
    let kinds = kinds.into_iter().filter(|there| *there).count();
    if kinds != 1 {
        check.wrong(path, format!("it has {kinds} of all, any, not, attribute, hours and weekdays: exactly one would be right"));
    }
    for (word, inner) in [("all", &filter.all), ("any", &filter.any)] {
        for (place, filter) in inner.iter().enumerate() {
            node(check, filter, &format!("{path}.{word}[{place}]"), depth + 1, tests);
        }
    }
    if let Some(inner) = &filter.not {
        node(check, inner, &format!("{path}.not"), depth + 1, tests);
    }
    if let Some(hours) = filter.hours.filter(|hours| hours.from == hours.until) {
        check.wrong(&format!("{path}.hours"), format!("{} to {} is empty", hours.from, hours.until));
    }
    comparisons(check, filter, path);
}

fn comparisons(check: &mut Check, filter: &Filter, path: &str) {
    let there = [
        filter.is.is_some(),
        filter.is_not.is_some(),
        !filter.one_of.is_empty(),
        filter.at_least.is_some(),
        filter.at_most.is_some(),
        filter.begins_with.is_some(),
        filter.present.is_some(),
        filter.same_as.is_some(),
        filter.greater_than.is_some(),
        filter.near.is_some(),
    ];
    let any = there.into_iter().any(|there| there);
    match &filter.attribute {
        Some(name) => {
            check.text(&format!("{path}.attribute"), name, limits::TEXT_MAX);
            if !any {
                check.wrong(path, format!("{name:?} is compared with nothing: is, one_of, at_least, … would be right"));
            }
        }
        None if any => check.wrong(path, "it compares no attribute: `attribute` names one".to_owned()),
        None => {}
    }
    if let (Some(least), Some(most)) = (filter.at_least, filter.at_most)
        && least > most
    {
        check.wrong(path, format!("nothing is at least {least} and at most {most}"));
    }
    check.length(&format!("{path}.one_of"), filter.one_of.len(), 0, limits::VALUES_MAX);
    for scalar in filter.is.iter().chain(&filter.is_not).chain(&filter.one_of) {
        if let Scalar::Text(text) = scalar
            && text.chars().count() > limits::TEXT_MAX
        {
            check.wrong(path, format!("a text of more than {} characters is compared", limits::TEXT_MAX));
        }
    }
    if let Some(near) = &filter.near {
        check.within(&format!("{path}.near.within"), near.within, 0, i64::MAX);
    }
}
