//! A handful of entries that travel to whichever thread parses them.
//! It owns the bytes it speaks about and knows nothing of the file they came from.

use std::sync::Arc;

use super::problem::{BadEntry, Reason};
use super::{SteamGame, fields};

/// How far the file has been read, in bytes as they lie on the disk, for a bar with rate and time left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read so far.
    pub read_bytes: u64,
    /// The file's length, where it is known.
    pub total_bytes: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Slot {
    Game { app_id: u32, start: usize, end: usize },
    Bad(BadEntry),
}

/// Entries in file order; no app id occurs twice.
#[derive(Debug, Clone)]
pub struct Chunk {
    bytes: Arc<Vec<u8>>,
    slots: Vec<Slot>,
    repeated: Vec<u32>,
    first_entry: u64,
    progress: Progress,
}

impl Chunk {
    pub(super) fn new(bytes: Arc<Vec<u8>>, slots: Vec<Slot>, repeated: Vec<u32>, first_entry: u64, progress: Progress) -> Self {
        Self { bytes, slots, repeated, first_entry, progress }
    }

    /// Entries, bad ones included; never 0.
    #[expect(clippy::len_without_is_empty, reason = "a chunk is never empty")]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many entries of the file come before this chunk: chunks parsed side by side are put in order by it.
    pub fn first_entry(&self) -> u64 {
        self.first_entry
    }

    /// App ids of this chunk that had occurred earlier in the file.
    pub fn repeated(&self) -> &[u32] {
        &self.repeated
    }

    /// How far the file had been read when this chunk was cut.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// App ids with the JSON of their entries; bad entries that never had any are left out.
    pub fn entries(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Game { app_id, start, end } => Some((*app_id, &self.bytes[*start..*end])),
            Slot::Bad(_) => None,
        })
    }

    /// Parses the entries, in file order. The games borrow their texts from the chunk.
    pub fn games(&self) -> impl Iterator<Item = Result<SteamGame<'_>, BadEntry>> {
        // Checking the whole chunk at once is many times faster than checking each entry. The bytes may be shared with
        // other chunks, so only the part that is this chunk's own is looked at.
        let own = self.own_range();
        let offset = own.start;
        let text = std::str::from_utf8(&self.bytes[own]).ok();
        self.slots.iter().map(move |slot| match slot {
            Slot::Bad(bad) => Err(bad.clone()),
            Slot::Game { app_id, start, end } => {
                let entry = match text {
                    Some(text) => Ok(&text[start - offset..end - offset]),
                    None => std::str::from_utf8(&self.bytes[*start..*end]),
                };
                entry
                    .map_err(|wrong| Reason::NotUtf8 { at: wrong.valid_up_to() })
                    .and_then(|entry| fields::parse(*app_id, entry))
                    .map_err(|reason| BadEntry::new(&app_id.to_string(), reason))
            }
        })
    }

    /// From the first entry's opening brace to the last one's closing brace.
    fn own_range(&self) -> std::ops::Range<usize> {
        let mut games = self.slots.iter().filter_map(|slot| match slot {
            Slot::Game { start, end, .. } => Some((*start, *end)),
            Slot::Bad(_) => None,
        });
        let Some((start, first_end)) = games.next() else { return 0..0 };
        start..games.next_back().map_or(first_end, |(_, end)| end)
    }
}
