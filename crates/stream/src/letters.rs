//! Dead letters: records that do not fit, with their place, their reason and the start of their text.
//! Refuses to keep more than [`KEPT_PER_HOUR`] per game and hour; the others are counted.

pub(crate) mod list;
pub(crate) mod replay;
pub(crate) mod store;

use crate::record::Record;
use crate::stepper::From;
use kernel::Instant;
use std::collections::BTreeMap;

/// Dead letters that are kept per game and hour.
pub const KEPT_PER_HOUR: usize = 1_000;
/// Bytes of a record that its dead letter keeps.
pub const RAW_MAX: usize = 4_096;
/// Bytes of a reason's detail that are kept.
const DETAIL_MAX: usize = 500;

/// The reason of a record that made the program fail.
pub(crate) const PANICKED: &str = "panicked";
/// The reason of a record whose effects the database refused.
pub(crate) const REFUSED: &str = "refused_by_database";

/// One dead letter, not yet written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) reason: &'static str,
    pub(crate) detail: String,
    pub(crate) raw: Vec<u8>,
    pub(crate) length: usize,
    pub(crate) appended_at: Option<Instant>,
}

/// The dead letters of some records: all are counted, the first are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Letters {
    pub(crate) kept: Vec<Letter>,
    pub(crate) counts: BTreeMap<&'static str, u64>,
}

impl Letters {
    /// Takes over those that came after.
    pub(crate) fn append(&mut self, later: Letters) {
        later.counts.into_iter().for_each(|(reason, count)| *self.counts.entry(reason).or_default() += count);
        self.kept.extend(later.kept.into_iter().take(KEPT_PER_HOUR.saturating_sub(self.kept.len())));
    }

    /// Adds one.
    pub(crate) fn add(&mut self, from: &From<'_>, record: &Record<'_>, reason: &'static str, detail: &str) {
        *self.counts.entry(reason).or_default() += 1;
        if self.kept.len() >= KEPT_PER_HOUR {
            return;
        }
        self.kept.push(Letter {
            topic: from.topic.to_owned(),
            partition: from.partition,
            offset: record.offset,
            reason,
            // Neither engine stores NUL in a text, and a hostile record may have put one into its detail.
            detail: detail[..detail.floor_char_boundary(DETAIL_MAX)].replace('\0', "\u{fffd}"),
            raw: record.value[..record.value.len().min(RAW_MAX)].to_vec(),
            length: record.value.len(),
            appended_at: record.appended(),
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn all_are_counted_and_the_first_are_kept_in_part() {
        let poisoned = BTreeMap::new();
        let from = From { topic: "logs.kart", partition: 3, poisoned: &poisoned };
        let value = vec![b'x'; 10_000];
        let mut letters = Letters::default();
        for offset in 0..1_500 {
            let record = Record { offset, appended_at: Instant(5), key: b"", value: &value, is_cut: false };
            letters.add(&from, &record, "not_json", "a\0b");
        }
        assert_eq!(letters.counts["not_json"], 1_500);
        assert_eq!(letters.kept.len(), KEPT_PER_HOUR);
        assert!(letters.kept.iter().all(|letter| letter.raw.len() == RAW_MAX && letter.length == 10_000 && !letter.detail.contains('\0')));
        assert_eq!(letters.kept[7].offset, 7);
    }
}
