//! Files of records, a line each: plain, gzip or zstd, told by their first bytes.
//! Refuses to hold a line longer than a record may be: its rest is passed over and the line is marked as cut.

use super::{PartitionLog, Trouble};
use crate::guard::Bounds;
use crate::record::{Batch, RECORD_MAX, ReadLimit, UNKNOWN_TIME};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Window of a packed file, in bits: 8 MiB. A file may ask for more memory than that; it does not get it.
pub(crate) const WINDOW_LOG_MAX: u32 = 23;

/// A file's lines, numbered from 0.
pub struct Lines {
    path: PathBuf,
    reading: Box<dyn BufRead + Send>,
    line: Vec<u8>,
    next: i64,
    is_at_end: bool,
}

impl Lines {
    /// Opens a file.
    pub fn open(path: &Path) -> Result<Lines, Trouble> {
        let reading = reader(path).map_err(|e| Trouble::NoSuch(format!("{}: {e}", path.display())))?;
        Ok(Lines { path: path.to_owned(), reading, line: Vec::new(), next: 0, is_at_end: false })
    }

    fn failed(&self, error: &io::Error) -> Trouble {
        Trouble::Damaged(format!("{}, line {}: {error}", self.path.display(), self.next + 1))
    }
}

fn reader(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
    let start = file.fill_buf()?;
    Ok(if start.starts_with(&[0x1f, 0x8b]) {
        Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file)))
    } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let mut unpacking = zstd::stream::read::Decoder::with_buffer(file)?;
        unpacking.window_log_max(WINDOW_LOG_MAX)?;
        Box::new(BufReader::with_capacity(1 << 16, unpacking))
    } else {
        Box::new(file)
    })
}

/// Reads a line without its end into `line`, at most [`RECORD_MAX`] bytes of it. None at the end; true when it was cut.
pub(crate) fn read_line(reading: &mut (impl BufRead + ?Sized), line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    line.clear();
    if Read::take(&mut *reading, RECORD_MAX as u64 + 1).read_until(b'\n', line)? == 0 {
        return Ok(None);
    }
    let mut is_cut = false;
    if line.last() == Some(&b'\n') {
        line.pop();
        line.pop_if(|byte| *byte == b'\r');
    } else if line.len() > RECORD_MAX {
        is_cut = true;
        line.truncate(RECORD_MAX);
        skip_line(reading)?;
    }
    Ok(Some(is_cut))
}

fn skip_line(reading: &mut (impl BufRead + ?Sized)) -> io::Result<()> {
    loop {
        let here = reading.fill_buf()?;
        let (used, is_done) = match memchr::memchr(b'\n', here) {
            Some(at) => (at + 1, true),
            None => (here.len(), here.is_empty()),
        };
        reading.consume(used);
        if is_done {
            return Ok(());
        }
    }
}

impl PartitionLog for Lines {
    fn bounds(&mut self) -> Result<Bounds, Trouble> {
        Ok(Bounds { topic_id: [0; 16], first: 0, end: i64::MAX })
    }

    fn seek(&mut self, offset: i64) -> Result<(), Trouble> {
        if offset < self.next {
            *self = Lines::open(&self.path)?;
        }
        let mut skipped = Vec::new();
        while self.next < offset {
            match read_line(&mut *self.reading, &mut skipped).map_err(|e| self.failed(&e))? {
                Some(_) => self.next += 1,
                None => return Err(Trouble::OutOfRange(format!("{} has {} lines", self.path.display(), self.next))),
            }
        }
        Ok(())
    }

    fn read(&mut self, batch: &mut Batch, limit: &ReadLimit, _wait: Duration) -> Result<(), Trouble> {
        while !limit.is_reached(batch) {
            let mut line = std::mem::take(&mut self.line);
            let read = read_line(&mut *self.reading, &mut line);
            self.line = line;
            match read.map_err(|e| self.failed(&e))? {
                None => {
                    self.is_at_end = true;
                    return Ok(());
                }
                // Files end with an empty line, and people part blocks by them.
                Some(_) if self.line.is_empty() => self.next += 1,
                Some(is_cut) => {
                    batch.push_cut(self.next, UNKNOWN_TIME, b"", &self.line, is_cut);
                    self.next += 1;
                }
            }
        }
        Ok(())
    }

    fn end(&self) -> Option<i64> {
        self.is_at_end.then_some(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn all(path: &Path) -> Vec<(i64, Vec<u8>, bool)> {
        let mut lines = Lines::open(path).unwrap();
        let mut batch = Batch::default();
        lines.read(&mut batch, &ReadLimit { records: usize::MAX, bytes: usize::MAX }, Duration::ZERO).unwrap();
        batch.iter().map(|record| (record.offset, record.value.to_vec(), record.is_cut)).collect()
    }

    #[test]
    fn plain_gzip_and_zstd_files_read_alike() {
        let folder = tempfile::tempdir().unwrap();
        let text = b"{\"a\":1}\r\nsecond\n\nlast without an end";
        let expected: Vec<(i64, Vec<u8>, bool)> =
            vec![(0, b"{\"a\":1}".to_vec(), false), (1, b"second".to_vec(), false), (3, b"last without an end".to_vec(), false)];
        let plain = folder.path().join("plain");
        std::fs::write(&plain, text).unwrap();
        let packed = folder.path().join("gz");
        let mut gzip = flate2::write::GzEncoder::new(File::create(&packed).unwrap(), flate2::Compression::fast());
        gzip.write_all(text).unwrap();
        gzip.finish().unwrap();
        let zstd = folder.path().join("zst");
        std::fs::write(&zstd, zstd::encode_all(&text[..], 1).unwrap()).unwrap();
        for path in [plain, packed, zstd] {
            assert_eq!(all(&path), expected, "{}", path.display());
        }
    }

    #[test]
    fn a_line_of_a_hundred_megabytes_is_cut_and_the_next_one_is_whole() {
        let long = io::repeat(b'x').take(100 << 20);
        let mut reading = BufReader::new(long.chain(&b"\nnext\n"[..]));
        let mut line = Vec::new();
        assert_eq!(read_line(&mut reading, &mut line).unwrap(), Some(true));
        assert!(line.len() == RECORD_MAX && line.capacity() < 4 * RECORD_MAX);
        assert_eq!(read_line(&mut reading, &mut line).unwrap(), Some(false));
        assert_eq!(line, b"next");
        assert_eq!(read_line(&mut reading, &mut line).unwrap(), None);
    }

    #[test]
    fn a_file_goes_on_where_it_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        std::fs::write(&path, "a\nb\nc\n").unwrap();
        let mut lines = Lines::open(&path).unwrap();
        for at in [2, 0, 1] {
            let mut batch = Batch::default();
            lines.seek(at).unwrap();
            lines.read(&mut batch, &ReadLimit { records: 1, bytes: 1 << 20 }, Duration::ZERO).unwrap();
            assert_eq!(batch.get(0).offset, at);
        }
        assert!(matches!(lines.seek(9), Err(Trouble::OutOfRange(_))));
    }
}
