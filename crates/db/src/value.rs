//! What goes into a statement and what comes out of it, the same on both engines.
//! Refuses anything but whole numbers, text, bytes and null: those mean the same everywhere.

use crate::Error;
use kernel::{Instant, ProductId, Uuid};
use sqlx::Row as _;

/// One value bound to a statement or held by a row of a row set.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// SQL null.
    Null,
    /// A whole number; booleans are 0 and 1, instants microseconds.
    Int(i64),
    /// Text without NUL.
    Text(std::borrow::Cow<'a, str>),
    /// Bytes; ids are sixteen of them.
    Bytes(std::borrow::Cow<'a, [u8]>),
}

macro_rules! from_ints {
    ($($int:ty),+) => {$(
        impl From<$int> for Value<'_> {
            fn from(number: $int) -> Self {
                Value::Int(i64::from(number))
            }
        }
    )+};
}
from_ints!(i64, i32, u32, u16, u8, bool);

impl From<Instant> for Value<'_> {
    fn from(instant: Instant) -> Self {
        Value::Int(instant.0)
    }
}
impl From<ProductId> for Value<'_> {
    fn from(id: ProductId) -> Self {
        Value::Int(id.0)
    }
}
impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Text(text.into())
    }
}
impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Value::Text(text.as_str().into())
    }
}
impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Value::Text(text.into())
    }
}
impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Value::Bytes(bytes.into())
    }
}
impl<'a> From<&'a Vec<u8>> for Value<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Value::Bytes(bytes.as_slice().into())
    }
}
impl<'a, const N: usize> From<&'a [u8; N]> for Value<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Value::Bytes(bytes.as_slice().into())
    }
}
impl From<Vec<u8>> for Value<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Value::Bytes(bytes.into())
    }
}
impl From<Uuid> for Value<'_> {
    fn from(id: Uuid) -> Self {
        Value::Bytes(id.as_bytes().to_vec().into())
    }
}
impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

macro_rules! from_ids {
    ($($id:ident),+) => {$(
        impl From<kernel::$id> for Value<'_> {
            fn from(id: kernel::$id) -> Self {
                id.0.into()
            }
        }
    )+};
}
from_ids!(UserId, SessionId, OrderId, PaymentId, RefundId, HoldId, KeyId, WebhookId, DeliveryId, ClaimId, FulfilmentId, GrantId, BannerId);

/// The values of one row, or the arguments of a statement: `row![user, 7, "text"]`.
#[macro_export]
macro_rules! row {
    ($($value:expr),* $(,)?) => { [$($crate::Value::from($value)),*] };
}

/// Many rows for one statement: SQLite gets them as one JSON parameter, an array of arrays; Postgres as an array per column.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    count: usize,
    cells: Vec<Cell>,
    texts: String,
    bytes: Vec<u8>,
}

/// A value of a row set; text and bytes lie one after the other, each with where it ends.
#[derive(Debug, Clone, Copy)]
enum Cell {
    Null,
    Int(i64),
    Text { start: usize, end: usize },
    Bytes { start: usize, end: usize },
}

impl Rows {
    /// No rows yet.
    pub fn new() -> Rows {
        Rows::default()
    }

    /// One row per item, in the items' order.
    pub fn of<'a, T, const N: usize>(items: impl IntoIterator<Item = T>, row: impl Fn(T) -> [Value<'a>; N]) -> Rows {
        let mut rows = Rows::new();
        for item in items {
            rows.push(&row(item));
        }
        rows
    }

    /// Adds a row; its values stand in the order of the statement's columns.
    pub fn push(&mut self, row: &[Value<'_>]) {
        self.count += 1;
        for value in row {
            let cell = match value {
                Value::Null => Cell::Null,
                Value::Int(number) => Cell::Int(*number),
                Value::Text(text) => {
                    let start = self.texts.len();
                    self.texts.push_str(text);
                    Cell::Text { start, end: self.texts.len() }
                }
                Value::Bytes(bytes) => {
                    let start = self.bytes.len();
                    self.bytes.extend_from_slice(bytes);
                    Cell::Bytes { start, end: self.bytes.len() }
                }
            };
            self.cells.push(cell);
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> u64 {
        self.count as u64
    }

    /// True when there is no row.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// One JSON array of arrays, bytes in hex.
    pub(crate) fn to_json(&self) -> String {
        use std::fmt::Write as _;
        let mut json = String::with_capacity(2 + self.cells.len() * 4 + self.texts.len() + self.texts.len() / 8 + self.bytes.len() * 2);
        let width = self.width();
        json.push('[');
        for (i, cell) in self.cells.iter().enumerate() {
            json.push_str(match i % width {
                0 if i == 0 => "[",
                0 => "],[",
                _ => ",",
            });
            match *cell {
                Cell::Null => json.push_str("null"),
                Cell::Int(number) => write!(json, "{number}").expect("writing to a string cannot fail"),
                Cell::Text { start, end } => push_json_text(&mut json, &self.texts[start..end]),
                Cell::Bytes { start, end } => push_hex(&mut json, &self.bytes[start..end]),
            }
        }
        json.push_str(if self.cells.is_empty() { "]" } else { "]]" });
        json
    }

    fn width(&self) -> usize {
        (self.cells.len() / self.count.max(1)).max(1)
    }

    fn column(&self, at: usize) -> impl Iterator<Item = &Cell> {
        self.cells.iter().skip(at).step_by(self.width())
    }

    /// A column of whole numbers; what is not one is null, which the table then refuses.
    pub(crate) fn ints(&self, at: usize) -> Vec<Option<i64>> {
        let number = |cell: &Cell| if let Cell::Int(number) = cell { Some(*number) } else { None };
        self.column(at).map(number).collect()
    }

    /// A column of text.
    pub(crate) fn texts(&self, at: usize) -> Vec<Option<&str>> {
        let text = |cell: &Cell| if let Cell::Text { start, end } = *cell { Some(&self.texts[start..end]) } else { None };
        self.column(at).map(text).collect()
    }

    /// A column of bytes.
    pub(crate) fn bytes(&self, at: usize) -> Vec<Option<&[u8]>> {
        let bytes = |cell: &Cell| if let Cell::Bytes { start, end } = *cell { Some(&self.bytes[start..end]) } else { None };
        self.column(at).map(bytes).collect()
    }
}

fn push_json_text(json: &mut String, text: &str) {
    // Most texts are names and states, in which nothing needs escaping.
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        json.push('"');
        json.push_str(text);
        json.push('"');
    } else {
        json.push_str(&serde_json::to_string(text).expect("a text is always JSON"));
    }
}

fn push_hex(json: &mut String, bytes: &[u8]) {
    json.push('"');
    let mut digits = [0; 64];
    for chunk in bytes.chunks(digits.len() / 2) {
        let digits = &mut digits[..chunk.len() * 2];
        hex::encode_to_slice(chunk, digits).expect("two digits for each byte");
        json.push_str(std::str::from_utf8(digits).expect("hex digits are ASCII"));
    }
    json.push('"');
}

/// One row that a statement returned; columns are read by position.
pub enum Row<'r> {
    /// A row of SQLite, where it stands.
    #[doc(hidden)]
    Sqlite(&'r rusqlite::Row<'r>),
    /// A row of Postgres.
    #[doc(hidden)]
    Postgres(sqlx::postgres::PgRow),
}

macro_rules! getter {
    ($(#[$doc:meta])* $name:ident -> $type:ty) => {
        $(#[$doc])*
        pub fn $name(&self, column: usize) -> Result<$type, Error> {
            match self {
                Row::Sqlite(row) => row.get(column).map_err(|source| Error::row(column, &source)),
                Row::Postgres(row) => row.try_get(column).map_err(|source| Error::row(column, &source)),
            }
        }
    };
}

impl Row<'_> {
    getter!(
        /// A whole number.
        int -> i64
    );
    getter!(
        /// A whole number or null.
        int_opt -> Option<i64>
    );
    getter!(
        /// Text.
        text -> String
    );
    getter!(
        /// Text or null.
        text_opt -> Option<String>
    );
    getter!(
        /// Bytes.
        bytes -> Vec<u8>
    );
    getter!(
        /// Bytes or null.
        bytes_opt -> Option<Vec<u8>>
    );

    /// Sixteen bytes as an id of the type that is asked for.
    pub fn id<T: From<[u8; 16]>>(&self, column: usize) -> Result<T, Error> {
        self.fixed(column, self.slice(column)?).map(T::from)
    }

    /// An id or null.
    pub fn id_opt<T: From<[u8; 16]>>(&self, column: usize) -> Result<Option<T>, Error> {
        match self.bytes_opt(column)? {
            None => Ok(None),
            Some(bytes) => self.fixed(column, &bytes).map(|bytes| Some(T::from(bytes))),
        }
    }

    /// Microseconds as an instant.
    pub fn instant(&self, column: usize) -> Result<Instant, Error> {
        self.int(column).map(Instant)
    }

    /// An instant or null.
    pub fn instant_opt(&self, column: usize) -> Result<Option<Instant>, Error> {
        Ok(self.int_opt(column)?.map(Instant))
    }

    /// 0 or 1.
    pub fn flag(&self, column: usize) -> Result<bool, Error> {
        Ok(self.int(column)? != 0)
    }

    /// Text that a type reads by itself, as a state or a currency.
    pub fn parsed<T: std::str::FromStr>(&self, column: usize) -> Result<T, Error>
    where
        T::Err: std::fmt::Display,
    {
        let text = self.text(column)?;
        text.parse().map_err(|e: T::Err| Error::Broken(format!("column {column} holds {text:?}: {e}")))
    }

    fn slice(&self, column: usize) -> Result<&[u8], Error> {
        match self {
            Row::Sqlite(row) => {
                let value = row.get_ref(column).map_err(|source| Error::row(column, &source))?;
                value.as_blob().map_err(|source| Error::row(column, &source))
            }
            Row::Postgres(row) => row.try_get(column).map_err(|source| Error::row(column, &source)),
        }
    }

    fn fixed(&self, column: usize, bytes: &[u8]) -> Result<[u8; 16], Error> {
        bytes.try_into().map_err(|_| Error::Broken(format!("column {column} holds {} bytes where an id has 16", bytes.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_back_as_they_were_pushed() {
        let rows = Rows::of([(1, "a", [1_u8, 2]), (2, "\u{e9}", [3, 4])], |(number, text, bytes)| row![number, text, bytes.to_vec()]);
        assert_eq!(rows.ints(0), [Some(1), Some(2)]);
        assert_eq!(rows.texts(1), [Some("a"), Some("\u{e9}")]);
        assert_eq!(rows.bytes(2), [Some(&[1, 2][..]), Some(&[3, 4][..])]);
        assert_eq!(rows.ints(1), [None, None]);
    }

    #[test]
    fn rows_are_one_json_array_of_arrays() {
        let mut rows = Rows::new();
        rows.push(&row![7, "a \"quoted\" text", None::<i64>]);
        rows.push(&row![vec![0xab_u8, 0x01], true, Instant(5)]);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows.to_json(), r#"[[7,"a \"quoted\" text",null],["ab01",1,5]]"#);
        assert_eq!(Rows::new().to_json(), "[]");
    }
}
