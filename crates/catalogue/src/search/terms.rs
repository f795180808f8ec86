//! The dictionary of all words with the products that have them, and the words that differ by one typing error.
//! Refuses to judge what is a better match; that is `rank`.
//!
//! Near words are found by their common shortening: every word is filed under itself and under each form with one letter
//! left out, and so is the word sought. Two words within one edit of each other always share such a form.

use super::{fold, lower_half};
use crate::index::{Entry, number};
use std::collections::HashMap;
use std::ops::Range;

/// Letters of the shortest and the longest word for which near words are filed.
const NEAR_LETTERS: Range<usize> = 3..33;

/// Words in the order of their bytes, each with its products.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    /// The slot of each document; documents are numbered in the order they were added.
    slots: Vec<u32>,
    /// How many words each document's name has, held at 255.
    name_words: Vec<u8>,
    text: String,
    text_ends: Vec<u32>,
    postings: Vec<u32>,
    posting_ends: Vec<u32>,
    /// A form's hash above the term that it is a form of.
    near: Vec<u64>,
}

/// A document that has a term, and whether it has it in its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Posting(u32);

impl Posting {
    pub(crate) fn document(self) -> u32 {
        self.0 >> 1
    }

    pub(crate) fn in_name(self) -> bool {
        self.0 & 1 == 1
    }
}

impl Terms {
    /// The dictionary of these products' names, developers and genres.
    pub(crate) fn build<'a>(documents: impl Iterator<Item = (u32, &'a Entry)>) -> Terms {
        let mut terms = Terms::default();
        let mut gathered = Gathered::default();
        let mut labels: HashMap<&'a str, String> = HashMap::new();
        for (document, (slot, entry)) in documents.enumerate() {
            let document = number(document) << 1;
            let mut words = 0u8;
            fold::terms(&entry.key, |term, counts| {
                words = words.saturating_add(u8::from(counts));
                gathered.add(term, document | 1);
            });
            for label in entry.product.developers.iter().chain(entry.product.genres.iter()) {
                let folded = labels.entry(label).or_insert_with(|| fold::folded(label));
                fold::terms(folded, |term, _| gathered.add(term, document));
            }
            terms.slots.push(slot);
            terms.name_words.push(words);
        }
        gathered.each_sorted(|term, word, documents| terms.push(term, word, documents));
        terms.near.sort_unstable();
        terms.shrink();
        terms
    }

    fn push(&mut self, term: u32, word: &str, documents: impl Iterator<Item = u32>) {
        self.text.push_str(word);
        self.text_ends.push(number(self.text.len()));
        self.postings.extend(documents);
        self.posting_ends.push(number(self.postings.len()));
        if NEAR_LETTERS.contains(&word.chars().count()) {
            forms(word, |hash| self.near.push(u64::from(hash) << 32 | u64::from(term)));
        }
    }

    fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.postings.shrink_to_fit();
        self.near.shrink_to_fit();
    }

    pub(crate) fn documents(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn slot(&self, document: u32) -> u32 {
        self.slots[document as usize]
    }

    pub(crate) fn name_words(&self, document: u32) -> u8 {
        self.name_words[document as usize]
    }

    /// The documents that have a term, ascending.
    pub(crate) fn postings(&self, term: u32) -> impl ExactSizeIterator<Item = Posting> {
        self.postings[span(&self.posting_ends, term)].iter().map(|posting| Posting(*posting))
    }

    /// The term that is this word.
    pub(crate) fn find(&self, word: &str) -> Option<u32> {
        let term = self.first_from(word);
        (term < self.len() && self.word(term) == word).then_some(term)
    }

    /// The terms that begin with this text.
    pub(crate) fn starting(&self, text: &str) -> Range<u32> {
        let start = self.first_from(text);
        start..self.first(start, |word| word.starts_with(text))
    }

    /// The terms that one insertion, deletion, replacement or exchange of neighbours makes of this word, or that are it.
    pub(crate) fn near(&self, word: &str) -> Vec<u32> {
        let mut found = Vec::new();
        forms(word, |hash| {
            let from = self.near.partition_point(|entry| entry >> 32 < u64::from(hash));
            let same = self.near[from..].iter().take_while(|entry| *entry >> 32 == u64::from(hash));
            found.extend(same.map(|entry| lower_half(*entry)));
        });
        found.sort_unstable();
        found.dedup();
        found.retain(|term| within_one_edit(word, self.word(*term)));
        found
    }

    fn len(&self) -> u32 {
        number(self.text_ends.len())
    }

    fn word(&self, term: u32) -> &str {
        &self.text[span(&self.text_ends, term)]
    }

    fn first_from(&self, word: &str) -> u32 {
        self.first(0, |other| other < word)
    }

    /// The first term from `start` on that is not `before`, by halving.
    fn first(&self, start: u32, before: impl Fn(&str) -> bool) -> u32 {
        let (mut low, mut high) = (start, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if before(self.word(middle)) { low = middle + 1 } else { high = middle }
        }
        low
    }
}

/// Words as they come in, in few allocations: what a build leaves behind stays with the process.
#[derive(Default)]
struct Gathered {
    /// Words, numbered as they came.
    numbers: HashMap<Box<str>, u32>,
    /// The last posting of each word.
    last: Vec<u32>,
    /// Words with their postings.
    pairs: Vec<(u32, u32)>,
}

impl Gathered {
    fn add(&mut self, word: &str, posting: u32) {
        let word = match self.numbers.get(word) {
            // The name's words come first, so a word that is also in a label keeps its mark.
            Some(known) if self.last[*known as usize] >> 1 == posting >> 1 => return,
            Some(known) => *known,
            None => {
                let new = number(self.last.len());
                self.numbers.insert(word.into(), new);
                self.last.push(posting);
                new
            }
        };
        self.last[word as usize] = posting;
        self.pairs.push((word, posting));
    }

    /// Calls `each` for every word in the order of their bytes, with its postings.
    fn each_sorted(mut self, mut each: impl FnMut(u32, &str, &mut dyn Iterator<Item = u32>)) {
        let mut words: Vec<(Box<str>, u32)> = self.numbers.into_iter().collect();
        words.sort_unstable();
        for (term, (_, word)) in words.iter().enumerate() {
            self.last[*word as usize] = number(term);
        }
        self.pairs.iter_mut().for_each(|(word, _)| *word = self.last[*word as usize]);
        self.pairs.sort_unstable();
        for (list, (word, _)) in self.pairs.chunk_by(|a, b| a.0 == b.0).zip(&words) {
            each(list[0].0, word, &mut list.iter().map(|(_, posting)| *posting));
        }
    }
}

fn span(ends: &[u32], term: u32) -> Range<usize> {
    let term = term as usize;
    let start = if term == 0 { 0 } else { ends[term - 1] };
    start as usize..ends[term] as usize
}

/// Hashes of a word and of its forms with one letter left out.
fn forms(word: &str, mut each: impl FnMut(u32)) {
    each(hash(word.bytes()));
    for (at, letter) in word.char_indices() {
        each(hash(word[..at].bytes().chain(word[at + letter.len_utf8()..].bytes())));
    }
}

/// FNV-1a of 32 bits: short words, no attacker, and equal in every process.
fn hash(bytes: impl Iterator<Item = u8>) -> u32 {
    bytes.fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Whether at most one insertion, deletion, replacement or exchange of neighbours makes one word the other.
fn within_one_edit(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let same_start = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[same_start..], &b[same_start..]);
    let same_end = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    match (&a[..a.len() - same_end], &b[..b.len() - same_end]) {
        ([] | [_], [] | [_]) => true,
        ([a1, a2], [b1, b2]) => a1 == b2 && a2 == b1,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn terms_of(words: &[String]) -> Terms {
        let mut words = words.to_vec();
        words.sort();
        words.dedup();
        let mut terms = Terms::default();
        for (term, word) in words.iter().enumerate() {
            terms.push(number(term), word, std::iter::empty());
        }
        terms.near.sort_unstable();
        terms
    }

    /// The textbook table of optimal string alignment, to check the quick test against.
    fn edits(a: &str, b: &str) -> usize {
        let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
        let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 0..=a.len() {
            for j in 0..=b.len() {
                table[i][j] = if i == 0 || j == 0 {
                    i + j
                } else {
                    let replaced = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let mut least = replaced.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                    if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        least = least.min(table[i - 2][j - 2] + 1);
                    }
                    least
                };
            }
        }
        table[a.len()][b.len()]
    }

    proptest! {
        #[test]
        fn near_words_are_exactly_those_within_one_edit(words in prop::collection::vec("[abä]{3,6}", 1..40), sought in "[abä]{3,6}") {
            let terms = terms_of(&words);
            let near: Vec<&str> = terms.near(&sought).into_iter().map(|term| terms.word(term)).collect();
            let expected: Vec<&str> = (0..terms.len()).map(|term| terms.word(term)).filter(|word| edits(word, &sought) <= 1).collect();
            prop_assert_eq!(near, expected);
        }

        #[test]
        fn the_dictionary_finds_words_and_beginnings(words in prop::collection::vec("[ab가]{1,5}", 0..40), sought in "[ab가]{0,3}") {
            let terms = terms_of(&words);
            let found: Vec<&str> = terms.starting(&sought).map(|term| terms.word(term)).collect();
            let expected: Vec<&str> = (0..terms.len()).map(|term| terms.word(term)).filter(|word| word.starts_with(&sought)).collect();
            prop_assert_eq!(found, expected);
            prop_assert_eq!(terms.find(&sought).map(|term| terms.word(term)), words.iter().find(|word| **word == sought).map(|word| &**word));
        }
    }
}
