//! Lines of text, described by regular expressions whose named groups are the fields.
//! The expressions run in time linear in the line: none can be made to hang.

use super::shape::Shape;
use super::slot::{Kind, Rows, Slot};
use memchr::memmem::Finder;
use regex::{CaptureLocations, Regex, RegexBuilder, RegexSet, RegexSetBuilder};

/// Memory that one compiled expression may take.
const SIZE_MAX: usize = 2 << 20;

/// All patterns of a mapping.
#[derive(Debug)]
pub(super) struct Patterns {
    pub(super) patterns: Vec<Pattern>,
    /// Lines that are known and not wanted.
    pub(super) skip: RegexSet,
}

/// The pattern of one kind of event.
#[derive(Debug)]
pub(super) struct Pattern {
    regex: Regex,
    /// A piece that every such line has; lines without it are not tried.
    contains: Option<Finder<'static>>,
    /// The level that its groups fill.
    level: usize,
}

/// Where the groups of a pattern lie, kept from line to line.
#[derive(Debug)]
pub(super) struct Captures(CaptureLocations);

/// Compiles an expression.
pub(super) fn regex(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).size_limit(SIZE_MAX).dfa_size_limit(SIZE_MAX).build().map_err(|error| told(&error))
}

/// Compiles expressions of which any may match.
pub(super) fn regexes(patterns: &[&str]) -> Result<RegexSet, String> {
    RegexSetBuilder::new(patterns).size_limit(SIZE_MAX).dfa_size_limit(SIZE_MAX).build().map_err(|error| told(&error))
}

/// The last line of what the parser tells; those above it draw the place.
fn told(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    format!("it is no regular expression: {}", last.trim_start_matches("error: "))
}

impl Pattern {
    pub(super) fn new(regex: Regex, contains: Option<&str>, level: usize) -> Pattern {
        Pattern { regex, contains: contains.map(|piece| Finder::new(piece).into_owned()), level }
    }

    /// The names of its groups.
    pub(super) fn names(regex: &Regex) -> Vec<String> {
        regex.capture_names().flatten().map(str::to_owned).collect()
    }
}

impl Patterns {
    pub(super) fn captures(&self) -> Vec<Captures> {
        self.patterns.iter().map(|pattern| Captures(pattern.regex.capture_locations())).collect()
    }

    /// Notes the groups of every pattern that describes the line. False: none does.
    pub(super) fn read(&self, shape: &Shape, line: &str, levels: &mut [Rows], captures: &mut [Captures]) -> bool {
        let mut matched = false;
        for (pattern, Captures(found)) in self.patterns.iter().zip(captures) {
            let may = pattern.contains.as_ref().is_none_or(|piece| piece.find(line.as_bytes()).is_some());
            if !may || pattern.regex.captures_read(found, line).is_none() {
                continue;
            }
            matched = true;
            let level = &shape.levels[pattern.level];
            let row = levels[pattern.level].add(0, 0);
            if let Some(slot) = shape.nodes[level.root].slot {
                levels[pattern.level].set(row, slot, Slot::new(Kind::Text, 0, line.len()));
            }
            let groups = pattern.regex.capture_names().enumerate().filter(|(_, name)| name.is_some());
            for ((group, _), wanted) in groups.zip(&level.named) {
                if let (&Some(slot), Some((start, end))) = (wanted, found.get(group)) {
                    levels[pattern.level].set(row, slot, Slot::new(Kind::Text, start, end));
                }
            }
        }
        matched
    }
}
