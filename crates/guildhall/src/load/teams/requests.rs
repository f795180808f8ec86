//! What a game's backend asks of the team API: which player or banner comes when, and what the answer has to be about.

use super::super::driver::request;
use super::prepare::{CURRENCY, GAME, LOCALES, PLACEMENTS, amount, player};
use bytes::Bytes;
use kernel::Random;

/// A prime larger than any number of players: with it neighbours in rank are not neighbours in the table.
const SPREAD_BY: u128 = 1_000_000_007;

/// How often which player is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spread {
    /// Each as often as the other.
    Even,
    /// The n-th 1/n times as often as the first (Zipf's law with exponent 1).
    Zipf,
}

impl Spread {
    pub(super) fn name(self) -> &'static str {
        match self {
            Spread::Even => "uniform",
            Spread::Zipf => "zipf",
        }
    }

    /// The player of a draw, among so many.
    fn player(self, random: &mut Random, players: u64) -> u64 {
        match self {
            Spread::Even => random.below(players),
            Spread::Zipf => {
                // Ranks from 1 have density 1/rank where the logarithm of the rank is even: rank = players ^ u.
                let u = random.below(1 << 53) as f64 / (1_u64 << 53) as f64;
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it lies between 1 and the number of players")]
                let rank = ((players as f64).powf(u) as u64).clamp(1, players);
                u64::try_from(u128::from(rank - 1) * SPREAD_BY % u128::from(players)).expect("a remainder is below the number of players")
            }
        }
    }
}

/// The requests of one run.
#[derive(Debug, Clone)]
pub(super) struct Reads {
    pub(super) key: String,
    pub(super) players: u64,
    pub(super) spread: Spread,
    pub(super) seed: u64,
}

enum Read {
    Player(u64),
    Currencies(u64),
    Banners { placement: u64, locale: &'static str },
}

impl Reads {
    fn nth(&self, n: u64) -> Read {
        let mut random = Random::nth(self.seed, n);
        match random.below(10) {
            0..7 => Read::Player(self.spread.player(&mut random, self.players)),
            7..9 => Read::Currencies(self.spread.player(&mut random, self.players)),
            _ => Read::Banners { placement: random.below(PLACEMENTS), locale: random.pick(&LOCALES) },
        }
    }

    /// The n-th request.
    pub(super) fn request(&self, n: u64, host: &str) -> Bytes {
        let path = match self.nth(n) {
            Read::Player(n) => format!("/v1/games/{GAME}/players/{}", player(n)),
            Read::Currencies(n) => format!("/v1/games/{GAME}/players/{}/currencies", player(n)),
            Read::Banners { placement, locale } => {
                format!("/v1/games/{GAME}/placements/place-{placement}/banners?locale={locale}&platform=ios")
            }
        };
        let bearer = format!("Bearer {}", self.key);
        Bytes::from(request("GET", &path, host, &[("Authorization", &bearer)], b""))
    }

    /// Whether an answer is about what the n-th request asked for.
    pub(super) fn is_about(&self, n: u64, body: &[u8]) -> bool {
        let right = match self.nth(n) {
            Read::Player(n) => format!("{{\"player\":\"{}\"", player(n)),
            Read::Currencies(n) => format!("[{{\"currency\":\"{CURRENCY}\",\"balance_minor\":{}}}]", amount(n)),
            Read::Banners { .. } => "{\"banners\":[{\"banner\":\"".to_owned(),
        };
        body.starts_with(right.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(spread: Spread) -> Reads {
        Reads { key: "gk_x".to_owned(), players: 1_000, spread, seed: 1 }
    }

    #[test]
    fn seven_of_ten_are_players_two_what_they_hold_and_one_banners() {
        let mut counts = [0; 3];
        for n in 0..100_000 {
            let kind = match reads(Spread::Even).nth(n) {
                Read::Player(_) => 0,
                Read::Currencies(_) => 1,
                Read::Banners { .. } => 2,
            };
            counts[kind] += 1;
        }
        let near = |count: i32, share: i32| (count - share).abs() < 1_000;
        assert!(near(counts[0], 70_000) && near(counts[1], 20_000) && near(counts[2], 10_000), "{counts:?}");
    }

    #[test]
    fn by_zipfs_law_the_first_tenth_is_asked_for_two_thirds_of_the_time() {
        let asked = |spread: Spread| {
            let mut counts = vec![0_u32; 1_000];
            (0..200_000).for_each(|n| counts[usize::try_from(spread.player(&mut Random::nth(7, n), 1_000)).unwrap()] += 1);
            counts.sort_unstable_by(|a, b| b.cmp(a));
            f64::from(counts[..100].iter().sum::<u32>()) / 200_000.0
        };
        assert!((asked(Spread::Zipf) - 0.667).abs() < 0.02, "{}", asked(Spread::Zipf));
        assert!(asked(Spread::Even) < 0.13);
    }

    #[test]
    fn an_answer_about_somebody_else_is_found() {
        let reads = reads(Spread::Even);
        let n = (0..).find(|n| matches!(reads.nth(*n), Read::Player(_))).unwrap();
        let Read::Player(asked) = reads.nth(n) else { unreachable!() };
        assert!(reads.is_about(n, format!("{{\"player\":\"{}\",\"level\":1}}", player(asked)).as_bytes()));
        assert!(!reads.is_about(n, b"{\"player\":\"somebody\"}"));
    }
}
