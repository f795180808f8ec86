//! Single records inside an unpacked batch: read without copying, checked at the door.
//! Refuses headers' content: it is stepped over and stays in the batch.

use crate::Error;
use crate::batch::Header;
use kernel::Instant;

/// One record of the log, borrowed from the chunk it was read in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its place in the partition.
    pub offset: i64,
    /// When the log took it, to the millisecond; of a topic that keeps its producers' stamps, the producer's.
    pub appended_at: Instant,
    /// The key, if it has one.
    pub key: Option<&'a [u8]>,
    /// The value; none is Kafka's tombstone.
    pub value: Option<&'a [u8]>,
}

/// The records of one unpacked batch, in order.
#[derive(Debug, Clone)]
pub(crate) struct Records<'a> {
    rest: &'a [u8],
    header: &'a Header,
    next: i32,
}

impl<'a> Records<'a> {
    pub(crate) fn new(header: &'a Header, unpacked: &'a [u8]) -> Records<'a> {
        Records { rest: unpacked, header, next: 0 }
    }

    fn read(&mut self) -> Option<Record<'a>> {
        let length = usize::try_from(varint(&mut self.rest)?).ok()?;
        let mut body = self.rest.get(..length)?;
        self.rest = &self.rest[length..];
        let (_attributes, after) = body.split_first()?;
        body = after;
        let time_delta = varint(&mut body)?;
        let delta = varint(&mut body)?;
        if delta != i64::from(self.next) {
            return None;
        }
        let key = bytes(&mut body)?;
        let value = bytes(&mut body)?;
        for _ in 0..headers(&mut body)? {
            bytes(&mut body)??;
            bytes(&mut body)?;
        }
        let at_ms = if self.header.log_stamped() { self.header.max_time } else { self.header.base_time.saturating_add(time_delta) };
        let offset = self.header.base_offset + delta;
        body.is_empty().then_some(Record { offset, appended_at: Instant(at_ms.saturating_mul(1_000)), key, value })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.header.count {
            return None;
        }
        let record = self.read();
        let place = self.next;
        // After a broken record nothing else can be found.
        self.next = if record.is_some() { place + 1 } else { self.header.count };
        Some(record.ok_or_else(|| Error::BadBatch(format!("record {place} of {} does not parse", self.header.count))))
    }
}

/// Whether the batch holds exactly the records its header promises.
pub(crate) fn check(header: &Header, unpacked: &[u8]) -> Result<(), Error> {
    let mut records = Records::new(header, unpacked);
    for record in &mut records {
        record?;
    }
    match records.rest.len() {
        0 => Ok(()),
        more => Err(Error::BadBatch(format!("{more} bytes follow the last of its {} records", header.count))),
    }
}

/// A zigzag number of at most ten bytes.
fn varint(from: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for (place, &byte) in from.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            *from = &from[place + 1..];
            return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    None
}

/// Length and bytes; -1 is none. The outer none: it does not parse.
fn bytes<'a>(from: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = varint(from)?;
    if length == -1 {
        return Some(None);
    }
    let length = usize::try_from(length).ok()?;
    let bytes = from.get(..length)?;
    *from = &from[length..];
    Some(Some(bytes))
}

/// How many headers follow; each has at least two bytes, so a count beyond that is a lie.
fn headers(from: &mut &[u8]) -> Option<usize> {
    let count = usize::try_from(varint(from)?).ok()?;
    (count <= from.len() / 2).then_some(count)
}

/// Appends a zigzag number.
pub(crate) fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut value = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while value >= 0x80 {
        out.push(0x80 | u8::try_from(value & 0x7f).expect("seven bits fit"));
        value >>= 7;
    }
    out.push(u8::try_from(value).expect("seven bits fit"));
}
