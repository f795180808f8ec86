//! What the made logs are: deterministic, in their shares, and as their mappings expect them.

use super::{Game, Generator, Kind, Meta};
use kernel::Instant;
use rules::{Mapper, Mapping, Scratch, preset};
use std::collections::{BTreeMap, HashMap, HashSet};

const START: Instant = Instant(1_795_219_200_000_000);
const RECORDS: u64 = 40_000;

fn generator() -> Generator {
    Generator::new(7, 4_000, RECORDS, START)
}

fn mapper(game: Game) -> Mapper {
    Mapping::parse(preset(game.name()).unwrap()).unwrap().compile()
}

fn all(mut each: impl FnMut(u64, &Meta, &[u8])) {
    let (generator, mut out) = (generator(), Vec::new());
    for n in 0..RECORDS {
        let meta = generator.record(n, &mut out);
        each(n, &meta, &out);
    }
}

#[test]
fn every_record_maps_to_what_it_is_meant_to_be() {
    let mut mappers: HashMap<Game, (Mapper, Scratch)> = Game::ALL.map(|game| (game, (mapper(game), Scratch::default()))).into();
    let (mut kinds, mut events) = (BTreeMap::new(), BTreeMap::new());
    all(|n, meta, bytes| {
        let (mapper, scratch) = mappers.get_mut(&meta.game).unwrap();
        let text = String::from_utf8_lossy(bytes);
        let mapped = mapper.map(scratch, bytes, meta.appended_at, &mut |event| {
            assert_eq!(event.kind, format!("{:?}", meta.kind).to_lowercase(), "{n}: {text}");
            let late_s = meta.appended_at.since_us(event.at) / 1_000_000;
            assert_eq!(late_s >= 60, meta.is_late || (meta.repeats.is_some() && late_s >= 60), "{n}: {late_s} s: {text}");
            assert!(meta.repeats.is_some() || (0..=6 * 3_600 + 60).contains(&late_s), "{n}: {late_s} s");
            *events.entry(event.kind.to_owned()).or_insert(0_u64) += 1;
        });
        match meta.kind {
            Kind::Broken(reason) => assert_eq!(mapped.map_err(|unfit| unfit.reason.as_str()), Err(reason), "{n}: {text}"),
            _ => assert_eq!(mapped, Ok(meta.events as usize), "{n}: {text}"),
        }
        let name = if let Kind::Broken(_) = meta.kind { "broken".to_owned() } else { format!("{:?}", meta.kind).to_lowercase() };
        *kinds.entry(if meta.repeats.is_some() { "repeat".to_owned() } else { name }).or_insert(0_u64) += 1;
    });
    let shares = ["broken", "repeat", "unwanted", "login", "mission", "item", "play"];
    assert_eq!(shares.map(|name| kinds[name] * 1_000), [1, 5, 300, 100, 150, 194, 250].map(|share| share * RECORDS), "{kinds:?}");
    assert!(events["play"] > kinds["play"] * 14 / 10, "a match has several players: {events:?}");
}

#[test]
fn a_record_is_the_same_whoever_makes_it_and_whenever() {
    let (generator, mut one, mut two) = (generator(), Vec::new(), Vec::new());
    for n in (0..RECORDS).rev().step_by(7) {
        generator.record(n, &mut one);
        Generator::new(7, 4_000, RECORDS, START).record(n, &mut two);
        assert_eq!(one, two);
    }
    let other = Generator::new(8, 4_000, RECORDS, START);
    let differing = (0..100).filter(|&n| {
        generator.record(n, &mut one);
        other.record(n, &mut two);
        one != two
    });
    assert!(differing.count() > 90);
}

#[test]
fn repeats_are_byte_by_byte_what_was_sent_before() {
    let (generator, mut first, mut repeats) = (generator(), Vec::new(), 0);
    all(|n, meta, bytes| {
        let Some(earlier) = meta.repeats else { return };
        let of = generator.record(earlier, &mut first);
        assert!(earlier < n && of.repeats.is_none());
        assert_eq!((of.game, of.key, first.as_slice()), (meta.game, meta.key, bytes));
        repeats += 1;
    });
    assert!(repeats > 190, "{repeats}");
}

#[test]
fn keys_are_players_but_for_the_game_that_is_keyed_by_match() {
    let mut keys: BTreeMap<&str, HashSet<Vec<u8>>> = BTreeMap::new();
    all(|_, meta, bytes| {
        let key = meta.key.as_bytes();
        keys.entry(meta.game.name()).or_default().insert(key.to_vec());
        if !matches!(meta.kind, Kind::Broken(_)) {
            assert!(bytes.windows(key.len()).any(|piece| piece == key), "{} has its key", String::from_utf8_lossy(bytes));
        }
    });
    let players = ["baram", "kartrider", "kartrush"].map(|name| keys[name].len());
    assert!(players.iter().all(|&players| (950..=1_000).contains(&players)), "{players:?}");
    assert!(keys["suddenattack"].len() > 9_900);
}

#[test]
fn records_cover_their_days_in_order_and_have_their_size() {
    let (mut last, mut sizes, mut late) = (START, BTreeMap::<&str, (usize, usize)>::new(), 0);
    all(|_, meta, bytes| {
        assert!(meta.appended_at >= last);
        last = meta.appended_at;
        late += usize::from(meta.is_late);
        let size = sizes.entry(meta.game.name()).or_default();
        *size = (size.0 + bytes.len(), size.1 + 1);
    });
    let days = last.since_us(START) / 86_400_000_000;
    assert_eq!(days, 13, "the last record is of the fourteenth day");
    assert!((700..900).contains(&late), "one in fifty is late: {late}");
    let mean = |name: &str| sizes[name].0 / sizes[name].1;
    let json = ["kartrider", "kartrush", "suddenattack"].map(mean);
    let all: usize = json.iter().sum::<usize>() / 3;
    assert!((160..=184).contains(&all), "{json:?} {}", mean("baram"));
}

#[test]
fn regular_players_come_every_day() {
    let mut days: HashMap<Vec<u8>, HashSet<i64>> = HashMap::new();
    all(|_, meta, _| {
        if meta.game == Game::Kartrush && meta.kind == Kind::Login {
            days.entry(meta.key.as_bytes().to_vec()).or_default().insert(meta.appended_at.0 / 86_400_000_000);
        }
    });
    assert!(days.values().any(|days| days.iter().any(|day| days.contains(&(day + 1)) && days.contains(&(day + 2)))));
}
