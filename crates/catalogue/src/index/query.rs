//! What a list can be asked, and the page it answers.
//! Refuses cursors that another list gave out.

use crate::model::{Listed, Platform, State};
use kernel::{Code, Cursor, ProductId, Refusal, page::PAGE_SIZE_DEFAULT};
use serde::{Deserialize, Serialize};

/// What a list is sorted by. Equal products follow in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// The name, without regard to case, accents and punctuation.
    #[default]
    Name,
    /// What the product costs at the moment, in minor units; currencies are not converted.
    Price,
    /// The day of release; unknown days count as the earliest.
    Release,
    /// The popularity.
    Popularity,
}

/// Which end comes first. Descending is exactly the ascending list turned round, ids among it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Smallest first.
    #[default]
    Ascending,
    /// Largest first.
    Descending,
}

/// Where a page starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// The page of this number; 1 is the first, and 0 counts as 1.
    Page(u32),
    /// After the last item of the page that gave out this cursor, whatever was added or changed since.
    After(Cursor),
}

/// A list of products. All filters that are set must be met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// One of the product's genres, without regard to case.
    pub genre: Option<String>,
    /// How it is sold at the moment.
    pub state: Option<State>,
    /// Where it runs.
    pub platform: Option<Platform>,
    /// Least it may cost at the moment, in minor units.
    pub price_min: Option<i64>,
    /// Most it may cost at the moment, in minor units.
    pub price_max: Option<i64>,
    /// What it is sorted by.
    pub sort: Sort,
    /// Which end comes first.
    pub direction: Direction,
    /// Where the page starts.
    pub at: At,
    /// Items on the page, held between 1 and 100.
    pub size: u32,
}

impl Default for Query {
    fn default() -> Self {
        Query {
            genre: None,
            state: None,
            platform: None,
            price_min: None,
            price_max: None,
            sort: Sort::default(),
            direction: Direction::default(),
            at: At::Page(1),
            size: PAGE_SIZE_DEFAULT,
        }
    }
}

/// A page of products as they stand at the moment that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<'a> {
    /// The products, in order.
    pub items: Vec<Listed<'a>>,
    /// How many products all pages hold together.
    pub total: usize,
    /// Where the next page starts; none after the last product, and none for searches.
    pub next: Option<Cursor>,
}

/// The sort key and id of a product: where a cursor stands, though the product may be gone from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) key: Key,
    pub(crate) id: ProductId,
}

/// A sort key that outlives the catalogue it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    Name(String),
    Number(i64),
}

impl Position {
    /// The text that callers pass back unread: a letter for the sort, the key, a point, the id.
    pub(crate) fn cursor(&self, sort: Sort) -> Cursor {
        let letter = letter(sort);
        Cursor(match &self.key {
            Key::Name(name) => format!("{letter}{}.{}", hex::encode(name), self.id),
            Key::Number(number) => format!("{letter}{number}.{}", self.id),
        })
    }

    /// Reads a cursor that a list of this sort gave out.
    pub(crate) fn of(cursor: &Cursor, sort: Sort) -> Result<Position, Refusal> {
        read(&cursor.0, sort).ok_or_else(|| {
            let shown: String = cursor.0.chars().take(40).collect();
            Refusal::new(
                Code::BadCursor,
                format!("cursor {shown:?} was not given out by a list of this sort: pass `next` of the page before, or none"),
            )
        })
    }
}

fn read(text: &str, sort: Sort) -> Option<Position> {
    let (key, id) = text.strip_prefix(letter(sort))?.split_once('.')?;
    let key = match sort {
        Sort::Name => Key::Name(String::from_utf8(hex::decode(key).ok()?).ok()?),
        Sort::Price | Sort::Release | Sort::Popularity => Key::Number(key.parse().ok()?),
    };
    Some(Position { key, id: ProductId(id.parse().ok()?) })
}

fn letter(sort: Sort) -> char {
    match sort {
        Sort::Name => 'n',
        Sort::Price => 'p',
        Sort::Release => 'r',
        Sort::Popularity => 'l',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_belongs_to_its_sort() {
        let named = Position { key: Key::Name("검은 사막 2.0".into()), id: ProductId(7) };
        assert_eq!(Position::of(&named.cursor(Sort::Name), Sort::Name), Ok(named.clone()));
        let dated = Position { key: Key::Number(i64::MIN), id: ProductId(i64::MAX) };
        assert_eq!(Position::of(&dated.cursor(Sort::Release), Sort::Release), Ok(dated.clone()));
        assert!(Position::of(&dated.cursor(Sort::Release), Sort::Price).is_err());
        assert!(Position::of(&Cursor("n7.".into()), Sort::Name).is_err());
        assert!(Position::of(&Cursor("é".repeat(500)), Sort::Name).is_err());
    }
}
