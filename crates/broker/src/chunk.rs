//! A stretch of a partition, read in one go: records that borrow from it, unpacked where their producer packed them.
//! Refuses to skip what is damaged: that is an error with its place.

use crate::batch::{self, Codec, HEADER, Header};
use crate::options::Limits;
use crate::record::{Record, Records};
use crate::{Error, compression};
use bytes::Bytes;

#[derive(Debug)]
struct Batch {
    header: Header,
    unpacked: Bytes,
}

/// Records of one partition in the order of their offsets.
#[derive(Debug)]
pub struct Chunk {
    batches: Vec<Batch>,
    from: i64,
    next: i64,
    end: i64,
}

impl Chunk {
    /// The records, borrowed from this chunk.
    pub fn records(&self) -> impl Iterator<Item = Result<Record<'_>, Error>> {
        let from = self.from;
        let all = self.batches.iter().flat_map(|batch| Records::new(&batch.header, &batch.unpacked));
        all.filter(move |record| record.as_ref().map_or(true, |record| record.offset >= from))
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        usize::try_from(self.next - self.from).unwrap_or(0)
    }

    /// Whether there was nothing to read yet.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// The offset to read next: after the last record here, or the one that was asked for.
    pub fn next_offset(&self) -> i64 {
        self.next
    }

    /// The offset after the last durable record when this was read; the difference is the lag.
    pub fn end_offset(&self) -> i64 {
        self.end
    }

    /// Bytes this chunk holds.
    pub fn bytes(&self) -> usize {
        self.batches.iter().map(|batch| batch.unpacked.len()).sum()
    }

    /// Takes raw batches apart. Stops before a batch that would unpack to more than `max_bytes` altogether, unless it is the first.
    pub(crate) fn new(raw: &Bytes, from: i64, end: i64, max_bytes: usize, limits: &Limits) -> Result<Chunk, Error> {
        let mut chunk = Chunk { batches: Vec::new(), from, next: from, end };
        let (mut at, mut held) = (0, 0);
        while at < raw.len() {
            let header = Header::parse(&raw[at..])?;
            let bytes = raw.get(at..at + header.length).ok_or_else(|| Error::BadBatch("it is cut off".to_owned()))?;
            let computed = batch::checksum(bytes);
            if computed != header.crc {
                return Err(Error::Corrupt {
                    place: format!("the batch at offset {}", header.base_offset),
                    reason: Error::BadChecksum { found: header.crc, computed }.to_string(),
                });
            }
            let body = raw.slice(at + HEADER..at + header.length);
            let unpacked = match header.codec()? {
                Codec::None => body,
                codec => Bytes::from(compression::unpack(codec, &body, limits.batch_unpacked_max)?),
            };
            if held > 0 && held + unpacked.len() > max_bytes {
                break;
            }
            held += unpacked.len();
            at += header.length;
            chunk.next = header.last_offset() + 1;
            chunk.batches.push(Batch { header, unpacked });
        }
        Ok(chunk)
    }
}
