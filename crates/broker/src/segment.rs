//! One segment file: found again batch by batch when the log opens, read from any offset by a sparse index.
//! Refuses to write: the partition's one writer does that and publishes here what is durable.

use crate::Error;
use crate::batch::{self, HEADER, Header};
use bytes::Bytes;
use parking_lot::RwLock;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One index entry per so many bytes: 100 GB of log cost 37 MB of memory.
const INDEX_EVERY: u64 = 64 << 10;
const WINDOW: usize = 64 << 10;

/// Where a batch begins.
#[derive(Debug, Clone, Copy)]
struct Entry {
    offset: i64,
    at: u64,
    /// The newest stamp of everything before it, in milliseconds.
    newest_before: i64,
}

#[derive(Debug, Default)]
struct State {
    /// Durable bytes; nobody reads beyond.
    size: u64,
    index: Vec<Entry>,
    oldest_ms: Option<i64>,
    newest_ms: i64,
    /// The open file while this is the newest segment.
    file: Option<Arc<File>>,
}

/// A segment and what of it may be read.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Offset of its first record.
    pub(crate) base: i64,
    pub(crate) path: PathBuf,
    state: RwLock<State>,
}

/// What a walk over a file found.
#[derive(Debug)]
pub(crate) struct Walk {
    /// Bytes of whole, good batches.
    pub(crate) good: u64,
    /// The offset after them.
    pub(crate) next: i64,
    /// Why it ended before the end of the file, if it did.
    pub(crate) broken: Option<String>,
}

impl Segment {
    pub(crate) fn new(folder: &Path, base: i64, file: Option<Arc<File>>) -> Segment {
        let newest_ms = i64::MIN;
        Segment { base, path: folder.join(file_name(base)), state: RwLock::new(State { file, newest_ms, ..State::default() }) }
    }

    /// Makes a batch visible that lies durable at `at`.
    pub(crate) fn publish(&self, header: &Header, at: u64) {
        let mut state = self.state.write();
        if state.index.last().is_none_or(|entry| at >= entry.at + INDEX_EVERY) {
            let newest_before = state.newest_ms;
            state.index.push(Entry { offset: header.base_offset, at, newest_before });
        }
        state.size = at + header.length as u64;
        state.newest_ms = state.newest_ms.max(header.max_time);
        state.oldest_ms = state.oldest_ms.or(Some(header.max_time));
    }

    /// Keeps the file open while this segment is written.
    pub(crate) fn keep(&self, file: Arc<File>) {
        self.state.write().file = Some(file);
    }

    /// Closes the file of a segment that is not written any more.
    pub(crate) fn close(&self) {
        self.state.write().file = None;
    }

    pub(crate) fn size(&self) -> u64 {
        self.state.read().size
    }

    /// The newest stamp in it, in milliseconds; the smallest number when it is empty.
    pub(crate) fn newest_ms(&self) -> i64 {
        self.state.read().newest_ms
    }

    pub(crate) fn oldest_ms(&self) -> Option<i64> {
        self.state.read().oldest_ms
    }

    /// Whole batches from the one that holds `offset` on: as many as fit into `max_bytes`, and at least one.
    pub(crate) fn read(&self, offset: i64, max_bytes: usize) -> Result<Bytes, Error> {
        let (from, size) = {
            let state = self.state.read();
            let place = state.index.partition_point(|entry| entry.offset <= offset);
            (state.index.get(place.wrapping_sub(1)).map_or(0, |entry| entry.at), state.size)
        };
        let file = self.file()?;
        let (mut begin, mut window) = (from, Bytes::new());
        let mut wanted = max_bytes.saturating_add(WINDOW);
        loop {
            window = if window.is_empty() { self.window(&file, begin, size, wanted)? } else { window };
            if window.is_empty() {
                return Ok(window);
            }
            let skipped = self.skip(&window, offset, begin)?;
            match whole(&window[skipped..], max_bytes) {
                Some(length) => return Ok(window.slice(skipped..skipped + length)),
                // The window ends within the batch: it begins there next time, and holds it.
                None => {
                    begin += skipped as u64;
                    let held = Header::parse(&window[skipped..]).map_or(0, |header| header.length);
                    wanted = wanted.max(held);
                    if skipped == 0 && window.len() as u64 >= size - begin {
                        return Err(self.corrupt(begin, "a batch does not end within the segment"));
                    }
                    window = Bytes::new();
                }
            }
        }
    }

    /// The first offset whose stamp is not before `at_ms`, with that stamp, where stamps were given by the log or the batch is enough.
    pub(crate) fn batch_at(&self, at_ms: i64) -> Result<Option<Header>, Error> {
        let (mut at, size) = {
            let state = self.state.read();
            let place = state.index.partition_point(|entry| entry.newest_before < at_ms);
            (state.index.get(place.wrapping_sub(1)).map_or(0, |entry| entry.at), state.size)
        };
        let file = self.file()?;
        while at < size {
            let header = Header::parse(&self.window(&file, at, size, HEADER)?).map_err(|error| self.corrupt(at, &error.to_string()))?;
            if header.max_time >= at_ms {
                return Ok(Some(header));
            }
            at += header.length as u64;
        }
        Ok(None)
    }

    fn file(&self) -> Result<Arc<File>, Error> {
        if let Some(file) = &self.state.read().file {
            return Ok(file.clone());
        }
        File::open(&self.path).map(Arc::new).map_err(|error| Error::io("opening", &self.path, &error))
    }

    fn window(&self, file: &File, at: u64, size: u64, wanted: usize) -> Result<Bytes, Error> {
        let length = usize::try_from(size.saturating_sub(at)).unwrap_or(usize::MAX).min(wanted);
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, at).map_err(|error| Error::io("reading", &self.path, &error))?;
        Ok(Bytes::from(bytes))
    }

    /// Bytes of the batches before `offset`, as far as the window shows whole headers.
    fn skip(&self, window: &[u8], offset: i64, begin: u64) -> Result<usize, Error> {
        let mut at = 0;
        while window.len() - at >= HEADER {
            let header = Header::parse(&window[at..]).map_err(|error| self.corrupt(begin + at as u64, &error.to_string()))?;
            if header.last_offset() >= offset || at + header.length > window.len() {
                break;
            }
            at += header.length;
        }
        Ok(at)
    }

    fn corrupt(&self, at: u64, reason: &str) -> Error {
        Error::Corrupt { place: format!("{} at byte {at}", self.path.display()), reason: reason.to_owned() }
    }
}

/// The name of the segment that begins with this offset; names sort as offsets do.
pub(crate) fn file_name(base: i64) -> String {
    format!("{base:020}.log")
}

/// The base offset a file's name says, if it is a segment's.
pub(crate) fn base_of(path: &Path) -> Option<i64> {
    let name = path.file_name()?.to_str()?.strip_suffix(".log")?;
    (name.len() == 20).then(|| name.parse().ok()).flatten()
}

/// Bytes of the whole batches at the beginning: as many as fit into `max_bytes`, at least one; none when not even one is whole.
fn whole(window: &[u8], max_bytes: usize) -> Option<usize> {
    let mut length = 0;
    while let Ok(header) = Header::parse(&window[length..]) {
        let end = length + header.length;
        if end > window.len() || (length > 0 && end > max_bytes) {
            break;
        }
        length = end;
    }
    (length > 0).then_some(length)
}

/// Visits every batch of a file from its beginning until the first that is not whole, not in sequence or, `deep`, does not match its checksum.
/// A crash can only have torn what nobody was told of, because an append is answered after its fsync.
pub(crate) fn walk(file: &File, base: i64, deep: bool, each: &mut dyn FnMut(&Header, u64)) -> std::io::Result<Walk> {
    let size = file.metadata()?.len();
    let (mut at, mut next) = (0u64, base);
    let (mut window, mut begin) = (Vec::new(), 0u64);
    while at < size {
        let left = usize::try_from(size - at).unwrap_or(usize::MAX);
        if !holds(&window, begin, at, HEADER.min(left)) {
            begin = at;
            fill(file, &mut window, at, WINDOW.min(left))?;
        }
        let header = match Header::parse(&window[place(begin, at)..]) {
            Ok(header) if header.length > left => {
                return Ok(ended(at, next, format!("a batch of {} bytes ends beyond the file", header.length)));
            }
            Ok(header) if header.base_offset != next => {
                return Ok(ended(at, next, format!("a batch says offset {}, {next} would be next", header.base_offset)));
            }
            Ok(header) => header,
            Err(error) => return Ok(ended(at, next, error.to_string())),
        };
        if deep {
            if !holds(&window, begin, at, header.length) {
                begin = at;
                fill(file, &mut window, at, header.length.max(WINDOW).min(left))?;
            }
            let from = place(begin, at);
            let computed = batch::checksum(&window[from..from + header.length]);
            if computed != header.crc {
                return Ok(ended(at, next, Error::BadChecksum { found: header.crc, computed }.to_string()));
            }
        }
        each(&header, at);
        next = header.last_offset() + 1;
        at += header.length as u64;
    }
    Ok(Walk { good: at, next, broken: None })
}

fn ended(good: u64, next: i64, reason: String) -> Walk {
    Walk { good, next, broken: Some(reason) }
}

fn place(begin: u64, at: u64) -> usize {
    usize::try_from(at - begin).unwrap_or(usize::MAX)
}

fn holds(window: &[u8], begin: u64, at: u64, length: usize) -> bool {
    at >= begin && place(begin, at).saturating_add(length) <= window.len()
}

fn fill(file: &File, window: &mut Vec<u8>, at: u64, length: usize) -> std::io::Result<()> {
    window.resize(length, 0);
    file.read_exact_at(window, at)
}
