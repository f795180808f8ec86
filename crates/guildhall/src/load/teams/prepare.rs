//! Prepares a game with its players, what they hold and its banners, through the services, before the server is started.
//! Refuses to do it twice: a kept folder that has as many players as are asked for is used as it is.

use super::super::games::Desk;
use super::super::prepare::bar;
use crate::App;
use axum::http::Method;
use db::{Engine, Error, Meta, Statement, row};
use futures::{StreamExt as _, TryStreamExt as _};
use kernel::{BannerId, Currency, GameId, GrantId};
use serde_json::json;
use teams::commands::banners::{Change as BannerChange, What as BannerWhat};
use teams::commands::currencies::Definition;
use teams::commands::grants::{Ask, Piece, What};
use teams::decide::grants::{Change, PIECE_MAX};
use teams::model::banners::{Audience, BannerBody, BannerState, Content};
use teams::model::{GrantState, Listed, ProfileChange};

/// The game.
pub(super) const GAME: &str = "teamload";
/// Its currency.
pub(super) const CURRENCY: &str = "GEM";
/// Placements with banners.
pub(super) const PLACEMENTS: u64 = 5;
/// Readers' locales.
pub(super) const LOCALES: [&str; 4] = ["ko-KR", "en", "ja", "fr-CA"];
/// Published banners of each placement.
const BANNERS: u64 = 20;
/// Players of one command.
const AT_ONCE: u64 = 100;
/// Commands under way.
const UNDER_WAY: usize = 16;

static COUNT: Statement = Statement::new(
    "load.count_team_players",
    "select (select count(*) from player_profile where game = $1), (select count(*) from cash where game = $1)",
);

/// The game's name for a player.
pub(super) fn player(n: u64) -> String {
    format!("player-{n}")
}

/// What a player holds.
pub(super) fn amount(n: u64) -> i64 {
    i64::try_from(100 + n % 900).expect("it is below a thousand")
}

/// Everything that is read; returns an API key of the game.
pub(super) async fn prepare(app: &App, players: u64) -> Result<String, String> {
    let desk = Desk::open(app).await?;
    let counts = app.db.fetch(&COUNT, &row![GAME], |row| Ok((row.int(0)?, row.int(1)?))).await.map_err(|e| e.to_string())?;
    let wanted = i64::try_from(players).map_err(|e| format!("--players {players}: {e}"))?;
    match counts.first() {
        Some((profiles, held)) if *profiles == wanted && *held == wanted => {}
        Some((0, 0)) => fill(app, &desk, players).await?,
        _ => return Err(format!("the data has another number of players than {players}: another --data folder would be right")),
    }
    app.db.analyse().await.map_err(|e| e.to_string())?;
    // What was just filled would be vacuumed in the first seconds of the measurement.
    if app.db.engine() == Engine::Postgres {
        app.db.plain("vacuum").await.map_err(|e| e.to_string())?;
    }
    let scopes = json!({ "name": "load", "scopes": ["players:read", "currencies:read", "banners:read"] });
    let made = desk.ask(Method::POST, &format!("/v1/games/{GAME}/keys"), &scopes).await?;
    made["secret"].as_str().map(str::to_owned).ok_or_else(|| "the new key was not shown".to_owned())
}

async fn fill(app: &App, desk: &Desk, players: u64) -> Result<(), String> {
    desk.ask(Method::POST, "/v1/games", &json!({ "id": GAME, "name": GAME, "zone": "UTC" })).await?;
    let game: GameId = GAME.parse().map_err(|e| format!("{e}"))?;
    let filled = async {
        profiles(app, &game, players).await?;
        holdings(app, &game, players).await?;
        banners(app, &game).await
    };
    filled.await.map_err(|e| format!("preparing failed: {e}"))
}

async fn profiles(app: &App, game: &GameId, players: u64) -> Result<(), Error> {
    let bar = bar(players, "players");
    let now = app.db.now();
    let profile = |n: u64| ProfileChange {
        player: player(n),
        nickname: Some(format!("Racer{}", n * 7 % players)),
        level: i64::try_from(n % 100).ok(),
        server: Some(format!("server-{}", n % 8)),
        last_seen_at: Some(now),
        playtime_minutes: i64::try_from(n % 50_000).ok(),
    };
    let pieces = (0..players).step_by(usize::try_from(AT_ONCE).expect("a hundred")).map(|from| from..players.min(from + AT_ONCE));
    let sent = futures::stream::iter(pieces).map(|piece| {
        let changes = piece.map(profile).collect();
        let (bar, game) = (bar.clone(), game.clone());
        async move {
            app.teams.upsert_players(Meta::ours("load.prepare"), game, changes).await?;
            bar.inc(AT_ONCE);
            Ok::<(), Error>(())
        }
    });
    sent.buffer_unordered(UNDER_WAY).try_collect::<()>().await?;
    bar.finish_and_clear();
    Ok(())
}

async fn holdings(app: &App, game: &GameId, players: u64) -> Result<(), Error> {
    let currency: Currency = CURRENCY.parse().map_err(Error::Broken)?;
    let definition = Definition { game: game.clone(), currency, name: "Gem".to_owned() };
    app.teams.define_currency(Meta::ours("load.prepare"), definition).await?;
    let per_grant = u64::try_from(teams::decide::grants::PLAYERS_MAX).expect("a million");
    let bar = bar(players, "balances");
    for first in (0..players).step_by(usize::try_from(per_grant).expect("a million")) {
        let grant = GrantId::new();
        let ask = |what| Ask { game: game.clone(), grant, what };
        let create = What::Create { currency, reason: "opening".to_owned(), created_by: "load".to_owned() };
        app.teams.manage_grant(Meta::ours("load.prepare"), ask(create)).await?;
        let last = players.min(first + per_grant);
        for from in (first..last).step_by(PIECE_MAX) {
            let listed = (from..last.min(from + PIECE_MAX as u64)).map(|n| Listed { player: player(n), amount_minor: amount(n) }).collect();
            let piece = Piece { game: game.clone(), grant, players: listed };
            app.teams.add_to_grant(Meta::ours("load.prepare"), piece).await?;
        }
        app.teams.manage_grant(Meta::ours("load.prepare"), ask(What::Change(Change::Start))).await?;
        app.teams.work_off_grants().await?;
        let done = app.teams.grant(game, grant).await?;
        if done.state != GrantState::Done || done.refused > 0 {
            return Err(Error::Broken(format!("the grant of the preparation stands at {done:?}")));
        }
        bar.set_position(last);
    }
    bar.finish_and_clear();
    Ok(())
}

async fn banners(app: &App, game: &GameId) -> Result<(), Error> {
    let now = app.db.now();
    for n in 0..PLACEMENTS * BANNERS {
        let content = |locale: &str| Content {
            image: format!("https://cdn.example/{GAME}/{n}-{locale}.png"),
            link: format!("{GAME}://shop/{n}"),
            text: format!("Offer {n}"),
        };
        let body = BannerBody {
            placement: format!("place-{}", n % PLACEMENTS),
            priority: i64::try_from(n).expect("a hundred"),
            starts_at: now,
            ends_at: None,
            fallback: "en".to_owned(),
            contents: ["en", "ko", "ja"].into_iter().map(|locale| (locale.to_owned(), content(locale))).collect(),
            audience: Audience { platforms: if n % 2 == 0 { vec!["ios".to_owned()] } else { Vec::new() }, ..Audience::default() },
        };
        let banner = BannerId::new();
        for what in [BannerWhat::Create(body), BannerWhat::State(BannerState::Published)] {
            let change = BannerChange { game: game.clone(), banner, version: None, what };
            app.teams.change_banner(Meta::ours("load.prepare"), change).await?;
        }
    }
    Ok(())
}
