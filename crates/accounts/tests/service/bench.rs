//! A measurement, run by hand: what a crowd of logins does to other commands. See docs/decisions/0005-passwords.md.
//! `cargo test --release -p accounts --test service -- --ignored --nocapture a_crowd`

use crate::ground::{PASSWORD, grounds, keys, policy};
use accounts::{Accounts, Policy};
use db::Meta;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Sessions that refresh without pause: small durable commands, as payments are.
const OTHERS: usize = 32;
const LOGINS: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn a_crowd_of_logins_leaves_other_commands_their_time() {
    for ground in grounds().await {
        let accounts = ground.with(keys(), Policy { argon2_memory_kib: 19_456, argon2_iterations: 2, ..policy() });
        for n in 0..LOGINS.max(OTHERS) {
            ground.player(&format!("p{n}@example.com")).await;
        }
        let mut tokens = Vec::new();
        for n in 0..OTHERS {
            tokens.push(ground.log_in(&format!("p{n}@example.com")).await.0.refresh_token);
        }
        let (_, alone, tokens) = measure(&ground.accounts, tokens, Some((accounts.clone(), false))).await;
        // Quiet before and after: the tables grow meanwhile, which is not the logins' doing.
        let (before, _, tokens) = measure(&ground.accounts, tokens, None).await;
        let (during, together, tokens) = measure(&ground.accounts, tokens, Some((accounts, true))).await;
        let (after, _, _) = measure(&ground.accounts, tokens, None).await;
        println!(
            "{:?}: {LOGINS} logins took {alone:?} beside idle others, {together:?} beside busy ones; the busy ones:",
            ground.db.engine()
        );
        for (when, took) in [("before", before), ("during", during), ("after", after)] {
            println!("    {when}: {}", shown(took));
        }
        ground.db.close().await;
    }
}

/// Runs the others for a while, or until the crowd is in; returns their latencies, the crowd's time and the newest tokens.
async fn measure(ground: &Accounts, tokens: Vec<String>, crowd: Option<(Accounts, bool)>) -> (Vec<Duration>, Duration, Vec<String>) {
    let stop = Arc::new(AtomicBool::new(false));
    let busy = crowd.as_ref().is_none_or(|(_, busy)| *busy);
    let others: Vec<_> = tokens
        .into_iter()
        .map(|mut token| {
            let (accounts, stop) = (ground.clone(), stop.clone());
            tokio::spawn(async move {
                let mut took = Vec::new();
                while busy && !stop.load(Ordering::Relaxed) {
                    let asked = Instant::now();
                    token = accounts.refresh(Meta::ours("refresh"), &token).await.unwrap().refresh_token;
                    took.push(asked.elapsed());
                }
                (took, token)
            })
        })
        .collect();
    let began = Instant::now();
    match crowd {
        None => tokio::time::sleep(Duration::from_secs(2)).await,
        Some((accounts, _)) => {
            let logins: Vec<_> = (0..LOGINS)
                .map(|n| {
                    let accounts = accounts.clone();
                    tokio::spawn(async move { accounts.log_in(Meta::ours("login"), None, &format!("p{n}@example.com"), PASSWORD).await })
                })
                .collect();
            for login in logins {
                login.await.unwrap().unwrap();
            }
        }
    }
    let took = began.elapsed();
    stop.store(true, Ordering::Relaxed);
    let (mut all, mut newest) = (Vec::new(), Vec::new());
    for other in others {
        let (took, token) = other.await.unwrap();
        all.extend(took);
        newest.push(token);
    }
    (all, took, newest)
}

fn shown(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    let at = |per_thousand: usize| took[(took.len() - 1) * per_thousand / 1000];
    format!("{} commands, p50 {:.1?}, p99 {:.1?}, max {:.1?}", took.len(), at(500), at(990), at(1000))
}
