//! Record batches in Kafka's second format: their header, their checksum, and building them from records.
//! Refuses what the log could not serve later: old formats, unknown compression, transactions, records that do not parse.
//! The format: <https://kafka.apache.org/documentation/#recordbatch>.

use crate::options::Limits;
use crate::record::{check, put_varint};
use crate::{Error, compression};
use bytes::Bytes;
use std::fmt;

/// Bytes before the first record.
pub(crate) const HEADER: usize = 61;
/// Bytes that the batch's own length does not count.
pub(crate) const PREFIX: usize = 12;
/// The checksum covers everything from here.
const CHECKED: usize = 21;
const MAGIC: i8 = 2;
const LOG_STAMPED: i16 = 8;
const TRANSACTIONAL: i16 = 16;
const CONTROL: i16 = 32;

/// How a batch's records are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// snappy, in the Java client's frames or bare.
    Snappy,
    /// lz4 frames.
    Lz4,
    /// zstd.
    Zstd,
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Codec::None => "nothing",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        })
    }
}

/// A record to append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRecord<'a> {
    /// Its key, if any.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: &'a [u8],
}

/// The fixed part of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) base_offset: i64,
    /// Bytes of the whole batch.
    pub(crate) length: usize,
    pub(crate) crc: u32,
    pub(crate) attributes: i16,
    pub(crate) last_delta: i32,
    pub(crate) base_time: i64,
    pub(crate) max_time: i64,
    pub(crate) producer: i64,
    pub(crate) epoch: i16,
    pub(crate) sequence: i32,
    pub(crate) count: i32,
}

impl Header {
    /// Reads a header; `bytes` may hold less or more than the whole batch.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Header, Error> {
        let head: &[u8; HEADER] =
            bytes.first_chunk().ok_or_else(|| Error::BadBatch(format!("{} bytes are less than its header", bytes.len())))?;
        let magic = i8::from_be_bytes(part(head, 16));
        if magic != MAGIC {
            return Err(Error::OldFormat(magic));
        }
        let length = i32::from_be_bytes(part(head, 8));
        let header = Header {
            base_offset: i64::from_be_bytes(part(head, 0)),
            length: usize::try_from(length).unwrap_or(0) + PREFIX,
            crc: u32::from_be_bytes(part(head, 17)),
            attributes: i16::from_be_bytes(part(head, 21)),
            last_delta: i32::from_be_bytes(part(head, 23)),
            base_time: i64::from_be_bytes(part(head, 27)),
            max_time: i64::from_be_bytes(part(head, 35)),
            producer: i64::from_be_bytes(part(head, 43)),
            epoch: i16::from_be_bytes(part(head, 51)),
            sequence: i32::from_be_bytes(part(head, 53)),
            count: i32::from_be_bytes(part(head, 57)),
        };
        if header.length < HEADER {
            return Err(Error::BadBatch(format!("its length says {length}, less than its header")));
        }
        if header.base_offset < 0 || header.count < 1 || header.last_delta != header.count - 1 {
            let Header { base_offset, count, last_delta, .. } = header;
            return Err(Error::BadBatch(format!("base offset {base_offset}, {count} records and last delta {last_delta} cannot be")));
        }
        Ok(header)
    }

    pub(crate) fn codec(&self) -> Result<Codec, Error> {
        match self.attributes & 7 {
            0 => Ok(Codec::None),
            1 => Ok(Codec::Gzip),
            2 => Ok(Codec::Snappy),
            3 => Ok(Codec::Lz4),
            4 => Ok(Codec::Zstd),
            other => Err(Error::UnknownCodec(other)),
        }
    }

    /// Whether `max_time` is the moment the log took the batch.
    pub(crate) fn log_stamped(&self) -> bool {
        self.attributes & LOG_STAMPED != 0
    }

    pub(crate) fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_delta))
    }

    /// The last record's sequence number, which wraps to 0.
    pub(crate) fn last_sequence(&self) -> i32 {
        let last = (i64::from(self.sequence) + i64::from(self.last_delta)) % (i64::from(i32::MAX) + 1);
        i32::try_from(last).unwrap_or(0)
    }

    fn encode(&self) -> [u8; HEADER] {
        let mut head = [0; HEADER];
        let length = i32::try_from(self.length - PREFIX).unwrap_or(i32::MAX);
        head[..8].copy_from_slice(&self.base_offset.to_be_bytes());
        head[8..12].copy_from_slice(&length.to_be_bytes());
        // The leader's epoch, 12..16, stays 0: there is one leader for ever.
        head[16] = MAGIC.to_be_bytes()[0];
        head[17..21].copy_from_slice(&self.crc.to_be_bytes());
        head[21..23].copy_from_slice(&self.attributes.to_be_bytes());
        head[23..27].copy_from_slice(&self.last_delta.to_be_bytes());
        head[27..35].copy_from_slice(&self.base_time.to_be_bytes());
        head[35..43].copy_from_slice(&self.max_time.to_be_bytes());
        head[43..51].copy_from_slice(&self.producer.to_be_bytes());
        head[51..53].copy_from_slice(&self.epoch.to_be_bytes());
        head[53..57].copy_from_slice(&self.sequence.to_be_bytes());
        head[57..].copy_from_slice(&self.count.to_be_bytes());
        head
    }
}

/// A batch that was checked and may be appended: its checksum holds and its records parse.
#[derive(Debug, Clone)]
pub struct RawBatch {
    pub(crate) header: Header,
    /// The records, packed as they came.
    pub(crate) body: Bytes,
    body_crc: u32,
}

impl RawBatch {
    /// Checks exactly one batch, as a producer sends it.
    ///
    /// # Errors
    ///
    /// [`Error::BadBatch`], [`Error::BadChecksum`], [`Error::TooLarge`], [`Error::OldFormat`], [`Error::UnknownCodec`], [`Error::Transactional`].
    pub fn check(bytes: Bytes, limits: &Limits) -> Result<RawBatch, Error> {
        let header = Header::parse(&bytes)?;
        if bytes.len() > limits.batch_max {
            return Err(Error::TooLarge { bytes: bytes.len() as u64, limit: limits.batch_max as u64 });
        }
        if header.length != bytes.len() {
            return Err(Error::BadBatch(format!("its length says {} bytes, {} came", header.length, bytes.len())));
        }
        if header.attributes & (TRANSACTIONAL | CONTROL) != 0 {
            return Err(Error::Transactional);
        }
        if header.producer >= 0 && (header.epoch < 0 || header.sequence < 0) {
            return Err(Error::BadBatch(format!(
                "producer {} sends epoch {} and sequence {}",
                header.producer, header.epoch, header.sequence
            )));
        }
        let body = bytes.slice(HEADER..);
        let body_crc = crc32c::crc32c(&body);
        let computed = crc32c::crc32c_combine(crc32c::crc32c(&bytes[CHECKED..HEADER]), body_crc, body.len());
        if computed != header.crc {
            return Err(Error::BadChecksum { found: header.crc, computed });
        }
        match header.codec()? {
            Codec::None => check(&header, &body)?,
            codec => check(&header, &compression::unpack(codec, &body, limits.batch_unpacked_max)?)?,
        }
        Ok(RawBatch { header, body, body_crc })
    }

    /// Its records as they were packed.
    pub fn packed(&self) -> Bytes {
        self.body.clone()
    }

    /// Whether checking it takes long enough to keep it off the threads that serve connections.
    pub(crate) fn is_packed(bytes: &[u8]) -> bool {
        Header::parse(bytes).is_ok_and(|header| header.attributes & 7 != 0)
    }

    /// The header as it goes to disk at this offset. With `log_ms` the log's own time replaces the producer's, and the checksum follows:
    /// it is combined from the two parts, so that the records are not read again.
    pub(crate) fn place(&self, offset: i64, log_ms: Option<i64>) -> (Header, [u8; HEADER]) {
        let mut header = Header { base_offset: offset, ..self.header };
        if let Some(now) = log_ms {
            header.attributes |= LOG_STAMPED;
            header.max_time = now;
        } else {
            header.attributes &= !LOG_STAMPED;
        }
        header.crc = crc32c::crc32c_combine(crc32c::crc32c(&header.encode()[CHECKED..]), self.body_crc, self.body.len());
        let head = header.encode();
        (header, head)
    }
}

/// The checksum of a whole batch as its bytes give it.
pub(crate) fn checksum(batch: &[u8]) -> u32 {
    crc32c::crc32c(&batch[CHECKED..])
}

/// Packs records into batches of at most `batch_max` bytes, uncompressed, stamped `at_ms`.
///
/// # Errors
///
/// [`Error::TooLarge`] when one record alone is larger, [`Error::BadBatch`] when there is none.
pub fn encode(records: &[NewRecord<'_>], at_ms: i64, batch_max: usize) -> Result<Vec<RawBatch>, Error> {
    if records.is_empty() {
        return Err(Error::BadBatch("there is no record in it".to_owned()));
    }
    let mut batches = Vec::new();
    let (mut body, mut count) = (Vec::new(), 0i32);
    let mut one = Vec::new();
    for record in records {
        put_record(&mut one, record, count);
        if count > 0 && HEADER + body.len() + one.len() > batch_max {
            batches.push(finish(std::mem::take(&mut body), count, at_ms));
            count = 0;
            put_record(&mut one, record, count);
        }
        if HEADER + one.len() > batch_max {
            return Err(Error::TooLarge { bytes: (HEADER + one.len()) as u64, limit: batch_max as u64 });
        }
        body.extend_from_slice(&one);
        count += 1;
    }
    batches.push(finish(body, count, at_ms));
    Ok(batches)
}

/// Replaces `out` with the record at this place of its batch.
fn put_record(out: &mut Vec<u8>, record: &NewRecord<'_>, delta: i32) {
    let length = |bytes: &[u8]| i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let mut lead = Vec::with_capacity(24);
    lead.push(0);
    put_varint(&mut lead, 0);
    put_varint(&mut lead, i64::from(delta));
    match record.key {
        Some(key) => {
            put_varint(&mut lead, length(key));
            lead.extend_from_slice(key);
        }
        None => put_varint(&mut lead, -1),
    }
    put_varint(&mut lead, length(record.value));
    out.clear();
    put_varint(out, length(&lead) + length(record.value) + 1);
    out.extend_from_slice(&lead);
    out.extend_from_slice(record.value);
    put_varint(out, 0);
}

fn finish(body: Vec<u8>, count: i32, at_ms: i64) -> RawBatch {
    let header = Header {
        base_offset: 0,
        length: HEADER + body.len(),
        crc: 0,
        attributes: 0,
        last_delta: count - 1,
        base_time: at_ms,
        max_time: at_ms,
        producer: -1,
        epoch: -1,
        sequence: -1,
        count,
    };
    let body_crc = crc32c::crc32c(&body);
    let batch = RawBatch { header, body: Bytes::from(body), body_crc };
    let (header, _) = batch.place(0, None);
    RawBatch { header, ..batch }
}

fn part<const N: usize>(head: &[u8; HEADER], at: usize) -> [u8; N] {
    head[at..at + N].try_into().expect("every field lies within the header")
}
