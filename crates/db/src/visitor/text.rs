//! The text of a foreign statement: where its named parameters stand, and how each engine gets it.
//! Refuses a second statement, parameters that were not declared, and text in which engines would see parameters elsewhere.

use super::{Fault, Kind, Parameter};
use crate::Engine;
use std::fmt::Write as _;

/// A statement somebody else wrote, in one piece, with the places of its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    text: String,
    holes: Vec<Hole>,
    parameters: Vec<Parameter>,
}

/// `:name` in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hole {
    start: usize,
    end: usize,
    /// Its parameter's place.
    parameter: usize,
}

/// The text as an engine gets it, and where its parts stood in the original.
pub(super) struct Rendered {
    pub(super) text: String,
    /// Where a run of copied text begins: in the rendered text and in the original, in bytes.
    runs: Vec<(usize, usize)>,
}

impl Rendered {
    /// The place in the original that a place in the rendered text stands for.
    pub(super) fn original(&self, at: usize) -> usize {
        let run = self.runs.iter().rev().find(|(rendered, _)| *rendered <= at);
        run.map_or(0, |(rendered, original)| original + (at - rendered))
    }
}

/// What stands at a parameter's place.
#[derive(Clone, Copy)]
pub(super) enum Hold {
    /// The argument of that number.
    Argument,
    /// A null of its type, where no argument can be given.
    Null,
}

impl Foreign {
    /// Reads a text with its declared parameters.
    ///
    /// # Errors
    /// What is wrong with it, each with its place.
    pub fn parse(text: &str, parameters: &[Parameter]) -> Result<Foreign, Vec<Fault>> {
        let mut scan = Scan { text, at: 0, parameters, holes: Vec::new(), faults: Vec::new() };
        let end = scan.run();
        let Scan { holes, mut faults, .. } = scan;
        let used = |at: usize| holes.iter().any(|hole| hole.parameter == at);
        for (at, unused) in parameters.iter().enumerate().filter(|(at, parameter)| !used(*at) && !parameter.offered) {
            faults.push(Fault::of(format!(
                "parameter {:?} (number {}) is declared and never used: remove it, or use :{0}",
                unused.name,
                at + 1
            )));
        }
        if text[..end].trim().is_empty() {
            faults.push(Fault::of("the statement is empty: `select …` would be right".to_owned()));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        // Parameters that are offered and not used get no argument.
        let kept: Vec<usize> = (0..parameters.len()).filter(|at| used(*at)).collect();
        let place = |hole: Hole| Hole { parameter: kept.iter().position(|at| *at == hole.parameter).expect("holes make it kept"), ..hole };
        let parameters = kept.iter().map(|at| parameters[*at].clone()).collect();
        Ok(Foreign { text: text[..end].to_owned(), holes: holes.iter().cloned().map(place).collect(), parameters })
    }

    /// The parameters it uses, in the order of their arguments.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The text as it was written, up to a closing semicolon.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn render(&self, engine: Engine, hold: Hold) -> Rendered {
        let (mut text, mut runs, mut from) = (String::with_capacity(self.text.len() + 64), vec![(0, 0)], 0);
        for hole in &self.holes {
            text.push_str(&self.text[from..hole.start]);
            let (number, kind) = (hole.parameter + 1, self.parameters[hole.parameter].kind);
            match (engine, hold) {
                (Engine::Sqlite, Hold::Argument) => write!(text, "?{number}"),
                (Engine::Sqlite, Hold::Null) => write!(text, "null"),
                (Engine::Postgres, Hold::Argument) => write!(text, "cast(${number} as {})", kind.postgres()),
                (Engine::Postgres, Hold::Null) => write!(text, "cast(null as {})", kind.postgres()),
            }
            .expect("writing to a string cannot fail");
            from = hole.end;
            runs.push((text.len(), from));
        }
        text.push_str(&self.text[from..]);
        Rendered { text, runs }
    }

    /// A fault at a place of the text.
    pub(super) fn fault_at(&self, at: usize, what: String) -> Fault {
        Fault::at(&self.text, at, what)
    }

    /// A fault where a word first stands in the text, if it does.
    pub(super) fn fault_at_word(&self, word: &str, what: String) -> Fault {
        match find_word(&self.text, word) {
            Some(at) => self.fault_at(at, what),
            None => Fault::of(what),
        }
    }
}

impl Kind {
    pub(super) fn postgres(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Integer | Kind::Boolean | Kind::Instant => "bigint",
        }
    }
}

/// Where a word stands by itself, whatever its case.
fn find_word(text: &str, word: &str) -> Option<usize> {
    let (lower, word) = (text.to_ascii_lowercase(), word.to_ascii_lowercase());
    let part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let alone = |at: &usize| {
        let bytes = lower.as_bytes();
        !part(at.checked_sub(1).and_then(|before| bytes.get(before))) && !part(bytes.get(at + word.len()))
    };
    lower.match_indices(&word).map(|(at, _)| at).find(alone)
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    parameters: &'a [Parameter],
    holes: Vec<Hole>,
    faults: Vec<Fault>,
}

impl Scan<'_> {
    /// Goes through the text; returns where the statement ends.
    fn run(&mut self) -> usize {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'\'' | b'"' => self.quoted(*byte),
                b'-' if bytes.get(self.at + 1) == Some(&b'-') => self.skip_to("\n"),
                b'/' if bytes.get(self.at + 1) == Some(&b'*') => self.comment(),
                b':' if bytes.get(self.at + 1) == Some(&b':') => self.at += 2,
                b':' if bytes.get(self.at + 1).is_some_and(|next| next.is_ascii_alphabetic() || *next == b'_') => self.hole(),
                b';' => return self.end(),
                b'$' => self.fault("`$` stands outside of quotes: parameters are written :name".to_owned()),
                b'?' => self.fault("`?` stands outside of quotes: parameters are written :name".to_owned()),
                b'`' => self.fault("a backtick stands outside of quotes: names are quoted \"so\"".to_owned()),
                0 => self.fault("the text holds a NUL character: text without it would be right".to_owned()),
                _ => self.at += 1,
            }
        }
        self.text.len()
    }

    fn fault(&mut self, what: String) {
        self.faults.push(Fault::at(self.text, self.at, what));
        self.at += 1;
    }

    /// To the end of a text or a quoted name, in which a doubled quote stands for one.
    fn quoted(&mut self, quote: u8) {
        let bytes = self.text.as_bytes();
        let start = self.at;
        self.at += 1;
        while let Some(byte) = bytes.get(self.at) {
            self.at += 1;
            if *byte == quote {
                if bytes.get(self.at) != Some(&quote) {
                    return;
                }
                self.at += 1;
            }
        }
        self.faults.push(Fault::at(self.text, start, format!("the quote {} is never closed", char::from(quote))));
    }

    fn comment(&mut self) {
        let start = self.at;
        let rest = &self.text[start + 2..];
        match rest.find("*/") {
            // Postgres would look for a second end, SQLite would not.
            Some(end) if rest[..end].contains("/*") => {
                self.fault("a comment stands within a comment: two comments, or one, would be right".to_owned());
                self.at = start + 2 + end + 2;
            }
            Some(end) => self.at = start + 2 + end + 2,
            None => {
                self.fault("the comment is never closed: `*/` is missing".to_owned());
                self.at = self.text.len();
            }
        }
    }

    fn skip_to(&mut self, mark: &str) {
        self.at = self.text[self.at..].find(mark).map_or(self.text.len(), |found| self.at + found + mark.len());
    }

    fn hole(&mut self) {
        let start = self.at;
        let name: &str = &self.text[start + 1..];
        let length = name.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        let name = &name[..length];
        match self.parameters.iter().position(|parameter| parameter.name == name) {
            Some(parameter) => self.holes.push(Hole { start, end: start + 1 + length, parameter }),
            None => {
                let known: Vec<String> = self.parameters.iter().map(|parameter| format!(":{}", parameter.name)).collect();
                let what = format!(":{name} is not declared: one of {} would be right", known.join(", "));
                self.faults.push(Fault::at(self.text, start, what));
            }
        }
        self.at = start + 1 + length;
    }

    /// At a semicolon: nothing but space and comments may follow.
    fn end(&mut self) -> usize {
        let end = self.at;
        self.at += 1;
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'-' if bytes.get(self.at + 1) == Some(&b'-') => self.skip_to("\n"),
                b'/' if bytes.get(self.at + 1) == Some(&b'*') => self.comment(),
                byte if byte.is_ascii_whitespace() => self.at += 1,
                _ => {
                    self.fault("a second statement begins here: a recipe is one statement".to_owned());
                    break;
                }
            }
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(names: &[&str]) -> Vec<Parameter> {
        names.iter().map(|name| Parameter { name: (*name).to_owned(), kind: Kind::Text, offered: false }).collect()
    }

    fn faults(text: &str) -> Vec<String> {
        Foreign::parse(text, &parameters(&["who"])).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn parameters_stand_where_neither_quotes_nor_comments_nor_casts_are() {
        let text = "select ':who', \":who\", x::text -- :who\n from t /* :who */ where a = :who and b = ':' || :who;  -- done";
        let foreign = Foreign::parse(text, &parameters(&["who"])).unwrap();
        assert_eq!(foreign.holes.len(), 2);
        let sqlite = foreign.render(Engine::Sqlite, Hold::Argument).text;
        assert!(sqlite.ends_with("where a = ?1 and b = ':' || ?1"), "{sqlite}");
        let postgres = foreign.render(Engine::Postgres, Hold::Argument).text;
        assert!(postgres.ends_with("where a = cast($1 as text) and b = ':' || cast($1 as text)"), "{postgres}");
    }

    #[test]
    fn a_place_is_found_again_in_the_original() {
        let foreign = Foreign::parse("select :who, :who, boom", &parameters(&["who"])).unwrap();
        let rendered = foreign.render(Engine::Postgres, Hold::Null);
        let at = rendered.text.find("boom").unwrap();
        assert_eq!(&foreign.text[rendered.original(at)..], "boom");
    }

    #[test]
    fn faults_name_their_place_and_what_would_be_right() {
        assert_eq!(
            faults("select 1\nfrom t where a = :whom"),
            [
                "line 2, column 18: :whom is not declared: one of :who would be right",
                "parameter \"who\" (number 1) is declared and never used: remove it, or use :who",
            ]
        );
        assert!(faults("select :who; delete from t")[0].starts_with("line 1, column 14: a second statement begins here"));
        assert!(faults("select $1, :who")[0].starts_with("line 1, column 8: `$` stands"));
        assert!(faults("select :who, 'open")[0].contains("never closed"));
        assert!(faults("select :who /* open")[0].contains("never closed"));
        assert!(faults("select :who /* a /* b */ */")[0].contains("within a comment"));
        assert!(faults(" ; ")[1].contains("empty"));
    }

    #[test]
    fn what_is_offered_need_not_be_used() {
        let mut declared = parameters(&["now", "who"]);
        declared[0].offered = true;
        let foreign = Foreign::parse("select :who", &declared).unwrap();
        assert_eq!(foreign.parameters().len(), 1);
        assert_eq!(foreign.render(Engine::Sqlite, Hold::Argument).text, "select ?1");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic_and_keeps_its_words(text in "[ a-z:;'\"$?/*\\-\\n]{0,60}") {
            if let Ok(foreign) = Foreign::parse(&text, &parameters(&["a"])) {
                proptest::prop_assert!(text.starts_with(foreign.text()));
                let rendered = foreign.render(Engine::Sqlite, Hold::Argument);
                for at in 0..foreign.text.len() {
                    if foreign.holes.iter().all(|hole| at < hole.start || at >= hole.end) {
                        let there = rendered.runs.iter().rev().find(|(_, original)| *original <= at).unwrap();
                        proptest::prop_assert_eq!(rendered.original(there.0 + at - there.1), at);
                    }
                }
            }
        }
    }
}
