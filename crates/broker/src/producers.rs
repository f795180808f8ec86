//! What a partition remembers of idempotent producers: the last five batches of each, so that a repeat is answered with its first offset.
//! Refuses gaps and replaced epochs. Kept nowhere: it is rebuilt from the batches when the log opens.

use crate::Error;
use crate::batch::Header;
use std::collections::{HashMap, VecDeque};

/// As many as a producer may have under way (`max.in.flight.requests.per.connection`).
const REMEMBERED: usize = 5;

#[derive(Debug, Clone, Copy)]
struct Seen {
    first: i32,
    last: i32,
    offset: i64,
    at_ms: i64,
}

#[derive(Debug)]
struct Producer {
    epoch: i16,
    batches: VecDeque<Seen>,
}

/// What is to be done with a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is new.
    Append,
    /// It is there already.
    Repeat {
        /// Where.
        offset: i64,
        /// Since when, in milliseconds.
        at_ms: i64,
    },
}

/// The producers of one partition.
#[derive(Debug)]
pub(crate) struct Producers {
    known: HashMap<i64, Producer>,
    max: usize,
}

impl Producers {
    pub(crate) fn new(max: usize) -> Producers {
        Producers { known: HashMap::new(), max: max.max(1) }
    }

    /// Judges a batch against what is known. A producer that is not known may start anywhere: its past may have been removed by age.
    pub(crate) fn judge(&self, header: &Header) -> Result<Verdict, Error> {
        let Some(producer) = (header.producer >= 0).then(|| self.known.get(&header.producer)).flatten() else {
            return Ok(Verdict::Append);
        };
        if header.epoch < producer.epoch {
            return Err(Error::Fenced { producer: header.producer, found: header.epoch, current: producer.epoch });
        }
        let out_of_order = |expected| Err(Error::OutOfOrder { producer: header.producer, found: header.sequence, expected });
        if header.epoch > producer.epoch {
            return if header.sequence == 0 { Ok(Verdict::Append) } else { out_of_order(0) };
        }
        let same = |seen: &&Seen| seen.first == header.sequence && seen.last == header.last_sequence();
        if let Some(seen) = producer.batches.iter().find(same) {
            return Ok(Verdict::Repeat { offset: seen.offset, at_ms: seen.at_ms });
        }
        let expected = producer.batches.back().map_or(0, |seen| if seen.last == i32::MAX { 0 } else { seen.last + 1 });
        if header.sequence == expected { Ok(Verdict::Append) } else { out_of_order(expected) }
    }

    /// Remembers a batch at its final place.
    pub(crate) fn note(&mut self, header: &Header) {
        if header.producer < 0 {
            return;
        }
        if !self.known.contains_key(&header.producer) && self.known.len() >= self.max {
            self.forget_the_most_silent();
        }
        let producer = self.known.entry(header.producer).or_insert_with(|| Producer { epoch: header.epoch, batches: VecDeque::new() });
        if producer.epoch != header.epoch {
            producer.epoch = header.epoch;
            producer.batches.clear();
        }
        if producer.batches.len() == REMEMBERED {
            producer.batches.pop_front();
        }
        let seen = Seen { first: header.sequence, last: header.last_sequence(), offset: header.base_offset, at_ms: header.max_time };
        producer.batches.push_back(seen);
    }

    fn forget_the_most_silent(&mut self) {
        let last = |producer: &Producer| producer.batches.back().map_or(-1, |seen| seen.offset);
        if let Some(id) = self.known.iter().min_by_key(|(_, producer)| last(producer)).map(|(id, _)| *id) {
            self.known.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(producer: i64, epoch: i16, sequence: i32, count: i32, offset: i64) -> Header {
        let attributes = 0;
        let (base_time, max_time) = (offset, offset);
        Header {
            base_offset: offset,
            length: 61,
            crc: 0,
            attributes,
            last_delta: count - 1,
            base_time,
            max_time,
            producer,
            epoch,
            sequence,
            count,
        }
    }

    #[test]
    fn a_repeat_of_any_of_the_last_five_is_answered_with_its_first_offset_and_a_gap_is_refused() {
        let mut producers = Producers::new(10);
        for turn in 0..6 {
            let header = batch(7, 0, turn * 3, 3, i64::from(turn) * 100);
            assert_eq!(producers.judge(&header), Ok(Verdict::Append));
            producers.note(&header);
        }
        for turn in 1..6 {
            let offset = i64::from(turn) * 100;
            assert_eq!(producers.judge(&batch(7, 0, turn * 3, 3, 0)), Ok(Verdict::Repeat { offset, at_ms: offset }));
        }
        assert_eq!(producers.judge(&batch(7, 0, 0, 3, 0)), Err(Error::OutOfOrder { producer: 7, found: 0, expected: 18 }));
        assert_eq!(producers.judge(&batch(7, 0, 19, 1, 0)), Err(Error::OutOfOrder { producer: 7, found: 19, expected: 18 }));
    }

    #[test]
    fn a_new_epoch_starts_at_zero_and_fences_the_old_one() {
        let mut producers = Producers::new(10);
        producers.note(&batch(7, 1, 5, 1, 0));
        assert_eq!(producers.judge(&batch(7, 2, 6, 1, 0)), Err(Error::OutOfOrder { producer: 7, found: 6, expected: 0 }));
        assert_eq!(producers.judge(&batch(7, 2, 0, 1, 0)), Ok(Verdict::Append));
        producers.note(&batch(7, 2, 0, 1, 1));
        assert_eq!(producers.judge(&batch(7, 1, 6, 1, 0)), Err(Error::Fenced { producer: 7, found: 1, current: 2 }));
    }

    #[test]
    fn sequences_wrap_after_the_largest_number() {
        let mut producers = Producers::new(10);
        let wrapping = batch(7, 0, i32::MAX - 1, 4, 0);
        assert_eq!(wrapping.last_sequence(), 1);
        producers.note(&wrapping);
        assert_eq!(producers.judge(&batch(7, 0, 2, 1, 4)), Ok(Verdict::Append));
        producers.note(&batch(7, 0, i32::MAX, 1, 9));
        assert_eq!(producers.judge(&batch(7, 0, 0, 1, 10)), Ok(Verdict::Append));
    }

    #[test]
    fn the_producer_silent_for_longest_is_forgotten_first() {
        let mut producers = Producers::new(2);
        producers.note(&batch(1, 0, 0, 1, 0));
        producers.note(&batch(2, 0, 0, 1, 1));
        producers.note(&batch(1, 0, 1, 1, 2));
        producers.note(&batch(3, 0, 0, 1, 3));
        assert_eq!(producers.judge(&batch(2, 0, 9, 1, 0)), Ok(Verdict::Append), "it is not known any more");
        assert!(matches!(producers.judge(&batch(1, 0, 9, 1, 0)), Err(Error::OutOfOrder { .. })));
    }
}
