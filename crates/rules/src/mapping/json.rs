//! Walks a JSON record once: checks all of it and notes the places of the wanted values.
//! Refuses whatever is not one whole JSON value by RFC 8259, nesting beyond 64 and arrays beyond their limit.

pub(super) mod keys;
mod scan;

use super::shape::Shape;
use super::slot::{ELEMENTS_MAX, Kind, Rows, Slot};
use scan::string;

/// Arrays and objects within each other.
pub(super) const DEPTH_MAX: usize = 64;

/// Why a record cannot be walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// From this byte on it is not JSON.
    NotJson(usize),
    TooDeep,
    TooMany,
}

/// The place after what was walked.
type Step = Result<usize, Wrong>;

/// One walk through one record.
pub(super) struct Walk<'r> {
    shape: &'r Shape,
    text: &'r str,
    levels: &'r mut [Rows],
    kept: &'r mut String,
    elements: usize,
}

/// A wanted node and the row that its values go to.
#[derive(Clone, Copy)]
struct Wanted {
    node: usize,
    level: usize,
    row: usize,
}

impl<'r> Walk<'r> {
    /// Notes the wanted values of a record in the rows of its levels.
    pub(super) fn record(shape: &'r Shape, text: &'r str, levels: &'r mut [Rows], kept: &'r mut String) -> Result<(), Wrong> {
        let mut walk = Walk { shape, text, levels, kept, elements: 0 };
        let start = walk.space(0);
        let end = walk.value(start, Some(Wanted { node: 0, level: 0, row: 0 }), 0)?;
        let end = walk.space(end);
        if end == text.len() { Ok(()) } else { Err(Wrong::NotJson(end)) }
    }

    fn byte(&self, at: usize) -> u8 {
        // No JSON text holds NUL outside of what is refused anyway, so it may stand for the end.
        self.text.as_bytes().get(at).copied().unwrap_or(0)
    }

    fn space(&self, mut at: usize) -> usize {
        while matches!(self.byte(at), b' ' | b'\n' | b'\r' | b'\t') {
            at += 1;
        }
        at
    }

    fn value(&mut self, at: usize, wanted: Option<Wanted>, depth: usize) -> Step {
        if let Some(wanted) = wanted {
            let shape = self.shape;
            for &(level, position) in &shape.nodes[wanted.node].one {
                let row = self.row(level, wanted.row, position)?;
                self.value(at, Some(row), depth)?;
            }
        }
        match self.byte(at) {
            b'"' => self.string(at, wanted),
            b'{' => self.object(at, wanted, depth + 1),
            b'[' => self.array(at, wanted, depth + 1),
            b't' => self.word(at, "true", Kind::True, wanted),
            b'f' => self.word(at, "false", Kind::False, wanted),
            b'n' => self.word(at, "null", Kind::Null, wanted),
            _ => {
                let end = scan::number(self.text.as_bytes(), at).ok_or(Wrong::NotJson(at))?;
                self.note(wanted, Kind::Number, at, end);
                Ok(end)
            }
        }
    }

    fn note(&mut self, wanted: Option<Wanted>, kind: Kind, start: usize, end: usize) {
        if let Some(Wanted { node, level, row }) = wanted
            && let Some(slot) = self.shape.nodes[node].slot
        {
            self.levels[level].set(row, slot, Slot::new(kind, start, end));
        }
    }

    fn word(&mut self, at: usize, word: &str, kind: Kind, wanted: Option<Wanted>) -> Step {
        if !self.text.as_bytes()[at..].starts_with(word.as_bytes()) {
            return Err(Wrong::NotJson(at));
        }
        self.note(wanted, kind, at, at + word.len());
        Ok(at + word.len())
    }

    fn string(&mut self, at: usize, wanted: Option<Wanted>) -> Step {
        let (end, escaped) = string(self.text.as_bytes(), at).ok_or(Wrong::NotJson(at))?;
        let is_wanted = wanted.is_some_and(|wanted| self.shape.nodes[wanted.node].slot.is_some());
        match (escaped, is_wanted) {
            (true, true) => {
                let start = self.kept.len();
                scan::unescape(&self.text[at + 1..end - 1], self.kept).ok_or(Wrong::NotJson(at))?;
                self.note(wanted, Kind::Kept, start, self.kept.len());
            }
            (true, false) => scan::check_escapes(&self.text[at + 1..end - 1]).ok_or(Wrong::NotJson(at))?,
            (false, _) => self.note(wanted, Kind::Text, at + 1, end - 1),
        }
        Ok(end)
    }

    fn object(&mut self, at: usize, wanted: Option<Wanted>, depth: usize) -> Step {
        if depth > DEPTH_MAX {
            return Err(Wrong::TooDeep);
        }
        let mut here = self.space(at + 1);
        if self.byte(here) == b'}' {
            self.note(wanted, Kind::Nested, at, here + 1);
            return Ok(here + 1);
        }
        let inner = wanted.filter(|wanted| !self.shape.nodes[wanted.node].keys.is_empty());
        loop {
            if self.byte(here) != b'"' {
                return Err(Wrong::NotJson(here));
            }
            let (end, escaped) = string(self.text.as_bytes(), here).ok_or(Wrong::NotJson(here))?;
            let child = self.child(inner, here + 1, end - 1, escaped)?;
            here = self.space(end);
            if self.byte(here) != b':' {
                return Err(Wrong::NotJson(here));
            }
            here = self.space(here + 1);
            here = self.value(here, child, depth)?;
            here = self.space(here);
            match self.byte(here) {
                b',' => here = self.space(here + 1),
                b'}' => break,
                _ => return Err(Wrong::NotJson(here)),
            }
        }
        self.note(wanted, Kind::Nested, at, here + 1);
        Ok(here + 1)
    }

    /// The wanted node that a key leads to.
    fn child(&self, wanted: Option<Wanted>, start: usize, end: usize, escaped: bool) -> Result<Option<Wanted>, Wrong> {
        let key = &self.text[start..end];
        if escaped {
            // Writers hardly ever escape keys, so this may allocate.
            let mut plain = String::new();
            scan::unescape(key, &mut plain).ok_or(Wrong::NotJson(start))?;
            return Ok(wanted.and_then(|wanted| self.find(wanted, plain.as_bytes())));
        }
        Ok(wanted.and_then(|wanted| self.find(wanted, key.as_bytes())))
    }

    fn find(&self, wanted: Wanted, key: &[u8]) -> Option<Wanted> {
        let node = self.shape.nodes[wanted.node].keys.find(key)?;
        Some(Wanted { node, ..wanted })
    }

    fn array(&mut self, at: usize, wanted: Option<Wanted>, depth: usize) -> Step {
        if depth > DEPTH_MAX {
            return Err(Wrong::TooDeep);
        }
        let mut here = self.space(at + 1);
        if self.byte(here) == b']' {
            self.note(wanted, Kind::Nested, at, here + 1);
            return Ok(here + 1);
        }
        for index in 0.. {
            here = self.element(here, index, wanted, depth)?;
            here = self.space(here);
            match self.byte(here) {
                b',' => here = self.space(here + 1),
                b']' => break,
                _ => return Err(Wrong::NotJson(here)),
            }
        }
        self.note(wanted, Kind::Nested, at, here + 1);
        Ok(here + 1)
    }

    /// Walks an element once for everyone who wants it.
    fn element(&mut self, at: usize, index: usize, wanted: Option<Wanted>, depth: usize) -> Step {
        let Some(wanted) = wanted else { return self.value(at, None, depth) };
        let shape = self.shape;
        let node = &shape.nodes[wanted.node];
        let mut end = None;
        for &level in &node.each {
            let row = self.row(level, wanted.row, index)?;
            end = Some(self.value(at, Some(row), depth)?);
        }
        if let Some(&(_, child)) = node.indexes.iter().find(|&&(wanted_index, _)| wanted_index == index) {
            end = Some(self.value(at, Some(Wanted { node: child, ..wanted }), depth)?);
        }
        match end {
            Some(end) => Ok(end),
            None => self.value(at, None, depth),
        }
    }

    fn row(&mut self, level: usize, parent: usize, position: usize) -> Result<Wanted, Wrong> {
        self.elements += 1;
        if self.elements > ELEMENTS_MAX {
            return Err(Wrong::TooMany);
        }
        let row = self.levels[level].add(parent, position);
        Ok(Wanted { node: self.shape.levels[level].root, level, row })
    }
}
