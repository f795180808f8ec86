//! Makes one form of what people write many ways: case, accents, full width, ligatures and punctuation.
//! Refuses dictionaries and stemming: it knows letters, not languages.

use unicode_normalization::UnicodeNormalization;

/// A text folded to its words with one blank between them; names are sorted and compared in this form.
///
/// Letters lose case and accents (NFKD, marks dropped, lower case, NFC), full and half width become one, apostrophes
/// vanish, anything else that is no letter or digit parts words.
pub fn folded(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    if text.is_ascii() {
        push_words(&mut words, text.bytes().map(|byte| char::from(byte.to_ascii_lowercase())));
        return words;
    }
    let plain = text.chars().filter(|c| !matches!(c, '™' | '®' | '©')).nfkd().filter(|c| !is_accent(*c));
    push_words(&mut words, plain.flat_map(char::to_lowercase).filter(|c| !is_accent(*c)).nfc().flat_map(unligatured));
    words
}

/// Calls `each` with every term of a folded text: words as they are, runs of scripts written without blanks as pairs of
/// letters, so that any part of two letters or more is found; `true` says that it counts as one of the text's words.
pub(crate) fn terms(folded: &str, mut each: impl FnMut(&str, bool)) {
    let mut initials = String::new();
    for word in folded.split(' ').filter(|word| !word.is_empty()) {
        // "S.T.A.L.K.E.R." is sought as one word.
        let initial = word.len() == 1 && word.as_bytes()[0].is_ascii_alphabetic();
        if !initial {
            joined(&mut initials, &mut each);
        }
        for run in runs(word) {
            if run.starts_with(is_unspaced) { pairs(run, &mut each) } else { each(run, true) }
        }
        if initial {
            initials.push_str(word);
        }
    }
    joined(&mut initials, &mut each);
}

/// Whether a letter belongs to a script whose words are not, or not always, parted by blanks.
pub(crate) fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c), 0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x3005..=0x30ff | 0x31f0..=0x31ff | 0x3400..=0x4dbf
        | 0x4e00..=0x9fff | 0xac00..=0xd7af | 0xf900..=0xfaff | 0x20000..=0x3ffff)
}

fn is_accent(c: char) -> bool {
    matches!(u32::from(c), 0x0300..=0x036f | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff)
}

/// Letters that Unicode does not take apart but people type apart.
fn unligatured(c: char) -> impl Iterator<Item = char> {
    let (first, second) = match c {
        'ß' => ('s', Some('s')),
        'æ' => ('a', Some('e')),
        'œ' => ('o', Some('e')),
        'þ' => ('t', Some('h')),
        'ø' => ('o', None),
        'ł' => ('l', None),
        'đ' | 'ð' => ('d', None),
        'ħ' => ('h', None),
        'ı' => ('i', None),
        other => (other, None),
    };
    std::iter::once(first).chain(second)
}

fn push_words(words: &mut String, letters: impl Iterator<Item = char>) {
    let mut parted = false;
    for letter in letters {
        // Vowel signs and the marks of kana belong to their word though they are no letters of their own.
        if letter.is_alphanumeric() || is_unspaced(letter) || unicode_normalization::char::is_combining_mark(letter) {
            if parted && !words.is_empty() {
                words.push(' ');
            }
            parted = false;
            words.push(letter);
        } else if !matches!(letter, '\'' | '’' | '‘' | '`' | '´') {
            parted = true;
        }
    }
}

/// Cuts a word where letters of a script without blanks meet others.
fn runs(word: &str) -> impl Iterator<Item = &str> {
    let mut rest = word;
    std::iter::from_fn(move || {
        let unspaced = is_unspaced(rest.chars().next()?);
        let end = rest.find(|c| is_unspaced(c) != unspaced).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        Some(run)
    })
}

fn pairs(run: &str, each: &mut impl FnMut(&str, bool)) {
    let starts: Vec<usize> = run.char_indices().map(|(at, _)| at).chain([run.len()]).collect();
    for pair in starts.windows(3) {
        each(&run[pair[0]..pair[2]], true);
    }
    // The last letter stands alone too, else a search for it as a single letter would miss this text.
    let last = starts[starts.len() - 2];
    each(&run[last..], last == 0);
}

fn joined(initials: &mut String, each: &mut impl FnMut(&str, bool)) {
    if initials.len() >= 3 {
        each(initials, false);
    }
    initials.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms_of(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        terms(&folded(text), |term, _| found.push(term.to_owned()));
        found
    }

    #[test]
    fn case_accents_width_and_punctuation_do_not_matter() {
        assert_eq!(folded("  Counter-Strike: Global   Offensive™ "), "counter strike global offensive");
        assert_eq!(folded("Pokémon ＦＵＬＬ　Straße ÆØŁ İı"), "pokemon full strasse aeol ii");
        assert_eq!(folded("Assassin’s Creed II"), folded("assassins creed ⅱ"));
        assert_eq!(folded("Ёлка"), "елка");
        assert_eq!(folded("ｸﾗｼｯｸ ガンダム"), "クラシック ガンダム");
        assert_eq!(folded("?!🍕"), "");
    }

    #[test]
    fn unspaced_scripts_become_pairs_of_letters() {
        assert_eq!(terms_of("三国志X2"), ["三国", "国志", "志", "x2"]);
        assert_eq!(terms_of("검은사막"), ["검은", "은사", "사막", "막"]);
        assert_eq!(terms_of("夜"), ["夜"]);
    }

    #[test]
    fn initials_are_also_one_word() {
        assert_eq!(terms_of("S.T.A.L.K.E.R. 2"), ["s", "t", "a", "l", "k", "e", "r", "stalker", "2"]);
        assert_eq!(terms_of("A B"), ["a", "b"]);
    }

    #[test]
    fn folding_twice_changes_nothing() {
        for text in ["Ａéß™", "S.T.A.L.K.E.R.", "검은 사막", "がんばれ ゴエモン", "ΑΒΓ άέ"] {
            assert_eq!(folded(&folded(text)), folded(text));
        }
    }
}
