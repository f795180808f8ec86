//! Which products match the words of a search, in three ever looser stages, and how well.
//! Refuses to order products of equal grade; popularity does that.

use super::ENOUGH;
use super::fold;
use super::terms::Terms;
use std::cell::RefCell;

/// Words of a search that are looked at.
const WORDS_MAX: usize = 24;
/// Letters of the shortest word in which a typing error is forgiven, and when little else was found.
const TYPO_LETTERS: usize = 5;
const TYPO_LETTERS_LOOSE: usize = 3;
/// Ways of parting and joining a search's words that are tried.
const REWRITES_MAX: usize = 16;

/// A word of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    text: String,
    letters: usize,
    /// Whether the word may only have begun: the last one, as people type.
    begun: bool,
}

/// How strictly products are matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Every word, the last perhaps half typed, those of five letters or more perhaps with one typing error.
    AllWords,
    /// Every word, any half typed, those of three letters or more with one typing error; or wrongly joined or parted.
    Loose,
    /// At least half of the words, and all but three at most.
    MostWords,
}

impl Stage {
    /// With this many found, no looser stage follows.
    pub(crate) fn enough(self) -> usize {
        match self {
            Stage::AllWords => ENOUGH,
            Stage::Loose | Stage::MostWords => 1,
        }
    }
}

/// What of a search a product has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Match {
    /// Words it has.
    hits: u8,
    /// Of these, words it has in its name.
    in_name: u8,
    /// Of these, words that were mistyped.
    typos: u8,
    /// Words its name has.
    name_words: u8,
}

/// How good a match is; greater is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Grade(pub(crate) u32);

impl Grade {
    /// The name is the text.
    pub(crate) const NAME: Grade = Grade::new(6, 0);
    /// The name begins with the text.
    pub(crate) const NAME_START: Grade = Grade::new(5, 0);

    const fn new(class: u32, within: u32) -> Grade {
        Grade(class << 16 | within)
    }
}

impl Match {
    pub(crate) fn grade(self, stage: Stage, words: usize) -> Grade {
        let all_in_name = u32::from(self.in_name == self.hits);
        // A mistyped name of just these words is nearer than a longer one.
        let whole = u32::from(usize::from(self.name_words) == words);
        match (stage, self.typos) {
            (Stage::AllWords, 0) => Grade::new(4, all_in_name),
            (Stage::AllWords, _) => Grade::new(3, whole << 1 | all_in_name),
            (Stage::Loose, typos) => Grade::new(2, all_in_name << 9 | whole << 8 | u32::from(u8::MAX - typos)),
            (Stage::MostWords, typos) => {
                let nearness = u32::from(u8::MAX - self.name_words.abs_diff(u8::try_from(words).unwrap_or(u8::MAX)));
                Grade::new(1, u32::from(self.hits) << 9 | u32::from(typos == 0) << 8 | nearness)
            }
        }
    }
}

/// The words of a folded text. A blank behind the text says that the last word is complete.
pub(crate) fn words(folded: &str, complete: bool) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    fold::terms(folded, |term, counts| {
        if counts && words.len() < WORDS_MAX && !words.iter().any(|word| word.text == term) {
            words.push(Word { text: term.to_owned(), letters: term.chars().count(), begun: false });
        }
    });
    if let Some(last) = words.last_mut() {
        last.begun = !complete;
    }
    words
}

/// What a document has gathered during one search.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    last_word: u8,
    hits: u8,
    in_name: u8,
    typos: u8,
}

thread_local! {
    /// One tally for each document, all zero between searches; kept because clearing what was touched costs less than a new one.
    static TALLIES: RefCell<Vec<Tally>> = const { RefCell::new(Vec::new()) };
}

/// A term that stands for a word of the search, and whether as a typing error.
type Variant = (u32, bool);

impl Terms {
    /// Calls `each` with the slot of every product that matches at this stage; in the loose stage perhaps more than once.
    pub(crate) fn matching(&self, words: &[Word], stage: Stage, mut each: impl FnMut(u32, Match)) {
        if self.documents() == 0 {
            return;
        }
        let needed = match stage {
            Stage::MostWords if words.len() < 2 => return,
            // One typing error breaks up to three of the pairs of letters that a name without blanks is cut into.
            Stage::MostWords => words.len() - (words.len() / 2).min(3),
            Stage::AllWords | Stage::Loose => words.len(),
        };
        TALLIES.with_borrow_mut(|tallies| {
            if tallies.len() < self.documents() {
                tallies.resize(self.documents(), Tally::default());
            }
            self.tally(tallies, words, stage, needed, 0, &mut each);
            if stage == Stage::Loose {
                for rewritten in self.rewrites(words) {
                    self.tally(tallies, &rewritten, Stage::AllWords, rewritten.len(), 1, &mut each);
                }
            }
        });
    }

    fn tally(&self, tallies: &mut [Tally], words: &[Word], stage: Stage, needed: usize, rewritten: u8, each: &mut impl FnMut(u32, Match)) {
        let mut variants: Vec<(usize, Vec<Variant>)> = words.iter().map(|word| self.variants(word, stage)).collect();
        // Rare words first: later ones then only look at what those left.
        variants.sort_by_key(|(documents, _)| *documents);
        let mut touched: Vec<u32> = Vec::new();
        for (done, (_, terms)) in variants.iter().enumerate() {
            let number = u8::try_from(done + 1).expect("a search has few words");
            let missed_max = words.len() - needed;
            for (term, typo) in terms {
                for posting in self.postings(*term) {
                    let tally = &mut tallies[posting.document() as usize];
                    if tally.last_word == number || usize::from(tally.hits) + missed_max < done {
                        continue;
                    }
                    if tally.hits == 0 {
                        touched.push(posting.document());
                    }
                    tally.last_word = number;
                    tally.hits += 1;
                    tally.in_name += u8::from(posting.in_name());
                    tally.typos += u8::from(*typo);
                }
            }
        }
        for document in touched {
            let Tally { hits, in_name, typos, .. } = std::mem::take(&mut tallies[document as usize]);
            if usize::from(hits) >= needed {
                each(self.slot(document), Match { hits, in_name, typos: typos + rewritten, name_words: self.name_words(document) });
            }
        }
    }

    /// The terms that may stand for a word, the best first, and how many documents they have together.
    fn variants(&self, word: &Word, stage: Stage) -> (usize, Vec<Variant>) {
        let loose = stage != Stage::AllWords;
        let mut terms: Vec<Variant> = self.find(&word.text).map(|term| (term, false)).into_iter().collect();
        let unspaced = word.text.starts_with(fold::is_unspaced);
        if word.begun || (loose && word.letters >= TYPO_LETTERS_LOOSE) || (unspaced && word.letters == 1) {
            terms.extend(self.starting(&word.text).map(|term| (term, false)));
        }
        if !unspaced && word.letters >= if loose { TYPO_LETTERS_LOOSE } else { TYPO_LETTERS } {
            terms.extend(self.near(&word.text).into_iter().map(|term| (term, true)));
        }
        (terms.iter().map(|(term, _)| self.postings(*term).len()).sum(), terms)
    }

    /// The same search with one word parted in two, a letter between them dropped or not, or two words joined.
    fn rewrites(&self, words: &[Word]) -> Vec<Vec<Word>> {
        let mut rewrites = Vec::new();
        let mut offer = |at: usize, replaced: usize, with: &[&str]| {
            if rewrites.len() < REWRITES_MAX && with.iter().all(|text| self.find(text).is_some()) {
                let word = |text: &&str| Word { text: (*text).to_owned(), letters: text.chars().count(), begun: false };
                let mut rewritten = words.to_vec();
                rewritten.splice(at..at + replaced, with.iter().map(word));
                rewrites.push(rewritten);
            }
        };
        for (at, pair) in words.windows(2).enumerate() {
            offer(at, 2, &[&format!("{}{}", pair[0].text, pair[1].text)]);
        }
        for (at, word) in words.iter().enumerate() {
            for (cut, letter) in word.text.char_indices().skip(1) {
                let (left, right) = word.text.split_at(cut);
                offer(at, 1, &[left, right]);
                let right = &right[letter.len_utf8()..];
                if !right.is_empty() {
                    offer(at, 1, &[left, right]);
                }
            }
        }
        rewrites
    }
}
