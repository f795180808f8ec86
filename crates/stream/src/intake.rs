//! Logs that come by HTTP: unpacked, cut into lines and appended to the game's topic; answered when they are durable.
//! Refuses bodies beyond the limit once unpacked, and to hold more of one than a few megabytes.

mod append;
mod body;

pub(crate) use append::Intake;
pub use append::murmur2;
pub(crate) use body::{Chunks, Coding};

use crate::record::Batch;
use crate::source::files::read_line;
use kernel::{Code, Instant, Refusal};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, Read};

/// What was taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Taken {
    /// Lines that are in the log now; empty ones are none.
    pub accepted: u64,
    /// Of these, lines longer than a record may be: only their start was kept, and they will be dead letters.
    pub too_long: u64,
}

/// Why taking ended before the body did.
pub(crate) enum Stopped {
    /// The body is larger than the limit once unpacked.
    TooLarge(u64),
    /// It is not what its `Content-Encoding` says, or it broke off.
    Unreadable(String),
    /// The log did not take lines.
    Log(String),
}

impl Stopped {
    /// What the caller is told; what was accepted before stays in the log.
    pub(crate) fn refusal(&self, taken: &Taken) -> Refusal {
        let facts = serde_json::json!({ "accepted": taken.accepted, "too_long": taken.too_long });
        let accepted = taken.accepted;
        let refusal = match self {
            Stopped::TooLarge(limit) => Refusal::new(
                Code::BodyTooLarge,
                format!("the body has more than {limit} bytes once unpacked; its first {accepted} lines are in the log"),
            ),
            Stopped::Unreadable(why) => {
                Refusal::new(Code::BadBody, format!("the body cannot be read on: {why}; its first {accepted} lines are in the log"))
            }
            Stopped::Log(why) => Refusal::new(
                Code::Unavailable,
                format!("the log does not take lines now: {why}; at least the first {accepted} lines are in it"),
            ),
        };
        refusal.with_facts(facts)
    }
}

/// Lines that are appended together.
const LINES_AT_ONCE: usize = 10_000;

/// Reads a body's lines and hands them over in batches, each of which is durable before the next is read. Blocks.
pub(crate) fn take(
    body: Chunks,
    coding: Coding,
    body_max: u64,
    waiting_bytes_max: usize,
    taken: &mut Taken,
    append: &mut dyn FnMut(&Batch) -> Result<(), String>,
) -> Result<(), Stopped> {
    let unpacked = coding.unpack(body).map_err(|e| Stopped::Unreadable(e.to_string()))?;
    let mut reading = BufReader::with_capacity(1 << 16, Counted { from: unpacked, left: body_max });
    let (mut batch, mut line, mut too_long) = (Batch::default(), Vec::new(), 0);
    loop {
        let is_cut = next(&mut reading, &mut line, body_max)?;
        if let Some(is_cut) = is_cut.filter(|_| !line.is_empty()) {
            too_long += u64::from(is_cut);
            let at = i64::try_from(batch.len()).unwrap_or(i64::MAX);
            batch.push_cut(at, Instant(0), b"", &line, is_cut);
        }
        let is_full = batch.len() >= LINES_AT_ONCE || batch.bytes() >= waiting_bytes_max;
        if !batch.is_empty() && (is_full || is_cut.is_none()) {
            append(&batch).map_err(Stopped::Log)?;
            taken.accepted += batch.len() as u64;
            taken.too_long += std::mem::take(&mut too_long);
            batch.clear();
        }
        if is_cut.is_none() {
            return Ok(());
        }
    }
}

fn next(reading: &mut impl BufRead, line: &mut Vec<u8>, body_max: u64) -> Result<Option<bool>, Stopped> {
    read_line(reading, line).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => Stopped::TooLarge(body_max),
        _ => Stopped::Unreadable(error.to_string()),
    })
}

/// Counts what is read, and fails beyond the limit.
struct Counted<R> {
    from: R,
    left: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(into)?;
        self.left = self.left.checked_sub(read as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RECORD_MAX;

    fn run(packed: Vec<u8>, coding: Coding, body_max: u64) -> (Taken, Vec<Vec<u8>>, Result<(), Stopped>) {
        let (mut taken, mut lines) = (Taken::default(), Vec::new());
        let mut most = 0;
        let ended = take(Chunks::whole(packed), coding, body_max, 1 << 20, &mut taken, &mut |batch| {
            most = most.max(batch.bytes());
            lines.extend(batch.iter().map(|record| record.value.to_vec()));
            Ok(())
        });
        assert!(most < (1 << 20) + RECORD_MAX + 64, "{most} bytes waited");
        (taken, lines, ended)
    }

    #[test]
    fn lines_are_taken_plain_and_packed() {
        let text = b"{\"a\":1}\n\r\n{\"a\":2}\r\nlast".to_vec();
        let expected: Vec<Vec<u8>> = vec![b"{\"a\":1}".to_vec(), b"{\"a\":2}".to_vec(), b"last".to_vec()];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut gzip, &text).unwrap();
        let bodies = [
            (text.clone(), Coding::Plain),
            (gzip.finish().unwrap(), Coding::Gzip),
            (zstd::encode_all(&text[..], 1).unwrap(), Coding::Zstd),
        ];
        for (body, coding) in bodies {
            let (taken, lines, ended) = run(body, coding, 1 << 20);
            assert!(ended.is_ok());
            assert_eq!((taken.accepted, lines), (3, expected.clone()));
        }
    }

    #[test]
    fn a_small_body_that_unpacks_to_gigabytes_is_refused_in_little_memory() {
        let bomb = zstd::encode_all(io::repeat(b'x').take(1 << 30), 1).unwrap();
        assert!(bomb.len() < 1 << 20);
        let (taken, _, ended) = run(bomb, Coding::Zstd, 64 << 20);
        assert!(matches!(ended, Err(Stopped::TooLarge(_))));
        assert_eq!(taken.accepted, 0);
    }

    #[test]
    fn a_huge_line_is_cut_and_marked_and_its_neighbours_are_whole() {
        let mut body = b"before\n".to_vec();
        body.extend(std::iter::repeat_n(b'x', 100 << 20));
        body.extend(b"\nafter\n");
        let (taken, lines, ended) = run(body, Coding::Plain, 256 << 20);
        assert!(ended.is_ok());
        assert_eq!((taken.accepted, taken.too_long), (3, 1));
        assert_eq!((lines[0].as_slice(), lines[2].as_slice()), (&b"before"[..], &b"after"[..]));
    }

    #[test]
    fn a_body_that_is_not_what_it_says_is_told_with_what_was_taken() {
        let (_, _, ended) = run(b"not gzip".to_vec(), Coding::Gzip, 1 << 20);
        assert!(matches!(ended, Err(Stopped::Unreadable(_))));
        let mut packed = zstd::encode_all(&b"a\nb\n"[..], 1).unwrap();
        packed.truncate(packed.len() - 1);
        let (_, _, ended) = run(packed, Coding::Zstd, 1 << 20);
        assert!(matches!(ended, Err(Stopped::Unreadable(_))));
    }
}
