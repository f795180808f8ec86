//! Walks a request before it is decoded, and counts. The decoder reserves memory for as many elements as a frame claims,
//! so four hostile bytes would end the process. Refuses lengths beyond the frame and more elements than the limit.

mod table;

use super::Bad;
use kafka_protocol::messages::ApiKey;

/// A field, and the versions that have it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    kind: Kind,
    from: i16,
    to: i16,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Fixed(usize),
    Text,
    Bytes,
    Structs(&'static [Field]),
    EachText,
    EachInt,
}

/// The fields of a request and its first version with compact lengths and tagged fields.
pub(super) struct Shape {
    compact_from: i16,
    fields: &'static [Field],
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    compact: bool,
    left: usize,
}

/// Whether the frame's body can be decoded without reserving more than it holds.
pub(super) fn check(key: ApiKey, version: i16, body: &[u8], elements_max: usize) -> Result<(), Bad> {
    walk(key, version, body, elements_max).map(|_| ())
}

/// The same; returns how many bytes follow the request.
pub(super) fn walk(key: ApiKey, version: i16, body: &[u8], elements_max: usize) -> Result<usize, Bad> {
    let shape = table::shape(key).ok_or_else(|| Bad::new(format!("{key:?} has no shape")))?;
    let mut walk = Walk { rest: body, version, compact: version >= shape.compact_from, left: elements_max };
    let walked = walk.fields(shape.fields);
    walked.ok_or_else(|| match walk.left {
        0 => Bad::new(format!("a {key:?} has more than {elements_max} elements")),
        _ => Bad::new(format!("a {key:?} of version {version} does not hold what its lengths say")),
    })?;
    Ok(walk.rest.len())
}

/// The same for what stands before the body.
pub(super) fn check_header(frame: &[u8], header_version: i16, elements_max: usize) -> Result<(), Bad> {
    let mut walk = Walk { rest: frame, version: 0, compact: false, left: elements_max };
    let mut step = || {
        walk.skip(8)?;
        if header_version >= 1 {
            // The client's name keeps its old form for ever.
            walk.text()?;
        }
        if header_version >= 2 {
            walk.tags()?;
        }
        Some(())
    };
    step().ok_or_else(|| Bad::new("a request's header does not hold what its lengths say"))
}

impl Walk<'_> {
    fn fields(&mut self, fields: &[Field]) -> Option<()> {
        let version = self.version;
        for field in fields.iter().filter(|field| (field.from..=field.to).contains(&version)) {
            match field.kind {
                Kind::Fixed(bytes) => self.skip(bytes)?,
                Kind::Text => self.text()?,
                Kind::Bytes => {
                    let length = if self.compact { self.compact_length()? } else { self.int()? };
                    self.skip_nullable(length)?;
                }
                Kind::Structs(fields) => self.each(|walk| walk.fields(fields))?,
                Kind::EachText => self.each(Walk::text)?,
                Kind::EachInt => self.each(|walk| walk.skip(4))?,
            }
        }
        if self.compact { self.tags() } else { Some(()) }
    }

    fn each(&mut self, mut one: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        let count = if self.compact { self.compact_length()? } else { self.int()? };
        if count < -1 {
            return None;
        }
        let count = usize::try_from(count).unwrap_or(0);
        self.take(count)?;
        (0..count).try_for_each(|_| one(self))
    }

    /// Takes from what is left of the elements.
    fn take(&mut self, count: usize) -> Option<()> {
        match self.left.checked_sub(count) {
            Some(left) => {
                self.left = left;
                Some(())
            }
            None => {
                self.left = 0;
                None
            }
        }
    }

    fn text(&mut self) -> Option<()> {
        let length = if self.compact { self.compact_length()? } else { i64::from(i16::from_be_bytes(self.array()?)) };
        self.skip_nullable(length)
    }

    fn skip_nullable(&mut self, length: i64) -> Option<()> {
        if length == -1 { Some(()) } else { self.skip(usize::try_from(length).ok()?) }
    }

    fn tags(&mut self) -> Option<()> {
        let count = usize::try_from(self.varint()?).ok()?;
        self.take(count)?;
        for _ in 0..count {
            self.varint()?;
            let size = usize::try_from(self.varint()?).ok()?;
            self.skip(size)?;
        }
        Some(())
    }

    /// A length that is kept one larger, so that 0 can mean none.
    fn compact_length(&mut self) -> Option<i64> {
        Some(i64::from(self.varint()?) - 1)
    }

    fn varint(&mut self) -> Option<u32> {
        let mut value = 0u32;
        for place in 0..5 {
            let [byte] = self.array()?;
            value |= u32::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn int(&mut self) -> Option<i64> {
        Some(i64::from(i32::from_be_bytes(self.array()?)))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*array)
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.rest = self.rest.get(bytes..)?;
        Some(())
    }
}
