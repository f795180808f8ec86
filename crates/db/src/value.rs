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
from_ids!(UserId, SessionId, OrderId, PaymentId, RefundId, HoldId, KeyId);

/// The values of one row, or the arguments of a statement: `row![user, 7, "text"]`.
#[macro_export]
macro_rules! row {
    ($($value:expr),* $(,)?) => { [$($crate::Value::from($value)),*] };
}

/// Many rows for one statement, passed as a single JSON parameter: an array of arrays.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    pub(crate) json: String,
    pub(crate) count: u64,
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
        self.json.push(if self.count == 0 { '[' } else { ',' });
        self.count += 1;
        self.json.push('[');
        for (i, value) in row.iter().enumerate() {
            if i > 0 {
                self.json.push(',');
            }
            self.push_value(value);
        }
        self.json.push(']');
    }

    fn push_value(&mut self, value: &Value<'_>) {
        use std::fmt::Write as _;
        match value {
            Value::Null => self.json.push_str("null"),
            Value::Int(number) => write!(self.json, "{number}").expect("writing to a string cannot fail"),
            Value::Text(text) => {
                self.json.push_str(&serde_json::to_string(text.as_ref()).expect("a text is always JSON"));
            }
            Value::Bytes(bytes) => {
                self.json.push('"');
                self.push_hex(bytes);
                self.json.push('"');
            }
        }
    }

    fn push_hex(&mut self, bytes: &[u8]) {
        let mut digits = [0; 64];
        for chunk in bytes.chunks(digits.len() / 2) {
            let digits = &mut digits[..chunk.len() * 2];
            hex::encode_to_slice(chunk, digits).expect("two digits for each byte");
            self.json.push_str(std::str::from_utf8(digits).expect("hex digits are ASCII"));
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// True when there is no row.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn into_json(mut self) -> String {
        self.json.push_str(if self.count == 0 { "[]" } else { "]" });
        self.json
    }
}

/// One row that a statement returned; columns are read by position.
pub enum Row {
    /// A row of SQLite.
    #[doc(hidden)]
    Sqlite(sqlx::sqlite::SqliteRow),
    /// A row of Postgres.
    #[doc(hidden)]
    Postgres(sqlx::postgres::PgRow),
}

macro_rules! getter {
    ($(#[$doc:meta])* $name:ident -> $type:ty) => {
        $(#[$doc])*
        pub fn $name(&self, column: usize) -> Result<$type, Error> {
            match self {
                Row::Sqlite(row) => row.try_get(column),
                Row::Postgres(row) => row.try_get(column),
            }
            .map_err(|source| Error::row(column, source))
        }
    };
}

impl Row {
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
            Row::Sqlite(row) => row.try_get(column),
            Row::Postgres(row) => row.try_get(column),
        }
        .map_err(|source| Error::row(column, source))
    }

    fn fixed(&self, column: usize, bytes: &[u8]) -> Result<[u8; 16], Error> {
        bytes.try_into().map_err(|_| Error::Broken(format!("column {column} holds {} bytes where an id has 16", bytes.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_one_json_array_of_arrays() {
        let mut rows = Rows::new();
        rows.push(&row![7, "a \"quoted\" text", None::<i64>]);
        rows.push(&row![vec![0xab_u8, 0x01], true, Instant(5)]);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows.into_json(), r#"[[7,"a \"quoted\" text",null],["ab01",1,5]]"#);
        assert_eq!(Rows::new().into_json(), "[]");
    }
}
