//! The limited sale of the story: ten copies, a crowd of buyers, all at once.
//! Refuses to call it a success unless exactly the copies there were are sold and everyone else was told so.

use super::client::{Ask, Client};
use super::crowd::{self, Rush};
use super::stage::Scene;
use super::story::{Staff, Told};
use super::teller::{Teller, count, ms, per_s, usd};
use crate::load::report::Report;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const COPIES: u64 = 10;
const PRICE_CENTS: i64 = 4_999;
/// What each buyer has: enough for one copy.
const POINTS: i64 = 70_000;

/// Tells it.
pub(super) async fn tell(scene: &Scene, teller: &Teller, staff: &Staff, buyers: usize, connections: usize) -> Result<(), String> {
    teller.chapter(&format!("A limited sale: {COPIES} copies, {} buyers at once", count(buyers as u64)));
    let mut told = Told { client: Client::new(scene.address), teller };
    let product = put_up(&mut told, staff).await?;
    let started = Instant::now();
    let members = crowd::gather(&scene.app, buyers, POINTS).await.map_err(|e| e.to_string())?;
    let words = format!("{} accounts with a wallet of points and a token each", count(buyers as u64));
    teller.fact("prepared", started.elapsed(), &words);

    let body = json!({ "products": [product] }).to_string();
    let requests = members.iter().map(|member| crowd::post(scene.address, "/v1/payments/buy", member, &body)).collect();
    let address = scene.address;
    let rush = tokio::task::spawn_blocking(move || crowd::rush(address, connections, requests)).await.map_err(|e| e.to_string())?;
    let rush = rush.map_err(|e| e.to_string())?;
    report(teller, &rush, connections);
    let granted = COPIES.min(buyers as u64);
    if rush.answered(201) != granted || rush.refused("sold-out") != buyers as u64 - granted {
        return Err(format!(
            "of {buyers} buyers {granted} should have a copy, but the answers were {:?}, {:?}",
            rush.outcome.by_status, rush.refusals
        ));
    }
    let words =
        |stock: &Value| format!("{} sold, {} left, {} held of {}", stock["sold"], stock["available"], stock["held"], stock["registered"]);
    told.step(Ask::get(format!("/v1/stocks/{product}")), 200, words).await?;
    Ok(())
}

async fn put_up(told: &mut Told<'_>, staff: &Staff) -> Result<i64, String> {
    let new = json!({ "name": "The Last Lantern: Founder's Edition", "price_minor": PRICE_CENTS, "currency": "USD", "genres": ["Adventure"], "limited": true });
    let words = |made: &Value| format!("product {}, {}, in counted copies", made["product"], usd(&json!(PRICE_CENTS)));
    let made = told.step(Ask::post("/v1/products", new).by(&staff.token), 201, words).await?;
    let product = made["product"].as_i64().ok_or("a product that was added has no number")?;
    let stock = Ask::post(format!("/v1/stocks/{product}"), json!({ "quantity": COPIES })).by(&staff.token);
    told.step(stock, 200, |stock| format!("{} copies to sell", stock["available"])).await?;
    Ok(product)
}

fn report(teller: &Teller, rush: &Rush, connections: usize) {
    let figures = Report::new("sale", connections, &rush.outcome);
    let (requests, connections) = (count(figures.requests), count(connections as u64));
    let rate = per_s(figures.requests, rush.outcome.elapsed);
    teller.fact("POST  /v1/payments/buy", rush.outcome.elapsed, &format!("{requests} requests over {connections} connections, {rate}"));
    let time = |value_ms: f64| ms(Duration::from_secs_f64(value_ms / 1_000.0));
    let told = [
        (count(rush.answered(201)), "got a copy (201)"),
        (count(rush.refused("sold-out")), "were told that it is sold out (409)"),
        (time(figures.p50_ms), "half of them waited at most"),
        (time(figures.p99_ms), "99 of 100 waited at most"),
        (time(figures.max_ms), "the longest wait"),
    ];
    told.iter().for_each(|(figure, words)| teller.more(&format!("{figure:>8}  {words}")));
    if figures.errors > 0 {
        teller.bad("errors", &format!("{:?}", figures.errors_by_kind));
    }
}
