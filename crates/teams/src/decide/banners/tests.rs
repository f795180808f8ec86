//! Banners: what is one, who is shown which, and until when.

use super::*;
use kernel::{BannerId, Uuid};
use proptest::prelude::*;

fn content(name: &str) -> Content {
    Content { image: format!("https://cdn.example/{name}.png"), link: "kartrider://shop".to_owned(), text: String::new() }
}

fn body() -> BannerBody {
    BannerBody {
        placement: "lobby".to_owned(),
        priority: 0,
        starts_at: Instant(100 * SECOND_US),
        ends_at: Some(Instant(200 * SECOND_US)),
        fallback: "en".to_owned(),
        contents: [("en".to_owned(), content("en")), ("ko".to_owned(), content("ko")), ("pt-BR".to_owned(), content("br"))].into(),
        audience: Audience::default(),
    }
}

fn banner(id: u8, body: BannerBody) -> Banner {
    let banner = BannerId(Uuid::from_bytes([id; 16]));
    Banner { banner, state: BannerState::Published, version: 1, created_at: Instant(0), changed_at: Instant(0), body }
}

fn reader() -> Reader {
    Reader::default()
}

#[test]
fn a_banner_is_shown_from_its_start_until_its_end() {
    let shelf = [banner(1, body())];
    let count = |now| shown(&shelf, &reader(), Instant(now)).0.len();
    let (start, end) = (100 * SECOND_US, 200 * SECOND_US);
    assert_eq!([count(start - 1), count(start), count(end - 1), count(end)], [0, 1, 1, 0]);
    assert_eq!(shown(&shelf, &reader(), Instant(0)).1, Some(Instant(start)));
    assert_eq!(shown(&shelf, &reader(), Instant(start)).1, Some(Instant(end)));
    assert_eq!(shown(&shelf, &reader(), Instant(end)).1, None);
}

#[test]
fn an_answer_is_kept_no_longer_than_it_holds() {
    let next = Some(Instant(100 * SECOND_US));
    assert_eq!(max_age_s(Instant(95 * SECOND_US), next, 30), 5);
    assert_eq!(max_age_s(Instant(95 * SECOND_US + 1), next, 30), 4);
    assert_eq!(max_age_s(Instant(100 * SECOND_US - 1), next, 30), 0);
    assert_eq!(max_age_s(Instant(0), next, 30), 30);
    assert_eq!(max_age_s(Instant(0), None, 30), 30);
}

#[test]
fn a_reader_gets_their_locale_or_a_wider_one_or_the_fallback() {
    let shelf = [banner(1, body())];
    let locale = |wanted: &str| {
        let reader = Reader { locale: Some(wanted.to_owned()), ..reader() };
        shown(&shelf, &reader, Instant(150 * SECOND_US)).0[0].locale.clone()
    };
    assert_eq!(["ko", "ko-KR", "KO-kr-x1", "pt-br", "pt", "fr-CA"].map(locale), ["ko", "ko", "ko", "pt-BR", "en", "en"]);
}

#[test]
fn a_banner_is_for_those_it_is_for() {
    let audience = Audience { level_min: Some(10), level_max: Some(20), platforms: vec!["ios".to_owned()], players: Players::Returning };
    let shelf = [banner(1, BannerBody { audience, ..body() })];
    let theirs = Reader { locale: None, platform: Some("ios".to_owned()), level: Some(20), players: Players::Returning };
    let sees = |reader: Reader| shown(&shelf, &reader, Instant(150 * SECOND_US)).0.len() == 1;
    assert!(sees(theirs.clone()));
    assert!(!sees(Reader { level: Some(21), ..theirs.clone() }));
    assert!(!sees(Reader { level: None, ..theirs.clone() }), "a level that is not known is none of these");
    assert!(!sees(Reader { platform: Some("pc".to_owned()), ..theirs.clone() }));
    assert!(!sees(Reader { players: Players::New, ..theirs }));
}

#[test]
fn what_is_no_banner_is_refused_with_what_would_be_right() {
    assert!(check(&body()).is_ok());
    let refused = |change: fn(&mut BannerBody)| {
        let mut body = body();
        change(&mut body);
        check(&body).unwrap_err().detail
    };
    assert!(refused(|b| b.ends_at = Some(b.starts_at)).contains("not after"));
    assert!(refused(|b| b.fallback = "fr".to_owned()).contains("fallback \"fr\""));
    assert!(refused(|b| b.contents.clear()).contains("0 locales"));
    assert!(refused(|b| drop(b.contents.insert("PT-br".to_owned(), content("x")))).contains("twice"));
    assert!(refused(|b| drop(b.contents.insert("k".to_owned(), content("x")))).contains("locale \"k\""));
    assert!(refused(|b| b.contents.get_mut("ko").unwrap().image = "http://cdn.example/x.png".to_owned()).contains("image"));
    assert!(refused(|b| b.contents.get_mut("ko").unwrap().link = "javascript://%0aalert(1)".to_owned()).contains("link"));
    assert!(refused(|b| b.placement = "Lobby Top".to_owned()).contains("placement"));
    assert!(refused(|b| b.audience = Audience { level_min: Some(2), level_max: Some(1), ..Audience::default() }).contains("level_min"));
}

proptest! {
    #[test]
    fn nothing_changes_before_the_moment_that_is_told(
        periods in prop::collection::vec((0..50_i64, 1..50_i64, prop::bool::ANY, -2..3_i64), 0..12),
        now in 0..100_i64, later in 1..100_i64,
    ) {
        let shelf: Vec<Banner> = periods.iter().zip(0..).map(|((start, length, stays, priority), id)| {
            let ends_at = (!stays).then_some(Instant(start + length));
            banner(id, BannerBody { starts_at: Instant(*start), ends_at, priority: *priority, ..body() })
        }).collect();
        let (first, next) = shown(&shelf, &reader(), Instant(now));
        let later = next.map_or(now + later, |next| (now + later).min(next.0 - 1));
        prop_assert_eq!(&shown(&shelf, &reader(), Instant(later)).0, &first);
        let priorities: Vec<i64> = first.iter().map(|shown| shelf.iter().find(|banner| banner.banner == shown.banner).unwrap().body.priority).collect();
        prop_assert!(priorities.is_sorted_by(|a, b| a >= b));
    }
}
