//! What a product is in a list: names, labels, price, sale and the state they give at a moment.
//! Refuses long texts (descriptions stay in the database), stock counts and any clock: whoever asks brings `now`.

use jiff::civil::Date;
use kernel::{Instant, Money, ProductId, money};
use serde::Serialize;
use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The list data of one product; everything a list or a search answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// The catalogue's own number for it.
    pub id: ProductId,
    /// Its number at Steam, for products that came from there.
    pub steam_id: Option<u32>,
    /// The name as its publisher writes it; may be empty.
    pub name: Box<str>,
    /// Who made it.
    pub developers: Labels,
    /// Who sells it.
    pub publishers: Labels,
    /// Its genres, as written; compared without regard to case or accents.
    pub genres: Labels,
    /// Where it runs.
    pub platforms: Platforms,
    /// The day of release, where the day is known.
    pub released: Option<Date>,
    /// The regular price.
    pub price: Money,
    /// The sale that is on, is announced, or was the last one.
    pub sale: Option<Sale>,
    /// Whether copies are counted; the count itself is kept by stock.
    pub limited: bool,
    /// Larger is more popular; made from reviews, recommendations and owners by whoever imports it.
    pub popularity: i64,
    /// Rises by one with each change of the product.
    pub version: i64,
}

impl Product {
    /// The percent off at `now`, none outside the sale; a sale includes its start and excludes its end.
    pub fn percent_off(&self, now: Instant) -> Option<u8> {
        self.sale.filter(|sale| sale.starts_at <= now && now < sale.ends_at).map(|sale| sale.percent)
    }

    /// What it costs at `now`, in minor units of its currency: the price less the sale's percent, halves rounded up.
    pub fn price_minor(&self, now: Instant) -> i64 {
        self.percent_off(now).map_or(self.price.minor, |percent| money::percent_off(self.price.minor, percent))
    }

    /// The state at `now`.
    pub fn state(&self, now: Instant) -> State {
        match (self.limited, self.percent_off(now).is_some()) {
            (false, false) => State::Regular,
            (false, true) => State::OnSale,
            (true, false) => State::LimitedStock,
            (true, true) => State::LimitedStockOnSale,
        }
    }

    /// The product as it stands at `now`.
    pub fn at(&self, now: Instant) -> Listed<'_> {
        let price = Money { minor: self.price_minor(now), currency: self.price.currency };
        Listed { product: self, state: self.state(now), price }
    }
}

/// A sale with its period, visible before it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sale {
    /// Whole percent taken off, 1 to 100.
    pub percent: u8,
    /// The first moment of the sale.
    pub starts_at: Instant,
    /// The first moment after the sale.
    pub ends_at: Instant,
}

/// How a product is sold at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// At its price, as many as wanted.
    Regular,
    /// Below its price, as many as wanted.
    OnSale,
    /// At its price, in counted copies.
    LimitedStock,
    /// Below its price, in counted copies.
    LimitedStockOnSale,
}

impl State {
    /// Whether a sale is on.
    pub fn on_sale(self) -> bool {
        matches!(self, State::OnSale | State::LimitedStockOnSale)
    }

    /// Whether copies are counted.
    pub fn limited(self) -> bool {
        matches!(self, State::LimitedStock | State::LimitedStockOnSale)
    }
}

/// A product with what depends on the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed<'a> {
    /// The product.
    pub product: &'a Product,
    /// How it is sold at that moment.
    pub state: State,
    /// What it costs at that moment.
    pub price: Money,
}

/// One operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Microsoft Windows.
    Windows,
    /// Apple macOS.
    Mac,
    /// Linux, SteamOS among them.
    Linux,
}

impl Platform {
    /// All of them, in the order of their bits.
    pub const ALL: [Platform; 3] = [Platform::Windows, Platform::Mac, Platform::Linux];

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of operating systems, one bit each: 1 Windows, 2 Mac, 4 Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Platforms(u8);

impl Platforms {
    /// The set stored as `bits`; unknown bits are dropped.
    pub fn from_bits(bits: u8) -> Platforms {
        Platforms(bits & 7)
    }

    /// The bits to store.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Whether it runs there.
    pub fn has(self, platform: Platform) -> bool {
        self.0 & platform.bit() != 0
    }

    /// Its members.
    pub fn iter(self) -> impl Iterator<Item = Platform> {
        Platform::ALL.into_iter().filter(move |platform| self.has(*platform))
    }
}

impl FromIterator<Platform> for Platforms {
    fn from_iter<I: IntoIterator<Item = Platform>>(platforms: I) -> Self {
        Platforms(platforms.into_iter().fold(0, |bits, platform| bits | platform.bit()))
    }
}

impl Serialize for Platforms {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// A short list of names, shared by all products that have the same one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Labels(Arc<[Arc<str>]>);

impl Default for Labels {
    fn default() -> Self {
        Labels(Arc::from([]))
    }
}

impl Deref for Labels {
    type Target = [Arc<str>];
    fn deref(&self) -> &[Arc<str>] {
        &self.0
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: Into<Arc<str>>> FromIterator<T> for Labels {
    fn from_iter<I: IntoIterator<Item = T>>(names: I) -> Self {
        Labels(names.into_iter().map(Into::into).collect())
    }
}

impl Serialize for Labels {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|label| &**label))
    }
}

/// Makes equal labels and equal lists of labels share their memory; a loader keeps one while it reads all products.
#[derive(Debug, Default)]
pub struct Interner {
    labels: HashSet<Arc<str>>,
    lists: HashSet<Labels>,
}

impl Interner {
    /// The list of these names.
    pub fn labels<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) -> Labels {
        let list: Labels = names.into_iter().map(|name| self.label(name)).collect();
        if let Some(known) = self.lists.get(&list) {
            return known.clone();
        }
        self.lists.insert(list.clone());
        list
    }

    /// Lets a product share its lists.
    pub fn adopt(&mut self, product: &mut Product) {
        for list in [&mut product.developers, &mut product.publishers, &mut product.genres] {
            *list = match self.lists.get(list) {
                Some(known) => known.clone(),
                None => self.labels(list.iter().map(|label| &**label)),
            };
        }
    }

    fn label(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.labels.get(name) {
            return Arc::clone(known);
        }
        let label: Arc<str> = name.into();
        self.labels.insert(Arc::clone(&label));
        label
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Currency;
    use proptest::prelude::*;

    fn product(minor: i64, limited: bool, sale: Option<Sale>) -> Product {
        Product {
            id: ProductId(1),
            steam_id: None,
            name: "Portal".into(),
            developers: Labels::default(),
            publishers: Labels::default(),
            genres: Labels::default(),
            platforms: Platforms::default(),
            released: None,
            price: Money { minor, currency: Currency::USD },
            sale,
            limited,
            popularity: 0,
            version: 1,
        }
    }

    #[test]
    fn a_sale_counts_from_its_start_and_no_longer_at_its_end() {
        let sale = Sale { percent: 75, starts_at: Instant(10), ends_at: Instant(20) };
        let (open, limited) = (product(1999, false, Some(sale)), product(1999, true, Some(sale)));
        let states: Vec<State> = [9, 10, 19, 20].map(|at| open.state(Instant(at))).to_vec();
        assert_eq!(states, [State::Regular, State::OnSale, State::OnSale, State::Regular]);
        assert_eq!((limited.state(Instant(9)), limited.state(Instant(10))), (State::LimitedStock, State::LimitedStockOnSale));
        assert_eq!((open.price_minor(Instant(9)), open.price_minor(Instant(10))), (1999, 500), "499.75 rounds up");
    }

    #[test]
    fn states_and_platforms_are_written_as_callers_know_them() {
        let states = [State::Regular, State::OnSale, State::LimitedStock, State::LimitedStockOnSale];
        let written = serde_json::to_string(&states).unwrap();
        assert_eq!(written, r#"["regular","on_sale","limited_stock","limited_stock_on_sale"]"#);
        assert_eq!(serde_json::to_string(&Platforms::from_bits(0xfd)).unwrap(), r#"["windows","linux"]"#);
    }

    #[test]
    fn equal_lists_share_their_memory() {
        let mut interner = Interner::default();
        let mut product = product(0, false, None);
        product.genres = ["Action", "Indie"].into_iter().collect();
        let list = interner.labels(["Action", "Indie"]);
        interner.adopt(&mut product);
        assert!(std::ptr::eq(&*list, &*product.genres));
    }

    proptest! {
        #[test]
        fn a_sale_price_lies_within_half_a_unit_of_the_share(minor in 0..=i64::MAX, percent in 1..=100u8) {
            let sale = Sale { percent, starts_at: Instant(0), ends_at: Instant(1) };
            let price = i128::from(product(minor, false, Some(sale)).price_minor(Instant(0)));
            let exact_hundredths = i128::from(minor) * i128::from(100 - percent);
            let over = price * 100 - exact_hundredths;
            prop_assert!((-49..=50).contains(&over), "{price} is {over} hundredths over");
        }
    }
}
