//! Paging: a page of items and the opaque cursor that leads to the next one.
//! Refuses cursors it did not write.

use crate::{Code, Refusal};
use serde::{Deserialize, Serialize};

/// Items a list shows when its caller does not say.
pub const PAGE_SIZE_DEFAULT: u32 = 10;
/// Items a list shows at most.
pub const PAGE_SIZE_MAX: u32 = 100;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Pass as `cursor` to get the page after this one; none on the last page.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Makes a page of rows that were read one more than `size`; the spare row tells whether a page follows.
    pub fn cut(mut items: Vec<T>, size: u32, cursor: impl Fn(&T) -> Cursor) -> Page<T> {
        let size = size as usize;
        if items.len() <= size {
            return Page { items, next: None };
        }
        items.truncate(size);
        let next = items.last().map(cursor);
        Page { items, next }
    }
}

/// Where a list goes on: the sort key of the last item seen, as text that callers pass back unread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

impl Cursor {
    /// A cursor of one number, as a time or a sequence.
    pub fn of(number: i64) -> Cursor {
        Cursor(format!("{number:x}"))
    }

    /// A cursor of sixteen bytes, as an id.
    pub fn of_id(id: uuid::Uuid) -> Cursor {
        Cursor(id.simple().to_string())
    }

    /// The number this cursor was made of.
    pub fn number(&self) -> Result<i64, Refusal> {
        i64::from_str_radix(&self.0, 16).map_err(|_| self.refused())
    }

    /// The id this cursor was made of.
    pub fn id(&self) -> Result<uuid::Uuid, Refusal> {
        uuid::Uuid::try_parse(&self.0).map_err(|_| self.refused())
    }

    fn refused(&self) -> Refusal {
        Refusal::new(
            Code::BadCursor,
            format!("cursor {:?} was not given out by this list: pass `next` of the page before, or none", self.0),
        )
    }
}

/// The page size asked for, or the default.
pub fn size(asked: Option<u32>) -> Result<u32, Refusal> {
    match asked {
        None => Ok(PAGE_SIZE_DEFAULT),
        Some(size) if (1..=PAGE_SIZE_MAX).contains(&size) => Ok(size),
        Some(size) => Err(Refusal::new(Code::BadQuery, format!("size {size} is outside 1 to {PAGE_SIZE_MAX}"))),
    }
}
