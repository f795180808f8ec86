//! Answers of hot reads, kept in memory for a second: never stale for whoever wrote here, at most a second behind other processes.
//! Refuses to keep what was read before a write of this process, and to hold more bytes than it was given.

use metrics::Counter;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Moment};

/// What was read is given out for so long, counted from before it was read.
const FRESH: Duration = Duration::from_secs(1);
/// Keys share generations: a write lets some other keys be read again too, which does no harm.
const GENERATIONS: usize = 1 << 14;
/// About what an answer weighs, to size the cache's table.
const ANSWER_BYTES: usize = 512;

/// About how many bytes an answer holds.
pub(crate) trait Weighs {
    /// Bytes, its own and those it points to.
    fn bytes(&self) -> u64;
}

/// Answers of one kind by their keys.
pub(crate) struct Answers<V> {
    kept: Option<Cache<String, Kept<V>, ByBytes>>,
    /// How often something under a key was written.
    generations: Box<[AtomicU64]>,
    hashing: RandomState,
    hits: Counter,
    misses: Counter,
}

/// When something was asked for, to be shown when the answer is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    at: Moment,
    generation: u64,
}

#[derive(Clone)]
struct Kept<V> {
    asked: Asked,
    answer: V,
}

#[derive(Clone)]
struct ByBytes;

impl<V: Weighs> Weighter<String, Kept<V>> for ByBytes {
    fn weight(&self, key: &String, kept: &Kept<V>) -> u64 {
        key.len() as u64 + kept.answer.bytes()
    }
}

impl<V: Weighs + Clone> Answers<V> {
    /// Room for so many bytes; none keeps nothing.
    pub(crate) fn new(kind: &'static str, bytes: usize) -> Answers<V> {
        let kept = (bytes > 0).then(|| Cache::with_weighter((bytes / ANSWER_BYTES).max(64), bytes as u64, ByBytes));
        let count = |outcome: &'static str| metrics::counter!("guildhall_answers_total", "kind" => kind, "outcome" => outcome);
        Answers {
            kept,
            generations: (0..GENERATIONS).map(|_| AtomicU64::new(0)).collect(),
            hashing: RandomState::new(),
            hits: count("kept"),
            misses: count("read"),
        }
    }

    /// To be called before the database is asked.
    pub(crate) fn asked(&self, key: &str) -> Asked {
        Asked { at: Moment::now(), generation: self.generation(key).load(Ordering::SeqCst) }
    }

    /// What is kept and still right.
    pub(crate) fn get(&self, key: &str) -> Option<V> {
        let kept = self.kept.as_ref()?.get(key);
        let right =
            |kept: &Kept<V>| kept.asked.at.elapsed() < FRESH && kept.asked.generation == self.generation(key).load(Ordering::SeqCst);
        let found = kept.filter(right).map(|kept| kept.answer);
        if found.is_some() { &self.hits } else { &self.misses }.increment(1);
        found
    }

    /// Keeps what was read. Where something was written since it was asked for, nobody gets it.
    pub(crate) fn keep(&self, key: String, asked: Asked, answer: &V) {
        if let Some(cache) = &self.kept {
            cache.insert(key, Kept { asked, answer: answer.clone() });
        }
    }

    /// To be called after a commit and before its caller is answered: what was read before is given to nobody any more.
    pub(crate) fn written(&self, key: &str) {
        self.generation(key).fetch_add(1, Ordering::SeqCst);
    }

    fn generation(&self, key: &str) -> &AtomicU64 {
        let hash = self.hashing.hash_one(key) % GENERATIONS as u64;
        &self.generations[usize::try_from(hash).expect("there are fewer generations than a usize counts")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Weighs for String {
        fn bytes(&self) -> u64 {
            self.len() as u64
        }
    }

    #[test]
    fn what_was_read_before_a_write_is_given_to_nobody() {
        let answers: Answers<String> = Answers::new("test", 1 << 20);
        let asked = answers.asked("kart/p1");
        answers.keep("kart/p1".to_owned(), asked, &"old".to_owned());
        assert_eq!(answers.get("kart/p1").as_deref(), Some("old"));
        answers.written("kart/p1");
        assert_eq!(answers.get("kart/p1"), None);
        answers.keep("kart/p1".to_owned(), asked, &"late".to_owned());
        assert_eq!(answers.get("kart/p1"), None, "it was asked for before the write");
        answers.keep("kart/p1".to_owned(), answers.asked("kart/p1"), &"new".to_owned());
        assert_eq!(answers.get("kart/p1").as_deref(), Some("new"));
    }

    #[test]
    fn no_more_is_held_than_fits_and_no_room_keeps_nothing() {
        let answers: Answers<String> = Answers::new("test", 64 * 1024);
        for n in 0..10_000 {
            let key = format!("kart/p{n}");
            answers.keep(key.clone(), answers.asked(&key), &"x".repeat(100));
        }
        assert!(answers.kept.as_ref().unwrap().weight() <= 64 * 1024);
        let none: Answers<String> = Answers::new("test", 0);
        none.keep("kart/p1".to_owned(), none.asked("kart/p1"), &"x".to_owned());
        assert_eq!(none.get("kart/p1"), None);
    }
}
