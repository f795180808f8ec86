//! The catalogue in memory against the plain way: filter everything, sort everything, cut the page out.
//! Refuses a database and a network; products are made here.

#![allow(clippy::unwrap_used)]
use catalogue::index::{At, Catalogue, Direction, Query, Sort};
use catalogue::model::{Labels, Platform, Platforms, Product, Sale, State};
use catalogue::search::folded;
use kernel::{Currency, Instant, Money, ProductId};
use proptest::prelude::*;
use std::cmp::Ordering;

const NAMES: [&str; 14] = [
    "Portal",
    "Portal 2",
    "portal",
    "Counter-Strike",
    "Éclair",
    "eclair!",
    "검은사막",
    "三国志",
    "信長の野望",
    "",
    "Doom",
    "DOOM Eternal",
    "Half-Life",
    "?!",
];
const GENRES: [&str; 5] = ["Action", "Indie", "RPG", "action", "Free to Play"];
const SORTS: [Sort; 4] = [Sort::Name, Sort::Price, Sort::Release, Sort::Popularity];
const STATES: [State; 4] = [State::Regular, State::OnSale, State::LimitedStock, State::LimitedStockOnSale];

fn product(id: i64, name: &str) -> Product {
    Product {
        id: ProductId(id),
        steam_id: None,
        name: name.into(),
        developers: Labels::default(),
        publishers: Labels::default(),
        genres: Labels::default(),
        platforms: Platforms::from_bits(1),
        released: None,
        price: Money { minor: 999, currency: Currency::USD },
        sale: None,
        limited: false,
        popularity: 0,
        version: 1,
    }
}

prop_compose! {
    fn any_sale()(percent in 1..=100u8, starts in 0i64..100, length in 0i64..60) -> Sale {
        Sale { percent, starts_at: Instant(starts), ends_at: Instant(starts + length) }
    }
}

prop_compose! {
    fn any_product(ids: std::ops::Range<i64>)(
        id in ids,
        name in prop::sample::select(&NAMES[..]),
        genres in prop::sample::subsequence(&GENRES[..], 0..=3),
        platforms in 0..8u8,
        day in prop::option::of(0i8..28),
        minor in 0i64..50,
        sale in prop::option::weighted(0.4, any_sale()),
        limited in prop::bool::weighted(0.2),
        popularity in -3i64..5,
        version in 1i64..4,
    ) -> Product {
        Product {
            genres: genres.into_iter().collect(),
            platforms: Platforms::from_bits(platforms),
            released: day.map(|day| jiff::civil::date(2020, 2, day + 1)),
            price: Money { minor, currency: Currency::USD },
            sale,
            limited,
            popularity,
            version,
            ..product(id, name)
        }
    }
}

prop_compose! {
    fn any_query()(
        genre in prop::option::weighted(0.4, prop::sample::select(vec!["ACTION", "indie", "rpg", "free to play", "none"])),
        state in prop::option::weighted(0.3, prop::sample::select(&STATES[..])),
        platform in prop::option::weighted(0.3, prop::sample::select(&Platform::ALL[..])),
        price_min in prop::option::weighted(0.3, 0i64..50),
        price_max in prop::option::weighted(0.3, 0i64..50),
        sort in prop::sample::select(&SORTS[..]),
        descending: bool,
        size in 1u32..7,
    ) -> Query {
        let direction = if descending { Direction::Descending } else { Direction::Ascending };
        Query { genre: genre.map(str::to_owned), state, platform, price_min, price_max, sort, direction, at: At::Page(1), size }
    }
}

/// The whole list the plain way.
fn plain<'a>(products: &'a [Product], query: &Query, now: Instant) -> Vec<&'a Product> {
    let genre = query.genre.as_deref().map(str::to_lowercase);
    let mut found: Vec<&Product> = products
        .iter()
        .filter(|product| genre.as_ref().is_none_or(|genre| product.genres.iter().any(|label| label.to_lowercase() == *genre)))
        .filter(|product| query.state.is_none_or(|state| product.state(now) == state))
        .filter(|product| query.platform.is_none_or(|platform| product.platforms.has(platform)))
        .filter(|product| query.price_min.is_none_or(|min| product.price_minor(now) >= min))
        .filter(|product| query.price_max.is_none_or(|max| product.price_minor(now) <= max))
        .collect();
    found.sort_by(|a, b| compare(a, b, query.sort, now).then(a.id.cmp(&b.id)));
    if query.direction == Direction::Descending {
        found.reverse();
    }
    found
}

fn compare(a: &Product, b: &Product, sort: Sort, now: Instant) -> Ordering {
    match sort {
        Sort::Name => folded(&a.name).cmp(&folded(&b.name)),
        Sort::Price => a.price_minor(now).cmp(&b.price_minor(now)),
        Sort::Release => a.released.cmp(&b.released),
        Sort::Popularity => a.popularity.cmp(&b.popularity),
    }
}

fn distinct(products: Vec<Product>) -> Vec<Product> {
    let mut held: Vec<Product> = Vec::new();
    for product in products {
        match held.iter_mut().find(|other| other.id == product.id) {
            Some(other) => *other = product,
            None => held.push(product),
        }
    }
    held
}

fn page_walk(catalogue: &Catalogue, query: &Query, now: Instant) -> Vec<ProductId> {
    let mut walked = Vec::new();
    for page in 1.. {
        let found = catalogue.list(&Query { at: At::Page(page), ..query.clone() }, now).unwrap();
        walked.extend(found.items.iter().map(|item| item.product.id));
        assert!(found.items.len() <= query.size as usize);
        if found.next.is_none() {
            assert_eq!(walked.len(), found.total, "the last page is the one without a next");
            return walked;
        }
    }
    unreachable!("a catalogue ends")
}

fn cursor_walk(catalogue: &Catalogue, query: &Query, now: Instant) -> Vec<ProductId> {
    let mut walked = Vec::new();
    let mut query = query.clone();
    loop {
        let found = catalogue.list(&query, now).unwrap();
        walked.extend(found.items.iter().map(|item| item.product.id));
        match found.next {
            Some(next) => query.at = At::After(next),
            None => return walked,
        }
    }
}

proptest! {
    #[test]
    fn pages_and_cursors_walk_the_whole_sorted_list(
        products in prop::collection::vec(any_product(1..90), 0..90), query in any_query(), moments in prop::collection::vec(0i64..170, 1..4),
    ) {
        let products = distinct(products);
        let catalogue = Catalogue::build(products.clone());
        for now in moments.into_iter().map(Instant) {
            let expected: Vec<ProductId> = plain(&products, &query, now).iter().map(|product| product.id).collect();
            prop_assert_eq!(page_walk(&catalogue, &query, now), expected.clone());
            prop_assert_eq!(cursor_walk(&catalogue, &query, now), expected);
        }
    }

    #[test]
    fn applying_changes_is_building_anew(
        before in prop::collection::vec(any_product(1..200), 20..150),
        changes in prop::collection::vec(prop::collection::vec(any_product(1..220), 0..5), 1..4),
        queries in prop::collection::vec(any_query(), 3),
        moment in 0i64..170,
        text in prop::sample::select(vec!["portal", "porta", "potral 2", "doom eternal", "사막", "三国", "action", "eclair"]),
    ) {
        let now = Instant(moment);
        let mut held = distinct(before);
        let mut applied = Catalogue::build(held.clone());
        applied.prepare(Instant(moment / 2));
        for changed in changes {
            for product in &changed {
                match held.iter_mut().find(|other| other.id == product.id) {
                    Some(other) if other.version >= product.version => {}
                    Some(other) => *other = product.clone(),
                    None => held.push(product.clone()),
                }
            }
            applied = applied.apply(changed);
        }
        let built = Catalogue::build(held.clone());
        prop_assert_eq!(applied.len(), built.len());
        prop_assert_eq!(applied.genres().map(|(genre, count)| (folded(genre), count)).collect::<Vec<_>>(),
            built.genres().map(|(genre, count)| (folded(genre), count)).collect::<Vec<_>>());
        for product in &held {
            prop_assert_eq!(applied.get(product.id), Some(product));
        }
        for query in queries {
            prop_assert_eq!(applied.list(&query, now), built.list(&query, now));
        }
        let key = |catalogue: &Catalogue| {
            let page = catalogue.search(text, 1, 100, now);
            let mut found: Vec<(i64, ProductId)> = page.items.iter().map(|item| (item.product.popularity, item.product.id)).collect();
            found.sort();
            (page.total, found)
        };
        prop_assert_eq!(key(&applied), key(&built));
    }

    #[test]
    fn any_text_can_be_searched(text in "\\PC{0,60}", page in 0u32..4) {
        let catalogue = Catalogue::build(NAMES.iter().zip(1..).map(|(name, id)| product(id, name)).collect());
        let found = catalogue.search(&text, page, 3, Instant(0));
        prop_assert!(found.items.len() <= 3 && found.items.len() <= found.total);
    }

    #[test]
    fn any_cursor_is_answered_or_refused(cursor in "[nprl]?\\PC{0,20}", sort in prop::sample::select(&SORTS[..])) {
        let catalogue = Catalogue::build(vec![product(1, "Portal")]);
        let query = Query { at: At::After(kernel::Cursor(cursor)), sort, ..Query::default() };
        let _answered_or_refused = catalogue.list(&query, Instant(0));
    }
}

fn found(catalogue: &Catalogue, text: &str) -> Vec<i64> {
    catalogue.search(text, 1, 10, Instant(0)).items.iter().map(|item| item.product.id.0).collect()
}

#[test]
fn a_cursor_neither_repeats_nor_misses_when_products_are_added() {
    let even = (1..=20).map(|id| product(id, &format!("Game {:02}", id * 2))).collect();
    let before = Catalogue::build(even);
    let query = Query { size: 5, ..Query::default() };
    let first = before.list(&query, Instant(0)).unwrap();
    let added = (21..=40).map(|id| product(id, &format!("Game {:02}", (id - 20) * 2 - 1))).collect();
    let after = before.apply(added);
    let second = after.list(&Query { at: At::After(first.next.clone().unwrap()), ..query }, Instant(0)).unwrap();
    let names: Vec<&str> = second.items.iter().map(|item| &*item.product.name).collect();
    assert_eq!(names, ["Game 11", "Game 12", "Game 13", "Game 14", "Game 15"], "the first page ended with Game 10");
    assert_eq!((second.total, after.len()), (40, 40));
}

#[test]
fn a_sale_moves_a_product_for_just_its_time() {
    let mut cheap = product(1, "Cheap");
    cheap.price.minor = 500;
    let mut dear = product(2, "Dear");
    dear.sale = Some(Sale { percent: 75, starts_at: Instant(10), ends_at: Instant(20) });
    let catalogue = Catalogue::build(vec![cheap, dear]);
    let by_price = Query { sort: Sort::Price, ..Query::default() };
    let on_sale = Query { state: Some(State::OnSale), ..Query::default() };
    for (now, first, sales) in [(9, 1, 0), (10, 2, 1), (19, 2, 1), (20, 1, 0), (10, 2, 1)] {
        let now = Instant(now);
        assert_eq!(catalogue.list(&by_price, now).unwrap().items[0].product.id, ProductId(first), "at {now:?}");
        assert_eq!(catalogue.list(&on_sale, now).unwrap().total, sales, "at {now:?}");
    }
    let item = catalogue.list(&by_price, Instant(10)).unwrap().items[0];
    assert_eq!((item.state, item.price.minor), (State::OnSale, 250));
}

#[test]
fn an_older_version_changes_nothing() {
    let mut newer = product(1, "Newer");
    newer.version = 5;
    let catalogue = Catalogue::build(vec![newer.clone()]);
    let applied = catalogue.apply(vec![product(1, "Older")]);
    assert_eq!(applied.get(ProductId(1)), Some(&newer));
    assert!(applied.exists(ProductId(1)) && !applied.exists(ProductId(2)));
}

#[test]
fn better_matches_come_first_and_popular_ones_among_equals() {
    let mut products: Vec<Product> = ["The Portal Story", "Portal 2", "Portal", "Portal Knights", "Postal", "Mortal Kombat"]
        .iter()
        .zip(1..)
        .map(|(name, id)| product(id, name))
        .collect();
    products[3].popularity = 50;
    products[4].popularity = 1_000;
    products.push(Product { developers: ["Portal Makers"].into_iter().collect(), popularity: 5_000, ..product(7, "Zebra") });
    let catalogue = Catalogue::build(products);
    assert_eq!(found(&catalogue, "portal"), [3, 4, 2, 1, 7, 5, 6]);
}

#[test]
fn mistyped_names_are_found() {
    let names =
        ["Counter-Strike", "Left 4 Dead 2", "Audiosurf 2", "Sonic CD", "Super Cube Smash", "Elven Legacy", "Pokémon", "Assassin's Creed"];
    let catalogue = Catalogue::build(names.iter().zip(1..).map(|(name, id)| product(id, name)).collect());
    let sought = [
        ("cuonter strike", 1),
        ("counterstrike", 1),
        ("counter stri", 1),
        ("conter-strike", 1),
        ("lef 4 dead 2", 2),
        ("left 4 daed 2", 2),
        ("Audiosurf2", 3),
        ("adiosurf", 3),
        ("sonicqcd", 4),
        ("super cub smash", 5),
        ("elve nlegacy", 6),
        ("POKEMON", 7),
        ("assassins cred", 8),
        ("counter xyzzy strike", 1),
    ];
    for (text, id) in sought {
        assert_eq!(found(&catalogue, text).first(), Some(&id), "{text:?}");
    }
    assert_eq!(found(&catalogue, "xyzzy"), [0i64; 0]);
    assert_eq!(found(&catalogue, "?!"), [0i64; 0]);
}

#[test]
fn names_without_blanks_are_found_by_any_part() {
    let names = ["검은사막", "信長の野望", "三国志XIV", "クラシックダンジョン", "Star Sky - ブルームーン", "แม่นาค"];
    let catalogue = Catalogue::build(names.iter().zip(1..).map(|(name, id)| product(id, name)).collect());
    for (text, id) in [
        ("사막", 1),
        ("막", 1),
        ("검은 사막", 1),
        ("野望", 2),
        ("三国", 3),
        ("三国志 xiv", 3),
        ("ｸﾗｼｯｸ", 4),
        ("ダンジョン", 4),
        ("ムーン", 5),
        ("นาค", 6),
    ] {
        assert_eq!(found(&catalogue, text).first(), Some(&id), "{text:?}");
    }
}

#[test]
fn genres_and_developers_are_found_with_words_of_the_name() {
    let mut doom = product(1, "Doom");
    doom.genres = ["Action"].into_iter().collect();
    doom.developers = ["id Software"].into_iter().collect();
    let mut other = product(2, "Doomed Farm");
    other.genres = ["Simulation"].into_iter().collect();
    let catalogue = Catalogue::build(vec![doom, other]);
    assert_eq!(found(&catalogue, "doom action").first(), Some(&1));
    assert_eq!(found(&catalogue, "simulation").first(), Some(&2));
    assert_eq!(found(&catalogue, "id softwar").first(), Some(&1));
}

#[test]
fn search_pages_follow_each_other_and_end_at_the_depth() {
    let catalogue = Catalogue::build((1..=1_200).map(|id| Product { popularity: id, ..product(id, &format!("Quest {id}")) }).collect());
    let ids =
        |page, size| -> Vec<i64> { catalogue.search("quest", page, size, Instant(0)).items.iter().map(|item| item.product.id.0).collect() };
    assert_eq!(ids(1, 3), [1200, 1199, 1198]);
    assert_eq!(ids(2, 3), [1197, 1196, 1195]);
    assert_eq!(ids(10, 100).len(), 100);
    assert_eq!(ids(11, 100).len(), 0);
    assert_eq!(ids(u32::MAX, u32::MAX).len(), 0);
    assert_eq!(catalogue.search("quest", 1, 10, Instant(0)).total, 1_200);
}

#[test]
fn changed_texts_are_found_by_the_new_and_not_by_the_old() {
    let catalogue = Catalogue::build((1..=200).map(|id| product(id, &format!("Game {id}"))).collect());
    let applied = catalogue.apply(vec![Product { version: 2, ..product(7, "Braid") }, product(201, "Limbo")]);
    assert_eq!(found(&applied, "braid"), [7]);
    assert_eq!(found(&applied, "limbo"), [201]);
    assert!(!found(&applied, "game 7").contains(&7));
    let renamed_back = applied.apply(vec![Product { version: 3, ..product(7, "Game 7") }]);
    assert_eq!(found(&renamed_back, "game 7").first(), Some(&7));
}
