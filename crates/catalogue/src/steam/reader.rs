//! Reads a file on a thread of its own and offers it chunk by chunk.
//! At most a few chunks wait: a slow caller slows the reading down, it does not fill the memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::source::{Format, Source};
use super::split::Splitter;
use super::{Chunk, Error, Limits, Progress};

/// Chunks that may wait for the caller.
const CHUNKS_WAITING_MAX: usize = 3;

/// What is known once the whole file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Of the raw bytes, as `sha256sum` prints it.
    pub sha256: [u8; 32],
    /// The file's length.
    pub raw_bytes: u64,
    /// Bytes of JSON after decompression.
    pub json_bytes: u64,
    /// Entries, bad ones included.
    pub entries: u64,
    /// Entries whose app id had occurred before.
    pub repeated: u64,
    /// How the file was packed.
    pub format: Format,
}

enum Message {
    Chunk(Chunk),
    Failed(Error),
    Done(Summary),
}

/// An iterator of [`Chunk`]s. It may be shared behind a mutex by threads that parse; dropping it ends the reading.
pub struct Reader {
    messages: Receiver<Message>,
    ended: bool,
    summary: Option<Summary>,
}

impl Reader {
    /// Opens a plain, gzip or zstd file.
    ///
    /// # Errors
    /// [`Error::Open`]; everything later comes out of the iterator.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_within(path, Limits::default())
    }

    /// [`Reader::open`] with other limits.
    ///
    /// # Errors
    /// [`Error::Open`].
    pub fn open_within(path: impl AsRef<Path>, limits: Limits) -> Result<Self, Error> {
        let path = path.as_ref();
        let open = || {
            let file = File::open(path)?;
            let about = file.metadata()?;
            if about.is_dir() {
                return Err(io::Error::from(io::ErrorKind::IsADirectory));
            }
            Self::from_read(file, about.is_file().then_some(about.len()), limits)
        };
        open().map_err(|source| Error::Open { path: path.display().to_string(), source })
    }

    /// Reads from anything, such as an upload; `total_bytes` is for the progress only.
    ///
    /// # Errors
    /// What the system answers when it refuses another thread.
    pub fn from_read(raw: impl Read + Send + 'static, total_bytes: Option<u64>, limits: Limits) -> io::Result<Self> {
        let (sender, messages) = sync_channel(CHUNKS_WAITING_MAX);
        thread::Builder::new().name("steam-reader".to_owned()).spawn(move || {
            let last = match read_all(raw, total_bytes, limits, &sender) {
                Ok(Some(summary)) => Message::Done(summary),
                Ok(None) => return,
                Err(error) => Message::Failed(error),
            };
            // A caller that is gone needs no answer.
            drop(sender.send(last));
        })?;
        Ok(Self { messages, ended: false, summary: None })
    }

    /// What the whole file amounts to; present once the iterator has ended without an error.
    pub fn summary(&self) -> Option<&Summary> {
        self.summary.as_ref()
    }
}

impl Iterator for Reader {
    type Item = Result<Chunk, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let message = self.messages.recv();
        self.ended = !matches!(message, Ok(Message::Chunk(_)));
        match message {
            Ok(Message::Chunk(chunk)) => Some(Ok(chunk)),
            Ok(Message::Failed(error)) => Some(Err(error)),
            Ok(Message::Done(summary)) => {
                self.summary = Some(summary);
                None
            }
            Err(_) => Some(Err(Error::Read { position: 0, source: io::Error::other("the reading thread died") })),
        }
    }
}

/// `None` when the caller has gone.
fn read_all(
    raw: impl Read + Send + 'static,
    total_bytes: Option<u64>,
    limits: Limits,
    sender: &SyncSender<Message>,
) -> Result<Option<Summary>, Error> {
    let mut source = Source::new(raw).map_err(|source| Error::Read { position: 0, source })?;
    let mut splitter = Splitter::new(limits);
    loop {
        let count = source.read_into(splitter.buffer(), limits.chunk_bytes);
        let end_of_file = matches!(count, Ok(0));
        let outcome = splitter.advance(end_of_file);
        for chunk in splitter.drain(Progress { read_bytes: source.raw_bytes(), total_bytes }) {
            if sender.send(Message::Chunk(chunk)).is_err() {
                return Ok(None);
            }
        }
        outcome?;
        count.map_err(|error| read_error(&splitter, error))?;
        if end_of_file {
            return Ok(Some(summarise(&source, &splitter)));
        }
    }
}

/// A packed file that ends too early is cut off like a plain one, whatever the decompressor calls it.
fn read_error(splitter: &Splitter, source: io::Error) -> Error {
    let position = splitter.position();
    match source.kind() {
        io::ErrorKind::UnexpectedEof => Error::Truncated { position, expected: "more compressed data" },
        _ => Error::Read { position, source },
    }
}

fn summarise(source: &Source, splitter: &Splitter) -> Summary {
    let (entries, repeated) = splitter.counts();
    Summary {
        sha256: source.sha256(),
        raw_bytes: source.raw_bytes(),
        json_bytes: splitter.position(),
        entries,
        repeated,
        format: source.format(),
    }
}
