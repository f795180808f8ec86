//! Games as other writers put them down: each oddity is read for what it means, or refused with the reason.

use catalogue::steam::{Limits, PriceProblem, Reason, SteamGame};
use jiff::civil::date;

use super::read;

/// The game of an entry with these members.
fn game(members: &str) -> Result<SteamGame<'static>, Reason> {
    let outcome = read(format!("{{\"10\": {{{members}}}}}"), Limits::default());
    assert!(outcome.error.is_none(), "{members}: {:?}", outcome.error);
    let mut games = outcome.games();
    assert_eq!(games.len(), 1, "{members}");
    games.remove(0).map(SteamGame::into_owned).map_err(|bad| bad.reason)
}

fn with(members: &str) -> SteamGame<'static> {
    game(&format!("\"name\": \"n\", \"price\": 1, {members}")).unwrap()
}

fn price(json: &str) -> Result<i64, Reason> {
    game(&format!("\"name\": \"n\", \"price\": {json}")).map(|game| game.price_minor)
}

#[test]
fn prices_are_read_to_the_cent() {
    for (json, cents) in [
        ("19.99", 1_999),
        ("0", 0),
        ("0.0", 0),
        ("-0.0", 0),
        ("5", 500),
        ("1.5", 150),
        ("0.29", 29),
        ("1.15", 115),
        ("19.990000000000002", 1_999),
        ("4.994", 499),
        ("4.995", 500),
        ("1e1", 1_000),
        ("1.999E+1", 1_999),
        ("1999e-2", 1_999),
        ("5e-3", 1),
        ("4e-3", 0),
        ("1e-400", 0),
        ("0e999999999", 0),
        ("\"19.99\"", 1_999),
        ("\"$19.99\"", 1_999),
        ("\" US$ 19.99 \"", 1_999),
        ("\"19.99 USD\"", 1_999),
        ("\"19,99\"", 1_999),
        ("\"1,299.50\"", 129_950),
        ("\"1,299\"", 129_900),
        ("\".99\"", 99),
        ("\"Free\"", 0),
        ("\"Free to Play\"", 0),
        ("999999.99", 99_999_999),
    ] {
        assert_eq!(price(json), Ok(cents), "{json}");
    }
}

#[test]
fn unusable_prices_are_refused_with_what_would_be_right() {
    let problem = |json: &str| match price(json) {
        Err(Reason::Price { problem, .. }) => problem,
        other => panic!("{json}: {other:?}"),
    };
    for json in ["-1", "-0.01", "\"-$5\"", "\"-3.00\""] {
        assert_eq!(problem(json), PriceProblem::Negative, "{json}");
    }
    for json in ["1000000", "1e300", "99999999999999999999999", "1e18446744073709551615", "999999.995"] {
        assert!(matches!(problem(json), PriceProblem::TooHigh | PriceProblem::NotANumber), "{json}");
    }
    assert_eq!(problem("1e300"), PriceProblem::TooHigh);
    for json in ["\"19,99€\"", "\"£5\"", "\"₩ 21000\"", "\"5 EUR\""] {
        assert_eq!(problem(json), PriceProblem::OtherCurrency, "{json}");
    }
    for json in ["\"soon\"", "true", "[]", "{}", "\"1.2.3\"", "\"1,2,3\"", "\"$\""] {
        assert_eq!(problem(json), PriceProblem::NotANumber, "{json}");
    }
    for json in ["null", "\"\"", "NaN", "\"  \""] {
        assert_eq!(price(json), Err(Reason::PriceMissing), "{json}");
    }
    assert_eq!(game("\"name\": \"n\""), Err(Reason::PriceMissing));
    let told = price("\"19,99€\"").unwrap_err().to_string();
    assert_eq!(told, "the price `\"19,99€\"` is in another currency; expected US dollars such as 19.99, or 0 for a free game");
}

#[test]
fn release_dates_are_read_in_every_form_or_kept_as_text() {
    for (json, expected) in [
        ("\"Oct 21, 2008\"", Some(date(2008, 10, 21))),
        ("\"October 21, 2008\"", Some(date(2008, 10, 21))),
        ("\"21 Oct, 2008\"", Some(date(2008, 10, 21))),
        ("\"Sept 1st, 2018\"", Some(date(2018, 9, 1))),
        ("\"2009-11-16\"", Some(date(2009, 11, 16))),
        ("\"2009-11-16T10:00:00Z\"", Some(date(2009, 11, 16))),
        ("\"2009/11/16\"", Some(date(2009, 11, 16))),
        ("\"2019年7月19日\"", Some(date(2019, 7, 19))),
        ("\"2019년 7월 19일\"", Some(date(2019, 7, 19))),
        ("\"Oct 2008\"", Some(date(2008, 10, 1))),
        ("\"2008\"", Some(date(2008, 1, 1))),
        ("2008", Some(date(2008, 1, 1))),
        ("\"\"", None),
        ("null", None),
        ("\"Coming soon\"", None),
        ("\"Q3 2018\"", None),
        ("\"SOON 2018\"", None),
        ("\"09/12/2019\"", None),
        ("\"Feb 30, 2018\"", None),
        ("\"0009-01-01\"", None),
        ("\"2018 - 2019\"", None),
        ("\"May the fourth\"", None),
    ] {
        let game = with(&format!("\"release_date\": {json}"));
        assert_eq!(game.release_date, expected, "{json}");
        let written = json.trim_matches('"').replace("null", "");
        assert_eq!(game.release_text, written, "{json}");
    }
    let game = with("\"release_date\": {\"date\": \"Oct 21, 2008\", \"coming_soon\": true}");
    assert_eq!((game.release_date, &*game.release_text, game.coming_soon), (Some(date(2008, 10, 21)), "Oct 21, 2008", true));
}

#[test]
fn names_are_decoded_cleaned_and_required() {
    for (json, name) in [
        (r#""Tom &amp; Jerry&#39;s &quot;Run&quot;&trade;""#, "Tom & Jerry's \"Run\"™"),
        (r#""What&#146;s &#x2122; &eacute;""#, "What’s ™ é"),
        (r#""R&D &unknown; AT&T; &""#, "R&D &unknown; AT&T; &"),
        (r#""&amp;lt;""#, "&lt;"),
        (r#""  a\u0000b\u0007\nc\u007f  ""#, "ab c"),
        (r#""\ud83d\ude00 \ud83d!""#, "😀 \u{fffd}!"),
        (r#""日本\/語\\""#, "日本/語\\"),
        ("1984", "1984"),
        ("\"NaN\"", "NaN"),
    ] {
        assert_eq!(game(&format!("\"name\": {json}, \"price\": 1")).unwrap().name, name, "{json}");
    }
    for json in ["\"\"", "null", "\" \\u0000 \"", "[]", "true"] {
        assert_eq!(game(&format!("\"name\": {json}, \"price\": 1")), Err(Reason::NameMissing), "{json}");
    }
    assert_eq!(game("\"price\": 1"), Err(Reason::NameMissing));
    let long = "x".repeat(1_025);
    assert_eq!(game(&format!("\"name\": \"{long}\", \"price\": 1")), Err(Reason::NameTooLong { bytes: 1_025, max: 1_024 }));
}

#[test]
fn bare_words_of_other_languages_count_as_missing() {
    let game =
        with(r#""positive": NaN, "negative": -Infinity, "unused": {"x": [Infinity, NaN]}, "recommendations": 7, "website": "a\"NaN""#);
    assert_eq!((game.positive, game.negative, game.recommendations, &*game.website), (0, 0, 7, "a\"NaN"));
    let raw_control = with("\"short_description\": \"a\nb\tc\"");
    assert_eq!(raw_control.short_description, "a b c");
    assert!(matches!(super::read("{\"10\": {\"name\": x}}", Limits::default()).bad()[0].reason, Reason::Malformed { .. }));
}

#[test]
fn wrong_types_lose_no_game() {
    let game = with(
        r#""positive": "1,234", "negative": -5, "recommendations": 12.9, "required_age": "17+", "metacritic_score": [], "discount": "50%",
        "windows": "true", "mac": 1, "linux": {}, "genres": {}, "tags": "x", "screenshots": 5, "movies": null, "developers": "Blue, Ltd.",
        "categories": "Co-op, PvP;co-op", "detailed_description": 5, "estimated_owners": "20,000 .. 50,000", "peak_ccu": 99999999999999999999"#,
    );
    assert_eq!((game.positive, game.negative, game.recommendations), (1_234, 0, 12));
    assert_eq!((game.required_age, game.metacritic_score, game.discount_percent), (17, 0, 50));
    assert_eq!((game.platforms.windows, game.platforms.mac, game.platforms.linux), (true, true, false));
    assert!(game.genres.is_empty() && game.tags.is_empty() && game.screenshots.is_empty() && game.movies.is_empty());
    assert_eq!((game.developers, game.categories), (vec!["Blue, Ltd.".into()], vec!["Co-op".into(), "PvP".into()]));
    assert_eq!((game.owners_low, game.owners_high, game.peak_ccu), (20_000, 50_000, i64::MAX));
    assert!(game.detailed_description.is_empty());
}

#[test]
fn owners_are_a_band_or_one_number() {
    for (json, band) in [("\"0 - 20000\"", (0, 20_000)), ("\"20000-10000\"", (10_000, 20_000)), ("500", (500, 500)), ("\"many\"", (0, 0))] {
        let game = with(&format!("\"estimated_owners\": {json}"));
        assert_eq!((game.owners_low, game.owners_high), band, "{json}");
    }
}

#[test]
fn lists_keep_their_order_and_each_text_once() {
    let game = with(r#""genres": [" Action ", "action", "", "Indie", null, "ÉTUDE", "étude", {"id": "3", "description": "RPG"}, ["x"]]"#);
    assert_eq!(game.genres, ["Action", "Indie", "ÉTUDE", "RPG"]);
    let game = with(
        r#""screenshots": ["https://a/1.jpg?x=1&amp=2", {"id": 0, "path_full": "https://a/2.jpg"}], "tags": ["Indie", "indie", "RPG"]"#,
    );
    assert_eq!(game.screenshots, ["https://a/1.jpg?x=1&amp=2", "https://a/2.jpg"]);
    assert_eq!(game.tags, [("Indie".into(), 0), ("RPG".into(), 0)]);
    let game = with(r#""tags": {"Co-op \"2\"": 12, "RPG": "7"}"#);
    assert_eq!(game.tags, [("Co-op \"2\"".into(), 12), ("RPG".into(), 7)]);
    let many: Vec<String> = (0..300).map(|n| format!("\"g{n}\"")).collect();
    let refused =
        super::read(format!("{{\"10\": {{\"name\": \"n\", \"price\": 1, \"genres\": [{}]}}}}", many.join(",")), Limits::default());
    assert_eq!(refused.bad()[0].reason, Reason::TooMany { field: "genres", max: 256 });
}

#[test]
fn long_texts_are_kept_once_and_in_one_form_whoever_wrote_them() {
    let plain = with(r#""detailed_description": "<b>\"é\"</b>\n/", "about_the_game": "<b>\"é\"</b>\n/""#);
    let escaped = with(r#""detailed_description": "<b>\u0022\u00e9\"<\/b>\u000a/\u0000", "about_the_game": "<b>\"é\"<\/b>\n/""#);
    assert_eq!(plain.detailed_description.json(), r#"<b>\"é\"</b>\n/"#);
    assert_eq!(plain.detailed_description.to_text(), "<b>\"é\"</b>\n/");
    assert_eq!((&plain, plain.fingerprint()), (&escaped, escaped.fingerprint()));
    assert_eq!((&plain.about_the_game, &escaped.about_the_game), (&None, &None));
    let other = with(r#""detailed_description": "a", "about_the_game": "b""#);
    assert_eq!(other.about_the_game.unwrap().to_text(), "b");
}

#[test]
fn a_field_that_stands_twice_counts_as_the_last_one() {
    assert_eq!(
        game(r#""name": "a", "price": 1, "name": "b", "price": 2"#).map(|game| (game.name, game.price_minor)),
        Ok(("b".into(), 200))
    );
}

#[test]
fn the_fingerprint_changes_with_every_kept_field_and_with_nothing_else() {
    let base = r#""genres": ["A", "B"], "developers": ["C"], "positive": 1, "website": "w", "unused": 1"#;
    let first = with(base).fingerprint();
    assert_eq!(first, with(&base.replace("\"unused\": 1", "\"unused\": 2")).fingerprint());
    assert_eq!(first, with(&base.replace(", \"", " ,\n \"")).fingerprint(), "white space");
    for (from, to) in [
        ("[\"A\", \"B\"]", "[\"A\"]"),
        ("[\"A\", \"B\"]", "[\"AB\"]"),
        ("[\"A\", \"B\"]", "[\"B\", \"A\"]"),
        ("[\"C\"]", "[\"D\"]"),
        ("\"developers\"", "\"publishers\""),
        ("\"positive\": 1", "\"positive\": 2"),
        ("\"positive\"", "\"negative\""),
        ("\"w\"", "\"v\""),
        ("\"unused\": 1", "\"release_date\": \"2008\""),
        ("\"unused\": 1", "\"tags\": {\"x\": 1}"),
        ("\"unused\": 1", "\"movies\": [\"x\"]"),
        ("\"unused\": 1", "\"screenshots\": [\"x\"]"),
        ("\"unused\": 1", "\"about_the_game\": \"x\""),
        ("\"unused\": 1", "\"detailed_description\": \"x\""),
        ("\"unused\": 1", "\"mac\": true"),
        ("\"unused\": 1", "\"linux\": true"),
        ("\"unused\": 1", "\"price\": 3"),
    ] {
        assert_ne!(first, with(&base.replace(from, to)).fingerprint(), "{from} -> {to}");
    }
}

#[test]
fn popularity_adds_reviews_recommendations_and_owners_as_reviews() {
    let game = with(r#""positive": 1000, "negative": 900, "recommendations": 300, "estimated_owners": "20000 - 50000""#);
    assert_eq!(game.popularity(), 1_000 + 300 + 400);
    assert_eq!(with(r#""positive": 9223372036854775807, "recommendations": 5"#).popularity(), i64::MAX);
}
