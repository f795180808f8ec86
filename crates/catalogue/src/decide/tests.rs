//! Properties of the decisions: whatever is asked, refusals change nothing and what is kept is fit to be sold.

use super::*;
use kernel::Currency;
use proptest::prelude::*;

const NOW: Instant = Instant(1_000);

fn product(name: &str, minor: i64) -> NewProduct {
    NewProduct {
        name: name.to_owned(),
        price: Money { minor, currency: Currency::USD },
        developers: vec!["Nexon".to_owned()],
        publishers: Vec::new(),
        genres: vec!["Racing".to_owned(), "Racing".to_owned(), "Casual".to_owned()],
        platforms: Platforms::from_bits(1),
        released: None,
        limited: false,
        player_limit: 0,
        detail: Detail::default(),
    }
}

fn state() -> State {
    State { version: 7, next_product: 1, ..State::default() }
}

fn decide(state: &mut State, asked: &Asked) -> Outcome<Changed> {
    change(state, asked, &Policy::default(), NOW)
}

#[test]
fn products_are_numbered_in_order_and_show_each_genre_once() {
    let mut state = state();
    let first = decide(&mut state, &Asked::Add(Box::new(product("Kartrider", 1999)))).unwrap();
    let second = decide(&mut state, &Asked::Add(Box::new(product("Dave", 0)))).unwrap();
    assert_eq!((first.product, second.product, state.next_product), (ProductId(1), ProductId(2), 3));
    assert_eq!(state.products[&ProductId(1)].genres, ["Racing", "Casual"]);
    assert_eq!((state.added.len(), state.changed.len()), (2, 0));
}

#[test]
fn a_change_to_what_is_so_already_keeps_the_version_and_writes_nothing() {
    let mut before = state();
    let id = decide(&mut before, &Asked::Add(Box::new(product("Kartrider", 1999)))).unwrap().product;
    let mut state = State { version: 9, products: before.products.clone(), ..state() };
    let same = Edit { name: Some("Kartrider".to_owned()), price: Some((1999, Some(Currency::USD))), ..Edit::default() };
    assert_eq!(decide(&mut state, &Asked::Edit(id, Box::new(same))).unwrap().version, 7);
    assert!(state.changed.is_empty());
    assert_eq!(decide(&mut state, &Asked::SetLimit(id, true, 1)).unwrap().version, 9);
    assert_eq!(state.changed, BTreeSet::from([id]));
}

#[test]
fn what_cannot_be_sold_is_refused_with_the_value_and_what_would_be_right() {
    let mut state = state();
    let id = decide(&mut state, &Asked::Add(Box::new(product("Kartrider", 1999)))).unwrap().product;
    let won = Money { minor: 1000, currency: "KRW".parse().unwrap() };
    let sale = |percent, starts_at, ends_at| Asked::SetSale(id, Sale { percent, starts_at: Instant(starts_at), ends_at: Instant(ends_at) });
    let refused = [
        (Asked::Edit(id, Box::new(Edit { price: Some((won.minor, Some(won.currency))), ..Edit::default() })), Code::BadAmount, "KRW"),
        (Asked::Edit(id, Box::new(Edit { name: Some(" \t".to_owned()), ..Edit::default() })), Code::BadText, "blank"),
        (Asked::Edit(id, Box::new(Edit { name: Some("a\0".to_owned()), ..Edit::default() })), Code::BadText, "NUL"),
        (sale(0, 0, 2_000), Code::BadAmount, "1 to 100"),
        (sale(101, 0, 2_000), Code::BadAmount, "1 to 100"),
        (sale(50, 2_000, 2_000), Code::BadBody, "after the start"),
        (sale(50, 10, 1_000), Code::BadBody, "in the future"),
        (Asked::SetLimit(id, true, -1), Code::BadAmount, "-1"),
        (Asked::RemoveSale(ProductId(99)), Code::NotFound, "99"),
    ];
    for (asked, code, told) in refused {
        let refusal = decide(&mut state, &asked).unwrap_err();
        assert_eq!(refusal.code, code, "{asked:?}");
        assert!(refusal.detail.contains(told), "{}", refusal.detail);
    }
}

fn asked() -> impl Strategy<Value = Asked> {
    let id = || (0..5_i64).prop_map(ProductId);
    let prices = || prop_oneof![0..5_000_i64, Just(-1), Just(PRICE_MAX), Just(PRICE_MAX + 1), Just(i64::MAX)];
    let names = || prop_oneof!["[A-Za-z ]{0,12}", Just("é".repeat(NAME_MAX)), Just("é".repeat(NAME_MAX + 1))];
    prop_oneof![
        (names(), prices()).prop_map(|(name, minor)| Asked::Add(Box::new(product(&name, minor)))),
        (id(), prop::option::of(names()), prop::option::of(prices())).prop_map(|(id, name, minor)| {
            let price = minor.map(|minor| (minor, Some(Currency::USD)));
            Asked::Edit(id, Box::new(Edit { name, price, ..Edit::default() }))
        }),
        (id(), any::<u8>(), 0..3_000_i64, 0..3_000_i64)
            .prop_map(|(id, percent, from, to)| Asked::SetSale(id, Sale { percent, starts_at: Instant(from), ends_at: Instant(to) })),
        id().prop_map(Asked::RemoveSale),
        (id(), any::<bool>(), -5..5_i64).prop_map(|(id, limited, limit)| Asked::SetLimit(id, limited, limit)),
    ]
}

proptest! {
    #[test]
    fn whatever_is_asked_products_stay_fit_and_refusals_change_nothing(asked in prop::collection::vec(asked(), 0..60)) {
        let mut state = state();
        for asked in &asked {
            let before = state.clone();
            match decide(&mut state, asked) {
                Err(_) => prop_assert_eq!(&before, &state, "a refusal changes nothing"),
                Ok(changed) => prop_assert_eq!(changed.version, state.products[&changed.product].version),
            }
        }
        for (id, record) in &state.products {
            prop_assert!(!record.name.trim().is_empty() && record.name.chars().count() <= NAME_MAX);
            prop_assert!((0..=PRICE_MAX).contains(&record.price.minor));
            prop_assert!(record.sale.is_none_or(|sale| (1..=100).contains(&sale.percent) && sale.starts_at < sale.ends_at));
            prop_assert!((0..=PLAYER_LIMIT_MAX).contains(&record.player_limit));
            prop_assert!((1..state.next_product).contains(&id.0), "ids are given out in order");
            prop_assert!(state.added.contains(id) != state.changed.contains(id), "a product is inserted or updated, never both");
            prop_assert!(state.details.contains_key(id), "a new product has its texts");
        }
    }
}
