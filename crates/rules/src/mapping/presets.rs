//! The shipped mappings: four games whose logs differ as real ones do, and two real formats.
//! Holds documents only; each is read like anyone's.

const PRESETS: [(&str, &str); 6] = [
    ("baram", include_str!("../../presets/baram.json")),
    ("dota", include_str!("../../presets/dota.json")),
    ("kartrider", include_str!("../../presets/kartrider.json")),
    ("kartrush", include_str!("../../presets/kartrush.json")),
    ("source_server", include_str!("../../presets/source_server.json")),
    ("suddenattack", include_str!("../../presets/suddenattack.json")),
];

const NAMES: [&str; 6] = {
    let mut names = [""; 6];
    let mut at = 0;
    while at < names.len() {
        names[at] = PRESETS[at].0;
        at += 1;
    }
    names
};

/// The shipped mapping of that name, as JSON.
pub fn preset(name: &str) -> Option<&'static str> {
    PRESETS.iter().find(|(known, _)| *known == name).map(|(_, json)| *json)
}

/// The names of the shipped mappings, in alphabetical order.
pub fn presets() -> &'static [&'static str] {
    &NAMES
}
