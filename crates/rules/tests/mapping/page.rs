//! The page that teaches the language: its mappings are right, and its records become the events it shows.

use super::ground::lines;
use rules::{Mapping, Reason};

const PAGE: &str = include_str!("../../../../docs/mappings.md");

/// The page's blocks of one language, in their order.
fn blocks(language: &str) -> Vec<&'static str> {
    let after = PAGE.split("\n```").filter_map(|piece| piece.strip_prefix(language)?.strip_prefix('\n'));
    after.collect()
}

#[test]
fn every_mapping_of_the_page_makes_the_events_that_stand_below_it() {
    let (mappings, records, events) = (blocks("json"), blocks("records"), blocks("events"));
    assert!(mappings.len() >= 5 && records.len() == mappings.len() && events.len() == mappings.len());
    for ((mapping, records), events) in mappings.into_iter().zip(records).zip(events) {
        let parsed = Mapping::parse(mapping).unwrap_or_else(|faults| panic!("{faults:?}\nin {mapping}"));
        let of = |record: &str| lines(&parsed, record.as_bytes()).unwrap_or_else(|unfit| vec![unfit.reason.to_string()]);
        let made: Vec<String> = records.lines().flat_map(of).collect();
        assert_eq!(made, events.lines().collect::<Vec<_>>(), "{mapping}");
    }
}

#[test]
fn every_reason_stands_on_the_page() {
    let missing: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).filter(|name| !PAGE.contains(&format!("`{name}`"))).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn every_preset_is_named_by_what_it_is() {
    assert_eq!(rules::presets().len(), 6, "the page counts them");
}
