//! Measures the catalogue in memory: building, changing, lists on the first and last page, searches and what they find.
//! Refuses a database. `cargo bench -p catalogue --bench read [-- GAMES.json[.gz]]`; the file, of the public Steam set's
//! shape, gives its real names; without it the names come from the crate's own generator.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_possible_wrap)]

use catalogue::index::{At, Catalogue, Direction, Query, Sort};
use catalogue::model::{Interner, Platform, Platforms, Product, Sale, State};
use kernel::{Currency, Instant as Moment, Money, ProductId};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read;
use std::time::{Duration, Instant};

const PRODUCTS: usize = 85_103;
const DAY_US: i64 = 86_400_000_000;
const KOREAN: &str =
    "검은 사막 전설 왕국 용사 모험 던전 기사 마법 전쟁 하늘 바다 영웅 이야기 달빛 소녀 도시 좀비 생존 농장 퍼즐 연대기 어둠 제국 무림";
const JAPANESE: &str =
    "勇者 物語 伝説 世界 少女 戦国 魔法 学園 クラシック ダンジョン ドーン レジェンド ブルー ムーン 列車 信長 野望 黄昏 ロゼ 幻想 東方";
const CHINESE: &str = "三国 传奇 英雄 江湖 仙侠 武林 世界 战争 帝国 冒险 少女 古剑 大侠 修仙 模拟器 末日 卡牌 王朝 神话";

fn main() {
    let file = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let games = games(file.as_deref());
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let products = products(&games, &mut random);
    println!("{} products, names from {} games of {}", products.len(), games.len(), file.as_deref().unwrap_or("the generator"));

    let copy = products.clone();
    let (before_kb, started) = (rss_kb(), Instant::now());
    let catalogue = Catalogue::build(copy);
    println!("built in {:?}, resident {} MB more for orders, filters and search", started.elapsed(), (rss_kb() - before_kb) / 1024);
    println!("resident {} MB, with the measuring program and a second copy of the products", rss_kb() / 1024);

    changes(&catalogue, &products, &mut random);
    lists(&catalogue, &mut random);
    searches(&catalogue, &products, &mut random);
    recall(&catalogue, &products, &mut random);
}

fn changes(catalogue: &Catalogue, products: &[Product], random: &mut Random) {
    catalogue.prepare(Moment(0));
    let mut changing = |label: &str, change: &dyn Fn(&mut Product)| {
        let mut taken = Vec::new();
        for _ in 0..50 {
            let mut changed: Vec<Product> = (0..5).map(|_| random.pick(products).clone()).collect();
            changed.iter_mut().for_each(|product| {
                product.version += 1;
                change(product);
            });
            let started = Instant::now();
            let next = catalogue.apply(changed);
            taken.push(started.elapsed());
            assert_eq!(next.len(), catalogue.len() + usize::from(label.contains("new")) * 5);
        }
        show(label, taken);
    };
    changing("apply 5 sales", &|product| product.sale = Some(Sale { percent: 50, starts_at: Moment(1), ends_at: Moment(2) }));
    changing("apply 5 prices", &|product| product.price.minor += 1);
    changing("apply 5 names", &|product| product.name = format!("{} again", product.name).into());
    let ids = std::cell::Cell::new(100_000_000);
    changing("apply 5 new products", &|product| {
        ids.set(ids.get() + 1);
        product.id = ProductId(ids.get());
    });
    let turns = (0..60).map(|day| timed(|| catalogue.prepare(Moment(day * DAY_US))).0).collect();
    show("turn of a sale boundary", turns);
}

fn lists(catalogue: &Catalogue, random: &mut Random) {
    let now = Moment(0);
    let filters: [(&str, Query); 7] = [
        ("all", Query::default()),
        ("genre", Query { genre: Some("indie".into()), ..Query::default() }),
        ("rare genre", Query { genre: Some("education".into()), ..Query::default() }),
        ("genre, platform", Query { genre: Some("indie".into()), platform: Some(Platform::Linux), ..Query::default() }),
        ("on sale", Query { state: Some(State::OnSale), ..Query::default() }),
        ("price range", Query { price_min: Some(200), price_max: Some(1500), ..Query::default() }),
        (
            "genre, state, price",
            Query { genre: Some("action".into()), state: Some(State::Regular), price_max: Some(999), ..Query::default() },
        ),
    ];
    let mut everything = Vec::new();
    for (label, query) in filters {
        for sort in [Sort::Name, Sort::Price, Sort::Release, Sort::Popularity] {
            let total = catalogue.list(&Query { sort, ..query.clone() }, now).unwrap().total;
            let last = total.div_ceil(10).max(1) as u32;
            for (which, page) in [("first", 1), ("last", last)] {
                let mut taken = Vec::new();
                for round in 0..500 {
                    let direction = if round % 2 == 0 { Direction::Ascending } else { Direction::Descending };
                    let query = Query { sort, direction, at: At::Page(page), ..query.clone() };
                    let (time, page) = timed(|| catalogue.list(&query, now).unwrap());
                    assert_eq!(page.total, total);
                    taken.push(time);
                }
                everything.extend(taken.iter().copied());
                show(&format!("list {label} by {sort:?}, {which} page of {last}"), taken);
            }
        }
    }
    show("lists, all of these", everything);
    let mut taken = Vec::new();
    let mut query = Query::default();
    for _ in 0..8_000 {
        let (time, next) = timed(|| catalogue.list(&query, now).unwrap().next);
        taken.push(time);
        query.at = next.map_or(At::Page(1 + random.below(5) as u32), At::After);
    }
    show("list by cursor, page after page", taken);
}

fn searches(catalogue: &Catalogue, products: &[Product], random: &mut Random) {
    let mut texts = HashSet::new();
    while texts.len() < 10_000 {
        let product = random.pick(products);
        let words: Vec<&str> = product.name.split_whitespace().collect();
        let Some(first) = words.first() else { continue };
        let text = match random.below(20) {
            0..6 => one_edit(&product.name, random),
            6..10 => product.name.chars().take(1 + random.below(8)).collect(),
            10..14 => format!("{} {}", random.pick(&words), random.pick(&words)),
            14..16 => product.developers.first().map_or(String::new(), |label| label.to_string()),
            16 => format!("{} {first}", product.genres.first().map_or("indie", |label| label)),
            17 => format!("{}{}", random.word(KOREAN), random.word(KOREAN)),
            _ => product.name.to_string(),
        };
        if !text.trim().is_empty() {
            texts.insert(text);
        }
    }
    let mut texts: Vec<String> = texts.into_iter().collect();
    texts.sort_unstable();
    random.shuffle(&mut texts);
    let mut slowest = (Duration::ZERO, "");
    let mut empty = 0;
    let taken = texts
        .iter()
        .map(|text| {
            let (time, page) = timed(|| catalogue.search(text, 1, 10, Moment(0)));
            empty += usize::from(page.total == 0);
            slowest = slowest.max((time, text));
            time
        })
        .collect();
    show("search, 10,000 distinct texts", taken);
    println!("  slowest {slowest:?}; {empty} found nothing");
}

fn recall(catalogue: &Catalogue, products: &[Product], random: &mut Random) {
    // Only an edit of a text without blanks leaves its script alone; others draw from these letters.
    let latin: Vec<&Product> = products.iter().filter(|product| product.name.chars().filter(|c| c.is_alphabetic()).count() >= 5).collect();
    let (mut found, mut missed) = (0, Vec::new());
    for _ in 0..5_000 {
        let product = random.pick(&latin);
        let text = one_edit(&product.name, random);
        if catalogue.search(&text, 1, 10, Moment(0)).items.iter().any(|item| item.product.name.trim() == product.name.trim()) {
            found += 1;
        } else {
            missed.push((text, product.name.clone()));
        }
    }
    println!("one edit anywhere in the name, among the first ten: {:.2} % of 5000", f64::from(found) / 50.0);
    missed.iter().take(12).for_each(|miss| println!("  missed {miss:?}"));
    let unspaced: Vec<&Product> = products.iter().filter(|product| product.name.chars().any(|c| u32::from(c) >= 0x2e80)).collect();
    let whole = unspaced.iter().filter(|product| {
        let page = catalogue.search(&product.name, 1, 10, Moment(0));
        page.items.iter().any(|item| item.product.name == product.name)
    });
    println!("Korean, Japanese and Chinese names found by themselves: {} of {}", whole.count(), unspaced.len());
}

/// The name with one letter dropped, added, replaced or exchanged with its neighbour, blanks and punctuation included.
fn one_edit(name: &str, random: &mut Random) -> String {
    let mut letters: Vec<char> = name.trim().chars().collect();
    if letters.len() < 2 {
        return name.to_owned();
    }
    let at = random.below(letters.len());
    let other = if u32::from(letters[at]) < 0x2e80 {
        char::from(b'a' + random.below(26) as u8)
    } else {
        random.word(KOREAN).chars().next().unwrap()
    };
    match random.below(4) {
        0 => drop(letters.remove(at)),
        1 => letters.insert(at, other),
        2 => letters[at] = other,
        _ => letters.swap(at.max(1) - 1, at.max(1)),
    }
    letters.into_iter().collect()
}

fn products(games: &[Game], random: &mut Random) -> Vec<Product> {
    let words: Vec<&str> = games.iter().flat_map(|game| game.name.split_whitespace()).collect();
    let developers: Vec<&str> = games.iter().flat_map(|game| game.developers.iter().map(|name| &**name)).collect();
    let mut interner = Interner::default();
    let mut names: HashSet<String> = HashSet::new();
    let mut products = Vec::with_capacity(PRODUCTS);
    while products.len() < PRODUCTS {
        let from = random.pick(games);
        let name = match games.get(products.len()) {
            Some(game) => game.name.clone(),
            None => made_name(from, &words, random),
        };
        // Real shops have a few equal names, not many.
        if !names.insert(name.clone()) && products.len() >= games.len() && random.below(100) > 2 {
            continue;
        }
        let developer =
            if random.below(5) < 2 { (*random.pick(&developers)).to_owned() } else { format!("{} Games", word(&words, random)) };
        let starts_at = Moment((random.below(60) as i64 - 30) * DAY_US);
        products.push(Product {
            id: ProductId(products.len() as i64 + 1),
            steam_id: Some(products.len() as u32 * 10),
            name: name.into(),
            developers: interner.labels([&*developer]),
            publishers: interner.labels([&*developer]),
            genres: interner.labels(from.genres.iter().map(|genre| &**genre)),
            platforms: [
                Some(Platform::Windows),
                (random.below(4) == 0).then_some(Platform::Mac),
                (random.below(6) == 0).then_some(Platform::Linux),
            ]
            .into_iter()
            .flatten()
            .collect::<Platforms>(),
            released: jiff::civil::date(2005, 1, 1).checked_add(jiff::Span::new().days(random.below(7_000) as i64)).ok(),
            price: Money { minor: (from.price * 100.0).round() as i64, currency: Currency::USD },
            sale: (random.below(12) == 0).then(|| Sale {
                percent: 1 + random.below(99) as u8,
                starts_at,
                ends_at: Moment(starts_at.0 + 14 * DAY_US),
            }),
            limited: random.below(50) == 0,
            popularity: (1_000_000 / (1 + random.below(100_000))) as i64,
            version: 1,
        });
    }
    products
}

fn made_name(like: &Game, words: &[&str], random: &mut Random) -> String {
    let count = like.name.split_whitespace().count().clamp(1, 8);
    match random.below(100) {
        0..3 => (0..1 + random.below(3)).map(|_| random.word(KOREAN)).collect::<Vec<_>>().join(" "),
        3..6 => (0..2 + random.below(3)).map(|_| random.word(JAPANESE)).collect(),
        6..10 => (0..2 + random.below(3)).map(|_| random.word(CHINESE)).collect(),
        _ => (0..count).map(|_| word(words, random)).collect::<Vec<_>>().join(" "),
    }
}

/// A word of the source's, or one in six made of syllables, since a full catalogue has more words than a sample.
fn word(words: &[&str], random: &mut Random) -> String {
    if random.below(6) > 0 {
        return (*random.pick(words)).to_owned();
    }
    let starts = [
        "b", "br", "c", "ch", "d", "dr", "f", "g", "gr", "h", "j", "k", "l", "m", "n", "p", "r", "s", "sh", "st", "t", "th", "tr", "v", "z",
    ];
    let ends = ["a", "e", "i", "o", "u", "ai", "or", "en", "an", "ir", "el"];
    (0..2 + random.below(3)).map(|_| format!("{}{}", random.pick(&starts), random.pick(&ends))).collect()
}

#[derive(Deserialize)]
struct Game {
    name: String,
    price: f64,
    developers: Vec<String>,
    genres: Vec<String>,
}

fn games(file: Option<&str>) -> Vec<Game> {
    let mut text = Vec::new();
    match file {
        Some(path) if path.ends_with(".gz") => {
            flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut text).unwrap();
        }
        Some(path) => text = std::fs::read(path).unwrap(),
        None => {
            catalogue::generate::write_steam_file(&mut text, 5_000, catalogue::generate::usual_genre_rows(5_000), 1).unwrap();
        }
    }
    let games: BTreeMap<String, Game> = serde_json::from_slice(&text).unwrap();
    games.into_values().collect()
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let started = Instant::now();
    let done = work();
    (started.elapsed(), done)
}

fn show(label: &str, mut taken: Vec<Duration>) {
    taken.sort_unstable();
    let at = |share: usize| taken[(taken.len() * share / 100).min(taken.len() - 1)];
    println!("{label}: p50 {:?}, p99 {:?}, max {:?}", at(50), at(99), at(100));
}

/// Kilobytes resident, from Linux; 0 elsewhere.
fn rss_kb() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let fields: HashMap<&str, &str> = status.lines().filter_map(|line| line.split_once(':')).collect();
    fields.get("VmRSS").and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    fn word<'a>(&mut self, words: &'a str) -> &'a str {
        let count = words.split(' ').count();
        words.split(' ').nth(self.below(count)).unwrap()
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        (1..items.len()).for_each(|at| items.swap(at, self.below(at + 1)));
    }
}
