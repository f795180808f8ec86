//! Cuts the text of a file into entries, holding no more of it than the entry being read and the chunk around it.
//! It does not look into entries: a wrong value inside one is found by whoever parses it.

mod gap;

use std::collections::HashMap;
use std::sync::Arc;

use super::chunk::{Chunk, Progress, Slot};
use super::problem::{BadEntry, Reason, shorten};
use super::scan::{BLOCK, Scanner};
use super::{Error, Limits};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Where the scan stands: before, inside or after the file's object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Before,
    Inside,
    After,
}

/// The entry whose end has not been seen yet. Positions count from the start of the text.
#[derive(Debug)]
struct Open {
    app_id: Result<u32, BadEntry>,
    start: u64,
    is_object: bool,
    too_deep: bool,
}

/// Fed through [`Splitter::buffer`], asked through [`Splitter::advance`] and emptied by [`Splitter::drain`].
#[derive(Debug)]
pub(super) struct Splitter {
    limits: Limits,
    buffer: Vec<u8>,
    /// The position of the buffer's first byte.
    base: u64,
    /// Bytes of the buffer the scanner has seen.
    scanned: usize,
    scanner: Scanner,
    stage: Stage,
    depth: u32,
    /// Where the last entry ended, or the object began.
    gap_start: u64,
    first_member: bool,
    open: Option<Open>,
    /// The chunk an app id was last seen in.
    seen: HashMap<u32, u32>,
    chunk_number: u32,
    slots: Vec<Slot>,
    repeated_here: Vec<u32>,
    cut: Vec<(Vec<Slot>, Vec<u32>)>,
    handed_on: u64,
    entries: u64,
    repeated: u64,
}

impl Splitter {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            buffer: Vec::new(),
            base: 0,
            scanned: 0,
            scanner: Scanner::default(),
            stage: Stage::Before,
            depth: 0,
            gap_start: 0,
            first_member: true,
            open: None,
            seen: HashMap::new(),
            chunk_number: 0,
            slots: Vec::new(),
            repeated_here: Vec::new(),
            cut: Vec::new(),
            handed_on: 0,
            entries: 0,
            repeated: 0,
        }
    }

    /// Where the next bytes of the file are to be appended.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// The position behind the last byte fed.
    pub(super) fn position(&self) -> u64 {
        self.base + self.buffer.len() as u64
    }

    /// Entries seen, and how many of them had an app id that had come before.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.entries, self.repeated)
    }

    /// Scans what was appended. After an error, what came before it can still be drained.
    pub(super) fn advance(&mut self, end_of_file: bool) -> Result<(), Error> {
        self.check_start(end_of_file)?;
        while let Some(block) = self.next_block(end_of_file) {
            let mut brackets = self.scanner.brackets(&block);
            while brackets != 0 {
                self.bracket(self.scanned + brackets.trailing_zeros() as usize)?;
                brackets &= brackets - 1;
            }
            self.scanned = (self.scanned + BLOCK).min(self.buffer.len());
        }
        self.check_rest(end_of_file)
    }

    /// The next 64 bytes; at the end of the file, what is left, filled up with spaces.
    fn next_block(&self, end_of_file: bool) -> Option<[u8; BLOCK]> {
        let rest = &self.buffer[self.scanned..];
        if let Some(block) = rest.first_chunk::<BLOCK>() {
            return Some(*block);
        }
        (end_of_file && !rest.is_empty()).then(|| {
            let mut block = [b' '; BLOCK];
            block[..rest.len()].copy_from_slice(rest);
            block
        })
    }

    #[inline]
    fn bracket(&mut self, index: usize) -> Result<(), Error> {
        let byte = self.buffer[index];
        let position = self.base + index as u64;
        match self.stage {
            Stage::Before => {
                self.stage = Stage::Inside;
                self.depth = 1;
                self.gap_start = position + 1;
            }
            // The bracket may stand in the midst of what should not be there: told is where that begins.
            Stage::After => return self.check_rest(false),
            Stage::Inside if matches!(byte, b'{' | b'[') => {
                if self.depth == 1 {
                    self.open_entry(index, byte == b'{')?;
                }
                self.depth += 1;
                if self.depth > self.limits.depth_max
                    && let Some(open) = &mut self.open
                {
                    open.too_deep = true;
                }
            }
            Stage::Inside => {
                self.depth -= 1;
                match self.depth {
                    0 => self.close_object(index, byte)?,
                    1 => self.close_entry(position + 1),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn open_entry(&mut self, index: usize, is_object: bool) -> Result<(), Error> {
        let position = self.base + index as u64;
        let key = self.read_gap(index, gap::End::Entry)?.ok_or_else(|| self.broken(position, "an app id in quotes before the entry"))?;
        self.count_entry(position)?;
        let app_id = match &key {
            gap::Key::AppId(app_id) => Ok(*app_id),
            gap::Key::Other(text) => Err(BadEntry::new(text, Reason::NotAnAppId)),
        };
        self.open = Some(Open { app_id, start: position, is_object, too_deep: false });
        Ok(())
    }

    fn close_entry(&mut self, end: u64) {
        let open = self.open.take().expect("depth 1 is reached from inside an entry only");
        self.gap_start = end;
        let slot = match self.judge(open, end) {
            Ok((app_id, start)) => {
                self.note_app_id(app_id);
                Slot::Game { app_id, start: self.index_of(start), end: self.index_of(end) }
            }
            Err(bad) => Slot::Bad(bad),
        };
        self.slots.push(slot);
    }

    fn judge(&self, open: Open, end: u64) -> Result<(u32, u64), BadEntry> {
        let app_id = open.app_id?;
        let bytes = end - open.start;
        let reason = if bytes > self.limits.entry_max_bytes {
            Reason::TooLarge { bytes, max: self.limits.entry_max_bytes }
        } else if !open.is_object {
            Reason::NotAnObject
        } else if open.too_deep {
            Reason::TooDeep { max: self.limits.depth_max }
        } else {
            return Ok((app_id, open.start));
        };
        Err(BadEntry::new(&app_id.to_string(), reason))
    }

    /// Ends the chunk before an app id that it holds already.
    fn note_app_id(&mut self, app_id: u32) {
        let Some(last) = self.seen.insert(app_id, self.chunk_number) else { return };
        if last == self.chunk_number {
            self.cut_chunk();
            self.seen.insert(app_id, self.chunk_number);
        }
        self.repeated += 1;
        self.repeated_here.push(app_id);
    }

    fn cut_chunk(&mut self) {
        self.chunk_number += 1;
        self.cut.push((std::mem::take(&mut self.slots), std::mem::take(&mut self.repeated_here)));
    }

    fn close_object(&mut self, index: usize, byte: u8) -> Result<(), Error> {
        if byte != b'}' {
            return Err(self.broken(self.base + index as u64, "`}` at the end of the file"));
        }
        self.read_gap(index, gap::End::Object)?;
        self.stage = Stage::After;
        self.gap_start = self.base + index as u64 + 1;
        Ok(())
    }

    /// Reads what stands between the last entry and `index`: members whose values are no objects, and the next key.
    fn read_gap(&mut self, index: usize, end: gap::End) -> Result<Option<gap::Key>, Error> {
        self.check_gap_length(index)?;
        let from = self.index_of(self.gap_start);
        let found = gap::read(&self.buffer[from..index], self.first_member, end);
        let found = found.map_err(|wrong| self.broken(self.gap_start + wrong.at as u64, wrong.expected))?;
        self.first_member = false;
        for key in found.without_object {
            self.count_entry(self.gap_start)?;
            self.slots.push(Slot::Bad(BadEntry::new(&key.to_string(), Reason::NotAnObject)));
        }
        Ok(found.key)
    }

    fn count_entry(&mut self, position: u64) -> Result<(), Error> {
        self.entries += 1;
        let max = self.limits.entries_max;
        if self.entries > max { Err(Error::TooManyEntries { position, max }) } else { Ok(()) }
    }

    fn check_start(&mut self, end_of_file: bool) -> Result<(), Error> {
        if self.stage != Stage::Before || (self.buffer.len() < BYTE_ORDER_MARK.len() && !end_of_file) {
            return Ok(());
        }
        if self.base == 0 && self.buffer.starts_with(BYTE_ORDER_MARK) {
            self.buffer.drain(..BYTE_ORDER_MARK.len());
            self.base = BYTE_ORDER_MARK.len() as u64;
        } else if self.base == 0 && !self.buffer.is_empty() && BYTE_ORDER_MARK.starts_with(&self.buffer) {
            return Err(Error::Truncated { position: self.position(), expected: "the rest of the byte order mark and `{`" });
        }
        match self.buffer.iter().position(|byte| !gap::is_space(*byte)) {
            Some(first) if self.buffer[first] != b'{' => {
                Err(self.broken(self.base + first as u64, "`{` and entries such as \"730\": {\"name\": …}"))
            }
            Some(_) => Ok(()),
            None => self.drop_spaces(end_of_file),
        }
    }

    fn drop_spaces(&mut self, end_of_file: bool) -> Result<(), Error> {
        self.base = self.position();
        self.buffer.clear();
        self.scanned = 0;
        if end_of_file { Err(Error::Truncated { position: self.base, expected: "`{`" }) } else { Ok(()) }
    }

    /// Checks what no bracket will: text after the object, a gap without end, and the end of the file.
    fn check_rest(&mut self, end_of_file: bool) -> Result<(), Error> {
        match self.stage {
            Stage::After => {
                let from = self.index_of(self.gap_start);
                if let Some(at) = self.buffer[from..].iter().position(|byte| !gap::is_space(*byte)) {
                    return Err(self.broken(self.gap_start + at as u64, "the end of the file"));
                }
                self.gap_start = self.position();
                Ok(())
            }
            _ if end_of_file => {
                let expected = if self.open.is_some() { "the rest of the entry" } else { "another entry or `}`" };
                Err(Error::Truncated { position: self.position(), expected })
            }
            Stage::Inside if self.open.is_none() => self.check_gap_length(self.buffer.len()),
            _ => Ok(()),
        }
    }

    fn check_gap_length(&self, index: usize) -> Result<(), Error> {
        let gap = self.base + index as u64 - self.gap_start;
        if gap > self.limits.gap_max_bytes {
            Err(self.broken(self.gap_start, "a comma and the next entry close by, or `}`"))
        } else {
            Ok(())
        }
    }

    /// Hands on the entries found so far and keeps the bytes of the open one.
    pub(super) fn drain(&mut self, progress: Progress) -> Vec<Chunk> {
        let keep_from = match &self.open {
            // An entry that is too large already is judged by its length alone; its bytes are let go.
            Some(open) if self.position() - open.start > self.limits.entry_max_bytes => self.scanned,
            Some(open) => self.index_of(open.start),
            None => self.index_of(self.gap_start.max(self.base)),
        };
        if !self.slots.is_empty() {
            self.cut_chunk();
        }
        let cut = std::mem::take(&mut self.cut);
        if !cut.is_empty() {
            return self.hand_on(cut, keep_from, progress);
        }
        if keep_from >= self.scanned {
            self.buffer.drain(..keep_from);
            self.forget(keep_from);
        }
        Vec::new()
    }

    fn hand_on(&mut self, cut: Vec<(Vec<Slot>, Vec<u32>)>, keep_from: usize, progress: Progress) -> Vec<Chunk> {
        let mut next = Vec::with_capacity(self.buffer.len() - keep_from + self.limits.chunk_bytes);
        next.extend_from_slice(&self.buffer[keep_from..]);
        let mut bytes = std::mem::replace(&mut self.buffer, next);
        bytes.truncate(keep_from);
        self.forget(keep_from);
        let bytes = Arc::new(bytes);
        let mut chunks = Vec::with_capacity(cut.len());
        for (slots, repeated) in cut {
            let first_entry = self.handed_on;
            self.handed_on += slots.len() as u64;
            chunks.push(Chunk::new(Arc::clone(&bytes), slots, repeated, first_entry, progress));
        }
        chunks
    }

    fn forget(&mut self, bytes: usize) {
        self.base += bytes as u64;
        // White space behind the object, and what follows an error, is let go unscanned.
        self.scanned = self.scanned.saturating_sub(bytes);
    }

    fn index_of(&self, position: u64) -> usize {
        usize::try_from(position - self.base).expect("the buffer fits the memory")
    }

    fn broken(&self, position: u64, expected: &'static str) -> Error {
        let rest = &self.buffer[self.index_of(position).min(self.buffer.len())..];
        if rest.is_empty() {
            return Error::Truncated { position, expected };
        }
        let found = format!("`{}`", shorten(&String::from_utf8_lossy(&rest[..rest.len().min(24)]), 24));
        Error::Broken { position, expected, found }
    }
}
